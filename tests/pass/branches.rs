//! A transition with several targets returns a generated choice of exactly those.

use fsm_core::StateMachine;

/// A paper under review.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Review, derive(Clone, Debug, PartialEq))]
pub enum Paper {
    /// Being read.
    #[on(decide { score: u8 } => Accepted | Rejected, with = decide)]
    #[on(withdraw => Rejected, with = self::withdraw)]
    Review {
        /// Its title.
        title: String,
    },
    /// Good.
    #[state(end)]
    Accepted {
        /// Its title.
        title: String,
        /// How good.
        score: u8,
    },
    /// Not good.
    #[on(reopen => Review)]
    Rejected {
        /// Its title.
        title: String,
        /// Why.
        why: &'static str,
    },
}

fn decide(review: paper::Review, event: paper::event::Decide) -> paper::choice::ReviewDecide {
    let paper::Review { title } = review;
    match event.score {
        0..5 => paper::Rejected { title, why: "score" }.into(),
        score => paper::Accepted { title, score }.into(),
    }
}

fn withdraw(review: paper::Review, _: paper::event::Withdraw) -> paper::Rejected {
    paper::Rejected { title: review.title, why: "withdrawn" }
}

#[test]
fn each_branch_is_typed() {
    let review = paper::Machine::new(paper::Review { title: "On rows".into() });
    let paper::choice::ReviewDecide::Rejected(rejected) = review.decide(3) else { panic!("3 is too low") };
    match rejected.reopen().fire(paper::event::Decide { score: 9 }) {
        paper::choice::ReviewDecide::Accepted(accepted) => {
            assert_eq!((accepted.title.as_str(), accepted.score), ("On rows", 9));
        }
        paper::choice::ReviewDecide::Rejected(_) => panic!("9 is enough"),
    }
    let rejected = Paper::Review { title: String::new() }.apply(paper::event::Withdraw).unwrap();
    assert_eq!(rejected, Paper::Rejected { title: String::new(), why: "withdrawn" });
    assert_eq!(Paper::GRAPH.transition("Review", "decide").unwrap().to, ["Accepted", "Rejected"]);
}
