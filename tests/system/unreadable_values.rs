//! What cannot be read back is refused before it is stored: the instance stays readable.

use fsm_runtime::{ErrorKind, ListQuery, Outcome, Runtime, TransitionError, store::sqlite::Sqlite};
use std::time::Duration;

mod declared {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Deserializer, Serialize};
    use std::collections::BTreeMap;

    /// A value that is left out, but has to be there.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Note {
        #[serde(skip_serializing_if = "String::is_empty")]
        pub(super) text: String,
    }

    /// It is written, but never read.
    #[derive(Clone, Debug, Serialize)]
    #[serde(untagged)]
    pub(super) enum Size {
        Small(u8),
        Named(String),
    }

    impl<'de> Deserialize<'de> for Size {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            u8::deserialize(from).map(Self::Small)
        }
    }

    /// The shared data of jobs.
    #[derive(Debug, Default, Serialize, Deserialize)]
    pub(super) struct Shared {
        pub(super) rate: Option<f64>,
    }

    /// A job with numbers.
    #[derive(StateMachine)]
    #[fsm(initial = Idle | Priced | Sized | Noted | Mapped, context = Shared, durable, derive(Serialize, Deserialize))]
    pub(super) enum Job {
        /// Nothing is known.
        #[on(price { p: f64 } => Priced)]
        #[on(rate { rate: f32 } => Idle, with = rate)]
        #[on(work => Working)]
        Idle,
        /// It has a price.
        #[state(end)]
        Priced { p: f64 },
        /// It has a size.
        #[state(end)]
        Sized { size: Size },
        /// It has a note.
        #[state(end)]
        Noted { note: Note },
        /// It has a map.
        #[state(end)]
        Mapped { map: BTreeMap<String, Vec<Option<f64>>> },
        /// A worker runs.
        #[state(work, checkpoint = Vec<f32>)]
        #[on(price => Priced)]
        Working,
    }

    #[allow(clippy::needless_pass_by_value)]
    fn rate(idle: job::Idle, event: job::event::Rate, context: &mut Shared) -> job::Idle {
        context.rate = Some(event.rate.into());
        idle
    }
}

use declared::{Job, Note, Shared, Size, job};

struct Worker;

impl job::Workers for Worker {
    async fn working(&self, task: job::Task<job::Working>) -> Outcome<job::Working> {
        if task.id() == "checkpoint" {
            task.checkpoint(&vec![1.0, f32::NAN]).await?;
        }
        task.price(f64::INFINITY)
    }
}

/// The text of an error that refuses a value.
fn refused<T>(result: Result<T, TransitionError<Job>>) -> String {
    let Err(error) = result else { panic!("it was stored") };
    assert!(matches!(error, TransitionError::Codec(_)), "{error}");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Invalid, false));
    error.to_string()
}

#[tokio::test]
async fn x7_a_value_that_cannot_be_read_back_is_refused() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    let new = || Shared { rate: None };
    let number = "which JSON cannot hold; use an `Option`, an enum or a string for it";
    let created = |initial| jobs.create("a", (initial, new()));
    assert_eq!(
        refused(created(job::Priced { p: f64::NAN }).await),
        format!("the data cannot be stored as JSON: the number in `p` is NaN, {number}")
    );
    let map = [("k".to_owned(), vec![None, Some(f64::INFINITY)])].into();
    let error = refused(jobs.create("a", (job::Mapped { map }, new())).await);
    assert!(error.contains("the number in `map.k.1` is inf"), "{error}");
    let error = refused(jobs.create("a", (job::Noted { note: Note::default() }, new())).await);
    assert!(error.contains("the state's data could not be read back from its JSON: missing field `text`"), "{error}");
    let error = refused(jobs.create("a", (job::Sized { size: Size::Named("l".into()) }, new())).await);
    assert!(error.contains("could not be read back"), "{error}");
    let error = refused(jobs.create("a", (job::Idle, Shared { rate: Some(f64::NAN) })).await);
    assert!(error.contains("the number in `rate` is NaN"), "{error}");
    let idle = jobs.create("a", (job::Idle, new())).await.unwrap();
    assert_eq!(
        refused(idle.price(f64::NEG_INFINITY).await),
        format!("the data cannot be stored as JSON: the number in `p` is -inf, {number}")
    );
    let error = refused(jobs.fire("a", job::event::Rate { rate: f32::NAN }).await);
    assert!(error.contains("the number in `rate` is NaN"), "{error}");
    let listed = jobs.list(&ListQuery::all()).await.unwrap().items;
    assert_eq!((listed.len(), jobs.get("a").await.unwrap().version()), (1, 1), "nothing was stored");
    assert!(jobs.create("b", (job::Sized { size: Size::Small(3) }, new())).await.is_ok());
}

#[tokio::test]
async fn a_worker_with_a_value_that_cannot_be_read_back_is_parked() {
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(Worker);
    let runtime = builder.start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    for id in ["payload", "checkpoint"] {
        let idle = jobs.create(id, (job::Idle, Shared::default())).await.unwrap();
        let _ = idle.work().await.unwrap();
        let parked = async {
            loop {
                let row = jobs.row(id).await.unwrap();
                if row.parked.is_some() {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let row = tokio::time::timeout(Duration::from_secs(20), parked).await.unwrap();
        assert!(row.parked.as_deref().unwrap().contains("which JSON cannot hold"), "{row:?}");
        assert_eq!((row.state.as_str(), row.checkpoint), ("Working", None));
    }
}
