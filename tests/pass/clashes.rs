//! The user's types share names with states, events, generated items and the prelude; relative paths keep their meaning.

use fsm_core::StateMachine;

/// The user's own type, called like a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// When it began.
    pub since: u32,
}

/// The user's own type, called like a generated name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event;

mod deeper {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Machine(pub(crate) u8);
}

/// A job.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Option, derive(Clone, Debug, PartialEq))]
pub enum Job {
    /// Called like a name of the prelude.
    #[on(start { running: Running, more: [Option<Running>; 2], last: Event, next: Start } => Running)]
    #[on(wrap { inner: Box<Self> } => Ok)]
    Option {
        /// Something.
        some: Option<u8>,
    },
    /// Runs.
    #[on(start => Running)]
    #[on(end => None)]
    Running {
        /// The user's `Running`, not the state.
        running: Running,
        /// The same, deeper.
        more: [Option<Running>; 2],
        /// The user's `Event`.
        last: Event,
        /// Called like an event.
        next: Start,
    },
    /// Called like a constructor of the prelude, with paths that are relative.
    #[on(end => None)]
    Ok {
        /// The enum itself.
        inner: Box<Self>,
    },
    /// The same.
    #[on(again { state: self::deeper::Machine, state2: super::clashes::Running } => Some)]
    None,
    /// Fields called like locals of generated code.
    #[on(end => None)]
    Some {
        /// A relative path.
        state: deeper::Machine,
        /// Another.
        state2: super::clashes::Running,
    },
}

/// Called like an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start;

#[test]
fn names_resolve_as_beside_the_enum() {
    let running = Running { since: 1 };
    let machine = job::Machine::new(job::Option { some: Some(1) }).start(running, [Some(running), None], Event, Start);
    assert_eq!(machine.running, running);
    let none = machine.start(running, [None, None], Event, Start).end();
    let some = none.again(deeper::Machine(3), running);
    assert_eq!((some.state.0, some.state2.since), (3, 1));
    assert_eq!(some.state(), job::State::Some);
    let inner = Box::new(Job::None);
    assert_eq!(*job::Machine::new(job::Option { some: None }).wrap(inner).inner, Job::None);
}

mod named_like_what_is_generated {
    pub(super) mod reexport {
        pub(crate) use fsm_core as core;
    }

    pub(super) mod inner {
        use fsm_core::StateMachine;

        #[derive(StateMachine)]
        #[fsm(initial = A, module = event_machine, crate = super::reexport::core)]
        pub(crate) enum Event {
            #[on(go => Other, guard = never)]
            A,
            #[on(go => A)]
            B,
            #[state(name = "Event")]
            #[on(go => B)]
            Other,
        }

        fn never(_: &event_machine::A, _: &event_machine::event::Go) -> Result<(), &'static str> {
            Err("never")
        }
    }
}

#[test]
fn an_enum_may_have_the_name_of_a_generated_item() {
    use named_like_what_is_generated::inner::{Event, event_machine};
    let refused = Event::A.apply(event_machine::event::Go).err().map(|rejected| rejected.to_string());
    assert_eq!(refused.as_deref(), Some("`go` was refused in state `A` of `Event`: never"));
    assert_eq!(event_machine::Any::from(Event::Other).state().as_str(), "Event");
}

/// States and events called like what is generated: most need nothing, the rest one attribute.
mod plain {
    use fsm_core::StateMachine;

    /// Every word in one machine.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Initial, derive(Clone, Debug, PartialEq))]
    #[on(cancelled => Failure)]
    #[on(new { key: u8 } => Record, method = renew)]
    #[on(key => bool)]
    #[on(id => Task)]
    #[on(state => Event, method = set_state)]
    #[on(data => State, method = receive)]
    #[on(fire => Any, method = shoot)]
    #[on(sleep => State)]
    #[on(step => EventOf)]
    #[on(a_l_l => ALL)]
    pub enum Word {
        /// Nothing to do.
        Initial,
        /// Without `durable`, there is no other.
        Record {
            /// Of the event.
            key: u8,
        },
        /// The same.
        Task,
        /// The same.
        Failure,
        /// With another type.
        #[state(type = EventState)]
        Event,
        /// With another type.
        #[state(type = AnyState)]
        Any,
        /// With another type, and a field.
        #[state(type = MachineState)]
        Machine {
            /// Called like one of the generated struct's.
            state: Option<u8>,
        },
        /// With another type and another stored name.
        #[state(type = Asleep, name = "asleep")]
        State,
        /// Names of hidden items.
        EventOf,
        /// Called like a constant of the names.
        #[allow(clippy::upper_case_acronyms, reason = "that is the case")]
        ALL,
        /// Called like a type of Rust.
        #[allow(non_camel_case_types, reason = "that is the case")]
        #[on(use_up { state: Option<u8> } => Machine)]
        #[state(type = Boolean)]
        bool,
    }
}

#[test]
fn generated_words_are_free_for_a_plain_machine() {
    use fsm_core::Name;
    use plain::{Word, word};

    let record = word::Machine::new(word::Initial).renew(3);
    assert_eq!((record.key, record.state().as_str()), (3, "Record"));
    let task = record.id();
    let event = task.set_state();
    assert_eq!(event.state(), word::State::Event);
    assert_eq!(event.into_data(), word::EventState);
    let any = word::Any::from(Word::Any);
    assert!(matches!(any, word::Any::Any(_)));
    let word::Any::Any(any) = any else { unreachable!() };
    assert_eq!(any.sleep().state().as_str(), "asleep");
    assert_eq!(Word::Initial.apply(word::event::Cancelled).ok(), Some(Word::Failure));
    assert_eq!(Word::Failure.apply(word::event::New { key: 1 }).ok(), Some(Word::Record { key: 1 }));
    assert_eq!("data".parse(), Ok(word::EventKind::Data));
    assert_eq!("Event".parse(), Ok(word::State::Event));
    assert_eq!(<word::State as Name>::ALL.len(), 11);
    let boolean = word::Machine::<word::Boolean>::try_from(Word::bool).unwrap();
    assert_eq!(boolean.use_up(Some(1)).state, Some(1));
}

/// The same words where instances are stored.
mod stored {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// Every word in one machine.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Initial, durable, context = Shared, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
    #[on(new => Initial, method = renew)]
    #[on(id => Failure)]
    #[on(version => Workers)]
    #[on(key => Event)]
    #[on(signals => Any)]
    #[on(checkpoint => Error)]
    #[on(context => Machine, method = set_context)]
    pub enum Word {
        /// Nothing to do.
        #[on(cancelled => Record)]
        #[on(sleep => Record)]
        Initial,
        /// A type that is generated.
        #[on(progress { state: u8, raw: u8, meta: u8 } => Task)]
        #[state(type = RecordState)]
        Record,
        /// With a worker, whose event is called like a method of its task.
        #[state(work, type = TaskState, checkpoint = u8, exhausted = cancelled)]
        #[on(cancelled => EventKind)]
        #[on(heartbeat => Failure)]
        Task {
            /// Fields called like those of what holds them.
            state: u8,
            /// The same.
            raw: u8,
            /// The same.
            meta: u8,
        },
        /// The same again.
        #[state(work, type = Kind)]
        #[on(fence { key: String, id: String } => AnyRecord)]
        EventKind,
        /// What the last worker knew.
        #[state(type = AnyRecordState)]
        AnyRecord {
            /// Called like methods.
            key: String,
            /// The same.
            id: String,
        },
        /// Free.
        Failure,
        /// Free.
        Error,
        /// And the others.
        #[state(type = EventState)]
        Event,
        /// One more.
        #[state(type = AnyState)]
        Any,
        /// One more.
        #[state(type = MachineState)]
        Machine,
        /// One more.
        #[state(type = WorkersState)]
        Workers,
    }

    /// Of every word.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Shared {
        /// How often.
        pub count: u8,
    }
}

struct Hands;

impl stored::word::Workers for Hands {
    async fn task(
        &self,
        task: stored::word::Task<stored::word::TaskState>,
    ) -> fsm_runtime::Outcome<stored::word::TaskState> {
        let cancelled = fsm_runtime::RawTask::cancelled(&task);
        assert!(!task.is_cancelled());
        assert_eq!((task.state, task.raw, task.meta), (1, 2, 3));
        fsm_runtime::RawTask::checkpoint(&task, &7).await?;
        drop(cancelled);
        task.cancelled()
    }
    async fn event_kind(
        &self,
        task: stored::word::Task<stored::word::Kind>,
    ) -> fsm_runtime::Outcome<stored::word::Kind> {
        let (key, id) = (fsm_runtime::RawTask::key(&task), fsm_runtime::RawTask::id(&task).to_owned());
        task.fence(key, id)
    }
}

/// Reads a record of any state: an event of one state is in nobody's way here.
fn read<S: fsm_runtime::DurableState<Machine = stored::Word>>(record: &stored::word::Record<S>) -> (String, u64) {
    (record.id().to_owned(), record.version())
}

#[tokio::test]
async fn generated_words_are_free_for_a_stored_machine() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use fsm_runtime::prelude::*;
    use stored::{Shared, Word, word};

    let dir = tempfile::tempdir()?;
    let store = Sqlite::open(dir.path().join("words.db")).await?;
    let runtime = Runtime::builder(store).machine::<Word, _>(Hands).start().await?;
    let words = runtime.machines::<Word>();
    let initial = words.create("a", (word::Initial, Shared::default())).await?;
    assert_eq!(read(&initial), ("a".to_owned(), 1));
    let record: word::Record<word::RecordState> = initial.cancelled().await?;
    assert_eq!((record.state(), record.context().count), (word::State::Record, 0));
    let loaded = words.get("a").await?;
    assert!(matches!(&loaded, word::AnyRecord::Record(_)));
    assert_eq!((loaded.id(), loaded.version(), loaded.state().as_str()), ("a", 2, "Record"));
    let _task: word::Record<word::TaskState> = record.progress(1, 2, 3).await?;
    let patience = std::time::Duration::from_secs(20);
    let word::AnyRecord::AnyRecord(done) = words.wait_for("a", word::State::AnyRecord, patience).await? else {
        panic!("the workers end there")
    };
    assert_eq!(done.id, "a");
    assert!(done.key.starts_with("Word/a/"), "{}", done.key);
    let failure = done.id().await?;
    assert_eq!(failure.renew().await?.state(), word::State::Initial);
    let events: Vec<_> = words
        .history("a", &fsm_runtime::HistoryQuery::new())
        .await?
        .items
        .into_iter()
        .filter_map(|entry| entry.event)
        .collect();
    assert_eq!(events, ["cancelled", "progress", "cancelled", "fence", "id", "new"]);
    runtime.shutdown(patience).await;
    Ok(())
}
