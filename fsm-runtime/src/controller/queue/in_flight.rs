//! The instances with steps in flight, and whether a look at each was deferred. Pure.

use crate::store::Key;
use std::collections::HashMap;

/// An instance is not looked at while a step of it is in flight. There may be two steps, when a worker ends during a look; the
/// instance is free at the end of the last one.
#[derive(Default)]
pub(super) struct InFlight(HashMap<Key, Steps>);

#[derive(Default)]
struct Steps {
    count: u32,
    deferred: bool,
}

impl InFlight {
    /// Records that a step of `key` begins.
    pub(super) fn begin(&mut self, key: Key) {
        self.0.entry(key).or_default().count += 1;
    }

    /// Whether a step of `key` is in flight.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// Defers a look at `key` to the end of its steps; returns `false` where none is in flight. However many looks are deferred, one
    /// follows.
    pub(super) fn defer(&mut self, key: &Key) -> bool {
        self.0.get_mut(key).map(|steps| steps.deferred = true).is_some()
    }

    /// Records the end of a step of `key`. Returns whether it was the last one and a look was deferred.
    pub(super) fn end(&mut self, key: &Key) -> bool {
        let Some(steps) = self.0.get_mut(key) else { return false };
        steps.count = steps.count.saturating_sub(1);
        if steps.count > 0 {
            return false;
        }
        self.0.remove(key).is_some_and(|steps| steps.deferred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_many_triggers_during_a_step_cause_one_more_look() {
        let (mut steps, key) = (InFlight::default(), Key::new("M", "a"));
        assert!(!steps.defer(&key), "nothing is in flight");
        steps.begin(key.clone());
        assert!(!steps.end(&key), "nothing came");
        steps.begin(key.clone());
        assert!(steps.defer(&key) && steps.defer(&key));
        assert!(steps.end(&key));
        assert!(!steps.contains(&key) && !steps.defer(&key));
    }

    #[test]
    fn c1_an_instance_is_busy_until_its_last_step_ends() {
        let (mut steps, key) = (InFlight::default(), Key::new("M", "a"));
        steps.begin(key.clone());
        steps.begin(key.clone());
        assert!(steps.defer(&key));
        assert!(!steps.end(&key), "the other one is still in flight");
        assert!(steps.contains(&key) && steps.defer(&key));
        assert!(!steps.contains(&Key::new("M", "b")));
        assert!(steps.end(&key), "a look deferred before the first end is not forgotten");
        assert!(!steps.contains(&key));
        assert!(!steps.end(&key));
    }
}
