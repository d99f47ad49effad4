use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(
    initial = Placed,
    require(before(Paid, Shipped), never(Refunded, Shipped), reaches(Shipped, Placed), never(Placed, Placed)),
)]
enum Order {
    #[on(pay => Paid)]
    #[on(trust => Packed)]
    Placed,
    #[on(pack => Packed)]
    #[on(refund => Refunded)]
    Paid,
    #[on(ship => Shipped)]
    Packed,
    #[on(charge => Paid)]
    Refunded,
    #[state(end)]
    Shipped,
}

fn main() {}
