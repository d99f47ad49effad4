use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Reserving, saga(undone = Cancelled))]
enum Trip {
    #[state(work, undo = none)]
    #[on(reserved => Booked)]
    #[on(fail => undo)]
    Reserving,
    #[state(end)]
    Booked,
    #[state(end)]
    Cancelled,
}

fn main() {}
