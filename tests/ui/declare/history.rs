use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
enum Unknown {
    #[state(in = Active)]
    #[on(go => B)]
    A,
    #[on(go => history(A))]
    B,
    #[on(resume => history(Actve))]
    #[on(retry => history(B))]
    Held { was: unknown::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
enum Malformed {
    #[state(in = Active)]
    #[on(one => history())]
    #[on(two => history(Active) | A)]
    #[on(three => A | history(Active))]
    #[on(four => history(Active, depe))]
    A,
    #[on(resume => history(Active))]
    Held { was: malformed::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
#[on(back => history(Active), except(Held))]
enum Inside {
    #[state(in = Active)]
    #[on(go => B)]
    A,
    #[state(in = Active)]
    #[on(go => history(Active))]
    B,
    #[on(resume => history(Active))]
    Held { was: inside::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held), on(stop => Stopped)))]
enum Holds {
    #[state(in = Active)]
    #[on(go => A)]
    A,
    #[on(resume => history(Active))]
    Held,
    #[on(resume => history(Active))]
    Stopped { was: holds::history::Active, again: holds::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Outer, on(hold => Held), group(Inner)))]
enum Nested {
    #[state(in = Outer)]
    #[on(go => B)]
    A,
    #[state(in = Inner)]
    #[on(go => A)]
    B,
    #[on(resume => history(Outer))]
    Held { was: nested::history::Outer },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
enum With {
    #[state(in = Active)]
    #[on(go => A)]
    A,
    #[on(resume => history(Active), with = resume)]
    Held { was: with::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active))]
enum NeverLeft {
    #[state(in = Active)]
    #[on(go => B)]
    A,
    #[on(hold { was: never_left::history::Active } => Held)]
    B,
    #[on(resume => history(Active))]
    Held { was: never_left::history::Active },
}

fn main() {}
