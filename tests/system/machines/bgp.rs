//! A session of the Border Gateway Protocol, RFC 4271: section 8, for one connection without the optional attributes, and the timers of
//! sections 8.2.2 and 10.

#![allow(clippy::needless_pass_by_value, reason = "a `with` takes state and event, though it only reads them")]

use fsm_runtime::{Machines, Runtime, clock::ManualClock, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

use super::typed::hold;

const SECOND: Duration = Duration::from_secs(1);

/// A session with a peer.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Idle, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(manual_stop => Idle, except(Idle))]
enum BgpSession {
    /// Refuses all connections.
    #[on(manual_start => Connect)]
    Idle,
    /// Waits for the TCP connection to be completed.
    #[on(connect_retry_timer_expires => Self)]
    #[on(tcp_connection_confirmed => OpenSent)]
    #[on(tcp_connection_fails => Idle)]
    #[after("120s", connect_retry_timer_expires)]
    Connect,
    /// Listens for a connection.
    #[on(connect_retry_timer_expires => Connect)]
    #[on(tcp_connection_confirmed => OpenSent)]
    #[on(tcp_connection_fails => Idle)]
    #[after("120s", connect_retry_timer_expires)]
    Active,
    /// Has sent an OPEN, with a hold time of 4 minutes.
    #[on(hold_timer_expires => Idle)]
    #[on(bgp_open { hold_time: u16 } => OpenConfirm, with = negotiated)]
    #[on(tcp_connection_fails => Active)]
    #[after("4m", hold_timer_expires)]
    OpenSent,
    /// Waits for a KEEPALIVE or a NOTIFICATION.
    #[on(hold_timer_expires | notif_msg | tcp_connection_fails => Idle)]
    #[on(keepalive_timer_expires => _)]
    #[on(keep_alive_msg => Established)]
    #[after(|session| hold(session.hold_time), hold_timer_expires)]
    #[after(|session| keepalive(session.hold_time), keepalive_timer_expires)]
    OpenConfirm {
        /// The negotiated hold time in seconds; 0 for none.
        hold_time: u16,
    },
    /// Exchanges routes.
    #[on(hold_timer_expires | notif_msg | tcp_connection_fails => Idle)]
    #[on(keepalive_timer_expires => _)]
    #[on(keep_alive_msg | update_msg => _, rewind = hold_timer_expires)]
    #[on(update_sent => _, rewind = keepalive_timer_expires)]
    #[after(|session| hold(session.hold_time), hold_timer_expires)]
    #[after(|session| keepalive(session.hold_time), keepalive_timer_expires)]
    Established {
        /// As negotiated.
        hold_time: u16,
    },
}

hold! {
    BgpSession in bgp_session;
    states: [Idle, Connect, Active, OpenSent, OpenConfirm { hold_time: 90 }, Established { hold_time: 90 }];
    events: [
        ManualStart, ManualStop, ConnectRetryTimerExpires, TcpConnectionConfirmed, TcpConnectionFails, HoldTimerExpires,
        BgpOpen { hold_time: 180 }, NotifMsg, KeepaliveTimerExpires, KeepAliveMsg, UpdateMsg, UpdateSent,
    ];
}

/// The smaller of the two hold times. Ours is 90 seconds.
fn negotiated(_: bgp_session::OpenSent, open: bgp_session::event::BgpOpen) -> bgp_session::OpenConfirm {
    bgp_session::OpenConfirm { hold_time: open.hold_time.min(90) }
}

/// "If the negotiated Hold Time value is zero, then the `HoldTimer` and `KeepaliveTimer` are not started."
fn hold(seconds: u16) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// "A reasonable maximum time between KEEPALIVE messages would be one third of the Hold Time interval."
fn keepalive(seconds: u16) -> Option<Duration> {
    hold(seconds).map(|hold| hold / 3)
}

struct World {
    runtime: Runtime,
    sessions: Machines<BgpSession>,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let store = Sqlite::in_memory().unwrap();
        let runtime = Runtime::builder(store).clock(clock.clock()).machine::<BgpSession, _>(()).start().await.unwrap();
        Self { sessions: runtime.machines(), runtime, clock }
    }

    /// A session with a peer that proposes this hold time.
    async fn established(&self, hold_time: u16) -> bgp_session::Record<bgp_session::Established> {
        let idle = self.sessions.create("peer", bgp_session::Idle).await.unwrap();
        let sent = idle.manual_start().await.unwrap().tcp_connection_confirmed().await.unwrap();
        sent.bgp_open(hold_time).await.unwrap().keep_alive_msg().await.unwrap()
    }

    /// What has happened, beginning with the version after `after`.
    async fn happened(&self, after: usize) -> Vec<String> {
        let query = fsm_runtime::HistoryQuery::new().limit(1_000);
        let entries = self.sessions.history("peer", &query).await.unwrap().items;
        entries.into_iter().skip(after).filter_map(|entry| entry.event).collect()
    }

    async fn fire(&self, event: impl Into<bgp_session::Event>) {
        let _ = self.sessions.fire("peer", event).await.unwrap();
    }
}

#[tokio::test]
async fn keepalives_are_sent_while_the_peer_is_heard() {
    let world = World::new().await;
    world.established(180).await;
    for _ in 0..10 {
        world.runtime.run_for(&world.clock, 20 * SECOND).await.unwrap();
        world.fire(bgp_session::event::KeepAliveMsg).await;
    }
    let happened = world.happened(5).await;
    let sent = happened.iter().filter(|event| *event == "keepalive_timer_expires").count();
    assert_eq!((sent, happened.len()), (6, 16), "every 30 seconds, whatever the peer sends: {happened:?}");
    let row = world.sessions.row("peer").await.unwrap();
    assert_eq!(row.state, "Established");
    let now = world.clock.clock().now();
    assert_eq!(row.timers["hold_timer_expires"], now + 90 * SECOND);
    assert_eq!(row.timers["keepalive_timer_expires"], now + 10 * SECOND);
}

#[tokio::test]
async fn a_silent_peer_is_dropped_after_the_hold_time() {
    let world = World::new().await;
    world.established(9).await;
    world.runtime.run_for(&world.clock, 5 * SECOND).await.unwrap();
    world.fire(bgp_session::event::UpdateMsg).await;
    world.runtime.run_for(&world.clock, 8 * SECOND).await.unwrap();
    assert_eq!(world.sessions.get("peer").await.unwrap().state(), bgp_session::State::Established);
    world.runtime.run_for(&world.clock, SECOND).await.unwrap();
    assert_eq!(world.sessions.get("peer").await.unwrap().state(), bgp_session::State::Idle);
    let happened = world.happened(5).await;
    let expected = "keepalive_timer_expires update_msg keepalive_timer_expires keepalive_timer_expires \
                    keepalive_timer_expires hold_timer_expires";
    assert_eq!(happened.join(" "), expected);
}

#[tokio::test]
async fn an_update_postpones_the_next_keepalive_only() {
    let world = World::new().await;
    world.established(90).await;
    world.runtime.run_for(&world.clock, 29 * SECOND).await.unwrap();
    world.fire(bgp_session::event::UpdateSent).await;
    world.runtime.run_for(&world.clock, 29 * SECOND).await.unwrap();
    assert_eq!(world.happened(5).await, ["update_sent"]);
    world.runtime.run_for(&world.clock, 32 * SECOND).await.unwrap();
    assert_eq!(world.happened(6).await, ["keepalive_timer_expires", "keepalive_timer_expires", "hold_timer_expires"]);
}

#[tokio::test]
async fn without_a_hold_time_no_timer_runs() {
    let world = World::new().await;
    world.established(0).await;
    world.fire(bgp_session::event::KeepAliveMsg).await;
    assert_eq!(world.runtime.run_for(&world.clock, Duration::from_hours(24)).await.unwrap(), None);
    let row = world.sessions.row("peer").await.unwrap();
    assert_eq!((row.state.as_str(), row.timer_at, row.timers.len()), ("Established", None, 0));
}

#[tokio::test]
async fn connections_are_tried_again() {
    let world = World::new().await;
    let idle = world.sessions.create("peer", bgp_session::Idle).await.unwrap();
    let sent = idle.manual_start().await.unwrap().tcp_connection_confirmed().await.unwrap();
    let active = sent.tcp_connection_fails().await.unwrap();
    drop(active);
    world.runtime.run_for(&world.clock, 240 * SECOND).await.unwrap();
    assert_eq!(world.happened(4).await, ["connect_retry_timer_expires", "connect_retry_timer_expires"]);
}

#[test]
fn a_bgp_session_is_drawn() {
    let mermaid = BgpSession::GRAPH.mermaid().to_string();
    for arrow in [
        "Established --> Idle : hold_timer_expires (after hold(session.hold_time))",
        "Established --> Established : keepalive_timer_expires (stays) (after keepalive(session.hold_time))",
        "Established --> Established : update_msg (stays) (rewinds hold_timer_expires)",
        "OpenSent --> Idle : hold_timer_expires (after 4m)",
    ] {
        assert!(mermaid.contains(arrow), "{arrow} in {mermaid}");
    }
}
