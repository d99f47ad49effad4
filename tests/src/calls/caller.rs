//! A caller that makes random calls of a store and logs the answers.

use super::{
    call::{Answer, Asked, Call, answers, at, looked},
    op::{self, ENDED, Kind, MACHINES, OWNERS, Pick, Seen},
};
use fastrand::Rng;
use fsm_runtime::store::{Process, Prune, Store, StoreError, sqlite::Sqlite};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How many instances are changed.
pub const INSTANCES: u8 = 4;
/// How many calls one caller makes in one process.
pub const CALLS: usize = 40;

/// The same clock for every process.
pub fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).expect("after the start") * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("positive")
}

fn pick(rng: &mut Rng) -> Pick {
    let kinds = [
        (4, Kind::Create),
        (6, Kind::Transition),
        (4, Kind::WorkersTransition),
        (1, Kind::Override),
        (1, Kind::Wish),
        (1, Kind::Hold),
        (6, Kind::Claim),
        (4, Kind::Checkpoint),
        (6, Kind::Release),
        (1, Kind::Arm),
        (1, Kind::Disarm),
        (1, Kind::Purge),
        (1, Kind::Rewrite),
    ];
    let mut lot = rng.usize(..kinds.iter().map(|(weight, _)| weight).sum::<usize>());
    let kind = kinds.into_iter().find(|(weight, _)| {
        let found = lot < *weight;
        lot = lot.saturating_sub(*weight);
        found
    });
    Pick {
        instance: rng.u8(..INSTANCES),
        kind: kind.expect("the draw is below the sum").1,
        stale: if rng.u8(..5) == 0 { rng.u8(1..4) } else { 0 },
        idempotency_key: (rng.u8(..4) == 0).then(|| rng.u8(..3)),
        into: rng.u8(..10),
        dice: rng.u8(..16),
    }
}

/// Mostly groups of one change; never two changes of one instance.
fn picks(rng: &mut Rng) -> Vec<Pick> {
    let mut picks: Vec<Pick> = Vec::new();
    for _ in 0..if rng.u8(..5) == 0 { rng.usize(2..4) } else { 1 } {
        let next = pick(rng);
        if picks.iter().all(|pick| pick.instance != next.instance) {
            picks.push(next);
        }
    }
    picks
}

/// One caller of a store, and the log of its calls.
#[derive(Debug)]
pub struct Caller<W> {
    store: Sqlite,
    rng: Rng,
    seen: Seen,
    /// Gets each call before it is made, and again with its answer.
    log: W,
}

impl<W: FnMut(&Call)> Caller<W> {
    pub fn new(store: Sqlite, log: W) -> Self {
        Self { store, rng: Rng::new(), seen: Seen::default(), log }
    }

    /// Makes `calls` random calls, one after the other.
    pub async fn ask(&mut self, calls: usize) {
        for _ in 0..calls {
            match self.rng.u8(..20) {
                0..5 => self.look().await,
                5 => self.forget().await,
                6 => self.drop_a_call().await,
                7 => self.lease().await,
                _ => self.change().await,
            }
        }
    }

    fn begin(&mut self, asked: Asked) -> Call {
        let call = Call { called: nanos(), answered: None, asked, answer: Vec::new() };
        (self.log)(&call);
        call
    }

    fn end(&mut self, call: Call, answer: Vec<Option<Answer>>) {
        (self.log)(&Call { answered: Some(nanos()), answer, ..call });
    }

    async fn look(&mut self) {
        let instance = self.rng.u8(..INSTANCES);
        let call = self.begin(Asked::Get(instance));
        let Some(row) = answered(self.store.get(op::key(instance)).await) else { return };
        self.end(call, looked(row.as_ref()));
        if let Some(row) = &row {
            self.seen.see(instance, row);
        }
    }

    async fn change(&mut self) {
        let ops = self.seen.group(&picks(&mut self.rng));
        let call = self.begin(Asked::Group(ops.clone()));
        let groups = vec![op::group(&ops)];
        let Some(mut verdicts) = answered(self.store.commit(groups, at(call.called)).await) else { return };
        let verdict = verdicts.remove(0);
        self.end(call, answers(&verdict, ops.len()));
        self.seen.see_verdict(&ops, &verdict);
    }

    /// Makes a call and drops it.
    async fn drop_a_call(&mut self) {
        let ops = self.seen.group(&picks(&mut self.rng));
        let call = self.begin(Asked::Group(ops.clone()));
        tokio::select! {
            biased;
            _ = self.store.commit(vec![op::group(&ops)], at(call.called)) => {}
            () = std::future::ready(()) => {}
        }
    }

    /// A lease of a random length, so that some lapse during the test.
    async fn lease(&mut self) {
        let owner = self.rng.u8(..2);
        let name = OWNERS[usize::from(owner)].to_owned();
        if self.rng.u8(..4) == 0 {
            let call = self.begin(Asked::EndLease { owner });
            if answered(self.store.end_leases(vec![name], at(call.called)).await).is_some() {
                self.end(call, Vec::new());
            }
            return;
        }
        let ttl = Duration::from_micros(self.rng.u64(..20_000));
        let call = self.begin(Asked::TakeLease { owner, ttl });
        let taken = self.store.take_lease(Process::new(name.clone(), name), ttl, at(call.called)).await;
        let Some(taken) = answered(taken) else { return };
        assert_eq!(taken.until, at(call.called) + ttl);
        self.end(call, Vec::new());
    }

    async fn forget(&mut self) {
        let before = nanos();
        let (asked, prune) = if self.rng.u8(..3) == 0 {
            let history_before = Some(at(before));
            (Asked::ForgetHistory { before }, Prune { history_before, limit: 1_000_000, ..Prune::default() })
        } else if self.rng.bool() {
            let ended = MACHINES.map(|machine| (machine.to_owned(), ENDED.to_owned())).to_vec();
            let prune = Prune { ended, ended_before: Some(at(before)), limit: 1, ..Prune::default() };
            (Asked::ForgetEnded { before }, prune)
        } else {
            let keys_before = Some(at(before));
            (Asked::ForgetKeys { before }, Prune { keys_before, limit: 1_000_000, ..Prune::default() })
        };
        let call = self.begin(asked);
        if answered(self.store.prune(prune).await).is_some() {
            self.end(call, Vec::new());
        }
    }
}

/// A stalled machine makes the file busy for longer than the timeout: the call then counts as unanswered.
fn answered<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(StoreError::Busy { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Adds a call, or puts its answer in the place of the call before.
pub fn latest(calls: &mut Vec<Call>, call: Call) {
    match calls.last_mut().filter(|last| last.called == call.called) {
        Some(last) => *last = call,
        None => calls.push(call),
    }
}
