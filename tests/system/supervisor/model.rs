//! Random commands and failures against invariants, for every strategy.

use super::*;
use fsm_runtime::supervisor::{ChildInfo, RestartPolicy, Strategy};
use std::collections::BTreeSet;

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// From 0 to below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        // Knuth's MMIX generator; its upper bits are good enough here.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one_of<'a>(&mut self, ids: &'a BTreeSet<String>) -> Option<&'a String> {
        if ids.is_empty() { None } else { ids.iter().nth(self.throw(ids.len())) }
    }
}

/// The running children by their own reports, in the order of their starts.
#[derive(Default)]
struct Alive(Vec<String>);

impl Alive {
    fn read(&mut self, log: &str) {
        for word in log.split_whitespace() {
            let (sign, id) = word.split_at(1);
            match sign {
                "+" => {
                    assert!(!self.0.iter().any(|alive| alive == id), "S17: `{id}` overlaps with itself");
                    self.0.push(id.to_owned());
                }
                "-" => self.0.retain(|alive| alive != id),
                _ => {}
            }
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        self.0.iter().cloned().collect()
    }
}

fn child(world: &World, dice: &mut Dice, id: &str) -> Child {
    let child = match dice.throw(4) {
        0 => world.slow(id, secs(2)),
        1 => world.deaf(id).shutdown_timeout(secs(3)),
        _ => world.puppet(id),
    };
    match dice.throw(4) {
        0 => child.transient(),
        1 => child.temporary(),
        2 => child.heartbeat(secs(20)),
        _ => child,
    }
}

async fn live(seed: u64, strategy: Strategy) {
    let world = World::new();
    let mut dice = Dice(seed);
    let restarts = match dice.throw(2) {
        0 => OFTEN,
        _ => Restarts::Backoff { first: secs(4), longest: secs(8), limit: 1_000, reset_after: secs(9) },
    };
    let mut builder = world.builder().strategy(strategy).restarts(restarts);
    for n in 0..5 {
        builder = builder.child(child(&world, &mut dice, &format!("c{n}")));
    }
    let supervisor = builder.start().await.unwrap();
    let mut alive = Alive::default();
    // Terminated by hand and not started since.
    let mut at_rest = BTreeSet::new();
    let mut known = 5;
    for _ in 0..60 {
        settle().await;
        alive.read(&world.log());
        let ids = alive.ids();
        let children = supervisor.children().await.unwrap();
        match dice.throw(9) {
            0..=2 => {
                if let Some(id) = dice.one_of(&ids) {
                    let order =
                        [Do::Fail("error"), Do::Panic("panic"), Do::Return].into_iter().nth(dice.throw(3)).unwrap();
                    // A stopping child ignores commands.
                    let _ = world.strings.lock().unwrap()[id].send(order);
                }
            }
            3 => {
                let id = format!("c{}", dice.throw(known));
                let supervisor = supervisor.clone();
                if children.iter().any(|child| child.id == id && child.state != ChildState::Stopping) {
                    at_rest.insert(id.clone());
                    tokio::spawn(async move { supervisor.terminate(id).await });
                }
            }
            4 => {
                if let Some(id) = dice.one_of(&at_rest).cloned()
                    && supervisor.restart(&id).await.is_ok()
                {
                    at_rest.remove(&id);
                }
            }
            5 => {
                let id = format!("c{known}");
                known += 1;
                let (supervisor, child) = (supervisor.clone(), child(&world, &mut dice, &id));
                tokio::spawn(async move { supervisor.start_child(child).await });
            }
            _ => world.advance(secs([1, 2, 3, 5][dice.throw(4)])).await,
        }
        settle().await;
        alive.read(&world.log());
        check(&supervisor, &alive, &at_rest).await;
    }
    // Time alone restarts every child that is not stopped: no round is left unfinished. Some children become silent again
    // meanwhile, so that no time limit is checked.
    let mut seconds = 0;
    loop {
        settle().await;
        alive.read(&world.log());
        check(&supervisor, &alive, &at_rest).await;
        let children = supervisor.children().await.unwrap();
        let stays =
            |child: &ChildInfo| matches!(child.state, ChildState::Finished | ChildState::Stopped | ChildState::Running);
        if children.iter().all(stays) {
            break;
        }
        assert!(seconds < 300, "seed {seed}: {children:?}");
        seconds += 1;
        world.advance(secs(1)).await;
    }

    let stop = stopping(&supervisor, LATER).await;
    for _ in 0..60 {
        world.advance(secs(1)).await;
    }
    stop.await.unwrap();
    alive.read(&world.log());
    assert!(alive.0.is_empty(), "left behind: {:?}", alive.0);
}

/// Invariants whenever every task waits for time.
async fn check(supervisor: &Supervisor, alive: &Alive, at_rest: &BTreeSet<String>) {
    let children = supervisor.children().await.unwrap();
    let active = |child: &&ChildInfo| child.last_beat.is_some();
    let listed: BTreeSet<String> = children.iter().filter(active).map(|child| child.id.clone()).collect();
    assert_eq!(listed, alive.ids(), "the listing shows the running children");
    let counts = supervisor.counts().await.unwrap();
    assert_eq!((counts.specs, counts.active), (children.len(), listed.len()));
    for child in &children {
        let of_active = matches!(child.state, ChildState::Running | ChildState::Stopping);
        assert_eq!(of_active, child.last_beat.is_some(), "{child:?}");
        assert!(child.restarts == 0 || child.restarts < child.runs, "{child:?}");
        if at_rest.contains(&child.id) {
            assert!(
                matches!(child.state, ChildState::Stopping | ChildState::Stopped),
                "S6: a terminated child stays stopped: {child:?}"
            );
        }
        if child.policy == RestartPolicy::Temporary {
            assert!(
                child.runs <= 1 && !matches!(child.state, ChildState::Stopped | ChildState::Finished),
                "S3: {child:?}"
            );
        }
    }
}

#[tokio::test]
async fn s5_one_for_one_matches_the_model() {
    for seed in 0..20 {
        live(seed, Strategy::OneForOne).await;
    }
}

#[tokio::test]
async fn s6_one_for_all_matches_the_model() {
    for seed in 0..20 {
        live(seed, Strategy::OneForAll).await;
    }
}

#[tokio::test]
async fn s7_rest_for_one_matches_the_model() {
    for seed in 0..20 {
        live(seed, Strategy::RestForOne).await;
    }
}
