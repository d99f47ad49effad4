//! Generated; see `src/tests/snapshots.rs`.

/// Code of the declaration, and types whose names are taken in this module. Names resolve as they do beside the enum.
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals, type_alias_bounds)]
mod __user_code {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use super::super::*;
    pub(super) type wait_0_machine_Building = Job;
    pub(super) const wait_0_states_Building: &[&str] = &[
        <<wait_0_machine_Building as ::fsm_runtime::core::StateMachine>::State>::Passed
            .as_str(),
    ];
    const _: () = ::core::assert!(
        ::fsm_runtime::core::__private::is_named(< wait_0_machine_Building as
        ::fsm_runtime::core::StateMachine > ::GRAPH, "Job"),
        "`Job` is another name of the machine: write the name of its enum in `waits`, with its path, so that the graph and the stored rows have one name for it"
    );
    pub(super) fn wait_0_event_Building() -> super::Event {
        super::Event::Publish(super::event::Publish)
    }
    pub(super) type wait_1_machine_Building = Job;
    pub(super) const wait_1_states_Building: &[&str] = &[
        <<wait_1_machine_Building as ::fsm_runtime::core::StateMachine>::State>::Failed
            .as_str(),
    ];
    const _: () = ::core::assert!(
        ::fsm_runtime::core::__private::is_named(< wait_1_machine_Building as
        ::fsm_runtime::core::StateMachine > ::GRAPH, "Job"),
        "`Job` is another name of the machine: write the name of its enum in `waits`, with its path, so that the graph and the stored rows have one name for it"
    );
    pub(super) fn wait_1_event_Building() -> super::Event {
        super::Event::Fail(super::event::Fail {
            why: ::fsm_runtime::core::__private::code!(String::new()),
        })
    }
}
const __GRAPH: &::fsm_runtime::core::Graph = &::fsm_runtime::core::Graph::new("Build")
    .with_states(
        &[
            ::fsm_runtime::core::StateInfo::new("Building")
                .with_initial(true)
                .with_fields(
                    &[::fsm_runtime::core::FieldInfo::new("jobs", "Vec<String>")],
                )
                .with_waits(
                    &[
                        ::fsm_runtime::core::WaitInfo::new(
                                "jobs",
                                "Job",
                                __user_code::wait_0_states_Building,
                                "publish",
                            )
                            .with_quantity(::fsm_runtime::core::WaitQuantity::All),
                        ::fsm_runtime::core::WaitInfo::new(
                                "jobs",
                                "Job",
                                __user_code::wait_1_states_Building,
                                "fail",
                            )
                            .with_missing(true)
                            .with_quantity(::fsm_runtime::core::WaitQuantity::Any),
                    ],
                ),
            ::fsm_runtime::core::StateInfo::new("Published")
                .with_kind(::fsm_runtime::core::StateKind::End),
            ::fsm_runtime::core::StateInfo::new("Failed")
                .with_kind(::fsm_runtime::core::StateKind::End)
                .with_fields(&[::fsm_runtime::core::FieldInfo::new("why", "String")]),
        ],
    )
    .with_events(
        &[
            ::fsm_runtime::core::EventInfo::new("publish"),
            ::fsm_runtime::core::EventInfo::new("fail")
                .with_fields(&[::fsm_runtime::core::FieldInfo::new("why", "String")]),
        ],
    )
    .with_transitions(
        &[
            ::fsm_runtime::core::TransitionInfo::new(
                "Building",
                "publish",
                &["Published"],
            ),
            ::fsm_runtime::core::TransitionInfo::new("Building", "fail", &["Failed"]),
        ],
    );
#[automatically_derived]
impl ::fsm_runtime::StoredMachine for Build {
    type Value = Build;
    fn split(value: Build) -> (Self, ()) {
        (value, ())
    }
    fn encode(
        self,
    ) -> ::core::result::Result<
        (Self, ::std::string::String),
        ::fsm_runtime::CodecError,
    > {
        match self {
            Self::Building { jobs } => {
                let state = Building { jobs };
                let data = ::fsm_runtime::codec::to_json(&state)?;
                ::core::result::Result::Ok((
                    ::fsm_runtime::core::Target::into_enum(state),
                    data,
                ))
            }
            Self::Published => {
                let state = Published;
                let data = ::fsm_runtime::codec::to_json(&state)?;
                ::core::result::Result::Ok((
                    ::fsm_runtime::core::Target::into_enum(state),
                    data,
                ))
            }
            Self::Failed { why } => {
                let state = Failed { why };
                let data = ::fsm_runtime::codec::to_json(&state)?;
                ::core::result::Result::Ok((
                    ::fsm_runtime::core::Target::into_enum(state),
                    data,
                ))
            }
        }
    }
    fn decode(
        state: State,
        data: &str,
    ) -> ::core::result::Result<Self, ::fsm_runtime::CodecError> {
        match state {
            State::Building => {
                ::fsm_runtime::codec::from_json::<Building>(data)
                    .map(::fsm_runtime::core::Target::into_enum)
            }
            State::Published => {
                ::fsm_runtime::codec::from_json::<Published>(data)
                    .map(::fsm_runtime::core::Target::into_enum)
            }
            State::Failed => {
                ::fsm_runtime::codec::from_json::<Failed>(data)
                    .map(::fsm_runtime::core::Target::into_enum)
            }
        }
    }
    fn encode_event(
        event: &Event,
    ) -> ::core::result::Result<::std::string::String, ::fsm_runtime::CodecError> {
        match event {
            Event::Publish(event) => ::fsm_runtime::codec::to_json(event),
            Event::Fail(event) => ::fsm_runtime::codec::to_json(event),
        }
    }
    fn decode_event(
        kind: EventKind,
        payload: &str,
    ) -> ::core::result::Result<Event, ::fsm_runtime::CodecError> {
        match kind {
            EventKind::Publish => {
                ::fsm_runtime::codec::from_json(payload).map(Event::Publish)
            }
            EventKind::Fail => ::fsm_runtime::codec::from_json(payload).map(Event::Fail),
        }
    }
    fn serialize_context<__Z: ::fsm_runtime::__private::serde::Serializer>(
        (): &(),
        __serializer: __Z,
    ) -> ::core::result::Result<__Z::Ok, __Z::Error> {
        ::fsm_runtime::__private::serde::Serializer::serialize_unit(__serializer)
    }
    fn decode_context(_: &str) -> ::core::result::Result<(), ::fsm_runtime::CodecError> {
        ::core::result::Result::Ok(())
    }
    fn awaited_ids(&self) -> ::std::vec::Vec<::std::vec::Vec<::std::string::String>> {
        match self {
            Self::Building { jobs: __id_0, .. } => {
                ::std::vec![
                    ::fsm_runtime::InstanceIds::instance_ids(__id_0),
                    ::fsm_runtime::InstanceIds::instance_ids(__id_0)
                ]
            }
            _ => ::std::vec::Vec::new(),
        }
    }
    fn wait_event(__state: State, __wait: usize) -> ::core::option::Option<Event> {
        match (__state, __wait) {
            (State::Building, 0usize) => {
                ::core::option::Option::Some(__user_code::wait_0_event_Building())
            }
            (State::Building, 1usize) => {
                ::core::option::Option::Some(__user_code::wait_1_event_Building())
            }
            _ => ::core::option::Option::None,
        }
    }
    fn awaited_graphs(
        __graphs: &mut ::std::vec::Vec<&'static ::fsm_runtime::core::Graph>,
    ) {
        <__user_code::wait_0_machine_Building as ::fsm_runtime::StoredMachine>::collect_graphs(
            __graphs,
        );
        <__user_code::wait_1_machine_Building as ::fsm_runtime::StoredMachine>::collect_graphs(
            __graphs,
        );
    }
    fn timer_event(_: State, _: EventKind) -> ::core::option::Option<Event> {
        ::core::option::Option::None
    }
}
