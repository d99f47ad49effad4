//! Trips with failures on request, for tests that kill the processes that book them. By the tables of the providers, which no store writes,
//! each trip is booked completely, or undone completely, in reverse order.

use crate::{
    machine::{Agency, Trip, trip},
    providers::{Provider, Providers},
};
use fsm_runtime::{Builder, ListQuery, Machines, Policy, TransitionError, prelude::*, store::Row};
use std::{
    collections::BTreeSet,
    fmt,
    path::Path,
    time::{Duration, Instant},
};

/// The limit for the last trips, after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);
/// How many trips are requested at once.
const AT_ONCE: u32 = 10;

/// The providers in folder `dir`, which all processes of a test share.
fn providers(dir: &Path) -> Providers {
    Providers::open(&dir.join("providers.db")).expect("the providers")
}

/// Works on trips. A step is tried again without end; what undoes it is parked after a few failures.
pub(crate) fn working(builder: Builder, dir: &Path) -> Builder {
    let undoing = || Policy::new().max_attempts(4);
    let builder = builder.machine::<Trip, _>(Agency(providers(dir))).max_attempts(1_000_000);
    let builder = builder.backoff(Duration::from_millis(1), Duration::from_millis(20));
    let builder = builder.policy::<trip::CancellingRoom>(undoing()).policy::<trip::Refunding>(undoing());
    builder.policy::<trip::ReleasingSeat>(undoing())
}

/// How the trips have ended.
pub(crate) struct Ends {
    pub(crate) booked: u32,
    pub(crate) undone: u32,
    /// Of these, a call was never answered.
    pub(crate) unanswered: usize,
    /// Of these, the airline released the seat only after an operator came.
    pub(crate) half_undone: usize,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { booked, undone, unanswered, half_undone } = self;
        write!(
            f,
            "{booked} trips booked, {undone} undone, {unanswered} without an answer, {half_undone} half undone at first"
        )
    }
}

/// Requests trips, and releases those that are half undone.
pub(crate) struct Client {
    trips: Machines<Trip>,
    providers: Providers,
    made: u32,
    unanswered: Vec<String>,
    /// Trips that are undone, and whose seat the airline does not release.
    closed: BTreeSet<String>,
}

impl Client {
    pub(crate) fn new(runtime: &Runtime, dir: &Path) -> Self {
        let (unanswered, closed) = (Vec::new(), BTreeSet::new());
        Self { trips: runtime.machines(), providers: providers(dir), made: 0, unanswered, closed }
    }

    /// Requests ten trips, half of which fail.
    pub(crate) async fn request(&mut self) {
        for _ in 0..AT_ONCE {
            self.made += 1;
            let id = self.made.to_string();
            // The first one is half undone in any case.
            let first = self.made == 1;
            if first || fastrand::bool() {
                let provider = if first { Provider::Hotel } else { Provider::ALL[fastrand::usize(0..3)] };
                let answers = first || fastrand::u32(0..4) > 0;
                self.fail(&id, provider.name(), if answers { "refuse" } else { "lose" });
                self.unanswered.extend((!answers).then(|| id.clone()));
                if first || (provider != Provider::Airline && fastrand::u32(0..4) == 0) {
                    self.fail(&id, "undo airline", "break");
                    self.closed.insert(id.clone());
                }
            }
            self.trips.create(&id, trip::Reserving).await.expect("it is created");
        }
    }

    /// Cancels one of the last ten trips, unless it has ended or is on its way back.
    pub(crate) async fn cancel_one(&self) {
        self.cancel(&fastrand::u32(self.made - AT_ONCE + 1..=self.made).to_string()).await;
    }

    async fn cancel(&self, id: &str) {
        match self.trips.fire(id, trip::event::Cancel { reason: "the traveller stays".into() }).await {
            Ok(_) | Err(TransitionError::NotAccepted { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn fail(&self, id: &str, call: &str, failure: &str) {
        self.providers.request(id, call, failure).expect("it is requested");
    }

    /// The providers that booked something for a trip (`+`), and those that have undone it (`-`), in order.
    fn calls(&self, id: &str) -> (Vec<String>, Vec<String>) {
        let calls = self.providers.calls(id).expect("the tables");
        let made = calls.iter().take_while(|call| call.starts_with('+')).count();
        let name = |call: &String| call[1..].to_owned();
        let (made, undone) = calls.split_at(made);
        assert!(undone.iter().all(|call| call.starts_with('-')), "trip {id}: {calls:?}");
        (made.iter().map(name).collect(), undone.iter().map(name).collect())
    }

    async fn half_undone(&self) -> Vec<Row> {
        self.trips.rows(&ListQuery::all().half_undone().limit(1_000)).await.expect("a list").items
    }

    /// Waits for the ends, releases meanwhile what is half undone, and checks both.
    pub(crate) async fn check(self) -> Ends {
        for id in &self.unanswered {
            self.cancel(id).await;
        }
        let mut released = BTreeSet::new();
        let operator = async {
            loop {
                for row in self.half_undone().await {
                    released.extend(self.release(&row).await);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ends = tokio::select! {
            ends = self.ends() => ends,
            () = operator => unreachable!("it goes on"),
        };
        assert_eq!(released, self.closed, "each was half undone");
        assert_eq!(self.half_undone().await, []);
        Ends { half_undone: released.len(), ..ends }
    }

    /// Lets a trip be undone further. Returns its id, unless nothing but killed processes had stopped it.
    async fn release(&self, row: &Row) -> Option<String> {
        let id = row.key.id.to_string();
        let reason = row.parked.as_deref().expect("it is parked");
        let is_closed = reason.ends_with("the airline is closed");
        if is_closed {
            assert_eq!(self.trips.half_undone(row), Some(trip::State::Reserving), "{row:?}");
            let (made, undone) = self.calls(&id);
            let reverse: Vec<_> = made.into_iter().rev().filter(|provider| provider != "airline").collect();
            assert_eq!(undone, reverse, "trip {id}: all but the seat is undone");
            self.providers.repair(&id, "undo airline").expect("it is repaired");
        }
        self.trips.unpark(&id).await.expect("it is released");
        is_closed.then_some(id)
    }

    async fn ends(&self) -> Ends {
        let deadline = Instant::now() + PATIENCE;
        let is_end = |state| matches!(state, trip::State::Booked | trip::State::Cancelled);
        let mut ends = Ends { booked: 0, undone: 0, unanswered: self.unanswered.len(), half_undone: 0 };
        for id in (1..=self.made).map(|id| id.to_string()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let end = self.trips.wait_until(&id, left, "its end", is_end).await.expect("it ends").state();
            let (made, undone) = self.calls(&id);
            if end == trip::State::Booked {
                ends.booked += 1;
                assert_eq!(
                    (made, undone),
                    (["airline", "bank", "hotel"].map(str::to_owned).into(), vec![]),
                    "trip {id}"
                );
            } else {
                ends.undone += 1;
                assert_eq!(undone, made.into_iter().rev().collect::<Vec<_>>(), "trip {id}");
            }
        }
        ends
    }
}
