//! The statements that the store runs, each in its caller's transaction.

pub(super) mod change;
pub(super) mod definitions;
pub(super) mod enter_state;
pub(super) mod group;
pub(super) mod history;
pub(super) mod leases;
pub(super) mod list;
pub(super) mod maintenance;
pub(super) mod read;
