//! A phone call.

use fsm_core::StateMachine;

use super::typed::hold;

/// A call from one phone.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = OffHook, derive(Clone, Debug, PartialEq))]
#[fsm(group(InCall, on(left_message => OffHook), on(placed_on_hold => OnHold),
    on(mute_microphone | unmute_microphone | set_volume => _)))]
pub(crate) enum PhoneCall {
    /// No call.
    #[on(call_dialed { callee: String } => Ringing)]
    OffHook,
    /// The other phone rings.
    #[on(call_connected => Connected)]
    Ringing {
        /// The number that was dialed.
        callee: String,
    },
    /// Both can talk.
    #[state(in = InCall)]
    Connected {
        /// The number that was dialed.
        callee: String,
    },
    /// Held, without sound.
    #[state(in = InCall)]
    #[on(taken_off_hold => Connected)]
    #[on(phone_hurled_against_wall => PhoneDestroyed)]
    OnHold {
        /// The number that was dialed.
        callee: String,
    },
    /// Beyond repair.
    #[state(end)]
    PhoneDestroyed,
}

hold! {
    PhoneCall in phone_call;
    states: [
        OffHook, Ringing { callee: "5551234".into() }, Connected { callee: "5551234".into() },
        OnHold { callee: "5551234".into() }, PhoneDestroyed,
    ];
    events: [
        CallDialed { callee: "5551234".into() }, CallConnected, MuteMicrophone, UnmuteMicrophone, SetVolume, LeftMessage,
        PlacedOnHold, TakenOffHold, PhoneHurledAgainstWall,
    ];
}

#[test]
fn the_callee_is_kept_while_the_call_is_on_hold() {
    let ringing = phone_call::Machine::new(phone_call::OffHook).call_dialed("5551234".into());
    let on_hold = ringing.call_connected().mute_microphone().placed_on_hold().set_volume().placed_on_hold();
    assert_eq!(on_hold.callee, "5551234");
    let connected = on_hold.taken_off_hold();
    assert_eq!(PhoneCall::from(connected), PhoneCall::Connected { callee: "5551234".into() });
}
