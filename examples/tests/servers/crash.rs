//! Kills the manager at random moments, while servers are started, stopped and killed.

use crate::{
    fixture::{Fixture, Started, kill},
    history,
};
use fastrand::Rng;
use rustix::process::Signal;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::{scope, sleep},
    time::Duration,
};

const IDS: [&str; 3] = ["one", "two", "three"];

/// The number of times that the manager is killed.
const KILLS: u32 = 24;

/// The maximum number of kills of each server, below the number of failures that lead to `GivenUp`.
const SERVER_KILLS: usize = 3;

#[test]
fn a_killed_manager_leaves_valid_histories_and_no_duplicates() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let fixture = Fixture::with(&IDS);
    let over = AtomicBool::new(false);
    scope(|threads| {
        let watcher = threads.spawn(|| two_at_once(&fixture, &over));
        let at_the_end = SetOnDrop(&over);
        let mut server_kills = [0; IDS.len()];
        for _ in 0..KILLS {
            let manager = fixture.manage();
            let enough = AtomicBool::new(false);
            let (of_load, until_killed) = (random.fork(), Duration::from_millis(random.u64(..400)));
            scope(|round| {
                round.spawn(|| load(&fixture, &enough, of_load, &mut server_kills));
                let _at_the_end = SetOnDrop(&enough);
                sleep(until_killed);
                manager.kill();
            });
            history::check(&fixture);
        }
        // The demo continues from the rows, and stops all servers.
        fixture.ok(&[]);
        drop(at_the_end);
        assert_eq!(watcher.join().expect("the watcher"), None, "two processes of one server");
    });
    let passed = history::check(&fixture);
    println!("{} transitions", passed.values().map(Vec::len).sum::<usize>());
    for id in IDS {
        assert_eq!(passed[id].last().map(String::as_str), Some("Stopped"));
        assert!(fixture.serving(id).is_empty());
    }
}

/// Sets the flag that ends the other threads, also after a failed assertion.
struct SetOnDrop<'b>(&'b AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Starts and stops servers through clients, and kills servers, until `enough` is set.
fn load(fixture: &Fixture, enough: &AtomicBool, mut random: Rng, server_kills: &mut [usize; IDS.len()]) {
    while !enough.load(Relaxed) {
        let which = random.usize(..IDS.len());
        let id = IDS[which];
        match random.u8(..5) {
            0 if server_kills[which] < SERVER_KILLS => {
                if let Some((pid, _)) = fixture.alive(id) {
                    kill(pid, Signal::KILL);
                    server_kills[which] += 1;
                }
            }
            1 | 2 => client(fixture.start(&["down", id]), enough, &mut random),
            _ => client(fixture.start(&["up", id]), enough, &mut random),
        }
    }
}

/// Waits for a client, or kills it.
fn client(mut client: Started, enough: &AtomicBool, random: &mut Rng) {
    while !client.has_ended() && !enough.load(Relaxed) {
        sleep(Duration::from_millis(2));
    }
    if random.bool() {
        client.kill();
    } else {
        client.ended();
    }
}

/// Checks continuously that no server has two processes.
fn two_at_once(fixture: &Fixture, over: &AtomicBool) -> Option<(&'static str, Vec<i32>)> {
    while !over.load(Relaxed) {
        for id in IDS {
            let seen = fixture.serving(id);
            if seen.len() > 1 {
                // One may have exited and another started while the list of processes was read.
                let mut both = fixture.serving(id);
                both.retain(|pid| seen.contains(pid));
                if both.len() > 1 {
                    return Some((id, both));
                }
            }
        }
        sleep(Duration::from_millis(10));
    }
    None
}
