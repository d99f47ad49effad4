//! Tests of the writer: the order of jobs, the delay of a batch, urgent jobs, and inline commits.

use super::*;
use crate::{
    clock::Stopwatch,
    store::{
        Attempts, Ephemerals as _, Key, MAX_VALUE_BYTES, NewEphemeral, Origin, Purge, Release,
        sqlite::{
            Sqlite,
            connection::{patience, schema},
            options::BUSY_TIMEOUT,
            sql::ephemeral,
        },
    },
};
use std::{
    path::Path,
    pin::pin,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll, Waker},
    time::Duration,
};
use uuid::Uuid;

fn memory() -> Arc<StoreFile> {
    StoreFile::new(":memory:".into(), BUSY_TIMEOUT)
}

fn writer() -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    schema::prepare(&connection, &memory(), None).unwrap();
    Writer::start(connection, memory(), &SqliteOptions::default()).unwrap()
}

/// The thread does nothing until the returned sender is dropped.
fn hold(writer: &Writer) -> mpsc::Sender<()> {
    let (go, held) = mpsc::channel::<()>();
    // An error means that the sender was dropped, which is the signal to go on.
    let wait = move |_: &Connection| while held.recv().is_ok() {};
    writer.send((Job::Run(Box::new(wait)), None)).unwrap();
    go
}

fn as_write(note: impl FnOnce() + Send + 'static) -> impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static {
    move |_| {
        note();
        Ok(())
    }
}

fn missing() -> Key {
    Key::new("Door", "missing")
}

#[tokio::test]
async fn a_batch_waits_for_a_bounded_number_of_jobs() {
    let writer = writer();
    let go = hold(&writer);
    let purge = Purge { key: missing(), incarnation: Uuid::nil(), version: 1, origin: Origin::default(), why: None };
    let (reply, answer) = oneshot::channel();
    let asked = Asked { groups: vec![Change::Purge(purge).into()], now: SystemTime::now() };
    let commit = Commit { asked, reply };
    writer.send((Job::Commit(commit), None)).unwrap();
    // One job after the other looks whether the commit is answered.
    let answered = Arc::new(Mutex::new(Vec::new()));
    let answer = Arc::new(Mutex::new(answer));
    for _ in 0..100 {
        let (answer, answered) = (answer.clone(), answered.clone());
        let look = move |_: &Connection| {
            let answer = answer.lock().try_recv().is_ok();
            answered.lock().push(answer);
        };
        writer.send((Job::Run(Box::new(look)), None)).unwrap();
    }
    drop(go);
    writer.run(|_, _| Ok(())).await.unwrap();
    let waited = answered.lock().iter().position(|answered| *answered).expect("it is answered among them");
    assert!((1..=thread::OTHERS).contains(&waited), "{waited} of 100 were before it");
}

#[tokio::test]
async fn urgent_jobs_bypass_a_full_queue() {
    let writer = Arc::new(writer());
    let go = hold(&writer);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = order.clone();
        move || order.lock().push(what)
    };
    let mut ordinary = tokio::task::JoinSet::new();
    for _ in 0..QUEUE + 10 {
        let (writer, job) = (writer.clone(), note("ordinary"));
        ordinary.spawn(async move { writer.write(as_write(job)).await });
    }
    while writer.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let release = Release {
        key: missing(),
        incarnation: Uuid::nil(),
        version: 1,
        fence: 1,
        owner: None,
        retry: None,
        attempts: Attempts::Keep,
        error: None,
        parked: None,
        note: None,
    };
    let mut renewed = pin!(writer.write_first(as_write(note("urgent"))));
    let mut given_back = pin!(writer.commit(vec![Change::Release(release).into()], SystemTime::now()));
    // Asked for once, each has all that it needs.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(renewed.as_mut().poll(&mut cx), Poll::Pending));
    assert!(matches!(given_back.as_mut().poll(&mut cx), Poll::Pending));
    assert_eq!(writer.urgent.lock().len(), 2, "both are on their way");
    drop(go);
    renewed.await.unwrap();
    let verdicts = given_back.await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Conflict { .. }]), "{verdicts:?}");
    for done in ordinary.join_all().await {
        done.unwrap();
    }
    let order = order.lock();
    assert_eq!((order[0], order.len()), ("urgent", QUEUE + 11));
}

/// Other changes of entries can arrive all the time, and would delay a batch without end.
#[tokio::test]
async fn only_renewals_of_entries_are_urgent() {
    let store = Sqlite::in_memory().unwrap();
    let go = hold(&store.0.writer);
    let (now, ttl) = (SystemTime::now(), Duration::from_secs(9));
    let (name, id, holder) = ("a".to_owned(), "1".to_owned(), "it".to_owned());
    let entry = NewEphemeral { kind: "lock", name, id: id.clone(), holder, value: None, ttl };
    let mut entered = store.enter(entry, now);
    let mut removed = store.remove_entry(id.clone(), now);
    let mut renewed = store.renew_entry(id, ttl, now);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(entered.as_mut().poll(&mut cx).is_pending());
    assert!(removed.as_mut().poll(&mut cx).is_pending());
    assert!(renewed.as_mut().poll(&mut cx).is_pending());
    assert_eq!(store.0.writer.urgent.lock().len(), 1, "the renewal");
    drop(go);
    entered.await.unwrap();
    removed.await.unwrap();
    assert!(!renewed.await.unwrap(), "it was served before the entry was there");
}

/// A writer without a thread that serves its queue: a call either commits inline or waits forever.
fn without_a_thread(file: &Path, in_place: bool) -> (Writer, mpsc::Receiver<Queued>) {
    let mut connection = Connection::open(file).unwrap();
    patience::install(&mut connection).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let file = StoreFile::new(file.to_owned(), BUSY_TIMEOUT);
    schema::prepare(&connection, &file, None).unwrap();
    let (jobs, queue) = mpsc::channel();
    let (notices, entry_changes) = (broadcast::Sender::new(UNHEARD), watch::Sender::new(()));
    let writer = Writer {
        opened: Opened::of(file.clone()),
        turns: Arc::new(Turns::new(
            Committer::new(connection, file.clone(), notices.clone(), entry_changes.clone(), MAX_VALUE_BYTES).unwrap(),
            in_place,
        )),
        file,
        jobs: Some(jobs),
        urgent: Urgent::default(),
        places: Arc::new(Semaphore::new(QUEUE)),
        notices,
        entry_changes,
        thread: None,
        watch: None,
    };
    (writer, queue)
}

async fn commit(writer: &Writer) -> Result<Vec<Verdict>, StoreError> {
    let purge = Purge { key: missing(), incarnation: Uuid::nil(), version: 1, origin: Origin::default(), why: None };
    writer.commit(vec![Change::Purge(purge).into()], SystemTime::now()).await
}

/// Whether the commit of each of `N` concurrent callers runs inline.
fn in_place<const N: usize>(writer: &Writer) -> [bool; N] {
    let mut callers = std::array::from_fn::<_, N, _>(|_| Box::pin(commit(writer)));
    let mut cx = Context::from_waker(Waker::noop());
    let mut made = [false; N];
    // Polled twice: a caller that yields to other tasks continues after that.
    for _ in 0..2 {
        for (caller, made) in callers.iter_mut().zip(&mut made).filter(|(_, made)| !**made) {
            if let Poll::Ready(answer) = caller.as_mut().poll(&mut cx) {
                *made = matches!(answer.unwrap()[..], [Verdict::Conflict { .. }]);
            }
        }
    }
    made
}

#[test]
fn a_lone_caller_commits_in_its_own_thread() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, queue) = without_a_thread(&dir.path().join("a.db"), true);
    // A caller that is dropped before its turn has no effect and does not block others.
    let mut left = Box::pin(commit(&writer));
    assert!(left.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(left);
    assert_eq!(in_place(&writer), [true]);
    assert!(queue.try_recv().is_err());
}

#[test]
fn simultaneous_callers_queue() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, queue) = without_a_thread(&dir.path().join("a.db"), true);
    assert_eq!(in_place(&writer), [false; 3]);
    assert_eq!(queue.try_iter().count(), 3, "they share a transaction");
    assert_eq!(in_place(&writer), [true]);
    // A caller without contention does not yield each time; when contention begins, only some calls are affected.
    let made = in_place::<20>(&writer);
    assert_eq!((made, queue.try_iter().count()), (std::array::from_fn(|n| n < 7), 13));
}

#[test]
fn a_caller_checks_for_others_after_it_met_some() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, queue) = without_a_thread(&dir.path().join("a.db"), true);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(in_place(&writer), [true]);
    assert!(Box::pin(commit(&writer)).as_mut().poll(&mut cx).is_ready(), "not each time");
    let mut other = Box::pin(commit(&writer));
    writer.turns.wanted().store(true, SeqCst);
    assert!(other.as_mut().poll(&mut cx).is_pending());
    writer.turns.wanted().store(false, SeqCst);
    assert!(Box::pin(commit(&writer)).as_mut().poll(&mut cx).is_pending());
    assert_eq!(queue.try_iter().count(), 2);
    drop(other);
    let mut next = Box::pin(commit(&writer));
    assert!(next.as_mut().poll(&mut cx).is_pending());
    assert!(queue.try_recv().is_err(), "it looks about");
    assert!(next.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_caller_waits_for_the_thread_and_other_processes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let (writer, _queue) = without_a_thread(&file, true);
    let wanted = writer.turns.wanted();
    wanted.store(true, SeqCst);
    assert_eq!(in_place(&writer), [false], "though the connection is free");
    wanted.store(false, SeqCst);
    std::thread::scope(|scope| {
        let turn = writer.turns.idle().unwrap();
        let thread = scope.spawn(|| drop(writer.turns.next().unwrap()));
        // It waits for this turn to end.
        while !wanted.load(SeqCst) {
            std::thread::yield_now();
        }
        drop(turn);
        thread.join().unwrap();
    });
    assert_eq!(in_place(&writer), [true]);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let watch = Stopwatch::start();
    assert_eq!(in_place(&writer), [false], "the thread waits for it");
    assert!(watch.elapsed() < BUSY_TIMEOUT, "and the caller does not");
    other.execute_batch("CREATE TABLE other (a)").unwrap();
    other.execute_batch("COMMIT").unwrap();
    writer.turns.idle().unwrap().look_after_the_file(true);
    assert_eq!(in_place(&writer), [false], "the other one may go on writing");
}

#[test]
fn the_thread_commits_and_maintains_the_file_periodically() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, queue) = without_a_thread(&dir.path().join("a.db"), true);
    for _ in 0..committer::UPKEEP {
        assert_eq!(in_place(&writer), [true]);
    }
    assert_eq!((in_place(&writer), queue.try_iter().count()), ([false], 1));
    writer.turns.idle().unwrap().look_after_the_file(true);
    assert_eq!(in_place(&writer), [true]);
}

#[tokio::test]
async fn the_writer_ends_after_a_panic_in_a_caller_thread() {
    let connection = Connection::open_in_memory().unwrap();
    schema::prepare(&connection, &memory(), None).unwrap();
    let writer = Writer::start(connection, memory(), &Sqlite::options().commit_in_place(true)).unwrap();
    let panicked = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let _turn = writer.turns.next();
            panic!("in the midst of a commit");
        });
        caller.join()
    });
    assert!(panicked.is_err());
    let error = commit(&writer).await.unwrap_err();
    assert!(matches!(error, StoreError::Indeterminate { .. } | StoreError::Closed { .. }), "{error:?}");
    let error = writer.run(|_, _| Ok(())).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed { .. }), "{error:?}");
}

/// What one of them changes is seen by the next, and by others only when all are committed; one that fails changes nothing.
#[tokio::test]
async fn short_writes_share_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let file = StoreFile::new(path.clone(), BUSY_TIMEOUT);
    let connection = Connection::open(&path).unwrap();
    schema::prepare(&connection, &file, None).unwrap();
    let writer = Arc::new(Writer::start(connection, file, &SqliteOptions::default()).unwrap());
    let now = SystemTime::now();
    let entry = |id: String| NewEphemeral {
        kind: "lock",
        name: "report".into(),
        id,
        holder: "me".into(),
        value: None,
        ttl: Duration::from_mins(1),
    };
    let count = move |connection: &Connection| {
        ephemeral::first(connection, "lock", "report", 100, now)
            .map(|entries| entries.map_or(0, |entries| entries.len()))
    };
    let go = hold(&writer);
    let mut entered = tokio::task::JoinSet::new();
    for n in 0..10 {
        let writer = writer.clone();
        let entry = entry(n.to_string());
        entered.spawn(
            async move { writer.write_shared(move |connection| ephemeral::enter(connection, &entry, now)).await },
        );
    }
    while writer.places.available_permits() > QUEUE - 10 {
        tokio::task::yield_now().await;
    }
    let entry = entry("failing".into());
    let failing = writer.write_shared(move |connection| {
        ephemeral::enter(connection, &entry, now)?;
        Err::<(), _>(rusqlite::Error::InvalidQuery)
    });
    let last = writer.write_shared(move |connection| {
        let other = Connection::open(path)?;
        Ok((count(connection)?, count(&other)?))
    });
    // Polled in order, so that they are queued in order.
    let both = async { tokio::join!(biased; failing, last) };
    let mut both = pin!(both);
    assert!(both.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(go);
    let (failed, counts) = both.await;
    assert!(matches!(failed, Err(StoreError::Failed { .. })), "{failed:?}");
    assert_eq!(counts.unwrap(), (10, 0), "it sees what was written before it, and others see nothing yet");
    for written in entered.join_all().await {
        written.unwrap();
    }
    assert_eq!(writer.run(move |connection, _| Ok(count(connection).unwrap())).await.unwrap(), 10);
}

/// Renewals of entries are among them: they do not wait for the slow statements of a caller, or for pruning.
#[tokio::test]
async fn short_writes_wait_for_no_other_job() {
    let writer = writer();
    let go = hold(&writer);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = order.clone();
        move || order.lock().push(what)
    };
    let short = writer.write_shared(as_write(note("short")));
    let long = writer.write(as_write(note("long")));
    let both = async { tokio::join!(biased; short, long) };
    let mut both = pin!(both);
    assert!(both.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(go);
    let (short, long) = both.await;
    short.unwrap();
    long.unwrap();
    assert_eq!(*order.lock(), ["short", "long"]);
}
