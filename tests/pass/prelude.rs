//! Code that is generic over machines: with the prelude alone, and with the import that rustc suggests for a trait of `fsm-core`.

mod with_the_prelude {
    use fsm_runtime::prelude::*;

    pub(super) fn states<M: Durable>() -> Vec<(usize, &'static str)> {
        M::GRAPH
            .states
            .iter()
            .filter_map(|state| state.name.parse::<M::State>().ok())
            .map(|state| (state.index(), state.as_str()))
            .collect()
    }
}

mod with_the_suggested_import {
    use fsm_runtime::fsm_core::Name;

    pub(super) fn names<N: Name>(names: &[N]) -> Vec<(usize, &'static str)> {
        names.iter().map(|name| (name.index(), name.as_str())).collect()
    }
}

mod machine {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A parcel.
    #[derive(StateMachine)]
    #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    pub enum Parcel {
        /// Not sent.
        #[on(send => Sent)]
        Open,
        /// Sent.
        #[state(end)]
        Sent,
    }
}

#[test]
fn generic_code_needs_no_further_import() {
    use machine::{Parcel, parcel};
    assert_eq!(with_the_prelude::states::<Parcel>(), [(0, "Open"), (1, "Sent")]);
    assert_eq!(with_the_suggested_import::names(Parcel::Open.accepts()), [(0, "send")]);
    assert_eq!(parcel::State::Open.as_str(), "Open");
}
