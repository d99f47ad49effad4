//! Nodes that divide the buckets of a store: several runtimes on one file, each with its own store object and lease. Their clock is
//! moved by the test.

use crate::job::{Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Builder, Machines, Members, MembersError, Node, Retention, Runtime, StartError,
    clock::ManualClock,
    prelude::*,
    store::{BUCKETS, Buckets, Change, Claim, Key, MachineVersion, Process, Renewal, Row, Store},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const SCAN: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(15);

/// One file and one clock.
struct World {
    dir: TempDir,
    clock: ManualClock,
}

/// A node of it.
struct Member {
    runtime: Runtime,
    jobs: Machines<Job>,
    calls: Calls,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        Self { dir: TempDir::new().unwrap(), clock }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("jobs.db")
    }

    async fn store(&self) -> Sqlite {
        Sqlite::open(self.path()).await.unwrap()
    }

    async fn builder(&self, node: &str) -> Builder {
        Runtime::builder(self.store().await).clock(self.clock.clock()).node(node)
    }

    async fn client(&self, members: Members) -> Runtime {
        self.builder("client").await.members(members).start().await.unwrap()
    }

    async fn start(&self, node: &str, members: Members) -> Member {
        self.start_with(node, |builder| builder.members(members)).await
    }

    async fn start_with(&self, node: &str, configure: impl FnOnce(Builder) -> Builder) -> Member {
        let (workers, calls) = puppets();
        let builder = self.builder(node).await.machine::<Job, Puppets>(workers);
        let runtime = configure(builder).start().await.unwrap();
        Member { jobs: runtime.machines(), runtime, calls }
    }

    /// Moves the clock in steps until `right` holds.
    async fn advance_until<F: Future<Output = bool>>(&self, what: &str, mut right: impl FnMut() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !right().await {
            assert!(Instant::now() < deadline, "never true: {what}");
            self.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Moves the clock by `duration` in steps, and lets all nodes renew their leases in each.
    async fn pass(&self, duration: Duration, members: &[&Member]) {
        let end = self.clock.clock().now() + duration;
        while self.clock.clock().now() < end {
            self.clock.advance(Duration::from_millis(500).min(end.duration_since(self.clock.clock().now()).unwrap()));
            for member in members {
                member.runtime.run_until_idle().await.unwrap();
            }
        }
    }

    /// Waits until `nodes` have joined, and have seen it of each other.
    async fn joined(&self, nodes: &[(&str, &Member)]) {
        let all: Vec<String> = nodes.iter().map(|(node, _)| (*node).to_owned()).collect();
        for (_, member) in nodes {
            self.advance_until("all have joined", async || {
                let nodes = member.runtime.nodes().await.unwrap();
                all.iter().all(|name| nodes.iter().any(|node| node.name == *name && node.joined.is_some()))
            })
            .await;
        }
        // Each node sees the leases again, as `nodes` has seen them.
        for _ in 0..15 {
            self.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn since(&self, before: Duration) -> Duration {
        self.clock.clock().elapsed().saturating_sub(before)
    }

    /// The id of a job in a bucket of `set`.
    fn id_in(set: &Buckets) -> String {
        (0..100_000).map(|n: u32| n.to_string()).find(|id| set.contains_key(&Key::new("Job", id.as_str()))).unwrap()
    }
}

/// The buckets of each node that is alive.
async fn shares(runtime: &Runtime) -> BTreeMap<String, Buckets> {
    let nodes = runtime.nodes().await.unwrap().into_iter().filter(|node| node.live);
    nodes.map(|node| (node.name.clone(), node.machines[0].buckets.unwrap())).collect()
}

async fn started(jobs: &Machines<Job>, id: &str) {
    jobs.create(id, queued()).await.unwrap().start().await.unwrap();
}

/// Waits until `right` holds, while the clock stands still.
async fn until<F: Future<Output = bool>>(what: &str, mut right: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !right().await {
        assert!(Instant::now() < deadline, "never true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn m1_a_single_node_has_all_buckets_at_once() {
    let world = World::new();
    let mut a = world.start("a", Members::alive()).await;
    assert_eq!(shares(&a.runtime).await["a"], Buckets::ALL);
    started(&a.jobs, "1").await;
    a.calls.next().await.tell(Do::Finish(1));
    a.jobs.wait_for("1", job::State::Finished, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn m2_nodes_divide_the_buckets_and_work_on_their_part() {
    let world = World::new();
    let mut a = world.start("a", Members::alive()).await;
    let mut b = world.start("b", Members::alive()).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let shares = shares(&a.runtime).await;
    assert!((shares["a"] & shares["b"]).is_empty());
    assert_eq!(shares["a"].len() + shares["b"].len(), usize::from(BUCKETS));
    let [of_a, of_b] = ["a", "b"].map(|node| World::id_in(&shares[node]));
    // Each is made by the other node.
    started(&a.jobs, &of_b).await;
    started(&b.jobs, &of_a).await;
    for (member, id) in [(&mut a, of_a), (&mut b, of_b)] {
        let call = member.calls.next().await;
        assert_eq!(call.id, id);
        call.tell(Do::Finish(1));
        member.jobs.wait_for(&id, job::State::Finished, PATIENCE).await.unwrap();
    }
    assert!(a.calls.is_empty() && b.calls.is_empty());
}

/// Before it has renewed its lease.
#[tokio::test]
async fn m1_a_node_that_ends_soon_after_its_start_moves_nothing() {
    let world = World::new();
    let a = world.start("a", Members::alive()).await;
    world.joined(&[("a", &a)]).await;
    for _ in 0..3 {
        let b = world.start("b", Members::alive()).await;
        world.pass(Duration::from_secs(4), &[&a]).await;
        for runtime in [&a.runtime, &b.runtime] {
            assert_eq!(shares(runtime).await["a"], Buckets::ALL);
        }
        // It is killed.
        drop(b);
        world.pass(Duration::from_secs(1), &[&a]).await;
        assert_eq!(shares(&a.runtime).await["a"], Buckets::ALL);
    }
}

#[tokio::test]
async fn m3_a_restarted_node_has_the_same_buckets() {
    let world = World::new();
    let a = world.start("a", Members::alive()).await;
    let b = world.start("b", Members::alive()).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let before = shares(&a.runtime).await;
    assert!(b.runtime.shutdown(Duration::ZERO).await.stopped.is_empty());
    assert_eq!(shares(&a.runtime).await["a"], Buckets::ALL, "at once");
    let b = world.start("b", Members::alive()).await;
    assert_eq!(shares(&a.runtime).await["a"], Buckets::ALL, "it has not joined");
    world.joined(&[("a", &a), ("b", &b)]).await;
    assert_eq!(shares(&a.runtime).await, before);
}

/// While a worker of it still runs.
#[tokio::test]
async fn m3_a_leaving_node_gives_its_buckets_away_at_once() {
    let world = World::new();
    let mut a = world.start("a", Members::alive()).await;
    let mut b = world.start("b", Members::alive()).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let share = shares(&a.runtime).await["b"];
    let id = World::id_in(&share);
    started(&b.jobs, &id).await;
    let mut running = b.calls.next().await;
    let stopping = tokio::spawn(async move { b.runtime.shutdown(Duration::from_hours(1)).await });
    running.draining().await;
    // What is new goes to the other node, after one look at the leases.
    let next = (0..100_000)
        .map(|n: u32| n.to_string())
        .find(|it| *it != id && share.contains_key(&Key::new("Job", it.as_str())));
    let next = next.unwrap();
    started(&a.jobs, &next).await;
    let before = world.clock.clock().elapsed();
    let calls = &a.calls;
    world.advance_until("the other node works on it", async || !calls.is_empty()).await;
    assert!(world.since(before) < Duration::from_secs(3), "{:?}", world.since(before));
    let call = a.calls.next().await;
    assert_eq!(call.id, next);
    call.tell(Do::Finish(1));
    // What runs stays where it runs.
    assert_eq!(a.jobs.row(&id).await.unwrap().attempt, 1);
    running.tell(Do::Finish(2));
    a.jobs.wait_for(&id, job::State::Finished, PATIENCE).await.unwrap();
    let report = stopping.await.unwrap();
    assert_eq!(report.stopped, []);
}

/// As on another host: there is no presence file.
#[tokio::test]
async fn m3_the_work_of_a_killed_node_is_taken_over() {
    let world = World::new();
    let store = world.store().await;
    let mut a = world.start("a", Members::alive()).await;
    world.joined(&[("a", &a)]).await;
    take_lease(&store, &world, "b", TTL).await;
    // It is seen.
    world.pass(Duration::from_secs(1), &[&a]).await;
    let id = World::id_in(&shares(&a.runtime).await["b"]);
    started(&a.jobs, &id).await;
    let Row { key, incarnation, version, fence, .. } = store.get(Key::new("Job", &*id)).await.unwrap().unwrap();
    let claim = Claim { key, incarnation, version, fence, owner: "7-b".into() };
    store.commit(vec![Change::Claim(claim).into()], world.clock.clock().now()).await.unwrap();
    world.pass(Duration::from_secs(13), &[&a]).await;
    assert!(a.calls.is_empty(), "its lease lives");
    let (calls, before) = (&a.calls, world.clock.clock().elapsed());
    world.advance_until("it is taken over", async || !calls.is_empty()).await;
    let took = world.since(before);
    assert!(took < Duration::from_secs(3), "{took:?}, and the lease had one second left");
    assert_eq!(a.calls.next().await.id, id);
}

/// A process of node `node` that has joined.
async fn take_lease(store: &Sqlite, world: &World, node: &str, ttl: Duration) {
    let owner = format!("7-{node}");
    let machines = vec![MachineVersion::new("Job", 1)];
    let process = Process { node: node.into(), machines, slots: 256, ..Process::new(owner.clone(), "process 7") };
    store.take_lease(process, ttl, world.clock.clock().now()).await.unwrap();
    let renewal = Renewal { owner, ttl, leaving: false };
    store.renew_lease(renewal, world.clock.clock().now()).await.unwrap().unwrap();
}

/// The younger one has it, and the older one says so.
#[tokio::test]
async fn m1_two_processes_with_one_name_do_not_share_it() {
    let world = World::new();
    let older = world.start("a", Members::alive()).await;
    world.joined(&[("a", &older)]).await;
    let mut younger = world.start("a", Members::alive()).await;
    let share = |runtime: &Runtime| {
        let runtime = runtime.clone();
        async move {
            let nodes = runtime.nodes().await.unwrap();
            nodes.into_iter().map(|node| node.machines[0].buckets.unwrap().len()).collect::<Vec<_>>()
        }
    };
    assert_eq!(share(&older.runtime).await, [0, 1_024]);
    world.pass(Duration::from_secs(1), &[&older]).await;
    started(&older.jobs, "1").await;
    younger.calls.next().await.tell(Do::Finish(1));
    older.jobs.wait_for("1", job::State::Finished, PATIENCE).await.unwrap();
    younger.runtime.shutdown(Duration::ZERO).await;
    assert_eq!(share(&older.runtime).await, [1_024]);
}

#[tokio::test]
async fn m2_a_machine_is_divided_among_the_nodes_that_have_it() {
    let world = World::new();
    let a = world.start("a", Members::alive()).await;
    let b = world.start_with("b", |builder| builder.members(Members::alive()).machine::<Other, _>(())).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let nodes = a.runtime.nodes().await.unwrap();
    let of = |node: &Node, machine: &str| {
        let machine = node.machines.iter().find(|it| it.machine == machine);
        machine.map(|it| it.buckets.unwrap().len())
    };
    let shares: Vec<_> = nodes.iter().map(|node| (of(node, "Job").unwrap(), of(node, "Other"))).collect();
    let [(first, None), (second, Some(1_024))] = shares[..] else { panic!("{shares:?}") };
    assert_eq!(first + second, 1_024);
    assert!(first > 300 && second > 300, "{shares:?}");
}

#[tokio::test]
async fn m2_a_share_is_in_proportion_to_the_slots() {
    let world = World::new();
    let a = world.start_with("a", |builder| builder.members(Members::alive()).max_concurrency(3)).await;
    let b = world.start_with("b", |builder| builder.members(Members::alive()).max_concurrency(1)).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let share = shares(&a.runtime).await["a"].len();
    assert!((700..=836).contains(&share), "{share} of 1,024, expected 768");
}

/// Another machine.
#[derive(StateMachine)]
#[fsm(initial = On, durable, derive(Serialize, Deserialize))]
enum Other {
    /// It stays so.
    #[on(touch => _)]
    On,
}

/// The node of the bucket has a live lease and does nothing, as one that is stuck.
#[tokio::test]
async fn m4_the_next_in_rank_works_on_what_is_overdue() {
    let world = World::new();
    let store = world.store().await;
    take_lease(&store, &world, "stuck", Duration::from_hours(1)).await;
    let mut a = world.start("a", Members::alive()).await;
    world.joined(&[("a", &a)]).await;
    let id = World::id_in(&shares(&a.runtime).await["stuck"]);
    started(&a.jobs, &id).await;
    world.pass(Duration::from_secs(9), &[&a]).await;
    assert!(a.calls.is_empty(), "it is left to the node of its bucket");
    let (calls, before) = (&a.calls, world.clock.clock().elapsed());
    world.advance_until("it is overdue", async || !calls.is_empty()).await;
    assert!(world.since(before) <= SCAN * 2, "within one scan");
    let call = a.calls.next().await;
    assert_eq!(call.id, id);
    call.tell(Do::Finish(1));
    a.jobs.wait_for(&id, job::State::Finished, PATIENCE).await.unwrap();
}

/// Each leaves most buckets to the other.
#[tokio::test]
async fn m5_lists_that_differ_leave_no_bucket_to_nobody() {
    let world = World::new();
    let mut a = world.start("a", Members::listed(["a", "b=1000"])).await;
    let mut b = world.start("b", Members::listed(["a=1000", "b"])).await;
    world.joined(&[("a", &a), ("b", &b)]).await;
    let mut shared = shares(&a.runtime).await["a"];
    shared.extend(&shares(&b.runtime).await["b"]);
    assert!(shared.len() < 100, "{shared:?}");
    let id = World::id_in(&Buckets::ALL.without(&shared));
    started(&a.jobs, &id).await;
    let before = world.clock.clock().elapsed();
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            world.clock.advance(Duration::from_millis(50));
            tokio::select! {
                call = a.calls.next() => return call,
                call = b.calls.next() => return call,
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
        }
    });
    let call = found.await.expect("a node takes it over");
    let took = world.since(before);
    assert!(took >= SCAN * 2 && took <= SCAN * 4, "{took:?}");
    assert_eq!((call.id.as_str(), call.attempt), (id.as_str(), 1));
    call.tell(Do::Finish(1));
    a.jobs.wait_for(&id, job::State::Finished, PATIENCE).await.unwrap();
    for calls in [&a.calls, &b.calls] {
        assert!(calls.is_empty());
        calls.most_at_once();
    }
}

#[tokio::test]
async fn m5_the_part_of_a_dead_node_in_a_list_moves() {
    let world = World::new();
    let mut a = world.start("a", Members::listed(["a", "b"])).await;
    assert_eq!(shares(&a.runtime).await["a"], Buckets::ALL);
    let alone = world.client(Members::listed(["a", "b"]).alone()).await;
    let share = shares(&alone).await["a"];
    started(&a.jobs, &World::id_in(&Buckets::ALL.without(&share))).await;
    a.calls.next().await.tell(Do::Finish(1));
}

#[tokio::test]
async fn m5_alone_the_part_of_a_dead_node_waits() {
    let world = World::new();
    let list = || Members::listed(["a", "b"]).alone();
    let a = world.start("a", list()).await;
    let share = shares(&a.runtime).await["a"];
    assert!((300..700).contains(&share.len()), "{share:?}");
    let id = World::id_in(&Buckets::ALL.without(&share));
    started(&a.jobs, &id).await;
    world.pass(SCAN * 6, &[&a]).await;
    assert!(a.calls.is_empty());
    let mut b = world.start("b", list()).await;
    let call = b.calls.next().await;
    assert_eq!(call.id, id);
}

#[tokio::test]
async fn m5_weights_of_a_list_are_shares() {
    let world = World::new();
    let a = world.start("a", Members::listed(["a=3", "b"]).alone()).await;
    let share = shares(&a.runtime).await["a"].len();
    assert!((700..=836).contains(&share), "{share} of 1,024, expected 768");
}

#[tokio::test]
async fn m5_a_list_in_a_file_is_followed() {
    let world = World::new();
    let file = world.dir.path().join("nodes");
    fs::write(&file, "a # the only one\n").unwrap();
    let a = world.start("a", Members::listed_in(&file).alone()).await;
    let own = async || shares(&a.runtime).await["a"].len();
    assert_eq!(own().await, 1_024);
    fs::write(&file, "a, b").unwrap();
    assert_eq!(own().await, 1_024);
    world.advance_until("the file is read again", async || own().await < 700).await;
    let half = own().await;
    // A list that cannot be used changes nothing.
    for text in ["", "b, c", "a=x"] {
        fs::write(&file, text).unwrap();
        world.pass(Duration::from_secs(3), &[]).await;
        assert_eq!(own().await, half, "{text:?}");
    }
    fs::remove_file(&file).unwrap();
    world.pass(Duration::from_secs(3), &[]).await;
    assert_eq!(own().await, half);
    let error = world.builder("a").await.members(Members::listed_in(&file)).start().await.unwrap_err();
    assert!(matches!(error, StartError::Members(MembersError::Unreadable { .. })), "{error}");
    // The clock stands still: the signal alone makes it look.
    #[cfg(unix)]
    {
        fs::write(&file, "a").unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
        until("the signal reloads it", async || own().await == 1_024).await;
    }
}

#[tokio::test]
async fn m5_a_list_without_this_node_is_refused_at_start() {
    let world = World::new();
    let missing = world.dir.path().join("missing");
    let cases = [
        (
            Members::listed(["b", "c"]),
            "the list of nodes in `Members::listed` does not have this node, `a`, but only `b`, `c`; add it, or name this node with \
             `FSM_NODE` or `Builder::node`"
                .to_owned(),
        ),
        (
            Members::listed([] as [&str; 0]),
            "the list of nodes in `Members::listed` is empty; list the names of all nodes, this one included".to_owned(),
        ),
        (
            Members::listed(["a", "a"]),
            "the list of nodes in `Members::listed` has the node `a` twice; its share is set by a weight, as in `a=2`".to_owned(),
        ),
        (
            Members::listed_env("FSM_TEST_NO_SUCH_VARIABLE"),
            "the variable `FSM_TEST_NO_SUCH_VARIABLE` is not set; set it to the names of all nodes, separated by commas".to_owned(),
        ),
        (
            Members::listed_in(&missing),
            format!(
                "the file {}, which lists the nodes, cannot be read: No such file or directory (os error 2)",
                missing.display()
            ),
        ),
        (
            Members::alive().alone(),
            "`Members::alone` is for a list of nodes: use it with `Members::listed`, `listed_env` or `listed_in`".to_owned(),
        ),
    ];
    for (members, expected) in cases {
        let builder = world.builder("a").await.members(members).machine::<Job, _>(puppets().0);
        let error = builder.start().await.unwrap_err();
        assert!(matches!(error, StartError::Members(_)), "{error}");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), fsm_runtime::ErrorKind::Invalid);
    }
    // A client is no node.
    world.client(Members::listed(["b"])).await;
}

#[tokio::test]
async fn m6_a_watch_shows_who_comes_and_goes() {
    let world = World::new();
    let client = world.client(Members::alive()).await;
    let mut watch = client.watch_nodes();
    assert_eq!(watch.next().await.unwrap().unwrap(), []);
    let mut a = world.start("a", Members::alive()).await;
    let next = async |watch: &mut fsm_runtime::NodeWatch| {
        tokio::time::timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    biased;
                    nodes = watch.next() => return nodes.unwrap().unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(2)) => world.clock.advance(Duration::from_millis(50)),
                }
            }
        })
        .await
        .expect("a change")
    };
    let nodes = next(&mut watch).await;
    assert_eq!((nodes.len(), nodes[0].joined, nodes[0].running, nodes[0].slots), (1, None, 0, 256));
    assert_eq!(nodes[0].machines[0].buckets, Some(Buckets::ALL));
    let nodes = next(&mut watch).await;
    assert!(nodes[0].joined.is_some());
    started(&a.jobs, "1").await;
    let call = a.calls.next().await;
    let node = client.nodes().await.unwrap().remove(0);
    assert_eq!((node.running, node.live, node.leaving), (1, true, false));
    assert!(node.to_string().ends_with(", 1024 of 1024 buckets, 1 of 256 slots in use"), "{node}");
    let stopping = tokio::spawn(async move { a.runtime.shutdown(Duration::from_hours(1)).await });
    let nodes = next(&mut watch).await;
    assert_eq!((nodes[0].leaving, nodes[0].running), (true, 1), "load is no change");
    assert_eq!(nodes[0].machines[0].buckets, Some(Buckets::NONE));
    call.tell(Do::Finish(1));
    stopping.await.unwrap();
    assert_eq!(next(&mut watch).await, []);
    client.shutdown(Duration::ZERO).await;
    assert_eq!(watch.next().await.unwrap(), None);
}

/// Whichever of them has the upkeep, what is old is pruned once it is overdue for the other, too.
#[tokio::test]
async fn m7_one_node_prunes_and_the_other_looks_later() {
    let world = World::new();
    let keep = Duration::from_hours(1);
    let retention = Retention::default().history(keep).keys(keep);
    let builder = |builder: Builder| builder.members(Members::alive()).retention(retention);
    let with_retention = world.start_with("a", builder).await;
    let without = world.start("b", Members::alive()).await;
    world.joined(&[("a", &with_retention), ("b", &without)]).await;
    with_retention.jobs.create("1", queued()).await.unwrap();
    let created = world.clock.clock().elapsed();
    let upkeep = shares(&with_retention.runtime).await["a"].contains(0);
    world.clock.advance(keep);
    let store = world.store().await;
    let pruned = async || store.pruned_through().await.unwrap() > 0;
    world.advance_until("it is pruned", pruned).await;
    let late = world.since(created + keep);
    let minutes = if upkeep { 0..3 } else { 2..5 };
    assert!(minutes.contains(&(late.as_secs() / 60)), "{late:?}, has the upkeep: {upkeep}");
}

/// Without a setting, each process of an SQLite file has all buckets.
#[tokio::test]
async fn m2_processes_of_one_host_have_all_buckets_by_default() {
    let world = World::new();
    let a = world.start_with("a", |builder| builder).await;
    let _b = world.start_with("b", |builder| builder).await;
    let expected = ["a", "b"].map(|node| (node.to_owned(), Buckets::ALL));
    assert_eq!(shares(&a.runtime).await, BTreeMap::from(expected));
}
