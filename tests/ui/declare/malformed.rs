//! Malformed attributes: each causes one error, which says what is expected.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A, version = "3", module = "m", crate = "x", context, derive = Clone, group, require)]
enum Options {
    #[on(go => A)]
    A,
}

#[derive(StateMachine)]
#[fsm]
enum Empty {
    #[on(go => A)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = "A")]
enum Quoted {
    #[on(go => A)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = Pathed::A)]
enum Pathed {
    #[on(go => Self::B)]
    A,
    #[state(end)]
    B,
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(go -> B)), group(Idle on(stop => B)))]
enum Groups {
    #[state(in = Active)]
    A,
    #[state(in = Idle)]
    B,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Events {
    #[on]
    #[on()]
    #[on(A)]
    #[on(move => A)]
    #[on(self => A)]
    #[on("go" => A)]
    #[on(& => A)]
    #[on(no_target => )]
    #[on(one_more => A | )]
    #[on(no_comma => A B)]
    #[on(tuple(u8) => A)]
    #[on(no_guard => A, guard)]
    #[on(empty_guard => A, guard = )]
    #[on(closure => A, guard = |a, b)]
    #[on(called => A, with = build())]
    #[on(quoted => A, with = "build")]
    #[on(a_value => A, auto = true)]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum States {
    #[state]
    #[state(work = true)]
    #[state(was)]
    #[state(was = Old)]
    #[state(name = "")]
    #[state(in = "Active")]
    #[state(checkpoint)]
    #[state()]
    A,
}

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Timers {
    #[after]
    #[after()]
    #[after("15m")]
    #[after("15m", go also)]
    #[on(go => A)]
    A,
}

fn main() {}
