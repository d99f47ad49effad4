//! Typed transitions against a typestate written by hand, by instructions: `cargo bench -p fsm-core --bench typed`.
//!
//! The benchmark runs itself under `valgrind --tool=callgrind`, once with few and once with many rounds. The difference is the cost
//! of the rounds, without noise from the machine.

use std::{
    env,
    error::Error,
    hint::black_box,
    process::{Command, ExitCode},
};

use fsm_core::StateMachine;

/// Small data, a guard and a branch.
#[derive(StateMachine, Debug)]
#[fsm(initial = Idle)]
pub enum Job {
    #[on(start { at: u64 } => Running)]
    Idle { id: u64 },
    #[on(pause => Paused, guard = is_long)]
    Running { id: u64, at: u64 },
    #[on(check => Idle | Running, with = check)]
    Paused { id: u64, at: u64 },
}

fn is_long(running: &job::Running, _: &job::event::Pause) -> Result<(), &'static str> {
    if running.at > 0 { Ok(()) } else { Err("it has just started") }
}

#[allow(clippy::needless_pass_by_value, reason = "a `with` takes the event")]
fn check(paused: job::Paused, _: job::event::Check) -> job::choice::PausedCheck {
    let job::Paused { id, at } = paused;
    if at & 1 == 0 { job::Idle { id }.into() } else { job::Running { id, at }.into() }
}

/// 256 bytes that each transition carries over.
#[derive(StateMachine, Debug)]
#[fsm(initial = Ping, derive(Debug))]
pub enum Ball {
    #[on(hit { by: u64 } => Pong)]
    Ping { bytes: [u64; 32], by: u64 },
    #[on(hit => Ping)]
    Pong { bytes: [u64; 32], by: u64 },
}

/// A context of 256 bytes, read by a guard and changed by a `with` function.
#[derive(Debug)]
pub struct Shared {
    bytes: [u64; 32],
}

/// A machine with that context.
#[derive(StateMachine, Debug)]
#[fsm(initial = Standing, context = Shared)]
pub enum Lift {
    #[on(go { to: u64 } => Moving, guard = is_elsewhere)]
    Standing { floor: u64 },
    #[on(arrive => Standing, with = arrive)]
    Moving { to: u64 },
}

fn is_elsewhere(standing: &lift::Standing, go: &lift::event::Go, shared: &Shared) -> Result<(), &'static str> {
    if standing.floor == go.to + shared.bytes[3] { Err("it is already there") } else { Ok(()) }
}

#[allow(clippy::needless_pass_by_value, reason = "a `with` takes the event")]
fn arrive(moving: lift::Moving, _: lift::event::Arrive, shared: &mut Shared) -> lift::Standing {
    shared.bytes[7] += 1;
    lift::Standing { floor: moving.to }
}

/// The same three machines, written by hand.
#[allow(dead_code, reason = "the ball carries fields that are never read")]
mod by_hand {
    pub(crate) struct Job<S>(S);
    pub(crate) struct Idle {
        pub(crate) id: u64,
    }
    pub(crate) struct Running {
        pub(crate) id: u64,
        pub(crate) at: u64,
    }
    pub(crate) struct Paused {
        pub(crate) id: u64,
        pub(crate) at: u64,
    }
    pub(crate) enum Checked {
        Idle(Job<Idle>),
        Running(Job<Running>),
    }

    impl Job<Idle> {
        pub(crate) fn new(id: u64) -> Self {
            Self(Idle { id })
        }

        pub(crate) fn start(self, at: u64) -> Job<Running> {
            Job(Running { id: self.0.id, at })
        }

        pub(crate) fn id(&self) -> u64 {
            self.0.id
        }
    }

    impl Job<Running> {
        pub(crate) fn pause(self) -> Result<Job<Paused>, (Self, &'static str)> {
            if self.0.at > 0 {
                Ok(Job(Paused { id: self.0.id, at: self.0.at }))
            } else {
                Err((self, "it has just started"))
            }
        }

        pub(crate) fn id(&self) -> u64 {
            self.0.id
        }
    }

    impl Job<Paused> {
        pub(crate) fn check(self) -> Checked {
            let Paused { id, at } = self.0;
            if at & 1 == 0 { Checked::Idle(Job(Idle { id })) } else { Checked::Running(Job(Running { id, at })) }
        }
    }

    pub(crate) struct Ball<S>(pub(crate) S);
    pub(crate) struct Ping {
        pub(crate) bytes: [u64; 32],
        pub(crate) by: u64,
    }
    pub(crate) struct Pong {
        pub(crate) bytes: [u64; 32],
        pub(crate) by: u64,
    }

    impl Ball<Ping> {
        pub(crate) fn hit(self, by: u64) -> Ball<Pong> {
            Ball(Pong { bytes: self.0.bytes, by })
        }
    }

    impl Ball<Pong> {
        pub(crate) fn hit(self, by: u64) -> Ball<Ping> {
            Ball(Ping { bytes: self.0.bytes, by })
        }
    }

    pub(crate) struct Lift<S> {
        pub(crate) state: S,
        pub(crate) shared: Box<super::Shared>,
    }
    pub(crate) struct Standing {
        pub(crate) floor: u64,
    }
    pub(crate) struct Moving {
        pub(crate) to: u64,
    }

    impl Lift<Standing> {
        pub(crate) fn go(self, to: u64) -> Result<Lift<Moving>, (Self, &'static str)> {
            if self.state.floor == to + self.shared.bytes[3] {
                Err((self, "it is already there"))
            } else {
                Ok(Lift { state: Moving { to }, shared: self.shared })
            }
        }
    }

    impl Lift<Moving> {
        pub(crate) fn arrive(mut self) -> Lift<Standing> {
            self.shared.bytes[7] += 1;
            Lift { state: Standing { floor: self.state.to }, shared: self.shared }
        }
    }
}

/// One round of a small machine: three transitions with inputs unknown to the compiler.
fn small(round: u64) -> u64 {
    let running = job::Machine::new(job::Idle { id: black_box(round) }).start(black_box(round | 1));
    match running.pause() {
        Ok(paused) => match paused.check() {
            job::choice::PausedCheck::Idle(idle) => idle.id,
            job::choice::PausedCheck::Running(running) => running.id,
        },
        Err(error) => error.machine.id + error.reason.as_str().len() as u64,
    }
}

fn small_by_hand(round: u64) -> u64 {
    let running = by_hand::Job::new(black_box(round)).start(black_box(round | 1));
    match running.pause() {
        Ok(paused) => match paused.check() {
            by_hand::Checked::Idle(idle) => idle.id(),
            by_hand::Checked::Running(running) => running.id(),
        },
        Err((running, reason)) => running.id() + reason.len() as u64,
    }
}

fn large(rounds: u64) -> u64 {
    let mut ping = ball::Machine::new(ball::Ping { bytes: black_box([1; 32]), by: 0 });
    for round in 0..rounds {
        ping = ping.hit(round).hit(black_box(round));
    }
    black_box(&ping.bytes)[7] + ping.by
}

fn large_by_hand(rounds: u64) -> u64 {
    let mut ping = by_hand::Ball(by_hand::Ping { bytes: black_box([1; 32]), by: 0 });
    for round in 0..rounds {
        ping = ping.hit(round).hit(black_box(round));
    }
    black_box(&ping.0.bytes)[7] + ping.0.by
}

/// `black_box` moves the machine. If the machine contained the context, the context would be moved with it.
fn context(rounds: u64) -> u64 {
    let shared = Shared { bytes: black_box([1; 32]) };
    let mut standing = lift::Machine::new(lift::Standing { floor: 0 }, shared);
    for round in 0..rounds {
        standing = match black_box(standing).go(black_box(round)) {
            Ok(moving) => black_box(moving).arrive(),
            Err(error) => error.machine,
        };
    }
    standing.context().bytes[7] + standing.floor
}

fn context_by_hand(rounds: u64) -> u64 {
    let shared = Box::new(Shared { bytes: black_box([1; 32]) });
    let mut standing = by_hand::Lift { state: by_hand::Standing { floor: 0 }, shared };
    for round in 0..rounds {
        standing = match black_box(standing).go(black_box(round)) {
            Ok(moving) => black_box(moving).arrive(),
            Err((machine, _)) => machine,
        };
    }
    standing.shared.bytes[7] + standing.state.floor
}

/// A benchmark: its name, and a function that runs the given number of rounds.
type Case = (&'static str, fn(u64) -> u64);
const CASES: [Case; 6] = [
    ("small", |rounds| (0..rounds).map(small).sum()),
    ("small by hand", |rounds| (0..rounds).map(small_by_hand).sum()),
    ("256 bytes", large),
    ("256 bytes by hand", large_by_hand),
    ("context", context),
    ("context by hand", context_by_hand),
];

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, name, rounds] = &*arguments
        && let (Some((_, run)), Ok(rounds)) = (CASES.iter().find(|(case, _)| case == name), rounds.parse())
    {
        black_box(run(rounds));
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), Box<dyn Error>> {
    println!("instructions for each transition");
    println!("{:<12} {:>8} {:>8} {:>7} {:>7}", "", "derived", "by hand", "ratio", "budget");
    for (pair, transitions) in CASES.chunks(2).zip([3.0, 2.0, 2.0]) {
        let (ours, theirs) = (instructions(pair[0].0)? / transitions, instructions(pair[1].0)? / transitions);
        println!("{:<12} {ours:>8.2} {theirs:>8.2} {:>7.2} {:>7.2}", pair[0].0, ours / theirs, 1.0);
    }
    Ok(())
}

/// Instructions for each round.
fn instructions(case: &str) -> Result<f64, Box<dyn Error>> {
    let run = |rounds: u64| -> Result<f64, Box<dyn Error>> {
        let valgrind = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe()?)
            .args([case, &rounds.to_string()])
            .output()
            .map_err(|error| format!("cannot run valgrind: {error}; it is required to count instructions"))?;
        let output = String::from_utf8_lossy(&valgrind.stderr);
        let collected = output.lines().find_map(|line| line.split_once("Collected : "));
        Ok(collected
            .ok_or_else(|| format!("no instruction count in valgrind's output:\n{output}"))?
            .1
            .trim()
            .parse()?)
    };
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    Ok((run(MANY)? - run(FEW)?) / (MANY - FEW) as f64)
}
