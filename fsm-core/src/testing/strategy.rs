//! Random ways, for proptest.

use alloc::vec::Vec;
use proptest::{collection, prelude::*, sample::Index};

use super::way::{Path, starts, steps_from};
use crate::machine::StateMachine;

/// A strategy for legal sequences of events: ways of up to `max_legs` legs from any initial state, loops included.
///
/// A way ends early where nothing leads on. A failing way is shrunk by leaving out legs and by taking those that are declared
/// first. Where the graph branches, the way says which target is meant: [`Path::go`] hands that to the test.
///
/// ```
/// use fsm_core::{StateMachine, testing};
/// use light::event::{Go, Slow};
/// use proptest::prelude::*;
///
/// #[derive(StateMachine, Clone, Debug, PartialEq)]
/// #[fsm(initial = Red)]
/// enum Light {
///     #[on(go => Green)]
///     Red,
///     #[on(slow => Red)]
///     Green,
/// }
///
/// # fn main() {
/// proptest!(|(way in testing::paths::<Light>(8))| {
///     let light = way.follow(Light::Red, |leg, _| match leg.event {
///         light::EventKind::Go => Go.into(),
///         light::EventKind::Slow => Slow.into(),
///     })?;
///     prop_assert_eq!(light.state(), way.end());
/// });
/// # }
/// ```
pub fn ways<M>(max_legs: usize) -> impl Strategy<Value = Path<M>>
where
    M: StateMachine + 'static,
{
    let choices = collection::vec(any::<Index>(), 0..=max_legs);
    (any::<Index>(), choices).prop_filter_map("the machine has no initial state", |(start, choices)| {
        let starts: Vec<_> = starts::<M>().collect();
        let start = pick(start, &starts)?;
        Some(choices.into_iter().fold(Path::from(start), |mut way, choice| {
            way.steps.extend(pick(choice, &steps_from(way.end())));
            way
        }))
    })
}

fn pick<T: Copy>(choice: Index, from: &[T]) -> Option<T> {
    (!from.is_empty()).then(|| *choice.get(from))
}
