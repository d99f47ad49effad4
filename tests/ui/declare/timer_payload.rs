use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Job {
    #[on(start { at: u8, by: u8 } => Running)]
    #[after("15m", start { at: 1 +, by: 2 })]
    Idle,
    #[on(stop { why: String, code: u8 } => Idle)]
    #[after("1h", stop { why: if true { "late" } else { "early" }, code: two words })]
    Running,
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Empty {
    #[on(start { at: u8, by: u8 } => Idle)]
    #[after("15m", start { at: , by: 2 })]
    Idle,
}

#[derive(StateMachine)]
#[fsm(initial = Idle)]
enum Numbered {
    #[on(start { at: u8 } => Idle)]
    #[after("15m", start { 0: 1 })]
    Idle,
}

fn main() {
    let _ = job::Machine::new(job::Idle).start(1, 2).stop(String::new(), 1);
}
