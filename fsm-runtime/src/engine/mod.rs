//! What all handles of one runtime share, and the single commit path: metrics, logging, change notification.

pub(crate) mod background;
mod commit_metrics;
pub(crate) mod definitions;
pub(crate) mod detached;
pub(crate) mod held_back;
pub(crate) mod instance_history;
pub(crate) mod notify;
mod retry;
pub(crate) mod store_health;
mod store_time;
pub(crate) mod turns;

pub(crate) use retry::{store_until, until_stored};

use self::background::HealthRegistry;
use self::definitions::Definitions;
use self::detached::Detached;
use self::held_back::HeldBackWork;
use self::notify::Notifier;
use self::store_health::{OpenCalls, StoreHealth};
pub(crate) use self::store_time::StoreTime;
use self::turns::Turns;
use crate::{
    clock::Clock,
    log::{log_key, log_row},
    machine::{Migrations, Unknown},
    store::{Change, Group, Key, Row, Statements, Store, StoreError, StoreFuture, TransactionalSql, Verdict},
};
use commit_metrics::Committing;
use std::{any::Any, error::Error, future::Future, slice, sync::Arc, time::SystemTime};
use tokio_util::sync::CancellationToken;

type BoxError = Box<dyn Error + Send + Sync>;

/// Commits a group in a store that runs the caller's own statements, with these.
pub(crate) type BoundStatements =
    Arc<dyn Fn(Group, SystemTime) -> StoreFuture<'static, Result<Verdict, BoxError>> + Send + Sync>;

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    /// How far the store's clock is ahead, if it counts by its own.
    pub(crate) store_time: StoreTime,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) migrations: Arc<Migrations>,
    pub(crate) unknown: Unknown,
    pub(crate) definitions: Definitions,
    pub(crate) health: Arc<HealthRegistry>,
    pub(crate) store_health: StoreHealth,
    pub(crate) calls: OpenCalls,
    /// The callers that change an instance by its id.
    pub(crate) turns: Turns,
    /// The instances whose work is held back in this process.
    pub(crate) held_back: HeldBackWork,
    /// Cancelled when the runtime shuts down: streams of changes end then.
    pub(crate) closing: CancellationToken,
}

impl Engine {
    /// The store's time, by which rows are due.
    pub(crate) fn now(&self) -> SystemTime {
        self.store_time.now(&self.clock)
    }

    /// The store has answered a call that was given `asked`, the wall clock of this process, with its own time.
    pub(crate) fn set_store_time(&self, asked: SystemTime, answered: SystemTime) {
        self.store_time.set(&self.clock, asked, answered);
    }

    /// The `answer` of the store. The call is shown in the status until it is ready.
    pub(crate) fn asked<T>(&self, call: &'static str, answer: impl Future<Output = T>) -> impl Future<Output = T> {
        self.calls.until(call, self.clock.elapsed(), answer)
    }

    /// Commits `groups` and notifies the controller and waiting callers.
    ///
    /// Runs to completion even if the caller is dropped, so that change notifications are never lost; only the result is.
    pub(crate) fn commit_groups(self: &Arc<Self>, groups: Vec<Group>) -> Detached<Result<Vec<Verdict>, StoreError>> {
        let this = self.clone();
        Detached::new(async move {
            this.definitions.before(&groups, &this).await?;
            let sent = Sent::new(&groups);
            let verdicts = this.asked("commit", this.store.commit(groups, this.now())).await;
            this.notify(sent, verdicts.as_deref().ok());
            verdicts
        })
    }

    /// Whether `store` is a handle of this engine's store.
    pub(crate) fn uses<S: TransactionalSql>(&self, store: &S) -> bool {
        let own: &dyn Any = &*self.store;
        own.downcast_ref::<S>().is_some_and(|own| own.is_same_store(store))
    }

    /// As [`commit_groups`](Self::commit_groups), for one group with the caller's own `statements`. If these fail, nothing is changed.
    pub(crate) fn commit_with<S: TransactionalSql>(
        self: &Arc<Self>,
        store: S,
        group: Group,
        statements: Statements<S>,
    ) -> Detached<Result<Result<Verdict, BoxError>, StoreError>> {
        let this = self.clone();
        Detached::new(async move {
            this.definitions.before(slice::from_ref(&group), &this).await?;
            let sent = Sent::new(slice::from_ref(&group));
            let verdict = this.asked("commit", store.commit_with(group, statements, this.now())).await;
            match &verdict {
                Ok(Ok(verdict)) => this.notify(sent, Some(slice::from_ref(verdict))),
                Ok(Err(_)) => {}
                Err(_) => this.notify(sent, None),
            }
            verdict
        })
    }

    /// A group is about to be applied in a transaction of the caller's.
    #[cfg(feature = "postgres")]
    pub(crate) async fn before_within(self: &Arc<Self>, group: &Group) -> Result<Sent, StoreError> {
        self.definitions.before(slice::from_ref(group), self).await?;
        Ok(Sent::new(slice::from_ref(group)))
    }

    /// The caller's transaction was committed.
    #[cfg(feature = "postgres")]
    pub(crate) fn after_within(&self, sent: Sent, verdict: &Verdict) {
        self.notify(sent, Some(slice::from_ref(verdict)));
    }

    /// Commits one group.
    pub(crate) async fn commit_group(self: &Arc<Self>, group: Group) -> Result<Verdict, StoreError> {
        self.commit_groups(vec![group]).await?.pop().ok_or_else(no_verdict)
    }

    /// Commits one change.
    pub(crate) async fn commit(self: &Arc<Self>, change: Change) -> Result<Verdict, StoreError> {
        self.commit_group(Group::from(change)).await
    }

    /// Commits a worker's own change. The controller is not notified: it reads the row when the worker has ended. All others are,
    /// except for a checkpoint, which is not a transition.
    pub(crate) async fn commit_own(&self, change: Change) -> Result<Verdict, StoreError> {
        let notifies = !matches!(change, Change::SaveCheckpoint(_));
        let groups = vec![Group::from(change)];
        let sent = Sent::new(&groups);
        let verdicts = self.asked("commit", self.store.commit(groups, self.now())).await;
        let changed = sent.changed(verdicts.as_deref().ok());
        if notifies {
            self.notifier.committed_by_worker(&changed);
        }
        verdicts?.pop().ok_or_else(no_verdict)
    }

    /// Commits `group`, whose first change is a worker's own: of that row, the controller is not notified. `statements` run after the
    /// changes.
    pub(crate) fn commit_beside(
        self: &Arc<Self>,
        group: Group,
        statements: Option<BoundStatements>,
    ) -> Detached<Result<Result<Verdict, BoxError>, StoreError>> {
        let this = self.clone();
        Detached::new(async move {
            this.definitions.before(slice::from_ref(&group), &this).await?;
            let sent = Sent::new(slice::from_ref(&group));
            let others: Vec<Key> = group.changes.iter().skip(1).map(|change| change.key().clone()).collect();
            let now = this.now();
            let verdict = if let Some(commit) = statements {
                this.asked("commit", commit(group, now)).await
            } else {
                let verdicts = this.asked("commit", this.store.commit(vec![group], now)).await;
                verdicts.and_then(|mut verdicts| verdicts.pop().ok_or_else(no_verdict)).map(Ok)
            };
            let changed = match &verdict {
                Ok(Ok(verdict)) => sent.changed(Some(slice::from_ref(verdict))),
                Ok(Err(_)) => Vec::new(),
                Err(_) => sent.changed(None),
            };
            this.notifier.committed_by_worker(&changed);
            this.notifier.publish(changed.into_iter().filter(|key| others.contains(key)));
            verdict
        })
    }

    /// Counts, logs and notifies. Without verdicts, every change may have been committed: the controller reads the rows.
    fn notify(&self, sent: Sent, verdicts: Option<&[Verdict]>) {
        self.notifier.committed(sent.changed(verdicts));
    }

    /// Commits one change, and returns its row.
    pub(crate) async fn commit_row(self: &Arc<Self>, change: Change) -> Result<Result<Row, Verdict>, StoreError> {
        match self.commit(change).await? {
            Verdict::Committed { mut rows } if rows.len() == 1 => Ok(Ok(rows.remove(0))),
            verdict => Ok(Err(verdict)),
        }
    }
}

/// The parts of groups that are needed after the commit.
pub(crate) struct Sent {
    keys: Vec<Vec<Key>>,
    committing: Committing,
}

impl Sent {
    fn new(groups: &[Group]) -> Self {
        let keys = |group: &Group| group.changes.iter().map(|change| change.key().clone()).collect();
        Self { keys: groups.iter().map(keys).collect(), committing: Committing::of(groups) }
    }

    /// Counts and logs the verdicts. Returns the instances that were changed; without verdicts, those that may have been.
    fn changed(self, verdicts: Option<&[Verdict]>) -> Vec<Key> {
        let Some(verdicts) = verdicts else { return self.keys.into_iter().flatten().collect() };
        self.committing.ended(verdicts);
        let mut changed = Vec::new();
        for (keys, verdict) in self.keys.iter().zip(verdicts) {
            log(keys, verdict);
            if let Verdict::Committed { rows } = verdict {
                changed.extend(rows.iter().map(|row| row.key.clone()));
            }
        }
        changed
    }
}

/// Logs each group that was not committed: a lost race and a reused key at `DEBUG`, a refusal of the store at `ERROR`.
fn log(keys: &[Key], verdict: &Verdict) {
    let Some(key) = verdict.change().and_then(|change| keys.get(change)) else { return };
    match verdict {
        Verdict::Committed { .. } | Verdict::Duplicate { .. } => {}
        Verdict::Conflict { current: None, .. } => {
            log_key!(debug, key, "conflict: the instance does not exist any more");
        }
        Verdict::Conflict { current: Some(row), .. } => log_row!(debug, row, "conflict: another change was first"),
        Verdict::Fenced { current: row, .. } => {
            log_row!(debug, row, fence = row.fence, "conflict: another worker holds the claim");
        }
        Verdict::TooEarly { .. } => log_key!(debug, key, "the timer is not due yet by the store's clock"),
        Verdict::KeyReused { first, .. } => log_key!(
            debug, key, state = %first.to, version = first.version,
            "refused: the idempotency key was used for another request"
        ),
        Verdict::Refused { reason, .. } => log_key!(error, key, %reason, "refused by the store"),
        Verdict::TooLarge { what, size, limit, .. } => {
            log_key!(error, key, %what, size, limit, "refused by the store: a value is too large");
        }
    }
}

fn no_verdict() -> StoreError {
    let cause = "the store returned no verdict for a group".to_owned();
    StoreError::Failed { store: "this store".to_owned(), cause }
}
