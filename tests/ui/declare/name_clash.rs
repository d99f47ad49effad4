use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Machine)]
enum Job {
    #[on(fire => Event)]
    Machine,
    #[on(go_on => Machine)]
    #[on(go__on => Machine)]
    Event,
}

#[derive(StateMachine)]
#[fsm(initial = event)]
enum Lower {
    #[on(go => __Seal)]
    event,
    #[on(go => bool)]
    __Seal,
    #[on(go => event)]
    bool,
}

#[derive(StateMachine)]
#[fsm(initial = First)]
enum Renamed {
    #[on(go => Second)]
    #[state(type = Any)]
    First,
    #[on(back => First, method = go)]
    #[on(state => Third, method = data)]
    #[state(type = Stage)]
    Second,
    #[state(type = Stage)]
    #[on(back => First)]
    Third,
}

#[derive(StateMachine)]
#[fsm(initial = On)]
enum lamp {
    #[on(flip => On)]
    On,
}

#[derive(StateMachine)]
#[fsm(initial = On, module = Switch)]
enum Switch {
    #[on(flip => On)]
    On,
}

fn lit(lamp: lamp) -> lamp_::State {
    lamp.state()
}

fn main() {}
