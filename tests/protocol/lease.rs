//! One process among others: its lease, its claims, and what others take over from it.
//!
//! The process is modeled completely. The others are one owner, `Other`, which claims and commits at any time, and whose processes may
//! be killed. They keep the protocol: what they may take from the process, the process may take from them.
//!
//! Time passes in ticks, of which a lease lasts six; the phases are those of `controller/lease/timeline.rs` itself. The clock of the
//! process counts the same ticks as that of the store, also while it is stopped. A process that runs does what is due at its time: no tick
//! passes before.
//!
//! While a process runs, no other one works on its instance under a live lease. A process that was stopped past its lease may go on for a
//! moment: until it has the answer to one request. Only the fence keeps its worker from changing anything. If its machine was suspended,
//! and its clock stood still, then it may also start a worker for a claim that was on its way.
//!
//! Each step is one that happens at once:
//!
//! | step | stands for |
//! | --- | --- |
//! | `watchdog renews` | `keep_lease` (`watchdog.rs`) asks, at most once in an interval |
//! | `advance` | `LeaseKeeper::advance`: asks once more, drains, or aborts the workers |
//! | `renew`, `take`, `held_by` | the store executes the request (`postgres/lease.rs`, `claimed.rs`) |
//! | `… answered` | `LeaseKeeper::on_report` and `on_reply`, and the next request of `lease::request` |
//! | `… not in time` | the limit in `lease::request`. The store may still execute the request, `late` |
//! | `sweep` | `remove_lapsed` |
//! | `claim`, `claimed`, `claim answered` | `EventLoop::claim`, the statement, `EventLoop::on_claimed` |
//! | `work ends`, `result` | the worker's commit, with its fence, or a release. It may come late |
//! | `others lock`, `others claim`, `others commit` | the burst of a claim: the lock of leases, the claim, COMMIT (`change/keep.rs`) |
//! | `others end`, `others are killed`, … | their workers and processes |
//! | `stopped`, `goes on`, `killed` | SIGSTOP, SIGCONT, SIGKILL |

use crate::{
    explore::{Model, Step, search},
    more_faults,
};
use std::time::Duration;
use timeline::{LeaseTimeline, Phase};

#[path = "../../fsm-runtime/src/controller/lease/timeline.rs"]
mod timeline;

/// How long a lease lasts.
const TTL: u8 = 6;
/// The oldest age that is told from older ones.
const OLD: u8 = TTL;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    None,
    /// A change of a worker compares the fence.
    CompareFence,
    /// Each claim has a new fence.
    NewFence,
    /// A renewal extends live leases only.
    RenewLiveOnly,
    /// A renewal reads the time after it has waited for a claim.
    RenewAfterLock,
    /// A claim of somebody else's row needs the end of its owner's lease.
    ClaimAfterLease,
    /// It locks that lease until it is committed.
    LockLease,
    /// The holder counts from its request, not from the answer.
    CountFromRequest,
    /// The holder ends its workers before the lease ends.
    AbortInTime,
    /// After a lapse, the holder compares its workers with what it still holds.
    CompareHeld,
    /// It does so too where the lease may have lapsed and was taken again by a request that it gave up.
    CompareAfterSilence,
    /// A claim that was answered after its lease starts no worker.
    CoverClaim,
}

#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "what can happen, independently of each other")]
struct Lease {
    dropped: Dropped,
    claims: u8,
    stops: u8,
    losses: u8,
    kills: u8,
    /// Whether workers also end without a transition.
    releases: bool,
    /// Whether the process is at work in the beginning.
    at_work: bool,
    /// Whether the clock of the process stands still while it is stopped, as on a suspended machine.
    suspends: bool,
    /// Whether a request of an earlier lapse, which was given up, may still be executed.
    late_take: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Nobody,
    Me,
    /// A process with a live lease.
    Other,
    /// A process that was killed, with a live lease.
    Killed,
    /// A process whose lease has ended.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Runs,
    Stopped,
    Killed,
}

/// `LeaseState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Keeper {
    Held,
    Requested,
    Draining,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ask {
    Renew,
    Take,
    HeldBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    Sent,
    /// The condition was checked before the wait for a lock, and held.
    Waits,
    /// Whether the lease is granted.
    Lease(bool),
    /// The fence of the row, if it is this process's.
    Held(Option<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    ask: Ask,
    /// How long ago the lease was asked for.
    age: u8,
    /// Whether the claims are compared also where the lease had not lapsed.
    compares: bool,
    /// Whether it was made before a suspension.
    stale: bool,
    progress: Progress,
}

/// A change of the row by a worker or for one, on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Change {
    fence: u8,
    version: u8,
    /// Whether it is a release of the claim, which keeps the version.
    releases: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Claim {
    fence: u8,
    version: u8,
    /// The age of the lease under which it is made.
    age: u8,
    answer: Claimed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Claimed {
    Open,
    Missed,
    /// With this fence.
    With(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Worker {
    fence: u8,
    version: u8,
}

/// The burst of a claim of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Burst {
    fence: u8,
    version: u8,
    /// Whether it has locked the lease of this process.
    locks: bool,
    /// The new fence, which is not committed yet.
    claimed: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "what has happened, independently of each other")]
struct World {
    owner: Owner,
    fence: u8,
    version: u8,
    last_fence: u8,
    /// What is left of the lease of this process; 0 after its end.
    lease: Option<u8>,
    life: Life,
    keeper: Keeper,
    /// How long ago the last renewal that was answered was asked for.
    renewed: u8,
    compares: bool,
    request: Option<Request>,
    watchdog: Option<Request>,
    /// Requests that were given up, and that the store may still execute.
    late_take: bool,
    late_renew: bool,
    claim: Option<Claim>,
    worker: Option<Worker>,
    change: Option<Change>,
    others: Option<Burst>,
    other_worker: Option<Worker>,
    /// The last change of a process that was killed.
    other_change: Option<Change>,
    stops: u8,
    losses: u8,
    kills: u8,
    /// Whether the process was stopped past its lease, and has not got the answer to a request since.
    overslept: bool,
    broken: Option<&'static str>,
}

fn phase(age: u8) -> Phase {
    let seconds = |ticks: u8| Duration::from_secs(ticks.into());
    LeaseTimeline { renewed: Duration::ZERO, ttl: seconds(TTL), grace: seconds(TTL) }.phase(seconds(age))
}

impl World {
    /// Whether another transaction keeps the lease from being changed.
    fn lease_is_locked(&self) -> bool {
        self.others.is_some_and(|burst| burst.locks)
    }

    /// Whether a claim of the others has changed the row, and is not committed.
    fn row_is_locked(&self) -> bool {
        self.others.is_some_and(|burst| burst.claimed.is_some())
    }

    fn drain(&mut self) {
        self.keeper = Keeper::Draining;
    }
}

impl Lease {
    fn new() -> Self {
        Self {
            dropped: Dropped::None,
            claims: 2,
            stops: 0,
            losses: 0,
            kills: 0,
            releases: false,
            at_work: false,
            suspends: false,
            late_take: false,
        }
    }

    fn keeps(&self, rule: Dropped) -> bool {
        self.dropped != rule
    }

    /// `LeaseKeeper::request`.
    fn ask(&self, world: &mut World) {
        self.compare_if_over(world);
        if world.keeper == Keeper::Held {
            world.keeper = Keeper::Requested;
        }
        let renew =
            Request { ask: Ask::Renew, age: 0, compares: world.compares, stale: false, progress: Progress::Sent };
        world.request.get_or_insert(renew);
    }

    /// What the process does at once when it is time.
    fn advance(&self, world: &World) -> Option<World> {
        let (phase, mut after) = (phase(world.renewed), world.clone());
        match world.keeper {
            Keeper::Held if phase > Phase::Held => self.ask(&mut after),
            Keeper::Draining if phase == Phase::Lost => {
                after.keeper = Keeper::Lost;
                if self.keeps(Dropped::AbortInTime) {
                    (after.worker, after.overslept) = (None, false);
                }
            }
            Keeper::Requested if world.request.is_none() && phase > Phase::Held => after.drain(),
            _ => return None,
        }
        Some(after)
    }

    fn tick(&self, world: &World) -> Option<World> {
        let due = self.advance(world).is_some() || world.request.is_some();
        if world.life == Life::Runs && due {
            return None;
        }
        let mut after = world.clone();
        after.lease = world.lease.map(|left| left.saturating_sub(1));
        if world.life == Life::Stopped && self.suspends {
            after.overslept = true;
            return (after != *world).then_some(after);
        }
        let older = |age: &mut u8| *age = (*age + 1).min(OLD);
        older(&mut after.renewed);
        after.request.iter_mut().chain(&mut after.watchdog).for_each(|request| older(&mut request.age));
        after.claim.iter_mut().for_each(|claim| claim.age = (claim.age + 1).min(TTL - 1));
        let runs_out = phase(after.renewed) == Phase::Lost && after.life == Life::Stopped;
        after.overslept |= runs_out && after.keeper != Keeper::Lost && after.worker.is_some();
        (after != *world).then_some(after)
    }

    /// The store executes a request of the process for its lease.
    fn execute(&self, world: &mut World, request: Request) -> Option<Request> {
        let locked = world.lease_is_locked();
        let live = world.lease.is_some_and(|left| left > 0) || !self.keeps(Dropped::RenewLiveOnly);
        let progress = match (request.ask, request.progress) {
            (Ask::Renew, Progress::Sent) if locked && !self.keeps(Dropped::RenewAfterLock) && live => Progress::Waits,
            (Ask::Renew | Ask::Take, _) if locked => return None,
            (Ask::Renew, Progress::Sent) => Progress::Lease(live),
            (Ask::Renew, Progress::Waits) | (Ask::Take, Progress::Sent) => Progress::Lease(true),
            (Ask::HeldBy, Progress::Sent) => Progress::Held((world.owner == Owner::Me).then_some(world.fence)),
            _ => return None,
        };
        if progress == Progress::Lease(true) {
            world.lease = Some(TTL);
        }
        Some(Request { progress, ..request })
    }

    fn leases(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let runs = world.life == Life::Runs;
        if let Some(after) = self.advance(world).filter(|_| runs) {
            next.push(("advance", after));
        }
        if let Some(request) = world.request {
            let mut after = world.clone();
            if let Some(request) = self.execute(&mut after, request) {
                after.request = Some(request);
                let step = match request.ask {
                    Ask::Renew => "renew",
                    Ask::Take => "take",
                    Ask::HeldBy => "held_by",
                };
                next.push((step, after));
            }
            if runs && let Some(after) = self.reply(world, request) {
                next.push(("request answered", after));
            }
            if runs && world.losses < self.losses {
                let mut after = World { losses: world.losses + 1, request: None, compares: true, ..world.clone() };
                let open = matches!(request.progress, Progress::Sent | Progress::Waits);
                after.late_take |= open && request.ask == Ask::Take;
                after.late_renew |= open && request.ask == Ask::Renew;
                if after.keeper == Keeper::Requested && phase(after.renewed) > Phase::Held {
                    after.drain();
                }
                next.push(("request not in time", after));
            }
        }
        match world.watchdog {
            None if runs && world.renewed >= TTL / 3 => {
                let renew =
                    Request { ask: Ask::Renew, age: 0, compares: false, stale: false, progress: Progress::Sent };
                next.push(("watchdog renews", World { watchdog: Some(renew), ..world.clone() }));
            }
            None => {}
            Some(request) => {
                let mut after = world.clone();
                if let Some(request) = self.execute(&mut after, request) {
                    after.watchdog = Some(request);
                    next.push(("renew, for the watchdog", after));
                }
                if let (true, Progress::Lease(granted)) = (runs, request.progress) {
                    next.push(("watchdog reports", self.report(world, request, granted)));
                }
                if runs && world.losses < self.losses {
                    let mut after = World { losses: world.losses + 1, watchdog: None, ..world.clone() };
                    after.late_renew |= !matches!(request.progress, Progress::Lease(_));
                    next.push(("the watchdog's answer is lost", after));
                }
            }
        }
        for (step, ask, waits) in
            [("late take", Ask::Take, world.late_take), ("late renew", Ask::Renew, world.late_renew)]
        {
            let mut after = world.clone();
            let request = Request { ask, age: 0, compares: false, stale: false, progress: Progress::Sent };
            if waits && self.execute(&mut after, request).is_some_and(|it| it.progress != Progress::Waits) {
                after.late_take &= ask != Ask::Take;
                after.late_renew &= ask != Ask::Renew;
                next.push((step, after));
            }
        }
        if world.lease == Some(0) && world.owner != Owner::Me && !world.lease_is_locked() {
            next.push(("sweep", World { lease: None, ..world.clone() }));
        }
    }

    /// `LeaseKeeper::compares_if_over`: the lease may have lapsed, and a request that was given up may have taken it since.
    fn compare_if_over(&self, world: &mut World) {
        world.compares |= world.renewed >= TTL && self.keeps(Dropped::CompareAfterSilence);
    }

    /// `LeaseKeeper::extend`, for a request that was made `age` ago.
    fn extend(&self, world: &mut World, age: u8) {
        self.compare_if_over(world);
        let age = if self.keeps(Dropped::CountFromRequest) { age } else { 0 };
        world.renewed = world.renewed.min(age);
    }

    /// `LeaseKeeper::on_report`.
    fn report(&self, world: &World, Request { age, stale, .. }: Request, granted: bool) -> World {
        let mut after = World { watchdog: None, ..world.clone() };
        if granted {
            self.extend(&mut after, age);
            if after.keeper != Keeper::Held || after.compares {
                self.ask(&mut after);
            }
            after.overslept &= stale || after.request.is_some();
        } else if age < world.renewed || age == OLD {
            after.compares = true;
            self.ask(&mut after);
        }
        after
    }

    /// The next request of `lease::request`, or `LeaseKeeper::on_reply`.
    fn reply(&self, world: &World, request: Request) -> Option<World> {
        let mut after = world.clone();
        let ask = |ask, age| Some(Request { ask, age, progress: Progress::Sent, ..request });
        let held = match (request.ask, request.progress) {
            (Ask::Renew, Progress::Lease(false)) => {
                after.request = ask(Ask::Take, 0);
                return Some(after);
            }
            (Ask::Renew, Progress::Lease(true)) if !request.compares => None,
            (Ask::Renew | Ask::Take, Progress::Lease(true)) if self.keeps(Dropped::CompareHeld) => {
                after.request = ask(Ask::HeldBy, request.age);
                return Some(after);
            }
            (Ask::Renew | Ask::Take, Progress::Lease(true)) => None,
            (Ask::HeldBy, Progress::Held(held)) => Some(held),
            _ => return None,
        };
        self.extend(&mut after, request.age);
        after.request = None;
        // What was read holds only as long as the lease under which it was read.
        if !self.keeps(Dropped::CompareAfterSilence)
            || !self.keeps(Dropped::CompareHeld)
            || held.is_some() && request.age < TTL
        {
            after.compares = false;
        }
        if after.compares {
            self.ask(&mut after);
            return Some(after);
        }
        after.keeper = Keeper::Held;
        // If that lease, too, may be over by now, it asks again at once.
        after.overslept &= phase(after.renewed) == Phase::Lost || request.stale;
        if let (Some(held), Some(worker)) = (held, after.worker)
            && held != Some(worker.fence)
        {
            after.worker = None;
        }
        Some(after)
    }

    /// The claims and the work of the process.
    fn work(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let runs = world.life == Life::Runs;
        let idle = world.claim.is_none() && world.worker.is_none() && world.change.is_none();
        let free = matches!(world.owner, Owner::Nobody | Owner::Me | Owner::Gone);
        if runs && idle && free && world.keeper == Keeper::Held && world.last_fence < self.claims {
            let age = world.renewed.min(TTL - 1);
            let claim = Claim { fence: world.fence, version: world.version, age, answer: Claimed::Open };
            next.push(("claim", World { claim: Some(claim), ..world.clone() }));
        }
        match world.claim {
            Some(claim @ Claim { answer: Claimed::Open, .. }) if !world.row_is_locked() => {
                let mut after = world.clone();
                let applies = free && (claim.fence, claim.version) == (world.fence, world.version);
                let answer = if applies { Claimed::With(self.claimed(&mut after, Owner::Me)) } else { Claimed::Missed };
                after.claim = Some(Claim { answer, ..claim });
                next.push(("claimed", after));
            }
            Some(Claim { version, age, answer, .. }) if runs => {
                let mut after = World { claim: None, ..world.clone() };
                let held = phase(age) < Phase::Lost && matches!(world.keeper, Keeper::Held | Keeper::Requested);
                if let Claimed::With(fence) = answer {
                    if held || !self.keeps(Dropped::CoverClaim) {
                        after.worker = Some(Worker { fence, version });
                    } else {
                        after.change = Some(Change { fence, version, releases: true });
                    }
                }
                next.push(("claim answered", after));
            }
            _ => {}
        }
        if let (true, Some(Worker { fence, version })) = (runs, world.worker) {
            let again = Some(("work ends, to be done again", true)).filter(|_| self.releases);
            for (step, releases) in [("work ends", false)].into_iter().chain(again) {
                let change = Some(Change { fence, version, releases });
                next.push((step, World { worker: None, change, ..world.clone() }));
            }
        }
        if let Some(change) = world.change.filter(|_| !world.row_is_locked()) {
            let mut after = World { change: None, ..world.clone() };
            self.apply(&mut after, change);
            next.push(("result", after));
        }
    }

    /// A claim has the next fence of the sequence.
    fn claimed(&self, world: &mut World, owner: Owner) -> u8 {
        world.last_fence += 1;
        let fence = if self.keeps(Dropped::NewFence) || world.fence == 0 { world.last_fence } else { world.fence };
        world.enter(owner, fence);
        fence
    }

    /// A change by a worker: a compare-and-swap on version and fence.
    fn apply(&self, world: &mut World, change: Change) {
        let current = change.fence == world.fence || !self.keeps(Dropped::CompareFence);
        let owned = !change.releases || world.owner != Owner::Nobody;
        if change.version == world.version && current && owned {
            if change.fence != world.fence || world.owner == Owner::Nobody {
                world.broken = Some("a change of a former claim was applied");
            }
            world.version += u8::from(!change.releases);
            world.owner = Owner::Nobody;
        }
    }

    /// What the other processes do.
    fn others(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let mut with = |step, change: &dyn Fn(&mut World)| {
            let mut after = world.clone();
            change(&mut after);
            next.push((step, after));
        };
        match world.others {
            None if world.other_worker.is_none() && world.last_fence < self.claims && world.owner != Owner::Other => {
                with("others lock", &|it| {
                    // There is nothing to lock without a row.
                    let locks = it.owner == Owner::Me && it.lease.is_some() && self.keeps(Dropped::LockLease);
                    it.others = Some(Burst { fence: it.fence, version: it.version, locks, claimed: None });
                });
            }
            None => {}
            Some(burst @ Burst { claimed: None, .. }) => {
                with("others roll back", &|it| it.others = None);
                with("others claim", &|it| {
                    let over = match it.owner {
                        Owner::Nobody | Owner::Gone => true,
                        Owner::Me => it.lease.is_none_or(|left| left == 0) || !self.keeps(Dropped::ClaimAfterLease),
                        Owner::Other | Owner::Killed => false,
                    };
                    let applies = over && (burst.fence, burst.version) == (it.fence, it.version);
                    it.last_fence += u8::from(applies);
                    it.others = applies.then_some(Burst { claimed: Some(it.last_fence), ..burst });
                });
            }
            Some(Burst { version, claimed: Some(fence), .. }) => {
                with("others commit", &|it| {
                    let fence = if self.keeps(Dropped::NewFence) || it.fence == 0 { fence } else { it.fence };
                    it.enter(Owner::Other, fence);
                    (it.others, it.other_worker) = (None, Some(Worker { fence, version }));
                });
            }
        }
        if let Some(Worker { fence, version }) = world.other_worker {
            let change = Change { fence, version, releases: false };
            with("others end", &|it| {
                it.other_worker = None;
                self.apply(it, change);
            });
            if world.kills < self.kills {
                with("others are killed", &|it| {
                    (it.owner, it.kills) = (Owner::Killed, it.kills + 1);
                    (it.other_worker, it.other_change) = (None, Some(change));
                });
            }
        }
        if world.owner == Owner::Killed {
            with("their lease ends", &|it| it.owner = Owner::Gone);
        }
        if let Some(change) = world.other_change.filter(|_| !world.row_is_locked()) {
            with("their result, late", &|it| {
                it.other_change = None;
                self.apply(it, change);
            });
            with("their result never comes", &|it| it.other_change = None);
        }
    }

    fn faults(&self, world: &World, next: &mut Vec<(Step, World)>) {
        match world.life {
            Life::Runs => {
                // A process without work has nothing to lose.
                let works = world.claim.is_some() || world.worker.is_some() || world.change.is_some();
                if works && world.stops < self.stops {
                    let mut after = World { life: Life::Stopped, stops: world.stops + 1, ..world.clone() };
                    let requests = after.request.iter_mut().chain(&mut after.watchdog);
                    requests.for_each(|request| request.stale = self.suspends);
                    next.push(("stopped", after));
                }
            }
            Life::Stopped => next.push(("goes on", World { life: Life::Runs, ..world.clone() })),
            Life::Killed => {}
        }
        if world.life != Life::Killed && world.kills < self.kills {
            let mut after = World { life: Life::Killed, worker: None, kills: world.kills + 1, ..world.clone() };
            // What it knew is gone; what it has sent may still arrive.
            (after.keeper, after.renewed, after.compares) = (Keeper::Lost, OLD, false);
            after.late_renew |= [world.request, world.watchdog].iter().flatten().any(|it| it.ask == Ask::Renew);
            after.late_take |= world.request.is_some_and(|it| it.ask == Ask::Take);
            (after.request, after.watchdog) = (None, None);
            after.claim = after.claim.filter(|claim| claim.answer == Claimed::Open);
            next.push(("killed", after));
        }
    }
}

impl World {
    fn enter(&mut self, owner: Owner, fence: u8) {
        if fence <= self.fence {
            self.broken = Some("a fence was given out twice");
        }
        (self.owner, self.fence) = (owner, fence);
    }
}

impl Model for Lease {
    type State = World;

    fn first(&self) -> World {
        let fence = u8::from(self.at_work);
        World {
            owner: if self.at_work { Owner::Me } else { Owner::Nobody },
            fence,
            version: 0,
            last_fence: fence,
            lease: Some(TTL),
            life: Life::Runs,
            keeper: Keeper::Held,
            renewed: 0,
            compares: false,
            request: None,
            watchdog: None,
            late_take: self.late_take,
            late_renew: false,
            claim: None,
            worker: self.at_work.then_some(Worker { fence, version: 0 }),
            change: None,
            others: None,
            other_worker: None,
            other_change: None,
            stops: 0,
            losses: 0,
            kills: 0,
            overslept: false,
            broken: None,
        }
    }

    fn steps(&self, world: &World, next: &mut Vec<(Step, World)>) {
        if let Some(after) = self.tick(world) {
            next.push(("a tick", after));
        }
        self.leases(world, next);
        self.work(world, next);
        self.others(world, next);
        self.faults(world, next);
    }

    fn broken(&self, world: &World) -> Option<&'static str> {
        let both = world.worker.is_some() && world.other_worker.is_some();
        if both && world.life == Life::Runs && !world.overslept {
            return Some("two workers run under live leases");
        }
        world.broken
    }

    fn is_end(&self, world: &World) -> bool {
        world.version > 0 || world.last_fence >= self.claims
    }
}

fn holds(lease: &Lease) {
    let states = search(lease).unwrap_or_else(|found| panic!("{found:?}"));
    println!("{states} states");
}

#[test]
fn n45_a_stopped_process_runs_no_second_worker() {
    holds(&Lease { stops: 1, ..Lease::new() });
}

#[test]
fn n45_a_suspended_process_finds_out_with_one_answer() {
    holds(&Lease { stops: 1, at_work: true, suspends: true, ..Lease::new() });
}

#[test]
fn n45_a_late_request_hides_no_lapse() {
    holds(&Lease { stops: 1, at_work: true, late_take: true, ..Lease::new() });
}

#[test]
fn n45_a_lost_answer_of_a_lease_runs_no_second_worker() {
    holds(&Lease { losses: 1, releases: true, ..Lease::new() });
}

#[test]
fn n45_what_a_killed_process_has_sent_is_fenced() {
    holds(&Lease { claims: 3, kills: 1, ..Lease::new() });
}

/// Without `FSM_MODEL_FAULTS`, at most one claim and one fault.
#[test]
fn n45_all_faults_of_leases_together() {
    let faults = more_faults();
    let (stops, losses, kills) = (faults.unwrap_or(0), faults.unwrap_or(0), faults.unwrap_or(1));
    let claims = if faults.is_some() { 2 } else { 1 };
    holds(&Lease { claims, stops, losses, kills, releases: true, ..Lease::new() });
}

#[test]
fn n45_each_rule_of_leases_is_needed() {
    let two = "two workers run under live leases";
    let (stopped, former) = (Lease { stops: 1, ..Lease::new() }, "a change of a former claim was applied");
    // A process whose clock goes on would compare what it holds anyway.
    let suspended = Lease { at_work: true, suspends: true, ..stopped };
    for (dropped, lease, broken) in [
        (Dropped::CompareFence, stopped, former),
        (Dropped::CompareFence, Lease { claims: 3, kills: 1, ..Lease::new() }, former),
        (Dropped::NewFence, Lease::new(), "a fence was given out twice"),
        (Dropped::RenewLiveOnly, suspended, two),
        (Dropped::RenewAfterLock, suspended, two),
        (Dropped::ClaimAfterLease, Lease::new(), two),
        (Dropped::LockLease, stopped, two),
        (Dropped::CountFromRequest, Lease::new(), two),
        (Dropped::AbortInTime, Lease { losses: 1, ..Lease::new() }, two),
        (Dropped::CompareHeld, suspended, two),
        (Dropped::CompareAfterSilence, Lease { at_work: true, late_take: true, ..stopped }, two),
        (Dropped::CoverClaim, stopped, two),
    ] {
        match search(&Lease { dropped, ..lease }) {
            Ok(_) => panic!("without {dropped:?} everything still holds"),
            Err(found) => assert_eq!(found.broken, broken, "{dropped:?}: {found:?}"),
        }
    }
}
