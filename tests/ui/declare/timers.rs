use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[after("15m", strat)]
    Idle,
    #[on(stop { why: String, code: u8 } => Idle)]
    #[after("1h", stop { whi: String::new(), code: 1, code: 2 })]
    #[after("2h", stop { why: String::new(), code: 1 })]
    Running,
}

#[derive(StateMachine)]
#[fsm(initial = Zero)]
enum Delays {
    #[on(next { why: String, code: u8 } => TooLong)]
    #[after("0s", next)]
    Zero,
    #[on(next => TooMany)]
    #[after("9999999999999d", next)]
    TooLong,
    #[on(next => NoPayload)]
    #[after("1h", next, again)]
    TooMany,
    #[on(next => Zero)]
    #[after("1h", next)]
    NoPayload,
}

fn main() {}
