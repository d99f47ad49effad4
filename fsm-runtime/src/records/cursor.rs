//! Cursors of lists: where a page ended, and of which list.

use crate::store::{Filter, Page, StoreError};
use std::time::SystemTime;

/// A list: its kind, its machine and its filter.
pub(super) struct List(String);

impl List {
    /// The list that `filter` selects. The time of `entered_before` may differ from page to page, so that it can be relative to now.
    pub(super) fn of(filter: &Filter) -> Self {
        let entered_before = filter.entered_before.map(|_| SystemTime::UNIX_EPOCH);
        let list = Filter { after: None, limit: 0, entered_before, ..filter.clone() };
        // All that the filter has, and all that it will have.
        Self(tag(&format!("{list:?}")))
    }

    pub(super) fn of_claims(machine: &str) -> Self {
        Self(tag(&format!("claims of {machine}")))
    }

    /// What the store calls the end of the page before.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] if `after` is no cursor of this list.
    pub(super) fn open(&self, after: Option<&str>) -> Result<Option<String>, StoreError> {
        let Some(cursor) = after else { return Ok(None) };
        match cursor.split_once('.') {
            Some((list, end)) if list == self.0 => Ok(Some(end.to_owned())),
            _ => Err(StoreError::Cursor { cursor: cursor.to_owned() }),
        }
    }

    pub(super) fn close<T>(&self, page: Page<T>) -> Page<T> {
        let list = &self.0;
        Page::new(page.items, page.next.map(|end| format!("{list}.{end}")))
    }
}

/// FNV-1a: the same in every process and release, which `std`'s hashers are not.
fn tag(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
