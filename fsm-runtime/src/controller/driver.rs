//! The link between the controller, which knows rows, and the typed workers of one machine.

use super::waits::Wait;
use crate::{
    engine::Engine,
    machine::{
        Migrations, StoredMachine,
        convert::{self, Whole},
        timers,
    },
    store::{Cause, Change, Disarm, Key, Origin, Row, Timer, Transition},
    worker::{Attempt, Beside, End, Finished, FiredEvent, WorkClaim, WorkError, WorkedBy},
};
use fsm_core::{ApplyError, Graph, Name, UnknownNameError, WaitInfo};
use std::{collections::BTreeSet, future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

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
    fn exhausted(&self, engine: &Engine, row: &Row, error: &WorkError) -> Option<Result<Transition, String>>;
    /// The transition of `event`, with which the worker of the row's state has ended; an error where it cannot be fired.
    fn result(&self, engine: &Engine, row: &Row, event: &FiredEvent) -> Result<Transition, String>;
    /// The transition of `event`, which has no payload, toward the desired state; an error where it cannot be fired.
    fn auto(&self, engine: &Engine, row: &Row, event: &str) -> Result<Transition, String>;
    /// The change of the row's next timer: its transition, or a disarm where its event is refused; an error where the row cannot be
    /// decoded.
    fn timer(&self, engine: &Engine, row: &Row) -> Result<Change, String>;
    /// What the row's state waits for; an error where the row cannot be decoded.
    fn waits(&self, engine: &Engine, row: &Row) -> Result<Vec<Wait>, String>;
    /// The transition of the event of the state's wait at `place`; an error where it cannot be fired.
    fn wait_event(&self, engine: &Engine, row: &Row, place: usize) -> Result<Transition, String>;
    /// The graphs of the machine and of those that it waits for.
    fn graphs(&self) -> Vec<&'static Graph>;
    /// The timers with which the row's state is entered; none where the row cannot be decoded.
    fn timers(&self, engine: &Engine, row: &Row) -> Vec<Timer>;
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
            let claim = WorkClaim::new(attempt.clone(), context, engine.clone());
            let Finished(end, beside) = machine.work(&workers, claim).await?;
            let ended = match end {
                End::Requeue(after) => Ended::Requeue(after),
                End::Fired { machine, context, event, payload, version } => {
                    let whole = (machine, context);
                    let fired = || transition(row, whole, event, payload, Cause::Worker, Some(row.fence));
                    let transition = engine.clock.scope(fired);
                    let transition = transition.map_err(WorkError::permanent)?;
                    Ended::Fired(Box::new(Transition { version, ..transition }))
                }
            };
            Ok(WorkResult { ended, beside })
        })
    }

    fn exhausted(&self, engine: &Engine, row: &Row, error: &WorkError) -> Option<Result<Transition, String>> {
        let whole = match convert::decode::<M>(&engine.migrations, row) {
            Ok(whole) => whole,
            Err(error) => return Some(Err(error.to_string())),
        };
        engine.clock.scope(|| {
            let event = M::exhausted_event(whole.0.state(), error)?;
            Some(fire(row, whole, event, Cause::Worker, Some(row.fence)))
        })
    }

    fn result(&self, engine: &Engine, row: &Row, event: &FiredEvent) -> Result<Transition, String> {
        fire_stored::<M>(engine, row, &event.name, &event.payload, Cause::Worker, Some(row.fence))
    }

    fn auto(&self, engine: &Engine, row: &Row, event: &str) -> Result<Transition, String> {
        fire_stored::<M>(engine, row, event, NO_PAYLOAD, Cause::Converge, None)
    }

    fn timer(&self, engine: &Engine, row: &Row) -> Result<Change, String> {
        let whole = convert::decode::<M>(&engine.migrations, row).map_err(|error| error.to_string())?;
        let next = timers::next(M::GRAPH, row).unwrap_or_default();
        Ok(engine.clock.scope(|| timer(row, whole, &next)).map_or_else(
            |reason| {
                let Row { key, incarnation, version, timer_at: not_before, .. } = row.clone();
                Change::Disarm(Disarm { key, incarnation, version, timer: next.clone(), not_before, reason })
            },
            |transition| Change::Transition(Transition { not_before: row.timer_at, ..transition }),
        ))
    }

    fn waits(&self, engine: &Engine, row: &Row) -> Result<Vec<Wait>, String> {
        let (machine, _) = convert::decode::<M>(&engine.migrations, row).map_err(|error| error.to_string())?;
        let declared = M::GRAPH.state(machine.state().as_str()).map_or(&[][..], |state| state.waits);
        let wait = |(info, ids): (&'static WaitInfo, Vec<String>)| {
            let ids: BTreeSet<String> = ids.into_iter().collect();
            Wait { info, keys: ids.into_iter().map(|id| Key::new(info.machine, id)).collect() }
        };
        Ok(declared.iter().zip(machine.awaited_ids()).map(wait).collect())
    }

    fn wait_event(&self, engine: &Engine, row: &Row, place: usize) -> Result<Transition, String> {
        let whole = convert::decode::<M>(&engine.migrations, row).map_err(|error| error.to_string())?;
        let state = whole.0.state();
        engine.clock.scope(|| {
            let event = M::wait_event(state, place).ok_or_else(|| format!("`{state}` no longer declares the wait"))?;
            fire(row, whole, event, Cause::Wait, None)
        })
    }

    fn graphs(&self) -> Vec<&'static Graph> {
        let mut graphs = Vec::new();
        M::collect_graphs(&mut graphs);
        graphs
    }

    fn timers(&self, engine: &Engine, row: &Row) -> Vec<Timer> {
        let Ok((machine, context)) = convert::decode::<M>(&engine.migrations, row) else { return Vec::new() };
        engine.clock.scope(|| timers::on_entry(machine, &context).1)
    }
}

fn timer<M: StoredMachine>(row: &Row, whole: Whole<M>, event: &str) -> Result<Transition, String> {
    let state = whole.0.state();
    let declared = event.parse().ok().and_then(|event| M::timer_event(state, event));
    let event = declared.ok_or_else(|| format!("`{state}` no longer declares a timer that fires `{event}`"))?;
    fire(row, whole, event, Cause::Timer, None)
}

/// The transition of an event in its stored form.
fn fire_stored<M: StoredMachine>(
    engine: &Engine,
    row: &Row,
    event: &str,
    payload: &str,
    cause: Cause,
    fence: Option<u64>,
) -> Result<Transition, String> {
    let whole = convert::decode::<M>(&engine.migrations, row).map_err(|error| error.to_string())?;
    let kind: M::EventKind = event.parse().map_err(|error: UnknownNameError| error.to_string())?;
    let event = M::decode_event(kind, payload).map_err(|error| error.to_string())?;
    engine.clock.scope(|| fire(row, whole, event, cause, fence))
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
    let moved = convert::moving(target, &context, from, event.as_str(), cause);
    let (_, into, internal) = moved.map_err(|error| error.to_string())?;
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
        internal,
        cause,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    })
}
