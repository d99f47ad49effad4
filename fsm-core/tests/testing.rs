//! What `fsm_core::testing` finds and says, on a machine with everything that a graph does not know: a guard, a branch, data.

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

/// A text on its way to the reader.
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

fn born(state: State) -> Text {
    match state {
        State::Reprint => Text::Reprint { title: TITLE },
        _ => Text::Draft { title: TITLE },
    }
}

fn event(leg: Step<Text>, _: &Text) -> Event {
    match leg.event {
        EventKind::Submit => Submit { by: 1 }.into(),
        EventKind::Decide => Decide { score: if leg.to == State::Published { 9 } else { 1 } }.into(),
        EventKind::Withdraw => Withdraw.into(),
    }
}

fn shown(ways: &[impl ToString]) -> Vec<String> {
    ways.iter().map(ToString::to_string).collect()
}

#[test]
fn a_branch_is_a_leg_for_each_target() {
    let legs = steps_from::<Text>(State::Review);
    assert_eq!(
        shown(&legs),
        ["Review --decide--> Published", "Review --decide--> Draft", "Review --withdraw--> WITHDRAWN"]
    );
    assert!(steps_from::<Text>(State::Published).is_empty());
}

#[test]
fn simple_ways_come_to_no_state_twice() {
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
fn every_transition_has_a_way_and_the_machine_goes_it() {
    let ways = transition_paths::<Text>();
    let last: BTreeSet<_> = ways.iter().filter_map(|way| way.steps.last()).map(ToString::to_string).collect();
    let declared: BTreeSet<_> = State::ALL.iter().flat_map(|state| shown(&steps_from::<Text>(*state))).collect();
    assert_eq!((ways.len(), last), (declared.len(), declared));
    for way in ways {
        assert_eq!(way.follow(born(way.start), event).map(|text| text.state()), Ok(way.end()));
    }
}

#[test]
fn a_machine_that_goes_astray_is_told_with_the_whole_way() {
    let ways = transition_paths::<Text>();
    let way = ways.iter().find(|way| way.end() == State::Published).expect("there is one");
    let astray = |machine, event: &dyn Fn(Step<Text>, &Text) -> Event| {
        way.follow(machine, event).map(|text| text.state()).unwrap_err().to_string()
    };
    let shown = "Draft --submit--> Review --decide--> Published";
    assert_eq!(astray(Text::Withdrawn, &event), format!("leg 0 of {shown}: the machine stands in `WITHDRAWN`"));
    assert_eq!(
        astray(Text::Draft { title: "" }, &event),
        format!("leg 1 of {shown}: `submit` was refused in state `Draft` of `Text`: it has no title")
    );
    assert_eq!(
        astray(born(State::Draft), &|leg, text| match leg.event {
            EventKind::Decide => Decide { score: 0 }.into(),
            _ => event(leg, text),
        }),
        format!("leg 2 of {shown}: `decide` led to `Draft`")
    );
    assert_eq!(
        astray(born(State::Draft), &|_, _| Withdraw.into()),
        format!("leg 1 of {shown}: the test made `withdraw` for `submit`")
    );
}

#[test]
fn a_table_that_holds_passes() {
    assert_transitions! {
        (Text::Draft { title: TITLE }, Submit { by: 7 }) => Text::Review { title, by: 7 } if title == TITLE,
        (Text::Draft { title: "" }, Submit { by: 7 }) => refused "it has no title",
        (Text::Review { title: TITLE, by: 7 }, Decide { score: 9 }) => Text::Published { .. },
        (Text::Withdrawn, Withdraw) => rejected
    }
}

#[test]
fn a_table_that_does_not_hold_tells_every_row() {
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
7 of 8 transitions of `Text` are not as the table says:
  row 1: `submit` in `Draft` => Text::Review { by: 8, .. }: it leads to `Review`
  row 3: `withdraw` in `Draft` => rejected: it leads to `WITHDRAWN`
  row 4: `submit` in `Draft` => rejected: it is declared; its guard says: it has no title
  row 5: `submit` in `Draft` => refused \"no title\": `submit` was refused in state `Draft` of `Text`: it has no title
  row 6: `withdraw` in `WITHDRAWN` => refused \"it is over\": `withdraw` is not accepted in state `WITHDRAWN` of `Text`, \
which accepts none
  row 7: `withdraw` in `WITHDRAWN` => Text::Withdrawn: `withdraw` is not accepted in state `WITHDRAWN` of `Text`, \
which accepts none
  row 8: `withdraw` in `Draft` => refused \"it is over\": it leads to `WITHDRAWN`";
    assert_eq!(panic_of(table), expected);
}

fn panic_of(run: impl FnOnce()) -> String {
    let payload: Box<dyn Any + Send> = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    *payload.downcast().expect("the text is formatted")
}
