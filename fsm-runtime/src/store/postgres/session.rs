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
    /// Attempts that failed since the last connection, and the time of the last one.
    failed: Option<(u32, Instant)>,
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
        let mut slot = self.slot.lock().await;
        if let Some(connected) = slot.connected.as_ref().filter(|connected| !connected.client.is_closed()) {
            return Ok(connected.clone());
        }
        if let Some((failures, at)) = slot.failed {
            let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE);
            tokio::time::sleep(longest.mul_f64(fastrand::f64()).saturating_sub(at.elapsed())).await;
        }
        slot.connected = None;
        match self.target.connect(self.role, None).await {
            Ok(client) => {
                let connected = Arc::new(Connected::new(client, &self.target, &self.texts));
                slot.failed = None;
                slot.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(failure) => {
                slot.failed = Some((slot.failed.map_or(1, |(failures, _)| failures.saturating_add(1)), Instant::now()));
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
