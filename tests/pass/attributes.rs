//! Attributes on fields are passed on: serde's, docs; `cfg` omits variants and fields.

use fsm_core::StateMachine;
use serde::{Deserialize, Serialize};

/// A letter.
#[derive(StateMachine, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[fsm(initial = Draft, derive(Serialize, Deserialize, Clone, Debug, PartialEq))]
#[cfg_attr(any(), on(burn => Burnt))]
pub enum Letter {
    /// Being written.
    #[on(send { #[serde(rename = "to")] addressee: String } => Sent)]
    #[cfg_attr(any(), on(fold => Folded))]
    Draft {
        /// What it says.
        #[serde(rename = "body", default)]
        text: String,
        #[cfg(any())]
        missing: NoSuchType,
    },
    #[cfg(any())]
    Folded(NoSuchType),
    /// On its way.
    #[state(end)]
    Sent {
        /// What it says.
        #[serde(rename = "body")]
        text: String,
        /// To whom.
        addressee: String,
    },
}

#[test]
fn serde_attributes_are_passed_on() {
    let draft: letter::Draft = serde_json::from_str("{}").unwrap();
    let event: letter::event::Send = serde_json::from_str(r#"{"to": "Ada"}"#).unwrap();
    let sent = letter::Machine::new(draft).fire(event).into_data();
    assert_eq!(serde_json::to_string(&sent).unwrap(), r#"{"body":"","addressee":"Ada"}"#);
    let event = letter::Event::from(letter::event::Send { addressee: "Bob".into() });
    assert_eq!(serde_json::to_string(&event).unwrap(), r#"{"Send":{"to":"Bob"}}"#);
}
