//! Processes that acquire one lock, again and again.

use super::{
    LATE, chaos, micros, moment, now,
    processes::{Crowd, Faults, Place, Role, shut_down},
    until,
    witness::{Line, Witness},
};
use fsm_runtime::coordination::LockGuard;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A holder has a sixth of it to stop in time, on a loaded machine, too.
const TTL: Duration = Duration::from_millis(1_500);
const PROCESSES: usize = 4;
const NAME: &str = "report";

pub(super) async fn hold_until(place: &Place, stop: CancellationToken) {
    let runtime = place.client().await;
    let (locks, witness) = (runtime.locks(), place.witness("locks"));
    while !stop.is_cancelled() {
        let acquired = tokio::select! {
            acquired = locks.acquire(NAME, TTL) => acquired,
            () = stop.cancelled() => break,
        };
        // While a stopped process keeps the store's file locked, requests fail.
        let Ok(lock) = acquired else { continue };
        hold(&witness, &lock).await;
        let _ = lock.release().await;
    }
    shut_down(&runtime).await;
}

/// The critical section.
async fn hold(witness: &Witness, lock: &LockGuard) {
    let write = |what| tokio::task::block_in_place(|| witness.write(what, NAME, lock.fence()));
    if !write("begin") {
        return;
    }
    tokio::select! {
        biased;
        () = lock.lost() => write("lost"),
        () = moment(1, 20) => write("end"),
    };
}

pub(crate) async fn killed_and_stopped_holders_lose_their_locks(place: Place) -> String {
    let mut crowd = Crowd::start(&place, Role::Lock, PROCESSES);
    let witness = place.witness("locks");
    let begins = async |after: u64| {
        let begins = witness.lines().into_iter().filter(|line| line.accepted && line.what == "begin");
        begins.filter(|line| line.at > after).count()
    };
    until("the lock is held by turns", async || (begins(0).await > 20).then_some(())).await;
    let began = Instant::now();
    while began.elapsed() < chaos() / 2 || crowd.faults.kills.len() < 2 {
        moment(20, 300).await;
        let killed = crowd.kill(crowd.random());
        until("the lock is held again", async || (begins(killed).await > 2).then_some(())).await;
    }
    let stops_from = now();
    let began = Instant::now();
    while began.elapsed() < chaos() / 2 || crowd.faults.stops.len() < 2 {
        moment(20, 100).await;
        let holder = witness.last("begin").and_then(|line| crowd.find(line.pid));
        let which = holder.filter(|_| fastrand::u8(..3) > 0).unwrap_or_else(|| crowd.random());
        if fastrand::u8(..5) == 0 {
            crowd.kill(which);
        } else {
            let stopped = crowd.stop(which);
            tokio::time::sleep(TTL.mul_f64(fastrand::f64() * 0.5 + 0.9)).await;
            crowd.go_on(which, stopped);
        }
        let went_on = now();
        until("the lock is held again", async || (begins(went_on).await > 2).then_some(())).await;
    }
    crowd.end().await;
    check(&witness.lines(), &crowd.faults, stops_from)
}

/// A critical section that has begun.
struct Section<'a> {
    begin: &'a Line,
    ended: u64,
}

fn check(lines: &[Line], faults: &Faults, stops_from: u64) -> String {
    let mut holders = HashMap::new();
    for line in lines {
        let holder = *holders.entry(line.fence).or_insert(line.pid);
        assert_eq!(holder, line.pid, "fence {} was given to two holders", line.fence);
    }
    refusals(lines, faults);
    let accepted: Vec<&Line> = lines.iter().filter(|line| line.accepted && line.what == "begin").collect();
    let end_of = |begin: &Line| {
        let last = lines.iter().find(|line| line.fence == begin.fence && line.what != "begin").map(|line| line.at);
        last.or_else(|| faults.killed(begin.pid, begin.at)).unwrap_or_else(|| panic!("it has not ended: {begin:?}"))
    };
    let sections: Vec<Section<'_>> = accepted.iter().map(|begin| Section { begin, ended: end_of(begin) }).collect();
    let mut longest = Duration::ZERO;
    for two in sections.windows(2) {
        let [one, next] = two else { continue };
        let (begin, other) = (one.begin, next.begin);
        assert!(begin.fence < other.fence, "a later holder has a smaller fence: {begin:?}, {other:?}");
        let stopped = faults.was_stopped(begin.pid, begin.at, one.ended);
        assert!(other.at >= one.ended || stopped, "two sections overlap: {begin:?} until {}, {other:?}", one.ended);
        if other.at < stops_from {
            let killed = faults.kills.iter().map(|(_, at)| at).filter(|at| (begin.at..other.at).contains(at)).max();
            let waited = other.at - killed.unwrap_or(&begin.at);
            assert!(waited < micros(TTL + LATE), "the lock was not held for {waited} µs before {other:?}");
            longest = longest.max(Duration::from_micros(waited));
        }
    }
    let count = |what: &str| lines.iter().filter(|line| line.accepted && line.what == what).count();
    let refused = lines.iter().filter(|line| !line.accepted).count();
    assert!(sections.len() > 20, "only {} sections", sections.len());
    format!(
        "{} sections, {} lost, {refused} late writes refused, {}, not held for {longest:?} at most",
        sections.len(),
        count("lost"),
        faults.count()
    )
}

/// Only a process that was stopped comes too late.
fn refusals(lines: &[Line], faults: &Faults) {
    for (place, line) in lines.iter().enumerate().filter(|(_, line)| !line.accepted) {
        let before = lines[..place].iter().rfind(|before| before.pid == line.pid).map_or(0, |before| before.at);
        assert!(faults.was_stopped(line.pid, before, line.at), "a holder that was not stopped is late: {line:?}");
    }
}
