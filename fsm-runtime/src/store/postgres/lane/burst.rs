//! One transaction, sent in one burst: no lock is held while this process thinks, or is stopped.

use super::super::{
    change::SEQUENCES_ARE_AHEAD,
    failure::{Failure, Kind},
    session::{Connected, together},
    statement::Statement,
};
use std::{future::Future, pin::Pin, sync::LazyLock};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

/// Writes the number of the batch into the lane's row, before any number of the sequences is taken: the transaction has its id then,
/// which the readers of the history rely on. A division by zero ends the transaction if there is no such row, if a later batch has been
/// decided, or if the server has failed over and the sequences are not ahead of what the former primary may have given out.
static LANE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH mine AS (
            UPDATE {{schema}}.lanes SET batch = $2, missed = '{{}}', seen = clock_timestamp()
            WHERE lane = $1 AND batch < $2 AND {SEQUENCES_ARE_AHEAD}
            RETURNING 1)
        SELECT 1 / count(*)::int FROM mine"
    )
});

/// How a transaction ended.
pub(super) enum Sent {
    /// Its changes are durable, unless it shall stay open. The rows of each statement.
    Committed(Vec<Vec<Row>>),
    /// Nothing was changed: the statement at this place failed first.
    Failed { place: usize, failure: Failure },
    /// Nothing was changed: the lane's row, or the sequences, have to be prepared.
    Unprepared,
    /// The answer was lost.
    Unknown(Failure),
}

/// How a transaction shall end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    /// The changes are tried only.
    Rollback,
    /// The transaction stays open.
    Open,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Failure>> + Send + 'a>>;

/// Runs `statements` as batch `number` of a lane.
///
/// # Errors
/// The connection, or the preparation of a statement, failed. Nothing was sent that could change anything.
pub(super) async fn send(
    connected: &Connected,
    begin: &str,
    (lane, number): (Uuid, i64),
    statements: &[Statement<'_>],
    end: End,
) -> Result<Sent, Failure> {
    if let ([only], End::Commit) = (statements, end)
        && !connected.is_pooled()
        && let Some(statement) = only.alone(number)
    {
        return send_alone(connected, &statement).await;
    }
    let mark = Statement::new(&**LANE).with(lane, Type::UUID).number(number);
    for statement in statements.iter().chain([&mark]) {
        connected.prepare(statement).await?;
    }
    let execute = |text: &'static str| -> Answer<'_> {
        Box::pin(async move { connected.execute(text).await.map(|()| Vec::new()) })
    };
    let mut calls: Vec<Answer<'_>> = Vec::with_capacity(statements.len() + 3);
    calls.push(Box::pin(async { connected.execute(begin).await.map(|()| Vec::new()) }));
    calls.push(Box::pin(connected.query(&mark)));
    for statement in statements {
        calls.push(Box::pin(connected.query(statement)));
    }
    let sent = calls.len();
    match end {
        End::Commit => calls.push(execute("COMMIT")),
        End::Rollback => calls.push(execute("ROLLBACK")),
        End::Open => {}
    }
    let answers = together(calls).await;
    if let Some(Err(failure)) = answers.iter().find(|answer| is_lost(answer)) {
        return Ok(Sent::Unknown(failure.clone()));
    }
    // COMMIT of a failed transaction is no error: it is believed only if each statement before it succeeded.
    let failed = answers.iter().take(sent).position(Result::is_err);
    let mut rows = Vec::with_capacity(answers.len());
    for answer in answers {
        match (answer, failed) {
            (Ok(found), _) => rows.push(found),
            (Err(failure), Some(1)) if failure.kind == Kind::Unmet => return Ok(Sent::Unprepared),
            // A failed COMMIT, too, has changed nothing.
            (Err(failure), place) => {
                return Ok(Sent::Failed { place: place.unwrap_or(usize::MAX).saturating_sub(2), failure });
            }
        }
    }
    rows.truncate(sent);
    Ok(Sent::Committed(rows.split_off(2)))
}

/// Sends a batch of one statement, which needs no BEGIN and no COMMIT. In it, too, a change of a row precedes the first number of the
/// history's sequence.
async fn send_alone(connected: &Connected, statement: &Statement<'_>) -> Result<Sent, Failure> {
    connected.prepare(statement).await?;
    Ok(match connected.query(statement).await {
        Ok(rows) => Sent::Committed(vec![rows]),
        Err(failure) => match failure.kind {
            Kind::Lost => Sent::Unknown(failure),
            Kind::Unmet => Sent::Unprepared,
            _ => Sent::Failed { place: 0, failure },
        },
    })
}

fn is_lost(answer: &Result<Vec<Row>, Failure>) -> bool {
    answer.as_ref().is_err_and(|failure| failure.kind == Kind::Lost)
}
