//! The review of a document in Wagtail.

use fsm_core::{StateMachine, StateOf};

use super::typed::hold;

/// Two tasks, one after the other.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = ModeratorsApproval, derive(Clone, Copy, Debug, PartialEq))]
#[fsm(group(Active, on(cancel => Cancelled), group(InProgress, on(reject => NeedsChanges, with = reject))))]
pub(crate) enum DocumentWorkflow {
    /// The first task.
    #[state(in = InProgress, name = "moderators_approval")]
    #[on(approve => LegalApproval)]
    ModeratorsApproval,
    /// The second task.
    #[state(in = InProgress, name = "legal_approval")]
    #[on(approve => Approved)]
    LegalApproval,
    /// The author has to change the document.
    #[state(in = Active, name = "needs_changes")]
    #[on(resume => ModeratorsApproval | LegalApproval, with = resume)]
    NeedsChanges {
        /// The task that was rejected.
        task: document_workflow::State,
    },
    /// Every task is done.
    #[state(end, name = "approved")]
    Approved,
    /// Withdrawn.
    #[state(end, name = "cancelled")]
    Cancelled,
}

fn reject<S>(task: S, _: document_workflow::event::Reject) -> document_workflow::NeedsChanges
where
    S: StateOf<DocumentWorkflow>,
{
    document_workflow::NeedsChanges { task: task.into_enum().state() }
}

fn resume(
    changed: document_workflow::NeedsChanges,
    _: document_workflow::event::Resume,
) -> document_workflow::choice::NeedsChangesResume {
    match changed.task {
        document_workflow::State::LegalApproval => document_workflow::LegalApproval.into(),
        _ => document_workflow::ModeratorsApproval.into(),
    }
}

hold! {
    DocumentWorkflow in document_workflow;
    states: [
        ModeratorsApproval, LegalApproval, NeedsChanges { task: document_workflow::State::ModeratorsApproval },
        NeedsChanges { task: document_workflow::State::LegalApproval }, Approved, Cancelled,
    ];
    events: [Approve, Reject, Resume, Cancel];
    choices: [NeedsChangesResume(ModeratorsApproval, LegalApproval)];
}

#[test]
fn a_review_is_resumed_in_the_task_that_rejected() {
    use document_workflow::{Machine, ModeratorsApproval, choice::NeedsChangesResume};
    let rejected = Machine::new(ModeratorsApproval).approve().reject();
    let NeedsChangesResume::LegalApproval(legal) = rejected.resume() else { panic!("the second task rejected") };
    assert_eq!(DocumentWorkflow::from(legal.approve()), DocumentWorkflow::Approved);
}
