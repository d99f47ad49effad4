//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(not(doctest), doc = "The state machine `Switch`.\n\nA light switch.\n")]
///
#[cfg_attr(
    doc,
    doc = ::fsm_core::__private::__diagram!{#[doc = r" A light switch."]#[fsm(
        initial = Off
    )]pub
    enum
    Switch{#[doc = r" Dark."]#[on(flip = >On)]Off,
    #[doc = r" Lit."]#[on(flip = >Off)]On,
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Off` | `flip` | `On` |
| `On` | `flip` | `Off` |
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
pub mod switch {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Switch;
    #[allow(unused_imports)]
    use ::fsm_core::__private::{
        variable as after, variable as birth, variable as context, variable as data,
        variable as error, variable as event, variable as f, variable as initial,
        variable as key, variable as kind, variable as lease, variable as machine,
        variable as meta, variable as name, variable as next, variable as other,
        variable as payload, variable as raw, variable as reason, variable as record,
        variable as refused, variable as seal, variable as state, variable as target,
        variable as task, variable as value, variable as workers,
    };
    #[cfg_attr(not(doctest), doc = r" Dark.")]
    pub struct Off;
    #[cfg_attr(not(doctest), doc = r" Lit.")]
    pub struct On;
    ///The names of the states of `Switch`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        #[cfg_attr(not(doctest), doc = r" Dark.")]
        Off,
        #[cfg_attr(not(doctest), doc = r" Lit.")]
        On,
    }
    impl State {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Off => "Off",
                Self::On => "On",
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
        const ALL: &'static [Self] = &[Self::Off, Self::On];
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
            ::fsm_core::__private::from_name("state of `Switch`", name)
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Off => &[EventKind::Flip],
                Self::On => &[EventKind::Flip],
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Switch> for Off {
        #[inline]
        fn into_enum(self) -> Switch {
            let Off = self;
            Switch::Off
        }
        #[inline]
        fn from_enum(machine: Switch) -> ::core::result::Result<Self, Switch> {
            match machine {
                Switch::Off => ::core::result::Result::Ok(Off),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Switch> for Off {
        const STATE: State = State::Off;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Switch> for On {
        #[inline]
        fn into_enum(self) -> Switch {
            let On = self;
            Switch::On
        }
        #[inline]
        fn from_enum(machine: Switch) -> ::core::result::Result<Self, Switch> {
            match machine {
                Switch::On => ::core::result::Result::Ok(On),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Switch> for On {
        const STATE: State = State::On;
    }
    ///The events of `Switch`, with their payloads.
    pub mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`flip`: `Off` → `On`; `On` → `Off`.
        pub struct Flip;
    }
    ///Any event of `Switch`, with its payload.
    pub enum Event {
        ///`flip`: `Off` → `On`; `On` → `Off`.
        Flip(event::Flip),
    }
    impl Event {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub const fn kind(&self) -> EventKind {
            match self {
                Self::Flip(_) => EventKind::Flip,
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Flip> for Event {
        #[inline]
        fn from(event: event::Flip) -> Self {
            Self::Flip(event)
        }
    }
    ///The names of the events of `Switch`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        ///`flip`: `Off` → `On`; `On` → `Off`.
        Flip,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Flip => "flip",
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
        const ALL: &'static [Self] = &[Self::Flip];
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
            ::fsm_core::__private::from_name("event of `Switch`", name)
        }
    }
    /// Seals the traits of this module.
    mod __seal {
        /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
        #[derive(Clone, Copy, Debug)]
        pub struct __Seal;
    }
    use self::__seal::__Seal;
    ///An initial state of `Switch`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Switch`",
        label = "expected `switch::Off`",
        note = "the initial state of `Switch` is `Off`; a state is written as its struct in the module `switch`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __Initial {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl __Initial for Off {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///An event that a `Switch` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Switch` are:\n  Off --flip--> On\n  On  --flip--> Off"
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
    /**A `Switch` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Switch` with `TryFrom`. It derefs to the data of its state.*/
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
    impl<S: ::fsm_core::StateOf<Switch>> Machine<S> {
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
    impl<S: ::fsm_core::StateOf<Switch>> ::core::convert::TryFrom<Switch>
    for Machine<S> {
        type Error = ::fsm_core::WrongStateError<Switch>;
        fn try_from(
            machine: Switch,
        ) -> ::core::result::Result<Self, ::fsm_core::WrongStateError<Switch>> {
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
    impl<S: ::fsm_core::StateOf<Switch>> ::core::convert::From<Machine<S>> for Switch {
        #[inline]
        fn from(machine: Machine<S>) -> Self {
            ::fsm_core::Target::into_enum(machine.state)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[must_use = "a machine that is dropped is lost"]
    pub enum Any {
        #[cfg_attr(not(doctest), doc = r" Dark.")]
        Off(Machine<Off>),
        #[cfg_attr(not(doctest), doc = r" Lit.")]
        On(Machine<On>),
    }
    impl Any {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Off(_) => State::Off,
                Self::On(_) => State::On,
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
        ) -> ::core::result::Result<(), ::fsm_core::Refusal<Switch>> {
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
        type Machine = Switch;
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
        fn __join(__machine: Switch, _: ::fsm_core::__private::Box<()>) -> Self {
            match __machine {
                Switch::Off => Self::Off(Machine { state: Off }),
                Switch::On => Self::On(Machine { state: On }),
            }
        }
        #[inline]
        fn __split(self) -> (Switch, ::fsm_core::__private::Box<()>) {
            match self {
                Self::Off(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::On(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Switch>> ::core::convert::From<Machine<S>> for Any {
        #[inline]
        fn from(__given: Machine<S>) -> Self {
            <Any as ::fsm_core::AnyMachine>::__join(
                ::fsm_core::Target::into_enum(__given.state),
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Switch>> ::core::convert::TryFrom<Any> for Machine<S> {
        type Error = ::fsm_core::NotInStateError<Any>;
        fn try_from(
            __given: Any,
        ) -> ::core::result::Result<Self, ::fsm_core::NotInStateError<Any>> {
            let (__machine, __context) = <Any as ::fsm_core::AnyMachine>::__split(
                __given,
            );
            match <S as ::fsm_core::Target<Switch>>::from_enum(__machine) {
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
    impl ::core::convert::From<Switch> for Any {
        #[inline]
        fn from(__given: Switch) -> Self {
            <Any as ::fsm_core::AnyMachine>::__join(
                __given,
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Any> for Switch {
        #[inline]
        fn from(__given: Any) -> Self {
            <Any as ::fsm_core::AnyMachine>::__split(__given).0
        }
    }
    impl Machine<Off> {
        ///`Off` → `On`.
        #[inline]
        pub fn flip(self) -> Machine<On> {
            self.fire(event::Flip)
        }
    }
    impl Machine<On> {
        ///`On` → `Off`.
        #[inline]
        pub fn flip(self) -> Machine<Off> {
            self.fire(event::Flip)
        }
    }
    #[automatically_derived]
    impl __EventOf<Off> for event::Flip {
        type Next = Machine<On>;
        #[inline]
        fn __fire(self, _: Machine<Off>, _: __Seal) -> Self::Next {
            Machine { state: On }
        }
    }
    #[automatically_derived]
    impl __EventOf<On> for event::Flip {
        type Next = Machine<Off>;
        #[inline]
        fn __fire(self, _: Machine<On>, _: __Seal) -> Self::Next {
            Machine { state: Off }
        }
    }
    const __GRAPH: &::fsm_core::Graph = &::fsm_core::Graph::new("Switch")
        .with_doc("A light switch.")
        .with_states(
            &[
                ::fsm_core::StateInfo::new("Off").with_doc("Dark.").with_initial(true),
                ::fsm_core::StateInfo::new("On").with_doc("Lit."),
            ],
        )
        .with_events(&[::fsm_core::EventInfo::new("flip")])
        .with_transitions(
            &[
                ::fsm_core::TransitionInfo::new("Off", "flip", &["On"]),
                ::fsm_core::TransitionInfo::new("On", "flip", &["Off"]),
            ],
        );
    impl Switch {
        /// The graph of this machine.
        pub const GRAPH: &'static ::fsm_core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            match self {
                Self::Off => State::Off,
                Self::On => State::On,
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
        ) -> ::core::result::Result<Switch, ::fsm_core::ApplyError<Switch>> {
            let event = ::core::convert::Into::into(event);
            let ::core::option::Option::Some(next) = __NEXT[State::index(
                Self::state(&self),
            )][EventKind::index(Event::kind(&event))] else {
                return ::core::result::Result::Err(::fsm_core::ApplyError {
                    machine: self,
                    event: event,
                    reason: ::core::option::Option::None,
                });
            };
            ::core::result::Result::Ok(
                match next {
                    State::Off => Self::Off,
                    State::On => Self::On,
                },
            )
        }
    }
    /// The state that follows each state on each event.
    static __NEXT: [[::core::option::Option<State>; 1usize]; 2usize] = {
        let mut next = [[::core::option::Option::None; 1usize]; 2usize];
        next[State::index(State::Off)][EventKind::index(EventKind::Flip)] = ::core::option::Option::Some(
            State::On,
        );
        next[State::index(State::On)][EventKind::index(EventKind::Flip)] = ::core::option::Option::Some(
            State::Off,
        );
        next
    };
    #[automatically_derived]
    impl ::fsm_core::StateMachine for Switch {
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
        ) -> ::core::result::Result<Switch, ::fsm_core::ApplyError<Switch>> {
            self.apply(event)
        }
        #[inline]
        fn kind_of(event: &Event) -> EventKind {
            Event::kind(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<State> for Switch {
        fn from(state: State) -> Self {
            match state {
                State::Off => Self::Off,
                State::On => Self::On,
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<EventKind> for Event {
        fn from(kind: EventKind) -> Self {
            match kind {
                EventKind::Flip => Self::Flip(event::Flip),
            }
        }
    }
}
