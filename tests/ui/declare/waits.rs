use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Waiting)]
enum NotDurable {
    #[state(waits(payment: Payment in Captured => paid))]
    #[on(paid => Paid)]
    Waiting { payment: String },
    #[state(end)]
    Paid,
}

fn main() {}
