//! The order of the history: transactions that take numbers and end in any order, and readers that stop at gaps.
//!
//! The rule itself is the code of the store, `store/postgres/gap.rs`. Each step of the model is one that the database does at once:
//!
//! | step | stands for |
//! | --- | --- |
//! | `LANE` | the first change of a row, by which the transaction gets its id: the first statement of a batch (`lane/burst.rs`), or in a
//!            single statement the change of an instance, to which the entry is added |
//! | `nextval` | the number of an entry (`change/*.sql`) |
//! | `COMMIT`, `ROLLBACK` | the end of the transaction, also by the server after its connection broke |
//! | `LOOK` | the statement of `Core::look`, whose answer comes later; two followers share the state |
//! | `see` | `State::see` with that answer, and the entries that are then read |
//! | `OPEN` | `Core::none_open_before`: none of the store's own is open; transactions of others may be, without an end |
//! | `pass` | `State::pass` after it |
//! | `prune`, `purge` | entries are removed: the oldest ones that are settled, and any |
//! | `restart` | a new process with the positions of the former, which reads `GIVEN` first |

use crate::{
    explore::{Model, Step, search},
    more_faults,
};
use gap::{Gap, Seen, State};

#[path = "../../fsm-runtime/src/store/postgres/gap.rs"]
mod gap;

/// The rules of the protocol. Each can be dropped, and the search then has to find what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    None,
    /// A transaction may take a number before it has an id.
    IdBeforeNumber,
    /// A session takes two numbers at once, and keeps the second for its next transaction.
    NoCache,
    /// Nothing behind a gap is delivered.
    StopAtGap,
    /// A gap ends with the transactions before the end of the snapshot, not with those before its oldest open one.
    EndOfSnapshot,
    /// After a wait, open transactions of the store count.
    OwnTransactionsCount,
    /// After a wait, transactions of others do not count.
    OthersDoNotCount,
}

struct History {
    dropped: Dropped,
    transactions: usize,
    followers: usize,
    purges: u8,
    restarts: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Transaction {
    id: Option<u64>,
    numbers: Vec<u64>,
    ended: bool,
}

/// The answer of a `LOOK`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Answer {
    position: u64,
    oldest_open: u64,
    next: u64,
    numbers: Vec<u64>,
    high: u64,
    pruned: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Follower {
    position: u64,
    answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    transactions: Vec<Transaction>,
    /// The id of a transaction of somebody else, which never ends.
    foreign: Option<u64>,
    next_id: u64,
    last_number: u64,
    /// A number that a session has taken beforehand.
    cached: Option<u64>,
    visible: Vec<u64>,
    pruned: u64,
    state: State,
    followers: Vec<Follower>,
    /// The gap that `OPEN` has found over.
    over: Option<Gap>,
    purges: u8,
    restarts: u8,
}

/// How many numbers each follower reads at once.
const LIMITS: [usize; 2] = [1, 4];

impl History {
    fn new(transactions: usize, followers: usize) -> Self {
        Self { dropped: Dropped::None, transactions, followers, purges: 0, restarts: 0 }
    }

    fn writes(&self, world: &World, next: &mut Vec<(Step, World)>) {
        // Of transactions that have not begun, the first one begins.
        let idle = |it: &Transaction| it.id.is_none() && it.numbers.is_empty();
        let first = world.transactions.iter().position(idle);
        for (place, it) in world.transactions.iter().enumerate() {
            if it.ended || idle(it) && first != Some(place) {
                continue;
            }
            let mut with = |step, change: &dyn Fn(&mut World, &mut Transaction)| {
                let (mut after, mut changed) = (world.clone(), it.clone());
                change(&mut after, &mut changed);
                after.transactions[place] = changed;
                next.push((step, after));
            };
            if it.id.is_none() {
                with("LANE", &|world, it| it.id = Some(world.take_id()));
            }
            let most = if place == 0 { 2 } else { 1 };
            if it.numbers.len() < most && (it.id.is_some() || self.dropped == Dropped::IdBeforeNumber) {
                with("nextval", &|world, it| {
                    let cached = if place == 2 { world.cached.take() } else { None };
                    it.numbers.push(cached.unwrap_or_else(|| world.take_number()));
                    if self.dropped == Dropped::NoCache && place == 1 {
                        world.cached = Some(world.take_number());
                    }
                });
            }
            if it.id.is_some() {
                with("COMMIT", &|world, it| {
                    world.visible.append(&mut it.numbers);
                    world.visible.sort_unstable();
                    it.ended = true;
                });
                if !it.numbers.is_empty() {
                    with("ROLLBACK", &|_, it| {
                        it.numbers.clear();
                        it.ended = true;
                    });
                }
            }
        }
        if world.foreign.is_none() {
            let mut after = world.clone();
            after.foreign = Some(after.take_id());
            next.push(("a transaction of somebody else", after));
        }
    }

    fn reads(&self, world: &World, next: &mut Vec<(Step, World)>) {
        for (place, follower) in world.followers.iter().enumerate() {
            let mut after = world.clone();
            if let Some(answer) = &follower.answer {
                after.followers[place] = Follower { position: self.see(&mut after.state, answer), answer: None };
                next.push((["see, first follower", "see, second follower"][place], after));
            } else {
                after.followers[place].answer = Some(world.look(follower.position, LIMITS[place]));
                next.push((["LOOK, first follower", "LOOK, second follower"][place], after));
            }
        }
        let none_open = |gap: &Gap| {
            let before = |id: Option<u64>| id.is_some_and(|id| id < gap.end);
            let own = world.transactions.iter().any(|it| !it.ended && before(it.id));
            let others = before(world.foreign);
            !(own && self.dropped != Dropped::OwnTransactionsCount
                || others && self.dropped == Dropped::OthersDoNotCount)
        };
        if let (None, Some(gap)) = (world.over, world.state.gap.filter(none_open)) {
            next.push(("OPEN", World { over: Some(gap), ..world.clone() }));
        }
        if let Some(gap) = world.over {
            let mut after = World { over: None, ..world.clone() };
            after.state.pass(gap);
            next.push(("pass", after));
        }
    }

    /// The position after an answer.
    fn see(&self, state: &mut State, answer: &Answer) -> u64 {
        let Answer { position, oldest_open, next, numbers, high, pruned } = answer;
        let end = if self.dropped == Dropped::EndOfSnapshot { *oldest_open } else { *next };
        let seen = Seen { oldest_open: *oldest_open, next: Some(end), numbers, high: *high, pruned: *pruned };
        let upto = state.see(*position, &seen);
        let last = numbers.last().copied().filter(|_| self.dropped == Dropped::StopAtGap);
        upto.max(*position).max(last.unwrap_or_default())
    }

    fn removes(&self, world: &World, next: &mut Vec<(Step, World)>) {
        if world.purges < self.purges {
            if let Some(oldest) = world.visible.first().filter(|oldest| **oldest <= world.state.settled) {
                let mut after = World { pruned: *oldest, purges: world.purges + 1, ..world.clone() };
                after.visible.remove(0);
                next.push(("prune", after));
            }
            if !world.visible.is_empty() {
                let mut after = World { purges: world.purges + 1, ..world.clone() };
                after.visible.pop();
                next.push(("purge", after));
            }
        }
        if world.restarts < self.restarts && world.last_number > 0 {
            let mut after = World { restarts: world.restarts + 1, over: None, ..world.clone() };
            after.state = State { given: Some(world.last_number), ..State::default() };
            after.followers.iter_mut().for_each(|follower| follower.answer = None);
            next.push(("restart", after));
        }
    }
}

impl World {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn take_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn look(&self, position: u64, limit: usize) -> Answer {
        let from = position.max(self.state.settled);
        let open = self.transactions.iter().filter(|it| !it.ended).filter_map(|it| it.id).chain(self.foreign);
        Answer {
            position: from,
            oldest_open: open.min().unwrap_or(self.next_id),
            next: self.next_id,
            numbers: self.visible.iter().copied().filter(|number| *number > from).take(limit).collect(),
            high: self.visible.last().copied().unwrap_or_default(),
            pruned: self.pruned,
        }
    }
}

impl Model for History {
    type State = World;

    fn first(&self) -> World {
        World {
            transactions: vec![Transaction::default(); self.transactions],
            foreign: None,
            next_id: 1,
            last_number: 0,
            cached: None,
            visible: Vec::new(),
            pruned: 0,
            state: State::default(),
            followers: vec![Follower::default(); self.followers],
            over: None,
            purges: 0,
            restarts: 0,
        }
    }

    fn steps(&self, world: &World, next: &mut Vec<(Step, World)>) {
        self.writes(world, next);
        self.reads(world, next);
        self.removes(world, next);
    }

    /// A follower reads what is visible up to its position, and goes on behind it. So entries come in order and once, and none is missing
    /// as long as none appears before the position.
    fn broken(&self, world: &World) -> Option<&'static str> {
        let position = world.followers.iter().map(|follower| follower.position).max().unwrap_or_default();
        let open = world.transactions.iter().flat_map(|it| &it.numbers).chain(&world.cached);
        open.into_iter().any(|number| *number <= position).then_some("an entry may appear before a position")
    }

    fn is_end(&self, world: &World) -> bool {
        let last = world.visible.last().copied().unwrap_or_default();
        world.transactions.iter().all(|it| it.ended) && world.followers.iter().all(|follower| follower.position >= last)
    }
}

/// Two followers of one state; three transactions; entries that are removed, and a new process.
fn histories() -> Vec<History> {
    let [two, three, removals] = [(2, 2), (3, 1), (2, 1)].map(|(writers, followers)| History::new(writers, followers));
    let mut histories = vec![two, three, History { purges: 1, restarts: 1, ..removals }];
    if let Some(faults) = more_faults() {
        histories.push(History { purges: faults, restarts: faults, ..History::new(3, 1) });
        histories.push(History { purges: faults, restarts: faults, ..History::new(2, 2) });
    }
    histories
}

#[test]
fn n45_no_entry_appears_behind_a_reader() {
    for history in histories() {
        let states = search(&history).unwrap_or_else(|found| panic!("{found:?}"));
        println!("{states} states");
    }
}

#[test]
fn n45_each_rule_of_the_history_is_needed() {
    let appears = "an entry may appear before a position";
    for (dropped, broken) in [
        (Dropped::IdBeforeNumber, appears),
        (Dropped::NoCache, appears),
        (Dropped::StopAtGap, appears),
        (Dropped::EndOfSnapshot, appears),
        (Dropped::OwnTransactionsCount, appears),
        (Dropped::OthersDoNotCount, "there is no way to the end"),
    ] {
        let transactions = if dropped == Dropped::NoCache { 3 } else { 2 };
        let history = History { dropped, ..History::new(transactions, 1) };
        match search(&history) {
            Ok(_) => panic!("without {dropped:?} everything still holds"),
            Err(found) => assert_eq!(found.broken, broken, "{dropped:?}: {found:?}"),
        }
    }
}
