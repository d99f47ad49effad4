//! The builder of a runtime: settings, the checks before the start, and the start.

use super::{Inner, Runtime, StartError, nodes::NodesView};
use super::{Retention, auto_clock, compatibility::check, rearm::arm, retention::prune_loop};
use crate::{
    clock::{Clock, FOREVER, TOO_LONG},
    controller::{
        Controller, Driver, Drivers, LeaseRequest, Machine, Policies, Policy, Settings, WatchedScope, follow,
    },
    coordination::Coordination,
    engine::{
        Engine, StoreTime,
        background::{BackgroundTasks, HealthRegistry},
        definitions::Definitions,
        held_back::HeldBackWork,
        notify::Notifier,
        store_health::{OpenCalls, StoreHealth},
        turns::Turns,
    },
    machine::{Migrations, OldState, Unknown, WorkState},
    membership::{ListFile, Members, Membership},
    records::Durable,
    store::{MachineVersion, Notice, Process, Store, StoreError},
    supervisor::Supervisor,
    sync::Mutex,
    worker::WorkedBy,
};
use fsm_core::{Graph, Graphs, Name, StateMachine};
use std::{
    error::Error,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// With a shorter lease, an ordinary delay of the store would let it expire.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// Configures and starts a [`Runtime`]. From [`Runtime::builder`].
#[must_use = "nothing happens until `start`"]
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Settings,
    drivers: Drivers,
    migrations: Migrations,
    retention: Retention,
    tolerant: bool,
    members: Members,
    node: Option<String>,
    build: Option<String>,
    allow_wait_cycles: bool,
    /// The first setting that is not valid, for `start` to return.
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
            members: Members::by_store(),
            node: None,
            build: None,
            allow_wait_cycles: false,
            wrong: None,
        }
    }

    /// Registers machine `M`. `workers` does the work of its `work` states; for a machine without them, pass `()`.
    pub fn machine<M: WorkedBy<W>, W: Send + Sync + 'static>(mut self, workers: W) -> Self {
        let driver: Arc<dyn Driver> = Arc::new(Machine::<M, W>::new(workers));
        if self.drivers.insert(M::GRAPH.machine, driver).is_some() {
            self.wrong.get_or_insert(StartError::MachineTwice { machine: M::GRAPH.machine });
        }
        self
    }

    /// The clock: the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How often the store is scanned for due work, besides change notifications: every 5 s by default.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.check("poll_interval", !interval.is_zero(), "must be longer than zero");
        self.check("poll_interval", interval <= FOREVER, TOO_LONG);
        self.settings.poll_interval = interval;
        self
    }

    /// Sets the length of the lease of this process: 15 s by default. It is renewed every third of this time. While it is valid, no other
    /// process works on the instances that this one has claimed. If it cannot be renewed, the workers are cancelled after two thirds of
    /// it and aborted before it ends. With SQLite, the end of a process on the host is detected within half a second; with PostgreSQL,
    /// its lease has to expire, on the same host too.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.check("lease_ttl", ttl >= SHORTEST_LEASE, "must be at least 100 ms, so that the lease can be renewed");
        self.check("lease_ttl", ttl <= FOREVER, TOO_LONG);
        self.settings.lease_ttl = ttl;
        self
    }

    /// Which nodes share the work, and how they divide the instances: see [`Members`]. By default, each process looks at all instances of
    /// a store whose processes are on one host, such as an SQLite file, and the nodes with live leases divide those of any other.
    ///
    /// ```
    /// # use fsm_runtime::{Builder, Members};
    /// # fn example(builder: Builder) -> Builder {
    /// builder.members(Members::listed(["web-1", "web-2"])).node("web-1")
    /// # }
    /// ```
    pub fn members(mut self, members: Members) -> Self {
        self.members = members;
        self
    }

    /// The name of this node, which stays the same when the process is restarted: the value of the environment variable `FSM_NODE` by
    /// default, or the name of the host. Buckets are divided by it, and [`Runtime::nodes`] shows it. Each process that works on a store
    /// needs a name of its own where the nodes divide the instances ([`Members`]).
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = Some(name.into());
        self
    }

    /// The version of the application in [`Runtime::nodes`], such as `env!("CARGO_PKG_VERSION")` or a commit.
    pub fn build_version(mut self, version: impl Into<String>) -> Self {
        self.build = Some(version.into());
        self
    }

    /// How long a cancelled worker may take before it is aborted: 5 s by default.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.check("grace_period", grace <= FOREVER, TOO_LONG);
        self.settings.limits.grace_period = grace;
        self
    }

    /// The wait before another attempt: up to `first` after the first failure, doubled after each further one, and `longest` at most.
    /// 1 s and 5 min by default. Each wait is a random part of that (full jitter).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.check("backoff", first <= longest, "the first wait cannot be longer than the longest");
        self.check("backoff", longest <= FOREVER, TOO_LONG);
        self.settings.limits.backoff.first = first;
        self.settings.limits.backoff.longest = longest;
        self
    }

    /// After how many failed attempts in one visit of a state its `exhausted` event is fired, or the instance is parked: 10 by
    /// default.
    pub fn max_attempts(mut self, limit: u32) -> Self {
        self.check("max_attempts", limit > 0, "must be at least 1");
        self.settings.limits.max_attempts = limit;
        self
    }

    /// How many workers of one machine run at once: 256 by default. Other instances wait in order.
    pub fn max_concurrency(mut self, limit: usize) -> Self {
        self.check("max_concurrency", limit > 0, "must be at least 1");
        self.settings.max_concurrency = limit;
        self
    }

    /// The policy of the work of state `S`, where it differs from the settings of the builder. The machine must be registered.
    pub fn policy<S: WorkState>(mut self, policy: Policy) -> Self {
        let (machine, state) = (<S::Machine as StateMachine>::GRAPH.machine, S::STATE.as_str());
        let wrong = policy.wrong();
        let wrong = wrong.or((!self.settings.policies.insert(machine, state, policy)).then_some("it is given twice"));
        if let Some(why) = wrong {
            self.wrong.get_or_insert(StartError::Policy { machine, state, why });
        }
        self
    }

    /// The key for which the [rate](Policy::rate) and the [slots over all processes](Policy::concurrency_over_all) of state `S` are
    /// counted separately, for a provider that limits each account. The machine must be registered, and the state must have a policy with
    /// one of the two. Use keys of less than about 900 bytes: longer ones share slots with keys that begin in the same way.
    ///
    /// ```
    /// # use fsm_runtime::{Builder, Policy, Rate, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Sending, durable, derive(Serialize, Deserialize))]
    /// # enum Mail { #[state(work)] #[on(sent => Sent)] Sending { account: String }, #[state(end)] Sent }
    /// # fn example(builder: Builder) -> Builder {
    /// builder
    ///     .policy::<mail::Sending>(Policy::new().rate(Rate::new(10, Duration::from_secs(1))))
    ///     .limit_by(|sending: &mail::Sending| sending.account.clone())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn limit_by<S: WorkState>(mut self, key: impl Fn(&S) -> String + Send + Sync + 'static) -> Self {
        let (machine, state) = (<S::Machine as StateMachine>::GRAPH.machine, S::STATE.as_str());
        if !self.settings.policies.limit_by(machine, state, key) {
            self.wrong.get_or_insert(StartError::Policy { machine, state, why: "`limit_by` is given twice" });
        }
        self
    }

    /// Adds a migration of rows of machine `M` from schema version `from` to `from + 1`: `step` takes the old state and data, and
    /// returns the new ones. A row goes through all steps up to the declared version when it is read, and is stored under that version
    /// when it moves. [`Machines::migrate_all`](crate::Machines::migrate_all) rewrites all rows.
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
        self.check("migrate", new, "two migrations start from the same version");
        self.check("migrate", from < M::GRAPH.version, "must start from a version before the declared one");
        self
    }

    /// How long history, idempotency keys and ended instances of the registered machines are kept: forever by default.
    pub fn retention(mut self, retention: Retention) -> Self {
        if let Some(why) = retention.wrong() {
            self.check("retention", false, why);
        }
        self.retention = retention;
        self
    }

    /// Starts even if rows of the registered machines are in states that are not declared, or were written under a newer schema
    /// version: for a rolling deploy, while processes of a newer release work on the same store.
    ///
    /// Such rows are left unchanged. Workers skip them; reading one or firing on it returns [`RowError::UnknownState`](crate::RowError::UnknownState) or [`RowError::Newer`](crate::RowError::Newer);
    /// so does its item in [`Machines::list`](crate::Machines::list), and [`Machines::rows`](crate::Machines::rows) shows it. Each such state and schema version is reported once, as a
    /// `tracing` event at level `WARN` with an example, and [`Runtime::unknown_rows`] counts the rows.
    ///
    /// A missing migration is not tolerated.
    pub fn tolerate_unknown(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// Starts even if states of the registered machines can wait for each other forever, as [`Graphs::wait_cycles`] finds them: for
    /// machines whose instances wait for others of their own kind without ever waiting for themselves, as the tasks of a tree do.
    ///
    /// A state with a timer does not wait forever, and needs no permission.
    pub fn allow_wait_cycles(mut self) -> Self {
        self.allow_wait_cycles = true;
        self
    }

    fn check(&mut self, setting: &'static str, right: bool, why: &'static str) {
        if !right {
            self.wrong.get_or_insert(StartError::Setting { setting, why });
        }
    }

    /// Checks the stored rows against the declared machines, and starts.
    ///
    /// # Errors
    /// [`StartError`]. Nothing runs then, and no row was changed.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, nothing runs.
    pub async fn start(self) -> Result<Runtime, StartError> {
        let Self {
            store,
            clock,
            settings,
            drivers,
            migrations,
            retention,
            tolerant,
            members,
            node,
            build,
            allow_wait_cycles,
            wrong,
        } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let program = program(&drivers);
        let cycles = program.wait_cycles();
        if !(allow_wait_cycles || cycles.is_empty()) {
            return Err(StartError::WaitCycles { cycles });
        }
        let node = node.unwrap_or_else(host_name);
        let all = store.presence().is_some();
        let (division, list) = members.divide((!drivers.is_empty()).then_some(&node), all)?;
        check_policies(&settings.policies, &drivers, &*store)?;
        let unknown = Unknown::new(tolerant);
        let health = Arc::new(HealthRegistry::new(clock.clone()));
        let engine = Arc::new(Engine {
            notifier: Notifier::linked(store.local_changes()),
            store,
            clock,
            store_time: StoreTime::default(),
            migrations: Arc::new(migrations),
            unknown,
            definitions: Definitions::default(),
            health,
            store_health: StoreHealth::default(),
            calls: OpenCalls::default(),
            turns: Turns::default(),
            held_back: HeldBackWork::default(),
            closing: CancellationToken::new(),
        });
        let store = &engine.store;
        // In this order, so that no change of another process is missed between the two.
        let notices = store.notices();
        let newest = store.last_sequence().await?;
        if retention.ended.is_some() && !store.lists_by_state().await? {
            let why = "`ended` rows are found by the index of states, which this store does not have; open it once with \
                       `state_index(true)` in its options";
            return Err(StartError::Setting { setting: "retention", why });
        }
        let graphs: Vec<&'static Graph> = drivers.values().map(|driver| driver.graph()).collect();
        let mut me = None;
        let controller = if drivers.is_empty() {
            None
        } else {
            for driver in drivers.values() {
                check(&**store, &engine.migrations, &**driver, &engine.unknown).await?;
            }
            for driver in drivers.values() {
                arm(&engine, &**driver).await?;
            }
            engine.definitions.by_controller(&engine, &graphs).await?;
            engine.notifier.listen();
            // New at every start, so that claims of a former start belong to another owner.
            let owner = format!("{}-{}", std::process::id(), Uuid::now_v7());
            let presence = store.presence().map(|presence| presence.announce(&owner)).transpose()?;
            let machines = graphs.iter().map(|graph| MachineVersion::new(graph.machine, graph.version)).collect();
            let slots = u32::try_from(settings.max_concurrency).unwrap_or(u32::MAX);
            let process = Process {
                owner,
                holder: holder(),
                node: node.clone(),
                pid: std::process::id(),
                machines,
                build,
                slots,
            };
            me = Some(process.owner.clone());
            let names = graphs.iter().map(|graph| graph.machine.to_owned()).collect();
            let membership = Membership::new(process.owner.clone(), node, names, division.clone());
            let request = LeaseRequest { process, ttl: settings.lease_ttl, stopping: CancellationToken::new() };
            Some(Controller::start(engine.clone(), drivers, settings, request, membership, presence).await?)
        };
        let scope = controller.as_ref().map(Controller::scope);
        let beside = beside(&engine, notices, newest, (retention, &graphs), list, scope).await?;
        let coordination = Arc::new(Coordination::new(engine.clone(), holder()));
        let nodes = NodesView { engine: engine.clone(), division, me };
        Ok(Runtime(Arc::new(Inner { engine, controller, graphs, program, coordination, nodes, _beside: beside })))
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

/// Checks the policies and limit keys against the machines and the store.
fn check_policies(policies: &Policies, drivers: &Drivers, store: &dyn Store) -> Result<(), StartError> {
    if let Some((machine, state)) = policies.unregistered(|machine| drivers.contains_key(machine)) {
        let why = "its machine is not registered with `Builder::machine`";
        return Err(StartError::Policy { machine, state, why });
    }
    if let Some((machine, state)) = policies.unlimited() {
        let why = "`limit_by` has no effect without a limit: set `Policy::rate` or `Policy::concurrency_over_all`";
        return Err(StartError::Policy { machine, state, why });
    }
    if let Some((machine, state)) = policies.over_all().filter(|_| store.ephemerals().is_none()) {
        let why = "`concurrency_over_all`: this store does not implement `Store::ephemerals`; implement it, or use the SQLite or \
                   the PostgreSQL store";
        return Err(StartError::Policy { machine, state, why });
    }
    Ok(())
}

/// The machines and those that they wait for, ordered by name.
fn program(drivers: &Drivers) -> Graphs {
    let mut graphs: Vec<&'static Graph> = drivers.values().flat_map(|driver| driver.graphs()).collect();
    graphs.sort_by_key(|graph| graph.machine);
    Graphs::new(graphs)
}

/// Starts the tasks beside the controller: following the changes of other processes, pruning, reading a list of nodes again, and
/// advancing an automatic clock.
async fn beside(
    engine: &Arc<Engine>,
    notices: broadcast::Receiver<Notice>,
    newest: u64,
    (retention, graphs): (Retention, &[&'static Graph]),
    list: Option<ListFile>,
    scope: Option<WatchedScope>,
) -> Result<Supervisor, StoreError> {
    let follow = {
        let (engine, scope, position) = (engine.clone(), scope.clone(), Arc::new(AtomicU64::new(newest)));
        // The first run uses the receiver from before `newest` was read.
        let notices = Mutex::new(Some(notices));
        move |_| {
            let receiver = notices.lock().take();
            let notices = receiver.unwrap_or_else(|| engine.store.notices());
            follow(engine.clone(), notices, scope.clone(), position.clone())
        }
    };
    let forget = {
        let (engine, graphs, scope) = (engine.clone(), graphs.to_vec(), scope.clone());
        move |_| prune_loop(engine.clone(), retention, graphs.clone(), scope.clone())
    };
    let tasks = BackgroundTasks::new(&engine.clock, &engine.health).with("follow", follow).with("retention", forget);
    let tasks = match list {
        Some(list) => {
            let (list, clock) = (Arc::new(list), engine.clock.clone());
            tasks.with("members", move |_| {
                let (list, clock) = (list.clone(), clock.clone());
                async move { list.follow(&clock).await }
            })
        }
        None => tasks,
    };
    let tasks = match (engine.clock.automatic(), scope) {
        (Some(clock), Some(scope)) => {
            let engine = engine.clone();
            tasks.with("clock", move |_| auto_clock::advance(engine.clone(), clock.clone(), scope.clone()))
        }
        _ => tasks,
    };
    let started = tasks.start().await;
    started.map_err(|error| StoreError::Failed { store: "this store".to_owned(), cause: error.to_string() })
}

/// A name of this process for people.
fn holder() -> String {
    let pid = std::process::id();
    match std::env::current_exe().ok().as_deref().and_then(|exe| exe.file_name()) {
        Some(name) => format!("process {pid} ({})", name.to_string_lossy()),
        None => format!("process {pid}"),
    }
}

/// The name of this node, if none is configured.
fn host_name() -> String {
    let given = |name: String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().and_then(given);
    let named = std::env::var("FSM_NODE").ok().and_then(given).or_else(host);
    named.or_else(|| std::env::var("HOSTNAME").ok().and_then(given)).unwrap_or_else(|| "localhost".to_owned())
}
