//! A writer that is stopped (`SIGSTOP`, a freezer) at random moments: how often it holds the write lock then, and what others can do
//! meanwhile.

use super::writers;
use fsm_runtime::{
    prelude::*,
    store::{Key, Process, Store, StoreError, sqlite::OpenError},
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
        let (mut held, mut closed) = (0, 0);
        for _ in 0..stops {
            thread::sleep(Duration::from_micros(fastrand::u64(0..10_000)));
            kill_process(pid, Signal::STOP).expect("it is there");
            while !is_stopped(victim.id()) {
                thread::yield_now();
            }
            match meanwhile(&path, victim.id()).await {
                Meanwhile::Free => {}
                Meanwhile::Locked => held += 1,
                Meanwhile::Closed => (held, closed) = (held + 1, closed + 1),
            }
            kill_process(pid, Signal::CONT).expect("it is there");
        }
        victim.kill().expect("SIGKILL");
        victim.wait().expect("it is gone");
        reading.join().expect("it reads to the end");
        assert!(closed <= stops / 20, "{closed} of {stops} stops kept readers out");
        found.push(format!("{name}: {held} of {stops} stops within a transaction"));
    }
    found.join("; ")
}

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// What another process can do while the writer is stopped.
enum Meanwhile {
    /// It can write.
    Free,
    /// It can open and read, but not write: the writer holds the write lock.
    Locked,
    /// It cannot open: the writer was resetting the log, for which SQLite locks out readers for a moment.
    Closed,
}

/// Opens the store, reads and writes, whatever the stopped process holds.
async fn meanwhile(path: &Path, pid: u32) -> Meanwhile {
    let options = [Sqlite::options().busy_timeout(PATIENCE), Sqlite::options().busy_timeout(PATIENCE).read_only(true)];
    let [store, reader] = options.map(|options| options.open(path));
    let (store, reader) = match (store.await, reader.await) {
        (Ok(store), Ok(reader)) => (store, reader),
        (Err(error @ OpenError::Busy { .. }), _) | (_, Err(error @ OpenError::Busy { .. })) => {
            assert!(error.to_string().contains(&format!("by process {pid} (`")), "{error}");
            return Meanwhile::Closed;
        }
        (Err(error), _) | (_, Err(error)) => panic!("{error}"),
    };
    for store in [&store, &reader] {
        store.get(Key::new("Counter", "0")).await.expect("it is read");
    }
    match store.take_lease(Process::new("7-a", "a test"), Duration::from_secs(1), SystemTime::now()).await {
        Ok(_) => Meanwhile::Free,
        Err(error @ StoreError::Busy { .. }) => {
            let text = error.to_string();
            let expected = format!("which is stopped; `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it");
            assert!(text.contains(&format!("by process {pid} (`")) && text.ends_with(&expected), "{text}");
            Meanwhile::Locked
        }
        Err(error) => panic!("{error}"),
    }
}
