//! A guard refuses with a reason, and the machine is returned.

use fsm_core::StateMachine;

mod checks {
    pub(super) fn has_title(draft: &super::draft::Draft, _: &super::draft::event::Submit) -> Result<(), &'static str> {
        if draft.title.is_empty() { Err("it has no title") } else { Ok(()) }
    }
}

/// A text.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Draft, derive(Clone, Debug, PartialEq), module = draft)]
enum Text {
    /// Being written.
    #[on(submit => Review, guard = checks::has_title)]
    #[on(publish { by: u8 } => Review | Out, guard = Self::may, with = Self::publish)]
    Draft { title: String },
    /// Being read.
    #[on(publish => Out)]
    Review { title: String },
    #[state(end)]
    Out,
}

impl Text {
    fn may(_: &draft::Draft, event: &draft::event::Publish) -> Result<(), String> {
        if event.by == 0 { Err(format!("{} may not", event.by)) } else { Ok(()) }
    }

    fn publish(draft: draft::Draft, event: draft::event::Publish) -> draft::choice::DraftPublish {
        if event.by > 9 { draft::Out.into() } else { draft::Review { title: draft.title }.into() }
    }
}

fn draft(title: &str) -> draft::Machine<draft::Draft> {
    draft::Machine::new(draft::Draft { title: title.into() })
}

#[test]
fn a_refused_machine_is_returned() {
    let refused = draft("").submit().unwrap_err();
    assert_eq!(refused.to_string(), "refused by the guard: it has no title");
    let review = draft("A").submit().unwrap();
    assert_eq!(review.publish(3).state(), draft::State::Out);
    let refused = refused.machine.fire(draft::event::Publish { by: 0 }).unwrap_err();
    assert_eq!(refused.event.by, 0);
    let Ok(draft::choice::DraftPublish::Out(_)) = refused.machine.publish(10) else { panic!("10 may") };
    let rejected = Text::Draft { title: String::new() }.apply(draft::event::Submit).unwrap_err();
    assert_eq!(rejected.to_string(), "`submit` was refused in state `Draft` of `Text`: it has no title");
    assert!(Text::GRAPH.transition("Draft", "submit").unwrap().guarded);
}
