//! Commits a group with the caller's own statements.

use super::{
    super::{
        Postgres,
        change::Numbered,
        columns::value,
        failure::{Failure, Kind},
        session::Connected,
        statement::Statement,
        user_sql::{Request, Sql, SqlError},
    },
    burst::End,
    commit::{Done, Lane},
};
use crate::store::{Group, Statements, StoreError, Verdict};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc;

type BoxError = Box<dyn Error + Send + Sync>;

/// What this transaction has changed in the tables of the store: rows, and the tables themselves, as locks and by their number.
const OWN_CHANGES: &str = "
SELECT (SELECT coalesce(sum(t.n_tup_ins + t.n_tup_upd + t.n_tup_del), 0)::bigint FROM pg_stat_xact_user_tables t
        WHERE t.schemaname = $1),
       (SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND l.pid = pg_backend_pid() AND l.locktype = 'relation'
            AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')),
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)";

impl Lane {
    /// Applies `group` and runs `statements` in one transaction, for a caller that waits since `since`. The inner error is that of
    /// `statements`.
    pub(in super::super) async fn commit_with(
        &mut self,
        group: &Group,
        now: Option<SystemTime>,
        since: Instant,
        statements: Statements<Postgres>,
    ) -> Result<Result<Verdict, BoxError>, StoreError> {
        self.since = since;
        let changes: Vec<Numbered<'_>> =
            (0..).zip(&group.changes).map(|(ord, change)| Numbered { ord, change, now }).collect();
        let done = match self.apply_whole(&changes, End::Open).await {
            Ok(done) => done,
            Err(undone) => return self.not_whole(&changes, undone).await.map(Ok),
        };
        // The number of the open transaction, and its own connection: on another one, the statements would be committed one by one.
        let number = self.number;
        let Done::Rows(_, connected) = &done else {
            return Err(self.failed("a transaction that was to stay open has ended"));
        };
        let connected = connected.clone();
        let outcome = match self.run_statements(&connected, statements).await {
            Ok(Ok(())) => connected.execute("COMMIT").await,
            Ok(Err(error)) => {
                self.undo(&connected).await;
                return Ok(Err(error));
            }
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(()) => self.whole(&changes, done).await.map(Ok),
            Err(failure) if failure.breaks_connection() => {
                self.session.give_up(&connected).await;
                drop(connected);
                match self.resolve(number).await {
                    Ok(Some(missed)) => self.whole(&changes, Done::Unseen { missed }).await.map(Ok),
                    Ok(None) => {
                        Err(self.failed(&format!("the transaction was ended, and nothing was changed: {failure}")))
                    }
                    Err(error) => Err(self.indeterminate(&failure, &error)),
                }
            }
            Err(failure) => {
                self.undo(&connected).await;
                Err(self.core.error(failure, Duration::ZERO))
            }
        }
    }

    async fn undo(&self, connected: &Arc<Connected>) {
        if connected.execute("ROLLBACK").await.is_err() {
            self.session.give_up(connected).await;
        }
    }

    /// Runs the caller's statements on a thread that may block, one after the other on this connection.
    async fn run_statements(
        &self,
        connected: &Connected,
        statements: Statements<Postgres>,
    ) -> Result<Result<(), BoxError>, Failure> {
        let before = self.own_changes(connected).await?;
        let (requests, mut incoming) = mpsc::unbounded_channel::<Request>();
        let worker = tokio::task::spawn_blocking(move || statements(&Sql::new(requests)));
        let mut failed = None;
        while let Some(request) = incoming.recv().await {
            let answer = request.run(connected).await;
            if let Err(SqlError::Refused(cause)) = &answer {
                failed.get_or_insert_with(|| cause.clone());
            }
            request.reply(answer);
        }
        let ended = worker.await.unwrap_or_else(|_| Err("the statements panicked".into()));
        if ended.is_err() {
            return Ok(ended);
        }
        // The server does nothing more in a transaction after a failed statement.
        if let Some(cause) = failed {
            return Ok(Err(SqlError::Refused(format!("an earlier statement has failed: {cause}")).into()));
        }
        let after = match self.own_changes(connected).await {
            // It has been rolled back by a statement.
            Err(failure) if failure.kind == Kind::Aborted => return Ok(Err(SqlError::Refused(failure.text).into())),
            after => after?,
        };
        if before != after {
            return Ok(Err(SqlError::of_store_tables().into()));
        }
        Ok(Ok(()))
    }

    async fn own_changes(&self, connected: &Connected) -> Result<[i64; 3], Failure> {
        let rows = connected.query(&Statement::new(OWN_CHANGES).text(self.core.options.schema.clone())).await?;
        let row = rows.first().ok_or_else(|| Failure::new(Kind::Other, "the server returned no row"))?;
        Ok([value(row, 0, "rows")?, value(row, 1, "locks")?, value(row, 2, "tables")?])
    }
}
