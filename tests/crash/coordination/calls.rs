//! Processes that call once under the same keys.

use super::{
    chaos, moment,
    processes::{Crowd, Faults, Place, Role, shut_down},
    until,
    witness::{Line, Witness},
};
use fsm_runtime::{
    Runtime,
    coordination::{OnceAttempt, OnceError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

const LEASE: Duration = Duration::from_secs(1);
const KEYS: usize = 200;
const PROCESSES: usize = 4;
/// The callers of a process.
const CALLERS: usize = 4;

/// What callers got: a line `key value` each.
#[derive(Clone)]
struct Results(PathBuf);

impl Results {
    fn of(place: &Place) -> Self {
        Self(place.folder.join("results"))
    }

    fn write(&self, key: &str, value: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.0).expect("the file of results");
        file.write_all(format!("{key} {value}\n").as_bytes()).expect("the file of results");
    }

    fn by_key(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in std::fs::read_to_string(&self.0).unwrap_or_default().split_inclusive('\n') {
            // But for a line that is being written.
            let Some((key, value)) = line.strip_suffix('\n').and_then(|line| line.split_once(' ')) else { continue };
            all.entry(key.to_owned()).or_default().insert(value.to_owned());
        }
        all
    }
}

/// The effect of an attempt, which ends when it is dropped.
struct Effect<'a> {
    witness: &'a Witness,
    key: &'a str,
    fence: u64,
}

impl Drop for Effect<'_> {
    fn drop(&mut self) {
        self.witness.write("end", self.key, self.fence);
    }
}

/// Calls under all keys of a round, and ends.
pub(super) async fn call(place: &Place, round: u32) {
    let runtime = place.client().await;
    let mut keys: Vec<usize> = (0..KEYS).collect();
    fastrand::shuffle(&mut keys);
    let mut callers = tokio::task::JoinSet::new();
    for keys in keys.chunks(KEYS / CALLERS) {
        let keys: Vec<String> = keys.iter().map(|key| format!("{round}-{key}")).collect();
        let (runtime, witness, results) = (runtime.clone(), place.witness("calls"), Results::of(place));
        callers.spawn(async move {
            for key in keys {
                let value = call_one(&runtime, &witness, &key).await;
                results.write(&key, &value);
            }
        });
    }
    callers.join_all().await;
    shut_down(&runtime).await;
}

async fn call_one(runtime: &Runtime, witness: &Witness, key: &str) -> String {
    loop {
        let effect = async |attempt: OnceAttempt| {
            let fence = attempt.fence();
            let effect = Effect { witness, key, fence };
            assert!(witness.write("begin", key, fence), "an earlier attempt under {key} comes after a later one");
            moment(2, 30).await;
            drop(effect);
            Ok::<_, String>(format!("{fence}-{}-{}", std::process::id(), fastrand::u32(..)))
        };
        match runtime.once(key).lease(LEASE).run(effect).await {
            Ok(value) => return value,
            Err(OnceError::Lost { .. }) => witness.write("lost", "", 0),
            Err(error) => panic!("{error}"),
        };
    }
}

pub(crate) async fn killed_processes_call_once(place: Place) -> String {
    let (began, results) = (Instant::now(), Results::of(&place));
    let mut faults = Faults::default();
    let mut rounds = 0;
    while began.elapsed() < chaos() {
        let mut crowd = Crowd::start(&place, Role::Call(rounds), PROCESSES);
        rounds += 1;
        let before = results.by_key().len();
        // In the midst of the work.
        while results.by_key().len() < before + KEYS * 9 / 10 {
            moment(100, 500).await;
            crowd.kill(crowd.random());
        }
        for mut process in crowd.processes.drain(..) {
            until("the calls are done", async || process.has_ended().then_some(())).await;
        }
        faults.kills.extend(&crowd.faults.kills);
    }
    let results = results.by_key();
    assert_eq!(results.len(), KEYS * rounds as usize);
    let lines = place.witness("calls").lines();
    let mut repeated = 0;
    for (key, values) in &results {
        assert_eq!(values.len(), 1, "callers under {key} got {values:?}");
        let fence = values.iter().find_map(|value| value.split('-').next()?.parse().ok()).expect("a fence");
        repeated += check(key, fence, &lines, &faults);
    }
    let lost = lines.iter().filter(|line| line.what == "lost").count();
    format!("{} keys, {repeated} effects repeated, {lost} lost leases, {}", results.len(), faults.count())
}

/// The effects under a key do not overlap, each but the last was cut off, and the result is that of the last one. Returns how many were.
fn check(key: &str, fence: u64, lines: &[Line], faults: &Faults) -> usize {
    let of_key: Vec<&Line> = lines.iter().filter(|line| line.name == key).collect();
    let effects: Vec<&Line> = of_key.iter().copied().filter(|line| line.what == "begin").collect();
    let last = effects.last().unwrap_or_else(|| panic!("a result without an effect under {key}"));
    assert_eq!(last.fence, fence, "{key}: the result is not that of the last effect: {effects:?}");
    for two in effects.windows(2) {
        let [one, next] = two else { continue };
        let end = of_key.iter().find(|line| line.what == "end" && line.fence == one.fence);
        let killed = faults.killed(one.pid, one.at);
        let ended = end.map(|line| line.at).or(killed);
        let ended = ended.unwrap_or_else(|| panic!("{key}: an effect has not ended: {one:?}"));
        assert!(one.fence < next.fence && ended <= next.at, "{key}: two effects at once: {one:?}, {next:?}");
        let has_lost = lines.iter().any(|line| line.what == "lost" && line.pid == one.pid && line.at >= one.at);
        assert!(
            killed.is_some() || has_lost,
            "{key}: the effect was repeated, and its process lives: {one:?}, {next:?}"
        );
    }
    effects.len() - 1
}
