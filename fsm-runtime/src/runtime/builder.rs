//! Owns how a runtime is put together: its settings, the checks before it starts, and the start.

use super::{Inner, Runtime, StartError};
use super::{Retention, compatibility::check, rearm::arm, retention::keep_forgetting};
use crate::{
    clock::Clock,
    controller::{Controller, Driver, Drivers, Machine, Policy, Settings, follow},
    engine::{
        Engine,
        background::{HealthRegistry, Parts},
        definitions::Definitions,
        notify::Notifier,
        store_health::{Calls, Outage},
    },
    machine::{Migrations, OldState, Unknown, WorkState},
    records::Durable,
    store::{Renewal, Store, StoreError},
    supervisor::Supervisor,
    worker::WorkedBy,
};
use fsm_core::{Graph, Name, StateMachine};
use std::{
    error::Error,
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Below this, an ordinary delay of the store would cost the lease.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

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
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            settings: Settings::default(),
            drivers: Drivers::new(),
            migrations: Migrations::default(),
            retention: Retention::default(),
            tolerant: false,
            wrong: None,
        }
    }

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
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.check("poll_interval", !interval.is_zero(), "an interval of zero would scan without end");
        self.settings.scan = interval;
        self
    }

    /// For how long this process is held alive when nothing is heard of it; 15 s, if not set. A third of that goes between two
    /// renewals. While it lasts, no other process works on what this one holds; when it cannot be renewed, the workers are
    /// told to end after two thirds of it, and aborted before its end. On one machine a process that is gone is noticed at
    /// once, however long its lease.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.check("lease_ttl", ttl >= SHORTEST_LEASE, "a lease needs time to be renewed: 100 ms at least");
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
    pub fn grace_period(mut self, grace: Duration) -> Self {
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
    pub fn max_attempts(mut self, limit: u32) -> Self {
        self.check("max_attempts", limit > 0, "without an attempt no work would ever be done");
        self.settings.limits.attempts = limit;
        self
    }

    /// How many workers of one machine run at once; 256, if not set. Others wait, and are served in order.
    pub fn max_concurrency(mut self, limit: usize) -> Self {
        self.check("max_concurrency", limit > 0, "without a slot no work would ever be done");
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
    /// read, and is written so when it moves; [`Machines::migrate_all`](crate::Machines::migrate_all) writes them all.
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
    /// [`Machines::list`](crate::Machines::list) leaves it out and [`Machines::rows`](crate::Machines::rows) shows it. Each such state and schema version is reported once, as a
    /// `tracing` event at level `WARN` with an example, and [`Runtime::unknown_rows`] counts the rows.
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
        let health = Arc::new(HealthRegistry::new(clock.clone()));
        let engine = Arc::new(Engine {
            store,
            clock,
            notifier: Notifier::new(),
            migrations: Arc::new(migrations),
            unknown,
            definitions: Definitions::default(),
            health,
            outage: Outage::default(),
            calls: Calls::default(),
        });
        let store = &engine.store;
        // In this order, so that no foreign change falls between the two.
        let foreign = store.foreign_changes();
        let newest = store.last_sequence().await?;
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
                check(&**store, &engine.migrations, driver.graph(), &engine.unknown).await?;
            }
            for driver in drivers.values() {
                arm(&engine, driver.graph()).await?;
            }
            engine.definitions.by_controller(&engine, &graphs).await?;
            engine.notifier.listen();
            // New at every start: what an earlier life of this process held is held by somebody else.
            let owner = format!("{}-{}", std::process::id(), Uuid::now_v7());
            let presence = store.announce(&owner)?;
            let me = Renewal { owner, holder: holder(), ttl: settings.lease };
            Some(Controller::start(engine.clone(), drivers, settings, me, presence).await?)
        };
        let beside = beside(&engine, foreign, newest, retention, &graphs).await?;
        Ok(Runtime(Arc::new(Inner { engine, controller, graphs, _beside: beside })))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("machines", &self.drivers.keys())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Starts what follows other processes' changes, and what forgets what is old.
async fn beside(
    engine: &Arc<Engine>,
    foreign: broadcast::Receiver<u64>,
    newest: u64,
    retention: Retention,
    graphs: &[&'static Graph],
) -> Result<Supervisor, StoreError> {
    let follow = {
        let (engine, position) = (engine.clone(), Arc::new(AtomicU64::new(newest)));
        // The first run hears of all since before `newest` was read.
        let foreign = Mutex::new(Some(foreign));
        move |_| {
            let heard = foreign.lock().unwrap_or_else(PoisonError::into_inner).take();
            let foreign = heard.unwrap_or_else(|| engine.store.foreign_changes());
            follow(engine.clone(), foreign, position.clone())
        }
    };
    let forget = {
        let (engine, graphs) = (engine.clone(), graphs.to_vec());
        move |_| keep_forgetting(engine.clone(), retention, graphs.clone())
    };
    let parts = Parts::new(&engine.clock, &engine.health).with("follow", follow).with("retention", forget);
    let started = parts.start().await;
    started.map_err(|error| StoreError::Failed { store: "this store".to_owned(), cause: error.to_string() })
}

/// Who we are, for the one who comes second.
fn holder() -> String {
    let pid = std::process::id();
    match std::env::current_exe().ok().as_deref().and_then(|exe| exe.file_name()) {
        Some(name) => format!("process {pid} ({})", name.to_string_lossy()),
        None => format!("process {pid}"),
    }
}
