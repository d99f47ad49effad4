//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(
    not(doctest),
    doc = "The state machine `Report`.\n\nA report, from the request to its text.\n"
)]
///
#[cfg_attr(
    doc,
    doc = ::fsm_runtime::core::__private::__diagram!{#[doc = r" A report, from the request to its text."]#[fsm(
        initial = Requested,
        durable,
        version = 2,
        derive(Serialize, Deserialize)
    )]pub
    enum
    Report{#[doc = r" Somebody wants it."]#[on(begin = >Writing)]Requested{title:String},
    #[doc = r" A worker is writing it."]#[state(
        work,
        checkpoint = Page
    )]#[on(
        finish{text:String}= >Written
    )]#[on(
        rename{title:String}= >_
    )]#[after("1h", finish{text:String::new()})]Writing{title:String},
    #[doc = r" It can be read."]#[state(end)]Written{title:String,
    text:String},
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Requested` | `begin` | `Writing` |
| `Writing` | `finish`, also by a timer | `Written` |
| `Writing` | `rename` | stays |
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
pub mod report {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Report;
    #[allow(unused_imports)]
    use ::fsm_runtime::core::__private::{
        variable as after, variable as birth, variable as context, variable as data,
        variable as error, variable as event, variable as f, variable as initial,
        variable as key, variable as kind, variable as lease, variable as machine,
        variable as meta, variable as name, variable as next, variable as other,
        variable as payload, variable as raw, variable as reason, variable as record,
        variable as refused, variable as seal, variable as state, variable as target,
        variable as task, variable as text, variable as title, variable as value,
        variable as workers,
    };
    /// Code of the declaration, and types whose names are taken in this module. Names resolve as they do beside the enum.
    #[allow(
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        type_alias_bounds
    )]
    mod __user_code {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        pub(super) type checkpoint_Writing = Page;
        pub(super) fn timer_Writing_Finish() -> super::Event {
            super::Event::Finish(super::event::Finish {
                text: ::fsm_runtime::core::__private::code!(String::new()),
            })
        }
    }
    #[cfg_attr(not(doctest), doc = r" Somebody wants it.")]
    #[derive(Serialize, Deserialize)]
    pub struct Requested {
        ///The `title` of `Requested`.
        pub title: String,
    }
    #[cfg_attr(not(doctest), doc = r" A worker is writing it.")]
    #[derive(Serialize, Deserialize)]
    pub struct Writing {
        ///The `title` of `Writing`.
        pub title: String,
    }
    #[cfg_attr(not(doctest), doc = r" It can be read.")]
    #[derive(Serialize, Deserialize)]
    pub struct Written {
        ///The `title` of `Written`.
        pub title: String,
        ///The `text` of `Written`.
        pub text: String,
    }
    ///The names of the states of `Report`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        #[cfg_attr(not(doctest), doc = r" Somebody wants it.")]
        Requested,
        #[cfg_attr(not(doctest), doc = r" A worker is writing it.")]
        Writing,
        #[cfg_attr(not(doctest), doc = r" It can be read.")]
        Written,
    }
    impl State {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_runtime::core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Requested => "Requested",
                Self::Writing => "Writing",
                Self::Written => "Written",
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
    impl ::fsm_runtime::core::Name for State {
        const ALL: &'static [Self] = &[Self::Requested, Self::Writing, Self::Written];
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
        type Err = ::fsm_runtime::core::UnknownNameError;
        #[inline]
        fn from_str(
            name: &str,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::UnknownNameError> {
            ::fsm_runtime::core::__private::from_name("state of `Report`", name)
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Requested => &[EventKind::Begin],
                Self::Writing => &[EventKind::Finish, EventKind::Rename],
                Self::Written => &[],
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Report> for Requested {
        #[inline]
        fn into_enum(self) -> Report {
            let Requested { title } = self;
            Report::Requested { title }
        }
        #[inline]
        fn from_enum(machine: Report) -> ::core::result::Result<Self, Report> {
            match machine {
                Report::Requested { title } => {
                    ::core::result::Result::Ok(Requested { title })
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Report> for Requested {
        const STATE: State = State::Requested;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Requested {
        type Machine = Report;
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Report> for Writing {
        #[inline]
        fn into_enum(self) -> Report {
            let Writing { title } = self;
            Report::Writing { title }
        }
        #[inline]
        fn from_enum(machine: Report) -> ::core::result::Result<Self, Report> {
            match machine {
                Report::Writing { title } => {
                    ::core::result::Result::Ok(Writing { title })
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Report> for Writing {
        const STATE: State = State::Writing;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Writing {
        type Machine = Report;
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Report> for Written {
        #[inline]
        fn into_enum(self) -> Report {
            let Written { title, text } = self;
            Report::Written { title, text }
        }
        #[inline]
        fn from_enum(machine: Report) -> ::core::result::Result<Self, Report> {
            match machine {
                Report::Written { title, text } => {
                    ::core::result::Result::Ok(Written { title, text })
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Report> for Written {
        const STATE: State = State::Written;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Written {
        type Machine = Report;
    }
    ///The events of `Report`, with their payloads.
    pub mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`begin`: `Requested` → `Writing`.
        #[derive(Serialize, Deserialize)]
        pub struct Begin;
        ///`finish`: `Writing` → `Written`.
        #[derive(Serialize, Deserialize)]
        pub struct Finish {
            ///The `text` that comes with the event.
            pub text: String,
        }
        ///`rename`: `Writing` → `Writing`.
        #[derive(Serialize, Deserialize)]
        pub struct Rename {
            ///The `title` that comes with the event.
            pub title: String,
        }
    }
    ///Any event of `Report`, with its payload.
    pub enum Event {
        ///`begin`: `Requested` → `Writing`.
        Begin(event::Begin),
        ///`finish`: `Writing` → `Written`.
        Finish(event::Finish),
        ///`rename`: `Writing` → `Writing`.
        Rename(event::Rename),
    }
    impl Event {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub const fn kind(&self) -> EventKind {
            match self {
                Self::Begin(_) => EventKind::Begin,
                Self::Finish(_) => EventKind::Finish,
                Self::Rename(_) => EventKind::Rename,
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
    impl ::core::convert::From<event::Finish> for Event {
        #[inline]
        fn from(event: event::Finish) -> Self {
            Self::Finish(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Rename> for Event {
        #[inline]
        fn from(event: event::Rename) -> Self {
            Self::Rename(event)
        }
    }
    ///The names of the events of `Report`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        ///`begin`: `Requested` → `Writing`.
        Begin,
        ///`finish`: `Writing` → `Written`.
        Finish,
        ///`rename`: `Writing` → `Writing`.
        Rename,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_runtime::core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Begin => "begin",
                Self::Finish => "finish",
                Self::Rename => "rename",
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
    impl ::fsm_runtime::core::Name for EventKind {
        const ALL: &'static [Self] = &[Self::Begin, Self::Finish, Self::Rename];
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
        type Err = ::fsm_runtime::core::UnknownNameError;
        #[inline]
        fn from_str(
            name: &str,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::UnknownNameError> {
            ::fsm_runtime::core::__private::from_name("event of `Report`", name)
        }
    }
    /// Seals the traits of this module.
    mod __seal {
        /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
        #[derive(Clone, Copy, Debug)]
        pub struct __Seal;
    }
    use self::__seal::__Seal;
    ///An initial state of `Report`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Report`",
        label = "expected `report::Requested`",
        note = "the initial state of `Report` is `Requested`; a state is written as its struct in the module `report`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __Initial {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl __Initial for Requested {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///An event that a `Report` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Report` are:\n  Requested --begin---> Writing\n  Writing   --finish--> Written\n  Writing   --rename--> Writing"
    )]
    #[doc(hidden)]
    pub trait __EventOf<
        S,
    >: ::fsm_runtime::__private::serde::Serialize + ::core::marker::Send + ::core::marker::Sized + 'static {
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
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Reason> {
            ::core::result::Result::Ok(())
        }
        #[doc(hidden)]
        type Target: ::fsm_runtime::core::Target<Report>;
        #[doc(hidden)]
        #[allow(clippy::missing_errors_doc)]
        fn transition(
            self,
            state: S,
            seal: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<S, Self>,
        >;
        #[doc(hidden)]
        const EVENT: EventKind;
        /// The record, or the choice of records, after the transition.
        type NextRecord: ::core::marker::Send + 'static;
        #[doc(hidden)]
        fn wrap(
            target: Self::Target,
            meta: ::fsm_runtime::RecordMeta<Report>,
            seal: __Seal,
        ) -> Self::NextRecord;
    }
    #[automatically_derived]
    impl<S, E: __EventOf<S>> ::fsm_runtime::core::Accepts<S, E> for Report {
        type Target = E::Target;
        const EVENT: EventKind = E::EVENT;
        #[inline]
        fn transition(
            state: S,
            event: E,
            _: &mut (),
        ) -> ::core::result::Result<E::Target, ::fsm_runtime::core::GuardError<S, E>> {
            event.transition(state, __Seal)
        }
    }
    /**A `Report` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Report` with `TryFrom`. It derefs to the data of its state.*/
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
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Reason> {
            event.__check(&self.state, __Seal)
        }
    }
    impl<S: ::fsm_runtime::core::StateOf<Report>> Machine<S> {
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
            ::fsm_runtime::core::__private::debug_machine(f, &self.state)
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
    impl<S: ::fsm_runtime::core::StateOf<Report>> ::core::convert::TryFrom<Report>
    for Machine<S> {
        type Error = ::fsm_runtime::core::WrongStateError<Report>;
        fn try_from(
            machine: Report,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::WrongStateError<Report>> {
            match S::from_enum(machine) {
                ::core::result::Result::Ok(state) => {
                    ::core::result::Result::Ok(Machine { state })
                }
                ::core::result::Result::Err(machine) => {
                    ::core::result::Result::Err(
                        ::fsm_runtime::core::WrongStateError::new::<S>(machine, ()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::core::StateOf<Report>> ::core::convert::From<Machine<S>>
    for Report {
        #[inline]
        fn from(machine: Machine<S>) -> Self {
            ::fsm_runtime::core::Target::into_enum(machine.state)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[must_use = "a machine that is dropped is lost"]
    pub enum Any {
        #[cfg_attr(not(doctest), doc = r" Somebody wants it.")]
        Requested(Machine<Requested>),
        #[cfg_attr(not(doctest), doc = r" A worker is writing it.")]
        Writing(Machine<Writing>),
        #[cfg_attr(not(doctest), doc = r" It can be read.")]
        Written(Machine<Written>),
    }
    impl Any {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Requested(_) => State::Requested,
                Self::Writing(_) => State::Writing,
                Self::Written(_) => State::Written,
            }
        }
        /// Explains why it does not compile.
        #[doc(hidden)]
        pub fn fire<E: ::fsm_runtime::core::__private::FireOnAny>(
            self,
            event: E,
        ) -> E::Next {
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
            <Self as ::fsm_runtime::core::AnyMachine>::can(self, __event)
        }
        /// Why its state does not accept the event, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub fn why_not(
            &self,
            __event: EventKind,
        ) -> ::core::option::Option<::fsm_runtime::core::WhyNot> {
            <Self as ::fsm_runtime::core::AnyMachine>::why_not(self, __event)
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
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Refusal<Report>> {
            <Self as ::fsm_runtime::core::AnyMachine>::would_accept(self, __event)
        }
        /// Fires an event when state and event are only known at run time. A `Slot` of `fsm-core` does it in place.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub fn apply(
            self,
            __event: impl ::core::convert::Into<Event>,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::AnyApplyError<Self>> {
            <Self as ::fsm_runtime::core::AnyMachine>::apply(self, __event)
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::AnyMachine for Any {
        type Machine = Report;
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
        fn __join(
            __machine: Report,
            _: ::fsm_runtime::core::__private::Box<()>,
        ) -> Self {
            match __machine {
                Report::Requested { title } => {
                    Self::Requested(Machine {
                        state: Requested { title },
                    })
                }
                Report::Writing { title } => {
                    Self::Writing(Machine {
                        state: Writing { title },
                    })
                }
                Report::Written { title, text } => {
                    Self::Written(Machine {
                        state: Written { title, text },
                    })
                }
            }
        }
        #[inline]
        fn __split(self) -> (Report, ::fsm_runtime::core::__private::Box<()>) {
            match self {
                Self::Requested(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
                Self::Writing(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
                Self::Written(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::core::StateOf<Report>> ::core::convert::From<Machine<S>>
    for Any {
        #[inline]
        fn from(__given: Machine<S>) -> Self {
            <Any as ::fsm_runtime::core::AnyMachine>::__join(
                ::fsm_runtime::core::Target::into_enum(__given.state),
                ::fsm_runtime::core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::core::StateOf<Report>> ::core::convert::TryFrom<Any>
    for Machine<S> {
        type Error = ::fsm_runtime::core::NotInStateError<Any>;
        fn try_from(
            __given: Any,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::NotInStateError<Any>> {
            let (__machine, __context) = <Any as ::fsm_runtime::core::AnyMachine>::__split(
                __given,
            );
            match <S as ::fsm_runtime::core::Target<Report>>::from_enum(__machine) {
                ::core::result::Result::Ok(__state) => {
                    let _ = __context;
                    ::core::result::Result::Ok(Machine { state: __state })
                }
                ::core::result::Result::Err(__machine) => {
                    ::core::result::Result::Err(
                        ::fsm_runtime::core::NotInStateError::new::<
                            S,
                        >(
                            <Any as ::fsm_runtime::core::AnyMachine>::__join(
                                __machine,
                                __context,
                            ),
                        ),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Report> for Any {
        #[inline]
        fn from(__given: Report) -> Self {
            <Any as ::fsm_runtime::core::AnyMachine>::__join(
                __given,
                ::fsm_runtime::core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Any> for Report {
        #[inline]
        fn from(__given: Any) -> Self {
            <Any as ::fsm_runtime::core::AnyMachine>::__split(__given).0
        }
    }
    impl Any {
        /// The timers of its state, from the entry on, for code without the runtime.
        #[must_use]
        pub fn timers(
            &self,
        ) -> ::fsm_runtime::core::__private::Vec<::fsm_runtime::core::Timer<Event>> {
            match self {
                Self::Requested(_) => ::fsm_runtime::core::__private::Vec::new(),
                Self::Writing(_) => {
                    ::core::iter::Iterator::collect(
                        ::core::iter::Iterator::flatten(
                            ::core::iter::IntoIterator::into_iter([
                                ::core::option::Option::map(
                                    ::core::option::Option::Some(
                                        ::core::time::Duration::new(3600u64, 0u32),
                                    ),
                                    |__after| ::fsm_runtime::core::Timer::new(
                                        __user_code::timer_Writing_Finish(),
                                        __after,
                                    ),
                                ),
                            ]),
                        ),
                    )
                }
                Self::Written(_) => ::fsm_runtime::core::__private::Vec::new(),
            }
        }
    }
    impl Machine<Requested> {
        ///`Requested` → `Writing`.
        #[inline]
        pub fn begin(self) -> Machine<Writing> {
            self.fire(event::Begin)
        }
    }
    impl Machine<Writing> {
        ///`Writing` → `Written`.
        #[inline]
        pub fn finish(self, text: String) -> Machine<Written> {
            self.fire(event::Finish { text })
        }
        ///Stays in `Writing`.
        #[inline]
        pub fn rename(self, title: String) -> Machine<Writing> {
            self.fire(event::Rename { title })
        }
    }
    #[automatically_derived]
    impl __EventOf<Requested> for event::Begin {
        type Next = Machine<Writing>;
        #[inline]
        fn __fire(self, machine: Machine<Requested>, _: __Seal) -> Self::Next {
            let Requested { title } = machine.state;
            Machine {
                state: Writing { title },
            }
        }
        type Target = Writing;
        #[inline]
        fn transition(
            self,
            state: Requested,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<Requested, Self>,
        > {
            ::core::result::Result::Ok({
                let Requested { title } = state;
                Writing { title }
            })
        }
        const EVENT: EventKind = EventKind::Begin;
        type NextRecord = Record<Writing>;
        fn wrap(
            target: Writing,
            meta: ::fsm_runtime::RecordMeta<Report>,
            _: __Seal,
        ) -> Record<Writing> {
            Record {
                raw: ::fsm_runtime::RawRecord::__new(target, meta),
            }
        }
    }
    #[automatically_derived]
    impl __EventOf<Writing> for event::Finish {
        type Next = Machine<Written>;
        #[inline]
        fn __fire(self, machine: Machine<Writing>, _: __Seal) -> Self::Next {
            let Writing { title } = machine.state;
            let Self { text } = self;
            Machine {
                state: Written { title, text },
            }
        }
        type Target = Written;
        #[inline]
        fn transition(
            self,
            state: Writing,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<Writing, Self>,
        > {
            ::core::result::Result::Ok({
                let Writing { title } = state;
                let Self { text } = self;
                Written { title, text }
            })
        }
        const EVENT: EventKind = EventKind::Finish;
        type NextRecord = Record<Written>;
        fn wrap(
            target: Written,
            meta: ::fsm_runtime::RecordMeta<Report>,
            _: __Seal,
        ) -> Record<Written> {
            Record {
                raw: ::fsm_runtime::RawRecord::__new(target, meta),
            }
        }
    }
    #[automatically_derived]
    impl __EventOf<Writing> for event::Rename {
        type Next = Machine<Writing>;
        #[inline]
        fn __fire(self, _: Machine<Writing>, _: __Seal) -> Self::Next {
            let Self { title } = self;
            Machine {
                state: Writing { title },
            }
        }
        type Target = Writing;
        #[inline]
        fn transition(
            self,
            state: Writing,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<Writing, Self>,
        > {
            ::core::result::Result::Ok({
                let Self { title } = self;
                Writing { title }
            })
        }
        const EVENT: EventKind = EventKind::Rename;
        type NextRecord = Record<Writing>;
        fn wrap(
            target: Writing,
            meta: ::fsm_runtime::RecordMeta<Report>,
            _: __Seal,
        ) -> Record<Writing> {
            Record {
                raw: ::fsm_runtime::RawRecord::__new(target, meta),
            }
        }
    }
    const __GRAPH: &::fsm_runtime::core::Graph = &::fsm_runtime::core::Graph::new(
            "Report",
        )
        .with_doc("A report, from the request to its text.")
        .with_version(2u32)
        .with_states(
            &[
                ::fsm_runtime::core::StateInfo::new("Requested")
                    .with_doc("Somebody wants it.")
                    .with_initial(true)
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("title", "String")],
                    ),
                ::fsm_runtime::core::StateInfo::new("Writing")
                    .with_doc("A worker is writing it.")
                    .with_kind(::fsm_runtime::core::StateKind::Work)
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("title", "String")],
                    )
                    .with_timers(
                        &[
                            ::fsm_runtime::core::TimerInfo::new(
                                ::core::time::Duration::new(3600u64, 0u32),
                                "finish",
                            ),
                        ],
                    ),
                ::fsm_runtime::core::StateInfo::new("Written")
                    .with_doc("It can be read.")
                    .with_kind(::fsm_runtime::core::StateKind::End)
                    .with_fields(
                        &[
                            ::fsm_runtime::core::FieldInfo::new("title", "String"),
                            ::fsm_runtime::core::FieldInfo::new("text", "String"),
                        ],
                    ),
            ],
        )
        .with_events(
            &[
                ::fsm_runtime::core::EventInfo::new("begin"),
                ::fsm_runtime::core::EventInfo::new("finish")
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("text", "String")],
                    ),
                ::fsm_runtime::core::EventInfo::new("rename")
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("title", "String")],
                    ),
            ],
        )
        .with_transitions(
            &[
                ::fsm_runtime::core::TransitionInfo::new(
                    "Requested",
                    "begin",
                    &["Writing"],
                ),
                ::fsm_runtime::core::TransitionInfo::new(
                    "Writing",
                    "finish",
                    &["Written"],
                ),
                ::fsm_runtime::core::TransitionInfo::new(
                        "Writing",
                        "rename",
                        &["Writing"],
                    )
                    .with_internal(true),
            ],
        );
    impl Report {
        /// The graph of this machine.
        pub const GRAPH: &'static ::fsm_runtime::core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            match self {
                Self::Requested { .. } => State::Requested,
                Self::Writing { .. } => State::Writing,
                Self::Written { .. } => State::Written,
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
            ::fsm_runtime::core::__private::names_contain(Self::accepts(self), event)
        }
        /// Why its state does not accept `event`, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub fn why_not(
            &self,
            event: EventKind,
        ) -> ::core::option::Option<::fsm_runtime::core::WhyNot> {
            ::fsm_runtime::core::WhyNot::of(self, event)
        }
        /// Fires an event when state and event are only known at run time.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub fn apply(
            self,
            event: impl ::core::convert::Into<Event>,
        ) -> ::core::result::Result<Report, ::fsm_runtime::core::ApplyError<Report>> {
            let event = ::core::convert::Into::into(event);
            match (self, event) {
                (Self::Requested { title }, Event::Begin(_)) => {
                    ::core::result::Result::Ok(Self::Writing { title })
                }
                (Self::Writing { title }, Event::Finish(event::Finish { text })) => {
                    ::core::result::Result::Ok(Self::Written { title, text })
                }
                (Self::Writing { .. }, Event::Rename(event::Rename { title })) => {
                    ::core::result::Result::Ok(Self::Writing { title })
                }
                (machine, event) => {
                    ::core::result::Result::Err(::fsm_runtime::core::ApplyError {
                        machine,
                        event,
                        reason: ::core::option::Option::None,
                    })
                }
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateMachine for Report {
        type State = State;
        type EventKind = EventKind;
        type Event = Event;
        type Context = ();
        const GRAPH: &'static ::fsm_runtime::core::Graph = __GRAPH;
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
        ) -> ::core::result::Result<Report, ::fsm_runtime::core::ApplyError<Report>> {
            self.apply(event)
        }
        #[inline]
        fn kind_of(event: &Event) -> EventKind {
            Event::kind(event)
        }
    }
    const _: () = {
        #[automatically_derived]
        impl ::fsm_runtime::__private::serde::Serialize for State {
            fn serialize<__Z: ::fsm_runtime::__private::serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                ::fsm_runtime::__private::serde::Serializer::serialize_str(
                    __serializer,
                    State::as_str(*self),
                )
            }
        }
        struct __VisitState;
        #[automatically_derived]
        impl ::fsm_runtime::__private::serde::de::Visitor<'_> for __VisitState {
            type Value = State;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "a state of `Report`")
            }
            fn visit_str<__E: ::fsm_runtime::__private::serde::de::Error>(
                self,
                __name: &str,
            ) -> ::core::result::Result<State, __E> {
                <State as ::core::str::FromStr>::from_str(__name)
                    .map_err(::fsm_runtime::__private::serde::de::Error::custom)
            }
        }
        #[automatically_derived]
        impl<'de> ::fsm_runtime::__private::serde::Deserialize<'de> for State {
            fn deserialize<__D: ::fsm_runtime::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                ::fsm_runtime::__private::serde::Deserializer::deserialize_str(
                    __deserializer,
                    __VisitState,
                )
            }
        }
        #[automatically_derived]
        impl ::fsm_runtime::__private::serde::Serialize for EventKind {
            fn serialize<__Z: ::fsm_runtime::__private::serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                ::fsm_runtime::__private::serde::Serializer::serialize_str(
                    __serializer,
                    EventKind::as_str(*self),
                )
            }
        }
        struct __VisitEventKind;
        #[automatically_derived]
        impl ::fsm_runtime::__private::serde::de::Visitor<'_> for __VisitEventKind {
            type Value = EventKind;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Report`")
            }
            fn visit_str<__E: ::fsm_runtime::__private::serde::de::Error>(
                self,
                __name: &str,
            ) -> ::core::result::Result<EventKind, __E> {
                <EventKind as ::core::str::FromStr>::from_str(__name)
                    .map_err(::fsm_runtime::__private::serde::de::Error::custom)
            }
        }
        #[automatically_derived]
        impl<'de> ::fsm_runtime::__private::serde::Deserialize<'de> for EventKind {
            fn deserialize<__D: ::fsm_runtime::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                ::fsm_runtime::__private::serde::Deserializer::deserialize_str(
                    __deserializer,
                    __VisitEventKind,
                )
            }
        }
        #[automatically_derived]
        impl ::fsm_runtime::__private::serde::Serialize for Event {
            fn serialize<__Z: ::fsm_runtime::__private::serde::Serializer>(
                &self,
                __serializer: __Z,
            ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
                match self {
                    Event::Begin(_) => {
                        ::fsm_runtime::__private::serde::Serializer::serialize_unit_variant(
                            __serializer,
                            "Event",
                            0u32,
                            "Begin",
                        )
                    }
                    Event::Finish(__event) => {
                        ::fsm_runtime::__private::serde::Serializer::serialize_newtype_variant(
                            __serializer,
                            "Event",
                            1u32,
                            "Finish",
                            __event,
                        )
                    }
                    Event::Rename(__event) => {
                        ::fsm_runtime::__private::serde::Serializer::serialize_newtype_variant(
                            __serializer,
                            "Event",
                            2u32,
                            "Rename",
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
        impl ::fsm_runtime::__private::serde::de::Visitor<'_> for __VisitEventName {
            type Value = __EventName;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Report`")
            }
            fn visit_u64<__E: ::fsm_runtime::__private::serde::de::Error>(
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
                        ::fsm_runtime::__private::serde::de::Error::invalid_value(
                            ::fsm_runtime::__private::serde::de::Unexpected::Unsigned(
                                __given,
                            ),
                            &self,
                        )
                    })
            }
            fn visit_str<__E: ::fsm_runtime::__private::serde::de::Error>(
                self,
                __given: &str,
            ) -> ::core::result::Result<__EventName, __E> {
                match __given {
                    "Begin" => ::core::result::Result::Ok(__EventName(EventKind::Begin)),
                    "Finish" => {
                        ::core::result::Result::Ok(__EventName(EventKind::Finish))
                    }
                    "Rename" => {
                        ::core::result::Result::Ok(__EventName(EventKind::Rename))
                    }
                    _ => {
                        <EventKind as ::core::str::FromStr>::from_str(__given)
                            .map(__EventName)
                            .map_err(::fsm_runtime::__private::serde::de::Error::custom)
                    }
                }
            }
        }
        #[automatically_derived]
        impl<'de> ::fsm_runtime::__private::serde::Deserialize<'de> for __EventName {
            fn deserialize<__D: ::fsm_runtime::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                ::fsm_runtime::__private::serde::Deserializer::deserialize_identifier(
                    __deserializer,
                    __VisitEventName,
                )
            }
        }
        struct __VisitEvent(::core::marker::PhantomData<fn() -> Event>);
        #[automatically_derived]
        impl<'de> ::fsm_runtime::__private::serde::de::Visitor<'de> for __VisitEvent {
            type Value = Event;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(f, "an event of `Report`")
            }
            fn visit_enum<__A: ::fsm_runtime::__private::serde::de::EnumAccess<'de>>(
                self,
                __given: __A,
            ) -> ::core::result::Result<Event, __A::Error> {
                let (__EventName(__kind), __payload) = ::fsm_runtime::__private::serde::de::EnumAccess::variant(
                    __given,
                )?;
                match __kind {
                    EventKind::Begin => {
                        ::fsm_runtime::__private::serde::de::VariantAccess::unit_variant(
                            __payload,
                        )?;
                        ::core::result::Result::Ok(Event::Begin(event::Begin))
                    }
                    EventKind::Finish => {
                        ::fsm_runtime::__private::serde::de::VariantAccess::newtype_variant::<
                            event::Finish,
                        >(__payload)
                            .map(Event::Finish)
                    }
                    EventKind::Rename => {
                        ::fsm_runtime::__private::serde::de::VariantAccess::newtype_variant::<
                            event::Rename,
                        >(__payload)
                            .map(Event::Rename)
                    }
                }
            }
        }
        #[automatically_derived]
        impl<'de> ::fsm_runtime::__private::serde::Deserialize<'de> for Event {
            fn deserialize<__D: ::fsm_runtime::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                ::fsm_runtime::__private::serde::Deserializer::deserialize_enum(
                    __deserializer,
                    "Event",
                    &["Begin", "Finish", "Rename"],
                    __VisitEvent(::core::marker::PhantomData),
                )
            }
        }
    };
    ///From what a `Report` is created.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Report`",
        label = "expected `report::Requested`",
        note = "the initial state of `Report` is `Requested`; a state is written as its struct in the module `report`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __CreateFrom {
        #[doc(hidden)]
        type Initial: ::fsm_runtime::DurableState<Machine = Report>;
        #[doc(hidden)]
        fn __parts(self, seal: __Seal) -> (Self::Initial, ());
    }
    #[automatically_derived]
    impl __CreateFrom for Requested {
        type Initial = Requested;
        fn __parts(self, _: __Seal) -> (Requested, ()) {
            (self, ())
        }
    }
    #[automatically_derived]
    impl<S: __CreateFrom> ::fsm_runtime::CreateFrom<S> for Report {
        type Initial = S::Initial;
        fn parts(__initial: S, _: ::fsm_runtime::__private::Seal) -> (S::Initial, ()) {
            __initial.__parts(__Seal)
        }
    }
    /**A stored `Report` whose state `S` is known at compile time.

Each transition is one compare-and-swap from the version that was read. Through `Deref` it has the methods of [`RawRecord`](fsm_runtime::RawRecord), as `id()` and `version()`, and the fields of its state.*/
    pub struct Record<S: ::fsm_runtime::DurableState<Machine = Report>> {
        raw: ::fsm_runtime::RawRecord<S>,
    }
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> Record<S> {
        /// Takes the data of its state out of the record.
        #[must_use]
        pub fn into_data(self) -> S {
            self.raw.into_data()
        }
        /// Makes the next transition idempotent: repeated with the same key, it returns the first result. With `None`, the
        /// transition has no key.
        #[must_use]
        pub fn with_key(self, key: impl ::fsm_runtime::IntoIdempotencyKey) -> Self {
            Self {
                raw: self.raw.with_key(key),
            }
        }
        /// Fires an event that its state declares: nothing is stored until it is awaited.
        pub fn fire<E: __EventOf<S>>(
            self,
            event: E,
        ) -> ::fsm_runtime::PendingTransition<E::NextRecord, Report> {
            self.raw
                .__commit::<
                    E,
                    _,
                >(
                    event,
                    |machine, meta| {
                        ::core::option::Option::Some(
                            E::wrap(
                                ::fsm_runtime::core::Target::from_enum(machine).ok()?,
                                meta,
                                __Seal,
                            ),
                        )
                    },
                )
        }
        /// Asks the guard of an event that its state declares, with the data that was read and without a transition.
        ///
        /// # Errors
        /// The guard's reason.
        pub fn would_accept<E: __EventOf<S>>(
            &self,
            event: &E,
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Reason> {
            self.raw.__scope(|| event.__check(&self.raw, __Seal))
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> ::core::ops::Deref
    for Record<S> {
        type Target = ::fsm_runtime::RawRecord<S>;
        fn deref(&self) -> &::fsm_runtime::RawRecord<S> {
            &self.raw
        }
    }
    /// Prints everything but the data of the state.
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> ::core::fmt::Debug
    for Record<S> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Record")
                .field("id", &self.raw.id())
                .field("version", &self.raw.version())
                .field("state", &self.raw.state())
                .finish_non_exhaustive()
        }
    }
    impl Record<Requested> {
        ///`Requested` → `Writing`.
        pub fn begin(self) -> ::fsm_runtime::PendingTransition<Record<Writing>, Report> {
            self.fire(event::Begin)
        }
    }
    impl Record<Writing> {
        ///`Writing` → `Written`.
        pub fn finish(
            self,
            text: String,
        ) -> ::fsm_runtime::PendingTransition<Record<Written>, Report> {
            self.fire(event::Finish { text })
        }
        ///Stays in `Writing`.
        pub fn rename(
            self,
            title: String,
        ) -> ::fsm_runtime::PendingTransition<Record<Writing>, Report> {
            self.fire(event::Rename { title })
        }
    }
    /// A [`Record`] in any state, to match on after it was read. `Debug` prints everything but the data.
    #[derive(Debug)]
    pub enum AnyRecord {
        #[cfg_attr(not(doctest), doc = r" Somebody wants it.")]
        Requested(Record<Requested>),
        #[cfg_attr(not(doctest), doc = r" A worker is writing it.")]
        Writing(Record<Writing>),
        #[cfg_attr(not(doctest), doc = r" It can be read.")]
        Written(Record<Written>),
    }
    impl AnyRecord {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Requested(_) => State::Requested,
                Self::Writing(_) => State::Writing,
                Self::Written(_) => State::Written,
            }
        }
        ///The events that its state declares. A guard can still refuse one.
        #[must_use]
        pub const fn accepts(&self) -> &'static [EventKind] {
            self.state().accepts()
        }
        /// Explains why it does not compile.
        #[doc(hidden)]
        pub fn fire<E: ::fsm_runtime::__private::FireOnAnyRecord>(
            self,
            event: E,
        ) -> E::Next {
            event.__next()
        }
    }
    impl AnyRecord {
        /// The id of the instance.
        #[must_use]
        pub fn id(&self) -> &str {
            <Self as ::fsm_runtime::AnyRecord<Report>>::id(self)
        }
        /// The version of the instance, which changes with each transition and only then.
        #[must_use]
        pub fn version(&self) -> u64 {
            <Self as ::fsm_runtime::AnyRecord<Report>>::version(self)
        }
        /// When the instance was created; `None` for a record of a past change.
        #[must_use]
        pub fn created(&self) -> ::core::option::Option<::std::time::SystemTime> {
            <Self as ::fsm_runtime::AnyRecord<Report>>::created(self)
        }
        /// When the instance entered its state.
        #[must_use]
        pub fn entered(&self) -> ::std::time::SystemTime {
            <Self as ::fsm_runtime::AnyRecord<Report>>::entered(self)
        }
        /// Whether its state declares the event for callers.
        #[must_use]
        pub fn can(&self, __event: EventKind) -> bool {
            <Self as ::fsm_runtime::AnyRecord<Report>>::can(self, __event)
        }
        /// Why its state does not accept the event from callers, and which events lead to one that does; `None` if the state declares
        /// it for callers.
        #[must_use]
        pub fn why_not(
            &self,
            __event: EventKind,
        ) -> ::core::option::Option<::fsm_runtime::core::WhyNot> {
            <Self as ::fsm_runtime::AnyRecord<Report>>::why_not(self, __event)
        }
        /// Whether the event would be accepted: its state declares it, and the guard accepts it. Nothing is changed or stored.
        ///
        /// # Errors
        /// If the state does not declare the event, it is `by = worker`, or a guard refuses it.
        pub fn would_accept(
            &self,
            __event: &Event,
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Refusal<Report>> {
            <Self as ::fsm_runtime::AnyRecord<Report>>::would_accept(self, __event)
        }
        /// The enum's value and the context, without the record; `()` if there is no context.
        #[must_use]
        pub fn into_parts(self) -> (Report, ()) {
            <Self as ::fsm_runtime::AnyRecord<Report>>::into_parts(self)
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::AnyRecord<Report> for AnyRecord {
        fn meta(&self) -> &::fsm_runtime::RecordMeta<Report> {
            match self {
                Self::Requested(__record) => {
                    ::fsm_runtime::RawRecord::meta(&__record.raw)
                }
                Self::Writing(__record) => ::fsm_runtime::RawRecord::meta(&__record.raw),
                Self::Written(__record) => ::fsm_runtime::RawRecord::meta(&__record.raw),
            }
        }
        fn state(&self) -> State {
            Self::state(self)
        }
        fn accepts(&self) -> &'static [EventKind] {
            Self::accepts(self)
        }
        fn into_parts(self) -> (Report, ()) {
            let (__machine, __meta) = <Report as ::fsm_runtime::Durable>::unwrap_any(
                self,
            );
            (__machine, ::fsm_runtime::RecordMeta::__into_context(__meta))
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Report>,
    > ::core::convert::From<Record<S>> for AnyRecord {
        fn from(__record: Record<S>) -> Self {
            let (__state, __meta) = __record.raw.__into_parts();
            <Report as ::fsm_runtime::Durable>::wrap_any(
                ::fsm_runtime::core::Target::into_enum(__state),
                __meta,
            )
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Report>,
    > ::core::convert::From<Record<S>> for Report {
        fn from(__record: Record<S>) -> Self {
            ::fsm_runtime::core::Target::into_enum(__record.raw.into_data())
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<AnyRecord> for Report {
        fn from(__record: AnyRecord) -> Self {
            <Report as ::fsm_runtime::Durable>::unwrap_any(__record).0
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Report>
            + ::fsm_runtime::__private::serde::Serialize,
    > ::fsm_runtime::__private::serde::Serialize for Record<S> {
        fn serialize<__Z: ::fsm_runtime::__private::serde::Serializer>(
            &self,
            __serializer: __Z,
        ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
            ::fsm_runtime::RawRecord::__serialize(&self.raw, __serializer)
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::__private::serde::Serialize for AnyRecord {
        fn serialize<__Z: ::fsm_runtime::__private::serde::Serializer>(
            &self,
            __serializer: __Z,
        ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
            match self {
                Self::Requested(__record) => {
                    ::fsm_runtime::__private::serde::Serialize::serialize(
                        __record,
                        __serializer,
                    )
                }
                Self::Writing(__record) => {
                    ::fsm_runtime::__private::serde::Serialize::serialize(
                        __record,
                        __serializer,
                    )
                }
                Self::Written(__record) => {
                    ::fsm_runtime::__private::serde::Serialize::serialize(
                        __record,
                        __serializer,
                    )
                }
            }
        }
    }
    impl Event {
        /// An event from its name and its payload as JSON, as a client sends them. An empty payload, `null` and `{}` are the same
        /// for an event without fields.
        ///
        /// # Errors
        /// If there is no event of this name, or the payload does not fit it.
        pub fn from_parts(
            __name: impl ::core::convert::AsRef<str>,
            __payload: &str,
        ) -> ::core::result::Result<Self, ::fsm_runtime::EventError> {
            <Report as ::fsm_runtime::StoredMachine>::event_from_parts(
                ::core::convert::AsRef::<str>::as_ref(&__name),
                __payload,
            )
        }
    }
    /**One piece of work on a `Report` in state `S`.

A worker ends with one of the events that its state declares, with [`requeue_after`](Self::requeue_after), or with an error. Through `Deref` it has the methods of [`RawTask`](fsm_runtime::RawTask), as `key()` and `cancelled()`, and the fields of its state.*/
    #[must_use = "a worker ends with one of its task's methods"]
    pub struct Task<S: ::fsm_runtime::DurableState<Machine = Report>> {
        raw: ::fsm_runtime::RawTask<S>,
    }
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> Task<S> {
        /// Keeps the state and runs the worker again after `after`. This does not count as a failed attempt.
        ///
        /// # Errors
        /// Never; the return type is that of a worker.
        pub fn requeue_after(
            self,
            after: ::core::time::Duration,
        ) -> ::fsm_runtime::Outcome<S> {
            self.raw.requeue_after(after)
        }
        /// Ends the work with an event that its state declares.
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
        pub fn fire<E: __EventOf<S>>(self, event: E) -> ::fsm_runtime::Outcome<S> {
            self.raw.fire(event)
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> ::core::ops::Deref
    for Task<S> {
        type Target = ::fsm_runtime::RawTask<S>;
        fn deref(&self) -> &::fsm_runtime::RawTask<S> {
            &self.raw
        }
    }
    /// Prints everything but the data of the state.
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> ::core::fmt::Debug
    for Task<S> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Task")
                .field("id", &self.raw.id())
                .field("version", &self.raw.version())
                .field("state", &self.raw.state())
                .field("attempt", &self.raw.attempt())
                .finish_non_exhaustive()
        }
    }
    /// For `refresh`, which reads the data that internal transitions have changed.
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Report>> ::core::ops::DerefMut
    for Task<S> {
        fn deref_mut(&mut self) -> &mut ::fsm_runtime::RawTask<S> {
            &mut self.raw
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::WorkState for Writing {}
    impl Task<Writing> {
        ///`Writing` → `Written`.
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
        pub fn finish(self, text: String) -> ::fsm_runtime::Outcome<Writing> {
            self.fire(event::Finish { text })
        }
        ///Stays in `Writing`.
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
        pub fn rename(self, title: String) -> ::fsm_runtime::Outcome<Writing> {
            self.fire(event::Rename { title })
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::Checkpointed for Writing {
        type Checkpoint = __user_code::checkpoint_Writing;
    }
    ///The async work of `Report`: one method per `work` state.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` does not implement the workers of `Report`",
        label = "missing `impl report::Workers`",
        note = "the `work` states are `Writing`: write `impl report::Workers for …` with\n  async fn writing(&self, task: report::Task<report::Writing>) -> Outcome<report::Writing>"
    )]
    pub trait Workers: ::core::marker::Send + ::core::marker::Sync + 'static {
        #[cfg_attr(not(doctest), doc = r" A worker is writing it.")]
        fn writing(
            &self,
            task: Task<Writing>,
        ) -> impl ::core::future::Future<
            Output = ::fsm_runtime::Outcome<Writing>,
        > + ::core::marker::Send;
    }
    #[automatically_derived]
    impl<W: Workers> ::fsm_runtime::WorkedBy<W> for Report {
        async fn work(
            self,
            workers: &W,
            lease: ::fsm_runtime::WorkClaim<Self>,
        ) -> ::core::result::Result<
            ::fsm_runtime::Finished<Self>,
            ::fsm_runtime::WorkError,
        > {
            match self {
                Self::Writing { title } => {
                    let task = Task {
                        raw: ::fsm_runtime::RawTask::__new(Writing { title }, lease),
                    };
                    workers.writing(task).await.map(::fsm_runtime::Done::into_finished)
                }
                other => {
                    ::core::result::Result::Err(
                        ::fsm_runtime::WorkError::permanent(
                            ::std::format!("`{}` is not a work state", other.state()),
                        ),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::Durable for Report {
        type Record<S: ::fsm_runtime::DurableState<Machine = Self>> = Record<S>;
        type AnyRecord = AnyRecord;
        fn wrap<S: ::fsm_runtime::DurableState<Machine = Self>>(
            raw: ::fsm_runtime::RawRecord<S>,
        ) -> Record<S> {
            Record { raw }
        }
        fn wrap_any(self, meta: ::fsm_runtime::RecordMeta<Self>) -> AnyRecord {
            match self {
                Self::Requested { title } => {
                    AnyRecord::Requested(Record {
                        raw: ::fsm_runtime::RawRecord::__new(Requested { title }, meta),
                    })
                }
                Self::Writing { title } => {
                    AnyRecord::Writing(Record {
                        raw: ::fsm_runtime::RawRecord::__new(Writing { title }, meta),
                    })
                }
                Self::Written { title, text } => {
                    AnyRecord::Written(Record {
                        raw: ::fsm_runtime::RawRecord::__new(
                            Written { title, text },
                            meta,
                        ),
                    })
                }
            }
        }
        fn unwrap_any(record: AnyRecord) -> (Self, ::fsm_runtime::RecordMeta<Self>) {
            match record {
                AnyRecord::Requested(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
                AnyRecord::Writing(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
                AnyRecord::Written(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::StoredMachine for Report {
        type Value = Report;
        fn split(value: Report) -> (Self, ()) {
            (value, ())
        }
        fn encode(
            self,
        ) -> ::core::result::Result<
            (Self, ::std::string::String),
            ::fsm_runtime::CodecError,
        > {
            match self {
                Self::Requested { title } => {
                    let state = Requested { title };
                    let data = ::fsm_runtime::codec::to_json(&state)?;
                    ::core::result::Result::Ok((
                        ::fsm_runtime::core::Target::into_enum(state),
                        data,
                    ))
                }
                Self::Writing { title } => {
                    let state = Writing { title };
                    let data = ::fsm_runtime::codec::to_json(&state)?;
                    ::core::result::Result::Ok((
                        ::fsm_runtime::core::Target::into_enum(state),
                        data,
                    ))
                }
                Self::Written { title, text } => {
                    let state = Written { title, text };
                    let data = ::fsm_runtime::codec::to_json(&state)?;
                    ::core::result::Result::Ok((
                        ::fsm_runtime::core::Target::into_enum(state),
                        data,
                    ))
                }
            }
        }
        fn decode(
            state: State,
            data: &str,
        ) -> ::core::result::Result<Self, ::fsm_runtime::CodecError> {
            match state {
                State::Requested => {
                    ::fsm_runtime::codec::from_json::<Requested>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
                State::Writing => {
                    ::fsm_runtime::codec::from_json::<Writing>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
                State::Written => {
                    ::fsm_runtime::codec::from_json::<Written>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
            }
        }
        fn encode_event(
            event: &Event,
        ) -> ::core::result::Result<::std::string::String, ::fsm_runtime::CodecError> {
            match event {
                Event::Begin(event) => ::fsm_runtime::codec::to_json(event),
                Event::Finish(event) => ::fsm_runtime::codec::to_json(event),
                Event::Rename(event) => ::fsm_runtime::codec::to_json(event),
            }
        }
        fn decode_event(
            kind: EventKind,
            payload: &str,
        ) -> ::core::result::Result<Event, ::fsm_runtime::CodecError> {
            match kind {
                EventKind::Begin => {
                    ::fsm_runtime::codec::from_json(payload).map(Event::Begin)
                }
                EventKind::Finish => {
                    ::fsm_runtime::codec::from_json(payload).map(Event::Finish)
                }
                EventKind::Rename => {
                    ::fsm_runtime::codec::from_json(payload).map(Event::Rename)
                }
            }
        }
        fn serialize_context<__Z: ::fsm_runtime::__private::serde::Serializer>(
            (): &(),
            __serializer: __Z,
        ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
            ::fsm_runtime::__private::serde::Serializer::serialize_unit(__serializer)
        }
        fn decode_context(
            _: &str,
        ) -> ::core::result::Result<(), ::fsm_runtime::CodecError> {
            ::core::result::Result::Ok(())
        }
        fn timer_event(state: State, kind: EventKind) -> ::core::option::Option<Event> {
            match (state, kind) {
                (State::Writing, EventKind::Finish) => {
                    ::core::option::Option::Some(__user_code::timer_Writing_Finish())
                }
                _ => ::core::option::Option::None,
            }
        }
    }
    #[automatically_derived]
    impl<E: ::core::convert::Into<Event>> ::fsm_runtime::CallerEvent<E> for Report {
        fn into_event(__event: E, _: ::fsm_runtime::__private::Seal) -> Event {
            ::core::convert::Into::into(__event)
        }
    }
}
