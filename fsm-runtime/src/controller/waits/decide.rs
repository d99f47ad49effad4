//! Decides about an instance that waits, from what it waits for and where those instances are. Pure.

use crate::store::Key;
use fsm_core::{Graph, WaitInfo, WaitQuantity};
use std::collections::HashMap;

/// One wait of an instance, with the keys in its data.
pub(crate) struct Wait {
    pub(crate) info: &'static WaitInfo,
    /// Each once.
    pub(crate) keys: Vec<Key>,
}

/// An instance that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) now: Now,
    /// The states that it has been in since the wait began.
    pub(super) passed: Vec<&'static str>,
}

/// Where an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    In(&'static str),
    /// It was removed in this state.
    RemovedIn(&'static str),
    /// It does not exist, and nothing is known of a former one.
    Missing,
    /// In a state that this code does not know.
    Unknown,
}

/// What to do about an instance that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Fire the event of the wait at this place.
    Fire(usize),
    Keep,
    /// None of the waits can end any more.
    Stuck(String),
}

/// How many keys a reason names.
const NAMED: usize = 3;

/// Decides about an instance. The first wait in the order of the declaration that holds is fired: first those that hold now, then those
/// that held at some time since the wait began.
///
/// `found` has each of the keys. `graphs` are those of the awaited machines.
pub(super) fn decide(
    waits: &[Wait],
    found: &HashMap<Key, Awaited>,
    graphs: &HashMap<&'static str, &'static Graph>,
) -> Decision {
    if let Some(place) = holds(waits, found, false).or_else(|| holds(waits, found, true)) {
        return Decision::Fire(place);
    }
    let can_end = |wait: &Wait| {
        let graph = graphs.get(wait.info.machine).copied();
        enough(wait, |awaited| counts(wait.info, awaited, true) || can_count(wait.info, awaited, graph), found)
    };
    if waits.iter().any(can_end) { Decision::Keep } else { Decision::Stuck(why_stuck(waits, found)) }
}

/// The first wait that holds.
pub(super) fn holds(waits: &[Wait], found: &HashMap<Key, Awaited>, passed: bool) -> Option<usize> {
    waits.iter().position(|wait| enough(wait, |awaited| counts(wait.info, awaited, passed), found))
}

/// Whether enough of the instances count.
fn enough(wait: &Wait, counts: impl Fn(&Awaited) -> bool, found: &HashMap<Key, Awaited>) -> bool {
    let count = wait.keys.iter().filter(|key| found.get(*key).is_some_and(&counts)).count();
    match wait.info.quantity {
        WaitQuantity::Any => count >= 1,
        WaitQuantity::AtLeast(least) => u32::try_from(count).is_ok_and(|count| count >= least),
        // `One` has one key.
        _ => count == wait.keys.len(),
    }
}

fn counts(info: &WaitInfo, awaited: &Awaited, passed: bool) -> bool {
    let listed = |state: &&'static str| info.states.contains(state);
    let now = match &awaited.now {
        Now::In(state) => listed(state),
        Now::RemovedIn(state) => info.missing || listed(state),
        Now::Missing => info.missing,
        Now::Unknown => false,
    };
    now || passed && awaited.passed.iter().any(listed)
}

/// Whether transitions can lead to where the instance counts.
fn can_count(info: &WaitInfo, awaited: &Awaited, graph: Option<&Graph>) -> bool {
    match &awaited.now {
        Now::In(state) => {
            let Some(graph) = graph else { return true };
            let ahead = graph.reachable(state);
            ahead.iter().any(|state| info.states.contains(&state.name) || info.missing && state.remove)
        }
        // Another release may know more.
        Now::Unknown => true,
        Now::RemovedIn(_) | Now::Missing => false,
    }
}

fn why_stuck(waits: &[Wait], found: &HashMap<Key, Awaited>) -> String {
    let mut keys: Vec<&Key> = waits.iter().flat_map(|wait| &wait.keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let one = |key: &&Key| match found.get(*key).map(|awaited| awaited.now) {
        Some(Now::In(state)) => Some(format!("{key} is in `{state}`")),
        Some(Now::RemovedIn(state)) => Some(format!("{key} was removed in `{state}`")),
        Some(Now::Missing) => Some(format!("{key} does not exist")),
        Some(Now::Unknown) | None => None,
    };
    let mut parts: Vec<String> = keys.iter().filter_map(one).take(NAMED).collect();
    if parts.is_empty() {
        parts.push("it has no ids to wait for".to_owned());
    } else if keys.len() > NAMED {
        parts.push(format!("and {} more", keys.len() - NAMED));
    }
    format!("none of its waits can end: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::{StateInfo, StateKind, TransitionInfo};
    use proptest::prelude::*;

    static JOB: Graph = Graph::new("Job")
        .with_states(&[
            StateInfo::new("Running").with_initial(true),
            StateInfo::new("Passed"),
            StateInfo::new("Failed").with_kind(StateKind::End),
            StateInfo::new("Archived").with_kind(StateKind::End).with_remove(true),
        ])
        .with_transitions(&[
            TransitionInfo::new("Running", "pass", &["Passed"]),
            TransitionInfo::new("Running", "fail", &["Failed"]),
            TransitionInfo::new("Passed", "archive", &["Archived"]),
        ]);

    const PASSED: WaitInfo = WaitInfo::new("jobs", "Job", &["Passed"], "passed");
    const FAILED: WaitInfo = WaitInfo::new("jobs", "Job", &["Failed"], "fail");

    fn all(info: WaitInfo) -> &'static WaitInfo {
        Box::leak(Box::new(info))
    }

    fn key(id: usize) -> Key {
        Key::new("Job", id.to_string())
    }

    fn on(info: WaitInfo, count: usize) -> Wait {
        Wait { info: all(info), keys: (0..count).map(key).collect() }
    }

    fn found(states: &[Now]) -> HashMap<Key, Awaited> {
        states.iter().enumerate().map(|(i, now)| (key(i), Awaited { now: *now, passed: Vec::new() })).collect()
    }

    fn decided(waits: &[Wait], states: &[Now]) -> Decision {
        decide(waits, &found(states), &HashMap::from([("Job", &JOB)]))
    }

    #[test]
    fn all_any_and_at_least_count_their_instances() {
        use Now::In;
        let quantity = |quantity| [on(PASSED.with_quantity(quantity), 3)];
        let states = |passed: usize| [0, 1, 2].map(|i| if i < passed { In("Passed") } else { In("Running") });
        let fires_from = |wait: &[Wait; 1]| (0..=3).find(|passed| decided(wait, &states(*passed)) == Decision::Fire(0));
        assert_eq!(fires_from(&quantity(WaitQuantity::All)), Some(3));
        assert_eq!(fires_from(&quantity(WaitQuantity::Any)), Some(1));
        assert_eq!(fires_from(&quantity(WaitQuantity::AtLeast(2))), Some(2));
        assert_eq!(fires_from(&quantity(WaitQuantity::AtLeast(4))), None);
    }

    #[test]
    fn the_first_wait_of_the_declaration_wins() {
        let waits = [on(PASSED.with_quantity(WaitQuantity::Any), 2), on(FAILED.with_quantity(WaitQuantity::Any), 2)];
        assert_eq!(decided(&waits, &[Now::In("Failed"), Now::In("Passed")]), Decision::Fire(0));
        assert_eq!(decided(&waits, &[Now::In("Failed"), Now::In("Running")]), Decision::Fire(1));
        assert_eq!(decided(&waits, &[Now::In("Running"); 2]), Decision::Keep);
    }

    #[test]
    fn a_removed_instance_counts_in_its_last_state() {
        let passed = [on(PASSED, 1)];
        assert_eq!(decided(&passed, &[Now::RemovedIn("Passed")]), Decision::Fire(0));
        let stuck = "none of its waits can end: Job `0` was removed in `Failed`";
        assert_eq!(decided(&passed, &[Now::RemovedIn("Failed")]), Decision::Stuck(stuck.to_owned()));
        let gone = [on(PASSED, 1), on(WaitInfo::new("jobs", "Job", &[], "lost").with_missing(true), 1)];
        assert_eq!(decided(&gone, &[Now::RemovedIn("Failed")]), Decision::Fire(1));
        assert_eq!(decided(&gone, &[Now::RemovedIn("Passed")]), Decision::Fire(0));
        assert_eq!(decided(&gone, &[Now::Missing]), Decision::Fire(1));
    }

    #[test]
    fn a_wait_that_cannot_end_is_stuck() {
        let stuck = |waits: &[Wait], states: &[Now]| match decided(waits, states) {
            Decision::Stuck(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(stuck(&[on(PASSED, 1)], &[Now::In("Failed")]), "none of its waits can end: Job `0` is in `Failed`");
        assert_eq!(stuck(&[on(PASSED, 1)], &[Now::Missing]), "none of its waits can end: Job `0` does not exist");
        let any = [on(PASSED.with_quantity(WaitQuantity::Any), 0)];
        assert_eq!(stuck(&any, &[]), "none of its waits can end: it has no ids to wait for");
        let all = [on(PASSED.with_quantity(WaitQuantity::All), 5)];
        let why =
            stuck(&all, &[Now::In("Running"), Now::In("Failed"), Now::In("Passed"), Now::In("Passed"), Now::Missing]);
        assert!(why.ends_with("Job `2` is in `Passed`, and 2 more"), "{why}");
        assert_eq!(decided(&[on(PASSED, 1)], &[Now::Unknown]), Decision::Keep, "another release may know the state");
        let removed = [on(WaitInfo::new("jobs", "Job", &[], "lost").with_missing(true), 1)];
        assert_eq!(decided(&removed, &[Now::In("Passed")]), Decision::Keep, "`Archived` removes it");
        assert!(stuck(&removed, &[Now::In("Failed")]).ends_with("is in `Failed`"));
    }

    #[test]
    fn a_state_that_was_left_again_counts() {
        let waits = [on(PASSED, 1), on(WaitInfo::new("jobs", "Job", &["Archived"], "archived"), 1)];
        let graphs = HashMap::from([("Job", &JOB)]);
        let mut found = found(&[Now::In("Running")]);
        found.get_mut(&key(0)).unwrap().passed = vec!["Passed", "Running"];
        assert_eq!(decide(&waits, &found, &graphs), Decision::Fire(0));
        found.get_mut(&key(0)).unwrap().now = Now::RemovedIn("Archived");
        assert_eq!(decide(&waits, &found, &graphs), Decision::Fire(1), "where it is now comes first");
    }

    #[test]
    fn all_of_none_holds_at_once() {
        assert_eq!(decided(&[on(PASSED.with_quantity(WaitQuantity::All), 0)], &[]), Decision::Fire(0));
    }

    fn now() -> impl Strategy<Value = Now> {
        const STATES: &[&str] = &["Running", "Passed", "Failed", "Archived"];
        prop_oneof![
            6 => proptest::sample::select(STATES).prop_map(Now::In),
            1 => proptest::sample::select(STATES).prop_map(Now::RemovedIn),
            1 => Just(Now::Missing),
            1 => Just(Now::Unknown),
        ]
    }

    fn quantity() -> impl Strategy<Value = WaitQuantity> {
        prop_oneof![Just(WaitQuantity::All), Just(WaitQuantity::Any), (1..4_u32).prop_map(WaitQuantity::AtLeast)]
    }

    proptest! {
        /// Stuck is forever: no transition of the awaited instances makes a wait hold.
        #[test]
        fn no_transition_ends_a_wait_that_is_stuck(
            states in proptest::collection::vec(now(), 0..5),
            quantities in proptest::collection::vec((quantity(), any::<bool>(), any::<bool>()), 1..3),
            moves in proptest::collection::vec((0..5_usize, 0..3_usize), 0..12),
        ) {
            let waits: Vec<Wait> = quantities
                .into_iter()
                .map(|(quantity, failed, missing)| {
                    let info = if failed { FAILED } else { PASSED };
                    on(info.with_quantity(quantity).with_missing(missing), states.len())
                })
                .collect();
            let mut states = states;
            let mut was_stuck = false;
            for (instance, transition) in std::iter::once((usize::MAX, 0)).chain(moves) {
                if let Some(now) = states.get_mut(instance)
                    && let Now::In(state) = *now
                    && let Some(transition) = JOB.transitions_from(state).nth(transition)
                {
                    let to = transition.to[0];
                    *now = if JOB.state(to).unwrap().remove { Now::RemovedIn(to) } else { Now::In(to) };
                }
                let decision = decided(&waits, &states);
                prop_assert!(!was_stuck || matches!(decision, Decision::Stuck(_)), "{states:?}");
                was_stuck = matches!(decision, Decision::Stuck(_));
            }
        }
    }
}
