//! SIGKILL of the manager at random moments, while servers are started, stopped and killed.

use crate::{
    fixture::{Place, Started, kill},
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

/// How often the manager is killed.
const KILLS: u32 = 24;

/// How often children are killed in total: a server that fails too often in a row is given up.
const ACCIDENTS: usize = 3;

#[test]
fn a_killed_manager_leaves_a_true_history_and_one_child_each() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let place = Place::with(&IDS);
    let over = AtomicBool::new(false);
    scope(|threads| {
        let watcher = threads.spawn(|| two_at_once(&place, &over));
        let at_the_end = Said(&over);
        let mut accidents = [0; IDS.len()];
        for _ in 0..KILLS {
            let manager = place.manage();
            let enough = AtomicBool::new(false);
            let (of_load, until_killed) = (random.fork(), Duration::from_millis(random.u64(..400)));
            scope(|round| {
                round.spawn(|| load(&place, &enough, of_load, &mut accidents));
                let _at_the_end = Said(&enough);
                sleep(until_killed);
                manager.kill();
            });
            history::check(&place);
        }
        // To the end: it continues from the rows.
        place.ok(&[]);
        drop(at_the_end);
        assert_eq!(watcher.join().expect("the watcher"), None, "two processes of one server");
    });
    let passed = history::check(&place);
    println!("{} transitions", passed.values().map(Vec::len).sum::<usize>());
    for id in IDS {
        assert_eq!(passed[id].last().map(String::as_str), Some("Stopped"));
        assert!(place.serving(id).is_empty());
    }
}

/// Ends the other threads when dropped, also by a failed assertion.
struct Said<'b>(&'b AtomicBool);

impl Drop for Said<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Starts and stops servers through clients, and kills children, until told to end.
fn load(place: &Place, enough: &AtomicBool, mut random: Rng, accidents: &mut [usize; IDS.len()]) {
    while !enough.load(Relaxed) {
        let which = random.usize(..IDS.len());
        let id = IDS[which];
        match random.u8(..5) {
            0 if accidents[which] < ACCIDENTS => {
                if let Some((pid, _)) = place.alive(id) {
                    kill(pid, Signal::KILL);
                    accidents[which] += 1;
                }
            }
            1 | 2 => client(place.start(&["down", id]), enough, &mut random),
            _ => client(place.start(&["up", id]), enough, &mut random),
        }
    }
}

/// Runs a client to its end, also when the manager dies, or kills it too.
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
fn two_at_once(place: &Place, over: &AtomicBool) -> Option<(&'static str, Vec<i32>)> {
    while !over.load(Relaxed) {
        for id in IDS {
            let seen = place.serving(id);
            if seen.len() > 1 {
                // One may have ended and another started while the list of processes was read.
                let mut both = place.serving(id);
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
