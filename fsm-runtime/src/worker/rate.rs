//! How often work of a state may start.

use std::time::Duration;

/// The longest time of a rate. `governor` counts nanoseconds in 64 bits, which overflow after 584 years.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A limit of how often work may start, for [`Policy::rate`](crate::Policy::rate).
///
/// Starts are spread evenly: `Rate::new(10, second)` allows one start in each tenth of a second. The [burst](Self::burst) is the number of
/// starts that are allowed at once after a time without starts. This is the generic cell rate algorithm (GCRA) of the crate `governor`.
///
/// ```
/// use fsm_runtime::Rate;
/// use std::time::Duration;
///
/// let rate = Rate::new(10, Duration::from_secs(1)).burst(20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "pass it to `Policy::rate`"]
pub struct Rate {
    count: u32,
    per: Duration,
    burst: u32,
    over_all_nodes: bool,
}

impl Rate {
    /// Allows `count` starts in each `per`.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count, per, burst: 1, over_all_nodes: false }
    }

    /// Sets the number of starts that are allowed at once after a time without starts: 1 by default.
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// Applies the rate to all live nodes together instead of to each process. Each node has an equal share of the rate.
    ///
    /// The nodes are those of [`Runtime::nodes`](crate::Runtime::nodes) that have registered the machine. Nodes do not coordinate single
    /// starts, so while the number of nodes changes, the rate can be exceeded until all nodes have seen the change.
    pub fn over_all_nodes(mut self) -> Self {
        self.over_all_nodes = true;
        self
    }

    /// The reason why the rate is not valid.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        if self.count == 0 {
            return Some("`rate`: must allow at least 1 start; to stop work, call `Machines::hold`");
        }
        if self.per.is_zero() {
            return Some("`rate`: the time must be longer than zero");
        }
        if self.per > LONGEST {
            return Some("`rate`: the time is longer than a year");
        }
        if self.interval().is_zero() {
            return Some("`rate`: more than a start in each nanosecond; leave it out");
        }
        if self.burst == 0 {
            return Some("`rate`: the burst must be at least 1");
        }
        if self.interval().saturating_mul(self.burst) > 100 * LONGEST {
            return Some("`rate`: the burst is that of more than 100 years");
        }
        None
    }

    /// The time between two starts.
    pub(crate) fn interval(&self) -> Duration {
        self.per / self.count.max(1)
    }

    pub(crate) fn largest_burst(&self) -> u32 {
        self.burst
    }

    /// The number of starts of the whole rate that one start of this process uses if there are `nodes` live nodes.
    pub(crate) fn cost(&self, nodes: u32) -> u32 {
        if self.over_all_nodes { nodes.max(1) } else { 1 }
    }
}
