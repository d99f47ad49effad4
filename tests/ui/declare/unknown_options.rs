use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle, vresion = 2, version = 0)]
enum Job {
    #[on(start => Running, gaurd = check)]
    #[on(Start2Go => Running)]
    #[on(start(u8) => Running)]
    #[on(stop)]
    #[on]
    Idle,
    #[state(wrok, end, work)]
    #[after("15 min", stop)]
    #[after("5m")]
    #[fsm(version = 2)]
    Running,
}

fn main() {}
