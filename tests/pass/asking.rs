//! `would_accept` asks a guard, and makes no transition.

use fsm_core::StateMachine;

#[derive(StateMachine, Debug)]
#[fsm(initial = Open, context = u8, derive(Debug))]
enum Door {
    #[on(lock { code: u8 } => Locked, guard = |open, lock, tries| open.code == lock.code && *tries < 3 else "the code is wrong")]
    Open { code: u8 },
    #[on(unlock => Open, with = |locked, _, _| door::Open { code: locked.code })]
    Locked { code: u8 },
}

#[test]
fn a_typed_machine_asks_the_guard() {
    let open = door::Machine::new(door::Open { code: 1 }, 0);
    assert!(open.would_accept(&door::event::Lock { code: 1 }).is_ok());
    assert_eq!(open.would_accept(&door::event::Lock { code: 2 }).unwrap_err().as_str(), "the code is wrong");
    let locked = open.lock(1).unwrap();
    assert!(locked.would_accept(&door::event::Unlock).is_ok());
}

#[test]
fn any_says_why_it_would_not_accept() {
    let any = door::Any::from((Door::Open { code: 1 }, 0));
    assert!(any.would_accept(&door::event::Lock { code: 1 }.into()).is_ok());
    let refusal = any.would_accept(&door::event::Lock { code: 2 }.into()).unwrap_err();
    assert_eq!(refusal.to_string(), "`lock` was refused in state `Open` of `Door`: the code is wrong");
    let refusal = any.would_accept(&door::event::Unlock.into()).unwrap_err();
    assert_eq!(refusal.to_string(), "`unlock` is not accepted in state `Open` of `Door`, which accepts `lock`");
    assert_eq!((refusal.state, refusal.reason), (door::State::Open, None));
    let tried = door::Any::from((Door::Open { code: 1 }, 3));
    assert!(tried.would_accept(&door::event::Lock { code: 1 }.into()).is_err());
}
