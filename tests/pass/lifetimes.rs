//! Bounds between the lifetimes of an enum, which generated types need as well.
#![deny(rust_2018_idioms)]

use fsm_core::StateMachine;

#[derive(Clone, Debug, PartialEq)]
pub struct Token<'src>(pub &'src str);

/// `&'a [Token<'src>]` implies `'src: 'a`, also for transitions between states without `'a`.
#[derive(StateMachine, Debug)]
#[fsm(initial = Lexed, derive(Debug))]
pub enum Parse<'a, 'src> {
    #[on(parsed { root: &'src str } => Parsed)]
    Lexed { tokens: &'a [Token<'src>] },
    #[on(checked => Checked)]
    Parsed { root: &'src str },
    #[state(end)]
    Checked { root: &'src str },
}

/// The same in a payload.
#[derive(StateMachine)]
#[fsm(initial = Idle)]
pub enum Search<'m, 's> {
    #[on(found { word: &'m &'s str } => Done)]
    #[on(keep { other: &'s str } => Other)]
    Idle,
    #[on(reset => Idle)]
    Done { word: &'m &'s str },
    #[on(forget => Idle)]
    Other { other: &'s str },
}

#[derive(Debug)]
pub struct Cursor<'a, 'src>(pub &'a [Token<'src>]);

/// No reference implies the bound here. It is written, and the lint that reads the enum alone is silenced.
#[derive(StateMachine, Debug)]
#[fsm(initial = Reading, derive(Debug))]
#[allow(explicit_outlives_requirements)]
pub enum Read<'a, 'src: 'a> {
    #[on(read { last: &'src str } => Half)]
    Reading { cursor: Cursor<'a, 'src> },
    #[on(end => End)]
    Half { last: &'src str },
    #[state(end)]
    End { last: &'src str },
}

#[test]
fn lifetimes_are_bounded_as_in_the_enum() {
    let source = String::from("a b");
    let tokens: Vec<_> = source.split(' ').map(Token).collect();
    let parsed = parse::Machine::new(parse::Lexed { tokens: &tokens }).parsed(tokens[0].0);
    assert_eq!(parsed.checked().into_data().root, "a");
    let reading = read::Machine::new(read::Reading { cursor: Cursor(&tokens) });
    assert_eq!(reading.cursor.0.len(), 2);
    assert_eq!(reading.read("b").end().into_data().last, "b");
}
