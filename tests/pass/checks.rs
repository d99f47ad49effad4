//! The forms of a guard and of a `with`: closures, lists, `bool` with a reason, paths of traits, and errors as reasons.

use std::fmt;

use fsm_core::{Reason, StateMachine};

/// Why a text is refused.
#[derive(Debug, PartialEq)]
enum Refusal {
    TooLong(usize),
    Closed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "{length} letters are too many"),
            Self::Closed => f.write_str("it is closed"),
        }
    }
}

impl std::error::Error for Refusal {}

/// A reason of its own, with `Into<Reason>`.
struct Code(u8);

impl From<Code> for Reason {
    fn from(Code(code): Code) -> Self {
        format!("code {code}").into()
    }
}

trait Ready {
    fn ready(draft: &text::Draft, event: &text::event::Check) -> Result<(), &'static str>;
    fn reset(draft: text::Draft, event: text::event::Reset) -> text::Draft;
}

impl Ready for Text {
    fn ready(draft: &text::Draft, _: &text::event::Check) -> Result<(), &'static str> {
        if draft.text.is_empty() { Err("it is empty") } else { Ok(()) }
    }

    fn reset(_: text::Draft, event: text::event::Reset) -> text::Draft {
        text::Draft { text: event.text, open: true }
    }
}

fn is_short(draft: &text::Draft, _: &text::event::Submit) -> Result<(), Refusal> {
    if draft.text.len() > 9 { Err(Refusal::TooLong(draft.text.len())) } else { Ok(()) }
}

fn is_open(draft: &text::Draft, _: &text::event::Submit) -> bool {
    draft.open
}

fn coded(_: &text::Draft, _: &text::event::Code) -> Result<(), Code> {
    Err(Code(7))
}

#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Draft, derive(Clone, Debug, PartialEq))]
enum Text {
    #[on(submit => Out, guard = [is_short, is_open else Refusal::Closed, |draft, _| !draft.text.is_empty() else "it is empty"])]
    #[on(check => Out, guard = <Self as Ready>::ready)]
    #[on(code => Out, guard = coded)]
    #[on(sign { by: String, at: u8 } => Out, guard = |draft, sign| if draft.text == sign.by { Ok(()) } else { Err("it is another's") })]
    #[on(limit { most: usize } => _, guard = |draft, limit| draft.text.len() < limit.most else format!("over {}", 1 + 1), with = |draft, _| draft)]
    #[on(reset { text: String } => Draft, with = <Text as Ready>::reset)]
    #[on(split => Out | Draft, with = |draft, _| if draft.open { text::Out.into() } else { draft.into() })]
    Draft { text: String, open: bool },
    #[state(end)]
    Out,
}

fn draft(text: &str, open: bool) -> text::Machine<text::Draft> {
    text::Machine::new(text::Draft { text: text.into(), open })
}

#[test]
fn the_first_refusal_of_a_list_counts() {
    let reason = |machine: text::Machine<text::Draft>| machine.submit().unwrap_err().reason;
    assert_eq!(reason(draft("0123456789", false)).downcast_ref(), Some(&Refusal::TooLong(10)));
    assert_eq!(reason(draft("", false)).downcast_ref(), Some(&Refusal::Closed));
    let empty = reason(draft("", true));
    assert_eq!((empty.as_str(), empty.downcast_ref::<Refusal>()), ("it is empty", None));
    assert!(draft("A", true).submit().is_ok());
}

#[test]
fn a_path_of_a_trait_is_a_guard_and_a_with() {
    assert_eq!(draft("", true).check().unwrap_err().reason.as_str(), "it is empty");
    assert_eq!(draft("A", false).reset("B".into()).data(), &text::Draft { text: "B".into(), open: true });
}

#[test]
fn a_closure_reads_state_and_event() {
    let refused = draft("A", true).sign("B".into(), 1).unwrap_err();
    assert_eq!(refused.to_string(), "refused by the guard: it is another's");
    assert!(refused.machine.sign("A".into(), 1).is_ok());
    assert_eq!(draft("AB", true).limit(2).unwrap_err().reason.as_str(), "over 2");
    assert_eq!(draft("A", true).limit(2).unwrap(), draft("A", true));
}

#[test]
fn a_closure_chooses_the_target() {
    assert!(matches!(draft("A", true).split(), text::choice::DraftSplit::Out(_)));
    assert!(matches!(draft("A", false).split(), text::choice::DraftSplit::Draft(_)));
}

#[test]
fn the_error_of_a_guard_is_given_back() {
    let text = Text::Draft { text: "0123456789".into(), open: true };
    let error = text.apply(text::event::Submit).unwrap_err();
    assert_eq!(error.to_string(), "`submit` was refused in state `Draft` of `Text`: 10 letters are too many");
    let reason = error.reason.unwrap();
    assert_eq!(reason.downcast_ref(), Some(&Refusal::TooLong(10)));
    assert_eq!(reason, Reason::from("10 letters are too many"));
    assert_eq!(reason.clone().error().unwrap().to_string(), reason.as_str());
    assert_eq!(draft("", true).code().unwrap_err().reason.as_str(), "code 7");
}
