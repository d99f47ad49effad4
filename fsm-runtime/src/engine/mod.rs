//! Owns what every handle of one runtime shares, and the one way of its changes to the store: counted, logged and told of.

pub(crate) mod background;
mod commit_metrics;
pub(crate) mod definitions;
mod detached;
pub(crate) mod notify;
mod retry;
pub(crate) mod store_health;

pub(crate) use retry::STORE_RETRY;

use self::background::HealthRegistry;
use self::definitions::Definitions;
use self::detached::Detached;
use self::notify::Notifier;
use self::store_health::{Calls, Outage};
use crate::{
    clock::Clock,
    machine::{Migrations, Unknown},
    store::{
        Change, Group, Key, Row, Store, StoreError, Verdict,
        sqlite::{Sqlite, Statements},
    },
};
use commit_metrics::Committing;
use std::{error::Error, future::Future, slice, sync::Arc};

type BoxError = Box<dyn Error + Send + Sync>;

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) notifier: Notifier,
    pub(crate) migrations: Arc<Migrations>,
    pub(crate) unknown: Unknown,
    pub(crate) definitions: Definitions,
    pub(crate) health: Arc<HealthRegistry>,
    pub(crate) outage: Outage,
    pub(crate) calls: Calls,
}

impl Engine {
    /// The store's `answer` to `call`; until it is there, that is seen.
    pub(crate) fn asked<T>(&self, call: &'static str, answer: impl Future<Output = T>) -> impl Future<Output = T> {
        self.calls.until(call, self.clock.elapsed(), answer)
    }

    /// Commits `groups`, and tells everybody of what was made.
    ///
    /// Runs to completion: a caller that is dropped half-way takes its answer with it, but not the word that an instance has
    /// changed.
    pub(crate) fn commit_groups(self: &Arc<Self>, groups: Vec<Group>) -> Detached<Result<Vec<Verdict>, StoreError>> {
        let this = self.clone();
        Detached::new(async move {
            this.definitions.before(&groups, &this).await?;
            let sent = Sent::new(&groups);
            let verdicts = this.asked("commit", this.store.commit(groups, this.clock.now())).await;
            this.tell(sent, verdicts.as_deref().ok());
            verdicts
        })
    }

    /// The same for one group with the caller's own `statements`. Where these fail, nothing was made.
    pub(crate) fn commit_with(
        self: &Arc<Self>,
        sqlite: Sqlite,
        group: Group,
        statements: Statements,
    ) -> Detached<Result<Result<Verdict, BoxError>, StoreError>> {
        let this = self.clone();
        Detached::new(async move {
            this.definitions.before(slice::from_ref(&group), &this).await?;
            let sent = Sent::new(slice::from_ref(&group));
            let verdict = this.asked("commit", sqlite.commit_with(group, statements, this.clock.now())).await;
            match &verdict {
                Ok(Ok(verdict)) => this.tell(sent, Some(slice::from_ref(verdict))),
                Ok(Err(_)) => {}
                Err(_) => this.tell(sent, None),
            }
            verdict
        })
    }

    /// Commits one change, and tells everybody of it if it was made.
    pub(crate) async fn commit(self: &Arc<Self>, change: Change) -> Result<Verdict, StoreError> {
        self.commit_groups(vec![Group::from(change)]).await?.pop().ok_or_else(no_verdict)
    }

    /// The same for what a worker stores itself: the controller goes by it when the worker has ended, not before. Nobody waits for
    /// a checkpoint, which is no transition.
    pub(crate) async fn commit_own(&self, change: Change) -> Result<Verdict, StoreError> {
        let told = !matches!(change, Change::Checkpoint(_));
        let groups = vec![Group::from(change)];
        let sent = Sent::new(&groups);
        let verdicts = self.asked("commit", self.store.commit(groups, self.clock.now())).await?;
        sent.back(&verdicts);
        let verdict = verdicts.into_iter().next().ok_or_else(no_verdict)?;
        if let (true, Verdict::Committed { rows }) = (told, &verdict) {
            self.notifier.notify_waiters(rows.iter().map(|row| row.key.clone()));
        }
        Ok(verdict)
    }

    /// Tells everybody what was made; without verdicts everything may have been, and a look at the rows tells.
    fn tell(&self, sent: Sent, verdicts: Option<&[Verdict]>) {
        let Some(verdicts) = verdicts else { return self.notifier.publish(sent.keys.into_iter().flatten()) };
        sent.back(verdicts);
        for verdict in verdicts {
            if let Verdict::Committed { rows } = verdict {
                self.notifier.notify_waiters(rows.iter().map(|row| row.key.clone()));
                self.notifier.publish(rows.iter().map(|row| row.key.clone()));
            }
        }
    }

    /// The same, for a change whose row is the answer.
    pub(crate) async fn commit_row(self: &Arc<Self>, change: Change) -> Result<Result<Row, Verdict>, StoreError> {
        match self.commit(change).await? {
            Verdict::Committed { mut rows } if rows.len() == 1 => Ok(Ok(rows.remove(0))),
            verdict => Ok(Err(verdict)),
        }
    }
}

/// What is remembered of groups that are on their way to the store.
struct Sent {
    keys: Vec<Vec<Key>>,
    committing: Committing,
}

impl Sent {
    fn new(groups: &[Group]) -> Self {
        let keys = |group: &Group| group.changes.iter().map(|change| change.key().clone()).collect();
        Self { keys: groups.iter().map(keys).collect(), committing: Committing::of(groups) }
    }

    /// Counts and logs what became of them.
    fn back(self, verdicts: &[Verdict]) {
        self.committing.ended(verdicts);
        for (keys, verdict) in self.keys.iter().zip(verdicts) {
            log(keys, verdict);
        }
    }
}

/// One event for each group that was not made. Losing a race is ordinary; what the store will never take is not.
fn log(keys: &[Key], verdict: &Verdict) {
    let Some(key) = verdict.change().and_then(|change| keys.get(change)) else { return };
    let (machine, id) = (&key.machine, key.id.escape_debug());
    match verdict {
        Verdict::Committed { .. } | Verdict::Duplicate { .. } => {}
        Verdict::Conflict { current: None, .. } => tracing::debug!(%machine, %id, "conflict: it is not there any more"),
        Verdict::Conflict { current: Some(row), .. } => tracing::debug!(
            %machine, %id, state = %row.state, version = row.version, attempt = row.attempt,
            "conflict: somebody else was first"
        ),
        Verdict::Fenced { current: row, .. } => tracing::debug!(
            %machine, %id, state = %row.state, version = row.version, attempt = row.attempt, fence = row.fence,
            "conflict: the claim is somebody else's"
        ),
        Verdict::KeyReused { first, .. } => tracing::warn!(
            %machine, %id, state = %first.to, version = first.version,
            "refused: the idempotency key stands for another request"
        ),
        Verdict::Refused { reason, .. } => tracing::error!(%machine, %id, %reason, "refused by the store"),
        Verdict::TooLarge { what, size, limit, .. } => {
            tracing::error!(%machine, %id, %what, size, limit, "refused by the store: a value is too large");
        }
    }
}

fn no_verdict() -> StoreError {
    let cause = "the store gave no verdict for a group".to_owned();
    StoreError::Failed { store: "this store".to_owned(), cause }
}
