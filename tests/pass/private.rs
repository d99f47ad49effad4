//! A private enum with private field types, and every other visibility.

use fsm_core::StateMachine;

#[derive(Clone, Debug, PartialEq)]
struct Secret(u8);

#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Open, derive(Clone, Debug, PartialEq))]
enum Door {
    #[on(close { by: Secret } => Closed)]
    Open(Secret),
    #[on(open => Open)]
    Closed(Secret),
}

mod inner {
    use super::door::*;
    use super::{Door, Secret};

    pub(super) fn closed() -> Door {
        Machine::new(Open(Secret(1))).fire(event::Close { by: Secret(2) }).into()
    }

    pub(super) mod deep {
        use fsm_core::StateMachine;

        #[derive(StateMachine)]
        #[fsm(initial = On)]
        pub(in crate::private) enum Lamp {
            #[on(flip => Off)]
            On,
            #[on(flip => On)]
            Off,
        }

        #[derive(StateMachine)]
        #[fsm(initial = On)]
        pub(in super::super) enum Fan {
            #[on(flip { speed: super::super::Secret } => Off)]
            On,
            #[on(flip => Off)]
            Off { speed: super::super::Secret },
        }

        #[derive(StateMachine)]
        #[fsm(initial = Only)]
        pub(super) enum Once {
            #[state(end)]
            Only,
        }

        #[derive(StateMachine)]
        #[fsm(initial = Spin)]
        pub(crate) enum Wheel {
            #[on(turn => Spin)]
            Spin,
        }
    }

    pub(super) fn once() -> &'static str {
        deep::once::Machine::new(deep::once::Only).state().as_str()
    }
}

#[test]
fn generated_items_are_as_visible_as_the_enum() {
    assert_eq!(inner::closed(), Door::Closed(Secret(1)));
    assert_eq!(inner::once(), "Only");
    assert_eq!(inner::deep::lamp::Machine::new(inner::deep::lamp::On).flip().state().to_string(), "Off");
    let off = inner::deep::fan::Machine::new(inner::deep::fan::On).flip(Secret(3)).flip(Secret(4));
    assert_eq!(off.speed, Secret(4));
    assert_eq!(inner::deep::wheel::Machine::new(inner::deep::wheel::Spin).turn().state().to_string(), "Spin");
}
