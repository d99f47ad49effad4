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
