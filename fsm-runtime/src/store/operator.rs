//! Owns the change that an operator makes past the rules.

use super::{
    change::{Entering, Origin},
    row::Key,
};
use std::fmt;
use uuid::Uuid;

/// Puts an instance into a state that no transition leads to: a new stay, and the version moves by one.
///
/// The history has it as an `override`, so that a chain of transitions with a break in it says who broke it and why.
#[derive(Clone)]
pub struct Override {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The state before.
    pub from: String,
    /// The state after. Without a context, the row keeps the one it has.
    pub into: Entering,
    /// Why; the history keeps it in the place of a payload.
    pub why: String,
    /// Who.
    pub origin: Origin,
}

/// The user's data is never printed.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} --override-> {}", self.key, self.version, self.from, self.into.state)
    }
}
