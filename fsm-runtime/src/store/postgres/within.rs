//! Groups in a transaction of the caller's.

use super::{
    Postgres,
    change::{self, Batch, Numbered},
    failure::{Failure, Kind},
    lane::{RAISE_TIMELINE, judge},
    statement::Statement,
    within_json::{self as json, ENTRY, ROW},
};
use crate::store::{self, Change, Group, Row, StoreError, Verdict};
use std::{
    error::Error,
    future::Future,
    time::{Duration, SystemTime},
};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

type BoxError = Box<dyn Error + Send + Sync>;

/// An open transaction of the caller's, in the database of the store.
///
/// [`tokio_postgres::Transaction`] implements it. Implement it for the transaction of another client, to pass it to
/// [`TransitionGroup::commit_within`](crate::TransitionGroup::commit_within).
pub trait OpenTransaction: Send {
    /// Runs a statement that returns no rows and has no parameters.
    fn execute(&mut self, text: &str) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Runs a statement with one parameter of type `text`, and returns the only column, of type `text`, of its only row.
    fn query(&mut self, text: &str, parameter: &str) -> impl Future<Output = Result<String, BoxError>> + Send;
}

impl OpenTransaction for tokio_postgres::Transaction<'_> {
    async fn execute(&mut self, text: &str) -> Result<(), BoxError> {
        Ok(self.batch_execute(text).await?)
    }

    async fn query(&mut self, text: &str, parameter: &str) -> Result<String, BoxError> {
        let parameter: (&(dyn ToSql + Sync), Type) = (&parameter, Type::TEXT);
        let rows = self.query_typed(text, &[parameter]).await?;
        Ok(rows.first().ok_or("the server returned no row")?.try_get(0)?)
    }
}

/// Why a group was not applied. What it had changed is undone.
pub(crate) enum NotWithin {
    /// The transaction has this isolation level.
    Isolation(String),
    Store(StoreError),
}

/// Takes the lock that the readers of the history look for.
const LOCK_LANES: &str = "LOCK TABLE {schema}.lanes IN ROW EXCLUSIVE MODE";
/// Gives the transaction its id, before it takes a number of the sequences. The answer is whether these are ahead of what a former primary
/// may have given out.
const BEGIN: &str = "SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN
    (m.value >= ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint)::text END
    FROM {schema}.meta m WHERE m.name = $1::text";

impl Postgres {
    /// Applies `group` in the caller's transaction, or nothing of it.
    pub(crate) async fn apply_within<T: OpenTransaction>(
        &self,
        transaction: &mut T,
        group: &mut Group,
        now: SystemTime,
    ) -> Result<Verdict, NotWithin> {
        let core = &self.0.core;
        super::text::replace_nul(group);
        let refused = super::text::refused(group).or_else(|| group.too_large(core.options.max_value_bytes));
        if let Some(verdict) = refused {
            return Ok(verdict);
        }
        let failed = |failure| NotWithin::Store(core.error(failure, Duration::ZERO));
        let isolation = transaction.query("SELECT current_setting($1::text)", "transaction_isolation").await;
        let isolation = isolation.map_err(|error| failed(failure(error)))?;
        if isolation != "read committed" {
            return Err(NotWithin::Isolation(isolation));
        }
        transaction.execute("SAVEPOINT fsm").await.map_err(|error| failed(failure(error)))?;
        let now = core.callers(now);
        let changes: Vec<Numbered<'_>> =
            (0..).zip(&group.changes).map(|(ord, change)| Numbered { ord, change, now }).collect();
        let applied = self.apply_to(transaction, &changes).await;
        if let Ok(rows) = applied {
            transaction.execute("RELEASE SAVEPOINT fsm").await.map_err(|error| failed(failure(error)))?;
            return Ok(Verdict::Committed { rows });
        }
        for undo in ["ROLLBACK TO SAVEPOINT fsm", "RELEASE SAVEPOINT fsm"] {
            let undone = transaction.execute(undo).await;
            // The first error says more.
            if let (Err(error), Err(NotApplied::Missed(_))) = (undone, &applied) {
                return Err(failed(failure(error)));
            }
        }
        match applied {
            Ok(rows) => Ok(Verdict::Committed { rows }),
            Err(NotApplied::Failed(Some(change), Failure { kind: Kind::Refused, text: reason })) => {
                Ok(Verdict::Refused { change, reason })
            }
            Err(NotApplied::Failed(_, failure)) => Err(failed(failure)),
            Err(NotApplied::Store(error)) => Err(NotWithin::Store(error)),
            Err(NotApplied::Missed(missed)) => self.judged(transaction, missed).await.map_err(failed),
        }
    }

    /// The changes of a group have been committed: others are notified.
    pub(crate) fn committed_within(&self, changes: &[Change]) {
        self.0.core.notices.changed(changes.iter());
    }

    async fn apply_to<'a, T: OpenTransaction>(
        &self,
        transaction: &mut T,
        changes: &[Numbered<'a>],
    ) -> Result<Vec<Row>, NotApplied<'a>> {
        let core = &self.0.core;
        let of_group = |failure| NotApplied::Failed(None, failure);
        let lock = transaction.execute(&core.texts.fill(LOCK_LANES)).await;
        lock.map_err(|error| of_group(failure(error)))?;
        let begun = transaction.query(&core.texts.fill(BEGIN), "timeline").await;
        if begun.map_err(|error| of_group(failure(error)))? != "true" {
            let raised = self.run(|core| async move { core.read(Statement::new(RAISE_TIMELINE)).await });
            raised.await.map_err(NotApplied::Store)?;
        }
        self.ask(transaction, &change::lock(changes)).await.map_err(of_group)?;
        // No row of a lane has this id.
        let batch = Batch { lane: Uuid::nil(), whole: false };
        let mut rows = Vec::with_capacity(changes.len());
        for (place, it) in changes.iter().enumerate() {
            let of_change = |failure| NotApplied::Failed(Some(place), failure);
            let before = rows.len();
            for statement in change::statements(&[*it], batch) {
                for mut row in self.rows(transaction, &statement).await.map_err(of_change)? {
                    if let Some(data) = change::sent_data(it.change) {
                        data.clone_into(&mut row.data);
                    }
                    rows.push(row);
                }
            }
            if rows.len() == before {
                return Err(NotApplied::Missed(*it));
            }
        }
        Ok(rows)
    }

    /// The verdict on a change that missed, from what its transaction sees.
    async fn judged<T: OpenTransaction>(&self, transaction: &mut T, it: Numbered<'_>) -> Result<Verdict, Failure> {
        let place = usize::try_from(it.ord).unwrap_or_default();
        let of_key = |template: &'static str| {
            let key = it.change.key();
            Statement::new(template)
                .with(vec![it.ord], Type::INT4_ARRAY)
                .with(vec![key.machine.to_string()], Type::TEXT_ARRAY)
                .with(vec![key.id.to_string()], Type::TEXT_ARRAY)
        };
        let mut first = None;
        if let Some(used) = store::key_use(it.change) {
            let entries = of_key(&ENTRY)
                .with(vec![used.incarnation], Type::UUID_ARRAY)
                .with(vec![used.idempotency_key], Type::TEXT_ARRAY);
            first = json::entries(&self.ask(transaction, &entries).await?)?.pop();
        }
        let current = self.rows(transaction, &of_key(&ROW)).await?.pop();
        let now = transaction.query(json::NOW, "").await.map_err(failure)?;
        Ok(judge(place, &it, current, first, Some(json::time_of(&now)?)))
    }

    async fn rows<T: OpenTransaction>(
        &self,
        transaction: &mut T,
        statement: &Statement<'_>,
    ) -> Result<Vec<Row>, Failure> {
        json::rows(&self.ask(transaction, statement).await?)
    }

    /// Runs a statement of the store's, and returns its rows as JSON.
    async fn ask<T: OpenTransaction>(&self, transaction: &mut T, statement: &Statement<'_>) -> Result<String, Failure> {
        let text = json::text(&self.0.core.texts.get(statement), &statement.types());
        let parameter = json::parameter(statement)?;
        transaction.query(&text, &parameter).await.map_err(failure)
    }
}

/// Why changes were not applied.
enum NotApplied<'a> {
    Missed(Numbered<'a>),
    /// A statement, of the change at this place.
    Failed(Option<usize>, Failure),
    Store(StoreError),
}

/// A failure of the caller's connection. What another client than `tokio_postgres` reports is kept as text.
fn failure(error: BoxError) -> Failure {
    match error.downcast::<tokio_postgres::Error>() {
        Ok(error) => Failure::from(*error),
        Err(error) => Failure::new(Kind::Other, super::failure::with_causes(&*error)),
    }
}
