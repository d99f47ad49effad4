//! Metrics of commits: the outcome of each group, and its transitions.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "the bodies are gone"))]

#[cfg(feature = "metrics")]
use crate::store::Change;
use crate::store::{Group, Verdict};

/// Groups that are being committed.
pub(crate) struct Committing {
    #[cfg(feature = "metrics")]
    groups: Vec<(Option<String>, Vec<metrics::Key>)>,
}

impl Committing {
    pub(crate) fn of(groups: &[Group]) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            groups: groups.iter().map(of_group).collect(),
        }
    }

    #[cfg_attr(not(feature = "metrics"), allow(clippy::unused_self, reason = "the body is gone"))]
    pub(crate) fn ended(self, verdicts: &[Verdict]) {
        #[cfg(feature = "metrics")]
        for ((machine, transitions), verdict) in self.groups.into_iter().zip(verdicts) {
            if let Some(machine) = machine {
                metrics::counter!("fsm_verdicts_total", "machine" => machine, "verdict" => verdict.name()).increment(1);
            }
            if matches!(verdict, Verdict::Committed { .. }) {
                for key in transitions {
                    metrics::with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(1);
                }
            }
        }
    }
}

#[cfg(feature = "metrics")]
static METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new(module_path!(), metrics::Level::INFO, Some(module_path!()));

/// The machine that a group changes, and the counter of each transition.
#[cfg(feature = "metrics")]
fn of_group(group: &Group) -> (Option<String>, Vec<metrics::Key>) {
    let machine = group.changes.first().map(|change| change.key().machine.to_string());
    let transition = |change: &Change| match change {
        Change::Transition(it) => {
            let label = |name: &'static str, value: &str| metrics::Label::new(name, value.to_owned());
            let labels = vec![
                label("machine", &it.key.machine),
                label("from", &it.from),
                label("event", &it.event),
                label("cause", it.cause.as_str()),
            ];
            Some(metrics::Key::from_parts("fsm_transitions_total", labels))
        }
        _ => None,
    };
    (machine, group.changes.iter().filter_map(transition).collect())
}
