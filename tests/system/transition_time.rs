//! `clock::now()` in the functions of a declaration: the time of the runtime's clock, for each way to make a transition.

use fsm_runtime::{
    Outcome, Runtime, WorkError,
    clock::{self, ManualClock},
    store::sqlite::Sqlite,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_hours(24);
const PATIENCE: Duration = Duration::MAX;

mod declared {
    use super::{DAY, Time, clock};
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};
    use std::time::SystemTime;

    /// An offer that ends.
    #[derive(StateMachine)]
    #[fsm(initial = Offered, durable, derive(Serialize, Deserialize))]
    pub(super) enum Offer {
        /// It can be accepted until its end.
        #[on(accept => Accepted, guard = |offer, _| clock::now() < offer.until.0 else "it has ended", with = at)]
        #[on(end => Ended, with = |_, _| offer::Ended { at: Time(clock::now()) })]
        #[after("48h", end)]
        Offered { until: Time },
        /// The contract is written.
        #[state(work, exhausted = give_up)]
        #[on(signed => Signed, with = |_, _| offer::Signed { at: Time(clock::now()) })]
        #[on(give_up => Ended, with = |_, _| offer::Ended { at: Time(clock::now()) })]
        Accepted { at: Time },
        /// Done.
        #[state(end)]
        Signed { at: Time },
        /// Too late.
        #[state(end)]
        Ended { at: Time },
    }

    fn at(_: offer::Offered, _: offer::event::Accept) -> offer::Accepted {
        offer::Accepted { at: Time(clock::now()) }
    }

    pub(super) fn offered() -> offer::Offered {
        offer::Offered { until: Time(SystemTime::UNIX_EPOCH + DAY) }
    }
}

use declared::{Offer, offer, offered};

/// A time in the data of a state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Time(SystemTime);

/// Signs, or fails.
struct Office {
    fails: bool,
}

impl offer::Workers for Office {
    async fn accepted(&self, task: offer::Task<offer::Accepted>) -> Outcome<offer::Accepted> {
        if self.fails { Err(WorkError::permanent("no ink")) } else { task.signed() }
    }
}

async fn started(fails: bool) -> (ManualClock, Runtime) {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
    (clock, builder.machine::<Offer, _>(Office { fails }).start().await.unwrap())
}

fn day(days: u32) -> Time {
    Time(SystemTime::UNIX_EPOCH + DAY * days)
}

#[tokio::test]
async fn a_guard_reads_the_clock_of_the_runtime() {
    let (clock, runtime) = started(false).await;
    let offers = runtime.machines::<Offer>();
    let record = offers.create("a", offered()).await.unwrap();
    assert!(record.would_accept(&offer::event::Accept).is_ok());
    clock.advance(DAY);
    assert!(record.would_accept(&offer::event::Accept).is_err());
    let any = offers.get("a").await.unwrap();
    assert!(any.would_accept(&offer::event::Accept.into()).is_err());
    assert!(record.accept().await.unwrap_err().to_string().contains("it has ended"));
    assert!(offers.fire("a", offer::event::Accept).await.unwrap_err().to_string().contains("it has ended"));
}

#[tokio::test]
async fn records_and_events_by_id_have_the_clocks_time() {
    let (clock, runtime) = started(false).await;
    let offers = runtime.machines::<Offer>();
    clock.advance(DAY / 2);
    let half = Time(SystemTime::UNIX_EPOCH + DAY / 2);
    assert_eq!(offers.create("a", offered()).await.unwrap().accept().await.unwrap().at, half);
    offers.create("b", offered()).await.unwrap();
    let offer::AnyRecord::Accepted(accepted) = offers.fire("b", offer::event::Accept).await.unwrap() else {
        panic!("accepted")
    };
    assert_eq!(accepted.at, half);
}

#[tokio::test]
async fn timers_have_the_clocks_time() {
    let (clock, runtime) = started(false).await;
    let offers = runtime.machines::<Offer>();
    offers.create("a", offered()).await.unwrap();
    clock.advance(DAY * 2);
    let ended = offers.wait_for("a", offer::State::Ended, PATIENCE).await.unwrap();
    let offer::AnyRecord::Ended(ended) = ended else { panic!("ended") };
    assert_eq!(ended.at, day(2));
}

#[tokio::test]
async fn workers_and_exhausted_have_the_clocks_time() {
    for fails in [false, true] {
        let (_clock, runtime) = started(fails).await;
        let offers = runtime.machines::<Offer>();
        offers.create("a", offered()).await.unwrap().accept().await.unwrap();
        let state = if fails { offer::State::Ended } else { offer::State::Signed };
        let at = match offers.wait_for("a", state, PATIENCE).await.unwrap() {
            offer::AnyRecord::Ended(ended) => ended.at,
            offer::AnyRecord::Signed(signed) => signed.at,
            _ => panic!("an end"),
        };
        assert_eq!(at, day(0));
    }
}
