//! A lane commits batches over a connection that breaks, on a server that restarts and fails over.
//!
//! A batch here is one job. Each step is one that happens at once:
//!
//! | step | stands for |
//! | --- | --- |
//! | `RAISE_TIMELINE`, `ADD_LANE` | the statements of `Lane::prepare` |
//! | `send` | `Lane::attempt` takes the next number, and `burst::send` writes the burst |
//! | `LANE` | the server reads the burst: its first statement, and the changes after it. It holds the rows of lane and instance |
//! | `statement` | the server reads a burst of one statement |
//! | `COMMIT`, `rollback` | the end of the transaction; without a client, by a timeout of the server |
//! | `answer` | the client reads the answer: `Sent::Committed`, or `Sent::Unprepared` |
//! | `connection lost` | `Sent::Unknown`: the burst may not have arrived, may have arrived in part, be open, or have ended |
//! | `FENCE_OFF`, `DECIDED` | the statements of `Lane::resolve`, each of which may be repeated after its own answer was lost |
//! | `another writer` | a change of the instance by another process |
//! | `replicate`, `failover` | a standby gets what was committed; it takes over with that, on a new timeline |
//! | `killed` | the process of the lane ends |
//!
//! A job of kind [`With`](Kind::With) has its COMMIT sent later, as `Lane::commit_with` does. A job of kind [`Alone`](Kind::Alone) is a single
//! statement: `statement` is its start, which sees the sequences' timeline as it is then and locks the row of the instance if the change does
//! not miss, and `LANE` comes after that.

use crate::{
    explore::{Model, Step, search},
    more_faults,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    None,
    /// A lost answer is resolved by the row of the lane. Without it, the batch is sent again.
    Resolve,
    /// The resolver waits for the transaction that it asks about.
    WaitForZombie,
    /// The resolver keeps a batch that has not arrived from being committed later.
    FenceOff,
    /// The batch compares its number with that of the row.
    CompareNumber,
    /// Each attempt has a number of its own.
    NewNumber,
    /// No attempt has the number that the resolver may have written.
    SkipNumber,
    /// The row has the places of what missed.
    Missed,
    /// The row of a lane stays while an answer is open.
    KeepRow,
    /// A batch is refused until the sequences are ahead of what the former primary gave out.
    CheckTimeline,
    /// The sequences jump by more than the standby can lack.
    Jump,
    /// They jump farther with each timeline that the standby lacks.
    JumpByTimeline,
}

/// What a job changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Compares the version.
    Compare,
    /// Applies to any version. Only the lane keeps it from being made twice.
    Add,
    /// Applies to any version, in a transaction with statements of the caller.
    With,
    /// Compares the version, in a single statement.
    Alone,
    /// Applies to any version, in a single statement.
    AddAlone,
}

impl Kind {
    fn compares(self) -> bool {
        matches!(self, Self::Compare | Self::Alone)
    }

    fn is_alone(self) -> bool {
        matches!(self, Self::Alone | Self::AddAlone)
    }
}

struct Lane {
    dropped: Dropped,
    jobs: [Kind; 2],
    losses: u8,
    failovers: u8,
}

/// What is stored, as far as it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Database {
    /// The row of the lane: the number of the last batch, and whether its change had missed.
    lane: Option<(u8, bool)>,
    /// The version of the instance.
    version: u8,
    /// How often the change of each job is in the history.
    made: [u8; 2],
    /// The last number of the history that was given out.
    sequence: u8,
    timeline: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    /// Not read by the server.
    Sent,
    /// A single statement that has not come to the lane's row: the number of its entry, if its change did not miss, and whether the
    /// sequences were ahead.
    Changed { number: Option<u8>, ahead: bool },
    /// The number of its entry, if its change did not miss.
    Open(Option<u8>),
    /// Whether its change had missed; an error for `Sent::Unprepared`.
    Ended(Result<bool, ()>),
}

/// A burst on its way, or being worked on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Burst {
    number: u8,
    job: usize,
    /// The version that it compares with.
    version: u8,
    progress: Progress,
    /// Whether COMMIT was sent.
    commits: bool,
    /// Whether a client waits for the answer.
    asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Raise,
    AddLane,
    Idle,
    Waits,
    /// The caller's statements have run, and COMMIT is to be sent.
    Ready,
    FenceOff,
    Decided,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Committed,
    /// The verdict is a conflict, or an error that says that nothing was changed.
    Nothing,
    /// `StoreError::Indeterminate`.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    database: Database,
    timeline: u8,
    standby: Database,
    bursts: Vec<Burst>,
    client: Client,
    /// The number of the last attempt, as `Lane::number`.
    number: u8,
    job: usize,
    /// The version of the instance that the caller knows.
    known: u8,
    answers: [Option<Answer>; 2],
    /// Jobs whose commit was lost with the former primary, after the answer.
    excused: [bool; 2],
    /// The highest number of the history that anybody has read.
    read: u8,
    repeats: bool,
    /// The batch of a `FENCE_OFF` whose answer was lost, and that the server has not read.
    late: Option<u8>,
    another: bool,
    losses: u8,
    failovers: u8,
}

const JUMP: u8 = 20;

impl Lane {
    fn new(jobs: [Kind; 2]) -> Self {
        Self { dropped: Dropped::None, jobs, losses: 2, failovers: 0 }
    }

    fn client(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let free = !world.bursts.iter().any(|burst| matches!(burst.progress, Progress::Open(_)));
        let mut with = |step, change: &dyn Fn(&mut World)| {
            let mut after = world.clone();
            change(&mut after);
            next.push((step, after));
        };
        match world.client {
            Client::Raise => with("RAISE_TIMELINE", &|it| {
                if it.database.timeline < it.timeline {
                    let timelines = it.timeline - it.database.timeline;
                    it.database.timeline = it.timeline;
                    it.database.sequence += match self.dropped {
                        Dropped::Jump => 0,
                        Dropped::JumpByTimeline => JUMP,
                        _ => timelines * JUMP,
                    };
                }
                it.client = Client::AddLane;
            }),
            Client::AddLane => with("ADD_LANE", &|it| {
                let (batch, _) = *it.database.lane.get_or_insert((it.number, false));
                it.number = it.number.max(batch);
                it.client = Client::Idle;
            }),
            Client::Idle => with("send", &|it| {
                it.number += u8::from(self.dropped != Dropped::NewNumber || it.number == 0 || !it.repeats);
                it.repeats = true;
                it.bursts.push(Burst {
                    number: it.number,
                    job: it.job,
                    version: it.known,
                    progress: Progress::Sent,
                    commits: self.jobs[it.job] != Kind::With,
                    asked: true,
                });
                it.client = Client::Waits;
            }),
            Client::Ready => with("send COMMIT", &|it| {
                it.bursts.iter_mut().filter(|burst| burst.asked).for_each(|burst| burst.commits = true);
                it.client = Client::Waits;
            }),
            Client::FenceOff if self.dropped == Dropped::Resolve => with("try again", &|it| it.client = Client::Idle),
            // An update waits for the transaction that has changed the row.
            Client::FenceOff if free || self.dropped == Dropped::WaitForZombie => with("FENCE_OFF", &|it| {
                if self.fence_off(&mut it.database, it.number) {
                    self.undone(it);
                } else {
                    it.client = Client::Decided;
                }
            }),
            Client::Waits | Client::FenceOff | Client::Ended => {}
            Client::Decided => with("DECIDED", &|it| match it.database.lane {
                Some((batch, missed)) if batch == it.number => {
                    self.skip_number(it);
                    self.answer(it, missed && self.dropped != Dropped::Missed);
                }
                _ => self.undone(it),
            }),
        }
        if matches!(world.client, Client::FenceOff | Client::Decided) {
            if world.client == Client::FenceOff && world.losses < self.losses {
                with("FENCE_OFF, whose answer is lost", &|it| {
                    it.late = Some(it.number);
                    it.losses += 1;
                });
            }
            with("not resolved in time", &|it| {
                self.skip_number(it);
                self.answered(it, Answer::Unknown);
            });
        }
        if world.client != Client::Ended {
            with("killed", &|it| {
                it.client = Client::Ended;
                it.bursts.iter_mut().for_each(|burst| burst.asked = false);
            });
        }
    }

    /// Whether the batch was not decided. It never will be committed.
    fn fence_off(&self, database: &mut Database, number: u8) -> bool {
        let open = database.lane.is_some_and(|(batch, _)| batch < number);
        if open && self.dropped != Dropped::FenceOff && self.dropped != Dropped::WaitForZombie {
            database.lane = Some((number + 1, false));
        }
        open
    }

    fn skip_number(&self, world: &mut World) {
        world.number += u8::from(!matches!(self.dropped, Dropped::NewNumber | Dropped::SkipNumber));
    }

    /// The lost attempt has changed nothing, and never will.
    fn undone(&self, world: &mut World) {
        self.skip_number(world);
        if self.jobs[world.job] == Kind::With {
            // The caller's statements are not run again.
            self.answered(world, Answer::Nothing);
        } else {
            world.client = Client::Idle;
        }
    }

    fn answer(&self, world: &mut World, missed: bool) {
        self.answered(world, if missed { Answer::Nothing } else { Answer::Committed });
    }

    fn answered(&self, world: &mut World, answer: Answer) {
        world.answers[world.job] = Some(answer);
        // A verdict comes with the row.
        world.known = world.database.version;
        world.client = if world.job + 1 < self.jobs.len() { Client::Idle } else { Client::Ended };
        world.repeats = false;
        world.job = (world.job + 1).min(self.jobs.len() - 1);
    }

    /// Whether the row of the lane has no later number.
    fn is_later(&self, world: &World, burst: &Burst) -> bool {
        let later = |(batch, _)| batch < burst.number || self.dropped == Dropped::CompareNumber;
        world.database.lane.is_some_and(later) || self.dropped == Dropped::Resolve
    }

    fn is_ahead(&self, world: &World) -> bool {
        world.database.timeline >= world.timeline || self.dropped == Dropped::CheckTimeline
    }

    /// The number of the entry of the change, if it does not miss. A number that is given out stays so if the transaction is rolled back.
    fn change(&self, world: &mut World, burst: &Burst) -> Option<u8> {
        let applies = !self.jobs[burst.job].compares() || world.database.version == burst.version;
        world.database.sequence += u8::from(applies);
        applies.then_some(world.database.sequence)
    }

    fn server(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let free = !world.bursts.iter().any(|burst| matches!(burst.progress, Progress::Open(_)));
        let changed = |burst: &Burst| matches!(burst.progress, Progress::Changed { number: Some(_), .. });
        let row_is_free = !world.bursts.iter().any(changed);
        for (place, burst) in world.bursts.iter().enumerate() {
            let mut with = |step, change: &dyn Fn(&mut World, &mut Burst)| {
                let (mut after, mut changed) = (world.clone(), burst.clone());
                change(&mut after, &mut changed);
                // What nobody asks for is forgotten.
                if changed.asked || !matches!(changed.progress, Progress::Ended(_)) {
                    after.bursts[place] = changed;
                } else {
                    after.bursts.remove(place);
                }
                next.push((step, after));
            };
            match burst.progress {
                Progress::Sent if self.jobs[burst.job].is_alone() && free && row_is_free => {
                    with("statement", &|world, burst| {
                        let (number, ahead) = (self.change(world, burst), self.is_ahead(world));
                        burst.progress = Progress::Changed { number, ahead };
                    });
                }
                Progress::Changed { number, ahead } if free => with("LANE", &|world, burst| {
                    let passes = ahead && self.is_later(world, burst);
                    burst.progress = if passes { Progress::Open(number) } else { Progress::Ended(Err(())) };
                }),
                Progress::Sent if !self.jobs[burst.job].is_alone() && free && row_is_free => {
                    with("LANE", &|world, burst| {
                        burst.progress = if self.is_later(world, burst) && self.is_ahead(world) {
                            Progress::Open(self.change(world, burst))
                        } else {
                            Progress::Ended(Err(()))
                        };
                    });
                }
                Progress::Sent | Progress::Changed { .. } => {}
                Progress::Open(number) => {
                    if burst.commits {
                        with("COMMIT", &|world, burst| {
                            world.database.lane = Some((burst.number, number.is_none()));
                            if let Some(number) = number {
                                world.database.version += 1;
                                world.database.made[burst.job] += 1;
                                world.reads(number);
                            }
                            burst.progress = Progress::Ended(Ok(number.is_none()));
                        });
                    } else if burst.asked && world.client == Client::Waits {
                        with("answer of an open transaction", &|world, _| world.client = Client::Ready);
                    }
                }
                Progress::Ended(ended) => with("answer", &|world, burst| {
                    burst.asked = false;
                    match ended {
                        Ok(missed) => self.answer(world, missed),
                        Err(()) => world.client = Client::Raise,
                    }
                }),
            }
            // The client is gone, and the server ends the transaction; or it never reads the burst.
            if !burst.asked && !matches!(burst.progress, Progress::Ended(_)) {
                with("rollback", &|_, burst| burst.progress = Progress::Ended(Err(())));
            }
        }
        if let Some(number) = world.late.filter(|_| free) {
            let mut after = World { late: None, ..world.clone() };
            self.fence_off(&mut after.database, number);
            next.push(("FENCE_OFF, late", after));
        }
        if free && row_is_free && !world.another {
            let mut after = World { another: true, ..world.clone() };
            after.database.version += 1;
            next.push(("another writer", after));
        }
        if self.dropped == Dropped::KeepRow && free && world.database.lane.is_some() {
            let mut after = world.clone();
            after.database.lane = None;
            next.push(("the row of the lane is removed", after));
        }
    }

    fn faults(&self, world: &World, next: &mut Vec<(Step, World)>) {
        let waits = matches!(world.client, Client::Waits | Client::Ready);
        if waits && world.losses < self.losses {
            let mut after = World { losses: world.losses + 1, ..world.clone() };
            after.lose_connection();
            next.push(("connection lost", after));
        }
        if world.failovers < self.failovers {
            if world.standby != world.database {
                next.push(("replicate", World { standby: world.database.clone(), ..world.clone() }));
            }
            let mut after = World { failovers: world.failovers + 1, timeline: world.timeline + 1, ..world.clone() };
            if waits {
                after.lose_connection();
            }
            after.bursts.clear();
            after.late = None;
            after.database = after.standby.clone();
            for job in 0..self.jobs.len() {
                after.excused[job] |=
                    after.answers[job].is_some() && after.database.made[job] < world.database.made[job];
            }
            next.push(("failover", after));
        }
    }
}

impl World {
    fn lose_connection(&mut self) {
        // Without COMMIT, nothing can have happened. Otherwise it has to be found out.
        let commits = self.bursts.iter().any(|burst| burst.asked && burst.commits);
        self.client = if commits { Client::FenceOff } else { Client::Idle };
        self.bursts.iter_mut().for_each(|burst| burst.asked = false);
        self.bursts.retain(|burst| !matches!(burst.progress, Progress::Ended(_)));
    }

    /// A number is visible. A number that was visible before comes back as 255, which is an error.
    fn reads(&mut self, number: u8) {
        self.read = if number > self.read { number } else { u8::MAX };
    }
}

impl Model for Lane {
    type State = World;

    fn first(&self) -> World {
        World {
            database: Database::default(),
            timeline: 0,
            standby: Database::default(),
            bursts: Vec::new(),
            client: Client::Raise,
            number: 0,
            job: 0,
            known: 0,
            answers: [None; 2],
            excused: [false; 2],
            read: 0,
            repeats: false,
            late: None,
            another: false,
            losses: 0,
            failovers: 0,
        }
    }

    fn steps(&self, world: &World, next: &mut Vec<(Step, World)>) {
        self.client(world, next);
        self.server(world, next);
        self.faults(world, next);
    }

    fn broken(&self, world: &World) -> Option<&'static str> {
        let jobs = || world.database.made.iter().zip(&world.answers).zip(&world.excused);
        if world.database.made.iter().any(|made| *made > 1) {
            return Some("a change was made twice");
        }
        if jobs().any(|((made, answer), excused)| *answer == Some(Answer::Committed) && *made == 0 && !excused) {
            return Some("a change was acknowledged and is not made");
        }
        if jobs().any(|((made, answer), _)| *answer == Some(Answer::Nothing) && *made > 0) {
            return Some("a change was made, and the answer is that nothing was changed");
        }
        (world.read == u8::MAX).then_some("a number of the history was given out twice")
    }

    fn is_end(&self, world: &World) -> bool {
        world.client == Client::Ended && world.bursts.is_empty()
    }
}

const COMPARES: [Kind; 2] = [Kind::Compare, Kind::Add];
const ADDS: [Kind; 2] = [Kind::Add, Kind::Add];
const WITH: [Kind; 2] = [Kind::With, Kind::With];
const ALONE: [Kind; 2] = [Kind::Alone, Kind::AddAlone];
const ADDS_ALONE: [Kind; 2] = [Kind::AddAlone, Kind::AddAlone];
const MIXED: [Kind; 2] = [Kind::AddAlone, Kind::Compare];

fn lanes() -> Vec<Lane> {
    let mut lanes: Vec<Lane> = [COMPARES, ADDS, WITH, ALONE, ADDS_ALONE, MIXED].map(Lane::new).into();
    for jobs in [COMPARES, ALONE] {
        lanes.push(Lane { losses: 1, failovers: 1, ..Lane::new(jobs) });
        lanes.push(Lane { losses: 0, failovers: 2, ..Lane::new(jobs) });
    }
    if let Some(faults) = more_faults() {
        lanes.extend([COMPARES, WITH, ALONE].map(|jobs| Lane { losses: faults, failovers: faults, ..Lane::new(jobs) }));
    }
    lanes
}

#[test]
fn n45_a_lost_answer_is_resolved_to_what_happened() {
    for lane in lanes() {
        let states = search(&lane).unwrap_or_else(|found| panic!("{found:?}"));
        println!("{states} states");
    }
}

#[test]
fn n45_each_rule_of_the_lane_is_needed() {
    let (twice, not_made) = ("a change was made twice", "a change was acknowledged and is not made");
    let wrong = "a change was made, and the answer is that nothing was changed";
    let again = "a number of the history was given out twice";
    for (dropped, jobs, broken) in [
        (Dropped::Resolve, COMPARES, wrong),
        (Dropped::Resolve, ADDS, twice),
        (Dropped::WaitForZombie, COMPARES, wrong),
        (Dropped::WaitForZombie, ADDS, twice),
        (Dropped::FenceOff, COMPARES, wrong),
        (Dropped::FenceOff, ADDS, twice),
        (Dropped::CompareNumber, ADDS, twice),
        (Dropped::NewNumber, ADDS, not_made),
        (Dropped::SkipNumber, ADDS, not_made),
        (Dropped::Missed, COMPARES, not_made),
        (Dropped::KeepRow, ADDS, twice),
        (Dropped::KeepRow, WITH, wrong),
        (Dropped::CheckTimeline, COMPARES, again),
        (Dropped::Jump, COMPARES, again),
        (Dropped::JumpByTimeline, COMPARES, again),
        (Dropped::Resolve, ADDS_ALONE, twice),
        (Dropped::FenceOff, ADDS_ALONE, twice),
        (Dropped::CompareNumber, ADDS_ALONE, twice),
        (Dropped::NewNumber, ADDS_ALONE, not_made),
        (Dropped::SkipNumber, ADDS_ALONE, not_made),
        (Dropped::Missed, ALONE, not_made),
        (Dropped::KeepRow, ADDS_ALONE, twice),
        (Dropped::CheckTimeline, ALONE, again),
    ] {
        let failovers = if broken == again { 2 } else { 0 };
        match search(&Lane { dropped, failovers, ..Lane::new(jobs) }) {
            Ok(_) => panic!("without {dropped:?} everything still holds"),
            Err(found) => assert_eq!(found.broken, broken, "{dropped:?}, {jobs:?}: {found:?}"),
        }
    }
}
