use fsm_core::StateMachine;
use std::time::SystemTime;

#[derive(StateMachine)]
#[fsm(initial = Offered)]
#[at(|offer| offer.until, lapse)]
enum Offer {
    #[on(lapse => Lapsed)]
    #[at(|offer| offer.until, lapse)]
    Offered { until: SystemTime },
    #[state(end, at = 3)]
    Lapsed,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Forms {
    #[on(go => B)]
    #[at("15m", go)]
    A,
    #[on(go => C)]
    #[at(|state| state.until)]
    B,
    #[on(go => D)]
    #[at]
    C,
    #[on(go => A)]
    #[after(async |state| std::time::Duration::ZERO, go)]
    D,
}

fn main() {}
