use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
#[on(reset => Idle)]
#[on(stop => Idle)]
enum Job {
    #[on(start => Running)]
    #[on(start => Idle)]
    Idle,
    #[on(stop => Idle)]
    Running,
}

#[derive(StateMachine)]
#[fsm(initial = Off, group(Lit, on(flip => Off), on(dim => Off), on(dim => On)))]
#[on(flip => On)]
#[on(blink => On)]
#[on(blink => Off)]
enum Lamp {
    Off,
    #[state(in = Lit)]
    On,
}

fn main() {}
