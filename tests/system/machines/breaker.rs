//! The circuit breaker of "Release It!".

use fsm_core::StateMachine;

use super::typed::hold;

/// Keeps callers off a service that fails.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Closed, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum CircuitBreaker {
    /// Calls go through.
    #[on(unsuccessful => Open)]
    Closed,
    /// Calls fail at once.
    #[on(timer_triggered => HalfOpen)]
    Open,
    /// One call may try.
    #[on(successful => Closed)]
    #[on(unsuccessful => Open)]
    HalfOpen,
}

hold! {
    CircuitBreaker in circuit_breaker;
    states: [Closed, Open, HalfOpen];
    events: [Unsuccessful, TimerTriggered, Successful];
}

#[test]
fn the_breaker_closes_again() {
    let half_open = circuit_breaker::Machine::new(circuit_breaker::Closed).unsuccessful().timer_triggered();
    let closed = half_open.unsuccessful().timer_triggered().successful();
    assert_eq!(CircuitBreaker::from(closed), CircuitBreaker::Closed);
}
