//! One connection that is made again when it breaks, with its prepared statements.

use super::{
    connect::{Role, Target},
    failure::{Failure, Kind},
    statement::{Statement, Texts},
};
use crate::sync::Mutex;
use futures_core::Stream as _;
use std::{
    borrow::Cow,
    collections::HashMap,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For statements that read or build much. An index that is built without blocking writers waits for all open transactions.
const NO_LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

/// A connection that is made when it is needed, and again after it broke.
pub(super) struct Session {
    target: Arc<Target>,
    texts: Arc<Texts>,
    role: Role,
    slot: tokio::sync::Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    connected: Option<Arc<Connected>>,
    /// What failed since the last connection.
    failed: Option<Failed>,
}

/// Attempts to connect that failed.
struct Failed {
    attempts: u32,
    /// The end of the last one, and why it failed.
    at: Instant,
    why: Failure,
}

/// An open connection.
pub(super) struct Connected {
    pub(super) client: Client,
    target: Arc<Target>,
    texts: Arc<Texts>,
    prepared: Mutex<HashMap<Cow<'static, str>, tokio_postgres::Statement>>,
}

impl Session {
    pub(super) fn new(target: &Arc<Target>, texts: &Arc<Texts>, role: Role) -> Self {
        Self { target: target.clone(), texts: texts.clone(), role, slot: tokio::sync::Mutex::default() }
    }

    /// The connection; a new one where there is none. After a failed attempt the next one waits, so that a server that starts again
    /// is not flooded.
    pub(super) async fn connected(&self) -> Result<Arc<Connected>, Failure> {
        self.connected_within(Duration::MAX).await
    }

    /// Like [`connected`](Self::connected), for a caller that gives up after `limit`: every host is tried in this time. Callers that wait
    /// for the same attempt get its failure.
    pub(super) async fn connected_within(&self, limit: Duration) -> Result<Arc<Connected>, Failure> {
        let no_connection = |_| Err(Failure::new(Kind::Unreachable, format!("no connection within {limit:?}")));
        tokio::time::timeout(limit, self.connect(limit)).await.unwrap_or_else(no_connection)
    }

    async fn connect(&self, limit: Duration) -> Result<Arc<Connected>, Failure> {
        let began = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(connected) = slot.connected.as_ref().filter(|connected| !connected.client.is_closed()) {
            return Ok(connected.clone());
        }
        if let Some(Failed { attempts, at, why }) = &slot.failed {
            if *at > began {
                return Err(why.clone());
            }
            let longest = FIRST_PAUSE.saturating_mul(1 << (*attempts).min(8)).min(LONGEST_PAUSE);
            tokio::time::sleep(longest.mul_f64(fastrand::f64()).saturating_sub(at.elapsed())).await;
        }
        slot.connected = None;
        match self.target.connect(self.role, None, limit).await {
            Ok(client) => {
                let connected = Arc::new(Connected::new(client, &self.target, &self.texts));
                slot.failed = None;
                slot.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(failure) => {
                let attempts = slot.failed.as_ref().map_or(1, |failed| failed.attempts.saturating_add(1));
                slot.failed = Some(Failed { attempts, at: Instant::now(), why: failure.clone() });
                Err(failure)
            }
        }
    }

    /// Gives the connection up, unless it was replaced meanwhile.
    pub(super) async fn give_up(&self, broken: &Arc<Connected>) {
        let mut slot = self.slot.lock().await;
        if slot.connected.as_ref().is_some_and(|connected| Arc::ptr_eq(connected, broken)) {
            slot.connected = None;
        }
    }
}

impl Connected {
    pub(super) fn new(client: Client, target: &Arc<Target>, texts: &Arc<Texts>) -> Self {
        Self { client, target: target.clone(), texts: texts.clone(), prepared: Mutex::default() }
    }

    /// Whether a pooler is between, which keeps no settings of a session.
    pub(super) fn is_pooled(&self) -> bool {
        self.target.pooled
    }

    /// Prepares the statement, if it is not prepared yet, so that sending it needs no answer before.
    pub(super) async fn prepare(&self, statement: &Statement<'_>) -> Result<(), Failure> {
        if self.target.pooled || self.prepared.lock().contains_key(&statement.template) {
            return Ok(());
        }
        let text = self.texts.get(statement);
        let types = statement.types();
        let prepared = self.in_time(self.client.prepare_typed(&text, &types)).await?;
        self.prepared.lock().insert(statement.template.clone(), prepared);
        Ok(())
    }

    /// Runs a statement and returns its rows. It is sent when the future is first polled, if it was prepared.
    pub(super) async fn query(&self, statement: &Statement<'_>) -> Result<Vec<Row>, Failure> {
        if self.target.pooled {
            let text = self.texts.get(statement);
            return self.in_time(self.client.query_typed(&text, &statement.typed_values())).await;
        }
        self.prepare(statement).await?;
        let prepared = self.prepared.lock().get(&statement.template).cloned();
        let prepared = prepared.ok_or_else(|| Failure::new(Kind::Other, "a prepared statement is gone"))?;
        self.in_time(self.client.query(&prepared, &statement.values())).await
    }

    /// Runs a statement outside of a transaction. Through a pooler it is a transaction of its own, so that the server's time limits apply.
    pub(super) async fn query_alone(&self, statement: &Statement<'_>) -> Result<Vec<Row>, Failure> {
        if !self.target.pooled {
            return self.query(statement).await;
        }
        let begin = self.target.begin(Role::Reader);
        let execute = |text| -> Pin<Box<dyn Future<Output = Result<Vec<Row>, Failure>> + Send + '_>> {
            Box::pin(async move { self.execute(text).await.map(|()| Vec::new()) })
        };
        let mut answers = together(vec![execute(&begin), Box::pin(self.query(statement)), execute("COMMIT")]).await;
        let (committed, rows) = (answers.pop(), answers.pop());
        // The first of them says why the others failed.
        for answer in answers {
            answer?;
        }
        let rows = rows.unwrap_or_else(|| Ok(Vec::new()))?;
        committed.unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(rows)
    }

    /// Runs a statement of the caller's, and returns its rows and how many it changed.
    pub(super) async fn query_text(
        &self,
        text: &str,
        values: Vec<(&(dyn ToSql + Sync), Type)>,
    ) -> Result<(Vec<Row>, u64), Failure> {
        self.in_time(async {
            let mut stream = pin!(self.client.query_typed_raw(text, values).await?);
            let mut rows = Vec::new();
            while let Some(row) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
                rows.push(row?);
            }
            Ok((rows, stream.rows_affected().unwrap_or_default()))
        })
        .await
    }

    /// Runs statements without values, in one message.
    pub(super) async fn execute(&self, template: &str) -> Result<(), Failure> {
        self.in_time(self.client.batch_execute(&self.texts.fill(template))).await
    }

    /// Runs a statement that may take as long as it needs, in a transaction of its own.
    pub(super) async fn query_without_limit(&self, statement: &Statement<'_>) -> Result<Vec<Row>, Failure> {
        let text = self.texts.get(statement);
        self.client.batch_execute(&format!("BEGIN; {NO_LIMITS}")).await?;
        let rows = self.client.query_typed(&text, &statement.typed_values()).await;
        self.client.batch_execute("COMMIT").await?;
        Ok(rows?)
    }

    /// Runs a statement that may take as long as it needs and cannot be part of a transaction. Not for a connection through a pooler.
    pub(super) async fn execute_without_limit(&self, template: &str) -> Result<(), Failure> {
        self.client.batch_execute(&NO_LIMITS.replace("SET LOCAL", "SET")).await?;
        Ok(self.client.batch_execute(&self.texts.fill(template)).await?)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        let deadline = self.target.deadline();
        match tokio::time::timeout(deadline, call).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::no_answer(deadline)),
        }
    }
}

/// Polls all futures in order until each is ready, so that what they send is sent in that order and in one burst.
pub(super) async fn together<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(move |context| {
        let mut ready = true;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => ready = false,
                }
            }
        }
        if ready { Poll::Ready(outputs.iter_mut().filter_map(Option::take).collect()) } else { Poll::Pending }
    })
    .await
}
