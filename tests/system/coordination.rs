//! Locks, leaders, calls that are made once, and services, over several runtimes on one file.

use fsm_runtime::{
    ErrorKind, Runtime, StartPosition,
    clock::ManualClock,
    coordination::{
        CoordinationError, Leader, LockError, OnceAttempt, OnceError, Service, ServiceChange, ServiceInstance,
        ServiceWatch,
    },
    store::{MAX_KEY_BYTES, Store as _, sqlite::Sqlite},
};
use serde_json::json;
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::sync::oneshot;

const TTL: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(20);

/// Runtimes on one file, as those of several processes, and their clock.
struct World {
    clock: ManualClock,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        Self { clock, dir: TempDir::new().unwrap() }
    }

    async fn runtime(&self) -> Runtime {
        let store = Sqlite::open(self.dir.path().join("store.db")).await.unwrap();
        Runtime::builder(store).clock(self.clock.clock()).start().await.unwrap()
    }

    /// A runtime whose entries are never renewed: its process is stopped.
    async fn stopped(&self) -> Runtime {
        let store = Sqlite::open(self.dir.path().join("store.db")).await.unwrap();
        let clock = ManualClock::new(self.clock.clock().now());
        Runtime::builder(store).clock(clock.clock()).start().await.unwrap()
    }

    /// Lets time pass in steps in which each lease is renewed.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }
}

/// Lets the tasks run that are ready, and the store answer.
async fn settle() {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The output of `future`, for which the clock advances until it is there.
async fn in_time<T>(world: &World, future: impl Future<Output = T>) -> T {
    let advance = async {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
            world.clock.advance(Duration::from_millis(20));
        }
    };
    tokio::select! {
        biased;
        output = future => output,
        () = advance => panic!("it takes too long"),
    }
}

/// Waits until there are so many holders and waiting processes.
async fn entries(world: &World, count: usize) {
    let store = Sqlite::open(world.dir.path().join("store.db")).await.unwrap();
    let entries = store.ephemerals().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = entries.entries("lock", None, None, 99, world.clock.clock().now()).await.unwrap().len();
        if found == count {
            return;
        }
        assert!(Instant::now() < deadline, "{found} entries, not {count}");
        settle().await;
    }
}

fn held(result: Result<fsm_runtime::coordination::LockGuard, LockError>) -> Option<String> {
    match result.unwrap_err() {
        LockError::Held { by, .. } => by.map(|by| by.holder),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn g2_a_lock_has_one_holder_over_processes() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let lock = first.locks().acquire("nightly", TTL).await.unwrap();
    assert_eq!(lock.name(), "nightly");
    assert_eq!(held(first.locks().try_acquire("nightly", TTL).await), None, "a caller of this process");
    let by = held(second.locks().try_acquire("nightly", TTL).await).unwrap();
    assert!(by.starts_with(&format!("process {}", std::process::id())), "{by}");
    let other = second.locks().try_acquire("weekly", TTL).await.unwrap();
    assert!(other.fence() > lock.fence());
    let holder = second.locks().holder("nightly").await.unwrap().unwrap();
    assert_eq!((holder.fence, holder.until), (lock.fence(), world.clock.clock().now() + TTL));
    lock.release().await.unwrap();
    assert_eq!(second.locks().holder("nightly").await.unwrap(), None);
    let again = second.locks().try_acquire("nightly", TTL).await.unwrap();
    assert!(again.fence() > other.fence());
    drop(again);
    let free = async {
        while first.locks().holder("nightly").await.unwrap().is_some() {
            settle().await;
        }
    };
    in_time(&world, free).await;
}

#[tokio::test]
async fn g2_waiting_callers_get_the_lock_in_order() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let mut lock = first.locks().acquire("nightly", TTL).await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..6 {
        // Those of each process wait in their order; each process has one place at a time.
        let locks = if n < 3 { first.locks() } else { second.locks() };
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move { sender.send((n, locks.acquire("nightly", TTL).await.unwrap())) });
        waiting.push(receiver);
        if n == 3 {
            // The place of the second process, which its other callers share.
            entries(&world, 2).await;
        }
        settle().await;
    }
    // The second process has joined the queue before the first one joins it again.
    for expected in [3, 0, 4, 1, 5, 2] {
        let fence = lock.fence();
        lock.release().await.unwrap();
        let (n, next) = in_time(&world, &mut waiting[expected]).await.unwrap();
        assert_eq!(n, expected);
        assert!(next.fence() > fence);
        lock = next;
    }
}

#[tokio::test]
async fn g2_many_callers_of_a_process_wait_without_the_store() {
    let world = World::new();
    let runtime = world.runtime().await;
    let lock = runtime.locks().acquire("nightly", TTL).await.unwrap();
    let done = Arc::new(AtomicU32::new(0));
    for _ in 0..10_000 {
        let (locks, done) = (runtime.locks(), done.clone());
        tokio::spawn(async move {
            let lock = locks.acquire("nightly", TTL).await.unwrap();
            done.fetch_add(1, Ordering::Relaxed);
            // Held forever.
            pending::<()>().await;
            drop(lock);
        });
    }
    settle().await;
    // The holder's.
    entries(&world, 1).await;
    lock.release().await.unwrap();
    in_time(&world, async {
        while done.load(Ordering::Relaxed) == 0 {
            settle().await;
        }
    })
    .await;
    // The next holder's.
    entries(&world, 1).await;
}

#[tokio::test]
async fn g2_a_caller_that_gives_up_leaves_the_queue() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let lock = first.locks().acquire("nightly", TTL).await.unwrap();
    let locks = second.locks();
    let acquired = locks.acquire_within("nightly", TTL, Duration::from_secs(1));
    let error = in_time(&world, acquired).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.kind()),
        ("lock `nightly` was not free within 1s", ErrorKind::Timeout)
    );
    lock.release().await.unwrap();
    in_time(&world, async {
        while first.locks().holder("nightly").await.unwrap().is_some() {
            settle().await;
        }
    })
    .await;
}

#[tokio::test]
async fn g2_a_held_lock_is_renewed() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let lock = first.locks().acquire("nightly", TTL).await.unwrap();
    world.pass(60).await;
    assert!(!lock.is_lost());
    assert!(held(second.locks().try_acquire("nightly", TTL).await).is_some());
}

#[tokio::test]
async fn g2_the_lock_of_a_process_that_ends_lapses() {
    let world = World::new();
    let (stopped, second) = (world.stopped().await, world.runtime().await);
    let lock = stopped.locks().acquire("nightly", TTL).await.unwrap();
    assert!(held(second.locks().try_acquire("nightly", TTL).await).is_some());
    world.clock.advance(TTL);
    let next = second.locks().try_acquire("nightly", TTL).await.unwrap();
    assert!(next.fence() > lock.fence());
}

/// The holder stalls. Before its lease ends by its own clock, it knows that the lock is lost.
#[tokio::test]
async fn g2_a_holder_that_stalls_learns_that_its_lock_is_lost() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let lock = first.locks().acquire("nightly", TTL).await.unwrap();
    let lost = lock.lost();
    assert!(!lock.is_lost());
    // No task of it runs meanwhile.
    world.clock.advance(TTL);
    lost.await;
    let next = second.locks().try_acquire("nightly", TTL).await.unwrap();
    lock.release().await.unwrap();
    assert!(held(first.locks().try_acquire("nightly", TTL).await).is_some(), "what it does not own is not released");
    drop(next);
}

/// A process that was stopped asks before any task of it runs.
#[tokio::test]
async fn g2_a_holder_that_goes_on_knows_at_once_what_it_lost() {
    let world = World::new();
    let runtime = world.runtime().await;
    let lock = runtime.locks().acquire("nightly", TTL).await.unwrap();
    let mut lost = Box::pin(lock.lost());
    let mut context = Context::from_waker(Waker::noop());
    world.clock.advance(Duration::from_millis(12_499));
    assert!(!lock.is_lost() && lost.as_mut().poll(&mut context).is_pending());
    world.clock.advance(Duration::from_millis(1));
    assert!(lost.as_mut().poll(&mut context).is_ready() && lock.is_lost());
}

/// The store does not answer. The holder stops by its own clock, before its lease ends.
#[tokio::test]
async fn g2_a_holder_without_its_store_stops_in_time() {
    let world = World::new();
    let runtime = world.runtime().await;
    let lock = runtime.locks().acquire("nightly", TTL).await.unwrap();
    let blocking = rusqlite::Connection::open(world.dir.path().join("store.db")).unwrap();
    blocking.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The renewal is requested, and waits.
    world.clock.advance(TTL / 3);
    settle().await;
    assert!(!lock.is_lost());
    world.clock.advance(TTL / 2);
    tokio::time::timeout(PATIENCE, lock.lost()).await.expect("five sixths of the lease have passed");
}

/// The check that the documentation shows.
#[tokio::test]
async fn g2_a_late_holder_is_refused_by_its_fence() {
    let world = World::new();
    let (stopped, second) = (world.stopped().await, world.runtime().await);
    let late = stopped.locks().acquire("nightly", TTL).await.unwrap();
    world.clock.advance(TTL);
    let next = second.locks().acquire("nightly", TTL).await.unwrap();
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch("CREATE TABLE report (id, body, fence); INSERT INTO report VALUES (1, '', 0)").unwrap();
    let write = |body: &str, fence: u64| {
        let text = "UPDATE report SET body = ?1, fence = ?2 WHERE id = 1 AND fence <= ?2";
        database.execute(text, rusqlite::params![body, fence]).unwrap()
    };
    assert_eq!(write("by the holder", next.fence()), 1);
    assert_eq!(write("too late", late.fence()), 0);
}

/// A waiting lock looks again when entries change, and not at each commit.
#[tokio::test]
async fn g2_only_changes_of_entries_wake_those_that_wait() {
    let world = World::new();
    let waiting = Sqlite::open(world.dir.path().join("store.db")).await.unwrap();
    let other = Runtime::builder(Sqlite::open(world.dir.path().join("store.db")).await.unwrap()).start().await.unwrap();
    let entries = waiting.ephemerals().unwrap();
    let (mut changes, mut notices) = (entries.entry_changes(), waiting.notices());
    let quiet = async {
        // What came before, such as the opening of the file, notifies at first.
        loop {
            changes.mark_unchanged();
            for n in 0..5 {
                other.subscribe(&format!("subscriber {n}"), StartPosition::Oldest).await.unwrap();
                other.unsubscribe(&format!("subscriber {n}")).await.unwrap();
                notices.recv().await.unwrap();
            }
            if !changes.has_changed().unwrap() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, quiet).await.expect("other commits do not notify");
    let lock = other.locks().acquire("a", TTL).await.unwrap();
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("a lock was acquired").unwrap();
    changes.mark_unchanged();
    lock.release().await.unwrap();
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("a lock was released").unwrap();
}

#[tokio::test]
async fn g3_one_leader_at_a_time_and_another_follows() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let leading = Arc::new(AtomicU32::new(0));
    let lead = |runtime: &Runtime, name: u32| {
        let (locks, leading) = (runtime.locks(), leading.clone());
        tokio::spawn(async move {
            let lead = |_| {
                leading.store(name, Ordering::Relaxed);
                pending::<()>()
            };
            locks.lead("cron", TTL, lead).await
        })
    };
    let until = async |name| {
        in_time(&world, async {
            while leading.load(Ordering::Relaxed) != name {
                settle().await;
            }
        })
        .await;
    };
    let one = lead(&first, 1);
    until(1).await;
    let two = lead(&second, 2);
    settle().await;
    assert_eq!(leading.load(Ordering::Relaxed), 1);
    first.shutdown(Duration::ZERO).await;
    let error = one.await.unwrap().unwrap_err();
    assert!(matches!(error, LockError::Failed(CoordinationError::ShuttingDown)), "{error}");
    until(2).await;
    // It stalls, and leads again.
    leading.store(0, Ordering::Relaxed);
    world.clock.advance(TTL);
    until(2).await;
    two.abort();
}

#[tokio::test]
async fn g3_a_leader_that_is_done_gives_its_output() {
    let world = World::new();
    let runtime = world.runtime().await;
    let output = runtime.locks().lead("cron", TTL, async |leader: Leader| leader.fence()).await;
    assert!(output.unwrap() > 0);
    assert_eq!(runtime.locks().holder("cron").await.unwrap(), None);
}

/// The work is done, and the lock lapses.
#[tokio::test]
async fn g3_a_release_that_fails_loses_no_output() {
    let world = World::new();
    let runtime = world.runtime().await;
    let database = rusqlite::Connection::open(world.dir.path().join("store.db")).unwrap();
    let breaks = || database.execute_batch("ALTER TABLE fsm_entries RENAME TO broken").unwrap();
    let lead = |_| async {
        breaks();
        7
    };
    assert_eq!(runtime.locks().lead("cron", TTL, lead).await.unwrap(), 7);
    database.execute_batch("ALTER TABLE broken RENAME TO fsm_entries").unwrap();
    let fails = async |_: OnceAttempt| {
        breaks();
        Err::<(), _>("503")
    };
    let error = runtime.once("n").run(fails).await.unwrap_err();
    assert!(matches!(error, OnceError::Failed("503")), "{error}");
}

#[tokio::test]
async fn a_runtime_that_shuts_down_enters_no_queue() {
    let world = World::new();
    let runtime = world.runtime().await;
    let kept = runtime.once::<String>("kept").run(async |_: OnceAttempt| Ok(1)).await;
    runtime.shutdown(Duration::ZERO).await;
    for n in 0..8 {
        let name = n.to_string();
        for error in [
            runtime.locks().acquire(&name, TTL).await.unwrap_err(),
            runtime.locks().try_acquire(&name, TTL).await.unwrap_err(),
            runtime.registry().register(Service::new(&name, "x")).await.unwrap_err().into(),
        ] {
            assert!(matches!(error, LockError::Failed(CoordinationError::ShuttingDown)), "{error}");
        }
        let error = runtime.once::<String>(&name).run(async |_: OnceAttempt| Ok(1)).await.unwrap_err();
        assert!(matches!(error, OnceError::Unavailable(CoordinationError::ShuttingDown)), "{error}");
    }
    let again = runtime.once::<String>("kept").run(async |_: OnceAttempt| Ok(2)).await;
    assert_eq!((kept.unwrap(), again.unwrap()), (1, 1), "what is kept can be read");
}

#[tokio::test]
async fn g1_one_of_many_callers_runs_the_function() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let runs = Arc::new(AtomicU32::new(0));
    let call = |runtime: &Runtime| {
        let (once, runs) = (runtime.once::<String>("charge/42"), runs.clone());
        tokio::spawn(async move {
            let charge = async |_: OnceAttempt| {
                settle().await;
                Ok(format!("receipt {}", runs.fetch_add(1, Ordering::Relaxed)))
            };
            once.run(charge).await.unwrap()
        })
    };
    let calls: Vec<_> = (0..40).map(|n| call(if n % 2 == 0 { &first } else { &second })).collect();
    for done in calls {
        assert_eq!(in_time(&world, done).await.unwrap(), "receipt 0");
    }
    assert_eq!(call(&second).await.unwrap(), "receipt 0", "later");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn g1_a_result_is_kept_for_its_time() {
    let world = World::new();
    let runtime = world.runtime().await;
    let call = async |value: u32| {
        let once = runtime.once::<String>("n").ttl(Duration::from_mins(1));
        once.run(async |_: OnceAttempt| Ok(value)).await.unwrap()
    };
    assert_eq!((call(1).await, call(2).await), (1, 1));
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(call(3).await, 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!((call(4).await, call(5).await), (4, 4));
}

#[tokio::test]
async fn g1_after_a_crash_the_next_caller_runs_the_function() {
    let world = World::new();
    let (stopped, second) = (world.stopped().await, world.runtime().await);
    let (began, begins) = oneshot::channel();
    let crashing = tokio::spawn(async move {
        let hang = async |attempt: OnceAttempt| {
            began.send(attempt.fence()).unwrap();
            pending::<Result<u32, String>>().await
        };
        stopped.once("n").run(hang).await
    });
    let before = begins.await.unwrap();
    let next = tokio::spawn(async move {
        let fence = async |attempt: OnceAttempt| Ok::<_, String>(attempt.fence());
        second.once("n").run(fence).await.unwrap()
    });
    settle().await;
    assert!(!next.is_finished(), "its lease lasts");
    assert!(in_time(&world, next).await.unwrap() > before);
    crashing.abort();
}

#[tokio::test]
async fn g1_a_caller_that_stalls_does_not_store_its_result() {
    let world = World::new();
    let (stopped, second) = (world.stopped().await, world.runtime().await);
    let ((began, begins), (go, goes)) = (oneshot::channel(), oneshot::channel::<()>());
    let late = tokio::spawn(async move {
        let wait = async |_: OnceAttempt| {
            began.send(()).unwrap();
            goes.await.unwrap();
            Ok::<_, String>(1)
        };
        stopped.once("n").run(wait).await
    });
    begins.await.unwrap();
    world.clock.advance(TTL);
    assert_eq!(second.once("n").run(async |_: OnceAttempt| Ok::<_, String>(2)).await.unwrap(), 2);
    go.send(()).unwrap();
    let error = late.await.unwrap().unwrap_err();
    assert!(matches!(&error, OnceError::Lost { key } if key == "n"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn g1_errors_are_kept_if_the_caller_says_so() {
    let world = World::new();
    let runtime = world.runtime().await;
    let call = async |error: &'static str| {
        let once = runtime.once("n").keep_errors(|error: &&str| *error == "declined");
        once.run(async |_: OnceAttempt| Err::<(), _>(error)).await.unwrap_err()
    };
    assert!(matches!(call("503").await, OnceError::Failed("503")));
    assert!(matches!(call("declined").await, OnceError::Failed("declined")), "it ran again");
    let kept = call("503").await;
    assert!(matches!(&kept, OnceError::FailedEarlier { message } if message == "declined"), "{kept}");
}

#[tokio::test]
async fn g1_other_arguments_under_a_key_are_refused() {
    let world = World::new();
    let runtime = world.runtime().await;
    let call = async |cents: Option<u32>| {
        let once = runtime.once::<String>("charge/42");
        let once = match cents {
            Some(cents) => once.arguments(&json!({ "cents": cents, "to": "ada" })),
            None => once,
        };
        once.run(async |_: OnceAttempt| Ok(1)).await
    };
    assert_eq!(call(Some(9)).await.unwrap(), 1);
    assert_eq!(call(Some(9)).await.unwrap(), 1);
    for other in [Some(8), None] {
        let error = call(other).await.unwrap_err();
        assert_eq!(error.to_string(), "the key `charge/42` was used with other arguments");
        assert_eq!(error.kind(), ErrorKind::KeyReused);
    }
    // Also while the function runs.
    let (began, begins) = oneshot::channel();
    let second = world.runtime().await;
    let running = tokio::spawn(async move {
        let hang = async |_: OnceAttempt| {
            began.send(()).unwrap();
            pending::<Result<u32, String>>().await
        };
        second.once("other").arguments(&1).run(hang).await
    });
    begins.await.unwrap();
    let error = runtime.once::<String>("other").arguments(&2).run(async |_: OnceAttempt| Ok(1)).await.unwrap_err();
    assert!(matches!(error, OnceError::OtherArguments { .. }), "{error}");
    running.abort();
}

#[tokio::test]
async fn g1_a_dropped_call_leaves_the_key_free() {
    let world = World::new();
    let runtime = world.runtime().await;
    let (began, begins) = oneshot::channel();
    let dropped = {
        let once = runtime.once::<String>("n");
        tokio::spawn(async move {
            let hang = async |_: OnceAttempt| {
                began.send(()).unwrap();
                pending::<Result<u32, String>>().await
            };
            once.run(hang).await
        })
    };
    begins.await.unwrap();
    dropped.abort();
    let next = runtime.once::<String>("n").run(async |_: OnceAttempt| Ok(2));
    assert_eq!(in_time(&world, next).await.unwrap(), 2);
}

async fn next(world: &World, watch: &mut ServiceWatch) -> ServiceChange {
    in_time(world, watch.next()).await.unwrap().unwrap()
}

fn endpoints(instances: &[ServiceInstance]) -> Vec<&str> {
    instances.iter().map(|instance| instance.endpoint.as_str()).collect()
}

#[tokio::test]
async fn g4_instances_come_and_go() {
    let world = World::new();
    let (first, second) = (world.runtime().await, world.runtime().await);
    let mut watch = second.registry().watch("mail").unwrap();
    let one = first.registry().register(Service::new("mail", "one").meta(json!({ "zone": 1 }))).await.unwrap();
    let ServiceChange::Added(added) = next(&world, &mut watch).await else { panic!("added") };
    assert_eq!((&*added.endpoint, &added.meta), ("one", &json!({ "zone": 1 })));
    let two = second.registry().register(Service::new("mail", "two")).await.unwrap();
    let _other = second.registry().register(Service::new("print", "three")).await.unwrap();
    assert!(matches!(next(&world, &mut watch).await, ServiceChange::Added(it) if it.endpoint == "two"));
    assert_eq!(endpoints(&first.registry().discover("mail").await.unwrap()), ["one", "two"]);
    one.update(&json!({ "zone": 2 })).unwrap();
    let changed = next(&world, &mut watch).await;
    assert!(matches!(&changed, ServiceChange::Changed(it) if it.meta == json!({ "zone": 2 })), "{changed:?}");
    two.deregister().await.unwrap();
    assert!(matches!(next(&world, &mut watch).await, ServiceChange::Removed(it) if it.endpoint == "two"));
    first.shutdown(Duration::ZERO).await;
    assert_eq!(second.registry().discover("mail").await.unwrap(), [], "the process can end now");
    assert!(matches!(next(&world, &mut watch).await, ServiceChange::Removed(it) if it.endpoint == "one"));
    second.shutdown(Duration::ZERO).await;
    assert_eq!(watch.next().await.unwrap(), None);
}

/// The clock stands still: nothing but the shutdown ends the watches.
#[tokio::test]
async fn g4_watches_end_at_shutdown_whatever_else_has_changed() {
    let world = World::new();
    let runtime = world.runtime().await;
    let mut watches: Vec<ServiceWatch> = (0..20).map(|_| runtime.registry().watch("mail").unwrap()).collect();
    let _one = runtime.registry().register(Service::new("mail", "one")).await.unwrap();
    for watch in &mut watches {
        assert!(matches!(watch.next().await.unwrap(), Some(ServiceChange::Added(_))));
    }
    let _two = runtime.registry().register(Service::new("mail", "two")).await.unwrap();
    runtime.shutdown(Duration::ZERO).await;
    for watch in &mut watches {
        let ended = tokio::time::timeout(PATIENCE, watch.next()).await.expect("the runtime has shut down");
        assert_eq!(ended.unwrap(), None);
    }
}

#[tokio::test]
async fn g4_the_instance_of_a_process_that_ends_lapses() {
    let world = World::new();
    let (stopped, second) = (world.stopped().await, world.runtime().await);
    let _gone = stopped.registry().register(Service::new("mail", "one")).await.unwrap();
    let mut watch = second.registry().watch("mail").unwrap();
    assert!(matches!(next(&world, &mut watch).await, ServiceChange::Added(_)));
    let began = world.clock.clock().elapsed();
    assert!(matches!(next(&world, &mut watch).await, ServiceChange::Removed(_)));
    let took = world.clock.clock().elapsed().saturating_sub(began);
    assert!(took <= TTL + Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn g4_a_registration_that_was_lost_is_made_again() {
    let world = World::new();
    let runtime = world.runtime().await;
    let registration = runtime.registry().register(Service::new("mail", "one")).await.unwrap();
    let before = runtime.registry().discover("mail").await.unwrap().remove(0).id;
    // It stalls.
    world.clock.advance(TTL);
    in_time(&world, async {
        while runtime.registry().discover("mail").await.unwrap().first().is_none_or(|it| it.id == before) {
            settle().await;
        }
    })
    .await;
    registration.deregister().await.unwrap();
    assert!(runtime.registry().discover("mail").await.unwrap().is_empty());
}

#[tokio::test]
async fn bad_arguments_are_refused() {
    let world = World::new();
    let runtime = world.runtime().await;
    let short = Duration::from_millis(99);
    let lock = async |name: &str, ttl| runtime.locks().acquire(name, ttl).await.unwrap_err().to_string();
    let once = async |key: &str, ttl, lease| {
        let once = runtime.once::<String>(key).ttl(ttl).lease(lease);
        once.run(async |_: OnceAttempt| Ok(1)).await.unwrap_err().to_string()
    };
    let register = async |service: Service| runtime.registry().register(service).await.unwrap_err().to_string();
    let needs = "must be at least 100 ms, so that the lease can be renewed";
    let too_long = || "n".repeat(MAX_KEY_BYTES + 1);
    let longest = "n".repeat(MAX_KEY_BYTES);
    assert!(runtime.locks().try_acquire(&longest, TTL).await.is_ok());
    for (error, expected) in [
        (lock(&too_long(), TTL).await, "`name`: is longer than 1,024 bytes".to_owned()),
        (once(&too_long(), TTL, TTL).await, "`key`: is longer than 1,024 bytes".to_owned()),
        (register(Service::new(too_long(), "x")).await, "`name`: is longer than 1,024 bytes".to_owned()),
        (
            runtime.locks().holder(&too_long()).await.unwrap_err().to_string(),
            "`name`: is longer than 1,024 bytes".into(),
        ),
        (lock("", TTL).await, "`name`: must not be empty".to_owned()),
        (lock("a\0b", TTL).await, "`name`: must not contain NUL".to_owned()),
        (lock("a", Duration::ZERO).await, format!("`ttl`: {needs}")),
        (lock("a", short).await, format!("`ttl`: {needs}")),
        (
            lock("a", Duration::MAX).await,
            "`ttl`: longer than 100,000 years; leave out a limit that is never reached".to_owned(),
        ),
        (once("", TTL, TTL).await, "`key`: must not be empty".to_owned()),
        (once("k", TTL, Duration::ZERO).await, format!("`lease`: {needs}")),
        (
            once("k", Duration::ZERO, TTL).await,
            "`ttl`: must be longer than zero, so that the callers that wait find the result".to_owned(),
        ),
        (
            runtime
                .once("k")
                .arguments(&"m".repeat(1 << 20))
                .run(async |_| Ok::<_, String>(1))
                .await
                .unwrap_err()
                .to_string(),
            "`arguments`: are longer than 1 MiB as JSON".to_owned(),
        ),
        (register(Service::new("", "x")).await, "`name`: must not be empty".to_owned()),
        (register(Service::new("x", "")).await, "`endpoint`: must not be empty".to_owned()),
        (register(Service::new("x", "y").ttl(Duration::ZERO)).await, format!("`ttl`: {needs}")),
        (
            register(Service::new("x", "y").meta(json!("m".repeat(70_000)))).await,
            "`meta`: is longer than 64 KiB".to_owned(),
        ),
    ] {
        assert_eq!(error, expected);
    }
}
