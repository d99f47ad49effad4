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

/// Has none of serde's traits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cache(u8);

/// A cache as text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(cache: &super::Cache, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&cache.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<super::Cache, D::Error> {
        String::deserialize(deserializer)?.parse().map(super::Cache).map_err(D::Error::custom)
    }
}

/// A list of what is in a parcel.
#[derive(Serialize, Deserialize, Debug, Default)]
pub struct Items<T>(Vec<T>);

/// A parcel. Fields with attributes need none of serde's traits.
#[derive(fsm_runtime::StateMachine, Serialize, Deserialize)]
#[fsm(initial = Packed, durable, derive(Serialize, Deserialize, Debug))]
pub enum Parcel {
    #[on(send { items: Items<u8>, #[serde(with = "crate::attributes::as_text")] weight: Cache } => Sent)]
    Packed {
        #[serde(skip)]
        cache: Cache,
        items: self::Items<u8>,
    },
    #[state(end)]
    Sent {
        #[serde(default, rename = "list")]
        items: Items<u8>,
        #[serde(with = "crate::attributes::as_text")]
        weight: Cache,
    },
}

#[test]
fn attributes_of_serde_replace_its_traits() {
    let packed: parcel::Packed = serde_json::from_str(r#"{"items": [1]}"#).unwrap();
    assert_eq!(packed.cache, Cache::default());
    let event: parcel::event::Send = serde_json::from_str(r#"{"items": [2], "weight": "7"}"#).unwrap();
    let sent = parcel::Machine::new(packed).fire(event).into_data();
    assert_eq!(serde_json::to_string(&sent).unwrap(), r#"{"list":[2],"weight":"7"}"#);
}
