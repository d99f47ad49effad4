//! A writer that is stopped (`SIGSTOP`, a freezer) at random moments: how often it holds the write lock then, and what others can do
//! meanwhile.

use super::writers;
use fsm_runtime::{
    prelude::*,
    store::{Key, Renewal, Store, StoreError},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) async fn a_stopped_writer_keeps_no_reader_out(stops: u32) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("counters.db");
    let mut found = Vec::new();
    for (name, alone) in [("eight writers", false), ("one writer", true)] {
        let mut victim = writers::start(&path, alone);
        let output = BufReader::new(victim.stdout.take().expect("its output"));
        let (line, lines) = std::sync::mpsc::channel();
        // Read to the end, so that it never waits for its reader.
        let reading = thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
        });
        lines.recv_timeout(Duration::from_mins(1)).expect("it writes");
        let pid = Pid::from_child(&victim);
        let mut held = 0;
        for _ in 0..stops {
            thread::sleep(Duration::from_micros(fastrand::u64(0..10_000)));
            kill_process(pid, Signal::STOP).expect("it is there");
            while !is_stopped(victim.id()) {
                thread::yield_now();
            }
            held += u32::from(meanwhile(&path, victim.id()).await);
            kill_process(pid, Signal::CONT).expect("it is there");
        }
        victim.kill().expect("SIGKILL");
        victim.wait().expect("it is gone");
        reading.join().expect("it reads to the end");
        found.push(format!("{name}: {held} of {stops} stops within a transaction"));
    }
    found.join("; ")
}

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Opens the store and reads it, whatever the stopped process holds. Whether that is the lock for writing.
async fn meanwhile(path: &Path, pid: u32) -> bool {
    let options = [Sqlite::options().busy_timeout(PATIENCE), Sqlite::options().busy_timeout(PATIENCE).read_only(true)];
    let [store, reader] = options.map(|options| options.open(path));
    let (store, reader) = (store.await.expect("it opens"), reader.await.expect("it opens for reading"));
    for store in [&store, &reader] {
        store.get(Key::new("Counter", "0")).await.expect("it is read");
    }
    let renewal = Renewal { owner: "7-a".into(), holder: "a test".into(), ttl: Duration::from_secs(1) };
    match store.renew(vec![renewal], SystemTime::now()).await {
        Ok(_) => false,
        Err(error @ StoreError::Busy { .. }) => {
            let text = error.to_string();
            let expected = format!("which is stopped; `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it");
            assert!(text.contains(&format!("by process {pid} (`")) && text.ends_with(&expected), "{text}");
            true
        }
        Err(error) => panic!("{error}"),
    }
}
