use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Open, group(Live, on(touch => _, rewind = idle)))]
enum Session {
    #[state(in = Live)]
    #[on(end => Closed)]
    #[on(idle => Closed, rewind = idle)]
    #[on(ping => _, rewind = [idle, idle])]
    #[on(pong => _, rewind = [])]
    #[on(wait => _, rewind = idel)]
    #[on(again => Self, rewind = [end, idle])]
    #[after("5m", idle)]
    #[after("8h", end)]
    Open,
    #[state(in = Live)]
    #[on(end => Closed)]
    #[on(wait => _, rewind = end)]
    #[on(ping => _, reset = end)]
    Closing,
    #[state(end)]
    Closed,
}

fn main() {}
