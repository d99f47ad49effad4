//! How graphs show that callers cannot fire a transition.

use fsm_core::{FiredBy, Graph, StateInfo, StateKind, TransitionInfo};

const ORDER: Graph = Graph::new("Order")
    .with_states(&[
        StateInfo::new("Charging").with_initial(true).with_kind(StateKind::Work),
        StateInfo::new("Paid").with_kind(StateKind::End),
    ])
    .with_transitions(&[
        TransitionInfo::new("Charging", "paid", &["Paid"]).with_by(FiredBy::Worker),
        TransitionInfo::new("Charging", "tick", &["Charging"]).with_internal(true).with_by(FiredBy::Worker),
        TransitionInfo::new("Charging", "waive", &["Paid"]),
    ]);

/// The lines with the name of an event.
fn lines(text: &str, event: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains(event)).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn drawings_and_the_table_show_it() {
    let mermaid = ORDER.mermaid().to_string();
    assert_eq!(lines(&mermaid, "paid"), ["Charging --> Paid : paid (by worker)"]);
    assert_eq!(lines(&mermaid, "tick"), ["Charging --> Charging : tick (stays) (by worker)"]);
    assert_eq!(lines(&mermaid, "waive"), ["Charging --> Paid : waive"]);
    let dot = ORDER.dot().to_string();
    assert_eq!(lines(&dot, "paid"), [r#""Charging" -> "Paid" [label="paid (by worker)"];"#]);
    let table = ORDER.table().to_string();
    assert_eq!(lines(&table, "paid"), ["| `Charging` | `paid` | `Paid` | by worker only |"]);
    assert_eq!(lines(&table, "waive"), ["| `Charging` | `waive` | `Paid` | by work |"]);
}

#[test]
fn exports_have_it() {
    let json = ORDER.json().to_string();
    assert!(json.contains(
        r#""event":"paid","to":["Paid"],"internal":false,"history":null,"overrides":null,"guarded":false,"rewinds":[],"auto":false,"by":"worker""#
    ));
    assert_eq!(json.matches(r#""by":"anyone""#).count(), 1);
    let scxml = ORDER.scxml().to_string();
    assert_eq!(lines(&scxml, "paid"), [r#"<transition event="paid" target="Paid" fsm:by="worker"/>"#]);
    assert_eq!(lines(&scxml, "waive"), [r#"<transition event="waive" target="Paid"/>"#]);
    let xstate = ORDER.xstate_json().to_string();
    assert!(xstate.contains(r##""paid":{"target":"#Order.Paid","description":"by worker"}"##), "{xstate}");
    assert!(xstate.contains(r#""tick":{"actions":["tick"],"description":"by worker"}"#), "{xstate}");
    assert!(xstate.contains(r##""waive":{"target":"#Order.Paid"}"##), "{xstate}");
}

/// Rows survive a change of it.
#[test]
fn the_fingerprint_does_not_depend_on_it() {
    const OPEN: Graph = ORDER.with_transitions(&[TransitionInfo::new("Charging", "paid", &["Paid"])]);
    assert_eq!(ORDER.fingerprint(), OPEN.fingerprint());
}
