//! Instances that wait for instances of other machines, `#[state(waits(…))]`.
//!
//! ```text
//!   look at a row whose state waits ──▶ watch: the index gets the keys that it waits for
//!        ▲                                  │
//!        │                                  ▼
//!        │                               check: read those instances, decide (pure)
//!        │                                  │
//!   a change of one of them,                ├─▶ fire the event, by compare-and-swap on the waiting row
//!   or the slow scan of waiting rows        ├─▶ park it: none of its waits can end
//!                                           └─▶ keep waiting, and go on with what else the look has found
//! ```
//!
//! A waiting row is a row like any other. The index is in memory only: it is filled at the start from the rows in states that wait, and
//! by each look. It has the keys before the other instances are read, so that no change of them is missed.

mod check;
mod decide;
mod find;
mod index;
mod machines;
mod ring;

pub(crate) use self::decide::Wait;
pub(super) use self::{
    check::{Checked, check},
    find::{WAITS, publish_waiting, rescan},
    index::{WaitIndex, Watched},
    machines::AwaitedMachines,
};
