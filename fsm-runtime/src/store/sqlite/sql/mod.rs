//! The statements of the store. Each runs in the transaction of its caller.

mod cas;
pub(super) mod change;
pub(super) mod claimed;
pub(super) mod columns;
pub(super) mod definitions;
pub(super) mod enter_state;
pub(super) mod ephemeral;
pub(super) mod group;
pub(super) mod history;
pub(super) mod leases;
pub(super) mod list;
pub(super) mod maintenance;
pub(super) mod operations;
pub(super) mod read;
