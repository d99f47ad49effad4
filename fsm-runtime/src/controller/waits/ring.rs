//! Instances that wait for each other in a ring: none of them can ever go on.

use super::{AwaitedMachines, decide::Wait};
use crate::{
    engine::Engine,
    machine::older,
    store::{Key, Row, StoreError},
};
use fsm_core::WaitQuantity;
use std::collections::{HashMap, VecDeque};

/// The most instances that one search reads.
const MOST: usize = 100;

/// Why the instance of `row` waits for itself, if it does.
///
/// Only states that [`Graphs::wait_cycles`](fsm_core::Graphs::wait_cycles) names are followed, so that a program without such states reads
/// nothing. A ring is found if it is among the nearest hundred instances; each member searches for itself.
pub(super) async fn ring(
    engine: &Engine,
    machines: &AwaitedMachines,
    row: &Row,
    waits: &[Wait],
) -> Result<Option<String>, StoreError> {
    if !machines.is_in_cycle(&row.key, &row.state) {
        return Ok(None);
    }
    let mut before: HashMap<Key, Key> = HashMap::new();
    let mut ahead: VecDeque<Key> = VecDeque::new();
    let mut add = |from: &Key, waits: &[Wait], ahead: &mut VecDeque<Key>| {
        for key in needed(waits) {
            if !before.contains_key(key) {
                before.insert(key.clone(), from.clone());
                ahead.push_back(key.clone());
            }
        }
        before.get(&row.key).map(|last| path(&before, last, &row.key))
    };
    if let Some(ring) = add(&row.key, waits, &mut ahead) {
        return Ok(Some(ring));
    }
    for _ in 0..MOST {
        let Some(key) = ahead.pop_front() else { break };
        let Some(driver) = machines.drivers.get(&*key.machine) else { continue };
        let Some(other) = engine.asked("get", engine.store.get(key)).await? else { continue };
        let other = older::present(&engine.migrations, driver.graph(), other);
        if !machines.is_in_cycle(&other.key, &other.state) {
            continue;
        }
        // A row that cannot be decoded is reported by its own check.
        let Ok(waits) = driver.waits(engine, &other) else { continue };
        if let Some(ring) = add(&other.key, &waits, &mut ahead) {
            return Ok(Some(ring));
        }
    }
    Ok(None)
}

/// The instances without which none of the waits ends.
fn needed(waits: &[Wait]) -> impl Iterator<Item = &Key> {
    let is_needed = |wait: &Wait, key: &Key| {
        let all = matches!(wait.info.quantity, WaitQuantity::One | WaitQuantity::All) || wait.keys.len() == 1;
        all && wait.keys.contains(key)
    };
    let first = waits.first().into_iter().flat_map(|wait| &wait.keys);
    first.filter(move |key| waits.iter().all(|wait| is_needed(wait, key)))
}

/// The ring that ends at `last`, which waits for `own`.
fn path(before: &HashMap<Key, Key>, last: &Key, own: &Key) -> String {
    let mut keys = vec![own, last];
    let mut here = last;
    while here != own
        && let Some(previous) = before.get(here)
    {
        keys.push(previous);
        here = previous;
    }
    keys.reverse();
    let names: Vec<String> = keys.into_iter().map(Key::to_string).collect();
    format!("it waits for itself: {}", names.join(" → "))
}
