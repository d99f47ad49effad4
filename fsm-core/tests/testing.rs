//! `fsm_core::testing` on a machine with a guard, a branch and data.

use std::{
    any::Any,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use fsm_core::{
    StateMachine, assert_transitions,
    testing::{Step, simple_paths, steps_from, transition_paths},
};
use text::{
    Event, EventKind, State,
    event::{Decide, Submit, Withdraw},
};

/// A text in an editorial workflow.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Draft | Reprint, derive(Clone, Debug, PartialEq))]
#[on(withdraw => Withdrawn)]
enum Text {
    #[on(submit { by: u8 } => Review, guard = has_title)]
    Draft { title: &'static str },
    #[on(decide { score: u8 } => Published | Draft, with = decide)]
    Review { title: &'static str, by: u8 },
    #[on(decide => Published)]
    Reprint { title: &'static str },
    #[state(end)]
    Published { title: &'static str },
    #[state(end, name = "WITHDRAWN")]
    Withdrawn,
}

fn has_title(draft: &text::Draft, _: &Submit) -> Result<(), &'static str> {
    if draft.title.is_empty() { Err("it has no title") } else { Ok(()) }
}

#[allow(clippy::needless_pass_by_value, reason = "a `with` takes the event")]
fn decide(review: text::Review, event: Decide) -> text::choice::ReviewDecide {
    let title = review.title;
    if event.score > 5 { text::Published { title }.into() } else { text::Draft { title }.into() }
}

const TITLE: &str = "On states";

fn initial(state: State) -> Text {
    match state {
        State::Reprint => Text::Reprint { title: TITLE },
        _ => Text::Draft { title: TITLE },
    }
}

fn event(step: Step<Text>, _: &Text) -> Event {
    match step.event {
        EventKind::Submit => Submit { by: 1 }.into(),
        EventKind::Decide => Decide { score: if step.to == State::Published { 9 } else { 1 } }.into(),
        EventKind::Withdraw => Withdraw.into(),
    }
}

fn shown(paths: &[impl ToString]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn a_branch_has_a_step_for_each_target() {
    let steps = steps_from::<Text>(State::Review);
    assert_eq!(
        shown(&steps),
        ["Review --decide--> Published", "Review --decide--> Draft", "Review --withdraw--> WITHDRAWN"]
    );
    assert!(steps_from::<Text>(State::Published).is_empty());
}

#[test]
fn simple_paths_visit_no_state_twice() {
    assert_eq!(shown(&simple_paths::<Text>(0)), ["Draft", "Reprint"]);
    let all = [
        "Draft",
        "Draft --submit--> Review",
        "Draft --submit--> Review --decide--> Published",
        "Draft --submit--> Review --withdraw--> WITHDRAWN",
        "Draft --withdraw--> WITHDRAWN",
        "Reprint",
        "Reprint --decide--> Published",
        "Reprint --withdraw--> WITHDRAWN",
    ];
    assert_eq!(shown(&simple_paths::<Text>(2)), all);
    assert_eq!(shown(&simple_paths::<Text>(usize::MAX)), all);
}

#[test]
fn every_transition_has_a_path_that_can_be_followed() {
    let paths = transition_paths::<Text>();
    let last: BTreeSet<_> = paths.iter().filter_map(|path| path.steps.last()).map(ToString::to_string).collect();
    let declared: BTreeSet<_> = State::ALL.iter().flat_map(|state| shown(&steps_from::<Text>(*state))).collect();
    assert_eq!((paths.len(), last), (declared.len(), declared));
    for path in paths {
        assert_eq!(path.follow(initial(path.start), event).map(|text| text.state()), Ok(path.end()));
    }
}

#[test]
fn a_deviation_is_reported_with_the_whole_path() {
    let paths = transition_paths::<Text>();
    let path = paths.iter().find(|path| path.end() == State::Published).expect("there is one");
    let error = |machine, event: &dyn Fn(Step<Text>, &Text) -> Event| {
        path.follow(machine, event).map(|text| text.state()).unwrap_err().to_string()
    };
    let shown = "Draft --submit--> Review --decide--> Published";
    assert_eq!(error(Text::Withdrawn, &event), format!("start of {shown}: the machine is in state `WITHDRAWN`"));
    assert_eq!(
        error(Text::Draft { title: "" }, &event),
        format!("step 1 of {shown}: `submit` was refused in state `Draft` of `Text`: it has no title")
    );
    assert_eq!(
        error(initial(State::Draft), &|step, text| match step.event {
            EventKind::Decide => Decide { score: 0 }.into(),
            _ => event(step, text),
        }),
        format!("step 2 of {shown}: `decide` led to state `Draft`")
    );
    assert_eq!(
        error(initial(State::Draft), &|_, _| Withdraw.into()),
        format!("step 1 of {shown}: expected event `submit`, got `withdraw`")
    );
}

#[test]
fn a_correct_table_passes() {
    assert_transitions! {
        (Text::Draft { title: TITLE }, Submit { by: 7 }) => Text::Review { title, by: 7 } if title == TITLE,
        (Text::Draft { title: "" }, Submit { by: 7 }) => refused "it has no title",
        (Text::Review { title: TITLE, by: 7 }, Decide { score: 9 }) => Text::Published { .. },
        (Text::Withdrawn, Withdraw) => rejected
    }
}

#[test]
fn a_failing_table_lists_every_wrong_row() {
    let table = || {
        assert_transitions! {
            (Text::Draft { title: TITLE }, Submit { by: 7 }) => Text::Review { by: 8, .. },
            (Text::Draft { title: TITLE }, Withdraw) => Text::Withdrawn,
            (Text::Draft { title: TITLE }, Withdraw) => rejected,
            (Text::Draft { title: "" }, Submit { by: 7 }) => rejected,
            (Text::Draft { title: "" }, Submit { by: 7 }) => refused "no title",
            (Text::Withdrawn, Withdraw) => refused "it is over",
            (Text::Withdrawn, Withdraw) => Text::Withdrawn,
            (Text::Draft { title: TITLE }, Withdraw) => refused "it is over",
        }
    };
    let expected = "\
7 of 8 transitions of `Text` differ from the table:
  row 1: `submit` in `Draft` => Text::Review { by: 8, .. }: leads to `Review`
  row 3: `withdraw` in `Draft` => rejected: leads to `WITHDRAWN`
  row 4: `submit` in `Draft` => rejected: declared, but refused by its guard: it has no title
  row 5: `submit` in `Draft` => refused \"no title\": `submit` was refused in state `Draft` of `Text`: it has no title
  row 6: `withdraw` in `WITHDRAWN` => refused \"it is over\": `withdraw` is not accepted in state `WITHDRAWN` of `Text`, \
which accepts none
  row 7: `withdraw` in `WITHDRAWN` => Text::Withdrawn: `withdraw` is not accepted in state `WITHDRAWN` of `Text`, \
which accepts none
  row 8: `withdraw` in `Draft` => refused \"it is over\": leads to `WITHDRAWN`";
    assert_eq!(panic_of(table), expected);
}

fn panic_of(run: impl FnOnce()) -> String {
    let payload: Box<dyn Any + Send> = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    *payload.downcast().expect("the text is formatted")
}
