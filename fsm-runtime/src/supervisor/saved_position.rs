//! The position that a child has saved. It outlives the runs, and a fence rejects writes of old runs.

use super::error::{PositionError, PositionTypeError};
use crate::sync::Mutex;
use std::{
    any::{Any, type_name},
    sync::MutexGuard,
};

/// One per child. Only the current run may write; opening it for the next run or closing it fences the current one.
#[derive(Default)]
pub(super) struct SavedPosition(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    /// The current run.
    writer: Option<u64>,
    saved: Option<Saved>,
    /// Where the next run begins if this one fails while processing its current item.
    passing: Option<Saved>,
}

struct Saved {
    value: Box<dyn Any + Send>,
    type_name: &'static str,
}

impl Saved {
    fn new<T: Any + Send>(value: T) -> Self {
        Self { value: Box::new(value), type_name: type_name::<T>() }
    }
}

impl SavedPosition {
    pub(super) fn open(&self, run: u64) {
        self.slot().writer = Some(run);
    }

    /// Ends the current run. If it ended by itself, its `passing` position is kept.
    pub(super) fn close(&self, by_itself: bool) {
        let mut slot = self.slot();
        slot.writer = None;
        let mut over = slot.passing.take();
        if by_itself && over.is_some() {
            over = std::mem::replace(&mut slot.saved, over);
        }
        // The old value may run user code on drop, so release the lock first.
        drop(slot);
        drop(over);
    }

    pub(super) fn saved<T: Any + Clone>(&self) -> Result<Option<T>, PositionTypeError> {
        let slot = self.slot();
        let Some(saved) = &slot.saved else { return Ok(None) };
        match saved.value.downcast_ref::<T>() {
            Some(value) => Ok(Some(value.clone())),
            None => Err(PositionTypeError { saved: saved.type_name, asked: type_name::<T>() }),
        }
    }

    /// Saves the position and calls `with` under the same lock, so that no fence comes between.
    pub(super) fn save<T: Any + Send>(&self, run: u64, value: T, with: impl FnOnce()) -> Result<(), PositionError> {
        let mut slot = self.at_work(run)?;
        let over = (slot.saved.replace(Saved::new(value)), slot.passing.take());
        with();
        drop(slot);
        drop(over);
        Ok(())
    }

    pub(super) fn pass<T: Any + Send>(&self, run: u64, value: T) -> Result<(), PositionError> {
        let mut slot = self.at_work(run)?;
        let over = slot.passing.replace(Saved::new(value));
        drop(slot);
        drop(over);
        Ok(())
    }

    fn at_work(&self, run: u64) -> Result<MutexGuard<'_, Slot>, PositionError> {
        let slot = self.slot();
        if slot.writer == Some(run) { Ok(slot) } else { Err(PositionError::Fenced) }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_fenced_run_writes_nothing() {
        let position = SavedPosition::default();
        position.open(1);
        position.save(1, 10_u32, || ()).unwrap();
        position.close(true);
        assert_eq!(position.save(1, 11_u32, || panic!("nothing is sent")), Err(PositionError::Fenced));
        position.open(2);
        assert_eq!(position.pass(1, 12_u32), Err(PositionError::Fenced));
        assert_eq!(position.saved::<u32>(), Ok(Some(10)));
        let wrong = position.saved::<u64>().unwrap_err();
        assert_eq!(wrong.to_string(), "the saved position is a `u32`, not a `u64`");
    }

    #[test]
    fn h5_failed_items_are_skipped_and_stopped_ones_repeated() {
        let position = SavedPosition::default();
        for (by_itself, expected) in [(false, 1), (true, 2)] {
            position.open(1);
            position.save(1, 1, || ()).unwrap();
            position.pass(1, 2).unwrap();
            position.close(by_itself);
            assert_eq!(position.saved::<i32>(), Ok(Some(expected)));
        }
    }
}
