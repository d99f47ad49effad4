//! `Any`: its conversions, what it can be asked, and a machine that is moved in place.

#![allow(clippy::needless_pass_by_value, reason = "a `with` takes the event, though it only reads it")]

use fsm_core::{AnyMachine, NotInStateError, Slot, SlotError, StateMachine, StateOf};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A door with a code. It is neither `Clone` nor `Default`.
#[derive(StateMachine, Debug, PartialEq)]
#[fsm(initial = Open, derive(Debug, PartialEq))]
enum Door {
    #[on(lock { code: u8 } => Locked, guard = right)]
    #[on(slam => Open | Broken, with = slam)]
    Open { code: u8 },
    #[on(unlock => Open)]
    Locked { code: u8 },
    #[state(end)]
    Broken,
}

fn right(open: &door::Open, event: &door::event::Lock) -> Result<(), &'static str> {
    if open.code == event.code { Ok(()) } else { Err("wrong code") }
}

fn slam(open: door::Open, _: door::event::Slam) -> door::choice::OpenSlam {
    assert_ne!(open.code, 0, "0 panics");
    if open.code == 1 { door::Broken.into() } else { open.into() }
}

fn open(code: u8) -> door::Machine<door::Open> {
    door::Machine::new(door::Open { code })
}

/// Generic over the state: it cannot name the variant.
fn any<S: StateOf<Door>>(machine: door::Machine<S>) -> door::Any {
    machine.into()
}

#[test]
fn machines_of_all_states_become_any_and_back() {
    let locked = open(7).lock(7).unwrap();
    let doors: Vec<door::Any> = vec![any(open(3)), locked.into()];
    let states: Vec<_> = doors.iter().map(AnyMachine::state).collect();
    assert_eq!(states, [door::State::Open, door::State::Locked]);

    let mut doors = doors.into_iter();
    let door = door::Machine::<door::Open>::try_from(doors.next().unwrap()).unwrap();
    assert_eq!(door.code, 3);
    let error: NotInStateError<door::Any> = door::Machine::<door::Open>::try_from(doors.next().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`Door` is in state `Locked`; expected `Open`");
    assert_eq!(door::Machine::<door::Locked>::try_from(error.machine).unwrap().code, 7);
}

#[test]
fn a_choice_becomes_any_and_the_enum() {
    let any: door::Any = open(2).slam().into();
    assert_eq!(any.state(), door::State::Open);
    let door: Door = open(1).slam().into();
    assert_eq!(door, Door::Broken);
}

#[test]
fn any_answers_as_the_enum_does() {
    let any = any(open(5));
    assert_eq!(any.accepts(), [door::EventKind::Lock, door::EventKind::Slam]);
    assert!(any.can(door::EventKind::Lock) && !any.can(door::EventKind::Unlock));
    assert!(any.why_not(door::EventKind::Lock).is_none());
    let why = any.why_not(door::EventKind::Unlock).unwrap().to_string();
    let enums = Door::Open { code: 5 }.why_not(door::EventKind::Unlock).unwrap().to_string();
    assert_eq!(why, enums);
}

#[test]
fn a_guard_is_asked_without_a_transition() {
    let any = any(open(5));
    assert_eq!(any.would_accept(&door::event::Lock { code: 5 }.into()), Ok(()));
    let refused = any.would_accept(&door::event::Lock { code: 6 }.into()).unwrap_err();
    assert_eq!(refused.to_string(), "`lock` was refused in state `Open` of `Door`: wrong code");
    let refused = any.would_accept(&door::event::Unlock.into()).unwrap_err();
    assert_eq!((refused.reason.is_none(), refused.event), (true, door::EventKind::Unlock));
    let applied = any.apply(door::event::Lock { code: 6 }).unwrap_err();
    assert_eq!(applied.to_string(), "`lock` was refused in state `Open` of `Door`: wrong code");
    assert_eq!(applied.machine.apply(applied.event).unwrap_err().machine.state(), door::State::Open);
}

#[test]
fn a_machine_in_a_struct_is_moved_in_place() {
    struct House {
        door: Slot<door::Any>,
    }
    impl House {
        fn lock(&mut self, code: u8) -> Result<door::State, SlotError<Door>> {
            self.door.apply(door::event::Lock { code })
        }
    }
    let mut house = House { door: Slot::new(open(4)) };
    let SlotError::Refused { refusal, event } = house.lock(1).unwrap_err() else { panic!("the code is wrong") };
    assert_eq!(refusal.reason.as_ref().map(fsm_core::Reason::as_str), Some("wrong code"));
    assert_eq!(event, door::event::Lock { code: 1 }.into());
    assert_eq!(house.door.get(), Some(&any(open(4))), "a refusal leaves it unchanged");
    assert_eq!(house.lock(4).unwrap(), door::State::Locked);
    assert_eq!(house.door.state(), Some(door::State::Locked));
}

#[test]
fn a_panic_leaves_the_slot_empty_and_in_no_wrong_state() {
    let mut slot: Slot<door::Any> = Slot::new(Door::Open { code: 0 });
    assert!(catch_unwind(AssertUnwindSafe(|| slot.apply(door::event::Slam).is_ok())).is_err());
    assert!(slot.get().is_none() && slot.state().is_none());
    let error = slot.apply(door::event::Slam).unwrap_err();
    assert!(matches!(error, SlotError::Empty { .. }));
    assert!(error.to_string().starts_with("`slam` was applied to an empty slot"), "{error}");
    slot.set(open(9));
    assert_eq!(slot.apply(door::event::Slam).unwrap(), door::State::Open);
    assert_eq!(slot.take().map(|any| any.state()), Some(door::State::Open));
    assert!(slot.into_inner().is_none());
}

mod shared {
    use super::*;

    /// What all states share. It is not `Clone`.
    #[derive(Debug)]
    pub(crate) struct Till {
        pub(crate) cents: u32,
    }

    #[derive(StateMachine)]
    #[fsm(initial = Idle, context = Till)]
    pub(crate) enum Machine {
        #[on(sell { cents: u32 } => Idle | Sold, with = sell, guard = enough)]
        Idle,
        #[on(again => Idle)]
        Sold,
    }

    fn enough(_: &machine::Idle, event: &machine::event::Sell, till: &Till) -> Result<(), String> {
        if till.cents + event.cents > 0 { Ok(()) } else { Err(format!("{} cents", till.cents)) }
    }

    fn sell(_: machine::Idle, event: machine::event::Sell, till: &mut Till) -> machine::choice::IdleSell {
        till.cents += event.cents;
        if till.cents >= 100 { machine::Sold.into() } else { machine::Idle.into() }
    }

    #[test]
    fn the_context_goes_with_the_machine() {
        let mut slot: Slot<machine::Any> = Slot::new((Machine::Idle, Till { cents: 0 }));
        assert!(slot.get().unwrap().would_accept(&machine::event::Sell { cents: 0 }.into()).is_err());
        assert!(slot.apply(machine::event::Sell { cents: 0 }).is_err());
        assert_eq!(slot.apply(machine::event::Sell { cents: 60 }).unwrap(), machine::State::Idle);
        assert_eq!(slot.apply(machine::event::Sell { cents: 60 }).unwrap(), machine::State::Sold);
        slot.get_mut().unwrap().context_mut().cents = 7;
        let (value, till) = slot.take().unwrap().into_parts();
        assert_eq!((value.state(), till.cents), (machine::State::Sold, 7));

        let typed = machine::Machine::new(machine::Idle, Till { cents: 99 });
        let (value, till): (Machine, Till) = typed.sell(1).unwrap().into();
        assert_eq!((value.state(), till.cents), (machine::State::Sold, 100));
    }
}
