use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(
    initial = Idle,
    group(Active, on(stop => Idle), on(pause => Active), on(halt => Idle, except(Idle, Pausd)), no(stop => Idle)),
    group(Empty),
    group(Idle),
    group(Active),
)]
#[on(stop => Idle)]
enum Job {
    #[on(start => Running)]
    Idle,
    #[state(in = Active)]
    #[on(stop => Idle)]
    Running,
    #[state(in = Actve)]
    #[on(resume => Running)]
    Paused,
}

fn main() {}
