//! Owns what is said of results that wait because the store is away: once when the first of them does, and once when none does any more.

use crate::store::{Key, StoreError};
use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The results that cannot be stored at present.
#[derive(Default)]
pub(crate) struct Outage(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    waiting: usize,
    /// How many of this outage have been stored.
    stored: usize,
}

/// One result that is tried again; counted until it is dropped.
pub(crate) struct Waiting<'a>(&'a Outage);

impl Outage {
    /// `what` of this instance could not be stored, and is tried again.
    pub(crate) fn wait(&self, what: &'static str, Key { machine, id }: &Key, error: &StoreError) -> Waiting<'_> {
        let first = {
            let mut tally = self.tally();
            tally.waiting += 1;
            tally.waiting == 1
        };
        if first {
            tracing::error!(
                %machine, %id, %what, %error,
                "the store is away: a result could not be stored; it is tried again, and so is what follows"
            );
        } else {
            tracing::debug!(%machine, %id, %what, %error, "another result could not be stored; it is tried again");
        }
        Waiting(self)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// The store has answered.
    pub(crate) fn answered(self) {
        self.0.tally().stored += 1;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let results = {
            let mut tally = self.0.tally();
            tally.waiting -= 1;
            if tally.waiting == 0 { mem::take(&mut tally.stored) } else { 0 }
        };
        if results > 0 {
            tracing::info!(results, "the store is back: the results that had waited are stored");
        }
    }
}
