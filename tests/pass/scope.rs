//! Items in the user's scope whose names generated code uses for its variables: columns of diesel, constants and statics.

#[allow(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps, clippy::wrong_self_convention)]
mod declared {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// Unit structs, as `use schema::dsl::*` brings them in.
    #[allow(dead_code, non_camel_case_types)]
    pub mod dsl {
        pub struct after;
        pub struct args;
        pub struct birth;
        pub struct choice;
        pub struct context;
        pub struct data;
        pub struct error;
        pub struct event;
        pub struct f;
        pub struct found;
        pub struct guard;
        pub struct id;
        pub struct index;
        pub struct key;
        pub struct kind;
        pub struct known;
        pub struct lease;
        pub struct machine;
        pub struct meta;
        pub struct name;
        pub struct next;
        pub struct other;
        pub struct payload;
        pub struct progress;
        pub struct raw;
        pub struct reason;
        pub struct record;
        pub struct refused;
        pub struct seal;
        pub struct state;
        pub struct stored;
        pub struct target;
        pub struct task;
        pub struct text;
        pub struct title;
        pub struct value;
        pub struct whole;
        pub struct with;
        pub struct workers;
        pub struct field_0;
    }
    #[allow(unused_imports, clippy::wildcard_imports)]
    use dsl::*;

    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Queued, derive(Clone, Debug, PartialEq), context = u32)]
    #[on(note { text: String } => _, with = note::<_>)]
    pub enum Job {
        #[state(enter = queue)]
        #[on(start { title: String } => Running, guard = check)]
        Queued { args: u8 },
        #[state(enter = run)]
        #[on(pause | stop => Queued | Stopped, with = choose::<_>)]
        #[after("1h", note { text: String::new() })]
        Running { args: u8, title: String },
        #[state(end)]
        Stopped(u8),
    }

    fn check(_: &job::Queued, _: &job::event::Start, _: &u32) -> Result<(), &'static str> {
        Ok(())
    }

    fn queue(_: &mut job::Queued, _: &mut u32) {}

    fn run(_: &mut job::Running, _: &mut u32) {}

    fn choose<E>(running: job::Running, _: E, _: &mut u32) -> job::choice::RunningPause {
        job::Stopped(running.args).into()
    }

    fn note<S>(same: S, _: job::event::Note, _: &mut u32) -> S {
        same
    }

    #[derive(StateMachine, Debug)]
    #[fsm(initial = Draft, durable, derive(Serialize, Deserialize))]
    pub enum Text {
        #[state(enter = begin)]
        #[on(submit { title: String } => Checked)]
        Draft,
        #[state(work, enter = begin, exhausted = fail { reason: error.to_string() })]
        #[on(accept => Public)]
        #[on(fail { reason: String } => Failed)]
        Checked { title: String },
        #[state(end)]
        Failed { reason: String },
        #[state(end)]
        Public,
    }

    fn begin<S>(_: &mut S) {}

    /// A constant and a static.
    pub mod constants {
        use fsm_core::StateMachine;

        #[allow(non_upper_case_globals, dead_code)]
        const event: u8 = 1;
        #[allow(non_upper_case_globals, dead_code)]
        static state: u8 = 1;

        #[derive(StateMachine, Debug, PartialEq)]
        #[fsm(initial = Off)]
        pub enum Lamp {
            #[on(flip => Off, guard = may)]
            Off,
        }

        fn may(_: &lamp::Off, _: &lamp::event::Flip) -> Result<(), &'static str> {
            Ok(())
        }
    }

    /// Methods with names that generated code calls, for every type.
    pub mod blanket {
        use fsm_core::StateMachine;

        #[allow(dead_code)]
        pub trait Text {
            fn as_str(&self) -> String;
            fn clone(&self) {}
            fn find(&self) {}
            fn field(&self) {}
            fn index(&self) {}
            fn kind(&self) {}
            fn state(&self) {}
            fn accepts(&self) {}
            fn into_enum(&self) {}
            fn contains(&self) {}
            fn pad(&self) {}
        }
        impl<T: std::fmt::Display> Text for T {
            fn as_str(&self) -> String {
                self.to_string()
            }
        }

        #[derive(StateMachine, Clone, Debug, PartialEq)]
        #[fsm(initial = Off, derive(Clone, Debug, PartialEq))]
        pub enum Lamp {
            #[on(flip => Off)]
            Off,
        }

        #[derive(StateMachine, Clone, Debug, PartialEq)]
        #[fsm(initial = Off, derive(Clone, Debug, PartialEq), context = u8)]
        pub enum Counter {
            #[on(add { by: u8 } => Off, with = add, guard = may)]
            Off,
        }

        fn may(_: &counter::Off, _: &counter::event::Add, _: &u8) -> Result<(), &'static str> {
            Ok(())
        }

        fn add(off: counter::Off, added: counter::event::Add, total: &mut u8) -> counter::Off {
            *total += added.by;
            off
        }
    }
}

#[test]
fn items_in_scope_do_not_clash_with_variables() {
    let running = declared::job::Machine::new(declared::job::Queued { args: 1 }, 0)
        .start("a".to_owned())
        .expect("the guard accepts");
    assert_eq!(
        running.note(String::new()).stop(),
        declared::job::choice::RunningPause::Stopped(
            declared::job::Machine::try_from((declared::Job::Stopped(1), 0)).expect("it is stopped")
        )
    );
    assert_eq!(
        declared::constants::Lamp::Off.apply(declared::constants::lamp::event::Flip).expect("it is accepted"),
        declared::constants::Lamp::Off
    );
    assert_eq!("Draft".parse::<declared::text::State>().expect("a state"), declared::text::State::Draft);
}

#[test]
fn traits_for_every_type_do_not_clash_with_methods() {
    assert_eq!("Off".parse::<declared::blanket::lamp::State>().expect("a state"), declared::blanket::lamp::State::Off);
    let machine = declared::blanket::counter::Machine::new(declared::blanket::counter::Off, 1);
    let machine = Clone::clone(&machine).add(2).expect("the guard accepts");
    assert_eq!(*machine.context(), 3);
}

/// Functions that attributes name as strings keep their names, although fields have them, too.
mod defaults {
    use fsm_core::StateMachine;
    use serde::{Deserialize, Serialize};

    #[derive(StateMachine, Serialize, Deserialize)]
    #[fsm(initial = Draft, derive(Serialize, Deserialize))]
    pub enum Note {
        #[on(rename { title: String } => Draft)]
        Draft {
            #[serde(default = "title")]
            title: String,
        },
    }

    fn title() -> String {
        "untitled".to_owned()
    }
}

#[test]
fn functions_named_by_attributes_are_the_users() {
    let draft: defaults::note::Draft = serde_json::from_str("{}").expect("the title has a default");
    assert_eq!(draft.title, "untitled");
}
