//! The roles of a server in Raft, a machine without an end state.

use fsm_core::StateMachine;

use super::typed::hold;

/// The role of a server in its current term.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Follower, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum RaftRoles {
    /// It answers others.
    #[on(election_timeout => Candidate, with = stand)]
    Follower { term: u64 },
    /// It asks for votes.
    #[on(election_timeout => Candidate, with = stand_again)]
    #[on(majority_votes => Leader)]
    #[on(discover_leader_or_higher_term { term: u64 } => Follower)]
    Candidate { term: u64 },
    /// It replicates its log.
    #[on(discover_higher_term { term: u64 } => Follower)]
    Leader { term: u64 },
}

fn stand(follower: raft_roles::Follower, _: raft_roles::event::ElectionTimeout) -> raft_roles::Candidate {
    let term = follower.term + 1;
    raft_roles::Candidate { term }
}

fn stand_again(candidate: raft_roles::Candidate, _: raft_roles::event::ElectionTimeout) -> raft_roles::Candidate {
    let term = candidate.term + 1;
    raft_roles::Candidate { term }
}

hold! {
    RaftRoles in raft_roles;
    states: [Follower { term: 1 }, Candidate { term: 2 }, Leader { term: 2 }];
    events: [ElectionTimeout, MajorityVotes, DiscoverLeaderOrHigherTerm { term: 2 }, DiscoverHigherTerm { term: 3 }];
}

#[test]
fn each_election_raises_the_term() {
    let follower = raft_roles::Machine::new(raft_roles::Follower { term: 1 });
    let leader = follower.election_timeout().election_timeout().majority_votes();
    assert_eq!(leader.term, 3);
    assert_eq!(RaftRoles::from(leader.discover_higher_term(7)), RaftRoles::Follower { term: 7 });
}
