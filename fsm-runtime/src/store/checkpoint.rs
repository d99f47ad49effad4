//! Owns the change with which a worker keeps how far it is.

use super::row::Key;
use std::fmt;
use uuid::Uuid;

/// Writes the checkpoint of a claimed row; nothing else changes, and the history says nothing of it.
#[derive(Clone)]
pub struct Checkpoint {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The fence of the claim, which has to be held still.
    pub fence: u64,
    /// What is kept, as JSON.
    pub checkpoint: String,
}

/// The user's data is never printed.
impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: checkpoint under fence {}", self.key, self.version, self.fence)
    }
}
