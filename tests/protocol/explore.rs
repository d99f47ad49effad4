//! The search: all interleavings of the steps of a model, breadth first, so that a counterexample is a shortest one.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug},
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// What is written for a step: the function or the statement that it stands for.
pub(crate) type Step = &'static str;

/// A model: its states, and the steps between them.
pub(crate) trait Model {
    type State: Clone + Eq + Hash + Debug;

    fn first(&self) -> Self::State;

    /// Adds each step that is possible in `state`, with the state after it.
    fn steps(&self, state: &Self::State, next: &mut Vec<(Step, Self::State)>);

    /// What does not hold in `state`, and always should.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;

    /// Whether everything has come to its end. Such a state can be reached from every state.
    fn is_end(&self, state: &Self::State) -> bool;
}

/// A shortest way to a state that should not be.
pub(crate) struct Counterexample {
    pub(crate) broken: &'static str,
    way: Vec<String>,
}

impl Debug for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after {} steps:\n{}", self.broken, self.way.len() - 1, self.way.join("\n"))
    }
}

/// The states are many, and no enemy chooses them: the hasher of the standard library takes most of the time without optimization.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// More states than a model should have.
const MOST: usize = 100_000_000;

/// Searches all states. Returns how many there are.
pub(crate) fn search<M: Model>(model: &M) -> Result<usize, Counterexample> {
    let mut found: HashMap<M::State, u32, BuildHasherDefault<Mixer>> = HashMap::default();
    // For each state, the one before it, and which of its steps led here.
    let mut origins: Vec<(u32, u32)> = Vec::new();
    // The states before each state.
    let mut before: Vec<Vec<u32>> = Vec::new();
    let (mut ends, mut queue, mut next) = (Vec::new(), VecDeque::new(), Vec::new());
    let first = model.first();
    found.insert(first.clone(), 0);
    origins.push((0, 0));
    before.push(Vec::new());
    queue.push_back((0_u32, first));
    while let Some((place, state)) = queue.pop_front() {
        if let Some(broken) = model.broken(&state) {
            return Err(Counterexample { broken, way: way(model, &origins, place) });
        }
        if model.is_end(&state) {
            ends.push(place);
        }
        model.steps(&state, &mut next);
        for (choice, (_, after)) in (0..).zip(next.drain(..)) {
            let new = u32::try_from(origins.len()).expect("there are fewer states");
            let known = *found.entry(after).or_insert_with_key(|after| {
                origins.push((place, choice));
                before.push(Vec::new());
                queue.push_back((new, after.clone()));
                new
            });
            before[known as usize].push(place);
        }
        assert!(origins.len() < MOST, "the model has too many states");
    }
    match without_end(&before, ends) {
        Some(stuck) => Err(Counterexample { broken: "there is no way to the end", way: way(model, &origins, stuck) }),
        None => Ok(origins.len()),
    }
}

/// The first state from which no state of `ends` can be reached.
fn without_end(before: &[Vec<u32>], ends: Vec<u32>) -> Option<u32> {
    let (mut reaches, mut open) = (vec![false; before.len()], ends);
    for place in &open {
        reaches[*place as usize] = true;
    }
    while let Some(place) = open.pop() {
        for from in &before[place as usize] {
            if !std::mem::replace(&mut reaches[*from as usize], true) {
                open.push(*from);
            }
        }
    }
    (0..).zip(&reaches).find(|(_, reaches)| !**reaches).map(|(place, _)| place)
}

/// The steps to a state, each with the state after it.
fn way<M: Model>(model: &M, origins: &[(u32, u32)], mut place: u32) -> Vec<String> {
    let mut choices = Vec::new();
    while place != 0 {
        let (from, choice) = origins[place as usize];
        choices.push(choice);
        place = from;
    }
    let mut state = model.first();
    let mut way = vec![format!("   0. the beginning\n      {state:?}")];
    for (n, choice) in (1..).zip(choices.into_iter().rev()) {
        let mut next = Vec::new();
        model.steps(&state, &mut next);
        let (step, after) = next.swap_remove(choice as usize);
        way.push(format!("{n:4}. {step}\n      {after:?}"));
        state = after;
    }
    way
}

/// Tests of the search: what it must find.
mod tests {
    use super::*;

    /// Counts to four, in ones and twos; may be caught by three.
    struct Stairs {
        broken_at: Option<u8>,
        stuck_at: Option<u8>,
    }

    impl Model for Stairs {
        type State = u8;

        fn first(&self) -> u8 {
            0
        }

        fn steps(&self, state: &u8, next: &mut Vec<(Step, u8)>) {
            if *state < 4 && self.stuck_at != Some(*state) {
                next.extend([("one", state + 1), ("two", state + 2)].into_iter().filter(|(_, after)| *after < 5));
            }
        }

        fn broken(&self, state: &u8) -> Option<&'static str> {
            (self.broken_at == Some(*state)).then_some("on a bad step")
        }

        fn is_end(&self, state: &u8) -> bool {
            *state == 4
        }
    }

    #[test]
    fn the_search_finds_all_states() {
        assert_eq!(search(&Stairs { broken_at: None, stuck_at: None }).unwrap(), 5);
    }

    #[test]
    fn a_counterexample_is_a_shortest_one() {
        let found = search(&Stairs { broken_at: Some(4), stuck_at: None }).unwrap_err();
        let expected =
            "on a bad step, after 2 steps:\n   0. the beginning\n      0\n   1. two\n      2\n   2. two\n      4";
        assert_eq!(format!("{found:?}"), expected);
    }

    #[test]
    fn a_state_without_a_way_to_the_end_is_found() {
        let found = search(&Stairs { broken_at: None, stuck_at: Some(3) }).unwrap_err();
        assert_eq!(found.broken, "there is no way to the end");
    }
}
