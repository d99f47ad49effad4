//! Processes that register a service, and one that watches it.

use super::{
    LATE, chaos, moment, now,
    processes::{Crowd, Place, Process, Role, shut_down},
    until,
};
use fsm_runtime::{
    Runtime,
    coordination::{Service, ServiceChange},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_secs(2);
const NAME: &str = "mail";

pub(super) async fn serve_until(place: &Place, stop: CancellationToken) {
    let runtime = place.client().await;
    let service = Service::new(NAME, std::process::id().to_string()).ttl(TTL);
    let registration = runtime.registry().register(service).await.expect("it is registered");
    stop.cancelled().await;
    shut_down(&runtime).await;
    drop(registration);
}

/// Writes each change: the process of the instance in the place of a fence.
pub(super) async fn watch_until(place: &Place, stop: CancellationToken) {
    let runtime = place.client().await;
    let witness = place.witness("services");
    let mut watch = runtime.registry().watch(NAME).expect("a watch");
    loop {
        let change = tokio::select! {
            change = watch.next() => change.expect("the store answers"),
            () = stop.cancelled() => break,
        };
        let (what, instance) = match change {
            Some(ServiceChange::Added(instance)) => ("added", instance),
            Some(ServiceChange::Removed(instance)) => ("removed", instance),
            other => panic!("{other:?}"),
        };
        // A name of its own, so that nothing is refused.
        witness.write(what, &instance.id, instance.endpoint.parse().expect("a process"));
    }
    shut_down(&runtime).await;
}

/// The processes of the live instances.
async fn live(runtime: &Runtime) -> BTreeSet<u32> {
    let instances = runtime.registry().discover(NAME).await.expect("the store answers");
    instances.iter().map(|instance| instance.endpoint.parse().expect("a process")).collect()
}

pub(crate) async fn killed_services_are_gone(place: Place) -> String {
    let client = place.client().await;
    let watcher = Process::start(&place, Role::Watch);
    let mut crowd = Crowd::start(&place, Role::Serve, 4);
    let ids = |crowd: &Crowd| crowd.processes.iter().map(Process::id).collect::<BTreeSet<u32>>();
    until("all are there", async || (live(&client).await == ids(&crowd)).then_some(())).await;
    let witness = place.witness("services");
    // What the watch has seen.
    let seen = || {
        let mut seen = BTreeSet::new();
        for line in witness.lines() {
            let pid = u32::try_from(line.fence).expect("a process");
            let (is_added, is_new) = (line.what == "added", !seen.contains(&pid));
            assert_eq!(is_added, is_new, "{line:?}, and there were {seen:?}");
            if is_added {
                seen.insert(pid)
            } else {
                seen.remove(&pid)
            };
        }
        seen
    };
    until("the watch sees all", async || (seen() == ids(&crowd)).then_some(())).await;
    let (began, mut longest, mut gone) = (Instant::now(), Duration::ZERO, BTreeSet::new());
    while began.elapsed() < chaos() || crowd.faults.kills.len() < 2 {
        moment(20, 500).await;
        let which = crowd.random();
        let old = crowd.processes[which].id();
        if fastrand::bool() {
            let killed = crowd.kill(which);
            until("it is gone", async || (!live(&client).await.contains(&old)).then_some(())).await;
            let waited = Duration::from_micros(now() - killed);
            assert!(waited < TTL + LATE, "a killed process is gone after {waited:?}");
            longest = longest.max(waited);
        } else {
            let ending = std::mem::replace(&mut crowd.processes[which], Process::start(&place, Role::Serve));
            ending.end().await;
            assert!(!live(&client).await.contains(&old), "a process that has shut down is gone at once");
        }
        gone.insert(old);
        // Those that live are there, and the new one comes.
        let new = crowd.processes[which].id();
        let others = ids(&crowd).into_iter().filter(|pid| *pid != new).collect::<BTreeSet<u32>>();
        let found = live(&client).await;
        assert!(others.is_subset(&found), "{others:?} live, and {found:?} were found");
        until("all are there", async || (live(&client).await == ids(&crowd)).then_some(())).await;
        until("the watch sees the same", async || (seen() == ids(&crowd)).then_some(())).await;
    }
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for line in witness.lines() {
        let pid = u32::try_from(line.fence).expect("a process");
        let those = if line.what == "added" { &mut added } else { &mut removed };
        assert!(those.insert(pid), "a process has come or gone twice: {line:?}");
    }
    assert_eq!(removed, gone, "those that have ended, and no others");
    let faults = crowd.faults.count();
    let ended = gone.len() - crowd.faults.kills.len();
    crowd.end().await;
    assert_eq!(live(&client).await, BTreeSet::new());
    watcher.end().await;
    shut_down(&client).await;
    format!("{} processes, {faults}, {ended} ends, {longest:?} until a killed one is gone at most", added.len())
}
