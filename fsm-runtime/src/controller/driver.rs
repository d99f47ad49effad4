//! The link between the controller, which knows rows, and the typed workers of one machine.

use crate::{
    engine::Engine,
    machine::{
        Migrations, StoredMachine,
        convert::{self, Whole},
    },
    store::{Cause, Change, Disarm, Origin, Row, Transition},
    worker::{Attempt, Beside, End, Finished, WorkClaim, WorkError, WorkedBy},
};
use fsm_core::{ApplyError, Graph, Name, UnknownNameError};
use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

/// The stored payload of an event without fields.
const NO_PAYLOAD: &str = "null";

/// How a worker ended, without its types, and what is committed with that.
pub(crate) struct WorkResult {
    pub(crate) ended: Ended,
    pub(crate) beside: Beside,
}

/// How a worker ended, without its types.
pub(crate) enum Ended {
    /// With an event, whose transition is to be committed.
    Fired(Box<Transition>),
    /// With a requeue after this delay.
    Requeue(Duration),
}

pub(crate) type WorkFuture = Pin<Box<dyn Future<Output = Result<WorkResult, WorkError>> + Send>>;

/// One machine's code, without its types.
pub(crate) trait Driver: Send + Sync {
    fn graph(&self) -> &'static Graph;
    /// Why the row cannot be read, if it cannot.
    fn unreadable(&self, migrations: &Migrations, row: &Row) -> Option<String>;
    /// Runs the worker of the attempt's state.
    fn run(&self, engine: Arc<Engine>, attempt: Arc<Attempt>) -> WorkFuture;
    /// The transition of the `exhausted` event of the row's state; `None` where the state declares none, an error where the event
    /// cannot be fired.
    fn exhausted(&self, migrations: &Migrations, row: &Row, error: &WorkError) -> Option<Result<Transition, String>>;
    /// The transition of `event`, which has no payload, toward the desired state; an error where it cannot be fired.
    fn auto(&self, migrations: &Migrations, row: &Row, event: &str) -> Result<Transition, String>;
    /// The change of the timer of the row's state: its transition, or a disarm where its event is refused; an error where the row
    /// cannot be decoded.
    fn timer(&self, migrations: &Migrations, row: &Row) -> Result<Change, String>;
}

pub(crate) struct Machine<M, W> {
    workers: Arc<W>,
    machine: PhantomData<fn() -> M>,
}

impl<M, W> Machine<M, W> {
    pub(crate) fn new(workers: W) -> Self {
        Self { workers: Arc::new(workers), machine: PhantomData }
    }
}

impl<M: WorkedBy<W>, W: Send + Sync + 'static> Driver for Machine<M, W> {
    fn graph(&self) -> &'static Graph {
        M::GRAPH
    }

    fn unreadable(&self, migrations: &Migrations, row: &Row) -> Option<String> {
        convert::decode::<M>(migrations, row).err().map(|error| error.to_string())
    }

    fn run(&self, engine: Arc<Engine>, attempt: Arc<Attempt>) -> WorkFuture {
        let workers = self.workers.clone();
        Box::pin(async move {
            let row = &attempt.row;
            let (machine, context) = convert::decode::<M>(&engine.migrations, row).map_err(WorkError::permanent)?;
            let claim = WorkClaim::new(attempt.clone(), context, engine);
            let Finished(end, beside) = machine.work(&workers, claim).await?;
            let ended = match end {
                End::Requeue(after) => Ended::Requeue(after),
                End::Fired { machine, context, event, payload } => {
                    let whole = (machine, context);
                    let transition = transition(row, whole, event, payload, Cause::Worker, Some(row.fence));
                    Ended::Fired(Box::new(transition.map_err(WorkError::permanent)?))
                }
            };
            Ok(WorkResult { ended, beside })
        })
    }

    fn exhausted(&self, migrations: &Migrations, row: &Row, error: &WorkError) -> Option<Result<Transition, String>> {
        let whole = match convert::decode::<M>(migrations, row) {
            Ok(whole) => whole,
            Err(error) => return Some(Err(error.to_string())),
        };
        let event = M::exhausted_event(whole.0.state(), error)?;
        Some(fire(row, whole, event, Cause::Worker, Some(row.fence)))
    }

    fn auto(&self, migrations: &Migrations, row: &Row, event: &str) -> Result<Transition, String> {
        let whole = convert::decode::<M>(migrations, row).map_err(|error| error.to_string())?;
        let kind: M::EventKind = event.parse().map_err(|error: UnknownNameError| error.to_string())?;
        let event = M::decode_event(kind, NO_PAYLOAD).map_err(|error| error.to_string())?;
        fire(row, whole, event, Cause::Converge, None)
    }

    fn timer(&self, migrations: &Migrations, row: &Row) -> Result<Change, String> {
        let whole = convert::decode::<M>(migrations, row).map_err(|error| error.to_string())?;
        Ok(timer(row, whole).map_or_else(
            |reason| {
                let Row { key, incarnation, version, timer_at: not_before, .. } = row.clone();
                Change::Disarm(Disarm { key, incarnation, version, not_before, reason })
            },
            |transition| Change::Transition(Transition { not_before: row.timer_at, ..transition }),
        ))
    }
}

fn timer<M: StoredMachine>(row: &Row, whole: Whole<M>) -> Result<Transition, String> {
    let state = whole.0.state();
    let event = M::timer_event(state).ok_or_else(|| format!("`{state}` no longer declares a timer"))?;
    fire(row, whole, event, Cause::Timer, None)
}

/// The transition of `event`, fired by the system.
fn fire<M: StoredMachine>(
    row: &Row,
    (machine, mut context): Whole<M>,
    event: M::Event,
    cause: Cause,
    fence: Option<u64>,
) -> Result<Transition, String> {
    let (state, kind) = (machine.state(), M::kind_of(&event));
    let payload = convert::payload::<M>(&event).map_err(|error| error.to_string())?;
    let target = machine.apply(event, &mut context).map_err(|ApplyError { reason, .. }| match reason {
        Some(reason) => format!("a guard refused `{kind}`: {reason}"),
        None => format!("`{kind}` is not accepted in `{state}`"),
    })?;
    transition(row, (target, context), kind, payload, cause, fence)
}

/// Builds the transition, checked against the graph like one of a caller.
fn transition<M: StoredMachine>(
    row: &Row,
    (target, context): Whole<M>,
    event: M::EventKind,
    payload: String,
    cause: Cause,
    fence: Option<u64>,
) -> Result<Transition, String> {
    let from = M::GRAPH.state_was(&row.state).map_or(row.state.as_str(), |info| info.name);
    let (_, into) = convert::entering(target, &context).map_err(|error| error.to_string())?;
    if !convert::declared::<M>(from, event.as_str(), &into.state) {
        return Err(format!("{} declares no transition `{from} --{event}-> {}`", M::GRAPH.machine, into.state));
    }
    Ok(Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence,
        from: from.to_owned(),
        event: event.as_str().to_owned(),
        payload,
        into,
        cause,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    })
}
