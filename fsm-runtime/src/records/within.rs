//! Groups in a transaction of the caller's.

use super::{GroupError, GroupOutput, TransitionGroup};
use crate::{
    engine::{Engine, Sent},
    store::{
        Change, Group, Verdict,
        postgres::{NotWithin, OpenTransaction, Postgres},
    },
    sync::Mutex,
};
use std::{fmt, sync::Arc};

impl TransitionGroup {
    /// Makes all changes in `transaction`, an open transaction of the caller's, or none. They are stored when the caller commits it.
    ///
    /// `store` is a clone of the store that the runtime was built with, and `transaction` is in its database. After the commit, call
    /// [`AfterCommit::committed`].
    ///
    /// ```
    /// # use fsm_runtime::{Runtime, prelude::*, store::postgres::Postgres};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
    /// # async fn example(
    /// #     store: Postgres, runtime: Runtime, client: &mut tokio_postgres::Client, order: order::Record<order::Open>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut transaction = client.transaction().await?;
    /// transaction.execute("INSERT INTO receipts (text) VALUES ($1)", &[&"paid"]).await?;
    /// let mut group = runtime.group();
    /// group.add(order.pay());
    /// let (_, after) = group.commit_within(&store, &mut transaction).await?;
    /// transaction.commit().await?;
    /// after.committed();
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// Until the transaction ends, it holds the locks of the rows, and other changes of these instances wait. Readers of the history wait
    /// for it, so that entries are read in order. Records, and events by id, are read outside of the transaction: a later group in the
    /// same transaction sees the changes of an earlier one only through the records in its [`GroupOutput`].
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and [`GroupError::Isolation`] and [`GroupError::OtherStore`]. The group has changed nothing then, and
    /// the transaction can be used, unless its connection is broken. A lost answer to the caller's COMMIT is not resolved: use an
    /// idempotency key, and repeat the transaction.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, some of the changes may be in the transaction: roll it back.
    pub async fn commit_within<T: OpenTransaction>(
        self,
        store: &Postgres,
        transaction: &mut T,
    ) -> Result<(GroupOutput, AfterCommit), GroupError> {
        if self.is_empty() {
            return Err(GroupError::Empty);
        }
        let engine = self.engine().clone();
        if !engine.uses(store) {
            return Err(GroupError::OtherStore);
        }
        let (transaction, made) = (tokio::sync::Mutex::new(transaction), Mutex::new(None));
        let (to, kept, with) = (&transaction, &made, &engine);
        let output = self.run(move |changes| async move {
            let mut group = Group { changes };
            let sent = with.before_within(&group).await?;
            let applied = store.apply_within(&mut **to.lock().await, &mut group, with.now()).await;
            let verdict = applied.map_err(|error| match error {
                NotWithin::Isolation(found) => GroupError::Isolation { found },
                NotWithin::Store(error) => GroupError::Store(error),
            })?;
            if matches!(verdict, Verdict::Committed { .. }) {
                *kept.lock() = Some((sent, group.changes, verdict.clone()));
            }
            Ok(verdict)
        });
        let output = output.await?;
        let made = made.lock().take();
        let made = made.map(|(sent, changes, verdict)| Made { engine, store: store.clone(), sent, changes, verdict });
        Ok((output, AfterCommit(made)))
    }
}

/// To be used when the caller's transaction was committed, after [`TransitionGroup::commit_within`].
///
/// If it is dropped instead, for example because the transaction was rolled back, nothing is notified: a change that was committed is
/// seen at the next [poll](crate::store::postgres::PostgresOptions::poll).
#[must_use = "call `committed` after the transaction is committed, so that workers and waiting callers are notified"]
pub struct AfterCommit(Option<Made>);

struct Made {
    engine: Arc<Engine>,
    store: Postgres,
    sent: Sent,
    changes: Vec<Change>,
    verdict: Verdict,
}

impl AfterCommit {
    /// Notifies workers, timers and waiting callers, in this process and in others, that the changes are committed.
    pub fn committed(self) {
        let Some(Made { engine, store, sent, changes, verdict }) = self.0 else { return };
        engine.after_within(sent, &verdict);
        store.committed_within(&changes);
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterCommit").finish_non_exhaustive()
    }
}
