//! The registered machines: their drivers, and the limits of work on each state.

use super::{gate::LimitKey, policy::Policies, slots::SlotTable};
use crate::{
    breaker::Breaker,
    clock::Clock,
    controller::driver::Driver,
    engine::Engine,
    membership::LiveNodes,
    store::{Key, Row},
    worker::Limits,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::watch;

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

    /// By what the limits of `state`, that of `row`, count.
    pub(super) fn limit_key(&self, engine: &Engine, state: &'static str, row: &Row) -> LimitKey {
        let driver = self.driver(&row.key)?;
        self.policies.limit_key(engine, driver.graph(), state, row)
    }

    /// The slots of all machines, `max_concurrency` for each. Those over all processes have leases of `lease_ttl`.
    pub(super) fn slots(
        &self,
        max_concurrency: usize,
        lease_ttl: Duration,
        clock: &Clock,
        live: &watch::Receiver<LiveNodes>,
    ) -> SlotTable {
        let of_machine = |machine: &&'static str| {
            let leases = (lease_ttl, self.defaults.grace_period);
            let limits = self.policies.states(machine, max_concurrency, leases, clock, live);
            (*machine, max_concurrency, limits)
        };
        SlotTable::new(self.drivers.keys().map(of_machine))
    }

    /// The breakers of all policies.
    pub(super) fn breakers(&self) -> Vec<Breaker> {
        self.policies.breakers()
    }
}
