use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Draft, group(Active, on(hold => Held)))]
enum Source {
    #[on(go => A)]
    #[on(hold => Held)]
    Draft,
    #[state(in = Active)]
    #[on(go => A)]
    A,
    #[on(resume => history(Active))]
    Held { was: source::history::Active },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held), on(stop => Stopped)))]
enum Twice {
    #[state(in = Active)]
    #[on(go => B)]
    A { id: u64 },
    #[state(in = Active)]
    #[on(go => A)]
    B { id: u64 },
    #[on(resume => history(Active))]
    Held { id: u64, was: twice::history::Active },
    #[on(resume => history(Active))]
    Stopped(twice::history::Active),
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Outer, on(hold => Held), group(Inner, on(pause => Paused))))]
enum Endless {
    #[state(in = Inner)]
    #[on(go => A)]
    A,
    #[state(in = Outer)]
    #[on(resume => history(Inner))]
    Paused { was: endless::history::Inner, all: endless::history::Outer },
    #[on(resume => history(Outer, deep))]
    Held { was: endless::history::Outer },
}

#[derive(StateMachine)]
#[fsm(initial = A, group(Active, on(hold => Held)))]
enum Misspelled {
    #[state(in = Active)]
    #[on(go => A)]
    A,
    #[on(go => A)]
    Held { was: misspelled::history::Actve },
}

fn main() {}
