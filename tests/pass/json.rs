//! The JSON of names and events, with and without `durable`.

use fsm_core::StateMachine;
use serde::{Deserialize, Serialize};

/// With a renamed state.
#[derive(StateMachine, Debug)]
#[fsm(initial = Cart, derive(Debug, PartialEq, Serialize, Deserialize))]
enum Order {
    #[on(place => Placed)]
    #[on(drop_off { at: String, times: u8 } => Placed)]
    Cart,
    #[state(end, was = "Ordered", was = "Taken")]
    Placed,
}

/// The events borrow and are generic.
#[derive(StateMachine)]
#[fsm(initial = Empty, derive(Serialize, Deserialize))]
enum Parcel<'a, T> {
    #[on(fill { content: T } => Full)]
    #[on(label { text: &'a str } => Labelled)]
    Empty,
    #[on(clear => Empty)]
    Full { content: T },
    #[on(clear => Empty)]
    Labelled { text: &'a str },
}

#[test]
fn names_are_serialized_as_they_are_printed() {
    let state = order::State::Placed;
    assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
    assert_eq!(serde_json::to_string(&order::EventKind::DropOff).unwrap(), "\"drop_off\"");
    for name in ["Placed", "Ordered", "Taken"] {
        assert_eq!(name.parse(), Ok(state), "a former name is read, too");
        assert_eq!(serde_json::from_str::<order::State>(&format!("\"{name}\"")).unwrap(), state);
    }
    let unknown = serde_json::from_str::<order::State>("\"Gone\"").unwrap_err().to_string();
    assert!(unknown.starts_with("unknown state of `Order`: `Gone`; expected `Cart` or `Placed`"), "{unknown}");
    assert!(serde_json::from_str::<order::EventKind>("7").unwrap_err().to_string().contains("an event of `Order`"));
    assert_eq!(AsRef::<str>::as_ref(&order::EventKind::Place), "place");
}

#[test]
fn an_event_without_a_payload_is_its_name() {
    let place = order::Event::from(order::event::Place);
    assert_eq!(serde_json::to_string(&place).unwrap(), "\"Place\"");
    for text in ["\"Place\"", "\"place\"", "{\"Place\":null}"] {
        assert_eq!(serde_json::from_str::<order::Event>(text).unwrap(), place, "{text}");
    }
    let drop_off = order::Event::from(order::event::DropOff { at: "door".into(), times: 2 });
    let text = serde_json::to_string(&drop_off).unwrap();
    assert_eq!(text, r#"{"DropOff":{"at":"door","times":2}}"#);
    assert_eq!(serde_json::from_str::<order::Event>(&text).unwrap(), drop_off);
    assert_eq!(serde_json::from_str::<order::Event>(&text.replace("DropOff", "drop_off")).unwrap(), drop_off);
    let unknown = serde_json::from_str::<order::Event>("\"Ship\"").unwrap_err().to_string();
    assert!(unknown.starts_with("unknown event of `Order`: `Ship`; expected `place` or `drop_off`"), "{unknown}");
}

#[test]
fn generic_and_borrowing_events_are_serialized() {
    let text = String::from(r#"{"Label":{"text":"fragile"}}"#);
    let event: parcel::Event<'_, u8> = serde_json::from_str(&text).unwrap();
    assert!(matches!(&event, parcel::Event::Label(label) if label.text == "fragile"));
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
    let fill: parcel::Event<'_, u8> = parcel::event::Fill { content: 3 }.into();
    assert_eq!(serde_json::to_string(&fill).unwrap(), r#"{"Fill":{"content":3}}"#);
}
