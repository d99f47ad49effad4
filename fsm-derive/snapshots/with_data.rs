//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(
    not(doctest),
    doc = "The state machine `Text`.\n\nA text on its way to the reader.\n"
)]
///
#[cfg_attr(
    doc,
    doc = ::fsm_core::__private::__diagram!{#[doc = r" A text on its way to the reader."]#[fsm(
        initial = Draft,
        derive(Clone, Debug),
        group(Open, on(withdraw = >Withdrawn))
    )]pub(crate)enum
    Text<'a,
    T:Clone>{#[doc = r" Being written."]#[on(
        submit{by:&'a
        str}= >Review,
        guard = has_title
    )]#[state(in = Open)]Draft{title:T},
    #[doc = r" Being read."]#[on(
        decide{score:u8}= >Published|Draft,
        with = decide
    )]#[after("14d", withdraw)]#[state(in = Open)]Review{title:T,
    by:&'a
    str},
    #[doc = r" Out."]#[state(end)]Published(T),
    #[state(end, name = "WITHDRAWN")]Withdrawn,
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Draft` | `submit`, guarded | `Review` |
| `Review` | `decide` | `Published` or `Draft` |
| `Draft` | `withdraw` | `WITHDRAWN` |
| `Review` | `withdraw`, also by a timer | `WITHDRAWN` |
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
pub(crate) mod text {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Text;
    #[allow(unused_imports)]
    use ::fsm_core::__private::{
        variable as after, variable as birth, variable as by, variable as context,
        variable as data, variable as error, variable as event, variable as f,
        variable as field_0, variable as initial, variable as key, variable as kind,
        variable as lease, variable as machine, variable as meta, variable as name,
        variable as next, variable as other, variable as payload, variable as raw,
        variable as reason, variable as record, variable as refused, variable as score,
        variable as seal, variable as state, variable as target, variable as task,
        variable as title, variable as value, variable as workers,
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
        pub(super) fn guard_Draft_Submit<'a, T: Clone>(
            __state: &super::Draft<T>,
            __event: &super::event::Submit<'a>,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            let __guard: fn(
                &super::Draft<T>,
                &super::event::Submit<'a>,
            ) -> ::core::result::Result<(), _> = has_title;
            if let ::core::result::Result::Err(__reason) = __guard(__state, __event) {
                #[allow(unused_imports)]
                use ::fsm_core::__private::{ByError as _, ByText as _};
                return ::core::result::Result::Err(
                    (&&::fsm_core::__private::OfReason::of(&__reason))
                        .__kind()
                        .reason(__reason),
                );
            }
            ::core::result::Result::Ok(())
        }
        pub(super) fn with_Review_Decide<'a, T: Clone>(
            __state: super::Review<'a, T>,
            __event: super::event::Decide,
        ) -> super::choice::ReviewDecide<super::Published<T>, super::Draft<T>> {
            let __with: fn(
                super::Review<'a, T>,
                super::event::Decide,
            ) -> super::choice::ReviewDecide<super::Published<T>, super::Draft<T>> = decide;
            __with(__state, __event)
        }
        pub(super) fn timer_Review_Withdraw<'a>() -> super::Event<'a> {
            super::Event::Withdraw(super::event::Withdraw)
        }
    }
    #[cfg_attr(not(doctest), doc = r" Being written.")]
    #[derive(Clone, Debug)]
    pub(crate) struct Draft<T: Clone> {
        ///The `title` of `Draft`.
        pub(crate) title: T,
    }
    #[cfg_attr(not(doctest), doc = r" Being read.")]
    #[derive(Clone, Debug)]
    pub(crate) struct Review<'a, T: Clone> {
        ///The `title` of `Review`.
        pub(crate) title: T,
        ///The `by` of `Review`.
        pub(crate) by: &'a str,
    }
    #[cfg_attr(not(doctest), doc = r" Out.")]
    #[derive(Clone, Debug)]
    pub(crate) struct Published<T: Clone>(
        ///The `0` of `Published`.
        pub(crate) T,
    );
    ///State `Withdrawn`.
    #[derive(Clone, Debug)]
    pub(crate) struct Withdrawn;
    ///The names of the states of `Text`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum State {
        #[cfg_attr(not(doctest), doc = r" Being written.")]
        Draft,
        #[cfg_attr(not(doctest), doc = r" Being read.")]
        Review,
        #[cfg_attr(not(doctest), doc = r" Out.")]
        Published,
        ///`WITHDRAWN`
        Withdrawn,
    }
    impl State {
        /// All names, in declaration order.
        pub(crate) const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub(crate) const fn as_str(self) -> &'static str {
            match self {
                Self::Draft => "Draft",
                Self::Review => "Review",
                Self::Published => "Published",
                Self::Withdrawn => "WITHDRAWN",
            }
        }
        /// Its place in [`ALL`](Self::ALL).
        #[must_use]
        #[inline]
        pub(crate) const fn index(self) -> usize {
            self as usize
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Name for State {
        const ALL: &'static [Self] = &[
            Self::Draft,
            Self::Review,
            Self::Published,
            Self::Withdrawn,
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
            ::fsm_core::__private::from_name("state of `Text`", name)
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub(crate) const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Draft => &[EventKind::Submit, EventKind::Withdraw],
                Self::Review => &[EventKind::Decide, EventKind::Withdraw],
                Self::Published => &[],
                Self::Withdrawn => &[],
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::Target<Text<'a, T>> for Draft<T> {
        #[inline]
        fn into_enum(self) -> Text<'a, T> {
            let Draft { title } = self;
            Text::Draft { title }
        }
        #[inline]
        fn from_enum(machine: Text<'a, T>) -> ::core::result::Result<Self, Text<'a, T>> {
            match machine {
                Text::Draft { title } => ::core::result::Result::Ok(Draft { title }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::StateOf<Text<'a, T>> for Draft<T> {
        const STATE: State = State::Draft;
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::Target<Text<'a, T>> for Review<'a, T> {
        #[inline]
        fn into_enum(self) -> Text<'a, T> {
            let Review { title, by } = self;
            Text::Review { title, by }
        }
        #[inline]
        fn from_enum(machine: Text<'a, T>) -> ::core::result::Result<Self, Text<'a, T>> {
            match machine {
                Text::Review { title, by } => {
                    ::core::result::Result::Ok(Review { title, by })
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::StateOf<Text<'a, T>> for Review<'a, T> {
        const STATE: State = State::Review;
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::Target<Text<'a, T>> for Published<T> {
        #[inline]
        fn into_enum(self) -> Text<'a, T> {
            let Published(field_0) = self;
            Text::Published(field_0)
        }
        #[inline]
        fn from_enum(machine: Text<'a, T>) -> ::core::result::Result<Self, Text<'a, T>> {
            match machine {
                Text::Published(field_0) => {
                    ::core::result::Result::Ok(Published(field_0))
                }
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::StateOf<Text<'a, T>> for Published<T> {
        const STATE: State = State::Published;
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::Target<Text<'a, T>> for Withdrawn {
        #[inline]
        fn into_enum(self) -> Text<'a, T> {
            let Withdrawn = self;
            Text::Withdrawn
        }
        #[inline]
        fn from_enum(machine: Text<'a, T>) -> ::core::result::Result<Self, Text<'a, T>> {
            match machine {
                Text::Withdrawn => ::core::result::Result::Ok(Withdrawn),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::StateOf<Text<'a, T>> for Withdrawn {
        const STATE: State = State::Withdrawn;
    }
    ///The events of `Text`, with their payloads.
    pub(crate) mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`submit`: `Draft` → `Review`.
        #[derive(Clone, Debug)]
        pub(crate) struct Submit<'a> {
            ///The `by` that comes with the event.
            pub(crate) by: &'a str,
        }
        ///`decide`: `Review` → `Published` or `Draft`.
        #[derive(Clone, Debug)]
        pub(crate) struct Decide {
            ///The `score` that comes with the event.
            pub(crate) score: u8,
        }
        ///`withdraw`: `Draft`, `Review` → `WITHDRAWN`.
        #[derive(Clone, Debug)]
        pub(crate) struct Withdraw;
    }
    ///Any event of `Text`, with its payload.
    #[derive(Clone, Debug)]
    pub(crate) enum Event<'a> {
        ///`submit`: `Draft` → `Review`.
        Submit(event::Submit<'a>),
        ///`decide`: `Review` → `Published` or `Draft`.
        Decide(event::Decide),
        ///`withdraw`: `Draft`, `Review` → `WITHDRAWN`.
        Withdraw(event::Withdraw),
    }
    impl<'a> Event<'a> {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub(crate) const fn kind(&self) -> EventKind {
            match self {
                Self::Submit(_) => EventKind::Submit,
                Self::Decide(_) => EventKind::Decide,
                Self::Withdraw(_) => EventKind::Withdraw,
            }
        }
    }
    #[automatically_derived]
    impl<'a> ::core::convert::From<event::Submit<'a>> for Event<'a> {
        #[inline]
        fn from(event: event::Submit<'a>) -> Self {
            Self::Submit(event)
        }
    }
    #[automatically_derived]
    impl<'a> ::core::convert::From<event::Decide> for Event<'a> {
        #[inline]
        fn from(event: event::Decide) -> Self {
            Self::Decide(event)
        }
    }
    #[automatically_derived]
    impl<'a> ::core::convert::From<event::Withdraw> for Event<'a> {
        #[inline]
        fn from(event: event::Withdraw) -> Self {
            Self::Withdraw(event)
        }
    }
    ///The names of the events of `Text`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum EventKind {
        ///`submit`: `Draft` → `Review`.
        Submit,
        ///`decide`: `Review` → `Published` or `Draft`.
        Decide,
        ///`withdraw`: `Draft`, `Review` → `WITHDRAWN`.
        Withdraw,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub(crate) const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub(crate) const fn as_str(self) -> &'static str {
            match self {
                Self::Submit => "submit",
                Self::Decide => "decide",
                Self::Withdraw => "withdraw",
            }
        }
        /// Its place in [`ALL`](Self::ALL).
        #[must_use]
        #[inline]
        pub(crate) const fn index(self) -> usize {
            self as usize
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Name for EventKind {
        const ALL: &'static [Self] = &[Self::Submit, Self::Decide, Self::Withdraw];
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
            ::fsm_core::__private::from_name("event of `Text`", name)
        }
    }
    /// The targets of each branching transition: states, which `with` returns, or machines, or records.
    pub(crate) mod choice {
        ///`decide`: `Review` → `Published` or `Draft`.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum ReviewDecide<A, B> {
            #[cfg_attr(not(doctest), doc = r" Out.")]
            Published(A),
            #[cfg_attr(not(doctest), doc = r" Being written.")]
            Draft(B),
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::Target<Text<'a, T>>
    for choice::ReviewDecide<Published<T>, Draft<T>> {
        fn into_enum(self) -> Text<'a, T> {
            match self {
                Self::Published(state) => ::fsm_core::Target::into_enum(state),
                Self::Draft(state) => ::fsm_core::Target::into_enum(state),
            }
        }
        fn from_enum(machine: Text<'a, T>) -> ::core::result::Result<Self, Text<'a, T>> {
            match machine {
                Text::Published(field_0) => {
                    ::core::result::Result::Ok(Self::Published(Published(field_0)))
                }
                Text::Draft { title } => {
                    ::core::result::Result::Ok(Self::Draft(Draft { title }))
                }
                other => ::core::result::Result::Err(other),
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
    ///An initial state of `Text`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Text`",
        label = "expected `text::Draft`",
        note = "the initial state of `Text` is `Draft`; a state is written as its struct in the module `text`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub(crate) trait __Initial<'a, T: Clone> {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl<'a, T: Clone> __Initial<'a, T> for Draft<T> {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///An event that a `Text` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Text` are:\n  Draft  --submit----> Review\n  Review --decide----> Published | Draft\n  Draft  --withdraw--> WITHDRAWN\n  Review --withdraw--> WITHDRAWN"
    )]
    #[doc(hidden)]
    pub(crate) trait __EventOf<'a, S, T: Clone>: ::core::marker::Sized {
        /// What [`Machine::fire`] returns.
        type Next;
        #[doc(hidden)]
        fn __fire(self, machine: Machine<'a, S, T>, seal: __Seal) -> Self::Next;
        #[doc(hidden)]
        #[allow(clippy::missing_errors_doc)]
        fn __check(
            &self,
            _: &S,
            _: __Seal,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            ::core::result::Result::Ok(())
        }
        #[doc(hidden)]
        type Target: ::fsm_core::Target<Text<'a, T>>;
        #[doc(hidden)]
        #[allow(clippy::missing_errors_doc)]
        fn transition(
            self,
            state: S,
            seal: __Seal,
        ) -> ::core::result::Result<Self::Target, ::fsm_core::GuardError<S, Self>>;
    }
    /**A `Text` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Text` with `TryFrom`. It derefs to the data of its state.*/
    #[must_use = "a machine that is dropped is lost"]
    pub(crate) struct Machine<'a, S, T: Clone> {
        state: S,
        of: ::core::marker::PhantomData<fn() -> Text<'a, T>>,
    }
    impl<'a, S, T: Clone> Machine<'a, S, T> {
        /// Creates a machine in an initial state.
        #[inline]
        pub(crate) const fn new(state: S) -> Self
        where
            S: __Initial<'a, T>,
        {
            Machine {
                state,
                of: ::core::marker::PhantomData,
            }
        }
        /// The data of its state.
        #[must_use]
        #[inline]
        pub(crate) const fn data(&self) -> &S {
            &self.state
        }
        /// Takes the data of its state out of the machine.
        #[must_use]
        #[inline]
        pub(crate) fn into_data(self) -> S {
            self.state
        }
        /// Fires an event that its state declares.
        #[inline]
        pub(crate) fn fire<E: __EventOf<'a, S, T>>(self, event: E) -> E::Next {
            event.__fire(self, __Seal)
        }
        /// Asks the guard of an event that its state declares, without a transition.
        ///
        /// # Errors
        /// The guard's reason.
        pub(crate) fn would_accept<E: __EventOf<'a, S, T>>(
            &self,
            event: &E,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            event.__check(&self.state, __Seal)
        }
    }
    impl<'a, S: ::fsm_core::StateOf<Text<'a, T>>, T: Clone> Machine<'a, S, T> {
        /// The name of its state.
        #[must_use]
        #[inline]
        pub(crate) const fn state(&self) -> State {
            S::STATE
        }
    }
    #[automatically_derived]
    impl<'a, S, T: Clone> ::core::ops::Deref for Machine<'a, S, T> {
        type Target = S;
        #[inline]
        fn deref(&self) -> &S {
            &self.state
        }
    }
    #[automatically_derived]
    impl<'a, S: ::core::fmt::Debug, T: Clone> ::core::fmt::Debug for Machine<'a, S, T> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::fsm_core::__private::debug_machine(f, &self.state)
        }
    }
    #[automatically_derived]
    impl<'a, S: ::core::clone::Clone, T: Clone> ::core::clone::Clone
    for Machine<'a, S, T> {
        #[inline]
        fn clone(&self) -> Self {
            Machine {
                state: ::core::clone::Clone::clone(&self.state),
                of: ::core::marker::PhantomData,
            }
        }
    }
    #[automatically_derived]
    impl<'a, S: ::core::cmp::PartialEq, T: Clone> ::core::cmp::PartialEq
    for Machine<'a, S, T> {
        #[inline]
        fn eq(&self, other: &Self) -> bool {
            self.state == other.state
        }
    }
    #[automatically_derived]
    impl<
        'a,
        S: ::fsm_core::StateOf<Text<'a, T>>,
        T: Clone,
    > ::core::convert::TryFrom<Text<'a, T>> for Machine<'a, S, T> {
        type Error = ::fsm_core::WrongStateError<Text<'a, T>>;
        fn try_from(
            machine: Text<'a, T>,
        ) -> ::core::result::Result<Self, ::fsm_core::WrongStateError<Text<'a, T>>> {
            match S::from_enum(machine) {
                ::core::result::Result::Ok(state) => {
                    ::core::result::Result::Ok(Machine {
                        state,
                        of: ::core::marker::PhantomData,
                    })
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
    impl<
        'a,
        S: ::fsm_core::StateOf<Text<'a, T>>,
        T: Clone,
    > ::core::convert::From<Machine<'a, S, T>> for Text<'a, T> {
        #[inline]
        fn from(machine: Machine<'a, S, T>) -> Self {
            ::fsm_core::Target::into_enum(machine.state)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[derive(Clone, Debug)]
    #[must_use = "a machine that is dropped is lost"]
    pub(crate) enum Any<'a, T: Clone> {
        #[cfg_attr(not(doctest), doc = r" Being written.")]
        Draft(Machine<'a, Draft<T>, T>),
        #[cfg_attr(not(doctest), doc = r" Being read.")]
        Review(Machine<'a, Review<'a, T>, T>),
        #[cfg_attr(not(doctest), doc = r" Out.")]
        Published(Machine<'a, Published<T>, T>),
        ///In state `Withdrawn`.
        Withdrawn(Machine<'a, Withdrawn, T>),
    }
    impl<'a, T: Clone> Any<'a, T> {
        /// The name of its state.
        #[must_use]
        pub(crate) const fn state(&self) -> State {
            match self {
                Self::Draft(_) => State::Draft,
                Self::Review(_) => State::Review,
                Self::Published(_) => State::Published,
                Self::Withdrawn(_) => State::Withdrawn,
            }
        }
        /// Explains why it does not compile.
        #[doc(hidden)]
        pub(crate) fn fire<E: ::fsm_core::__private::FireOnAny>(
            self,
            event: E,
        ) -> E::Next {
            event.__next()
        }
    }
    impl<'a, T: Clone> Any<'a, T> {
        /// The events that its state declares. A guard can still refuse one.
        #[must_use]
        pub(crate) const fn accepts(&self) -> &'static [EventKind] {
            self.state().accepts()
        }
        /// Whether its state declares the event.
        #[must_use]
        #[inline]
        pub(crate) fn can(&self, __event: EventKind) -> bool {
            <Self as ::fsm_core::AnyMachine>::can(self, __event)
        }
        /// Why its state does not accept the event, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub(crate) fn why_not(
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
        pub(crate) fn would_accept(
            &self,
            __event: &Event<'a>,
        ) -> ::core::result::Result<(), ::fsm_core::Refusal<Text<'a, T>>> {
            <Self as ::fsm_core::AnyMachine>::would_accept(self, __event)
        }
        /// Fires an event when state and event are only known at run time. A `Slot` of `fsm-core` does it in place.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub(crate) fn apply(
            self,
            __event: impl ::core::convert::Into<Event<'a>>,
        ) -> ::core::result::Result<Self, ::fsm_core::AnyApplyError<Self>> {
            <Self as ::fsm_core::AnyMachine>::apply(self, __event)
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::AnyMachine for Any<'a, T> {
        type Machine = Text<'a, T>;
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
        fn __guard(
            &self,
            __event: &Event<'a>,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            match (self, __event) {
                (Self::Draft(__machine), Event::Submit(__event)) => {
                    __user_code::guard_Draft_Submit(&__machine.state, __event)
                }
                _ => ::core::result::Result::Ok(()),
            }
        }
        #[inline]
        fn __join(__machine: Text<'a, T>, _: ::fsm_core::__private::Box<()>) -> Self {
            match __machine {
                Text::Draft { title } => {
                    Self::Draft(Machine {
                        state: Draft { title },
                        of: ::core::marker::PhantomData,
                    })
                }
                Text::Review { title, by } => {
                    Self::Review(Machine {
                        state: Review { title, by },
                        of: ::core::marker::PhantomData,
                    })
                }
                Text::Published(field_0) => {
                    Self::Published(Machine {
                        state: Published(field_0),
                        of: ::core::marker::PhantomData,
                    })
                }
                Text::Withdrawn => {
                    Self::Withdrawn(Machine {
                        state: Withdrawn,
                        of: ::core::marker::PhantomData,
                    })
                }
            }
        }
        #[inline]
        fn __split(self) -> (Text<'a, T>, ::fsm_core::__private::Box<()>) {
            match self {
                Self::Draft(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Review(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Published(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
                Self::Withdrawn(__machine) => {
                    (
                        ::fsm_core::Target::into_enum(__machine.state),
                        ::fsm_core::__private::Box::new(()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<
        'a,
        S: ::fsm_core::StateOf<Text<'a, T>>,
        T: Clone,
    > ::core::convert::From<Machine<'a, S, T>> for Any<'a, T> {
        #[inline]
        fn from(__given: Machine<'a, S, T>) -> Self {
            <Any<
                'a,
                T,
            > as ::fsm_core::AnyMachine>::__join(
                ::fsm_core::Target::into_enum(__given.state),
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl<
        'a,
        S: ::fsm_core::StateOf<Text<'a, T>>,
        T: Clone,
    > ::core::convert::TryFrom<Any<'a, T>> for Machine<'a, S, T> {
        type Error = ::fsm_core::NotInStateError<Any<'a, T>>;
        fn try_from(
            __given: Any<'a, T>,
        ) -> ::core::result::Result<Self, ::fsm_core::NotInStateError<Any<'a, T>>> {
            let (__machine, __context) = <Any<
                'a,
                T,
            > as ::fsm_core::AnyMachine>::__split(__given);
            match <S as ::fsm_core::Target<Text<'a, T>>>::from_enum(__machine) {
                ::core::result::Result::Ok(__state) => {
                    let _ = __context;
                    ::core::result::Result::Ok(Machine {
                        state: __state,
                        of: ::core::marker::PhantomData,
                    })
                }
                ::core::result::Result::Err(__machine) => {
                    ::core::result::Result::Err(
                        ::fsm_core::NotInStateError::new::<
                            S,
                        >(
                            <Any<
                                'a,
                                T,
                            > as ::fsm_core::AnyMachine>::__join(__machine, __context),
                        ),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::core::convert::From<Text<'a, T>> for Any<'a, T> {
        #[inline]
        fn from(__given: Text<'a, T>) -> Self {
            <Any<
                'a,
                T,
            > as ::fsm_core::AnyMachine>::__join(
                __given,
                ::fsm_core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::core::convert::From<Any<'a, T>> for Text<'a, T> {
        #[inline]
        fn from(__given: Any<'a, T>) -> Self {
            <Any<'a, T> as ::fsm_core::AnyMachine>::__split(__given).0
        }
    }
    #[automatically_derived]
    impl<
        'a,
        T: Clone,
    > ::core::convert::From<
        choice::ReviewDecide<Machine<'a, Published<T>, T>, Machine<'a, Draft<T>, T>>,
    > for Any<'a, T> {
        #[inline]
        fn from(
            __given: choice::ReviewDecide<
                Machine<'a, Published<T>, T>,
                Machine<'a, Draft<T>, T>,
            >,
        ) -> Self {
            match __given {
                choice::ReviewDecide::Published(__machine) => Self::Published(__machine),
                choice::ReviewDecide::Draft(__machine) => Self::Draft(__machine),
            }
        }
    }
    #[automatically_derived]
    impl<
        'a,
        T: Clone,
    > ::core::convert::From<
        choice::ReviewDecide<Machine<'a, Published<T>, T>, Machine<'a, Draft<T>, T>>,
    > for Text<'a, T> {
        #[inline]
        fn from(
            __given: choice::ReviewDecide<
                Machine<'a, Published<T>, T>,
                Machine<'a, Draft<T>, T>,
            >,
        ) -> Self {
            <Self as ::core::convert::From<
                Any<'a, T>,
            >>::from(
                <Any<
                    'a,
                    T,
                > as ::core::convert::From<
                    choice::ReviewDecide<
                        Machine<'a, Published<T>, T>,
                        Machine<'a, Draft<T>, T>,
                    >,
                >>::from(__given),
            )
        }
    }
    impl<'a, T: Clone> Any<'a, T> {
        /// The timers of its state, from the entry on, for code without the runtime.
        #[must_use]
        pub(crate) fn timers(
            &self,
        ) -> ::fsm_core::__private::Vec<::fsm_core::Timer<Event<'a>>> {
            match self {
                Self::Draft(_) => ::fsm_core::__private::Vec::new(),
                Self::Review(_) => {
                    ::core::iter::Iterator::collect(
                        ::core::iter::Iterator::flatten(
                            ::core::iter::IntoIterator::into_iter([
                                ::core::option::Option::map(
                                    ::core::option::Option::Some(
                                        ::core::time::Duration::new(1209600u64, 0u32),
                                    ),
                                    |__after| ::fsm_core::Timer::new(
                                        __user_code::timer_Review_Withdraw(),
                                        __after,
                                    ),
                                ),
                            ]),
                        ),
                    )
                }
                Self::Published(_) => ::fsm_core::__private::Vec::new(),
                Self::Withdrawn(_) => ::fsm_core::__private::Vec::new(),
            }
        }
    }
    impl<'a, T: Clone> Machine<'a, Draft<T>, T> {
        ///`Draft` → `Review`.
        ///
        /// # Errors
        /// If the guard refuses. Machine and event are in the error.
        #[inline]
        pub(crate) fn submit(
            self,
            by: &'a str,
        ) -> ::core::result::Result<
            Machine<'a, Review<'a, T>, T>,
            ::fsm_core::GuardError<Self, event::Submit<'a>>,
        > {
            self.fire(event::Submit { by })
        }
        ///`Draft` → `WITHDRAWN`.
        #[inline]
        pub(crate) fn withdraw(self) -> Machine<'a, Withdrawn, T> {
            self.fire(event::Withdraw)
        }
    }
    impl<'a, T: Clone> Machine<'a, Review<'a, T>, T> {
        ///`Review` → `Published` or `Draft`.
        #[must_use]
        #[inline]
        pub(crate) fn decide(
            self,
            score: u8,
        ) -> choice::ReviewDecide<
            Machine<'a, Published<T>, T>,
            Machine<'a, Draft<T>, T>,
        > {
            self.fire(event::Decide { score })
        }
        ///`Review` → `WITHDRAWN`.
        #[inline]
        pub(crate) fn withdraw(self) -> Machine<'a, Withdrawn, T> {
            self.fire(event::Withdraw)
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> __EventOf<'a, Draft<T>, T> for event::Submit<'a> {
        fn __check(
            &self,
            state: &Draft<T>,
            _: __Seal,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            __user_code::guard_Draft_Submit(state, self)
        }
        type Next = ::core::result::Result<
            Machine<'a, Review<'a, T>, T>,
            ::fsm_core::GuardError<Machine<'a, Draft<T>, T>, event::Submit<'a>>,
        >;
        #[inline]
        fn __fire(self, machine: Machine<'a, Draft<T>, T>, seal: __Seal) -> Self::Next {
            match <Self as __EventOf<
                'a,
                Draft<T>,
                T,
            >>::transition(self, machine.state, seal) {
                ::core::result::Result::Ok(target) => {
                    ::core::result::Result::Ok(Machine {
                        state: target,
                        of: ::core::marker::PhantomData,
                    })
                }
                ::core::result::Result::Err(refused) => {
                    ::core::result::Result::Err(
                        refused
                            .map(|state| Machine {
                                state,
                                of: ::core::marker::PhantomData,
                            }),
                    )
                }
            }
        }
        type Target = Review<'a, T>;
        #[inline]
        fn transition(
            self,
            state: Draft<T>,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_core::GuardError<Draft<T>, Self>,
        > {
            match __user_code::guard_Draft_Submit(&state, &self) {
                ::core::result::Result::Ok(()) => {
                    ::core::result::Result::Ok({
                        let Draft { title } = state;
                        let Self { by } = self;
                        Review { title, by }
                    })
                }
                ::core::result::Result::Err(reason) => {
                    ::core::result::Result::Err(::fsm_core::GuardError {
                        machine: state,
                        event: self,
                        reason,
                    })
                }
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> __EventOf<'a, Review<'a, T>, T> for event::Decide {
        type Next = choice::ReviewDecide<
            Machine<'a, Published<T>, T>,
            Machine<'a, Draft<T>, T>,
        >;
        #[inline]
        fn __fire(
            self,
            machine: Machine<'a, Review<'a, T>, T>,
            _: __Seal,
        ) -> Self::Next {
            match __user_code::with_Review_Decide(machine.state, self) {
                choice::ReviewDecide::Published(state) => {
                    choice::ReviewDecide::Published(Machine {
                        state,
                        of: ::core::marker::PhantomData,
                    })
                }
                choice::ReviewDecide::Draft(state) => {
                    choice::ReviewDecide::Draft(Machine {
                        state,
                        of: ::core::marker::PhantomData,
                    })
                }
            }
        }
        type Target = choice::ReviewDecide<Published<T>, Draft<T>>;
        #[inline]
        fn transition(
            self,
            state: Review<'a, T>,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_core::GuardError<Review<'a, T>, Self>,
        > {
            ::core::result::Result::Ok(__user_code::with_Review_Decide(state, self))
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> __EventOf<'a, Draft<T>, T> for event::Withdraw {
        type Next = Machine<'a, Withdrawn, T>;
        #[inline]
        fn __fire(self, _: Machine<'a, Draft<T>, T>, _: __Seal) -> Self::Next {
            Machine {
                state: Withdrawn,
                of: ::core::marker::PhantomData,
            }
        }
        type Target = Withdrawn;
        #[inline]
        fn transition(
            self,
            state: Draft<T>,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_core::GuardError<Draft<T>, Self>,
        > {
            ::core::result::Result::Ok(Withdrawn)
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> __EventOf<'a, Review<'a, T>, T> for event::Withdraw {
        type Next = Machine<'a, Withdrawn, T>;
        #[inline]
        fn __fire(self, _: Machine<'a, Review<'a, T>, T>, _: __Seal) -> Self::Next {
            Machine {
                state: Withdrawn,
                of: ::core::marker::PhantomData,
            }
        }
        type Target = Withdrawn;
        #[inline]
        fn transition(
            self,
            state: Review<'a, T>,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_core::GuardError<Review<'a, T>, Self>,
        > {
            ::core::result::Result::Ok(Withdrawn)
        }
    }
    const __GRAPH: &::fsm_core::Graph = &::fsm_core::Graph::new("Text")
        .with_doc("A text on its way to the reader.")
        .with_states(
            &[
                ::fsm_core::StateInfo::new("Draft")
                    .with_doc("Being written.")
                    .with_initial(true)
                    .with_group("Open")
                    .with_fields(&[::fsm_core::FieldInfo::new("title", "T")]),
                ::fsm_core::StateInfo::new("Review")
                    .with_doc("Being read.")
                    .with_group("Open")
                    .with_fields(
                        &[
                            ::fsm_core::FieldInfo::new("title", "T"),
                            ::fsm_core::FieldInfo::new("by", "&'a str"),
                        ],
                    )
                    .with_timers(
                        &[
                            ::fsm_core::TimerInfo::new(
                                ::core::time::Duration::new(1209600u64, 0u32),
                                "withdraw",
                            ),
                        ],
                    ),
                ::fsm_core::StateInfo::new("Published")
                    .with_doc("Out.")
                    .with_kind(::fsm_core::StateKind::End)
                    .with_fields(&[::fsm_core::FieldInfo::new("0", "T")]),
                ::fsm_core::StateInfo::new("WITHDRAWN")
                    .with_kind(::fsm_core::StateKind::End),
            ],
        )
        .with_events(
            &[
                ::fsm_core::EventInfo::new("submit")
                    .with_fields(&[::fsm_core::FieldInfo::new("by", "&'a str")]),
                ::fsm_core::EventInfo::new("decide")
                    .with_fields(&[::fsm_core::FieldInfo::new("score", "u8")]),
                ::fsm_core::EventInfo::new("withdraw"),
            ],
        )
        .with_transitions(
            &[
                ::fsm_core::TransitionInfo::new("Draft", "submit", &["Review"])
                    .with_guarded(true),
                ::fsm_core::TransitionInfo::new(
                    "Review",
                    "decide",
                    &["Published", "Draft"],
                ),
                ::fsm_core::TransitionInfo::new("Draft", "withdraw", &["WITHDRAWN"]),
                ::fsm_core::TransitionInfo::new("Review", "withdraw", &["WITHDRAWN"]),
            ],
        )
        .with_groups(&[::fsm_core::GroupInfo::new("Open")]);
    impl<'a, T: Clone> Text<'a, T> {
        /// The graph of this machine.
        pub(crate) const GRAPH: &'static ::fsm_core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub(crate) const fn state(&self) -> State {
            match self {
                Self::Draft { .. } => State::Draft,
                Self::Review { .. } => State::Review,
                Self::Published(..) => State::Published,
                Self::Withdrawn => State::Withdrawn,
            }
        }
        /// The events that its state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub(crate) const fn accepts(&self) -> &'static [EventKind] {
            State::accepts(Self::state(self))
        }
        /// Whether its state declares `event`.
        #[must_use]
        #[inline]
        pub(crate) fn can(&self, event: EventKind) -> bool {
            ::fsm_core::__private::names_contain(Self::accepts(self), event)
        }
        /// Why its state does not accept `event`, and which events lead to one that does; `None` if the state declares it.
        #[must_use]
        #[inline]
        pub(crate) fn why_not(
            &self,
            event: EventKind,
        ) -> ::core::option::Option<::fsm_core::WhyNot> {
            ::fsm_core::WhyNot::of(self, event)
        }
        /// Fires an event when state and event are only known at run time.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub(crate) fn apply(
            self,
            event: impl ::core::convert::Into<Event<'a>>,
        ) -> ::core::result::Result<Text<'a, T>, ::fsm_core::ApplyError<Text<'a, T>>> {
            let event = ::core::convert::Into::into(event);
            match (self, event) {
                (Self::Draft { title }, Event::Submit(event)) => {
                    __step(Draft { title }, event)
                }
                (Self::Review { title, by }, Event::Decide(event)) => {
                    __step(Review { title, by }, event)
                }
                (Self::Draft { .. }, Event::Withdraw(_)) => {
                    ::core::result::Result::Ok(Self::Withdrawn)
                }
                (Self::Review { .. }, Event::Withdraw(_)) => {
                    ::core::result::Result::Ok(Self::Withdrawn)
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
    /// A transition with a guard or a `with`, from state and event to the next state.
    fn __step<
        'a,
        S: ::fsm_core::StateOf<Text<'a, T>>,
        E: __EventOf<'a, S, T> + ::core::convert::Into<Event<'a>>,
        T: Clone,
    >(
        state: S,
        event: E,
    ) -> ::core::result::Result<Text<'a, T>, ::fsm_core::ApplyError<Text<'a, T>>> {
        match event.transition(state, __Seal) {
            ::core::result::Result::Ok(target) => {
                ::core::result::Result::Ok(::fsm_core::Target::into_enum(target))
            }
            ::core::result::Result::Err(
                ::fsm_core::GuardError { machine, event, reason },
            ) => {
                ::core::result::Result::Err(::fsm_core::ApplyError {
                    machine: ::fsm_core::Target::into_enum(machine),
                    event: ::core::convert::Into::into(event),
                    reason: ::core::option::Option::Some(reason),
                })
            }
        }
    }
    #[automatically_derived]
    impl<'a, T: Clone> ::fsm_core::StateMachine for Text<'a, T> {
        type State = State;
        type EventKind = EventKind;
        type Event = Event<'a>;
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
            event: Event<'a>,
            _: &mut (),
        ) -> ::core::result::Result<Text<'a, T>, ::fsm_core::ApplyError<Text<'a, T>>> {
            self.apply(event)
        }
        #[inline]
        fn kind_of(event: &Event<'a>) -> EventKind {
            Event::kind(event)
        }
    }
}
