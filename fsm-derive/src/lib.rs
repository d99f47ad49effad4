//! The derive macro of `fsm-core` and `fsm-runtime`.

use proc_macro::TokenStream;

/// Makes a state machine of an enum.
#[proc_macro_derive(StateMachine, attributes(fsm, state, on, after))]
pub fn state_machine(input: TokenStream) -> TokenStream {
    drop(input);
    TokenStream::new()
}
