//! Owns the runtime's life: what it is built from, the checks before it starts, its handles, its end.

use crate::{
    arming::arm,
    checks::{LeftAlone, Unknown, check, left_alone},
    clock::Clock,
    controller::{Controller, Driver, Drivers, Machine, Policy, Settings, Shutdown, Status, follow, until_idle},
    definition::Definitions,
    durable::{Durable, WorkState, WorkedBy},
    parts::Parts,
    records::{Group, Machines, Migrations, OldState},
    retention::{Retention, keep_forgetting},
    shared::{Changes, Shared},
    store::{Key, Lease, Origin, PresenceError, Renewal, Store, StoreError},
    subscription::{Start, SubscribeError, Subscription},
    supervisor::Supervisor,
};
use fsm_core::{Graph, Name, StateMachine};
use std::{
    error::Error,
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Below this, an ordinary delay of the store would cost the lease.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// A started runtime: the way to the instances, and the work on them.
///
/// With machines registered it does the work on their instances; without any it is a plain client. There can be as many of
/// both as you like, also in other processes: each holds a lease in the store, and only the process that has claimed an
/// instance works on it while its lease lives. A clone is another handle of the same runtime;
/// when the last one is dropped, its workers are cancelled without waiting. Use [`shutdown`](Self::shutdown) to wait.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    controller: Option<Controller>,
    /// Of the registered machines.
    graphs: Vec<&'static Graph>,
    /// What follows other processes' changes, and what forgets what is old. Ends when it is dropped.
    _beside: Supervisor,
}

impl Runtime {
    /// Begins a runtime over `store`.
    pub fn builder(store: impl Store) -> Builder {
        Builder {
            store: Arc::new(store),
            clock: Clock::system(),
            settings: Settings::default(),
            drivers: Drivers::new(),
            migrations: Migrations::default(),
            retention: Retention::default(),
            tolerant: false,
            wrong: None,
        }
    }

    /// All instances of machine `M`. It need not be registered: only its work does.
    #[must_use]
    pub fn machines<M: Durable>(&self) -> Machines<M> {
        self.0.shared.definitions.knows_of(M::GRAPH);
        Machines::new(self.0.shared.clone(), Origin::default())
    }

    /// Begins a group of changes that are made all or none.
    pub fn group(&self) -> Group {
        Group::new(self.0.shared.clone())
    }

    /// Follows all changes of the store, from where the subscriber called `name` stopped, or from `start` for a new name.
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    pub async fn subscribe(&self, name: &str, start: Start) -> Result<Subscription, SubscribeError> {
        Subscription::new(self.0.shared.clone(), name, start).await
    }

    /// The rows of the registered machines which this code does not know, and therefore leaves as they are, counted by state and
    /// schema version; empty where it knows all of them. Reads the index of states, an entry for each instance.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] where the store has no index of states; otherwise [`StoreError`].
    pub async fn left_alone(&self) -> Result<Vec<LeftAlone>, StoreError> {
        let mut found = Vec::new();
        for graph in &self.0.graphs {
            found.extend(left_alone(&*self.0.shared.store, graph).await?);
        }
        Ok(found)
    }

    /// What this process is at: its workers, and the instances that wait for a slot. Of other processes and of what rests, the
    /// rows tell. Nothing for a plain client.
    ///
    /// It takes a lock for a moment and asks nobody, so that it answers from any thread, also while workers block the
    /// executor's.
    #[must_use]
    pub fn status(&self) -> Status {
        let Inner { shared, controller, .. } = &*self.0;
        controller.as_ref().map(|controller| controller.status(&shared.clock)).unwrap_or_default()
    }

    /// The processes that do work on the store, this one too, and those that are gone and still hold rows. What a process
    /// holds whose lease is not live is orphaned since that lease's end, and is taken up by another within one scan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn processes(&self) -> Result<Vec<Lease>, StoreError> {
        self.0.shared.store.leases(self.0.shared.clock.now()).await
    }

    /// For tests: waits until nothing of the registered machines is due, running or on its way, and says when the next thing is
    /// due, if anything is. Time does not pass by it: with a [`ManualClock`](crate::clock::ManualClock) a test moves on to what
    /// comes next with [`advance_to`](crate::clock::ManualClock::advance_to), so that hours are run through in no time and in
    /// the same order every time.
    ///
    /// A worker that runs is waited for, also one that waits for the test or for time to pass: then it does not end. Without a
    /// registered machine, and after a shutdown, nothing runs, and it ends at once.
    ///
    /// ```
    /// # use fsm_runtime::{clock::ManualClock, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::{Duration, SystemTime};
    /// #[derive(StateMachine)]
    /// #[fsm(initial = Trial, durable, derive(Serialize, Deserialize))]
    /// enum Account {
    ///     #[on(expire => Warned)]
    ///     #[after("14d", expire)]
    ///     Trial,
    ///     #[on(expire => Closed)]
    ///     #[after("14d", expire)]
    ///     Warned,
    ///     #[state(end)]
    ///     Closed,
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    /// let runtime = Runtime::builder(Sqlite::in_memory()?).clock(clock.clock()).machine::<Account, _>(()).start().await?;
    /// let accounts = runtime.machines::<Account>();
    /// accounts.create("ada", account::Trial).await?;
    /// while let Some(next) = runtime.run_until_idle().await? {
    ///     clock.advance_to(next);
    /// }
    /// assert_eq!(accounts.get("ada").await?.state(), account::State::Closed);
    /// assert_eq!(clock.clock().now(), SystemTime::UNIX_EPOCH + Duration::from_secs(28 * 24 * 60 * 60));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn run_until_idle(&self) -> Result<Option<SystemTime>, StoreError> {
        match &self.0.controller {
            Some(controller) => until_idle(&self.0.shared, controller.scope()).await,
            None => Ok(None),
        }
    }

    /// Stops the work: no new claims, [`draining`](crate::RawTask::draining) for those that run, `deadline` for them to
    /// finish, then cancellation, then, after the grace period, an abort. Claims are given back, so that the next
    /// process takes the work up without counting the attempt. The handles can still read and write afterwards.
    ///
    /// Called again, it waits for the same end; the first deadline holds.
    ///
    /// # Cancel safety
    /// Dropped half-way, the shutdown goes on.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        match &self.0.controller {
            Some(controller) => controller.shutdown(deadline).await,
            None => Shutdown::default(),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.controller.is_some() { "Runtime(controller)" } else { "Runtime(client)" })
    }
}

/// Says what a [`Runtime`] is made of.
#[must_use = "nothing happens until `start`"]
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Settings,
    drivers: Drivers,
    migrations: Migrations,
    retention: Retention,
    tolerant: bool,
    /// The first thing that was wrong with what it was told; `start` says so.
    wrong: Option<StartError>,
}

impl Builder {
    /// Registers machine `M`: `workers` does the work of its `work` states. For a machine without any, give `()`.
    pub fn machine<M: WorkedBy<W>, W: Send + Sync + 'static>(mut self, workers: W) -> Self {
        let driver: Arc<dyn Driver> = Arc::new(Machine::<M, W>::new(workers));
        if self.drivers.insert(M::GRAPH.machine, driver).is_some() {
            self.wrong.get_or_insert(StartError::MachineTwice { machine: M::GRAPH.machine });
        }
        self
    }

    /// Where time comes from; the system's, if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How often the store is scanned for due work that no notification told of; 5 s, if not set.
    pub fn scan_every(mut self, interval: Duration) -> Self {
        self.check("scan_every", !interval.is_zero(), "an interval of zero would scan without end");
        self.settings.scan = interval;
        self
    }

    /// For how long this process is held alive when nothing is heard of it; 15 s, if not set. A third of that goes between two
    /// renewals. While it lasts, no other process works on what this one holds; when it cannot be renewed, the workers are
    /// told to end after two thirds of it, and aborted before its end. On one machine a process that is gone is noticed at
    /// once, however long its lease.
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.check("lease", ttl >= SHORTEST_LEASE, "a lease needs time to be renewed: 100 ms at least");
        self.settings.lease = ttl;
        self
    }

    /// The shards whose instances this process works on; all of them, if not set. An instance's shard is a hash of its machine
    /// and id, evenly spread over all `u16`: `0..=32_767` is one half of the work. It divides work, timers and wishes among
    /// processes; every process can still read all instances and fire their events. See to it that some process has
    /// each shard: nobody works on the others.
    pub fn shards(mut self, shards: RangeInclusive<u16>) -> Self {
        self.check("shards", !shards.is_empty(), "without a shard no work would ever be done");
        self.settings.shards = shards;
        self
    }

    /// How long a worker that was told to end may take before it is aborted; 5 s, if not set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.limits.grace = grace;
        self
    }

    /// The wait before another attempt: up to `first` after the first failure, twice as much after each further one,
    /// `longest` at most; 1 s and 5 min, if not set. Each wait is anything between nothing and that (full jitter).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.check("backoff", first <= longest, "the first wait cannot be longer than the longest");
        self.settings.limits.backoff.first = first;
        self.settings.limits.backoff.longest = longest;
        self
    }

    /// After how many failed attempts at one stay in a state its `exhausted` event is fired, or else the instance is parked;
    /// 10, if not set.
    pub fn attempts(mut self, limit: u32) -> Self {
        self.check("attempts", limit > 0, "without an attempt no work would ever be done");
        self.settings.limits.attempts = limit;
        self
    }

    /// How many workers of one machine run at once; 256, if not set. Others wait, and are served in order.
    pub fn workers_at_once(mut self, limit: usize) -> Self {
        self.check("workers_at_once", limit > 0, "without a slot no work would ever be done");
        self.settings.concurrency = limit;
        self
    }

    /// How the work of state `S` is looked after, where that differs from the settings above. `S` must be a `work` state, and its
    /// machine must be registered.
    pub fn policy<S: WorkState>(mut self, policy: Policy) -> Self {
        let (machine, state) = (<S::Machine as StateMachine>::GRAPH.machine, S::STATE.as_str());
        let wrong = policy.wrong();
        let wrong = wrong.or((!self.settings.policies.insert(machine, state, policy)).then_some("it is given twice"));
        if let Some(why) = wrong {
            self.wrong.get_or_insert(StartError::Policy { machine, state, why });
        }
        self
    }

    /// Declares how a row of machine `M` that was written under schema version `from` becomes one of `from + 1`: `step` gets
    /// state and data, and gives back what they are now. A row goes through all steps up to the declared version when it is
    /// read, and is written so when it moves; [`Machines::migrate_all`] writes them all.
    ///
    /// ```
    /// # use fsm_runtime::{Builder, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(StateMachine)]
    /// #[fsm(initial = Open, version = 2, durable, derive(Serialize, Deserialize))]
    /// enum Order {
    ///     #[on(pay => Paid)]
    ///     Open { cents: u64 },
    ///     #[state(end)]
    ///     Paid,
    /// }
    /// # fn example(builder: Builder) -> Builder {
    /// // Version 1 had euros.
    /// builder.migrate::<Order>(1, |mut old| {
    ///     if let Some(euros) = old.data.get("euros").and_then(|euros| euros.as_u64()) {
    ///         old.data = serde_json::json!({ "cents": euros * 100 });
    ///     }
    ///     Ok(old)
    /// })
    /// # }
    /// # fn main() {}
    /// ```
    pub fn migrate<M: Durable>(
        mut self,
        from: u32,
        step: impl Fn(OldState) -> Result<OldState, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        let new = self.migrations.declare(M::GRAPH.machine, from, step);
        self.check("migrate", new, "there are two migrations from one version");
        self.check("migrate", from < M::GRAPH.version, "there is no version after the declared one to migrate to");
        self
    }

    /// How long history, idempotency keys and ended instances of the registered machines are remembered; without end, if
    /// not set.
    pub fn retention(mut self, retention: Retention) -> Self {
        if let Some(why) = retention.wrong() {
            self.check("retention", false, why);
        }
        self.retention = retention;
        self
    }

    /// Starts although rows of the registered machines stand in states that are not declared, or were written under a newer
    /// schema version: for a rolling deploy, while processes of a newer release work on the same file.
    ///
    /// What this code does not know is left as it is and stops nothing else. The workers pass it over; reading or firing on
    /// it is [`RowError::UnknownState`](crate::RowError::UnknownState) or [`RowError::Newer`](crate::RowError::Newer);
    /// [`Machines::list`] leaves it out and [`Machines::rows`] shows it. Each such state and schema version is reported once, as a
    /// `tracing` event at level `WARN` with an example, and [`Runtime::left_alone`] counts the rows.
    ///
    /// A migration that is missing is tolerated never: no release that is still to come would declare it.
    pub fn tolerate_unknown(mut self) -> Self {
        self.tolerant = true;
        self
    }

    fn check(&mut self, setting: &'static str, right: bool, why: &'static str) {
        if !right {
            self.wrong.get_or_insert(StartError::Setting { setting, why });
        }
    }

    /// Checks what is stored against what is declared, and starts.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then, and nothing was changed.
    ///
    /// # Cancel safety
    /// Dropped half-way, nothing runs.
    pub async fn start(self) -> Result<Runtime, StartError> {
        let Self { store, clock, settings, drivers, migrations, retention, tolerant, wrong } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if let Some((machine, state)) = settings.policies.stranger(|machine| drivers.contains_key(machine)) {
            let why = "its machine is not registered with `Builder::machine`";
            return Err(StartError::Policy { machine, state, why });
        }
        let unknown = Unknown::new(tolerant);
        let shared = Arc::new(Shared {
            store,
            clock,
            changes: Changes::new(),
            migrations: Arc::new(migrations),
            unknown,
            definitions: Definitions::default(),
        });
        let store = &shared.store;
        // In this order, so that no foreign change falls between the two.
        let foreign = store.foreign_changes();
        let newest = store.newest().await?;
        if retention.ended.is_some() && !store.lists_by_state().await? {
            let why = "`ended` rows are found by the index of states, which this file does not have; open it with \
                       `Sqlite::options().state_index(true)`";
            return Err(StartError::Setting { setting: "retention", why });
        }
        let graphs: Vec<&'static Graph> = drivers.values().map(|driver| driver.graph()).collect();
        let controller = if drivers.is_empty() {
            None
        } else {
            for driver in drivers.values() {
                check(&**store, &shared.migrations, driver.graph(), &shared.unknown).await?;
            }
            for driver in drivers.values() {
                arm(&shared, driver.graph()).await?;
            }
            shared.definitions.by_controller(&shared, &graphs).await?;
            shared.changes.listen();
            // New at every start: what an earlier life of this process held is held by somebody else.
            let owner = format!("{}-{}", std::process::id(), Uuid::now_v7());
            let presence = store.attend(&owner)?;
            let me = Renewal { owner, holder: holder(), ttl: settings.lease };
            Some(Controller::start(shared.clone(), drivers, settings, me, presence).await?)
        };
        let beside = beside(&shared, foreign, newest, retention, &graphs).await?;
        Ok(Runtime(Arc::new(Inner { shared, controller, graphs, _beside: beside })))
    }
}

/// Starts what follows other processes' changes, and what forgets what is old.
async fn beside(
    shared: &Arc<Shared>,
    foreign: broadcast::Receiver<u64>,
    newest: u64,
    retention: Retention,
    graphs: &[&'static Graph],
) -> Result<Supervisor, StoreError> {
    let follow = {
        let (shared, position) = (shared.clone(), Arc::new(AtomicU64::new(newest)));
        // The first run hears of all since before `newest` was read.
        let foreign = Mutex::new(Some(foreign));
        move |_| {
            let heard = foreign.lock().unwrap_or_else(PoisonError::into_inner).take();
            let foreign = heard.unwrap_or_else(|| shared.store.foreign_changes());
            follow(shared.clone(), foreign, position.clone())
        }
    };
    let forget = {
        let (shared, graphs) = (shared.clone(), graphs.to_vec());
        move |_| keep_forgetting(shared.clone(), retention, graphs.clone())
    };
    let started = Parts::new(&shared.clock).with("follow", follow).with("retention", forget).start().await;
    started.map_err(|error| StoreError::Failed { store: "this store".to_owned(), cause: error.to_string() })
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("machines", &self.drivers.keys())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a runtime did not start. Nothing runs, and no row was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The process could not show others that it is alive.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Rows stand in states that are not declared.
    #[error(
        "rows of `{machine}` stand in states that its declaration does not know: {}; if a state was renamed, \
         add `#[state(was = \"…\")]` to its variant; if it was removed, move these instances on first; if a newer release \
         wrote them, `Builder::tolerate_unknown` leaves them to it",
        states.iter().map(|(state, example)| format!("`{state}` ({example}, for one)")).collect::<Vec<_>>().join(", ")
    )]
    UnknownStates {
        /// The machine.
        machine: &'static str,
        /// Each state, with an instance that stands in it.
        states: Vec<(String, Key)>,
    },
    /// Rows were written by newer code.
    #[error(
        "{example} was written under schema version {found}, and this code declares version {known} of `{machine}`; \
         run the newer release, or leave such rows to it with `Builder::tolerate_unknown`"
    )]
    Newer {
        /// The machine.
        machine: &'static str,
        /// An instance that was.
        example: Key,
        /// Its version.
        found: u32,
        /// The version in the declaration.
        known: u32,
    },
    /// Rows were written by older code, and a step from there to the present schema version is not declared.
    #[error(
        "{example} was written under schema version {found}, and there is no migration of `{machine}` from version \
         {missing}; declare it with `Builder::migrate` (`Ok` where nothing changes)"
    )]
    NoMigration {
        /// The machine.
        machine: &'static str,
        /// An instance that was.
        example: Key,
        /// Its version.
        found: u32,
        /// The version from which no step leads on.
        missing: u32,
    },
    /// States have become `work`, or have got a timer, since a controller last worked on this store, and the rows that stand in
    /// them cannot be found to be woken.
    #[error(
        "`{machine}`: {} became `work` or got an `after`, and without an index of states the rows that stand there cannot \
         be found to be woken; open the file once with `Sqlite::options().state_index(true)` and start",
        states.iter().map(|state| format!("`{state}`")).collect::<Vec<_>>().join(", ")
    )]
    CannotArm {
        /// The machine.
        machine: &'static str,
        /// The states.
        states: Vec<&'static str>,
    },
    /// Two machines of one name.
    #[error("a machine called `{machine}` is registered twice; rows are told apart by that name")]
    MachineTwice {
        /// Its name.
        machine: &'static str,
    },
    /// A setting that cannot be.
    #[error("`{setting}`: {why}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// What is wrong with the value.
        why: &'static str,
    },
    /// A state's policy that cannot be.
    #[error("the policy of `{machine}` in state `{state}`: {why}")]
    Policy {
        /// The machine.
        machine: &'static str,
        /// The state.
        state: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who we are, for the one who comes second.
fn holder() -> String {
    let pid = std::process::id();
    match std::env::current_exe().ok().as_deref().and_then(|exe| exe.file_name()) {
        Some(name) => format!("process {pid} ({})", name.to_string_lossy()),
        None => format!("process {pid}"),
    }
}
