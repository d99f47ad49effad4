//! Finds the rows in states that wait: all of them at the start, and from time to time, should a notification have been lost.

use super::super::{WatchedScope, discovery::Found};
use crate::{
    clock::FOREVER,
    engine::Engine,
    machine::older,
    membership::Assignment,
    store::{Buckets, Due, Filter, Key, StoreError, bucket},
};
use fsm_core::{Graph, StateInfo};
use std::{mem, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The background task that looks for lost notifications of waits. It runs only where a registered machine waits.
pub(in crate::controller) const WAITS: &str = "waits";
/// How many intervals of the scan pass between two looks at all rows that wait: each reads the row and what it waits for.
const RESCAN: u32 = 12;
/// How many rows are read at once.
const PAGE: usize = 256;

/// Notifies the controller of the rows in states that wait. It looks at them before anything else, so that what has happened while no
/// process ran is noticed at once.
pub(in crate::controller) async fn publish_waiting(
    engine: &Engine,
    graph: &'static Graph,
    buckets: &Buckets,
) -> Result<(), StoreError> {
    for state in waiting_states(graph) {
        let mut pages = Pages::new(graph, state, *buckets);
        while let Some(page) = pages.next(engine).await? {
            engine.notifier.publish(page.into_iter());
        }
    }
    Ok(())
}

/// Sends the rows in states that wait to the loop, again and again, and those of new buckets at once. Returns when the receiver is
/// dropped.
pub(in crate::controller) async fn rescan(
    engine: Arc<Engine>,
    graphs: Vec<&'static Graph>,
    mut scope: WatchedScope,
    interval: Duration,
    found: mpsc::Sender<Found>,
) {
    let interval = interval.saturating_mul(RESCAN).min(FOREVER);
    let mut failing = false;
    let mut before = scope.assignment();
    let mut next = engine.clock.elapsed().saturating_add(interval);
    loop {
        let all = tokio::select! {
            () = engine.clock.sleep(next.saturating_sub(engine.clock.elapsed())) => true,
            () = scope.changed() => false,
            () = found.closed() => return,
        };
        let present = scope.assignment();
        if all {
            next = engine.clock.elapsed().saturating_add(interval);
        }
        // After an error, all are looked at in the next round.
        let known = if all { Assignment::default() } else { mem::replace(&mut before, present.clone()) };
        match scan(&engine, &graphs, &present, &known, &found).await {
            Ok(()) if failing => {
                failing = false;
                engine.health.recover(WAITS);
            }
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the store cannot be scanned for instances that wait; retrying every {interval:?}");
                engine.health.degrade(WAITS, format!("the store cannot be scanned for instances that wait: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Sends the rows in buckets of `present` that are not in `known`.
async fn scan(
    engine: &Engine,
    graphs: &[&'static Graph],
    present: &Assignment,
    known: &Assignment,
    found: &mpsc::Sender<Found>,
) -> Result<(), StoreError> {
    for graph in graphs {
        let buckets = present.own(graph.machine).without(&known.own(graph.machine));
        if buckets.is_empty() {
            continue;
        }
        for state in waiting_states(graph) {
            let mut pages = Pages::new(graph, state, buckets);
            while let Some(page) = pages.next(engine).await? {
                let now = engine.now();
                let page: Vec<Due> = page.into_iter().map(|key| Due { key, at: now }).collect();
                if !page.is_empty() && found.send(Found::Due(page)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn waiting_states(graph: &'static Graph) -> impl Iterator<Item = &'static StateInfo> {
    graph.states.iter().filter(|state| !state.waits.is_empty())
}

/// The keys of the rows in one state, page by page.
struct Pages {
    graph: &'static Graph,
    state: &'static StateInfo,
    buckets: Buckets,
    after: Option<String>,
    ended: bool,
}

impl Pages {
    fn new(graph: &'static Graph, state: &'static StateInfo, buckets: Buckets) -> Self {
        Self { graph, state, buckets, after: None, ended: false }
    }

    /// The next page, which may be empty; `None` at the end. Without an index of states, all rows of the machine are read.
    async fn next(&mut self, engine: &Engine) -> Result<Option<Vec<Key>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let (store, graph, name) = (&*engine.store, self.graph, self.state.name);
        let indexed = store.lists_by_state().await?;
        let filter = Filter {
            states: indexed.then(|| graph.stored_names(name).map(str::to_owned).collect()),
            after: self.after.take(),
            limit: PAGE,
            ..Filter::new(graph.machine)
        };
        let page = engine.asked("list", older::list(store, &engine.migrations, graph, filter, &[name])).await?;
        self.ended = page.next.is_none();
        self.after = page.next;
        let mine = page.items.into_iter().filter(|row| self.buckets.contains(bucket(row.shard)));
        let waiting = mine.filter(|row| indexed || older::state(&engine.migrations, graph, row) == Some(name));
        Ok(Some(waiting.map(|row| row.key).collect()))
    }
}
