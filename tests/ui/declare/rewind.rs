use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Open, group(Live, on(touch => _, rewind = idle)))]
enum Session {
    #[state(in = Live)]
    #[on(end => Closed)]
    #[on(idle => Closed, rewind = idle)]
    #[on(ping => _, rewind = [idle, idle])]
    #[on(wait => _, rewind = idel)]
    #[on(again => Self, rewind = [end, idle])]
    #[on(close => Closing)]
    #[after("5m", idle)]
    #[after("8h", end)]
    Open,
    #[state(in = Live)]
    #[on(end => Closed)]
    #[on(wait => _, rewind = end)]
    Closing,
    #[state(end)]
    Closed,
}

#[derive(StateMachine)]
#[fsm(initial = Lit)]
enum Lamp {
    #[on(press => _, rewind = [])]
    #[on(hold => _, reset = off)]
    #[on(look => _, rewind)]
    #[on(off => Dark)]
    #[after("5m", off)]
    Lit,
    #[on(press => Lit)]
    Dark,
}

fn main() {}
