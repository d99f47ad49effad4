//! The started runtime: its handles, its status, its shutdown.

mod auto_clock;
mod builder;
pub(crate) mod compatibility;
mod error;
mod nodes;
mod rearm;
mod retention;

pub use self::compatibility::UnknownRows;
pub use builder::Builder;
pub use error::StartError;
pub use nodes::{Node, NodeMachine, NodeWatch};
pub use retention::Retention;

use self::{compatibility::unknown_rows, nodes::NodesView};
use crate::{
    clock::ManualClock,
    controller::{Controller, IdleError, Shutdown, Status, until_idle},
    coordination::{Coordination, Locks, Once, Registry},
    engine::Engine,
    records::{Durable, Machines, TransitionGroup},
    store::{Origin, Store, StoreError},
    subscription::{EntryStream, StartPosition, SubscribeError, Subscription},
    supervisor::Supervisor,
};
use fsm_core::{Graph, Graphs};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A started runtime: access to the instances, and the workers of the registered machines.
///
/// A runtime without registered machines is a client: it reads and writes, and runs no workers. Any number of runtimes can use
/// a store, also in other processes. Each has a lease, and only the process that has claimed an instance works on it while its
/// lease lives. A clone is another handle of the same runtime. When the last handle is dropped, the workers are cancelled without
/// waiting; use [`shutdown`](Self::shutdown) to wait.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    controller: Option<Controller>,
    /// Of the registered machines.
    graphs: Vec<&'static Graph>,
    /// These and those of the machines that they wait for.
    program: Graphs,
    coordination: Arc<Coordination>,
    nodes: NodesView,
    /// The background tasks beside the controller. They end when it is dropped.
    _beside: Supervisor,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.engine.closing.cancel();
    }
}

impl Runtime {
    /// Configures a runtime on `store`.
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(Arc::new(store))
    }

    /// The instances of machine `M`. The machine need not be registered: that is needed for its workers only.
    #[must_use]
    pub fn machines<M: Durable>(&self) -> Machines<M> {
        self.0.engine.definitions.knows_of(M::GRAPH);
        Machines::new(self.0.engine.clone(), Origin::default())
    }

    /// An empty group of changes, which are all committed in one transaction, or none of them.
    pub fn group(&self) -> TransitionGroup {
        TransitionGroup::new(self.0.engine.clone())
    }

    /// Follows all changes of the store, from the stored position of subscriber `name`, or from `start` for a new name.
    ///
    /// # Errors
    /// [`SubscribeError::InvalidName`] if the name is longer than 1,024 bytes ([`MAX_KEY_BYTES`](crate::store::MAX_KEY_BYTES)) or holds a
    /// NUL; [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the start position of a new name is stored or not. Calling it again returns a
    /// subscription in both cases.
    pub async fn subscribe(&self, name: &str, start: StartPosition) -> Result<Subscription, SubscribeError> {
        Subscription::new(self.0.engine.clone(), name, start).await
    }

    /// Removes the stored position of subscriber `name`. Returns whether there was one. Stop its [`Subscription`] first: an
    /// acknowledgement stores a position again.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the position is removed or not. Calling it again is safe.
    pub async fn unsubscribe(&self, name: &str) -> Result<bool, StoreError> {
        self.0.engine.store.remove_position(name.to_owned()).await
    }

    /// Follows all changes of the store from `start`, without a name and without a stored position. For one machine or instance, and
    /// typed changes, use [`Machines::changes`].
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn changes(&self, start: StartPosition) -> Result<EntryStream, SubscribeError> {
        EntryStream::new(self.0.engine.clone(), start).await
    }

    /// The rows of the registered machines that this code does not know and leaves unchanged, counted by state and schema version.
    /// Reads the index of states, an entry for each instance.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] if the store has no index of states; otherwise [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn unknown_rows(&self) -> Result<Vec<UnknownRows>, StoreError> {
        let mut found = Vec::new();
        for graph in &self.0.graphs {
            found.extend(unknown_rows(&*self.0.engine.store, &self.0.engine.migrations, graph).await?);
        }
        Ok(found)
    }

    /// The status of this process: its workers, the instances that wait for a slot, the runtime's own tasks, and the calls of the
    /// store that have not completed. A client has no workers. For other processes, see [`nodes`](Self::nodes) and
    /// [`Machines::claims`].
    ///
    /// The call does not wait, and can be made from any thread, also while workers block the executor.
    #[must_use]
    pub fn status(&self) -> Status {
        let Inner { engine, controller, graphs, .. } = &*self.0;
        let workers = controller.as_ref().map(|controller| controller.workers(&engine.clock)).unwrap_or_default();
        let breakers = controller.as_ref().map(Controller::breakers).unwrap_or_default();
        let mut machines: Vec<&'static str> = graphs.iter().map(|graph| graph.machine).collect();
        machines.sort_unstable();
        let (tasks, calls) = (engine.health.read(), engine.calls.read(engine.clock.elapsed()));
        Status { machines, workers, tasks, calls, breakers }
    }

    /// Locks and leaders over all processes of the store.
    #[must_use]
    pub fn locks(&self) -> Locks {
        Locks(self.0.coordination.clone())
    }

    /// The services of all processes of the store.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry(self.0.coordination.clone())
    }

    /// A function that runs once under `key`, over all processes of the store.
    pub fn once<E>(&self, key: impl Into<String>) -> Once<E> {
        Once::new(self.0.coordination.clone(), key.into())
    }

    /// The graphs of the registered machines and of those that they wait for, ordered by name: all of them in one picture, with what waits
    /// for what. Empty for a client.
    ///
    /// ```
    /// # use fsm_runtime::prelude::*;
    /// # fn example(runtime: Runtime) {
    /// println!("{}", runtime.graphs().mermaid());
    /// # }
    /// ```
    #[must_use]
    pub fn graphs(&self) -> &Graphs {
        &self.0.program
    }

    /// The nodes that work on the store, this one included, with their machines, buckets and load; and those that have ended and still
    /// have claims. The claims of a node without a live lease are orphaned, and another node takes them over.
    ///
    /// Buckets are shown as this runtime divides them, so a client needs the same [`members`](Builder::members) as the nodes.
    ///
    /// ```
    /// # use fsm_runtime::prelude::*;
    /// # async fn example(runtime: Runtime) -> Result<(), Box<dyn std::error::Error>> {
    /// for node in runtime.nodes().await? {
    ///     println!("{node}"); // web-1: process 4711 (shop), 512 of 1024 buckets, 3 of 256 slots in use
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.0.nodes.read().await
    }

    /// Follows [`nodes`](Self::nodes): which nodes join and leave, and their buckets.
    #[must_use]
    pub fn watch_nodes(&self) -> NodeWatch {
        NodeWatch::new(self.0.nodes.clone())
    }

    /// For tests: waits until nothing of the registered machines is due or running, and returns the time of the next due work or timer,
    /// if there is any. With a [`ManualClock`](crate::clock::ManualClock), a test advances to that time with
    /// [`advance_to`](crate::clock::ManualClock::advance_to), so that hours take no real time, and everything happens in the same order each time.
    ///
    /// The call waits for running workers. If one waits for the test or for the clock, the call does not return. It does not wait for the
    /// claims of processes that have ended. Without a registered machine, and after a shutdown, it returns at once.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
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
    /// [`IdleError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn run_until_idle(&self) -> Result<Option<SystemTime>, IdleError> {
        let Some(controller) = &self.0.controller else { return Ok(None) };
        let next = until_idle(&self.0.engine, &controller.scope()).await?;
        match controller.failed() {
            Some(why) => Err(IdleError::Failed(why.to_owned())),
            None => Ok(next),
        }
    }

    /// For tests: lets `duration` of the clock's time pass, and does the work of the registered machines that falls due in it. The clock
    /// stops at each due time until nothing is due or running, as with [`run_until_idle`](Self::run_until_idle), so a test need not
    /// compute due times. Returns the time of the next due work or timer after that, if there is any.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
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
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    /// let runtime = Runtime::builder(Sqlite::in_memory()?).clock(clock.clock()).machine::<Account, _>(()).start().await?;
    /// let accounts = runtime.machines::<Account>();
    /// accounts.create("ada", account::Trial).await?;
    /// runtime.run_for(&clock, 20 * day).await?;
    /// assert_eq!(accounts.get("ada").await?.state(), account::State::Warned);
    /// runtime.run_for(&clock, 365 * day).await?;
    /// assert_eq!(accounts.get("ada").await?.state(), account::State::Closed);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`IdleError`]; [`IdleError::OtherClock`] if the runtime does not use `clock`.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, only a part of the time has passed.
    pub async fn run_for(&self, clock: &ManualClock, duration: Duration) -> Result<Option<SystemTime>, IdleError> {
        let now = &self.0.engine.clock;
        if !clock.moves(now) {
            return Err(IdleError::OtherClock);
        }
        let begin = now.elapsed();
        let end = begin.saturating_add(duration);
        loop {
            let next = self.run_until_idle().await?;
            let left = end.saturating_sub(now.elapsed());
            let until_next = next.map(|next| next.duration_since(self.0.engine.now()).unwrap_or_default());
            match until_next.filter(|until_next| *until_next <= left) {
                Some(until_next) => clock.advance(until_next),
                None if left.is_zero() => return Ok(next),
                None => clock.advance(left),
            }
        }
    }

    /// Stops the work. No new claims are made, and running workers see [`draining`](crate::RawTask::draining). Workers that still run
    /// after `timeout` are cancelled, and aborted after the grace period. Claims are released, and their attempts do not count, so that the
    /// next process continues the work. Streams of changes end at once, and registered services are removed. The handles can still read and
    /// write afterwards.
    ///
    /// A second call waits for the same shutdown; the first timeout applies.
    ///
    /// # Cancel safety
    /// If the future is dropped, the shutdown continues.
    pub async fn shutdown(&self, timeout: Duration) -> Shutdown {
        self.0.engine.closing.cancel();
        // Without time for workers there is time for the store.
        let deregistered = self.0.coordination.deregistered(timeout.max(Duration::from_secs(1)));
        let work = async {
            match &self.0.controller {
                Some(controller) => controller.shutdown(timeout).await,
                None => Shutdown::default(),
            }
        };
        tokio::join!(work, deregistered).0
    }
}

impl Runtime {
    /// Completes when the shutdown begins, or when the last handle of the runtime is dropped. The future does not keep the
    /// runtime alive. Streams of changes end at the same time.
    ///
    /// Pass it to a server as its shutdown signal, so that the server stops together with the runtime; `docs/http.md` shows this for axum.
    ///
    /// ```
    /// # use fsm_runtime::prelude::*;
    /// # async fn serve(_shutdown: impl Future<Output = ()> + Send + 'static) {}
    /// # async fn example(runtime: Runtime) {
    /// let server = tokio::spawn(serve(runtime.stopping()));
    /// runtime.shutdown(std::time::Duration::from_secs(10)).await;
    /// # drop(server); }
    /// ```
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.0.engine.closing.clone().cancelled_owned()
    }

    /// Waits until the work has ended: after a [`shutdown`](Self::shutdown), or because the runtime itself failed too often, for example
    /// by a `tracing` layer that panics; [`Shutdown::failed`] has the cause. Before that, the runtime restarts by itself, and
    /// [`status`](Self::status) has the number of restarts. A program that is useless without its workers waits for this and exits, so
    /// that its service manager restarts it. For a client, it returns at once.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn ended(&self) -> Shutdown {
        match &self.0.controller {
            Some(controller) => controller.ended().await,
            None => Shutdown::default(),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.controller.is_some() { "Runtime(controller)" } else { "Runtime(client)" })
    }
}
