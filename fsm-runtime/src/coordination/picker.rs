//! Selects an instance of a service for a call.

use super::ServiceInstance;
use crate::{clock::Clock, sync::Mutex};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

/// How long an instance is avoided after a failure.
const AVOID: Duration = Duration::from_secs(10);

/// Picks an instance of a service for a call. Instances whose calls have just failed are avoided while there are others.
///
/// ```
/// # use fsm_runtime::coordination::{Picker, ServiceInstance};
/// # fn call(_: &ServiceInstance) -> Result<(), ()> { Ok(()) }
/// # fn example(instances: Vec<ServiceInstance>) {
/// let picker = Picker::least_loaded();
/// if let Some(instance) = picker.pick(&instances) {
///     match call(instance) {
///         Ok(()) => picker.succeeded(instance),
///         Err(()) => picker.failed(instance),
///     }
/// }
/// # }
/// ```
pub struct Picker {
    order: Order,
    avoid: Duration,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    InTurn,
    Random,
    LeastLoaded,
}

#[derive(Default)]
struct Known {
    turn: usize,
    /// The calls in flight by the ids of their instances.
    calls: HashMap<String, usize>,
    /// The times until which instances are avoided, by their ids.
    avoided: HashMap<String, Duration>,
}

impl Picker {
    /// Picks instances in turn.
    #[must_use]
    pub fn in_turn() -> Self {
        Self::new(Order::InTurn)
    }

    /// Picks instances at random.
    #[must_use]
    pub fn random() -> Self {
        Self::new(Order::Random)
    }

    /// Picks the instance with the fewest calls of this picker in flight. [`pick`](Self::pick) begins a call, and
    /// [`succeeded`](Self::succeeded) and [`failed`](Self::failed) end it. Instances with equally many calls are picked in turn.
    #[must_use]
    pub fn least_loaded() -> Self {
        Self::new(Order::LeastLoaded)
    }

    fn new(order: Order) -> Self {
        Self { order, avoid: AVOID, clock: Clock::system(), known: Mutex::default() }
    }

    /// Sets how long an instance is avoided after a failure: 10 s by default.
    #[must_use]
    pub fn avoid_for(mut self, duration: Duration) -> Self {
        self.avoid = duration;
        self
    }

    /// Sets the clock: the system's by default. In a test, pass the clock of the runtime.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the instance to call next; `None` if there are no instances.
    pub fn pick<'a>(&self, instances: &'a [ServiceInstance]) -> Option<&'a ServiceInstance> {
        let now = self.clock.elapsed();
        let mut known = self.known.lock();
        let Known { turn, calls, avoided } = &mut *known;
        avoided.retain(|_, until| *until > now);
        let candidates = candidates(instances, avoided);
        if candidates.is_empty() {
            return None;
        }
        *turn = turn.wrapping_add(1);
        let in_turn = candidates.iter().cycle().skip(*turn % candidates.len()).take(candidates.len());
        let picked: &ServiceInstance = match self.order {
            Order::InTurn => in_turn.copied().next()?,
            Order::Random => candidates[fastrand::usize(..candidates.len())],
            Order::LeastLoaded => {
                in_turn.copied().min_by_key(|instance| calls.get(&instance.id).copied().unwrap_or_default())?
            }
        };
        if self.order == Order::LeastLoaded {
            calls.retain(|id, calls| *calls > 0 && instances.iter().any(|instance| instance.id == *id));
            *calls.entry(picked.id.clone()).or_default() += 1;
        }
        Some(picked)
    }

    /// Returns the instance that `key` belongs to, by rendezvous hashing; `None` if there are no instances. The instance of a key stays the
    /// same while it is live and not avoided. If an instance ends, its keys are spread over the others, and no other key moves.
    ///
    /// Instances are identified by their endpoints, so a restart does not move keys. Source: Thaler and Ravishankar, *A Name-Based Mapping
    /// Scheme for Rendezvous*, 1996.
    pub fn pick_by_key<'a>(&self, instances: &'a [ServiceInstance], key: &str) -> Option<&'a ServiceInstance> {
        let now = self.clock.elapsed();
        let mut known = self.known.lock();
        known.avoided.retain(|_, until| *until > now);
        // This hasher has no random state, so all processes of a build compute the same scores.
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let score = |instance: &&ServiceInstance| hasher.hash_one((&instance.endpoint, key));
        candidates(instances, &known.avoided).into_iter().max_by_key(score)
    }

    /// Records that a call succeeded. The instance is no longer avoided.
    pub fn succeeded(&self, instance: &ServiceInstance) {
        let mut known = self.known.lock();
        known.end(instance);
        known.avoided.remove(&instance.id);
    }

    /// Records that a call failed. The instance is avoided for the time of [`avoid_for`](Self::avoid_for).
    pub fn failed(&self, instance: &ServiceInstance) {
        let until = self.clock.elapsed().saturating_add(self.avoid);
        let mut known = self.known.lock();
        known.end(instance);
        known.avoided.insert(instance.id.clone(), until);
    }
}

impl Known {
    fn end(&mut self, instance: &ServiceInstance) {
        if let Some(calls) = self.calls.get_mut(&instance.id) {
            *calls = calls.saturating_sub(1);
        }
    }
}

/// The instances that are not avoided, or all instances if each one is avoided.
fn candidates<'a>(instances: &'a [ServiceInstance], avoided: &HashMap<String, Duration>) -> Vec<&'a ServiceInstance> {
    let good: Vec<&ServiceInstance> = instances.iter().filter(|it| !avoided.contains_key(&it.id)).collect();
    if good.is_empty() { instances.iter().collect() } else { good }
}

impl fmt::Debug for Picker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picker").field("order", &self.order).field("avoid", &self.avoid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::SystemTime;

    fn instances(count: usize) -> Vec<ServiceInstance> {
        let instance = |n: usize| ServiceInstance {
            id: n.to_string(),
            name: "s".into(),
            endpoint: format!("http://{n}"),
            meta: serde_json::Value::Null,
            holder: String::new(),
            since: SystemTime::UNIX_EPOCH,
        };
        (0..count).map(instance).collect()
    }

    fn picked(picker: &Picker, instances: &[ServiceInstance], times: usize) -> Vec<String> {
        (0..times).map(|_| picker.pick(instances).unwrap().id.clone()).collect()
    }

    #[test]
    fn g4_instances_are_picked_in_turn() {
        let (picker, all) = (Picker::in_turn(), instances(3));
        let mut picks = picked(&picker, &all, 6);
        picks.sort();
        assert_eq!(picks, ["0", "0", "1", "1", "2", "2"]);
        assert_eq!(picker.pick(&[]), None);
    }

    #[test]
    fn g4_an_instance_that_failed_is_avoided_for_a_time() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (picker, all) = (Picker::random().clock(clock.clock()), instances(2));
        picker.failed(&all[0]);
        assert_eq!(picked(&picker, &all, 20), vec!["1"; 20]);
        picker.failed(&all[1]);
        assert!(picker.pick(&all).is_some(), "both have failed");
        picker.succeeded(&all[0]);
        assert_eq!(picked(&picker, &all, 20), vec!["0"; 20]);
        clock.advance(Duration::from_secs(10));
        assert!(picked(&picker, &all, 100).contains(&"1".to_owned()));
    }

    #[test]
    fn g4_the_least_loaded_instance_is_picked() {
        let (picker, all) = (Picker::least_loaded(), instances(3));
        let mut first = picked(&picker, &all, 3);
        first.sort();
        assert_eq!(first, ["0", "1", "2"], "each has one call");
        picker.succeeded(&all[2]);
        assert_eq!(picked(&picker, &all, 1), ["2"]);
        picker.succeeded(&all[1]);
        picker.succeeded(&all[1]);
        assert_eq!(picked(&picker, &all, 1), ["1"]);
    }

    #[test]
    fn g4_only_the_keys_of_an_instance_that_is_gone_move() {
        let (picker, all) = (Picker::in_turn(), instances(5));
        let owner = |instances: &[ServiceInstance], key: usize| {
            picker.pick_by_key(instances, &key.to_string()).unwrap().id.clone()
        };
        let mut moved = 0;
        for key in 0..1_000 {
            let (before, after) = (owner(&all, key), owner(&all[1..], key));
            if before == "0" {
                moved += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        assert!((100..300).contains(&moved), "about a fifth: {moved}");
    }
}
