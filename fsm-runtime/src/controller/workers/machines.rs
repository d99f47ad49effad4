//! The registered machines: their drivers, and the limits of work on each state.

use super::{policy::Policies, slots::SlotTable};
use crate::{
    controller::driver::Driver,
    store::{Key, Row},
    worker::Limits,
};
use std::{collections::HashMap, sync::Arc};

/// The drivers by the names of their machines.
pub(crate) type Drivers = HashMap<&'static str, Arc<dyn Driver>>;

pub(super) struct RegisteredMachines {
    drivers: Drivers,
    policies: Policies,
    /// The limits of states without a policy.
    defaults: Limits,
}

impl RegisteredMachines {
    pub(super) fn new(drivers: Drivers, policies: Policies, defaults: Limits) -> Self {
        Self { drivers, policies, defaults }
    }

    pub(super) fn driver(&self, key: &Key) -> Option<&Arc<dyn Driver>> {
        self.drivers.get(&*key.machine)
    }

    /// The limits of an attempt in the state of `row`.
    pub(super) fn limits(&self, row: &Row) -> Limits {
        let driver = self.driver(&row.key);
        driver.map_or(self.defaults, |driver| self.policies.limits(self.defaults, driver.graph(), row))
    }

    /// The limits of a state without a policy.
    pub(super) fn defaults(&self) -> Limits {
        self.defaults
    }

    /// The slots of all machines, `max_concurrency` for each.
    pub(super) fn slots(&self, max_concurrency: usize) -> SlotTable {
        SlotTable::new(self.drivers.keys().map(|machine| (*machine, max_concurrency, self.policies.slots(machine))))
    }
}
