//! Nested superstates, overriding declarations, internal transitions, `Self`, and several events in one line.

use fsm_core::{Graph, StateMachine};

/// A document under review.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(
    initial = Draft,
    derive(Clone, Debug, PartialEq),
    group(
        Open,
        on(cancel | withdraw => Cancelled),
        on(escalate => Legal),
        group(InReview, on(reject => Draft), on(escalate => _), group(Expert, on(reject => Peer)))
    )
)]
#[on(note { text: String } => _, with = note::<_>)]
#[on(touch => Self)]
pub enum Document {
    /// Being written.
    #[state(in = Open)]
    #[on(submit => Peer)]
    #[on(rename { title: String } => _, with = rename)]
    Draft { title: String },
    /// Read by a peer.
    #[state(in = InReview)]
    #[on(approve => Legal)]
    Peer { title: String },
    /// Read by a lawyer.
    #[state(in = Expert)]
    #[on(approve | accept => Published | Self, with = decide)]
    #[on(touch => Peer)]
    Legal { title: String },
    /// Public.
    #[state(end)]
    Published { title: String },
    /// Given up.
    #[state(end)]
    Cancelled,
}

fn note<S>(state: S, _: document::event::Note) -> S {
    state
}

fn rename(_: document::Draft, event: document::event::Rename) -> document::Draft {
    document::Draft { title: event.title }
}

fn decide<E>(legal: document::Legal, _: E) -> document::choice::LegalApprove {
    match legal.title.as_str() {
        "secret" => legal.into(),
        _ => document::Published { title: legal.title }.into(),
    }
}

fn draft(title: &str) -> document::Machine<document::Draft> {
    document::Machine::new(document::Draft { title: title.into() })
}

#[test]
fn an_internal_transition_stays_in_its_state() {
    let renamed = draft("a").rename("b".into()).note("n".into());
    assert_eq!((renamed.state(), renamed.title.as_str()), (document::State::Draft, "b"));
    let rename = Document::GRAPH.transition("Draft", "rename").expect("it is declared");
    assert_eq!((rename.internal, rename.to), (true, &["Draft"][..]));
    let touch = Document::GRAPH.transition("Draft", "touch").expect("it is declared");
    assert_eq!((touch.internal, touch.to), (false, &["Draft"][..]));
    let applied = Document::from(renamed).apply(document::event::Rename { title: "c".into() });
    assert_eq!(applied.expect("it is accepted"), Document::Draft { title: "c".into() });
}

#[test]
fn an_inner_declaration_overrides_outer_ones() {
    const GRAPH: &Graph = Document::GRAPH;
    let transition = |from, event| GRAPH.transition(from, event).expect("it is declared");
    assert_eq!(transition("Peer", "reject").to, ["Draft"]);
    assert_eq!(
        (transition("Legal", "reject").to, transition("Legal", "reject").overrides),
        (&["Peer"][..], Some("InReview"))
    );
    assert_eq!((transition("Draft", "escalate").to, transition("Draft", "escalate").overrides), (&["Legal"][..], None));
    assert_eq!(
        (transition("Peer", "escalate").internal, transition("Peer", "escalate").overrides),
        (true, Some("Open"))
    );
    assert_eq!(
        (transition("Legal", "touch").to, transition("Legal", "touch").overrides),
        (&["Peer"][..], Some("Document"))
    );
    assert_eq!(draft("a").submit().approve().reject().state(), document::State::Peer);
}

#[test]
fn events_of_one_line_share_targets_and_choice() {
    assert_eq!(draft("a").withdraw().state(), document::State::Cancelled);
    assert_eq!(draft("a").cancel().state(), document::State::Cancelled);
    let legal = || draft("secret").escalate();
    assert!(matches!(legal().accept(), document::choice::LegalApprove::Legal(_)));
    assert!(matches!(legal().approve(), document::choice::LegalApprove::Legal(_)));
    assert!(matches!(draft("a").escalate().accept(), document::choice::LegalApprove::Published(_)));
}

#[test]
fn superstates_are_drawn_within_each_other() {
    let graph = Document::GRAPH;
    let groups: Vec<_> = graph.groups_of("Legal").map(|group| group.name).collect();
    assert_eq!(groups, ["Expert", "InReview", "Open"]);
    let mermaid = graph.mermaid().docs(false).to_string();
    let nested = r#"    state "Open" as Open {
        state "Draft" as Draft
        state "InReview" as InReview {
            state "Peer" as Peer
            state "Expert" as Expert {
                state "Legal" as Legal
            }
        }
    }
"#;
    assert!(mermaid.contains(nested), "{mermaid}");
    assert!(mermaid.contains("    Open --> Cancelled : withdraw\n"), "{mermaid}");
    assert!(mermaid.contains("    Legal --> Peer : reject (overrides InReview)\n"), "{mermaid}");
    assert!(mermaid.contains("    Draft --> Draft : rename (stays)\n"), "{mermaid}");
    let dot = graph.dot().to_string();
    assert!(dot.contains("        subgraph cluster_1 {\n            label=\"InReview\";\n"), "{dot}");
    let table = graph.table().to_string();
    assert!(table.contains("| `Legal` | `reject` | `Peer` | overrides `InReview` |"), "{table}");
    assert!(table.contains("| `Draft` | `rename` | stays |"), "{table}");
}
