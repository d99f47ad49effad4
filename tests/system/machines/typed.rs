//! The typed API of a machine: which pairs compile, where each event leads, and the macro that checks both.

use fsm_core::{ApplyError, GuardError, StateMachine};
use std::marker::PhantomData;

/// A state, an event, and everything that the derive generates for the pair.
pub(crate) struct Pair<M: StateMachine> {
    pub(crate) state: M,
    pub(crate) event: M::Event,
    /// `E: EventOf<S>`
    pub(crate) declared: bool,
    /// `Machine::fire`, where that compiles.
    pub(crate) fired: Option<Result<M, ApplyError<M>>>,
    pub(crate) can: bool,
    pub(crate) accepts: &'static [M::EventKind],
    pub(crate) applied: Result<M, ApplyError<M>>,
}

/// Asks the compiler about a state and an event of `M`: the inherent items of the machine, which [`hold!`] adds for declared
/// pairs only, take precedence over those of [`Undeclared`].
pub(crate) struct Ask<M, S, E>(PhantomData<(M, S, E)>);

pub(crate) trait Undeclared<M: StateMachine, S, E> {
    const DECLARED: bool = false;

    fn fire(_: S, _: E) -> Option<Result<M, ApplyError<M>>> {
        None
    }
}

impl<M: StateMachine, S, E> Undeclared<M, S, E> for Ask<M, S, E> {}

/// The same for `S: Initial`.
pub(crate) struct AskInitial<M, S>(PhantomData<(M, S)>);

pub(crate) trait NotInitial {
    const INITIAL: bool = false;
}

impl<M, S> NotInitial for AskInitial<M, S> {}

/// What `Machine::fire` returns, whatever its type, as `apply` would return it.
pub(crate) trait Landed<M: StateMachine> {
    fn landed(self) -> Result<M, ApplyError<M>>;
}

impl<M, T, S, E> Landed<M> for Result<T, GuardError<S, E>>
where
    M: StateMachine<Event: From<E>> + From<S>,
    T: Landed<M>,
{
    fn landed(self) -> Result<M, ApplyError<M>> {
        match self {
            Ok(target) => target.landed(),
            Err(GuardError { machine, event, reason }) => {
                Err(ApplyError { machine: machine.into(), event: event.into(), reason: Some(reason) })
            }
        }
    }
}

/// Compares a machine with its file, which has the name of its module.
///
/// `states` and `events` list values, at least one of each, and several where the data decide. `choices` names each branching
/// transition's choice with its targets.
macro_rules! hold {
    (
        $machine:ident in $module:ident;
        states: [$($state:ident $({ $($data:tt)* })?),+ $(,)?];
        events: $events:tt;
        $(choices: [$($choice:ident($($target:ident),+)),+ $(,)?];)?
    ) => {
        impl<S> super::typed::Landed<$machine> for $module::Machine<S>
        where
            S: fsm_core::StateOf<$machine>,
        {
            fn landed(self) -> Result<$machine, fsm_core::ApplyError<$machine>> {
                Ok(self.into())
            }
        }

        $($(
            impl<$($target: Into<$machine>),+> super::typed::Landed<$machine> for $module::choice::$choice<$($target),+> {
                fn landed(self) -> Result<$machine, fsm_core::ApplyError<$machine>> {
                    match self {
                        $(Self::$target(machine) => Ok(machine.into()),)+
                    }
                }
            }
        )+)?

        impl<S, E: $module::__EventOf<S>> super::typed::Ask<$machine, S, E> {
            const DECLARED: bool = true;

            fn fire(state: S, event: E) -> Option<Result<$machine, fsm_core::ApplyError<$machine>>>
            where
                S: fsm_core::StateOf<$machine>,
                E::Next: super::typed::Landed<$machine>,
            {
                let machine = $module::Machine::<S>::try_from(state.into_enum()).expect("a state is in its own state");
                Some(super::typed::Landed::landed(machine.fire(event)))
            }
        }

        impl<S: $module::__Initial> super::typed::AskInitial<$machine, S> {
            const INITIAL: bool = true;
        }

        fn spec() -> super::spec::Spec {
            super::spec::Spec::parse(include_str!(concat!("../../machines/", stringify!($module), ".json")))
        }

        fn pairs() -> Vec<super::typed::Pair<$machine>> {
            #[allow(unused_imports, reason = "not every machine has an illegal pair")]
            use super::typed::Undeclared as _;
            let mut pairs = Vec::new();
            $(super::typed::hold!(@state pairs $machine $module $state { $($($data)*)? } $events);)+
            pairs
        }

        #[test]
        fn the_graph_matches_the_file() {
            super::check::graph(&spec(), $machine::GRAPH);
        }

        #[test]
        fn the_counts_match_the_file() {
            super::check::counts(&spec(), $machine::GRAPH);
        }

        #[test]
        fn the_diagram_matches_the_graph() {
            super::mermaid::check(&spec(), &$machine::GRAPH.mermaid().to_string());
            super::exchange::check($machine::GRAPH);
        }

        #[test]
        fn names_round_trip() {
            super::check::names::<$machine>(&spec());
        }

        #[test]
        fn a_way_leads_to_every_edge_of_the_file() {
            super::check::paths::<$machine>(&spec());
        }

        #[test]
        fn the_initial_states_match_the_file() {
            use super::typed::NotInitial as _;
            let initial = [$((
                $module::State::$state.as_str(),
                super::typed::AskInitial::<$machine, $module::$state>::INITIAL,
            )),+];
            super::check::initial(&spec(), initial);
        }

        #[test]
        fn only_declared_pairs_of_state_and_event_move() {
            super::check::pairs(&spec(), &pairs());
        }
    };
    (
        @state $pairs:ident $machine:ident $module:ident $state:ident $data:tt
        [$($event:ident $({ $($payload:tt)* })?),+ $(,)?]
    ) => {
        $({
            let state = || $module::$state $data;
            let event = || $module::event::$event { $($($payload)*)? };
            let machine = || -> $machine { fsm_core::Target::into_enum(state()) };
            $pairs.push(super::typed::Pair {
                state: machine(),
                event: event().into(),
                declared: super::typed::Ask::<$machine, $module::$state, $module::event::$event>::DECLARED,
                fired: super::typed::Ask::<$machine, $module::$state, $module::event::$event>::fire(state(), event()),
                can: machine().can($module::EventKind::$event),
                accepts: machine().accepts(),
                applied: machine().apply(event()),
            });
        })+
    };
}
pub(crate) use hold;
