//! `apply` of machines without data against a `match` written by hand: `cargo bench -p fsm-core --bench apply`.
//!
//! Two sequences of events: random legal events, which branch predictors cannot predict, and a repeated event.

mod common;
#[path = "common/machines.rs"]
mod machines;

use std::{hint::black_box, time::Instant};

use machines::{Four, Hundred, Twenty, four, four_by_hand, hundred, hundred_by_hand, twenty, twenty_by_hand};

const EVENTS: u16 = u16::MAX;
const ROUNDS: usize = 101;

/// Xorshift; too small for a dependency.
fn random(seed: &mut u32) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    *seed as usize
}

/// Nanoseconds per event.
fn time<S: Copy, E: Copy>(start: S, events: &[E], apply: impl Fn(S, E) -> S) -> f64 {
    let begin = Instant::now();
    let end = black_box(events).iter().fold(black_box(start), |state, event| apply(state, *event));
    black_box(end);
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(EVENTS)
}

macro_rules! measure {
    ($states:literal, $machine:ident, $module:ident, $by_hand:ident, $budget:literal) => {{
        let start = $machine::S0;
        let declared = |kind| -> $module::Event {
            match kind {
                $module::EventKind::A => $module::event::A.into(),
                $module::EventKind::B => $module::event::B.into(),
                $module::EventKind::C => $module::event::C.into(),
                $module::EventKind::D => $module::event::D.into(),
            }
        };
        let by_hand = |kind| match kind {
            $module::EventKind::A => $by_hand::Event::A,
            $module::EventKind::B => $by_hand::Event::B,
            $module::EventKind::C => $by_hand::Event::C,
            $module::EventKind::D => $by_hand::Event::D,
        };
        let mut seed = 1;
        let walk = |choose: &mut dyn FnMut(usize) -> usize| -> Vec<$module::EventKind> {
            let mut here = start;
            (0..EVENTS)
                .map(|_| {
                    let kind = here.accepts()[choose(here.accepts().len())];
                    here = here.apply(declared(kind)).expect("it is declared");
                    kind
                })
                .collect()
        };
        let orders =
            [("random", walk(&mut |count| random(&mut seed) % count), $budget), ("predictable", walk(&mut |_| 0), 2.5)];
        for (order, kinds, budget) in orders {
            let (ours, theirs): (Vec<_>, Vec<_>) = kinds.iter().map(|kind| (declared(*kind), by_hand(*kind))).unzip();
            let (ours, theirs) = common::paired(
                ROUNDS,
                || time(start, &ours, |state, event| state.apply(event).unwrap_or_else(|error| error.machine)),
                || time($by_hand::State::S0, &theirs, |state, event| state.apply(event).unwrap_or_else(|back| back.0)),
            );
            println!("{:>6} {order:<12} {ours:>8.2} {theirs:>8.2} {:>7.2} {budget:>8.2}", $states, ours / theirs);
        }
    }};
}

fn main() {
    println!("nanoseconds per event, medians of {ROUNDS} paired runs of {EVENTS} events");
    println!("{:>6} {:<12} {:>8} {:>8} {:>7} {:>8}", "states", "order", "apply", "match", "ratio", "budget");
    measure!(4, Four, four, four_by_hand, 1.0);
    measure!(20, Twenty, twenty, twenty_by_hand, 0.6);
    measure!(100, Hundred, hundred, hundred_by_hand, 0.6);
}
