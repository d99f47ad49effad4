//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(not(doctest), doc = "The state machine `Job`.\n\nA job that can be held.\n")]
///
#[cfg_attr(
    doc,
    doc = ::fsm_core::__private::__diagram!{#[doc = r" A job that can be held."]#[fsm(
        initial = Queued,
        derive(Clone, Serialize, Deserialize),
        group(Active, on(hold{by:String}= >Held))
    )]pub
    enum
    Job{#[doc = r" Not begun."]#[on(
        begin{size:u64}= >Running
    )]#[state(in = Active)]Queued,
    #[doc = r" Begun."]#[on(
        end = >Done
    )]#[state(in = Active, was = "Busy")]Running{size:u64},
    #[doc = r" For a while."]#[on(resume = >history(Active))]Held{by:String,
    was:job::history::Active},
    #[doc = r" Ended."]#[state(end)]Done,
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Queued` | `begin` | `Running` |
| `Running` | `end` | `Done` |
| `Held` | `resume` | the state of `Active` that was left |
| `Queued` | `hold` | `Held` |
| `Running` | `hold` | `Held` |
*/
#[allow(
    dead_code,
    deprecated,
    explicit_outlives_requirements,
    non_camel_case_types,
    unreachable_pub,
    unused_qualifications,
    rustdoc::broken_intra_doc_links,
    rustdoc::private_intra_doc_links,
    clippy::elidable_lifetime_names,
    clippy::enum_variant_names,
    clippy::large_enum_variant,
    clippy::multiple_bound_locations,
    clippy::needless_pass_by_value,
    clippy::result_large_err,
    clippy::should_implement_trait,
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    clippy::too_many_arguments,
    clippy::type_complexity,
    clippy::wrong_self_convention,
)]
pub mod job {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Job;
    #[allow(unused_imports)]
    use ::fsm_core::__private::{
        variable as after, variable as birth, variable as by, variable as context,
        variable as data, variable as error, variable as event, variable as f,
        variable as initial, variable as key, variable as kind, variable as lease,
        variable as machine, variable as meta, variable as name, variable as next,
        variable as other, variable as payload, variable as raw, variable as reason,
        variable as record, variable as refused, variable as seal, variable as size,
        variable as state, variable as target, variable as task, variable as value,
        variable as was, variable as workers,
    };
    #[cfg_attr(not(doctest), doc = r" Not begun.")]
    #[derive(Clone, Serialize, Deserialize)]
    pub struct Queued;
    #[cfg_attr(not(doctest), doc = r" Begun.")]
    #[derive(Clone, Serialize, Deserialize)]
    pub struct Running {
        ///The `size` of `Running`.
        pub size: u64,
    }
    #[cfg_attr(not(doctest), doc = r" For a while.")]
    #[derive(Clone, Serialize, Deserialize)]
    pub struct Held {
        ///The `by` of `Held`.
        pub by: String,
        ///The `was` of `Held`.
        pub was: job::history::Active,
    }
    #[cfg_attr(not(doctest), doc = r" Ended.")]
    #[derive(Clone, Serialize, Deserialize)]
    pub struct Done;
    ///The names of the states of `Job`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        #[cfg_attr(not(doctest), doc = r" Not begun.")]
        Queued,
        #[cfg_attr(not(doctest), doc = r" Begun.")]
        Running,
        #[cfg_attr(not(doctest), doc = r" For a while.")]
        Held,
        #[cfg_attr(not(doctest), doc = r" Ended.")]
        Done,
    }
    impl State {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Queued => "Queued",
                Self::Running => "Running",
                Self::Held => "Held",
                Self::Done => "Done",
            }
        }
        /// Its place in [`ALL`](Self::ALL).
        #[must_use]
        #[inline]
        pub const fn index(self) -> usize {
            self as usize
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Name for State {
        const ALL: &'static [Self] = &[
            Self::Queued,
            Self::Running,
            Self::Held,
            Self::Done,
        ];
        #[inline]
        fn as_str(self) -> &'static str {
            Self::as_str(self)
        }
        #[inline]
        fn index(self) -> usize {
            Self::index(self)
        }
    }
    #[automatically_derived]
    impl ::core::convert::AsRef<str> for State {
        #[inline]
        fn as_ref(&self) -> &str {
            Self::as_str(*self)
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Display for State {
        #[inline]
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.pad(Self::as_str(*self))
        }
    }
    #[automatically_derived]
    impl ::core::str::FromStr for State {
        type Err = ::fsm_core::UnknownNameError;
        #[inline]
        fn from_str(
            name: &str,
        ) -> ::core::result::Result<Self, ::fsm_core::UnknownNameError> {
            match name {
                "Busy" => ::core::result::Result::Ok(Self::Running),
                _ => ::fsm_core::__private::from_name("state of `Job`", name),
            }
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Queued => &[EventKind::Begin, EventKind::Hold],
                Self::Running => &[EventKind::End, EventKind::Hold],
                Self::Held => &[EventKind::Resume],
                Self::Done => &[],
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Job> for Queued {
        #[inline]
        fn into_enum(self) -> Job {
            let Queued = self;
            Job::Queued
        }
        #[inline]
        fn from_enum(machine: Job) -> ::core::result::Result<Self, Job> {
            match machine {
                Job::Queued => ::core::result::Result::Ok(Queued),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Job> for Queued {
        const STATE: State = State::Queued;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Job> for Running {
        #[inline]
        fn into_enum(self) -> Job {
            let Running { size } = self;
            Job::Running { size }
        }
        #[inline]
        fn from_enum(machine: Job) -> ::core::result::Result<Self, Job> {
            match machine {
                Job::Running { size } => ::core::result::Result::Ok(Running { size }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Job> for Running {
        const STATE: State = State::Running;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Job> for Held {
        #[inline]
        fn into_enum(self) -> Job {
            let Held { by, was } = self;
            Job::Held { by, was }
        }
        #[inline]
        fn from_enum(machine: Job) -> ::core::result::Result<Self, Job> {
            match machine {
                Job::Held { by, was } => ::core::result::Result::Ok(Held { by, was }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Job> for Held {
        const STATE: State = State::Held;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Job> for Done {
        #[inline]
        fn into_enum(self) -> Job {
            let Done = self;
            Job::Done
        }
        #[inline]
        fn from_enum(machine: Job) -> ::core::result::Result<Self, Job> {
            match machine {
                Job::Done => ::core::result::Result::Ok(Done),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Job> for Done {
        const STATE: State = State::Done;
    }
    ///The events of `Job`, with their payloads.
    pub mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`begin`: `Queued` → `Running`.
        #[derive(Clone, Serialize, Deserialize)]
        pub struct Begin {
            ///The `size` that comes with the event.
            pub size: u64,
        }
        ///`end`: `Running` → `Done`.
        #[derive(Clone, Serialize, Deserialize)]
        pub struct End;
        ///`resume`: `Held` → the state of `Active` that was left.
        #[derive(Clone, Serialize, Deserialize)]
        pub struct Resume;
        ///`hold`: `Queued`, `Running` → `Held`.
        #[derive(Clone, Serialize, Deserialize)]
        pub struct Hold {
            ///The `by` that comes with the event.
            pub by: String,
        }
    }
    ///Any event of `Job`, with its payload.
    #[derive(Clone)]
    pub enum Event {
        ///`begin`: `Queued` → `Running`.
        Begin(event::Begin),
        ///`end`: `Running` → `Done`.
        End(event::End),
        ///`resume`: `Held` → the state of `Active` that was left.
        Resume(event::Resume),
        ///`hold`: `Queued`, `Running` → `Held`.
        Hold(event::Hold),
    }
    impl Event {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub const fn kind(&self) -> EventKind {
            match self {
                Self::Begin(_) => EventKind::Begin,
                Self::End(_) => EventKind::End,
                Self::Resume(_) => EventKind::Resume,
                Self::Hold(_) => EventKind::Hold,
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Begin> for Event {
        #[inline]
        fn from(event: event::Begin) -> Self {
            Self::Begin(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::End> for Event {
        #[inline]
        fn from(event: event::End) -> Self {
            Self::End(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Resume> for Event {
        #[inline]
        fn from(event: event::Resume) -> Self {
            Self::Resume(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Hold> for Event {
        #[inline]
        fn from(event: event::Hold) -> Self {
            Self::Hold(event)
        }
    }
    ///The names of the events of `Job`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        ///`begin`: `Queued` → `Running`.
        Begin,
        ///`end`: `Running` → `Done`.
        End,
        ///`resume`: `Held` → the state of `Active` that was left.
        Resume,
        ///`hold`: `Queued`, `Running` → `Held`.
        Hold,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Begin => "begin",
                Self::End => "end",
                Self::Resume => "resume",
                Self::Hold => "hold",
            }
        }
        /// Its place in [`ALL`](Self::ALL).
        #[must_use]
        #[inline]
        pub const fn index(self) -> usize {
            self as usize
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Name for EventKind {
        const ALL: &'static [Self] = &[Self::Begin, Self::End, Self::Resume, Self::Hold];
        #[inline]
        fn as_str(self) -> &'static str {
            Self::as_str(self)
        }
        #[inline]
        fn index(self) -> usize {
            Self::index(self)
        }
    }
    #[automatically_derived]
    impl ::core::convert::AsRef<str> for EventKind {
        #[inline]
        fn as_ref(&self) -> &str {
            Self::as_str(*self)
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Display for EventKind {
        #[inline]
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.pad(Self::as_str(*self))
        }
    }
    #[automatically_derived]
    impl ::core::str::FromStr for EventKind {
        type Err = ::fsm_core::UnknownNameError;
        #[inline]
        fn from_str(
            name: &str,
        ) -> ::core::result::Result<Self, ::fsm_core::UnknownNameError> {
            ::fsm_core::__private::from_name("event of `Job`", name)
        }
    }
    /// The targets of each branching transition: states, which `with` returns, or machines, or records.
    pub mod choice {
        ///`resume`: `Held` → the state of `Active` that was left.
        #[derive(Clone, Debug, PartialEq)]
        pub enum HeldResume<A = super::Queued, B = super::Running> {
            #[cfg_attr(not(doctest), doc = r" Not begun.")]
            Queued(A),
            #[cfg_attr(not(doctest), doc = r" Begun.")]
            Running(B),
        }
        #[automatically_derived]
        impl ::core::convert::From<super::Queued> for HeldResume {
            fn from(state: super::Queued) -> Self {
                Self::Queued(state)
            }
        }
        #[automatically_derived]
        impl ::core::convert::From<super::Running> for HeldResume {
            fn from(state: super::Running) -> Self {
                Self::Running(state)
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Job> for choice::HeldResume<Queued, Running> {
        fn into_enum(self) -> Job {
            match self {
                Self::Queued(state) => ::fsm_core::Target::into_enum(state),
                Self::Running(state) => ::fsm_core::Target::into_enum(state),
            }
        }
        fn from_enum(machine: Job) -> ::core::result::Result<Self, Job> {
            match machine {
                Job::Queued => ::core::result::Result::Ok(Self::Queued(Queued)),
                Job::Running { size } => {
                    ::core::result::Result::Ok(Self::Running(Running { size }))
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    /// The histories of superstates: the state that was left, with its data.
    pub mod history {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///The history of `Active`: the state that was left, with its data.
        #[derive(Clone, Serialize, Deserialize)]
        pub enum Active {
            ///Left in state `Queued`.
            #[serde(rename = "Queued")]
            Queued(super::Queued),
            ///Left in state `Running`.
            #[serde(rename = "Running", alias = "Busy")]
            Running(super::Running),
        }
        impl Active {
            /// The name of the state.
            #[must_use]
            pub const fn state(&self) -> super::State {
                match self {
                    Self::Queued(_) => super::State::Queued,
                    Self::Running(_) => super::State::Running,
                }
            }
        }
        #[automatically_derived]
        impl ::core::convert::From<super::Queued> for Active {
            fn from(__state: super::Queued) -> Self {
                Self::Queued(__state)
            }
        }
        #[automatically_derived]
        impl ::core::convert::From<super::Running> for Active {
            fn from(__state: super::Running) -> Self {
                Self::Running(__state)
            }
        }
    }
    /// Seals the traits of this module.
    mod __seal {
        /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
        #[derive(Clone, Copy, Debug)]
        pub struct __Seal;
    }
    use self::__seal::__Seal;
    ///An initial state of `Job`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Job`",
        label = "expected `job::Queued`",
        note = "the initial state of `Job` is `Queued`; a state is written as its struct in the module `job`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __Initial {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl __Initial for Queued {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///An event that a `Job` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Job` are:\n  Queued  --begin---> Running\n  Running --end-----> Done\n  Held    --resume--> history(Active)\n  Queued  --hold----> Held\n  Running --hold----> Held"
    )]
    #[doc(hidden)]
    pub trait __EventOf<S>: ::core::marker::Sized {
        /// What [`Machine::fire`] returns.
        type Next;
        #[doc(hidden)]
        fn __fire(self, machine: Machine<S>, seal: __Seal) -> Self::Next;
        #[doc(hidden)]
        #[allow(clippy::missing_errors_doc)]
        fn __check(
            &self,
            _: &S,
            _: __Seal,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            ::core::result::Result::Ok(())
        }
    }
    /**A `Job` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Job` with `TryFrom`. It derefs to the data of its state.*/
    #[must_use = "a machine that is dropped is lost"]
    pub struct Machine<S> {
        state: S,
    }
    impl<S> Machine<S> {
        /// Creates a machine in an initial state.
        #[inline]
        pub const fn new(state: S) -> Self
        where
            S: __Initial,
        {
            Machine { state }
        }
        /// The data of its state.
        #[must_use]
        #[inline]
        pub const fn data(&self) -> &S {
            &self.state
        }
        /// Takes the data of its state out of the machine.
        #[must_use]
        #[inline]
        pub fn into_data(self) -> S {
            self.state
        }
        /// Fires an event that its state declares.
        #[inline]
        pub fn fire<E: __EventOf<S>>(self, event: E) -> E::Next {
            event.__fire(self, __Seal)
        }
        /// Asks the guard of an event that its state declares, without a transition.
        ///
        /// # Errors
        /// The guard's reason.
        pub fn would_accept<E: __EventOf<S>>(
            &self,
            event: &E,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            event.__check(&self.state, __Seal)
        }
    }
    impl<S: ::fsm_core::StateOf<Job>> Machine<S> {
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            S::STATE
        }
    }
    #[automatically_derived]
    impl<S> ::core::ops::Deref for Machine<S> {
        type Target = S;
        #[inline]
        fn deref(&self) -> &S {
            &self.state
        }
    }
    #[automatically_derived]
    impl<S: ::core::fmt::Debug> ::core::fmt::Debug for Machine<S> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::fsm_core::__private::debug_machine(f, &self.state)
        }
    }
    #[automatically_derived]
    impl<S: ::core::clone::Clone> ::core::clone::Clone for Machine<S> {
        #[inline]
        fn clone(&self) -> Self {
            Machine {
                state: ::core::clone::Clone::clone(&self.state),
            }
        }
    }
    #[automatically_derived]
    impl<S: ::core::cmp::PartialEq> ::core::cmp::PartialEq for Machine<S> {
        #[inline]
        fn eq(&self, other: &Self) -> bool {
            self.state == other.state
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Job>> ::core::convert::TryFrom<Job> for Machine<S> {
        type Error = ::fsm_core::WrongStateError<Job>;
        fn try_from(
            machine: Job,
        ) -> ::core::result::Result<Self, ::fsm_core::WrongStateError<Job>> {
            match S::from_enum(machine) {
                ::core::result::Result::Ok(state) => {
                    ::core::result::Result::Ok(Machine { state })
                }
                ::core::result::Result::Err(machine) => {
                    ::core::result::Result::Err(
                        ::fsm_core::WrongStateError::new::<S>(machine, ()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Job>> ::core::convert::From<Machine<S>> for Job {
        #[inline]
        fn from(machine: Machine<S>) -> Self {
            ::fsm_core::Target::into_enum(machine.state)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[derive(Clone)]
    #[must_use = "a machine that is dropped is lost"]
    pub enum Any {
        #[cfg_attr(not(doctest), doc = r" Not begun.")]
        Queued(Machine<Queued>),
        #[cfg_attr(not(doctest), doc = r" Begun.")]
        Running(Machine<Running>),
        #[cfg_attr(not(doctest), doc = r" For a while.")]
        Held(Machine<Held>),
        #[cfg_attr(not(doctest), doc = r" Ended.")]
        Done(Machine<Done>),
    }
    impl Any {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Queued(_) => State::Queued,
                Self::Running(_) => State::Running,
                Self::Held(_) => State::Held,
                Self::Done(_) => State::Done,
            }
        }
        /// Explains why it does not compile.
        #[doc(hidden)]
        pub fn fire<E: ::fsm_core::__private::FireOnAny>(self, event: E) -> E::Next {
            event.__next()
        }
    }
    impl Any {
        /// The events that its state declares. A guard can still refuse one.
        #[must_use]
        pub const fn accepts(&self) -> &'static [EventKind] {
            self.state().accepts()
        }
        /// Whether its state declares the event.
        #[must_use]
        #[inline]
        pub fn can(&self, __event: EventKind) -> bool {
            <Self as ::fsm_core::AnyMachine>::can(self, __event)
        }
        /// Why its state does not accept the event, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub fn why_not(
            &self,
            __event: EventKind,
        ) -> ::core::option::Option<::fsm_core::WhyNot> {
            <Self as ::fsm_core::AnyMachine>::why_not(self, __event)
        }
        /// Whether [`apply`](Self::apply) would make a transition: its state declares the event, and the guard accepts it.
        /// Nothing is changed.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it.
        #[inline]
        pub fn would_accept(
            &self,
            __event: &Event,
        ) -> ::core::result::Result<(), ::fsm_core::Refusal<Job>> {
            <Self as ::fsm_core::AnyMachine>::would_accept(self, __event)
        }
        /// Fires an event when state and event are only known at run time. A `Slot` of `fsm-core` does it in place.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub fn apply(
            self,
            __event: impl ::core::convert::Into<Event>,
        ) -> ::core::result::Result<Self, ::fsm_core::AnyApplyError<Self>> {
            <Self as ::fsm_core::AnyMachine>::apply(self, __event)
        }
    }
    #[automatically_derived]
    impl ::fsm_core::AnyMachine for Any {
        type Machine = Job;
        #[inline]
        fn state(&self) -> State {
            Self::state(self)
        }
        #[inline]
        fn accepts(&self) -> &'static [EventKind] {
            Self::accepts(self)
        }
        #[inline]
        fn context(&self) -> &() {
            &()
        }
        #[inline]
        fn __join(__machine: Job, _: ::fsm_core::__private::Box<()>) -> Self {
            match __machine {
                Job::Queued => Self::Queued(Machine { state: Queued }),
                Job::Running { size } => {
                    Self::Running(Machine { state: Running { size } })
                }
                Job::Held { by, was } => Self::Held(Machine { state: Held { by, was } }),
                Job::Done => Self::Done(Machine { state: Done }),
            }
        }
        #[inline]
        fn __split(self) -> (Job, ::fsm_core::__private::Box<()>) {
            match self {
                Self::Queued(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Running(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Held(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Done(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Job>> ::core::convert::From<Machine<S>> for Any {
        #[inline]
        fn from(__given: Machine<S>) -> Self {
            <Any as ::fsm_core::AnyMachine>::__join(
                ::fsm_core::Target::into_enum(__given.state),
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Job>> ::core::convert::TryFrom<Any> for Machine<S> {
        type Error = ::fsm_core::NotInStateError<Any>;
        fn try_from(
            __given: Any,
        ) -> ::core::result::Result<Self, ::fsm_core::NotInStateError<Any>> {
            let (__machine, __context) = <Any as ::fsm_core::AnyMachine>::__split(
                __given,
            );
            match <S as ::fsm_core::Target<Job>>::from_enum(__machine) {
                ::core::result::Result::Ok(__state) => {
                    let _ = __context;
                    ::core::result::Result::Ok(Machine { state: __state })
                }
                ::core::result::Result::Err(__machine) => {
                    ::core::result::Result::Err(
                        ::fsm_core::NotInStateError::new::<
                            S,
                        >(<Any as ::fsm_core::AnyMachine>::__join(__machine, __context)),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Job> for Any {
        #[inline]
        fn from(__given: Job) -> Self {
            <Any as ::fsm_core::AnyMachine>::__join(
                __given,
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Any> for Job {
        #[inline]
        fn from(__given: Any) -> Self {
            <Any as ::fsm_core::AnyMachine>::__split(__given).0
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<choice::HeldResume<Machine<Queued>, Machine<Running>>>
    for Any {
        #[inline]
        fn from(__given: choice::HeldResume<Machine<Queued>, Machine<Running>>) -> Self {
            match __given {
                choice::HeldResume::Queued(__machine) => Self::Queued(__machine),
                choice::HeldResume::Running(__machine) => Self::Running(__machine),
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<choice::HeldResume<Machine<Queued>, Machine<Running>>>
    for Job {
        #[inline]
        fn from(__given: choice::HeldResume<Machine<Queued>, Machine<Running>>) -> Self {
            <Self as ::core::convert::From<
                Any,
            >>::from(
                <Any as ::core::convert::From<
                    choice::HeldResume<Machine<Queued>, Machine<Running>>,
                >>::from(__given),
            )
        }
    }
    impl Machine<Queued> {
        ///`Queued` → `Running`.
        #[inline]
        pub fn begin(self, size: u64) -> Machine<Running> {
            self.fire(event::Begin { size })
        }
        ///`Queued` → `Held`.
        #[inline]
        pub fn hold(self, by: String) -> Machine<Held> {
            self.fire(event::Hold { by })
        }
    }
    impl Machine<Running> {
        ///`Running` → `Done`.
        #[inline]
        pub fn end(self) -> Machine<Done> {
            self.fire(event::End)
        }
        ///`Running` → `Held`.
        #[inline]
        pub fn hold(self, by: String) -> Machine<Held> {
            self.fire(event::Hold { by })
        }
    }
    impl Machine<Held> {
        ///`Held` → the state of `Active` that was left.
        #[must_use]
        #[inline]
        pub fn resume(self) -> choice::HeldResume<Machine<Queued>, Machine<Running>> {
            self.fire(event::Resume)
        }
    }
    #[automatically_derived]
    impl __EventOf<Queued> for event::Begin {
        type Next = Machine<Running>;
        #[inline]
        fn __fire(self, _: Machine<Queued>, _: __Seal) -> Self::Next {
            let Self { size } = self;
            Machine { state: Running { size } }
        }
    }
    #[automatically_derived]
    impl __EventOf<Running> for event::End {
        type Next = Machine<Done>;
        #[inline]
        fn __fire(self, _: Machine<Running>, _: __Seal) -> Self::Next {
            Machine { state: Done }
        }
    }
    #[automatically_derived]
    impl __EventOf<Held> for event::Resume {
        type Next = choice::HeldResume<Machine<Queued>, Machine<Running>>;
        #[inline]
        fn __fire(self, machine: Machine<Held>, _: __Seal) -> Self::Next {
            match match machine.state.was {
                history::Active::Queued(state) => choice::HeldResume::Queued(state),
                history::Active::Running(state) => choice::HeldResume::Running(state),
            } {
                choice::HeldResume::Queued(state) => {
                    choice::HeldResume::Queued(Machine { state })
                }
                choice::HeldResume::Running(state) => {
                    choice::HeldResume::Running(Machine { state })
                }
            }
        }
    }
    #[automatically_derived]
    impl __EventOf<Queued> for event::Hold {
        type Next = Machine<Held>;
        #[inline]
        fn __fire(self, machine: Machine<Queued>, _: __Seal) -> Self::Next {
            let was = history::Active::Queued(machine.state);
            let Self { by } = self;
            Machine { state: Held { by, was } }
        }
    }
    #[automatically_derived]
    impl __EventOf<Running> for event::Hold {
        type Next = Machine<Held>;
        #[inline]
        fn __fire(self, machine: Machine<Running>, _: __Seal) -> Self::Next {
            let was = history::Active::Running(machine.state);
            let Self { by } = self;
            Machine { state: Held { by, was } }
        }
    }
    const __GRAPH: &::fsm_core::Graph = &::fsm_core::Graph::new("Job")
        .with_doc("A job that can be held.")
        .with_states(
            &[
                ::fsm_core::StateInfo::new("Queued")
                    .with_doc("Not begun.")
                    .with_initial(true)
                    .with_group("Active"),
                ::fsm_core::StateInfo::new("Running")
                    .with_doc("Begun.")
                    .with_was(&["Busy"])
                    .with_group("Active")
                    .with_fields(&[::fsm_core::FieldInfo::new("size", "u64")]),
                ::fsm_core::StateInfo::new("Held")
                    .with_doc("For a while.")
                    .with_fields(
                        &[
                            ::fsm_core::FieldInfo::new("by", "String"),
                            ::fsm_core::FieldInfo::new("was", "job::history::Active"),
                        ],
                    ),
                ::fsm_core::StateInfo::new("Done")
                    .with_doc("Ended.")
                    .with_kind(::fsm_core::StateKind::End),
            ],
        )
        .with_events(
            &[
                ::fsm_core::EventInfo::new("begin")
                    .with_fields(&[::fsm_core::FieldInfo::new("size", "u64")]),
                ::fsm_core::EventInfo::new("end"),
                ::fsm_core::EventInfo::new("resume"),
                ::fsm_core::EventInfo::new("hold")
                    .with_fields(&[::fsm_core::FieldInfo::new("by", "String")]),
            ],
        )
        .with_transitions(
            &[
                ::fsm_core::TransitionInfo::new("Queued", "begin", &["Running"]),
                ::fsm_core::TransitionInfo::new("Running", "end", &["Done"]),
                ::fsm_core::TransitionInfo::new("Held", "resume", &["Queued", "Running"])
                    .with_history(::fsm_core::HistoryInfo::new("Active")),
                ::fsm_core::TransitionInfo::new("Queued", "hold", &["Held"]),
                ::fsm_core::TransitionInfo::new("Running", "hold", &["Held"]),
            ],
        )
        .with_groups(&[::fsm_core::GroupInfo::new("Active")]);
    impl Job {
        /// The graph of this machine.
        pub const GRAPH: &'static ::fsm_core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            match self {
                Self::Queued => State::Queued,
                Self::Running { .. } => State::Running,
                Self::Held { .. } => State::Held,
                Self::Done => State::Done,
            }
        }
        /// The events that its state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(&self) -> &'static [EventKind] {
            State::accepts(Self::state(self))
        }
        /// Whether its state declares `event`.
        #[must_use]
        #[inline]
        pub fn can(&self, event: EventKind) -> bool {
            ::fsm_core::__private::names_contain(Self::accepts(self), event)
        }
        /// Why its state does not accept `event`, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub fn why_not(
            &self,
            event: EventKind,
        ) -> ::core::option::Option<::fsm_core::WhyNot> {
            ::fsm_core::WhyNot::of(self, event)
        }
        /// Fires an event when state and event are only known at run time.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub fn apply(
            self,
            event: impl ::core::convert::Into<Event>,
        ) -> ::core::result::Result<Job, ::fsm_core::ApplyError<Job>> {
            let event = ::core::convert::Into::into(event);
            match (self, event) {
                (Self::Queued, Event::Begin(event::Begin { size })) => {
                    ::core::result::Result::Ok(Self::Running { size })
                }
                (Self::Running { .. }, Event::End(_)) => {
                    ::core::result::Result::Ok(Self::Done)
                }
                (Self::Held { was, .. }, Event::Resume(_)) => {
                    ::core::result::Result::Ok(
                        match was {
                            history::Active::Queued(state) => {
                                ::fsm_core::Target::into_enum(state)
                            }
                            history::Active::Running(state) => {
                                ::fsm_core::Target::into_enum(state)
                            }
                        },
                    )
                }
                (Self::Queued, Event::Hold(__payload)) => {
                    let was = history::Active::Queued(Queued);
                    let event::Hold { by } = __payload;
                    ::core::result::Result::Ok(Self::Held { by, was })
                }
                (Self::Running { size }, Event::Hold(__payload)) => {
                    let was = history::Active::Running(Running { size });
                    let event::Hold { by } = __payload;
                    ::core::result::Result::Ok(Self::Held { by, was })
                }
                (machine, event) => {
                    ::core::result::Result::Err(::fsm_core::ApplyError {
                        machine,
                        event,
                        reason: ::core::option::Option::None,
                    })
                }
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateMachine for Job {
        type State = State;
        type EventKind = EventKind;
        type Event = Event;
        type Context = ();
        const GRAPH: &'static ::fsm_core::Graph = __GRAPH;
        #[inline]
        fn state(&self) -> State {
            Self::state(self)
        }
        #[inline]
        fn accepts(&self) -> &'static [EventKind] {
            Self::accepts(self)
        }
        fn apply(
            self,
            event: Event,
            _: &mut (),
        ) -> ::core::result::Result<Job, ::fsm_core::ApplyError<Job>> {
            self.apply(event)
        }
        #[inline]
        fn kind_of(event: &Event) -> EventKind {
            Event::kind(event)
        }
    }
    const _: () = {
        #[allow(unused_extern_crates, clippy::useless_attribute)]
        extern crate serde as __serde;
        #[automatically_derived]
        impl __serde::Serialize for State {
            fn serialize<__Z: __serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                __serde::Serializer::serialize_str(__serializer, State::as_str(*self))
            }
        }
        struct __VisitState;
        #[automatically_derived]
        impl __serde::de::Visitor<'_> for __VisitState {
            type Value = State;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "a state of `Job`")
            }
            fn visit_str<__E: __serde::de::Error>(
                self,
                __name: &str,
            ) -> ::core::result::Result<State, __E> {
                <State as ::core::str::FromStr>::from_str(__name)
                    .map_err(__serde::de::Error::custom)
            }
        }
        #[automatically_derived]
        impl<'de> __serde::Deserialize<'de> for State {
            fn deserialize<__D: __serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __serde::Deserializer::deserialize_str(__deserializer, __VisitState)
            }
        }
        #[automatically_derived]
        impl __serde::Serialize for EventKind {
            fn serialize<__Z: __serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                __serde::Serializer::serialize_str(
                    __serializer,
                    EventKind::as_str(*self),
                )
            }
        }
        struct __VisitEventKind;
        #[automatically_derived]
        impl __serde::de::Visitor<'_> for __VisitEventKind {
            type Value = EventKind;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Job`")
            }
            fn visit_str<__E: __serde::de::Error>(
                self,
                __name: &str,
            ) -> ::core::result::Result<EventKind, __E> {
                <EventKind as ::core::str::FromStr>::from_str(__name)
                    .map_err(__serde::de::Error::custom)
            }
        }
        #[automatically_derived]
        impl<'de> __serde::Deserialize<'de> for EventKind {
            fn deserialize<__D: __serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __serde::Deserializer::deserialize_str(__deserializer, __VisitEventKind)
            }
        }
        #[automatically_derived]
        impl __serde::Serialize for Event {
            fn serialize<__Z: __serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                match self {
                    Event::Begin(__event) => {
                        __serde::Serializer::serialize_newtype_variant(
                            __serializer,
                            "Event",
                            0u32,
                            "Begin",
                            __event,
                        )
                    }
                    Event::End(_) => {
                        __serde::Serializer::serialize_unit_variant(
                            __serializer,
                            "Event",
                            1u32,
                            "End",
                        )
                    }
                    Event::Resume(_) => {
                        __serde::Serializer::serialize_unit_variant(
                            __serializer,
                            "Event",
                            2u32,
                            "Resume",
                        )
                    }
                    Event::Hold(__event) => {
                        __serde::Serializer::serialize_newtype_variant(
                            __serializer,
                            "Event",
                            3u32,
                            "Hold",
                            __event,
                        )
                    }
                }
            }
        }
        /// The name of an event: of the variant, or as it is stored.
        struct __EventName(EventKind);
        struct __VisitEventName;
        #[automatically_derived]
        impl __serde::de::Visitor<'_> for __VisitEventName {
            type Value = __EventName;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Job`")
            }
            fn visit_u64<__E: __serde::de::Error>(
                self,
                __given: u64,
            ) -> ::core::result::Result<__EventName, __E> {
                let __kind = <usize as ::core::convert::TryFrom<u64>>::try_from(__given)
                    .ok();
                let __kind = __kind
                    .and_then(|__kind| {
                        <[EventKind]>::get(EventKind::ALL, __kind).copied()
                    });
                __kind
                    .map(__EventName)
                    .ok_or_else(|| {
                        __serde::de::Error::invalid_value(
                            __serde::de::Unexpected::Unsigned(__given),
                            &self,
                        )
                    })
            }
            fn visit_str<__E: __serde::de::Error>(
                self,
                __given: &str,
            ) -> ::core::result::Result<__EventName, __E> {
                match __given {
                    "Begin" => ::core::result::Result::Ok(__EventName(EventKind::Begin)),
                    "End" => ::core::result::Result::Ok(__EventName(EventKind::End)),
                    "Resume" => {
                        ::core::result::Result::Ok(__EventName(EventKind::Resume))
                    }
                    "Hold" => ::core::result::Result::Ok(__EventName(EventKind::Hold)),
                    _ => {
                        <EventKind as ::core::str::FromStr>::from_str(__given)
                            .map(__EventName)
                            .map_err(__serde::de::Error::custom)
                    }
                }
            }
        }
        #[automatically_derived]
        impl<'de> __serde::Deserialize<'de> for __EventName {
            fn deserialize<__D: __serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __serde::Deserializer::deserialize_identifier(
                    __deserializer,
                    __VisitEventName,
                )
            }
        }
        struct __VisitEvent(::core::marker::PhantomData<fn() -> Event>);
        #[automatically_derived]
        impl<'de> __serde::de::Visitor<'de> for __VisitEvent {
            type Value = Event;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Job`")
            }
            fn visit_enum<__A: __serde::de::EnumAccess<'de>>(
                self,
                __given: __A,
            ) -> ::core::result::Result<Event, __A::Error> {
                let (__EventName(__kind), __payload) = __serde::de::EnumAccess::variant(
                    __given,
                )?;
                match __kind {
                    EventKind::Begin => {
                        __serde::de::VariantAccess::newtype_variant::<
                            event::Begin,
                        >(__payload)
                            .map(Event::Begin)
                    }
                    EventKind::End => {
                        __serde::de::VariantAccess::unit_variant(__payload)?;
                        ::core::result::Result::Ok(Event::End(event::End))
                    }
                    EventKind::Resume => {
                        __serde::de::VariantAccess::unit_variant(__payload)?;
                        ::core::result::Result::Ok(Event::Resume(event::Resume))
                    }
                    EventKind::Hold => {
                        __serde::de::VariantAccess::newtype_variant::<
                            event::Hold,
                        >(__payload)
                            .map(Event::Hold)
                    }
                }
            }
        }
        #[automatically_derived]
        impl<'de> __serde::Deserialize<'de> for Event {
            fn deserialize<__D: __serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __serde::Deserializer::deserialize_enum(
                    __deserializer,
                    "Event",
                    &["Begin", "End", "Resume", "Hold"],
                    __VisitEvent(::core::marker::PhantomData),
                )
            }
        }
    };
}
