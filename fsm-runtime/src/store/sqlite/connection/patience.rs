//! How long a connection waits for the locks of other connections.
//!
//! SQLite calls the busy handler on the thread that uses the connection, so the limit is a property of the thread. Older releases of
//! `rusqlite` take a plain function as the handler, which cannot hold a limit of its own.

use rusqlite::Connection;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The retry interval while another connection holds the lock. SQLite's own interval grows to 100 ms and misses the pauses between the
/// transactions of a process that writes continuously.
const NAP: Duration = Duration::from_micros(100);

thread_local! {
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// When the present wait began.
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Makes `connection` wait as long as [`wait`] and [`always_wait`] have set for the thread that uses it.
pub(in crate::store::sqlite) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    let handler: fn(i32) -> bool = nap;
    connection.busy_handler(Some(handler))
}

/// Measures time and does not count naps, because a nap takes much longer than [`NAP`] on a loaded machine.
fn nap(times: i32) -> bool {
    if times == 0 {
        BEGAN.set(Some(Instant::now()));
    }
    let patience = PATIENCE.get();
    if patience.is_zero() {
        return false;
    }
    std::thread::sleep(NAP);
    BEGAN.get().is_some_and(|began| began.elapsed() < patience)
}

/// Runs `work`; connections that it uses on this thread wait for at most `patience`.
pub(in crate::store::sqlite) fn wait<T>(patience: Duration, work: impl FnOnce() -> T) -> T {
    /// Restores the former limit, after a panic too.
    struct Former(Duration);
    impl Drop for Former {
        fn drop(&mut self) {
            PATIENCE.set(self.0);
        }
    }
    let _former = Former(PATIENCE.replace(patience));
    work()
}

/// Sets the limit of a thread that does nothing else.
pub(in crate::store::sqlite) fn always_wait(patience: Duration) {
    PATIENCE.set(patience);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_ends_with_the_work() {
        always_wait(Duration::from_secs(1));
        assert!(nap(0));
        wait(Duration::ZERO, || assert!(!nap(0)));
        assert!(nap(0));
        let panicked = std::panic::catch_unwind(|| wait(Duration::ZERO, || panic!("within")));
        assert!(panicked.is_err() && nap(0));
    }
}
