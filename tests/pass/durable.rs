//! Durable machines: branches and guards, no `work` states, a single state, private ones.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine)]
#[fsm(initial = Draft, durable, derive(Serialize, Deserialize))]
enum Paper {
    #[on(submit => Review, guard = has_title)]
    Draft { title: String },
    #[on(decide { score: u8 } => Accepted | Draft, with = decide)]
    Review { title: String },
    #[state(end)]
    Accepted,
}

fn has_title(draft: &paper::Draft, _: &paper::event::Submit) -> Result<(), &'static str> {
    if draft.title.is_empty() { Err("it has no title") } else { Ok(()) }
}

fn decide(review: paper::Review, event: paper::event::Decide) -> paper::choice::ReviewDecide {
    if event.score > 5 { paper::Accepted.into() } else { paper::Draft { title: review.title }.into() }
}

#[derive(StateMachine)]
#[fsm(initial = On, durable, derive(Serialize, Deserialize))]
enum Lamp {
    #[on(flip => Off)]
    On,
    #[on(flip => On)]
    Off,
}

#[derive(StateMachine)]
#[fsm(initial = Beating, durable, derive(Serialize, Deserialize), crate = ::fsm_runtime)]
enum Pulse {
    #[state(work)]
    #[on(beat => Beating)]
    #[after("1h", beat)]
    Beating,
}

#[derive(StateMachine)]
#[fsm(initial = Asking, durable, derive(Serialize, Deserialize))]
enum Question {
    #[state(work, exhausted = fail {
        why: match error.to_string() { why if why.is_empty() => "nobody knows, it seems".to_owned(), why => why },
    })]
    #[on(fail { why: String } => Unanswered)]
    Asking,
    #[state(end)]
    Unanswered { why: String },
}

#[derive(StateMachine)]
#[fsm(initial = Only, durable, derive(Serialize, Deserialize))]
enum Fact {
    #[state(end)]
    Only(u8, String),
}

struct Heart;

impl pulse::Workers for Heart {
    async fn beating(&self, task: pulse::Task<pulse::Beating>) -> Outcome<pulse::Beating> {
        task.requeue_after(std::time::Duration::from_hours(1))
    }
}

#[tokio::test]
async fn durable_states_are_stored_and_typed_again() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let dir = tempfile::tempdir()?;
    let store = Sqlite::open(dir.path().join("durable.db")).await?;
    let runtime = Runtime::builder(store)
        .machine::<Paper, _>(())
        .machine::<Lamp, _>(())
        .machine::<Pulse, _>(Heart)
        .machine::<Fact, _>(())
        .start()
        .await?;

    let papers = runtime.machines::<Paper>();
    let untitled = papers.create("p-0", paper::Draft { title: String::new() }).await?;
    let refused = untitled.submit().await.err().ok_or("it has no title")?;
    assert!(refused.to_string().contains("it has no title"), "{refused}");
    let review = papers.create("p-1", paper::Draft { title: "On rows".into() }).await?.submit().await?;
    let paper::choice::ReviewDecide::Draft(draft) = review.decide(3).await? else { return Err("3 is too low".into()) };
    assert_eq!((draft.title.as_str(), draft.version(), draft.state()), ("On rows", 3, paper::State::Draft));
    draft.submit().await?.fire(paper::event::Decide { score: 9 }).await?;
    let paper::AnyRecord::Accepted(accepted) = papers.get("p-1").await? else { return Err("9 is enough".into()) };
    assert!(!accepted.state().accepts().contains(&paper::EventKind::Submit));

    let lamp = runtime.machines::<Lamp>().create("l", lamp::On).await?;
    assert_eq!(lamp.flip().await?.flip().await?.version(), 3);
    let pulse = runtime.machines::<Pulse>().create("heart", pulse::Beating).await?;
    assert_eq!(pulse.beat().await?.version(), 2);
    runtime.machines::<Fact>().create("f", fact::Only(7, "seven".into())).await?;
    let fact::AnyRecord::Only(only) = runtime.machines::<Fact>().get("f").await?;
    assert_eq!((only.0, only.1.as_str()), (7, "seven"));
    let shown = format!("{only:?}");
    assert!(shown.contains("Only") && !shown.contains("seven"), "data is never printed: {shown}");
    runtime.shutdown(std::time::Duration::from_secs(5)).await;
    Ok(())
}
