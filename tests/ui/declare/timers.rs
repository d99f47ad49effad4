use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start => Running)]
    #[after("15m", strat)]
    Idle,
    #[on(stop { why: String, code: u8 } => Idle)]
    #[after("1h", stop { whi: String::new(), code: 1, code: 2 })]
    #[after("2h", stop)]
    Running,
}

fn main() {}
