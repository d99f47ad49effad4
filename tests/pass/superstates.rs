//! Superstates give their members transitions; properties of the graph are proved; `auto`, `remove` are in the graph.

use fsm_core::StateMachine;

/// A subscription.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(
    initial = Trial,
    derive(Clone, Debug, PartialEq),
    group(Active, on(suspend { why: String } => Suspended), on(upgrade => Paid, except(Paid))),
    group(Closed),
    require(before(Paid, Ended), never(Ended, Trial), reaches(Suspended, Paid))
)]
#[on(forget => Forgotten, except(Ended))]
pub enum Subscription {
    /// For nothing.
    #[state(in = Active)]
    Trial,
    /// For money.
    #[state(in = Active)]
    #[on(end => Ended)]
    Paid,
    /// Not at the moment.
    #[on(resume => Paid, auto)]
    Suspended {
        /// The reason.
        why: String,
    },
    /// Can be revived.
    #[state(in = Closed)]
    #[on(revive => Paid)]
    Ended,
    /// Nothing is left.
    #[state(end, remove, in = Closed)]
    Forgotten,
}

#[test]
fn members_share_the_transitions_of_their_superstate() {
    let suspended = subscription::Machine::new(subscription::Trial).suspend("holiday".into());
    assert_eq!(suspended.why, "holiday");
    let suspended = suspended.resume().suspend("again".into());
    assert_eq!(suspended.forget().state(), subscription::State::Forgotten);
    assert!(subscription::State::Trial.accepts().contains(&subscription::EventKind::Upgrade));
    assert!(!subscription::State::Paid.accepts().contains(&subscription::EventKind::Upgrade));
    let graph = Subscription::GRAPH;
    assert_eq!(graph.groups.iter().map(|group| group.name).collect::<Vec<_>>(), ["Active", "Closed"]);
    assert_eq!(graph.state("Paid").unwrap().group, Some("Active"));
    assert!(graph.transition("Suspended", "resume").unwrap().auto && graph.state("Forgotten").unwrap().remove);
    let drawn = graph.mermaid().docs(false).to_string();
    let nested =
        "    state \"Active\" as Active {\n        state \"Trial\" as Trial\n        state \"Paid\" as Paid\n    }\n";
    assert!(drawn.contains(nested), "{drawn}");
}
