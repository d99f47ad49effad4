//! `diagram!` on a real file: it holds a true diagram, and rewrites a drifted one when it is told to.

use fsm_core::{StateMachine, diagram};

/// A door.
#[derive(StateMachine)]
#[fsm(initial = Closed)]
enum Door {
    /// Nobody gets in.
    #[on(open => Open)]
    #[allow(dead_code)]
    Closed,
    /// Anybody does.
    #[on(close => Closed)]
    #[allow(dead_code)]
    Open,
}

diagram!(Door in "tests/door.md");

#[test]
fn the_file_is_what_is_declared() {
    let text = include_str!("door.md");
    assert_eq!(diagram::check(text, Door::GRAPH), Ok(None));
    let drifted = text.replace("open", "unlock");
    let drift = diagram::check(&drifted, Door::GRAPH).unwrap().unwrap();
    assert_eq!(drift.updated(), text);
    assert!(
        drift.to_string().ends_with(
            "-     Closed --> Open : unlock\n+     Closed --> Open : open\n      Open --> Closed : close\n  ```"
        ),
        "{drift}"
    );
}
