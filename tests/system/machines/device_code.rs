//! The client of OAuth's device authorization grant, RFC 8628, section 3: it asks at an interval that the server may raise, until the
//! device code expires.

#![allow(clippy::needless_pass_by_value, reason = "a `with` takes state and event, though it only reads them")]

use fsm_runtime::{Machines, Outcome, Runtime, clock::ManualClock, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use super::typed::hold;

const SECOND: Duration = Duration::from_secs(1);

/// A device that waits for its user.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Waiting, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum DeviceCode {
    /// The user has not decided yet.
    #[on(poll => Asking)]
    #[on(expire => Expired)]
    #[after(|device| device.interval, poll)]
    #[at(|device| device.expires_at, expire)]
    Waiting {
        /// The minimum time between two requests.
        interval: Duration,
        /// The end of the code.
        expires_at: SystemTime,
    },
    /// Asks the server for the token.
    #[state(work)]
    #[on(authorization_pending => Waiting)]
    #[on(slow_down => Waiting, with = slower)]
    #[on(granted { token: String } => Granted)]
    #[on(access_denied => Denied)]
    #[on(expire => Expired)]
    #[at(|device| device.expires_at, expire)]
    Asking {
        /// As before.
        interval: Duration,
        /// As before.
        expires_at: SystemTime,
    },
    /// Has a token.
    #[state(end)]
    Granted {
        /// The access token.
        token: String,
    },
    /// The user has refused.
    #[state(end)]
    Denied,
    /// The code is too old.
    #[state(end)]
    Expired,
}

hold! {
    DeviceCode in device_code;
    states: [
        Waiting { interval: 5 * SECOND, expires_at: SystemTime::UNIX_EPOCH },
        Asking { interval: 5 * SECOND, expires_at: SystemTime::UNIX_EPOCH },
        Granted { token: "token".into() }, Denied, Expired,
    ];
    events: [Poll, Expire, AuthorizationPending, SlowDown, Granted { token: "token".into() }, AccessDenied];
}

/// "The interval MUST be increased by 5 seconds for this and all subsequent requests."
fn slower(asking: device_code::Asking, _: device_code::event::SlowDown) -> device_code::Waiting {
    let device_code::Asking { interval, expires_at } = asking;
    device_code::Waiting { interval: interval + 5 * SECOND, expires_at }
}

/// The answers of the server, and the times of the requests.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(VecDeque<Answer>, Vec<SystemTime>)>>);

#[derive(Clone, Copy)]
enum Answer {
    Pending,
    SlowDown,
    Granted,
    Denied,
}

struct Client(Server, ManualClock);

impl device_code::Workers for Client {
    async fn asking(&self, task: device_code::Task<device_code::Asking>) -> Outcome<device_code::Asking> {
        let answer = {
            let mut server = self.0.0.lock().unwrap();
            server.1.push(self.1.clock().now());
            server.0.pop_front().unwrap_or(Answer::Pending)
        };
        match answer {
            Answer::Pending => task.authorization_pending(),
            Answer::SlowDown => task.slow_down(),
            Answer::Granted => task.granted("token".into()),
            Answer::Denied => task.access_denied(),
        }
    }
}

struct World {
    runtime: Runtime,
    devices: Machines<DeviceCode>,
    server: Server,
    clock: ManualClock,
    begun: SystemTime,
}

impl World {
    /// A device with a code that is valid for a minute, and the answers that it gets.
    async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = ManualClock::new(begun);
        let server = Server::default();
        server.0.lock().unwrap().0.extend(answers);
        let client = Client(server.clone(), clock.clone());
        let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
        let runtime = builder.machine::<DeviceCode, _>(client).start().await.unwrap();
        let devices = runtime.machines::<DeviceCode>();
        let waiting = device_code::Waiting { interval: 5 * SECOND, expires_at: begun + 60 * SECOND };
        devices.create("tv", waiting).await.unwrap();
        Self { runtime, devices, server, clock, begun }
    }

    async fn state(&self) -> DeviceCode {
        self.devices.get("tv").await.unwrap().into()
    }

    /// The seconds at which the device has asked.
    fn asked(&self) -> Vec<u64> {
        let seconds = |at: &SystemTime| at.duration_since(self.begun).unwrap().as_secs();
        self.server.0.lock().unwrap().1.iter().map(seconds).collect()
    }
}

#[tokio::test]
async fn a_device_asks_at_its_own_interval() {
    use Answer::{Granted, Pending, SlowDown};
    let world = World::new([Pending, SlowDown, Pending, SlowDown, Granted]).await;
    assert_eq!(world.runtime.run_for(&world.clock, 60 * SECOND).await.unwrap(), None);
    assert_eq!(world.asked(), [5, 10, 20, 30, 45]);
    assert_eq!(world.state().await, DeviceCode::Granted { token: "token".into() });
}

#[tokio::test]
async fn a_device_code_expires_on_time() {
    let world = World::new([Answer::SlowDown; 100]).await;
    world.runtime.run_for(&world.clock, 59 * SECOND).await.unwrap();
    assert_eq!(world.asked(), [5, 15, 30, 50]);
    assert_eq!(world.state().await.state(), device_code::State::Waiting);
    assert_eq!(world.runtime.run_for(&world.clock, SECOND).await.unwrap(), None);
    assert_eq!(world.state().await, DeviceCode::Expired);
}

#[tokio::test]
async fn a_user_refuses() {
    let world = World::new([Answer::Denied]).await;
    assert_eq!(world.runtime.run_for(&world.clock, 60 * SECOND).await.unwrap(), None);
    assert_eq!((world.asked(), world.state().await), (vec![5], DeviceCode::Denied));
}

#[test]
fn a_device_code_is_drawn() {
    let table = DeviceCode::GRAPH.table().to_string();
    assert!(table.contains("| `Waiting` | `poll` | `Asking` | after device.interval |"), "{table}");
    assert!(table.contains("| `Waiting` | `expire` | `Expired` | at device.expires_at |"), "{table}");
}
