//! Which of the waiting groups share a transaction. Pure.

use super::Job;
use crate::store::Key;
use std::collections::{HashSet, VecDeque};

/// The most groups in one transaction.
const GROUPS: usize = 256;
/// The most bytes in one transaction, if it has more than one group: far less than the server takes in one message, which is 1 GB.
const BYTES: usize = 16 << 20;

/// Takes the groups of the next transaction, at least one: groups of one change, each of another key, or one group of several changes.
/// The groups of one key keep their order.
pub(super) fn take(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    take_up_to(waiting, GROUPS, BYTES)
}

fn take_up_to(waiting: &mut VecDeque<Job>, limit: usize, limit_bytes: usize) -> Vec<Job> {
    if waiting.front().is_some_and(|job| job.group.changes.len() != 1) {
        return waiting.pop_front().into_iter().collect();
    }
    let mut taken = Vec::new();
    let mut left = VecDeque::with_capacity(waiting.len());
    let mut keys: HashSet<Key> = HashSet::new();
    let mut bytes = 0_usize;
    while let Some(job) = waiting.pop_front() {
        bytes = bytes.saturating_add(job.bytes);
        if taken.len() == limit || !taken.is_empty() && bytes > limit_bytes {
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
        let (group, since) = (Group { changes }, std::time::Instant::now());
        Job { group, bytes: 1, now: None, since, reply: oneshot::channel().0 }
    }

    fn batches(ids: &str, limit: usize) -> Vec<String> {
        all_batches(ids.split(' ').map(job).collect(), limit, usize::MAX)
    }

    fn all_batches(mut waiting: VecDeque<Job>, limit: usize, bytes: usize) -> Vec<String> {
        let mut batches = Vec::new();
        while !waiting.is_empty() {
            let ids = |job: Job| job.group.changes.iter().map(|change| change.key().id.to_string()).collect::<String>();
            batches.push(take_up_to(&mut waiting, limit, bytes).into_iter().map(ids).collect::<Vec<_>>().join(" "));
        }
        batches
    }

    #[test]
    fn each_key_is_in_a_batch_once_and_keeps_its_order() {
        assert_eq!(batches("a b a c b a", 9), ["a b c", "a b", "a"]);
        assert_eq!(batches("a b c d", 3), ["a b c", "d"]);
    }

    #[test]
    fn large_groups_are_spread_over_batches() {
        let sizes = [("a", 4), ("b", 4), ("c", 4), ("d", 1), ("e", 9), ("f", 1)];
        let jobs = sizes.map(|(id, bytes)| Job { bytes, ..job(id) });
        assert_eq!(all_batches(jobs.into(), 9, 8), ["a b", "c d", "e", "f"]);
    }

    #[test]
    fn a_group_of_several_changes_is_alone() {
        assert_eq!(batches("a bc b d c", 9), ["a d", "bc", "b c"]);
        assert_eq!(batches("ab a", 9), ["ab", "a"]);
    }
}
