//! Several processes that write one file: no busy errors, fair turns, prompt announcements, and a bounded write-ahead log.

use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tests::peers::{
    PROCESSES,
    share::{CHANGES, UNFAIR},
    swell::{COMMITS, LOG_LIMIT},
};

/// A reader that stalls on a loaded machine delays some attempts to empty the log: each costs 32 MiB.
const SLACK: u64 = 128 << 20;

fn start(role: &str, path: &Path, number: usize) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.arg(role).arg(path).arg(number.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The output of each process, all of which must succeed.
fn ended(processes: Vec<Child>) -> Vec<String> {
    let outputs = processes.into_iter().map(|process| process.wait_with_output().unwrap());
    let texts = outputs.map(|output| {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {out}\n{err}", output.status);
        out.into_owned()
    });
    texts.collect()
}

#[test]
fn x6_processes_share_a_file_fairly_without_busy_errors() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let outputs = ended((0..PROCESSES).map(|me| start("share", &path, me)).collect());
    let lines = || outputs.iter().flat_map(|output| output.lines());
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let number = |word: &str| word.parse::<u64>().unwrap();

    let shares: Vec<Vec<String>> = lines().filter(|line| line.starts_with("made")).map(words).collect();
    let made: Vec<u64> = shares.iter().map(|words| number(&words[1])).collect();
    let busy: u64 = shares.iter().map(|words| number(&words[3])).sum();
    assert_eq!(made.len(), PROCESSES);
    let (least, most) = (*made.iter().min().unwrap(), *made.iter().max().unwrap());
    assert!(least > most / UNFAIR, "one process got too few turns: {made:?}");

    let of = |what: &'static str| lines().filter(move |line| line.starts_with(what)).map(words);
    let acknowledged: HashMap<String, u64> = of("acknowledged").map(|w| (w[1].clone(), number(&w[2]))).collect();
    let seen = of("seen").filter_map(|w| Some(number(&w[2]).saturating_sub(*acknowledged.get(&w[1])?)));
    let mut delays: Vec<Duration> = seen.map(Duration::from_nanos).collect();
    delays.sort_unstable();
    assert!(delays.len() as u64 >= CHANGES * 2 * PROCESSES as u64 / 2, "only {} changes were seen", delays.len());
    let (median, p99) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
    println!("shares {made:?}, seen by others after {median:?} (median), {p99:?} (99 %), busy for 2 s {busy} times");
    // A few milliseconds on an idle machine.
    assert!(median < Duration::from_millis(500), "other processes see a change after {median:?}");
}

#[test]
fn x6_the_log_stays_bounded_under_constant_reads() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("doors.db");
    let outputs = ended((0..PROCESSES).map(|me| start("swell", &path, me)).collect());
    let lines = outputs.iter().flat_map(|output| output.lines()).filter_map(|line| line.strip_prefix("longest "));
    let longest: Vec<u64> = lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(longest.len(), PROCESSES);
    let longest = longest.into_iter().max().unwrap();
    println!("{} MiB were written, the log had {} MiB at most", COMMITS * PROCESSES, longest >> 20);
    assert!(longest > LOG_LIMIT / 2, "the readers did not block the checkpoints: {longest}");
    assert!(longest < LOG_LIMIT + SLACK, "the log had {} MiB", longest >> 20);
}
