//! Tuple, struct and unit variants in one enum, with raw identifiers and docs on fields.

use fsm_core::StateMachine;

/// A parcel.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = r#Box | Bag, derive(Clone, Debug, PartialEq))]
pub enum Parcel {
    /// Its weight, and to whom it goes.
    #[on(r#move => Moving)]
    #[on(weigh { r#type: u8 } => Weighed)]
    r#Box(u32, String),
    /// Empty.
    #[on(fill { weight: u32 } => Full)]
    Bag,
    /// Tuple to tuple: the fields at the same places.
    #[on(stop => Stopped)]
    Moving(u32, String),
    /// Only the first place is kept.
    #[on(again => Stopped)]
    Stopped(u32),
    /// By name.
    #[on(empty => Bag)]
    #[on(check => Full)]
    Full {
        /// In grams.
        weight: u32,
    },
    /// A raw field.
    #[on(again => Weighed)]
    #[on(pack => Nothing)]
    Weighed {
        /// Of scale.
        r#type: u8,
    },
    /// No fields, but braces.
    #[on(unpack => Unit)]
    Nothing {},
    /// No fields, but parentheses.
    #[on(unpack => Bag)]
    Unit(),
}

#[test]
fn fields_are_carried_over() {
    let boxed = parcel::Machine::new(parcel::r#Box(5, "Ada".into()));
    let moving = boxed.clone().r#move();
    assert_eq!(moving.data(), &parcel::Moving(5, "Ada".into()));
    assert_eq!(moving.stop().again().into_data(), parcel::Stopped(5));
    assert_eq!(boxed.weigh(3).again().r#type, 3);
    assert_eq!(parcel::Machine::new(parcel::Bag).fill(9).check().weight, 9);
    assert_eq!(parcel::State::r#Box.to_string(), "Box");
    assert_eq!(parcel::EventKind::Move.to_string(), "move");
    assert_eq!(Parcel::Nothing {}.apply(parcel::event::Unpack).unwrap(), Parcel::Unit());
    assert_eq!(Parcel::GRAPH.event("weigh").unwrap().fields[0].name, "type");
    assert_eq!(Parcel::GRAPH.state("Moving").unwrap().fields[1].name, "1");
}
