use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = First)]
enum Twice {
    #[on(go => Second, method = proceed)]
    #[state(type = One, type = Two)]
    First,
    #[on(go => First, method = proceed)]
    Second,
}

#[derive(StateMachine)]
#[fsm(initial = First)]
enum Malformed {
    #[on(a => Second, method)]
    #[on(b => Second, method = "go")]
    #[on(c => Second, method = a::go)]
    #[on(d => Second, method = GoOn)]
    #[on(e => Second, method = fn)]
    #[state(type = struct)]
    First,
    #[on(go => First)]
    #[state(type = a::Second)]
    Second,
    #[on(go => First, methods = go_on)]
    #[state(type = 1)]
    Third,
}

fn main() {}
