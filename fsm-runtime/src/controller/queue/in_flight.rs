//! Owns which instances have steps under way beside the loop, and whether a trigger came meanwhile. Pure.

use crate::store::Key;
use std::collections::HashMap;

/// An instance is not looked at while a step of it is under way: a look, or the storing of what its worker could not store itself.
/// There may be two, when a worker falls during a look; only the end of the last one frees the instance.
#[derive(Default)]
pub(in crate::controller) struct Busy(HashMap<Key, Steps>);

#[derive(Default)]
struct Steps {
    under_way: u32,
    again: bool,
}

impl Busy {
    /// A step of `key` begins.
    pub(in crate::controller) fn begin(&mut self, key: Key) {
        self.0.entry(key).or_default().under_way += 1;
    }

    /// Whether a step of `key` is under way.
    pub(in crate::controller) fn is(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// A trigger for `key` has come: whether it has to wait for the steps that are under way. However many do, they lead to one more
    /// look.
    pub(in crate::controller) fn waits(&mut self, key: &Key) -> bool {
        self.0.get_mut(key).map(|steps| steps.again = true).is_some()
    }

    /// A step of `key` has ended: whether it was the last, and a trigger came while they were under way.
    pub(in crate::controller) fn end(&mut self, key: &Key) -> bool {
        let Some(steps) = self.0.get_mut(key) else { return false };
        steps.under_way = steps.under_way.saturating_sub(1);
        if steps.under_way > 0 {
            return false;
        }
        self.0.remove(key).is_some_and(|steps| steps.again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_many_triggers_during_a_step_cause_one_more_look() {
        let (mut busy, key) = (Busy::default(), Key::new("M", "a"));
        assert!(!busy.waits(&key), "it is looked at at once");
        busy.begin(key.clone());
        assert!(!busy.end(&key), "nothing came");
        busy.begin(key.clone());
        assert!(busy.waits(&key) && busy.waits(&key));
        assert!(busy.end(&key));
        assert!(!busy.is(&key) && !busy.waits(&key));
    }

    #[test]
    fn c1_an_instance_is_busy_until_its_last_step_ends() {
        let (mut busy, key) = (Busy::default(), Key::new("M", "a"));
        busy.begin(key.clone());
        busy.begin(key.clone());
        assert!(busy.waits(&key));
        assert!(!busy.end(&key), "the other one is still under way");
        assert!(busy.is(&key) && busy.waits(&key));
        assert!(!busy.is(&Key::new("M", "b")));
        assert!(busy.end(&key), "what came before the first end is not forgotten");
        assert!(!busy.is(&key));
        assert!(!busy.end(&key));
    }
}
