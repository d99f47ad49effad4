//! Fields and payloads may have the names of the variables in generated code, all of them at once.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[fsm(initial = Full | Few, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize), context = Shared)]
#[on(fill { machine: u8, state: u8, event: u8, context: u8, seal: u8, raw: u8, target: u8, refused: u8, reason: u8, with: u8, guard: u8, this: u8, other: u8, task: u8, error: u8, workers: u8, lease: u8, meta: u8, data: u8, next: u8, r#fn: u8, whole: u8, record: u8, value: u8, stored: u8, payload: u8, kind: u8, progress: u8 } => Full, guard = is_open, except(Few))]
enum Form {
    #[state(work, checkpoint = Vec<u8>, exhausted = fill { machine: 1, state: 1, event: 1, context: 1, seal: 1, raw: 1, target: 1, refused: 1, reason: 1, with: 1, guard: 1, this: 1, other: 1, task: 1, workers: 1, lease: 1, meta: 1, data: 1, next: 1, r#fn: 1, whole: 1, record: 1, value: 1, stored: 1, payload: 1, kind: 1, progress: 1, error: u8::from(error.to_string().is_empty()) })]
    #[on(decide { error: u8 } => Full | Few | Done, with = decide)]
    #[after("1m", decide { error: 3 })]
    Full {
        machine: u8,
        state: u8,
        event: u8,
        context: u8,
        seal: u8,
        raw: u8,
        target: u8,
        refused: u8,
        reason: u8,
        with: u8,
        guard: u8,
        this: u8,
        other: u8,
        task: u8,
        error: u8,
        workers: u8,
        lease: u8,
        meta: u8,
        data: u8,
        next: u8,
        r#fn: u8,
        whole: u8,
        record: u8,
        value: u8,
        stored: u8,
        payload: u8,
        kind: u8,
        progress: u8,
    },
    #[on(finish { context: u8 } => Done, guard = is_open)]
    #[on(fill => Full)]
    Few { event: u8, state: u8, machine: u8 },
    #[state(end)]
    Done { event: u8, state: u8, machine: u8, context: u8 },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shared {
    errors: u8,
    closed: bool,
}

fn is_open<S, E>(_: &S, _: &E, shared: &Shared) -> Result<(), &'static str> {
    if shared.closed { Err("it is closed") } else { Ok(()) }
}

fn decide(full: form::Full, event: form::event::Decide, shared: &mut Shared) -> form::choice::FullDecide {
    shared.errors += event.error;
    form::Few { event: full.event, state: full.state, machine: full.machine }.into()
}

struct Clerk;

impl form::Workers for Clerk {
    async fn full(&self, task: form::Task<form::Full>) -> Outcome<form::Full> {
        task.checkpoint(&vec![task.lease, task.meta]).await?;
        task.decide(1)
    }
}

#[test]
fn fields_with_names_of_locals_are_carried() {
    let _ = |builder: fsm_runtime::Builder| builder.machine::<Form, _>(Clerk);
    let few = form::Machine::new(form::Few { event: 1, state: 2, machine: 3 }, Shared::default());
    let done = few.finish(4).expect("it is open");
    assert_eq!(*done.data(), form::Done { event: 1, state: 2, machine: 3, context: 4 });

    let mut shared = Shared::default();
    let few = Form::Few { event: 1, state: 2, machine: 3 };
    let done = few.apply(form::event::Finish { context: 4 }, &mut shared).expect("it is open");
    assert_eq!(done, Form::Done { event: 1, state: 2, machine: 3, context: 4 });
}
