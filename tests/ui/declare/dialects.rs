//! Words and forms of other libraries: one error each, with the line as it should be.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Words {
    #[state(initial)]
    #[state(transient)]
    #[on(go => B, when = check)]
    #[on(act => B, action = act)]
    #[on(stay => A, internal)]
    #[on(to => B, target = B)]
    #[on(one => B, two => A)]
    A,
    #[state(final)]
    B,
}

fn check(_: &words::A, _: &words::event::Go) -> Result<(), &'static str> {
    Ok(())
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Forms {
    #[on(go -> B)]
    #[on("Go" => "B")]
    #[on(A + go = B)]
    #[on(event = "Go", to = B)]
    #[on(go, to = B)]
    #[on(from = A, to = B)]
    #[on(stop = B)]
    #[on(=> B)]
    #[on(Stop => B)]
    #[on(pair(u8) => B)]
    #[after(5s, go)]
    A,
    #[state(end)]
    B,
}

#[derive(StateMachine)]
#[fsm(start = A, states(A, B))]
enum Options {
    #[on(go => A)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Targets {
    #[on(one => _ | A)]
    #[on(two => A | Self, with = f)]
    #[on(three => _, auto)]
    #[on(four | five => A, method = f)]
    #[on(six => A)]
    A,
}

fn main() {}
