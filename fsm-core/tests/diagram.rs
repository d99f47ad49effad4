//! `diagram!` with a real file: a current diagram passes, and an outdated one is shown as a diff.

use fsm_core::{StateMachine, diagram};

/// A door.
#[derive(StateMachine)]
#[fsm(initial = Closed)]
enum Door {
    /// Nobody can enter.
    #[on(open => Open)]
    #[allow(dead_code)]
    Closed,
    /// Anybody can enter.
    #[on(close => Closed)]
    #[allow(dead_code)]
    Open,
}

diagram!(Door in "tests/door.md");

#[test]
fn the_file_matches_the_declaration() {
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
