//! The machines of a runtime, as far as waits are concerned.

use super::super::{Drivers, driver::Driver};
use crate::store::Key;
use fsm_core::{Graph, Graphs};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The registered machines, and those that they wait for.
pub(in crate::controller) struct AwaitedMachines {
    /// By name.
    pub(super) graphs: HashMap<&'static str, &'static Graph>,
    pub(super) drivers: HashMap<&'static str, Arc<dyn Driver>>,
    /// The states that can wait for each other, with their machines.
    cycles: HashSet<(&'static str, &'static str)>,
}

impl AwaitedMachines {
    pub(in crate::controller) fn new(drivers: &Drivers) -> Self {
        let graphs: HashMap<_, _> =
            drivers.values().flat_map(|driver| driver.graphs()).map(|graph| (graph.machine, graph)).collect();
        let cycles = Graphs::new(graphs.values().copied()).wait_cycles();
        let cycles = cycles.into_iter().flat_map(|cycle| cycle.states).collect();
        Self { graphs, drivers: drivers.clone(), cycles }
    }

    /// The registered machines with states that wait.
    pub(in crate::controller) fn waiting(&self) -> Vec<&'static Graph> {
        self.drivers.values().map(|driver| driver.graph()).filter(|graph| graph.has_waits()).collect()
    }

    pub(super) fn is_in_cycle(&self, key: &Key, state: &str) -> bool {
        self.cycles.contains(&(&*key.machine, state))
    }
}
