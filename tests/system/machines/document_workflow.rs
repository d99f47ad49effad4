//! The review of a document in Wagtail.

use fsm_core::StateMachine;

use super::typed::hold;

/// Two tasks, one after the other.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = ModeratorsApproval, derive(Clone, Copy, Debug, PartialEq))]
#[fsm(group(Active, on(cancel => Cancelled), group(InProgress, on(reject => NeedsChanges))))]
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
    #[on(resume => history(InProgress))]
    NeedsChanges {
        /// The task that was rejected.
        task: document_workflow::history::InProgress,
    },
    /// Every task is done.
    #[state(end, name = "approved")]
    Approved,
    /// Withdrawn.
    #[state(end, name = "cancelled")]
    Cancelled,
}

hold! {
    DocumentWorkflow in document_workflow;
    states: [
        ModeratorsApproval, LegalApproval, NeedsChanges { task: document_workflow::ModeratorsApproval.into() },
        NeedsChanges { task: document_workflow::LegalApproval.into() }, Approved, Cancelled,
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
