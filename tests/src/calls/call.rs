//! A call of a store and its answer, in a form that can be written to a log and compared.

use super::op::Op;
use fsm_runtime::store::{HistoryEntry, Row, Verdict};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// One call and its answer, with times in nanoseconds of one clock for all processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub called: u64,
    /// `None` if the caller was killed or dropped the call.
    pub answered: Option<u64>,
    pub asked: Asked,
    /// As text, for comparison: one for each change of a group that got an answer.
    pub answer: Vec<Option<Answer>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Asked {
    Group(Vec<Op>),
    Get(u8),
    /// Some rows that ended before; which ones is unknown.
    ForgetEnded {
        before: u64,
    },
    /// All keys used before.
    ForgetKeys {
        before: u64,
    },
    /// The history before, but for entries of kept keys.
    ForgetHistory {
        before: u64,
    },
    /// A process's lease.
    TakeLease {
        owner: u8,
        ttl: Duration,
    },
    EndLease {
        owner: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub words: String,
    /// The fence of the row or entry in the answer.
    pub fence: Option<u64>,
    pub committed: bool,
}

impl Call {
    /// Whether all of its changes were acknowledged.
    pub fn made(&self) -> bool {
        !self.answer.is_empty()
            && self.answer.iter().all(|answer| answer.as_ref().is_some_and(|answer| answer.committed))
    }
}

/// The time of a caller's clock as the store's `now`.
pub fn at(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(nanos / 1_000)
}

/// The answer to each change of a group.
pub fn answers(verdict: &Verdict, changes: usize) -> Vec<Option<Answer>> {
    let seen = |what: &str, row: Option<&Row>| Answer {
        words: format!("{what} {}", row.map_or_else(|| "nothing".to_owned(), row_words)),
        fence: row.map(|row| row.fence),
        committed: what == "committed",
    };
    let shown = |what: &str, first: &HistoryEntry| Answer {
        words: format!("{what} {}", entry_words(first)),
        fence: Some(first.fence),
        committed: false,
    };
    let missed = match verdict {
        Verdict::Committed { rows } => return rows.iter().map(|row| Some(seen("committed", Some(row)))).collect(),
        Verdict::Conflict { current, .. } => seen("conflict", current.as_deref()),
        Verdict::Fenced { current, .. } => seen("fenced", Some(current)),
        Verdict::Duplicate { first, .. } => shown("duplicate", first),
        Verdict::KeyReused { first, .. } => shown("key reused", first),
        Verdict::Refused { .. } | Verdict::TooLarge { .. } => {
            let reason = verdict.refusal().unwrap_or_default();
            Answer { words: format!("refused {reason}"), fence: None, committed: false }
        }
        other => panic!("an unknown verdict: {other:?}"),
    };
    let mut answers = vec![None; changes];
    answers[verdict.change().expect("a miss has a place")] = Some(missed);
    answers
}

/// The answer to a look at a row.
pub fn looked(row: Option<&Row>) -> Vec<Option<Answer>> {
    let words = row.map_or_else(|| "nothing".to_owned(), row_words);
    vec![Some(Answer { words, fence: row.map(|row| row.fence), committed: false })]
}

/// The row as text, with all columns.
pub fn row_words(row: &Row) -> String {
    let Row { data, context, incarnation, error, .. } = row;
    let due = [row.timer_at, row.retry_at, row.desired_at];
    let times = due.into_iter().chain([row.parked_at, Some(row.created), Some(row.updated)]);
    let times: Vec<Option<u128>> = times.map(|time| time.map(micros)).collect();
    let entered = (row.entered, row.schema, &row.checkpoint);
    format!("{row:?} {incarnation} {entered:?} {data} {context:?} {error:?} {times:?}")
}

/// The entry as text without its sequence, which depends on other instances.
pub fn entry_words(entry: &HistoryEntry) -> String {
    let HistoryEntry { incarnation, schema, fence, payload, data, idempotency_key, actor, at, .. } = entry;
    let mut entry = entry.clone();
    entry.sequence = 0;
    format!(
        "{entry:?} {incarnation} {schema} {fence} {payload:?} {data:?} {idempotency_key:?} {actor:?} {}",
        micros(*at)
    )
}

/// Microseconds since 1970.
pub fn micros(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros()
}
