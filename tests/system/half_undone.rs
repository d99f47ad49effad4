//! Sagas that are half undone: listed and named also if a migration renames the state in which their undoing is parked.

use fsm_runtime::{Builder, ListQuery, OldState, Outcome, Runtime, clock::ManualClock, store::sqlite::Sqlite};
use std::time::{Duration, SystemTime};

mod first {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A trip of the previous release.
    #[derive(StateMachine)]
    #[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
    pub(super) enum Trip {
        #[state(work, undo = Releasing)]
        #[on(reserved => Charging)]
        Reserving,
        #[state(work, undo = none)]
        #[on(charged => Booked)]
        #[on(refused => undo)]
        Charging,
        #[state(work)]
        #[on(released => undo)]
        Releasing,
        #[state(end)]
        Booked,
        #[state(end)]
        Cancelled,
    }
}

mod second {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A trip of this release: `Releasing` has become `ReleasingSeat`.
    #[derive(StateMachine)]
    #[fsm(initial = Reserving, version = 2, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
    pub(super) enum Trip {
        #[state(work, undo = ReleasingSeat)]
        #[on(reserved => Charging)]
        Reserving,
        #[state(work, undo = none)]
        #[on(charged => Booked)]
        #[on(refused => undo)]
        Charging,
        #[state(work)]
        #[on(released => undo)]
        ReleasingSeat,
        #[state(end)]
        Booked,
        #[state(end)]
        Cancelled,
    }
}

use first::trip as old;
use second::{Trip, trip as new};

/// The bank refuses each charge. The airline releases no seat.
struct Closed;

impl old::Workers for Closed {
    async fn reserving(&self, task: old::Task<old::Reserving>) -> Outcome<old::Reserving> {
        task.reserved()
    }

    async fn charging(&self, task: old::Task<old::Charging>) -> Outcome<old::Charging> {
        // Parked in a step: nothing of it is being undone.
        if task.id() == "step" { Err("no answer".into()) } else { task.refused() }
    }

    async fn releasing(&self, _: old::Task<old::Releasing>) -> Outcome<old::Releasing> {
        Err("the airline is closed".into())
    }
}

/// The airline is open again.
struct Open;

impl new::Workers for Open {
    async fn reserving(&self, task: new::Task<new::Reserving>) -> Outcome<new::Reserving> {
        task.reserved()
    }

    async fn charging(&self, task: new::Task<new::Charging>) -> Outcome<new::Charging> {
        task.charged()
    }

    async fn releasing_seat(&self, task: new::Task<new::ReleasingSeat>) -> Outcome<new::ReleasingSeat> {
        task.released()
    }
}

struct World {
    store: Sqlite,
    clock: ManualClock,
}

impl World {
    /// Trips of the previous release: two that are half undone, and one that is parked in a step.
    async fn new() -> Self {
        let (store, clock) = (Sqlite::in_memory().unwrap(), ManualClock::new(SystemTime::UNIX_EPOCH));
        let builder = Runtime::builder(store.clone()).clock(clock.clock()).max_attempts(1);
        let runtime = builder.machine::<first::Trip, _>(Closed).start().await.unwrap();
        let trips = runtime.machines::<first::Trip>();
        for id in ["a", "b", "step"] {
            trips.create(id, old::Reserving).await.unwrap();
        }
        runtime.run_until_idle().await.unwrap();
        for (id, step) in [("a", Some(old::State::Reserving)), ("b", Some(old::State::Reserving)), ("step", None)] {
            let row = trips.row(id).await.unwrap();
            assert!(row.parked.is_some(), "{row:?}");
            assert_eq!(trips.half_undone(&row), step, "{row:?}");
        }
        runtime.shutdown(Duration::ZERO).await;
        Self { store, clock }
    }

    fn builder(&self) -> Builder {
        let rename = |mut old: OldState| {
            if old.state == "Releasing" {
                old.state = "ReleasingSeat".into();
            }
            Ok(old)
        };
        Runtime::builder(self.store.clone()).clock(self.clock.clock()).migrate::<Trip>(1, rename)
    }
}

async fn listed(runtime: &Runtime, mut query: ListQuery<new::State>) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = runtime.machines::<Trip>().rows(&query).await.unwrap();
        ids.extend(page.items.iter().map(|row| row.key.id.to_string()));
        let Some(next) = page.next else { return ids };
        query = query.after(next);
    }
}

#[tokio::test]
async fn u3_half_undone_sagas_are_listed_under_a_moved_state() {
    let world = World::new().await;
    let runtime = world.builder().machine::<Trip, _>(Open).start().await.unwrap();
    let trips = runtime.machines::<Trip>();
    for limit in [1, 100] {
        assert_eq!(listed(&runtime, ListQuery::all().half_undone().limit(limit)).await, ["a", "b"], "{limit}");
    }
    assert_eq!(listed(&runtime, ListQuery::in_state(new::State::ReleasingSeat).half_undone()).await, ["a", "b"]);
    for other in [new::State::Charging, new::State::Reserving] {
        assert_eq!(listed(&runtime, ListQuery::in_state(other).half_undone()).await, [""; 0], "{other}");
    }
    let row = trips.row("a").await.unwrap();
    assert_eq!((row.state.as_str(), trips.half_undone(&row)), ("Releasing", Some(new::State::Reserving)));
    assert_eq!(trips.half_undone(&trips.row("step").await.unwrap()), None);
    trips.unpark("a").await.unwrap();
    runtime.run_until_idle().await.unwrap();
    let row = trips.row("a").await.unwrap();
    assert_eq!((row.state.as_str(), trips.half_undone(&row)), ("Cancelled", None));
    assert_eq!(listed(&runtime, ListQuery::all().half_undone()).await, ["b"]);
}
