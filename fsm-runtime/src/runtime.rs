//! Owns the runtime's life: what it is built from, the checks before it starts, its handles, its end.

use crate::{
    clock::Clock,
    controller::{Controller, Driver, Drivers, Machine, Settings, Shutdown, follow},
    durable::{Durable, WorkedBy},
    records::{Group, Machines},
    shared::{Changes, Shared},
    store::{ControlError, Definition, Key, Store, StoreError},
};
use fsm_core::Graph;
use std::{fmt, sync::Arc, time::Duration};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// A started runtime: the way to the instances, and the work on them.
///
/// With machines registered it is the controller of its store and runs their workers; without any it is a plain client,
/// of which there can be as many as you like, also in other processes. A clone is another handle of the same runtime;
/// when the last one is dropped, its workers are cancelled without waiting. Use [`shutdown`](Self::shutdown) to wait.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    controller: Option<Controller>,
    follower: AbortHandle,
}

impl Runtime {
    /// Begins a runtime over `store`.
    pub fn builder(store: impl Store) -> Builder {
        Builder {
            store: Arc::new(store),
            clock: Clock::system(),
            settings: Settings::default(),
            drivers: Drivers::new(),
            wrong: None,
        }
    }

    /// All instances of machine `M`. It need not be registered: only its work does.
    #[must_use]
    pub fn machines<M: Durable>(&self) -> Machines<M> {
        Machines::new(self.0.shared.clone())
    }

    /// Begins a group of changes that are made all or none.
    pub fn group(&self) -> Group {
        Group::new(self.0.shared.clone())
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

impl Drop for Inner {
    fn drop(&mut self) {
        self.follower.abort();
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

    /// How long a worker that was told to end may take before it is aborted; 5 s, if not set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// The wait before another attempt: up to `first` after the first failure, twice as much after each further one,
    /// `longest` at most; 1 s and 5 min, if not set. Each wait is anything between nothing and that (full jitter).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.check("backoff", first <= longest, "the first wait cannot be longer than the longest");
        self.settings.backoff.first = first;
        self.settings.backoff.longest = longest;
        self
    }

    /// After how many failed attempts at one stay in a state the instance is parked; 10, if not set.
    pub fn attempts(mut self, limit: u32) -> Self {
        self.check("attempts", limit > 0, "without an attempt no work would ever be done");
        self.settings.attempts = limit;
        self
    }

    /// How many workers of one machine run at once; 256, if not set. Others wait, and are served in order.
    pub fn workers_at_once(mut self, limit: usize) -> Self {
        self.check("workers_at_once", limit > 0, "without a slot no work would ever be done");
        self.settings.concurrency = limit;
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
        let Self { store, clock, settings, drivers, wrong } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let shared = Arc::new(Shared { store, clock, changes: Changes::new() });
        let store = &shared.store;
        let newest = store.newest().await?;
        let controller = if drivers.is_empty() {
            None
        } else {
            let control = store.control(&holder())?;
            for driver in drivers.values() {
                check(&**store, driver.graph()).await?;
            }
            let definitions = drivers.values().map(|driver| definition(driver.graph())).collect();
            store.define(definitions, shared.clock.now()).await?;
            shared.changes.listen();
            // New at every start: what an earlier life of this process held is held by somebody else.
            let me = format!("{}/{}", std::process::id(), Uuid::now_v7());
            Some(Controller::start(shared.clone(), drivers, settings, me, control))
        };
        let follower = tokio::spawn(follow(shared.clone(), newest)).abort_handle();
        Ok(Runtime(Arc::new(Inner { shared, controller, follower })))
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

/// Why a runtime did not start. Nothing runs, and no row was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process (or another runtime of this one) is the controller of the store.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Rows stand in states that are not declared.
    #[error(
        "rows of `{machine}` stand in states that its declaration does not know: {}; if a state was renamed, \
         add `#[state(was = \"…\")]` to its variant; if it was removed, move these instances on first",
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
         run the newer release"
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether every row of the machine can be read with this graph.
async fn check(store: &dyn Store, graph: &'static Graph) -> Result<(), StartError> {
    let (machine, known) = (graph.machine, graph.version);
    if let Some(row) = store.newer_than(machine.to_owned(), known).await? {
        return Err(StartError::Newer { machine, example: row.key, found: row.schema, known });
    }
    let in_use = store.states_in_use(machine.to_owned()).await?;
    let states: Vec<_> = in_use.into_iter().filter(|(state, _)| graph.state_was(state).is_none()).collect();
    if states.is_empty() { Ok(()) } else { Err(StartError::UnknownStates { machine, states }) }
}

fn definition(graph: &'static Graph) -> Definition {
    Definition {
        machine: graph.machine.to_owned(),
        version: graph.version,
        fingerprint: graph.fingerprint(),
        graph: crate::definition::json(graph),
    }
}

/// Who we are, for the one who comes second.
fn holder() -> String {
    let pid = std::process::id();
    match std::env::current_exe().ok().as_deref().and_then(|exe| exe.file_name()) {
        Some(name) => format!("process {pid} ({})", name.to_string_lossy()),
        None => format!("process {pid}"),
    }
}
