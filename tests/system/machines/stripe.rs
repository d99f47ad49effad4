//! A payment at Stripe, the machine with the most branches.

use fsm_core::StateMachine;

use super::typed::hold;

/// A payment.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = RequiresPaymentMethod, derive(Clone, Copy, Debug, PartialEq))]
#[on(cancel => Canceled, except(Processing))]
pub(crate) enum StripePaymentIntent {
    /// Needs a payment method.
    #[state(name = "requires_payment_method")]
    #[on(attach_payment_method => RequiresConfirmation)]
    RequiresPaymentMethod,
    /// Needs the customer's confirmation.
    #[state(name = "requires_confirmation")]
    #[on(confirm { answer: Answer }
        => RequiresAction | Processing | Succeeded | RequiresCapture | RequiresPaymentMethod, with = confirm)]
    RequiresConfirmation,
    /// Needs authentication of the customer.
    #[state(name = "requires_action")]
    #[on(action_succeeded { settlement: Settlement }
        => Processing | Succeeded | RequiresCapture | RequiresConfirmation, with = act)]
    #[on(action_failed => RequiresPaymentMethod)]
    RequiresAction,
    /// Processed by the bank.
    #[state(name = "processing")]
    #[on(payment_succeeded => Succeeded)]
    #[on(payment_failed => RequiresPaymentMethod)]
    Processing,
    /// The money is reserved, to be captured.
    #[state(name = "requires_capture")]
    #[on(capture { asynchronous: bool } => Succeeded | Processing, with = capture)]
    RequiresCapture,
    /// Cancelled.
    #[state(end, name = "canceled")]
    Canceled,
    /// Paid.
    #[state(end, name = "succeeded")]
    Succeeded,
}

/// The bank's answer to a confirmation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    AuthenticationNeeded,
    Settled(Settlement),
    Declined,
}

/// The next step of a payment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Settlement {
    Asynchronous,
    Immediate,
    ManualCapture,
    ManualConfirmation,
}

fn confirm(
    _: stripe_payment_intent::RequiresConfirmation,
    event: stripe_payment_intent::event::Confirm,
) -> stripe_payment_intent::choice::RequiresConfirmationConfirm {
    match event.answer {
        Answer::AuthenticationNeeded => stripe_payment_intent::RequiresAction.into(),
        Answer::Settled(Settlement::Asynchronous) => stripe_payment_intent::Processing.into(),
        Answer::Settled(Settlement::Immediate) => stripe_payment_intent::Succeeded.into(),
        Answer::Settled(Settlement::ManualCapture) => stripe_payment_intent::RequiresCapture.into(),
        Answer::Settled(Settlement::ManualConfirmation) | Answer::Declined => {
            stripe_payment_intent::RequiresPaymentMethod.into()
        }
    }
}

fn act(
    _: stripe_payment_intent::RequiresAction,
    event: stripe_payment_intent::event::ActionSucceeded,
) -> stripe_payment_intent::choice::RequiresActionActionSucceeded {
    match event.settlement {
        Settlement::Asynchronous => stripe_payment_intent::Processing.into(),
        Settlement::Immediate => stripe_payment_intent::Succeeded.into(),
        Settlement::ManualCapture => stripe_payment_intent::RequiresCapture.into(),
        Settlement::ManualConfirmation => stripe_payment_intent::RequiresConfirmation.into(),
    }
}

fn capture(
    _: stripe_payment_intent::RequiresCapture,
    event: stripe_payment_intent::event::Capture,
) -> stripe_payment_intent::choice::RequiresCaptureCapture {
    if event.asynchronous { stripe_payment_intent::Processing.into() } else { stripe_payment_intent::Succeeded.into() }
}

hold! {
    StripePaymentIntent in stripe_payment_intent;
    states: [
        RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Canceled, Succeeded,
    ];
    events: [
        AttachPaymentMethod,
        Confirm { answer: Answer::AuthenticationNeeded },
        Confirm { answer: Answer::Settled(Settlement::Asynchronous) },
        Confirm { answer: Answer::Settled(Settlement::Immediate) },
        Confirm { answer: Answer::Settled(Settlement::ManualCapture) },
        Confirm { answer: Answer::Declined },
        ActionSucceeded { settlement: Settlement::Asynchronous },
        ActionSucceeded { settlement: Settlement::Immediate },
        ActionSucceeded { settlement: Settlement::ManualCapture },
        ActionSucceeded { settlement: Settlement::ManualConfirmation },
        ActionFailed, PaymentSucceeded, PaymentFailed, Capture { asynchronous: true }, Capture { asynchronous: false },
        Cancel,
    ];
    choices: [
        RequiresConfirmationConfirm(RequiresAction, Processing, Succeeded, RequiresCapture, RequiresPaymentMethod),
        RequiresActionActionSucceeded(Processing, Succeeded, RequiresCapture, RequiresConfirmation),
        RequiresCaptureCapture(Succeeded, Processing),
    ];
}

#[test]
fn a_payment_that_needs_proof_succeeds() {
    use stripe_payment_intent::{
        Machine, RequiresPaymentMethod,
        choice::{RequiresActionActionSucceeded, RequiresCaptureCapture, RequiresConfirmationConfirm},
    };
    let intent = Machine::new(RequiresPaymentMethod).attach_payment_method();
    let RequiresConfirmationConfirm::RequiresAction(intent) = intent.confirm(Answer::AuthenticationNeeded) else {
        panic!("the customer has to authenticate")
    };
    let RequiresActionActionSucceeded::RequiresCapture(intent) = intent.action_succeeded(Settlement::ManualCapture)
    else {
        panic!("the money has to be captured")
    };
    let RequiresCaptureCapture::Succeeded(intent) = intent.capture(false) else { panic!("that needs no time") };
    assert_eq!(StripePaymentIntent::from(intent), StripePaymentIntent::Succeeded);
}
