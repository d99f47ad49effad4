//! A proptest strategy for paths.

use alloc::vec::Vec;
use proptest::{collection, prelude::*, sample::Index};

use super::path::{Path, starts};
use crate::machine::StateMachine;

/// A strategy for legal sequences of events: paths of up to `max_steps` steps from any initial state, loops included.
///
/// A path is shorter if it reaches a state without transitions. Shrinking removes steps and prefers transitions that are
/// declared first. For a transition that branches, [`Step::to`](super::Step::to) is the target that the test must reach.
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
/// proptest!(|(path in testing::paths::<Light>(8))| {
///     let light = path.follow(Light::Red, |step, _| match step.event {
///         light::EventKind::Go => Go.into(),
///         light::EventKind::Slow => Slow.into(),
///     })?;
///     prop_assert_eq!(light.state(), path.end());
/// });
/// # }
/// ```
pub fn paths<M>(max_steps: usize) -> impl Strategy<Value = Path<M>>
where
    M: StateMachine + 'static,
{
    let choices = collection::vec(any::<Index>(), 0..=max_steps);
    (any::<Index>(), choices).prop_filter_map("the machine has no initial state", |(start, choices)| {
        let starts: Vec<_> = starts::<M>().collect();
        let start = pick(start, &starts)?;
        Some(choices.into_iter().fold(Path::from(start), |mut path, choice| {
            path.steps.extend(pick(choice, &path.next_steps()));
            path
        }))
    })
}

fn pick<T: Copy>(choice: Index, from: &[T]) -> Option<T> {
    (!from.is_empty()).then(|| *choice.get(from))
}
