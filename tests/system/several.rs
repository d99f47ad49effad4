//! Several real processes on one file, all of them writing: nobody is told that the file is busy, each sees what the others do,
//! each gets its turn, and the write-ahead log stays as short as the documentation says.

use super::sqlite::create;
use fsm_runtime::store::{
    Change, Checkpoint, Claim, HistoryQuery, Row, Store, StoreError, Verdict,
    sqlite::{Sqlite, Synchronous},
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Set for the processes that the tests start: what is theirs to do, and the file.
const ROLE: &str = "FSM_SEVERAL_ROLE";
const FILE: &str = "FSM_SEVERAL_FILE";
const PROCESSES: usize = 3;
/// How long a call waits for another process, as the documentation has it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Not a test: what each of the other processes runs. Its lines to the test begin with `@`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_another_process() {
    let (Ok(role), Some(file)) = (std::env::var(ROLE), std::env::var_os(FILE)) else { return };
    match role.split_once(' ').expect("what to do, and who it is") {
        ("share", me) => share(Path::new(&file), me.parse().expect("a number")).await,
        ("swell", me) => swell(Path::new(&file), me).await,
        (other, _) => panic!("there is nothing called {other}"),
    }
}

fn start(path: &Path, role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "several::in_another_process", "--nocapture"]).env(ROLE, role).env(FILE, path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What all of them said, each in good order.
fn told(processes: Vec<Child>) -> Vec<String> {
    let ended = processes.into_iter().map(|process| process.wait_with_output().unwrap());
    let said = ended.map(|output| {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {out}\n{err}", output.status);
        out.into_owned()
    });
    said.collect()
}

/// The same clock for every process.
fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).expect("after the start") * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("positive")
}

/// Commits `change`. Told that the file is busy it asks again, if it was for as long as it is to wait at least: a machine that
/// stands still for seconds makes the file busy, too. Told so earlier it fails.
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

const CALLERS: usize = 4;
/// All write until each has made as many changes, or somebody this many times as many.
const CHANGES: u64 = 300;
const UNFAIR: u64 = 8;

/// Writes until everybody has had a share, and follows what the others write.
async fn share(path: &Path, me: usize) {
    let store = Sqlite::open(path).await.unwrap();
    let (made, busy, enough) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let acknowledged: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let mut followed = Followed {
        store: store.clone(),
        told: store.foreign_changes(),
        me,
        last: 0,
        counts: [0; PROCESSES],
        seen: Vec::new(),
    };
    commit(&store, create(&format!("{me}/here")), &busy).await;
    followed.until(|counts| counts.iter().all(|count| *count > 0)).await;

    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, made, busy, enough, acknowledged) =
            (store.clone(), made.clone(), busy.clone(), enough.clone(), acknowledged.clone());
        callers.spawn(async move {
            for n in 0.. {
                if enough.load(Ordering::Relaxed) || made.load(Ordering::Relaxed) >= CHANGES * UNFAIR {
                    break;
                }
                let id = format!("{me}/{caller}-{n}");
                commit(&store, create(&id), &busy).await;
                made.fetch_add(1, Ordering::Relaxed);
                acknowledged.lock().unwrap().push((id, nanos()));
            }
        });
    }
    followed.until(|counts| counts.iter().all(|count| *count >= CHANGES)).await;
    enough.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    println!("\n@made {} busy {}", made.load(Ordering::Relaxed), busy.load(Ordering::Relaxed));
    for (id, at) in acknowledged.lock().unwrap().iter() {
        println!("@acknowledged {id} {at}");
    }
    for (id, at) in &followed.seen {
        println!("@seen {id} {at}");
    }
}

/// The history as one process sees it, its own changes and the others'.
struct Followed {
    store: Sqlite,
    told: tokio::sync::broadcast::Receiver<u64>,
    me: usize,
    last: u64,
    counts: [u64; PROCESSES],
    seen: Vec<(String, u64)>,
}

impl Followed {
    async fn until(&mut self, right: impl Fn(&[u64; PROCESSES]) -> bool) {
        const PAGE: usize = 256;
        while !right(&self.counts) {
            let query = HistoryQuery { key: None, after: self.last, newest_first: false, limit: PAGE };
            let page = self.store.history(query).await.unwrap();
            let at = nanos();
            for entry in &page {
                assert_eq!(entry.sequence, self.last + 1, "nothing is passed over");
                self.last = entry.sequence;
                let (who, _) = entry.key.id.split_once('/').unwrap();
                let who: usize = who.parse().unwrap();
                self.counts[who] += 1;
                if who != self.me {
                    self.seen.push((entry.key.id.to_string(), at));
                }
            }
            if page.len() < PAGE && !right(&self.counts) {
                // What others do is told of; nobody else tells of what is its own.
                let _ = tokio::time::timeout(Duration::from_secs(1), self.told.recv()).await;
            }
        }
    }
}

#[test]
fn x6_processes_share_a_file_fairly_without_busy_errors() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let said = told((0..PROCESSES).map(|me| start(&path, &format!("share {me}"))).collect());
    let lines = || said.iter().flat_map(|said| said.lines()).filter_map(|line| line.strip_prefix('@'));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let number = |word: &str| word.parse::<u64>().unwrap();

    let shares: Vec<Vec<String>> = lines().filter(|line| line.starts_with("made")).map(words).collect();
    let made: Vec<u64> = shares.iter().map(|words| number(&words[1])).collect();
    let busy: u64 = shares.iter().map(|words| number(&words[3])).sum();
    assert_eq!(made.len(), PROCESSES);
    let (least, most) = (*made.iter().min().unwrap(), *made.iter().max().unwrap());
    assert!(least > most / UNFAIR, "one of them hardly got a turn: {made:?}");

    let of = |what: &'static str| lines().filter(move |line| line.starts_with(what)).map(words);
    let acknowledged: HashMap<String, u64> = of("acknowledged").map(|w| (w[1].clone(), number(&w[2]))).collect();
    let seen = of("seen").filter_map(|w| Some(number(&w[2]).saturating_sub(*acknowledged.get(&w[1])?)));
    let mut late: Vec<Duration> = seen.map(Duration::from_nanos).collect();
    late.sort_unstable();
    assert!(late.len() as u64 >= CHANGES * 2 * PROCESSES as u64 / 2, "{} were seen", late.len());
    let (median, p99) = (late[late.len() / 2], late[late.len() * 99 / 100]);
    println!("shares {made:?}, seen by others after {median:?} (median), {p99:?} (99 %), busy for 2 s {busy} times");
    // Some milliseconds on a machine that is not loaded.
    assert!(median < Duration::from_millis(500), "others see a change after {median:?}");
}

/// As `docs/operations.md` has it.
const LOG_LIMIT: u64 = 128 << 20;
/// A reader that a loaded machine lets stand still is in the way of some attempts to empty the log: each costs 32 MiB.
const SLACK: u64 = 128 << 20;
const LARGE: usize = 1 << 20;
const COMMITS: usize = 110;

/// Rewrites one row over and over, a large one, while its readers are always in the way of SQLite's own checkpoints.
async fn swell(path: &Path, me: &str) {
    let store = Sqlite::options().synchronous(Synchronous::Normal).open(path).await.unwrap();
    let busy = AtomicU64::new(0);
    let Row { key, incarnation, version, .. } = commit(&store, create(me), &busy).await;
    let claim = Claim { key: key.clone(), incarnation, version, fence: 0, owner: me.to_owned() };
    let fence = commit(&store, Change::Claim(claim), &busy).await.fence;
    let done = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let (path, done) = (path.to_owned(), done.clone());
        move || read_without_a_gap(&path, &done)
    });
    let mut longest = 0;
    for n in 0..COMMITS {
        // Another one each time: SQLite writes no page that stays as it was.
        let checkpoint = char::from(b'a' + u8::try_from(n % 26).unwrap()).to_string().repeat(LARGE);
        let kept = Checkpoint { key: key.clone(), incarnation, version, fence, checkpoint };
        commit(&store, Change::Checkpoint(kept), &busy).await;
        longest = longest.max(log_bytes(path));
    }
    done.store(true, Ordering::Relaxed);
    reading.join().unwrap();
    println!("\n@longest {longest} busy {}", busy.into_inner());
}

fn log_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// One read until the log is nearly at its limit; from then on the next one has begun before one ends.
fn read_without_a_gap(path: &Path, done: &AtomicBool) {
    let connect = || {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(BUSY_TIMEOUT * 10).unwrap();
        connection
    };
    let (mut one, mut other) = (connect(), connect());
    let begin = "BEGIN; SELECT count(*) FROM fsm_meta";
    one.execute_batch(begin).unwrap();
    while log_bytes(path) < LOG_LIMIT * 7 / 8 && !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
    while !done.load(Ordering::Relaxed) {
        other.execute_batch(begin).unwrap();
        one.execute_batch("COMMIT").unwrap();
        std::mem::swap(&mut one, &mut other);
        std::thread::sleep(Duration::from_millis(40));
    }
}

#[test]
fn x6_the_log_stays_bounded_under_constant_reads() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let said = told((0..PROCESSES).map(|me| start(&path, &format!("swell {me}"))).collect());
    let lines = said.iter().flat_map(|said| said.lines()).filter_map(|line| line.strip_prefix("@longest "));
    let longest: Vec<u64> = lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(longest.len(), PROCESSES);
    let longest = longest.into_iter().max().unwrap();
    println!("{} MiB were written, the log had {} MiB at most", COMMITS * PROCESSES, longest >> 20);
    assert!(longest > LOG_LIMIT / 2, "the readers were not in the way: {longest}");
    assert!(longest < LOG_LIMIT + SLACK, "the log had {} MiB", longest >> 20);
}
