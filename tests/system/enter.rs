//! `#[state(enter = path)]` in a durable machine: run inside the change that enters the state, and stored with it.

use fsm_runtime::{Machines, Runtime, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};

/// The visits of all states.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Total(u32);

/// A door that counts how often it was closed.
#[derive(StateMachine)]
#[fsm(initial = Closed, durable, context = Total, derive(Serialize, Deserialize))]
enum Door {
    #[state(enter = closed)]
    #[on(label { text: String } => _)]
    #[on(open => Open)]
    #[on(slam => Self)]
    Closed { text: String, times: u32 },
    #[on(close { text: String, times: u32 } => Closed)]
    Open { times: u32 },
}

fn closed(closed: &mut door::Closed, total: &mut Total) {
    closed.times += 1;
    total.0 += 1;
}

async fn stored(doors: &Machines<Door>) -> (u64, String, Option<String>) {
    let row = doors.row("a").await.unwrap();
    (row.version, row.data, row.context)
}

fn row(version: u64, text: &str, times: u32, total: u32) -> (u64, String, Option<String>) {
    (version, format!(r#"{{"text":"{text}","times":{times}}}"#), Some(total.to_string()))
}

#[tokio::test]
async fn enter_runs_within_each_change_that_enters_the_state() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let doors = runtime.machines::<Door>();
    let initial = || (door::Closed { text: "a".into(), times: 0 }, Total(0));
    let created = doors.create_with_key("a", initial(), "k").await.unwrap();
    assert_eq!((created.times, stored(&doors).await), (1, row(1, "a", 1, 1)));
    let again = doors.create_with_key("a", initial(), "k").await.unwrap();
    assert_eq!((again.version(), stored(&doors).await), (1, row(1, "a", 1, 1)), "the first result");
    let labelled = created.label("b".into()).await.unwrap();
    assert_eq!((labelled.times, stored(&doors).await), (1, row(2, "b", 1, 1)), "an internal transition enters nothing");
    let slammed = labelled.slam().await.unwrap();
    assert_eq!((slammed.times, stored(&doors).await), (2, row(3, "b", 2, 2)));
    let _ = doors.fire("a", door::event::Slam).await.unwrap();
    assert_eq!(stored(&doors).await, row(4, "b", 3, 3));
    let Some(read) = doors.get_in::<door::Closed>("a").await.unwrap() else { panic!("it is closed") };
    assert_eq!(read.times, 3, "a read runs nothing");
    let seen = doors.row("a").await.unwrap();
    let target = door::Closed { text: "c".into(), times: 7 };
    let moved = doors.with_actor("ada").move_to(&seen, target, "a test").await.unwrap();
    assert_eq!((moved.times, stored(&doors).await), (8, row(5, "c", 8, 4)));
}
