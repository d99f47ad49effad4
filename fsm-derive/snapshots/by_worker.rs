//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(
    not(doctest),
    doc = "The state machine `Payment`.\n\nA payment, whose outcome only its worker reports.\n"
)]
///
#[cfg_attr(
    doc,
    doc = ::fsm_runtime::core::__private::__diagram!{#[doc = r" A payment, whose outcome only its worker reports."]#[fsm(
        initial = Charging,
        durable,
        derive(Serialize, Deserialize)
    )]pub
    enum
    Payment{#[state(
        work
    )]#[on(paid{receipt:String}= >Paid, by = worker)]#[on(cancel = >Cancelled)]Charging,
    #[state(end)]Paid{receipt:String},
    #[state(end)]Cancelled,
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Charging` | `paid`, by worker only | `Paid` |
| `Charging` | `cancel` | `Cancelled` |
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
pub mod payment {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Payment;
    #[allow(unused_imports)]
    use ::fsm_runtime::core::__private::{
        variable as after, variable as birth, variable as context, variable as data,
        variable as error, variable as event, variable as f, variable as initial,
        variable as key, variable as kind, variable as lease, variable as machine,
        variable as meta, variable as name, variable as next, variable as other,
        variable as payload, variable as raw, variable as reason, variable as receipt,
        variable as record, variable as refused, variable as seal, variable as state,
        variable as target, variable as task, variable as value, variable as workers,
    };
    ///State `Charging`.
    #[derive(Serialize, Deserialize)]
    pub struct Charging;
    ///State `Paid`.
    #[derive(Serialize, Deserialize)]
    pub struct Paid {
        ///The `receipt` of `Paid`.
        pub receipt: String,
    }
    ///State `Cancelled`.
    #[derive(Serialize, Deserialize)]
    pub struct Cancelled;
    ///The names of the states of `Payment`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        ///`Charging`
        Charging,
        ///`Paid`
        Paid,
        ///`Cancelled`
        Cancelled,
    }
    impl State {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_runtime::core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Charging => "Charging",
                Self::Paid => "Paid",
                Self::Cancelled => "Cancelled",
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
        const ALL: &'static [Self] = &[Self::Charging, Self::Paid, Self::Cancelled];
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
            ::fsm_runtime::core::__private::from_name("state of `Payment`", name)
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Charging => &[EventKind::Paid, EventKind::Cancel],
                Self::Paid => &[],
                Self::Cancelled => &[],
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Payment> for Charging {
        #[inline]
        fn into_enum(self) -> Payment {
            let Charging = self;
            Payment::Charging
        }
        #[inline]
        fn from_enum(machine: Payment) -> ::core::result::Result<Self, Payment> {
            match machine {
                Payment::Charging => ::core::result::Result::Ok(Charging),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Payment> for Charging {
        const STATE: State = State::Charging;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Charging {
        type Machine = Payment;
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Payment> for Paid {
        #[inline]
        fn into_enum(self) -> Payment {
            let Paid { receipt } = self;
            Payment::Paid { receipt }
        }
        #[inline]
        fn from_enum(machine: Payment) -> ::core::result::Result<Self, Payment> {
            match machine {
                Payment::Paid { receipt } => ::core::result::Result::Ok(Paid { receipt }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Payment> for Paid {
        const STATE: State = State::Paid;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Paid {
        type Machine = Payment;
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::Target<Payment> for Cancelled {
        #[inline]
        fn into_enum(self) -> Payment {
            let Cancelled = self;
            Payment::Cancelled
        }
        #[inline]
        fn from_enum(machine: Payment) -> ::core::result::Result<Self, Payment> {
            match machine {
                Payment::Cancelled => ::core::result::Result::Ok(Cancelled),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::core::StateOf<Payment> for Cancelled {
        const STATE: State = State::Cancelled;
    }
    #[automatically_derived]
    impl ::fsm_runtime::DurableState for Cancelled {
        type Machine = Payment;
    }
    ///The events of `Payment`, with their payloads.
    pub mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`paid`: `Charging` → `Paid`.
        #[derive(Serialize, Deserialize)]
        pub struct Paid {
            ///The `receipt` that comes with the event.
            pub receipt: String,
        }
        ///`cancel`: `Charging` → `Cancelled`.
        #[derive(Serialize, Deserialize)]
        pub struct Cancel;
    }
    ///Any event of `Payment`, with its payload.
    pub enum Event {
        ///`paid`: `Charging` → `Paid`.
        Paid(event::Paid),
        ///`cancel`: `Charging` → `Cancelled`.
        Cancel(event::Cancel),
    }
    impl Event {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub const fn kind(&self) -> EventKind {
            match self {
                Self::Paid(_) => EventKind::Paid,
                Self::Cancel(_) => EventKind::Cancel,
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Paid> for Event {
        #[inline]
        fn from(event: event::Paid) -> Self {
            Self::Paid(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Cancel> for Event {
        #[inline]
        fn from(event: event::Cancel) -> Self {
            Self::Cancel(event)
        }
    }
    ///The names of the events of `Payment`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        ///`paid`: `Charging` → `Paid`.
        Paid,
        ///`cancel`: `Charging` → `Cancelled`.
        Cancel,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_runtime::core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Paid => "paid",
                Self::Cancel => "cancel",
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
        const ALL: &'static [Self] = &[Self::Paid, Self::Cancel];
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
            ::fsm_runtime::core::__private::from_name("event of `Payment`", name)
        }
    }
    /// Seals the traits of this module.
    mod __seal {
        /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
        #[derive(Clone, Copy, Debug)]
        pub struct __Seal;
    }
    use self::__seal::__Seal;
    ///An initial state of `Payment`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Payment`",
        label = "expected `payment::Charging`",
        note = "the initial state of `Payment` is `Charging`; a state is written as its struct in the module `payment`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __Initial {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl __Initial for Charging {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///An event that a `Payment` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Payment` are:\n  Charging --paid----> Paid (by worker)\n  Charging --cancel--> Cancelled"
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
        type Target: ::fsm_runtime::core::Target<Payment>;
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
            meta: ::fsm_runtime::RecordMeta<Payment>,
            seal: __Seal,
        ) -> Self::NextRecord;
    }
    #[automatically_derived]
    impl<S, E: __EventOf<S>> ::fsm_runtime::core::Accepts<S, E> for Payment {
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
    /**A `Payment` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Payment` with `TryFrom`. It derefs to the data of its state.*/
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
    impl<S: ::fsm_runtime::core::StateOf<Payment>> Machine<S> {
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
    impl<S: ::fsm_runtime::core::StateOf<Payment>> ::core::convert::TryFrom<Payment>
    for Machine<S> {
        type Error = ::fsm_runtime::core::WrongStateError<Payment>;
        fn try_from(
            machine: Payment,
        ) -> ::core::result::Result<
            Self,
            ::fsm_runtime::core::WrongStateError<Payment>,
        > {
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
    impl<S: ::fsm_runtime::core::StateOf<Payment>> ::core::convert::From<Machine<S>>
    for Payment {
        #[inline]
        fn from(machine: Machine<S>) -> Self {
            ::fsm_runtime::core::Target::into_enum(machine.state)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[must_use = "a machine that is dropped is lost"]
    pub enum Any {
        ///In state `Charging`.
        Charging(Machine<Charging>),
        ///In state `Paid`.
        Paid(Machine<Paid>),
        ///In state `Cancelled`.
        Cancelled(Machine<Cancelled>),
    }
    impl Any {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Charging(_) => State::Charging,
                Self::Paid(_) => State::Paid,
                Self::Cancelled(_) => State::Cancelled,
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
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Refusal<Payment>> {
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
        type Machine = Payment;
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
            __machine: Payment,
            _: ::fsm_runtime::core::__private::Box<()>,
        ) -> Self {
            match __machine {
                Payment::Charging => Self::Charging(Machine { state: Charging }),
                Payment::Paid { receipt } => {
                    Self::Paid(Machine { state: Paid { receipt } })
                }
                Payment::Cancelled => Self::Cancelled(Machine { state: Cancelled }),
            }
        }
        #[inline]
        fn __split(self) -> (Payment, ::fsm_runtime::core::__private::Box<()>) {
            match self {
                Self::Charging(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
                Self::Paid(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
                Self::Cancelled(__machine) => {
                    (
                        ::fsm_runtime::core::Target::into_enum(__machine.state),
                        ::fsm_runtime::core::__private::Box::new(()),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::core::StateOf<Payment>> ::core::convert::From<Machine<S>>
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
    impl<S: ::fsm_runtime::core::StateOf<Payment>> ::core::convert::TryFrom<Any>
    for Machine<S> {
        type Error = ::fsm_runtime::core::NotInStateError<Any>;
        fn try_from(
            __given: Any,
        ) -> ::core::result::Result<Self, ::fsm_runtime::core::NotInStateError<Any>> {
            let (__machine, __context) = <Any as ::fsm_runtime::core::AnyMachine>::__split(
                __given,
            );
            match <S as ::fsm_runtime::core::Target<Payment>>::from_enum(__machine) {
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
    impl ::core::convert::From<Payment> for Any {
        #[inline]
        fn from(__given: Payment) -> Self {
            <Any as ::fsm_runtime::core::AnyMachine>::__join(
                __given,
                ::fsm_runtime::core::__private::Box::new(()),
            )
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Any> for Payment {
        #[inline]
        fn from(__given: Any) -> Self {
            <Any as ::fsm_runtime::core::AnyMachine>::__split(__given).0
        }
    }
    impl Machine<Charging> {
        ///`Charging` → `Paid`.
        #[inline]
        pub fn paid(self, receipt: String) -> Machine<Paid> {
            self.fire(event::Paid { receipt })
        }
        ///`Charging` → `Cancelled`.
        #[inline]
        pub fn cancel(self) -> Machine<Cancelled> {
            self.fire(event::Cancel)
        }
    }
    #[automatically_derived]
    impl __EventOf<Charging> for event::Paid {
        type Next = Machine<Paid>;
        #[inline]
        fn __fire(self, _: Machine<Charging>, _: __Seal) -> Self::Next {
            let Self { receipt } = self;
            Machine { state: Paid { receipt } }
        }
        type Target = Paid;
        #[inline]
        fn transition(
            self,
            state: Charging,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<Charging, Self>,
        > {
            ::core::result::Result::Ok({
                let Self { receipt } = self;
                Paid { receipt }
            })
        }
        const EVENT: EventKind = EventKind::Paid;
        type NextRecord = Record<Paid>;
        fn wrap(
            target: Paid,
            meta: ::fsm_runtime::RecordMeta<Payment>,
            _: __Seal,
        ) -> Record<Paid> {
            Record {
                raw: ::fsm_runtime::RawRecord::__new(target, meta),
            }
        }
    }
    #[automatically_derived]
    impl __EventOf<Charging> for event::Cancel {
        type Next = Machine<Cancelled>;
        #[inline]
        fn __fire(self, _: Machine<Charging>, _: __Seal) -> Self::Next {
            Machine { state: Cancelled }
        }
        type Target = Cancelled;
        #[inline]
        fn transition(
            self,
            state: Charging,
            _: __Seal,
        ) -> ::core::result::Result<
            Self::Target,
            ::fsm_runtime::core::GuardError<Charging, Self>,
        > {
            ::core::result::Result::Ok(Cancelled)
        }
        const EVENT: EventKind = EventKind::Cancel;
        type NextRecord = Record<Cancelled>;
        fn wrap(
            target: Cancelled,
            meta: ::fsm_runtime::RecordMeta<Payment>,
            _: __Seal,
        ) -> Record<Cancelled> {
            Record {
                raw: ::fsm_runtime::RawRecord::__new(target, meta),
            }
        }
    }
    const __GRAPH: &::fsm_runtime::core::Graph = &::fsm_runtime::core::Graph::new(
            "Payment",
        )
        .with_doc("A payment, whose outcome only its worker reports.")
        .with_states(
            &[
                ::fsm_runtime::core::StateInfo::new("Charging")
                    .with_kind(::fsm_runtime::core::StateKind::Work)
                    .with_initial(true),
                ::fsm_runtime::core::StateInfo::new("Paid")
                    .with_kind(::fsm_runtime::core::StateKind::End)
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("receipt", "String")],
                    ),
                ::fsm_runtime::core::StateInfo::new("Cancelled")
                    .with_kind(::fsm_runtime::core::StateKind::End),
            ],
        )
        .with_events(
            &[
                ::fsm_runtime::core::EventInfo::new("paid")
                    .with_fields(
                        &[::fsm_runtime::core::FieldInfo::new("receipt", "String")],
                    ),
                ::fsm_runtime::core::EventInfo::new("cancel"),
            ],
        )
        .with_transitions(
            &[
                ::fsm_runtime::core::TransitionInfo::new("Charging", "paid", &["Paid"])
                    .with_by(::fsm_runtime::core::FiredBy::Worker),
                ::fsm_runtime::core::TransitionInfo::new(
                    "Charging",
                    "cancel",
                    &["Cancelled"],
                ),
            ],
        );
    impl Payment {
        /// The graph of this machine.
        pub const GRAPH: &'static ::fsm_runtime::core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            match self {
                Self::Charging => State::Charging,
                Self::Paid { .. } => State::Paid,
                Self::Cancelled => State::Cancelled,
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
        ) -> ::core::result::Result<Payment, ::fsm_runtime::core::ApplyError<Payment>> {
            let event = ::core::convert::Into::into(event);
            match (self, event) {
                (Self::Charging, Event::Paid(event::Paid { receipt })) => {
                    ::core::result::Result::Ok(Self::Paid { receipt })
                }
                (Self::Charging, Event::Cancel(_)) => {
                    ::core::result::Result::Ok(Self::Cancelled)
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
    impl ::fsm_runtime::core::StateMachine for Payment {
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
        ) -> ::core::result::Result<Payment, ::fsm_runtime::core::ApplyError<Payment>> {
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
                ::core::fmt::Formatter::write_str(f, "a state of `Payment`")
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
                ::core::fmt::Formatter::write_str(f, "an event of `Payment`")
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
                    Event::Paid(__event) => {
                        ::fsm_runtime::__private::serde::Serializer::serialize_newtype_variant(
                            __serializer,
                            "Event",
                            0u32,
                            "Paid",
                            __event,
                        )
                    }
                    Event::Cancel(_) => {
                        ::fsm_runtime::__private::serde::Serializer::serialize_unit_variant(
                            __serializer,
                            "Event",
                            1u32,
                            "Cancel",
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
                ::core::fmt::Formatter::write_str(f, "an event of `Payment`")
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
                    "Paid" => ::core::result::Result::Ok(__EventName(EventKind::Paid)),
                    "Cancel" => {
                        ::core::result::Result::Ok(__EventName(EventKind::Cancel))
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
                ::core::fmt::Formatter::write_str(f, "an event of `Payment`")
            }
            fn visit_enum<__A: ::fsm_runtime::__private::serde::de::EnumAccess<'de>>(
                self,
                __given: __A,
            ) -> ::core::result::Result<Event, __A::Error> {
                let (__EventName(__kind), __payload) = ::fsm_runtime::__private::serde::de::EnumAccess::variant(
                    __given,
                )?;
                match __kind {
                    EventKind::Paid => {
                        ::fsm_runtime::__private::serde::de::VariantAccess::newtype_variant::<
                            event::Paid,
                        >(__payload)
                            .map(Event::Paid)
                    }
                    EventKind::Cancel => {
                        ::fsm_runtime::__private::serde::de::VariantAccess::unit_variant(
                            __payload,
                        )?;
                        ::core::result::Result::Ok(Event::Cancel(event::Cancel))
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
                    &["Paid", "Cancel"],
                    __VisitEvent(::core::marker::PhantomData),
                )
            }
        }
    };
    ///From what a `Payment` is created.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Payment`",
        label = "expected `payment::Charging`",
        note = "the initial state of `Payment` is `Charging`; a state is written as its struct in the module `payment`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __CreateFrom {
        #[doc(hidden)]
        type Initial: ::fsm_runtime::DurableState<Machine = Payment>;
        #[doc(hidden)]
        fn __parts(self, seal: __Seal) -> (Self::Initial, ());
    }
    #[automatically_derived]
    impl __CreateFrom for Charging {
        type Initial = Charging;
        fn __parts(self, _: __Seal) -> (Charging, ()) {
            (self, ())
        }
    }
    #[automatically_derived]
    impl<S: __CreateFrom> ::fsm_runtime::CreateFrom<S> for Payment {
        type Initial = S::Initial;
        fn parts(__initial: S, _: ::fsm_runtime::__private::Seal) -> (S::Initial, ()) {
            __initial.__parts(__Seal)
        }
    }
    /**A stored `Payment` whose state `S` is known at compile time.

Each transition is one compare-and-swap from the version that was read. Through `Deref` it has the methods of [`RawRecord`](fsm_runtime::RawRecord), as `id()` and `version()`, and the fields of its state.*/
    pub struct Record<S: ::fsm_runtime::DurableState<Machine = Payment>> {
        raw: ::fsm_runtime::RawRecord<S>,
    }
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> Record<S> {
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
        pub fn fire<E: __CallerEventOf<S>>(
            self,
            event: E,
        ) -> ::fsm_runtime::PendingTransition<E::NextRecord, Payment> {
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
        pub fn would_accept<E: __CallerEventOf<S>>(
            &self,
            event: &E,
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Reason> {
            self.raw.__scope(|| event.__check(&self.raw, __Seal))
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> ::core::ops::Deref
    for Record<S> {
        type Target = ::fsm_runtime::RawRecord<S>;
        fn deref(&self) -> &::fsm_runtime::RawRecord<S> {
            &self.raw
        }
    }
    /// Prints everything but the data of the state.
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> ::core::fmt::Debug
    for Record<S> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Record")
                .field("id", &self.raw.id())
                .field("version", &self.raw.version())
                .field("state", &self.raw.state())
                .finish_non_exhaustive()
        }
    }
    impl Record<Charging> {
        ///`Charging` → `Cancelled`.
        pub fn cancel(
            self,
        ) -> ::fsm_runtime::PendingTransition<Record<Cancelled>, Payment> {
            self.fire(event::Cancel)
        }
    }
    /// A [`Record`] in any state, to match on after it was read. `Debug` prints everything but the data.
    #[derive(Debug)]
    pub enum AnyRecord {
        ///In state `Charging`.
        Charging(Record<Charging>),
        ///In state `Paid`.
        Paid(Record<Paid>),
        ///In state `Cancelled`.
        Cancelled(Record<Cancelled>),
    }
    impl AnyRecord {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Charging(_) => State::Charging,
                Self::Paid(_) => State::Paid,
                Self::Cancelled(_) => State::Cancelled,
            }
        }
        ///The events that callers can fire in its state, so not those with `by = worker`. A guard can still refuse one.
        #[must_use]
        pub const fn accepts(&self) -> &'static [EventKind] {
            match self {
                Self::Charging(_) => &[EventKind::Cancel],
                Self::Paid(_) => &[],
                Self::Cancelled(_) => &[],
            }
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
            <Self as ::fsm_runtime::AnyRecord<Payment>>::id(self)
        }
        /// The version of the instance, which changes with each transition and only then.
        #[must_use]
        pub fn version(&self) -> u64 {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::version(self)
        }
        /// When the instance was created; `None` for a record of a past change.
        #[must_use]
        pub fn created(&self) -> ::core::option::Option<::std::time::SystemTime> {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::created(self)
        }
        /// When the instance entered its state.
        #[must_use]
        pub fn entered(&self) -> ::std::time::SystemTime {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::entered(self)
        }
        /// Whether its state declares the event for callers.
        #[must_use]
        pub fn can(&self, __event: EventKind) -> bool {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::can(self, __event)
        }
        /// Why its state does not accept the event from callers, and which events lead to one that does; `None` if the state declares
        /// it for callers.
        #[must_use]
        pub fn why_not(
            &self,
            __event: EventKind,
        ) -> ::core::option::Option<::fsm_runtime::core::WhyNot> {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::why_not(self, __event)
        }
        /// Whether the event would be accepted: its state declares it, and the guard accepts it. Nothing is changed or stored.
        ///
        /// # Errors
        /// If the state does not declare the event, it is `by = worker`, or a guard refuses it.
        pub fn would_accept(
            &self,
            __event: &Event,
        ) -> ::core::result::Result<(), ::fsm_runtime::core::Refusal<Payment>> {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::would_accept(self, __event)
        }
        /// The enum's value and the context, without the record; `()` if there is no context.
        #[must_use]
        pub fn into_parts(self) -> (Payment, ()) {
            <Self as ::fsm_runtime::AnyRecord<Payment>>::into_parts(self)
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::AnyRecord<Payment> for AnyRecord {
        fn meta(&self) -> &::fsm_runtime::RecordMeta<Payment> {
            match self {
                Self::Charging(__record) => ::fsm_runtime::RawRecord::meta(&__record.raw),
                Self::Paid(__record) => ::fsm_runtime::RawRecord::meta(&__record.raw),
                Self::Cancelled(__record) => {
                    ::fsm_runtime::RawRecord::meta(&__record.raw)
                }
            }
        }
        fn state(&self) -> State {
            Self::state(self)
        }
        fn accepts(&self) -> &'static [EventKind] {
            Self::accepts(self)
        }
        fn into_parts(self) -> (Payment, ()) {
            let (__machine, __meta) = <Payment as ::fsm_runtime::Durable>::unwrap_any(
                self,
            );
            (__machine, ::fsm_runtime::RecordMeta::__into_context(__meta))
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Payment>,
    > ::core::convert::From<Record<S>> for AnyRecord {
        fn from(__record: Record<S>) -> Self {
            let (__state, __meta) = __record.raw.__into_parts();
            <Payment as ::fsm_runtime::Durable>::wrap_any(
                ::fsm_runtime::core::Target::into_enum(__state),
                __meta,
            )
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Payment>,
    > ::core::convert::From<Record<S>> for Payment {
        fn from(__record: Record<S>) -> Self {
            ::fsm_runtime::core::Target::into_enum(__record.raw.into_data())
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<AnyRecord> for Payment {
        fn from(__record: AnyRecord) -> Self {
            <Payment as ::fsm_runtime::Durable>::unwrap_any(__record).0
        }
    }
    #[automatically_derived]
    impl<
        S: ::fsm_runtime::DurableState<Machine = Payment>
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
                Self::Charging(__record) => {
                    ::fsm_runtime::__private::serde::Serialize::serialize(
                        __record,
                        __serializer,
                    )
                }
                Self::Paid(__record) => {
                    ::fsm_runtime::__private::serde::Serialize::serialize(
                        __record,
                        __serializer,
                    )
                }
                Self::Cancelled(__record) => {
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
            <Payment as ::fsm_runtime::StoredMachine>::event_from_parts(
                ::core::convert::AsRef::<str>::as_ref(&__name),
                __payload,
            )
        }
    }
    /**One piece of work on a `Payment` in state `S`.

A worker ends with one of the events that its state declares, with [`requeue_after`](Self::requeue_after), or with an error. Through `Deref` it has the methods of [`RawTask`](fsm_runtime::RawTask), as `key()` and `cancelled()`, and the fields of its state.*/
    #[must_use = "a worker ends with one of its task's methods"]
    pub struct Task<S: ::fsm_runtime::DurableState<Machine = Payment>> {
        raw: ::fsm_runtime::RawTask<S>,
    }
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> Task<S> {
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
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> ::core::ops::Deref
    for Task<S> {
        type Target = ::fsm_runtime::RawTask<S>;
        fn deref(&self) -> &::fsm_runtime::RawTask<S> {
            &self.raw
        }
    }
    /// Prints everything but the data of the state.
    #[automatically_derived]
    impl<S: ::fsm_runtime::DurableState<Machine = Payment>> ::core::fmt::Debug
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
    #[automatically_derived]
    impl ::fsm_runtime::WorkState for Charging {}
    impl Task<Charging> {
        ///`Charging` → `Paid`.
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
        pub fn paid(self, receipt: String) -> ::fsm_runtime::Outcome<Charging> {
            self.fire(event::Paid { receipt })
        }
        ///`Charging` → `Cancelled`.
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
        pub fn cancel(self) -> ::fsm_runtime::Outcome<Charging> {
            self.fire(event::Cancel)
        }
    }
    ///The async work of `Payment`: one method per `work` state.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` does not implement the workers of `Payment`",
        label = "missing `impl payment::Workers`",
        note = "the `work` states are `Charging`: write `impl payment::Workers for …` with\n  async fn charging(&self, task: payment::Task<payment::Charging>) -> Outcome<payment::Charging>"
    )]
    pub trait Workers: ::core::marker::Send + ::core::marker::Sync + 'static {
        ///The work of state `Charging`.
        fn charging(
            &self,
            task: Task<Charging>,
        ) -> impl ::core::future::Future<
            Output = ::fsm_runtime::Outcome<Charging>,
        > + ::core::marker::Send;
    }
    #[automatically_derived]
    impl<W: Workers> ::fsm_runtime::WorkedBy<W> for Payment {
        async fn work(
            self,
            workers: &W,
            lease: ::fsm_runtime::WorkClaim<Self>,
        ) -> ::core::result::Result<
            ::fsm_runtime::Finished<Self>,
            ::fsm_runtime::WorkError,
        > {
            match self {
                Self::Charging => {
                    let task = Task {
                        raw: ::fsm_runtime::RawTask::__new(Charging, lease),
                    };
                    workers.charging(task).await.map(::fsm_runtime::Done::into_finished)
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
    impl ::fsm_runtime::Durable for Payment {
        type Record<S: ::fsm_runtime::DurableState<Machine = Self>> = Record<S>;
        type AnyRecord = AnyRecord;
        fn wrap<S: ::fsm_runtime::DurableState<Machine = Self>>(
            raw: ::fsm_runtime::RawRecord<S>,
        ) -> Record<S> {
            Record { raw }
        }
        fn wrap_any(self, meta: ::fsm_runtime::RecordMeta<Self>) -> AnyRecord {
            match self {
                Self::Charging => {
                    AnyRecord::Charging(Record {
                        raw: ::fsm_runtime::RawRecord::__new(Charging, meta),
                    })
                }
                Self::Paid { receipt } => {
                    AnyRecord::Paid(Record {
                        raw: ::fsm_runtime::RawRecord::__new(Paid { receipt }, meta),
                    })
                }
                Self::Cancelled => {
                    AnyRecord::Cancelled(Record {
                        raw: ::fsm_runtime::RawRecord::__new(Cancelled, meta),
                    })
                }
            }
        }
        fn unwrap_any(record: AnyRecord) -> (Self, ::fsm_runtime::RecordMeta<Self>) {
            match record {
                AnyRecord::Charging(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
                AnyRecord::Paid(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
                AnyRecord::Cancelled(record) => {
                    let (state, meta) = record.raw.__into_parts();
                    (::fsm_runtime::core::Target::into_enum(state), meta)
                }
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_runtime::StoredMachine for Payment {
        type Value = Payment;
        fn split(value: Payment) -> (Self, ()) {
            (value, ())
        }
        fn encode(
            self,
        ) -> ::core::result::Result<
            (Self, ::std::string::String),
            ::fsm_runtime::CodecError,
        > {
            match self {
                Self::Charging => {
                    let state = Charging;
                    let data = ::fsm_runtime::codec::to_json(&state)?;
                    ::core::result::Result::Ok((
                        ::fsm_runtime::core::Target::into_enum(state),
                        data,
                    ))
                }
                Self::Paid { receipt } => {
                    let state = Paid { receipt };
                    let data = ::fsm_runtime::codec::to_json(&state)?;
                    ::core::result::Result::Ok((
                        ::fsm_runtime::core::Target::into_enum(state),
                        data,
                    ))
                }
                Self::Cancelled => {
                    let state = Cancelled;
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
                State::Charging => {
                    ::fsm_runtime::codec::from_json::<Charging>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
                State::Paid => {
                    ::fsm_runtime::codec::from_json::<Paid>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
                State::Cancelled => {
                    ::fsm_runtime::codec::from_json::<Cancelled>(data)
                        .map(::fsm_runtime::core::Target::into_enum)
                }
            }
        }
        fn encode_event(
            event: &Event,
        ) -> ::core::result::Result<::std::string::String, ::fsm_runtime::CodecError> {
            match event {
                Event::Paid(event) => ::fsm_runtime::codec::to_json(event),
                Event::Cancel(event) => ::fsm_runtime::codec::to_json(event),
            }
        }
        fn decode_event(
            kind: EventKind,
            payload: &str,
        ) -> ::core::result::Result<Event, ::fsm_runtime::CodecError> {
            match kind {
                EventKind::Paid => {
                    ::fsm_runtime::codec::from_json(payload).map(Event::Paid)
                }
                EventKind::Cancel => {
                    ::fsm_runtime::codec::from_json(payload).map(Event::Cancel)
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
        fn timer_event(_: State, _: EventKind) -> ::core::option::Option<Event> {
            ::core::option::Option::None
        }
    }
    ///An event that callers can fire on a record of a `Payment` in state `S`.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: callers cannot fire `{Self}` in state `{S}`",
        label = "state `{S}` has no transition on this event that callers can fire",
        note = "the transitions of `Payment` are:\n  Charging --paid----> Paid (by worker)\n  Charging --cancel--> Cancelled",
        note = "`paid` is `by = worker`: a worker ends with the event, `task.fire(event)`, or a timer fires it; an operator moves an instance with `machines.move_to`"
    )]
    #[doc(hidden)]
    pub trait __CallerEventOf<S>: __EventOf<S> {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
    }
    #[automatically_derived]
    impl __CallerEventOf<Charging> for event::Cancel {
        fn __seal(&self) -> __Seal {
            __Seal
        }
    }
    ///What callers can fire on a `Payment` by id.
    #[diagnostic::on_unimplemented(
        message = "callers cannot fire `{Self}` on an instance of `Payment`",
        label = "expected `payment::event::Cancel` or `payment::Event`",
        note = "`paid` is `by = worker`: a worker ends with the event, `task.fire(event)`, or a timer fires it; an operator moves an instance with `machines.move_to`"
    )]
    #[doc(hidden)]
    pub trait __CallerEvent {
        #[doc(hidden)]
        fn __into_event(self, seal: __Seal) -> Event;
    }
    #[automatically_derived]
    impl __CallerEvent for Event {
        fn __into_event(self, _: __Seal) -> Event {
            self
        }
    }
    #[automatically_derived]
    impl __CallerEvent for event::Cancel {
        fn __into_event(self, _: __Seal) -> Event {
            ::core::convert::Into::into(self)
        }
    }
    #[automatically_derived]
    impl<E: __CallerEvent> ::fsm_runtime::CallerEvent<E> for Payment {
        fn into_event(__event: E, _: ::fsm_runtime::__private::Seal) -> Event {
            __event.__into_event(__Seal)
        }
    }
}
