//! Generated; see `src/tests/snapshots.rs`.

#[cfg_attr(not(doctest), doc = "The state machine `Order`.\n\nAn order in a shop.\n")]
///
#[cfg_attr(
    doc,
    doc = ::fsm_core::__private::__diagram!{#[doc = r" An order in a shop."]#[fsm(
        initial = Cart,
        context = Shop,
        derive(Clone, Debug)
    )]pub
    enum
    Order{#[doc = r" Being filled."]#[state(
        enter = count
    )]#[on(
        add{cents:u64}= >Cart,
        with = add
    )]#[on(pay = >Paid, guard = is_open)]Cart{cents:u64},
    #[doc = r" The money is there."]#[on(ship = >Shipped)]Paid{cents:u64},
    #[doc = r" On its way."]#[state(end)]Shipped,
    }},
    doc = ""
)]
/**| from | event | to |
| --- | --- | --- |
| `Cart` | `add` | `Cart` |
| `Cart` | `pay`, guarded | `Paid` |
| `Paid` | `ship` | `Shipped` |
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
pub mod order {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::*;
    use super::Order;
    #[allow(unused_imports)]
    use ::fsm_core::__private::{
        variable as after, variable as birth, variable as cents, variable as context,
        variable as data, variable as error, variable as event, variable as f,
        variable as initial, variable as key, variable as kind, variable as lease,
        variable as machine, variable as meta, variable as name, variable as next,
        variable as other, variable as payload, variable as raw, variable as reason,
        variable as record, variable as refused, variable as seal, variable as state,
        variable as target, variable as task, variable as value, variable as workers,
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
        pub(super) fn guard_Cart_Pay(
            __state: &super::Cart,
            __event: &super::event::Pay,
            __context: &Shop,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            let __guard: fn(
                &super::Cart,
                &super::event::Pay,
                &Shop,
            ) -> ::core::result::Result<(), _> = is_open;
            if let ::core::result::Result::Err(__reason) = __guard(
                __state,
                __event,
                __context,
            ) {
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
        pub(super) fn with_Cart_Add(
            __state: super::Cart,
            __event: super::event::Add,
            __context: &mut Shop,
        ) -> super::Cart {
            let __with: fn(super::Cart, super::event::Add, &mut Shop) -> super::Cart = add;
            __with(__state, __event, __context)
        }
        pub(super) fn enter_Cart(
            mut __state: super::Cart,
            __context: &mut Shop,
        ) -> super::Cart {
            let __enter: fn(&mut super::Cart, &mut Shop) = count;
            __enter(&mut __state, __context);
            __state
        }
    }
    #[cfg_attr(not(doctest), doc = r" Being filled.")]
    #[derive(Clone, Debug)]
    pub struct Cart {
        ///The `cents` of `Cart`.
        pub cents: u64,
    }
    #[cfg_attr(not(doctest), doc = r" The money is there.")]
    #[derive(Clone, Debug)]
    pub struct Paid {
        ///The `cents` of `Paid`.
        pub cents: u64,
    }
    #[cfg_attr(not(doctest), doc = r" On its way.")]
    #[derive(Clone, Debug)]
    pub struct Shipped;
    ///The names of the states of `Order`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        #[cfg_attr(not(doctest), doc = r" Being filled.")]
        Cart,
        #[cfg_attr(not(doctest), doc = r" The money is there.")]
        Paid,
        #[cfg_attr(not(doctest), doc = r" On its way.")]
        Shipped,
    }
    impl State {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Cart => "Cart",
                Self::Paid => "Paid",
                Self::Shipped => "Shipped",
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
        const ALL: &'static [Self] = &[Self::Cart, Self::Paid, Self::Shipped];
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
            ::fsm_core::__private::from_name("state of `Order`", name)
        }
    }
    impl State {
        /// The events that this state declares. A guard can still refuse one.
        #[must_use]
        #[inline]
        pub const fn accepts(self) -> &'static [EventKind] {
            match self {
                Self::Cart => &[EventKind::Add, EventKind::Pay],
                Self::Paid => &[EventKind::Ship],
                Self::Shipped => &[],
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Order> for Cart {
        #[inline]
        fn into_enum(self) -> Order {
            let Cart { cents } = self;
            Order::Cart { cents }
        }
        #[inline]
        fn from_enum(machine: Order) -> ::core::result::Result<Self, Order> {
            match machine {
                Order::Cart { cents } => ::core::result::Result::Ok(Cart { cents }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Order> for Cart {
        const STATE: State = State::Cart;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Order> for Paid {
        #[inline]
        fn into_enum(self) -> Order {
            let Paid { cents } = self;
            Order::Paid { cents }
        }
        #[inline]
        fn from_enum(machine: Order) -> ::core::result::Result<Self, Order> {
            match machine {
                Order::Paid { cents } => ::core::result::Result::Ok(Paid { cents }),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Order> for Paid {
        const STATE: State = State::Paid;
    }
    #[automatically_derived]
    impl ::fsm_core::Target<Order> for Shipped {
        #[inline]
        fn into_enum(self) -> Order {
            let Shipped = self;
            Order::Shipped
        }
        #[inline]
        fn from_enum(machine: Order) -> ::core::result::Result<Self, Order> {
            match machine {
                Order::Shipped => ::core::result::Result::Ok(Shipped),
                other => ::core::result::Result::Err(other),
            }
        }
    }
    #[automatically_derived]
    impl ::fsm_core::StateOf<Order> for Shipped {
        const STATE: State = State::Shipped;
    }
    ///The events of `Order`, with their payloads.
    pub mod event {
        #[allow(unused_imports, clippy::wildcard_imports)]
        use super::super::*;
        ///`add`: `Cart` → `Cart`.
        #[derive(Clone, Debug)]
        pub struct Add {
            ///The `cents` that comes with the event.
            pub cents: u64,
        }
        ///`pay`: `Cart` → `Paid`.
        #[derive(Clone, Debug)]
        pub struct Pay;
        ///`ship`: `Paid` → `Shipped`.
        #[derive(Clone, Debug)]
        pub struct Ship;
    }
    ///Any event of `Order`, with its payload.
    #[derive(Clone, Debug)]
    pub enum Event {
        ///`add`: `Cart` → `Cart`.
        Add(event::Add),
        ///`pay`: `Cart` → `Paid`.
        Pay(event::Pay),
        ///`ship`: `Paid` → `Shipped`.
        Ship(event::Ship),
    }
    impl Event {
        /// Which event this is.
        #[must_use]
        #[inline]
        pub const fn kind(&self) -> EventKind {
            match self {
                Self::Add(_) => EventKind::Add,
                Self::Pay(_) => EventKind::Pay,
                Self::Ship(_) => EventKind::Ship,
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Add> for Event {
        #[inline]
        fn from(event: event::Add) -> Self {
            Self::Add(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Pay> for Event {
        #[inline]
        fn from(event: event::Pay) -> Self {
            Self::Pay(event)
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<event::Ship> for Event {
        #[inline]
        fn from(event: event::Ship) -> Self {
            Self::Ship(event)
        }
    }
    ///The names of the events of `Order`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        ///`add`: `Cart` → `Cart`.
        Add,
        ///`pay`: `Cart` → `Paid`.
        Pay,
        ///`ship`: `Paid` → `Shipped`.
        Ship,
    }
    impl EventKind {
        /// All names, in declaration order.
        pub const ALL: &'static [Self] = <Self as ::fsm_core::Name>::ALL;
        /// The name, as it is stored and drawn.
        #[must_use]
        #[inline]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Add => "add",
                Self::Pay => "pay",
                Self::Ship => "ship",
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
        const ALL: &'static [Self] = &[Self::Add, Self::Pay, Self::Ship];
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
            ::fsm_core::__private::from_name("event of `Order`", name)
        }
    }
    /// Seals the traits of this module.
    mod __seal {
        /// Cannot be named outside of the module, so a trait that mentions it cannot be implemented there.
        #[derive(Clone, Copy, Debug)]
        pub struct __Seal;
    }
    use self::__seal::__Seal;
    ///An initial state of `Order`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not an initial state of `Order`",
        label = "expected `order::Cart`",
        note = "the initial state of `Order` is `Cart`; a state is written as its struct in the module `order`, not as a value of the enum"
    )]
    #[doc(hidden)]
    pub trait __Initial {
        #[doc(hidden)]
        fn __seal(&self) -> __Seal;
        #[doc(hidden)]
        fn __enter(self, context: &mut Shop, seal: __Seal) -> Self;
    }
    #[automatically_derived]
    impl __Initial for Cart {
        fn __seal(&self) -> __Seal {
            __Seal
        }
        fn __enter(self, context: &mut Shop, _: __Seal) -> Self {
            __user_code::enter_Cart(self, context)
        }
    }
    ///An event that a `Order` accepts in state `S`: implemented for exactly the declared pairs.
    #[diagnostic::on_unimplemented(
        message = "illegal transition: `{Self}` is not accepted in state `{S}`",
        label = "state `{S}` has no transition on this event",
        note = "the transitions of `Order` are:\n  Cart --add---> Cart\n  Cart --pay---> Paid\n  Paid --ship--> Shipped"
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
            _: &Shop,
            _: __Seal,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            ::core::result::Result::Ok(())
        }
        #[doc(hidden)]
        type Target: ::fsm_core::Target<Order>;
        #[doc(hidden)]
        #[allow(clippy::missing_errors_doc)]
        fn transition(
            self,
            state: S,
            context: &mut Shop,
            seal: __Seal,
        ) -> ::core::result::Result<Self::Target, ::fsm_core::GuardError<S, Self>>;
    }
    /**A `Order` whose state `S` is known at compile time.

It starts in an initial state, is moved by the events that its state declares, and can be restored from a `Order` with `TryFrom`. It derefs to the data of its state.*/
    #[must_use = "a machine that is dropped is lost"]
    pub struct Machine<S> {
        state: S,
        context: ::fsm_core::__private::Box<Shop>,
    }
    impl<S> Machine<S> {
        /// Creates a machine in an initial state.
        #[inline]
        pub fn new(state: S, mut context: Shop) -> Self
        where
            S: __Initial,
        {
            let state = <S as __Initial>::__enter(state, &mut context, __Seal);
            let context = ::fsm_core::__private::Box::new(context);
            Machine { state, context }
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
            event.__check(&self.state, &self.context, __Seal)
        }
        /// The context, which all states share.
        #[must_use]
        #[inline]
        pub fn context(&self) -> &Shop {
            &self.context
        }
        /// The context, to change it without a transition.
        #[inline]
        pub fn context_mut(&mut self) -> &mut Shop {
            &mut self.context
        }
        /// Takes the data of its state and the context out of the machine.
        #[must_use]
        #[inline]
        pub fn into_parts(self) -> (S, Shop) {
            (self.state, *self.context)
        }
    }
    impl<S: ::fsm_core::StateOf<Order>> Machine<S> {
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
    impl<S: ::core::clone::Clone> ::core::clone::Clone for Machine<S>
    where
        for<'context> Shop: ::core::clone::Clone,
    {
        #[inline]
        fn clone(&self) -> Self {
            let context = ::core::clone::Clone::clone(&self.context);
            Machine {
                state: ::core::clone::Clone::clone(&self.state),
                context,
            }
        }
    }
    #[automatically_derived]
    impl<S: ::core::cmp::PartialEq> ::core::cmp::PartialEq for Machine<S>
    where
        for<'context> Shop: ::core::cmp::PartialEq,
    {
        #[inline]
        fn eq(&self, other: &Self) -> bool {
            self.state == other.state && self.context == other.context
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Order>> ::core::convert::TryFrom<(Order, Shop)>
    for Machine<S> {
        type Error = ::fsm_core::WrongStateError<Order>;
        fn try_from(
            (machine, context): (Order, Shop),
        ) -> ::core::result::Result<Self, ::fsm_core::WrongStateError<Order>> {
            match S::from_enum(machine) {
                ::core::result::Result::Ok(state) => {
                    let context = ::fsm_core::__private::Box::new(context);
                    ::core::result::Result::Ok(Machine { state, context })
                }
                ::core::result::Result::Err(machine) => {
                    ::core::result::Result::Err(
                        ::fsm_core::WrongStateError::new::<S>(machine, context),
                    )
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Order>> ::core::convert::From<Machine<S>>
    for (Order, Shop) {
        #[inline]
        fn from(machine: Machine<S>) -> Self {
            (::fsm_core::Target::into_enum(machine.state), *machine.context)
        }
    }
    /// A [`Machine`] in any state, to match on after it was restored.
    #[derive(Debug)]
    #[must_use = "a machine that is dropped is lost"]
    pub enum Any {
        #[cfg_attr(not(doctest), doc = r" Being filled.")]
        Cart(Machine<Cart>),
        #[cfg_attr(not(doctest), doc = r" The money is there.")]
        Paid(Machine<Paid>),
        #[cfg_attr(not(doctest), doc = r" On its way.")]
        Shipped(Machine<Shipped>),
    }
    impl Any {
        /// The name of its state.
        #[must_use]
        pub const fn state(&self) -> State {
            match self {
                Self::Cart(_) => State::Cart,
                Self::Paid(_) => State::Paid,
                Self::Shipped(_) => State::Shipped,
            }
        }
        /// The context, which all states share.
        #[must_use]
        pub fn context(&self) -> &Shop {
            match self {
                Self::Cart(machine) => &machine.context,
                Self::Paid(machine) => &machine.context,
                Self::Shipped(machine) => &machine.context,
            }
        }
        /// The context, to change it without a transition.
        pub fn context_mut(&mut self) -> &mut Shop {
            match self {
                Self::Cart(machine) => &mut machine.context,
                Self::Paid(machine) => &mut machine.context,
                Self::Shipped(machine) => &mut machine.context,
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
        ) -> ::core::result::Result<(), ::fsm_core::Refusal<Order>> {
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
        type Machine = Order;
        #[inline]
        fn state(&self) -> State {
            Self::state(self)
        }
        #[inline]
        fn accepts(&self) -> &'static [EventKind] {
            Self::accepts(self)
        }
        #[inline]
        fn context(&self) -> &Shop {
            Self::context(self)
        }
        #[inline]
        fn __guard(
            &self,
            __event: &Event,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            match (self, __event) {
                (Self::Cart(__machine), Event::Pay(__event)) => {
                    __user_code::guard_Cart_Pay(
                        &__machine.state,
                        __event,
                        &__machine.context,
                    )
                }
                _ => ::core::result::Result::Ok(()),
            }
        }
        #[inline]
        fn __join(
            __machine: Order,
            __context: ::fsm_core::__private::Box<Shop>,
        ) -> Self {
            match __machine {
                Order::Cart { cents } => {
                    Self::Cart(Machine {
                        state: Cart { cents },
                        context: __context,
                    })
                }
                Order::Paid { cents } => {
                    Self::Paid(Machine {
                        state: Paid { cents },
                        context: __context,
                    })
                }
                Order::Shipped => {
                    Self::Shipped(Machine {
                        state: Shipped,
                        context: __context,
                    })
                }
            }
        }
        #[inline]
        fn __split(self) -> (Order, ::fsm_core::__private::Box<Shop>) {
            match self {
                Self::Cart(__machine) => {
                    (::fsm_core::Target::into_enum(__machine.state), __machine.context)
                }
                Self::Paid(__machine) => {
                    (::fsm_core::Target::into_enum(__machine.state), __machine.context)
                }
                Self::Shipped(__machine) => {
                    (::fsm_core::Target::into_enum(__machine.state), __machine.context)
                }
            }
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Order>> ::core::convert::From<Machine<S>> for Any {
        #[inline]
        fn from(__given: Machine<S>) -> Self {
            <Any as ::fsm_core::AnyMachine>::__join(
                ::fsm_core::Target::into_enum(__given.state),
                __given.context,
            )
        }
    }
    #[automatically_derived]
    impl<S: ::fsm_core::StateOf<Order>> ::core::convert::TryFrom<Any> for Machine<S> {
        type Error = ::fsm_core::NotInStateError<Any>;
        fn try_from(
            __given: Any,
        ) -> ::core::result::Result<Self, ::fsm_core::NotInStateError<Any>> {
            let (__machine, __context) = <Any as ::fsm_core::AnyMachine>::__split(
                __given,
            );
            match <S as ::fsm_core::Target<Order>>::from_enum(__machine) {
                ::core::result::Result::Ok(__state) => {
                    let __context = __context;
                    ::core::result::Result::Ok(Machine {
                        state: __state,
                        context: __context,
                    })
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
    impl ::core::convert::From<(Order, Shop)> for Any {
        #[inline]
        fn from(__given: (Order, Shop)) -> Self {
            let (__machine, __context) = __given;
            <Any as ::fsm_core::AnyMachine>::__join(
                __machine,
                ::fsm_core::__private::Box::new(__context),
            )
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<Any> for (Order, Shop) {
        #[inline]
        fn from(__given: Any) -> Self {
            <Any as ::fsm_core::AnyMachine>::into_parts(__given)
        }
    }
    impl Machine<Cart> {
        ///`Cart` → `Cart`.
        #[inline]
        pub fn add(self, cents: u64) -> Machine<Cart> {
            self.fire(event::Add { cents })
        }
        ///`Cart` → `Paid`.
        ///
        /// # Errors
        /// If the guard refuses. Machine and event are in the error.
        #[inline]
        pub fn pay(
            self,
        ) -> ::core::result::Result<
            Machine<Paid>,
            ::fsm_core::GuardError<Self, event::Pay>,
        > {
            self.fire(event::Pay)
        }
    }
    impl Machine<Paid> {
        ///`Paid` → `Shipped`.
        #[inline]
        pub fn ship(self) -> Machine<Shipped> {
            self.fire(event::Ship)
        }
    }
    #[automatically_derived]
    impl __EventOf<Cart> for event::Add {
        type Next = Machine<Cart>;
        #[inline]
        fn __fire(self, machine: Machine<Cart>, _: __Seal) -> Self::Next {
            let Machine { state, mut context } = machine;
            let target = __user_code::enter_Cart(
                __user_code::with_Cart_Add(state, self, &mut context),
                &mut context,
            );
            Machine { state: target, context }
        }
        type Target = Cart;
        #[inline]
        fn transition(
            self,
            state: Cart,
            context: &mut Shop,
            _: __Seal,
        ) -> ::core::result::Result<Self::Target, ::fsm_core::GuardError<Cart, Self>> {
            ::core::result::Result::Ok(
                __user_code::enter_Cart(
                    __user_code::with_Cart_Add(state, self, context),
                    context,
                ),
            )
        }
    }
    #[automatically_derived]
    impl __EventOf<Cart> for event::Pay {
        fn __check(
            &self,
            state: &Cart,
            context: &Shop,
            _: __Seal,
        ) -> ::core::result::Result<(), ::fsm_core::Reason> {
            __user_code::guard_Cart_Pay(state, self, context)
        }
        type Next = ::core::result::Result<
            Machine<Paid>,
            ::fsm_core::GuardError<Machine<Cart>, event::Pay>,
        >;
        #[inline]
        fn __fire(self, machine: Machine<Cart>, seal: __Seal) -> Self::Next {
            let Machine { state, mut context } = machine;
            match <Self as __EventOf<
                Cart,
            >>::transition(self, state, &mut context, seal) {
                ::core::result::Result::Ok(target) => {
                    ::core::result::Result::Ok(Machine { state: target, context })
                }
                ::core::result::Result::Err(refused) => {
                    ::core::result::Result::Err(
                        refused.map(|state| Machine { state, context }),
                    )
                }
            }
        }
        type Target = Paid;
        #[inline]
        fn transition(
            self,
            state: Cart,
            context: &mut Shop,
            _: __Seal,
        ) -> ::core::result::Result<Self::Target, ::fsm_core::GuardError<Cart, Self>> {
            match __user_code::guard_Cart_Pay(&state, &self, context) {
                ::core::result::Result::Ok(()) => {
                    ::core::result::Result::Ok({
                        let Cart { cents } = state;
                        Paid { cents }
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
    impl __EventOf<Paid> for event::Ship {
        type Next = Machine<Shipped>;
        #[inline]
        fn __fire(self, machine: Machine<Paid>, _: __Seal) -> Self::Next {
            let Machine { state, context } = machine;
            let target = Shipped;
            Machine { state: target, context }
        }
        type Target = Shipped;
        #[inline]
        fn transition(
            self,
            state: Paid,
            _: &mut Shop,
            _: __Seal,
        ) -> ::core::result::Result<Self::Target, ::fsm_core::GuardError<Paid, Self>> {
            ::core::result::Result::Ok(Shipped)
        }
    }
    const __GRAPH: &::fsm_core::Graph = &::fsm_core::Graph::new("Order")
        .with_doc("An order in a shop.")
        .with_context("Shop")
        .with_states(
            &[
                ::fsm_core::StateInfo::new("Cart")
                    .with_doc("Being filled.")
                    .with_initial(true)
                    .with_fields(&[::fsm_core::FieldInfo::new("cents", "u64")])
                    .with_enter("count"),
                ::fsm_core::StateInfo::new("Paid")
                    .with_doc("The money is there.")
                    .with_fields(&[::fsm_core::FieldInfo::new("cents", "u64")]),
                ::fsm_core::StateInfo::new("Shipped")
                    .with_doc("On its way.")
                    .with_kind(::fsm_core::StateKind::End),
            ],
        )
        .with_events(
            &[
                ::fsm_core::EventInfo::new("add")
                    .with_fields(&[::fsm_core::FieldInfo::new("cents", "u64")]),
                ::fsm_core::EventInfo::new("pay"),
                ::fsm_core::EventInfo::new("ship"),
            ],
        )
        .with_transitions(
            &[
                ::fsm_core::TransitionInfo::new("Cart", "add", &["Cart"]),
                ::fsm_core::TransitionInfo::new("Cart", "pay", &["Paid"])
                    .with_guarded(true),
                ::fsm_core::TransitionInfo::new("Paid", "ship", &["Shipped"]),
            ],
        );
    impl Order {
        /// The graph of this machine.
        pub const GRAPH: &'static ::fsm_core::Graph = __GRAPH;
        /// The name of its state.
        #[must_use]
        #[inline]
        pub const fn state(&self) -> State {
            match self {
                Self::Cart { .. } => State::Cart,
                Self::Paid { .. } => State::Paid,
                Self::Shipped => State::Shipped,
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
        /// Guards read the context, a `with` may change it. A refused event leaves it unchanged.
        ///
        /// # Errors
        /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
        pub fn apply(
            self,
            event: impl ::core::convert::Into<Event>,
            context: &mut Shop,
        ) -> ::core::result::Result<Order, ::fsm_core::ApplyError<Order>> {
            let event = ::core::convert::Into::into(event);
            match (self, event) {
                (Self::Cart { cents }, Event::Add(event)) => {
                    __step(Cart { cents }, event, context)
                }
                (Self::Cart { cents }, Event::Pay(event)) => {
                    __step(Cart { cents }, event, context)
                }
                (Self::Paid { .. }, Event::Ship(_)) => {
                    ::core::result::Result::Ok(Self::Shipped)
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
        S: ::fsm_core::StateOf<Order>,
        E: __EventOf<S> + ::core::convert::Into<Event>,
    >(
        state: S,
        event: E,
        context: &mut Shop,
    ) -> ::core::result::Result<Order, ::fsm_core::ApplyError<Order>> {
        match event.transition(state, context, __Seal) {
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
    impl ::fsm_core::StateMachine for Order {
        type State = State;
        type EventKind = EventKind;
        type Event = Event;
        type Context = Shop;
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
            context: &mut Shop,
        ) -> ::core::result::Result<Order, ::fsm_core::ApplyError<Order>> {
            self.apply(event, context)
        }
        #[inline]
        fn kind_of(event: &Event) -> EventKind {
            Event::kind(event)
        }
    }
}
