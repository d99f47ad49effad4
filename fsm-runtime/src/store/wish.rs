//! Owns the change of what is wished of an instance.

use super::{
    change::Note,
    row::{Key, Row},
};
use std::time::Duration;
use uuid::Uuid;

/// Writes what is wished of an instance, and when it is to be looked at for that; nothing else changes.
#[derive(Clone, Debug)]
pub struct SetWish {
    /// Which instance.
    pub key: Key,
    /// The life it was read in.
    pub incarnation: Uuid,
    /// The version it was read at.
    pub version: u64,
    /// The wish that it was read with.
    pub seen: Option<String>,
    /// The wish from now on, in the run time's own words; `None` for none.
    pub wish: Option<String>,
    /// After how long the wish is due; `None` where something else has to happen first.
    pub due: Option<Duration>,
    /// What the history is to say of it, where it is worth to know.
    pub note: Option<Note>,
}

impl SetWish {
    /// `wish` in the place of what `row` has.
    pub(crate) fn of(row: &Row, wish: Option<String>, due: Option<Duration>, note: Option<Note>) -> Self {
        let Row { key, incarnation, version, wish: seen, .. } = row.clone();
        Self { key, incarnation, version, seen, wish, due, note }
    }
}
