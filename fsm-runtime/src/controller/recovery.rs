//! Owns what the loop does when it is begun again after a panic: its workers and steps go on, and what the panic may have left undone is
//! made good.

use super::{event_loop::Run, queue::in_flight::Busy};
use crate::store::Key;

impl Run {
    /// Trusts the tasks, which nothing has touched, and makes the rest fit them. Rows that were claimed and are in nobody's hands, and
    /// what else is due, come back by the scan, which begins anew with the loop.
    pub(super) fn recover(&mut self) {
        self.busy = Busy::default();
        for key in self.stepping.values() {
            self.busy.begin(key.clone());
            self.busy.waits(key);
        }
        let Self { slots, running, busy, board, .. } = self;
        let at_work = |key: &Key| running.contains_key(key) || busy.is(key);
        for slots in slots.values_mut() {
            slots.keep(at_work);
        }
        let machines: Vec<&'static str> = slots.keys().copied().collect();
        board.keep(|key| {
            running.contains_key(key) || slots.get(&*key.machine).is_some_and(|slots| slots.is_waiting(key))
        });
        for running in self.running.values() {
            self.board.runs(&running.attempt);
        }
        for key in self.all_running() {
            self.watch_again(&key);
            self.look_now(key);
        }
        for machine in machines {
            self.admit(machine);
        }
    }
}
