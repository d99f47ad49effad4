//! Owns the runtime's life once it has started: its handles, its status, its end.

mod builder;
pub(crate) mod compatibility;
mod error;
mod rearm;
mod retention;

pub use self::compatibility::UnknownRows;
pub use builder::Builder;
pub use error::StartError;
pub use retention::Retention;

use self::compatibility::unknown_rows;
use crate::{
    controller::{Controller, IdleError, Shutdown, Status, until_idle},
    engine::Engine,
    records::{Durable, Group, Machines},
    store::{Lease, Origin, Store, StoreError},
    subscription::{StartPosition, SubscribeError, Subscription},
    supervisor::Supervisor,
};
use fsm_core::Graph;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A started runtime: the way to the instances, and the work on them.
///
/// With machines registered it does the work on their instances; without any it is a plain client. There can be as many of
/// both as you like, also in other processes: each holds a lease in the store, and only the process that has claimed an
/// instance works on it while its lease lives. A clone is another handle of the same runtime;
/// when the last one is dropped, its workers are cancelled without waiting. Use [`shutdown`](Self::shutdown) to wait.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    controller: Option<Controller>,
    /// Of the registered machines.
    graphs: Vec<&'static Graph>,
    /// What follows other processes' changes, and what forgets what is old. Ends when it is dropped.
    _beside: Supervisor,
}

impl Runtime {
    /// Begins a runtime over `store`.
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(Arc::new(store))
    }

    /// All instances of machine `M`. It need not be registered: only its work does.
    #[must_use]
    pub fn machines<M: Durable>(&self) -> Machines<M> {
        self.0.engine.definitions.knows_of(M::GRAPH);
        Machines::new(self.0.engine.clone(), Origin::default())
    }

    /// Begins a group of changes that are made all or none.
    pub fn group(&self) -> Group {
        Group::new(self.0.engine.clone())
    }

    /// Follows all changes of the store, from where the subscriber called `name` stopped, or from `start` for a new name.
    ///
    /// # Errors
    /// [`SubscribeError::Store`].
    pub async fn subscribe(&self, name: &str, start: StartPosition) -> Result<Subscription, SubscribeError> {
        Subscription::new(self.0.engine.clone(), name, start).await
    }

    /// The rows of the registered machines which this code does not know, and therefore leaves as they are, counted by state and
    /// schema version; empty where it knows all of them. Reads the index of states, an entry for each instance.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] where the store has no index of states; otherwise [`StoreError`].
    pub async fn unknown_rows(&self) -> Result<Vec<UnknownRows>, StoreError> {
        let mut found = Vec::new();
        for graph in &self.0.graphs {
            found.extend(unknown_rows(&*self.0.engine.store, graph).await?);
        }
        Ok(found)
    }

    /// What this process is at: its workers, the instances that wait for a slot, how the runtime's own parts fare, and what the store
    /// has been asked and has not answered. Of other
    /// processes and of what rests, the rows tell. A plain client has no workers.
    ///
    /// It takes a lock for a moment and asks nobody, so that it answers from any thread, also while workers block the
    /// executor's.
    #[must_use]
    pub fn status(&self) -> Status {
        let Inner { engine, controller, graphs, .. } = &*self.0;
        let workers = controller.as_ref().map(|controller| controller.workers(&engine.clock)).unwrap_or_default();
        let mut machines: Vec<&'static str> = graphs.iter().map(|graph| graph.machine).collect();
        machines.sort_unstable();
        Status { machines, workers, parts: engine.health.read(), calls: engine.calls.read(engine.clock.elapsed()) }
    }

    /// The processes that do work on the store, this one too, and those that are gone and still hold rows. What a process
    /// holds whose lease is not live is orphaned since that lease's end, and is taken up by another within one scan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn processes(&self) -> Result<Vec<Lease>, StoreError> {
        self.0.engine.store.leases(self.0.engine.clock.now()).await
    }

    /// For tests: waits until nothing of the registered machines is due, running or on its way, and says when the next thing is
    /// due, if anything is. Time does not pass by it: with a [`ManualClock`](crate::clock::ManualClock) a test moves on to what
    /// comes next with [`advance_to`](crate::clock::ManualClock::advance_to), so that hours are run through in no time and in
    /// the same order every time.
    ///
    /// What a process that is gone had claimed is found by the scan after its lease, and not waited for.
    ///
    /// A worker that runs is waited for, also one that waits for the test or for time to pass: then it does not end. Without a
    /// registered machine, and after a shutdown, nothing runs, and it ends at once.
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
        let next = until_idle(&self.0.engine, controller.scope()).await?;
        match controller.failed() {
            Some(why) => Err(IdleError::Failed(why.to_owned())),
            None => Ok(next),
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

impl Runtime {
    /// Ends when the work has ended: after a [`shutdown`](Self::shutdown), or by a fault of the runtime itself (a `tracing` layer
    /// that panics again and again, say), and [`failed`](Shutdown::failed) says which. Until then the runtime begins anew by itself, and
    /// [`status`](Self::status) says how often. A program that has nothing to do without its workers waits for this and ends too, so that
    /// whoever looks after it starts it anew. At once for a plain client.
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
