//! Which of the waiting groups share a transaction. Pure.

use super::Job;
use crate::store::Key;
use std::collections::{HashSet, VecDeque};

/// Takes the groups of the next transaction, at least one: groups of one change, each of another key, or one group of several changes.
/// The groups of one key keep their order.
pub(super) fn take(waiting: &mut VecDeque<Job>, limit: usize) -> Vec<Job> {
    if waiting.front().is_some_and(|job| job.group.changes.len() != 1) {
        return waiting.pop_front().into_iter().collect();
    }
    let mut taken = Vec::new();
    let mut left = VecDeque::with_capacity(waiting.len());
    let mut keys: HashSet<Key> = HashSet::new();
    while let Some(job) = waiting.pop_front() {
        if taken.len() == limit {
            left.push_back(job);
            break;
        }
        let new = |change: &crate::store::Change, keys: &mut HashSet<Key>| keys.insert(change.key().clone());
        match &job.group.changes[..] {
            [change] if new(change, &mut keys) => taken.push(job),
            changes => {
                // What comes later for these keys waits too.
                keys.extend(changes.iter().map(|change| change.key().clone()));
                left.push_back(job);
            }
        }
    }
    left.append(waiting);
    *waiting = left;
    taken
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::{Change, Group, Origin, Purge};
    use tokio::sync::oneshot;
    use uuid::Uuid;

    pub(in super::super) fn job(ids: &str) -> Job {
        let purge = |id: char| {
            Change::Purge(Purge {
                key: Key::new("Door", id.to_string()),
                incarnation: Uuid::nil(),
                version: 1,
                origin: Origin::default(),
                why: None,
            })
        };
        let changes = ids.chars().map(purge).collect();
        Job { group: Group { changes }, now: None, since: std::time::Instant::now(), reply: oneshot::channel().0 }
    }

    fn batches(ids: &str, limit: usize) -> Vec<String> {
        let mut waiting: VecDeque<Job> = ids.split(' ').map(job).collect();
        let mut batches = Vec::new();
        while !waiting.is_empty() {
            let ids = |job: Job| job.group.changes.iter().map(|change| change.key().id.to_string()).collect::<String>();
            batches.push(take(&mut waiting, limit).into_iter().map(ids).collect::<Vec<_>>().join(" "));
        }
        batches
    }

    #[test]
    fn each_key_is_in_a_batch_once_and_keeps_its_order() {
        assert_eq!(batches("a b a c b a", 9), ["a b c", "a b", "a"]);
        assert_eq!(batches("a b c d", 3), ["a b c", "d"]);
    }

    #[test]
    fn a_group_of_several_changes_is_alone() {
        assert_eq!(batches("a bc b d c", 9), ["a d", "bc", "b c"]);
        assert_eq!(batches("ab a", 9), ["ab", "a"]);
    }
}
