//! Owns the position that a child has saved, which outlives its runs, and the fence that keeps old runs from it.

use super::error::{Refused, WrongType};
use crate::sync::Mutex;
use std::{
    any::{Any, type_name},
    sync::MutexGuard,
};

/// One per child. A run writes as long as it is the one at work; opening it for the next, or closing it, fences it off.
#[derive(Default)]
pub(super) struct Position(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    /// The run at work.
    writer: Option<u64>,
    saved: Option<Saved>,
    /// Where the next run begins if this one dies of what it is about to do.
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

impl Position {
    pub(super) fn open(&self, run: u64) {
        self.slot().writer = Some(run);
    }

    /// Ends the run at work. If it came to its end by itself, it has passed what it was about to do.
    pub(super) fn close(&self, by_itself: bool) {
        let mut slot = self.slot();
        slot.writer = None;
        let mut over = slot.passing.take();
        if by_itself && over.is_some() {
            over = std::mem::replace(&mut slot.saved, over);
        }
        // What is over may have a `drop` of its own, which must not meet the lock.
        drop(slot);
        drop(over);
    }

    pub(super) fn saved<T: Any + Clone>(&self) -> Result<Option<T>, WrongType> {
        let slot = self.slot();
        let Some(saved) = &slot.saved else { return Ok(None) };
        match saved.value.downcast_ref::<T>() {
            Some(value) => Ok(Some(value.clone())),
            None => Err(WrongType { saved: saved.type_name, asked: type_name::<T>() }),
        }
    }

    /// Saves, and does `with` in the same step: neither a fence nor another run comes between.
    pub(super) fn save<T: Any + Send>(&self, run: u64, value: T, with: impl FnOnce()) -> Result<(), Refused> {
        let mut slot = self.at_work(run)?;
        let over = (slot.saved.replace(Saved::new(value)), slot.passing.take());
        with();
        drop(slot);
        drop(over);
        Ok(())
    }

    pub(super) fn pass<T: Any + Send>(&self, run: u64, value: T) -> Result<(), Refused> {
        let mut slot = self.at_work(run)?;
        let over = slot.passing.replace(Saved::new(value));
        drop(slot);
        drop(over);
        Ok(())
    }

    fn at_work(&self, run: u64) -> Result<MutexGuard<'_, Slot>, Refused> {
        let slot = self.slot();
        if slot.writer == Some(run) { Ok(slot) } else { Err(Refused::Fenced) }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_a_run_that_was_given_up_writes_nothing() {
        let position = Position::default();
        position.open(1);
        position.save(1, 10_u32, || ()).unwrap();
        position.close(true);
        assert_eq!(position.save(1, 11_u32, || panic!("it is not handed on")), Err(Refused::Fenced));
        position.open(2);
        assert_eq!(position.pass(1, 12_u32), Err(Refused::Fenced));
        assert_eq!(position.saved::<u32>(), Ok(Some(10)));
        let wrong = position.saved::<u64>().unwrap_err();
        assert_eq!(wrong.to_string(), "the position was saved as `u32`, not as `u64`");
    }

    #[test]
    fn h5_what_a_run_dies_of_is_passed_what_it_is_stopped_in_is_met_again() {
        let position = Position::default();
        for (by_itself, expected) in [(false, 1), (true, 2)] {
            position.open(1);
            position.save(1, 1, || ()).unwrap();
            position.pass(1, 2).unwrap();
            position.close(by_itself);
            assert_eq!(position.saved::<i32>(), Ok(Some(expected)));
        }
    }
}
