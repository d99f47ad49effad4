//! A superstate declares an event once, and is declared itself.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Off, group(Lit, on(flip => Off), on(flip => On)))]
enum Lamp {
    #[on(flip => On)]
    Off,
    #[state(in = Lit)]
    On,
    #[state(in = Garden)]
    #[on(flip => Off)]
    Dimmed,
}

#[derive(StateMachine)]
#[fsm(initial = Off, group(Lit, group))]
enum Other {
    #[on(7 => Off)]
    #[on(flip => Off)]
    Off,
}

#[derive(StateMachine)]
#[fsm(initial = Off)]
enum Third {
    #[state(in = Garden)]
    #[on(flip => Off)]
    Off,
}

fn main() {}
