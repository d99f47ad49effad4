//! What holds due work back in this process.

use crate::{clock::Clock, store::Key, sync::Mutex};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

/// What due work waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A slot: all are taken.
    Slot,
    /// One of the [slots](crate::Policy::concurrency_over_all) of its state over all processes.
    SharedSlot {
        /// The number of slots.
        limit: usize,
    },
    /// Its turn within the [rate](crate::Policy::rate) of its state.
    Rate {
        /// The time until the next start.
        left: Duration,
    },
    /// The circuit of a [breaker](crate::Policy::breaker), which is open.
    Breaker {
        /// The name of the breaker.
        name: String,
        /// The time until the next probe; `None` while a probe is in flight.
        left: Option<Duration>,
    },
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot => f.write_str("waits for a slot"),
            Self::SharedSlot { limit: 1 } => f.write_str("waits for the only slot of all processes"),
            Self::SharedSlot { limit } => write!(f, "waits for one of the {limit} slots of all processes"),
            Self::Rate { left } => write!(f, "waits for its rate, for another {left:.1?}"),
            Self::Breaker { name, left: Some(left) } => {
                write!(f, "waits for the circuit of `{name}`, which is open for another {left:.1?}")
            }
            Self::Breaker { name, left: None } => write!(f, "waits for the circuit of `{name}`, which is being probed"),
        }
    }
}

/// As [`WaitsFor`], with times of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    #[default]
    Slot,
    SharedSlot {
        limit: usize,
    },
    Rate {
        until: Duration,
    },
    Breaker {
        name: Arc<str>,
        until: Option<Duration>,
    },
}

/// The present reason of a group of waiting instances.
#[derive(Debug, Default)]
pub(crate) struct HeldBack(Mutex<Reason>);

impl HeldBack {
    pub(crate) fn set(&self, reason: Reason) {
        *self.0.lock() = reason;
    }

    pub(crate) fn show(&self, now: Duration) -> WaitsFor {
        match &*self.0.lock() {
            Reason::Slot => WaitsFor::Slot,
            Reason::SharedSlot { limit } => WaitsFor::SharedSlot { limit: *limit },
            Reason::Rate { until } => WaitsFor::Rate { left: until.saturating_sub(now) },
            Reason::Breaker { name, until } => {
                WaitsFor::Breaker { name: name.to_string(), left: until.map(|until| until.saturating_sub(now)) }
            }
        }
    }
}

/// The instances whose work is held back in this process.
#[derive(Debug, Default)]
pub(crate) struct HeldBackWork(Mutex<HashMap<Key, Arc<HeldBack>>>);

impl HeldBackWork {
    pub(crate) fn add(&self, key: &Key, held_back: Arc<HeldBack>) {
        self.0.lock().insert(key.clone(), held_back);
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// What `key` waits for, if its work is held back.
    pub(crate) fn get(&self, key: &Key, clock: &Clock) -> Option<WaitsFor> {
        let held_back = self.0.lock().get(key).cloned();
        held_back.map(|held_back| held_back.show(clock.elapsed()))
    }
}
