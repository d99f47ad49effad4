//! What the other processes of a test do. The binary `peer` runs these functions.

pub mod call;
pub mod share;
pub mod swell;

use fsm_runtime::store::{
    Cause, Change, Create, Entering, Key, Origin, Row, Store, StoreError, Verdict, sqlite::Sqlite,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};
use uuid::Uuid;

/// How many of them write one file.
pub const PROCESSES: usize = 3;
/// How long a call waits for another process, as `docs/operations.md` has it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A new instance with no work.
pub fn create(id: &str) -> Change {
    Change::Create(Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: Entering {
            state: "Open".into(),
            data: "null".into(),
            context: None,
            schema: 1,
            timers: Vec::new(),
            work: false,
            remove: false,
        },
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    })
}

/// Commits `change`, and retries after a busy error: a stalled machine makes the file busy for longer than the timeout. A busy
/// error before the timeout is a failure.
async fn commit(store: &Sqlite, change: Change, busy: &AtomicU64) -> Row {
    loop {
        let asked = Instant::now();
        match store.commit(vec![change.clone().into()], SystemTime::now()).await.map(|mut verdicts| verdicts.remove(0))
        {
            Ok(Verdict::Committed { mut rows }) => return rows.remove(0),
            Ok(other) => panic!("{other:?}"),
            Err(error @ StoreError::Busy { .. }) => {
                assert!(asked.elapsed() >= BUSY_TIMEOUT, "{error} after {:?}", asked.elapsed());
                busy.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error}"),
        }
    }
}
