//! Waiting for a state: the deadline, states that cannot be reached any more, removed instances, states that were passed.

use fsm_runtime::{ErrorKind, Machines, ReadError, Runtime, WaitError, clock::ManualClock, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    future::Future,
    pin::pin,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
/// On a clock that stands still.
const HOUR: Duration = Duration::from_hours(1);

#[derive(StateMachine)]
#[fsm(initial = Packed, durable, derive(Serialize, Deserialize))]
enum Parcel {
    #[on(send => Travelling)]
    #[on(cancel => Cancelled)]
    Packed,
    #[on(deliver => Delivered)]
    #[on(lose => Lost)]
    Travelling,
    #[on(open => Opened)]
    Delivered,
    #[state(end)]
    Opened,
    #[state(end)]
    Cancelled,
    #[state(end, remove)]
    Lost,
}

async fn client(store: Sqlite) -> (ManualClock, Runtime, Machines<Parcel>) {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
    let runtime = Runtime::builder(store).clock(clock.clock()).start().await.unwrap();
    let parcels = runtime.machines();
    (clock, runtime, parcels)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

#[tokio::test]
async fn a_wait_reads_once_more_at_its_deadline() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("parcels.db");
    let (clock, _runtime, parcels) = client(Sqlite::open(&path).await.unwrap()).await;
    for id in ["a", "b"] {
        parcels.create(id, parcel::Packed).await.unwrap();
    }
    let mut wait = pin!(parcels.wait_for("a", parcel::State::Travelling, HOUR));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut wait).await.is_err());
    // A change without a history entry, so that there is no notification.
    let sql = "UPDATE fsm_instances SET state = 'Travelling', version = 2 WHERE id = 'a'";
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    clock.advance(HOUR);
    assert_eq!(soon(wait).await.unwrap().version(), 2);

    let mut wait = pin!(parcels.wait_for("b", parcel::State::Opened, HOUR));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut wait).await.is_err());
    rusqlite::Connection::open(&path).unwrap().execute_batch(&sql.replace("'a'", "'b'")).unwrap();
    clock.advance(HOUR);
    let error = soon(wait).await.map(drop).unwrap_err();
    assert!(matches!(error, WaitError::Timeout { state: "Travelling", version: 2, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_wait_ends_when_no_transition_leads_there() {
    let (_clock, _runtime, parcels) = client(Sqlite::in_memory().unwrap()).await;
    parcels.create("a", parcel::Packed).await.unwrap();
    let wait = parcels.wait_for("a", parcel::State::Opened, HOUR);
    let (waited, _) = soon(async { tokio::join!(wait, parcels.fire("a", parcel::event::Cancel)) }).await;
    let error = waited.map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Parcel `a` cannot reach `Opened`: it is in `Cancelled`, version 2, and no transitions lead from there to `Opened`; use \
         `wait_until_passed` to count a state that it has left"
    );
    assert!(matches!(error, WaitError::Unreachable { .. }));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotAccepted, false));
    let on_its_way = |state| matches!(state, parcel::State::Packed | parcel::State::Travelling);
    let error = soon(parcels.wait_until("a", HOUR, "a parcel on its way", on_its_way)).await.map(drop).unwrap_err();
    assert!(matches!(error, WaitError::Unreachable { wanted: "a parcel on its way", .. }), "{error}");
    let error = soon(parcels.wait_until_passed("a", parcel::State::Lost, HOUR)).await.map(drop).unwrap_err();
    assert!(matches!(error, WaitError::Unreachable { wanted: "Lost", .. }), "{error}");
}

#[tokio::test]
async fn a_wait_ends_when_the_instance_is_removed() {
    let (_clock, _runtime, parcels) = client(Sqlite::in_memory().unwrap()).await;
    let packed = parcels.create("a", parcel::Packed).await.unwrap();
    let waits = async {
        let opened = parcels.wait_for("a", parcel::State::Opened, HOUR);
        let lost = parcels.wait_for("a", parcel::State::Lost, HOUR);
        tokio::join!(opened, lost, async { packed.send().await.unwrap().lose().await.map(drop) })
    };
    let (opened, lost, _) = soon(waits).await;
    let error = opened.map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Parcel `a` was removed in `Lost`, version 3, and did not reach `Opened`; its history has the reason"
    );
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotFound, false));
    let lost = lost.expect("its last state is the one that was waited for");
    assert_eq!((lost.state(), lost.version()), (parcel::State::Lost, 3));

    parcels.purge("a").await.unwrap();
    let error = soon(parcels.wait_for("a", parcel::State::Lost, HOUR)).await.map(drop).unwrap_err();
    assert!(matches!(error, WaitError::Read(ReadError::NotFound { .. })), "{error}");
}

#[tokio::test]
async fn a_state_that_was_left_has_been_passed() {
    let (_clock, _runtime, parcels) = client(Sqlite::in_memory().unwrap()).await;
    let packed = parcels.create("a", parcel::Packed).await.unwrap();
    assert!(parcels.has_passed("a", parcel::State::Packed).await.unwrap(), "it is in the state");
    assert!(!parcels.has_passed("a", parcel::State::Travelling).await.unwrap());
    let waits = async {
        let travelling = parcels.wait_until_passed("a", parcel::State::Travelling, HOUR);
        tokio::join!(travelling, async { packed.send().await.unwrap().deliver().await.map(drop) })
    };
    let (travelling, _) = soon(waits).await;
    assert!(travelling.unwrap().version() >= 2);
    let delivered = soon(parcels.wait_until_passed("a", parcel::State::Travelling, HOUR)).await.unwrap();
    assert_eq!(delivered.state(), parcel::State::Delivered, "the record as it is now");
    assert!(parcels.has_passed("a", parcel::State::Packed).await.unwrap());

    // A removed instance, and a new one with its id.
    parcels.create("b", parcel::Packed).await.unwrap().send().await.unwrap().lose().await.unwrap();
    assert!(parcels.has_passed("b", parcel::State::Travelling).await.unwrap());
    assert!(!parcels.has_passed("b", parcel::State::Delivered).await.unwrap());
    let error = soon(parcels.wait_until_passed("b", parcel::State::Delivered, HOUR)).await.map(drop).unwrap_err();
    assert!(matches!(error, WaitError::Removed { state: "Lost", version: 3, .. }), "{error}");
    parcels.create("b", parcel::Packed).await.unwrap();
    assert!(!parcels.has_passed("b", parcel::State::Travelling).await.unwrap(), "the former instance does not count");
    assert!(matches!(parcels.has_passed("c", parcel::State::Packed).await, Err(ReadError::NotFound { .. })));
}
