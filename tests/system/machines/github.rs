//! A pull request on GitHub.

use fsm_core::StateMachine;

use super::typed::hold;

/// A proposed change.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Open | Draft, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum GithubPullRequest {
    /// Not ready for review.
    #[on(ready_for_review => Open)]
    #[on(close => Closed, with = close_draft)]
    #[on(synchronize => Draft)]
    Draft,
    /// Ready for review.
    #[on(converted_to_draft => Draft)]
    #[on(close => Closed, with = close_open)]
    #[on(merge => Merged)]
    #[on(synchronize => Open)]
    Open,
    /// Closed without a merge.
    #[on(reopened => Open | Draft, with = reopen)]
    Closed {
        /// It was a draft.
        draft: bool,
    },
    /// Part of the base branch.
    #[state(end)]
    Merged,
}

fn close_draft(_: github_pull_request::Draft, _: github_pull_request::event::Close) -> github_pull_request::Closed {
    github_pull_request::Closed { draft: true }
}

fn close_open(_: github_pull_request::Open, _: github_pull_request::event::Close) -> github_pull_request::Closed {
    github_pull_request::Closed { draft: false }
}

fn reopen(
    closed: github_pull_request::Closed,
    _: github_pull_request::event::Reopened,
) -> github_pull_request::choice::ClosedReopened {
    if closed.draft { github_pull_request::Draft.into() } else { github_pull_request::Open.into() }
}

hold! {
    GithubPullRequest in github_pull_request;
    states: [Draft, Open, Closed { draft: true }, Closed { draft: false }, Merged];
    events: [ReadyForReview, ConvertedToDraft, Close, Reopened, Merge, Synchronize];
    choices: [ClosedReopened(Open, Draft)];
}

#[test]
fn a_draft_is_reopened_as_a_draft() {
    use github_pull_request::{Draft, Machine, choice::ClosedReopened};
    let ClosedReopened::Draft(draft) = Machine::new(Draft).close().reopened() else { panic!("it was a draft") };
    let ClosedReopened::Open(open) = draft.ready_for_review().close().reopened() else { panic!("it was not a draft") };
    assert_eq!(GithubPullRequest::from(open.merge()), GithubPullRequest::Merged);
}
