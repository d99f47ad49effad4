//! Names and texts that Mermaid could misread. `tests/mermaid` runs Mermaid's own parser on this diagram.
#![allow(dead_code)]

use fsm_core::{StateMachine, diagram};

/// Awkward.
#[derive(StateMachine)]
#[fsm(initial = Note | Class, group(Style, on(default => End)))]
enum Awkward {
    /// note left of: "this", or `that`; end note %% no comment
    #[on(style => Class)]
    #[state(in = Style)]
    Note,
    /// <b>bold</b> {brace} [bracket] #hash a --> b
    #[on(direction => AccTitle)]
    #[state(in = Style)]
    Class,
    #[on(end => ClassDef, guard = never)]
    #[after("1d 2h 3m 4s 5ms", end)]
    #[state(name = "INIT-REBOOT: *now*")]
    AccTitle,
    #[state(work, name = "[*]")]
    #[on(note => Äpfel)]
    ClassDef,
    /// Über den Rand — mit Umlauten.
    #[on(r#as => As)]
    Äpfel,
    #[on(hide => End)]
    As,
    #[state(end)]
    End,
}

fn never(_: &awkward::AccTitle, _: &awkward::event::End) -> Result<(), &'static str> {
    Err("never")
}

diagram!(Awkward in "tests/names.md");
