//! Processes of which one leads.

use super::{
    LATE, PATIENCE, chaos, micros, moment, now,
    processes::{Crowd, Faults, Place, Role, shut_down},
    until, within,
    witness::{Line, Witness},
};
use fsm_runtime::coordination::Leader;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_millis(1_500);
const NAME: &str = "cron";

/// The term of a leader, which ends when its future is dropped.
struct Term {
    witness: Witness,
    fence: u64,
}

impl Term {
    /// Does one step after another.
    async fn last(self) {
        loop {
            tokio::task::block_in_place(|| self.witness.write("step", NAME, self.fence));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.witness.write("dropped", NAME, self.fence);
    }
}

pub(super) async fn lead_until(place: &Place, stop: CancellationToken) {
    let runtime = place.client().await;
    let (locks, witness) = (runtime.locks(), place.witness("leaders"));
    let lead = |leader: Leader| {
        let term = Term { witness: witness.clone(), fence: leader.fence() };
        term.last()
    };
    tokio::select! {
        ended = locks.lead(NAME, TTL, lead) => panic!("{ended:?}"),
        () = stop.cancelled() => {}
    }
    shut_down(&runtime).await;
}

pub(crate) async fn killed_and_stopped_leaders_are_followed(place: Place) -> String {
    let mut crowd = Crowd::start(&place, Role::Lead, 3);
    let witness = place.witness("leaders");
    let (began, mut late, mut longest, mut rounds) = (Instant::now(), 0, Duration::ZERO, 0);
    while began.elapsed() < chaos() || rounds < 4 {
        // It has not been killed.
        let leader = until("one leads", async || witness.last("step").filter(|line| crowd.find(line.pid).is_some()));
        let leader = leader.await;
        moment(20, 200).await;
        let Some(which) = crowd.find(leader.pid) else { continue };
        let follows = async || witness.last("step").filter(|line| line.fence > leader.fence);
        // It may have lost its lease on a loaded machine.
        if follows().await.is_some() {
            continue;
        }
        rounds += 1;
        if rounds % 2 == 0 {
            let killed = crowd.kill(which);
            let next = until("another one leads", follows).await;
            let waited = Duration::from_micros(next.at.saturating_sub(killed));
            assert!(waited < TTL + LATE, "another one leads after {waited:?}");
            longest = longest.max(waited);
            continue;
        }
        let stopped = crowd.stop(which);
        // It may be stopped while it keeps the store's file locked.
        let next = within(TTL + LATE, follows).await;
        let went_on = crowd.go_on(which, stopped);
        let Some(_) = next else { continue };
        // It may have lost already.
        let dropped = async || {
            let lines = witness.lines();
            lines.into_iter().find(|line| line.what == "dropped" && line.fence == leader.fence)
        };
        let dropped = within(PATIENCE, dropped).await.expect("the stopped leader learns that it has lost");
        let took = Duration::from_micros(dropped.at.saturating_sub(went_on));
        assert!(took < LATE, "it has lost, and goes on for {took:?}");
        let steps = witness.lines().into_iter().filter(|line| line.fence == leader.fence && line.what == "step");
        let steps: Vec<Line> = steps.filter(|line| line.at > went_on).collect();
        assert!(steps.iter().all(|line| !line.accepted), "{steps:?}");
        // One may have begun before it was stopped.
        assert!(steps.len() <= 1, "it has lost, and goes on: {steps:?}");
        late += steps.len();
    }
    crowd.end().await;
    let terms = check(&witness.lines(), &crowd.faults);
    format!("{terms} terms, {}, {late} late steps refused, {longest:?} without a leader at most", crowd.faults.count())
}

/// One leads at a time. Returns the number of terms.
fn check(lines: &[Line], faults: &Faults) -> usize {
    let mut terms: Vec<&Line> = Vec::new();
    for line in lines.iter().filter(|line| line.what == "step" && line.accepted) {
        if terms.last().is_none_or(|begin| begin.fence != line.fence) {
            terms.push(line);
        }
    }
    for two in terms.windows(2) {
        let [one, next] = two else { continue };
        assert!(one.fence < next.fence, "{one:?}, {next:?}");
        let dropped = lines.iter().find(|line| line.what == "dropped" && line.fence == one.fence);
        let ended = dropped.map(|line| line.at).or_else(|| faults.killed(one.pid, one.at));
        let ended = ended.unwrap_or_else(now);
        let stopped = faults.was_stopped(one.pid, one.at, ended);
        assert!(next.at >= ended || stopped, "two lead: {one:?} until {ended}, {next:?}");
        if dropped.is_none() {
            let waited = next.at - ended.min(next.at);
            assert!(waited < micros(TTL + LATE), "no one leads for {waited} µs before {next:?}");
        }
    }
    terms.len()
}
