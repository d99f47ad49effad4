//! The JSON form of records, which [`AnyRecord`](super::AnyRecord) documents.

use super::{Durable, record::RawRecord};
use crate::machine::{ContextOf, DurableState};
use fsm_core::Name;
use serde::{Serialize, Serializer};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
#[serde(rename = "Record")]
struct Json<'a, D, C> {
    id: &'a str,
    version: u64,
    state: &'static str,
    data: &'a D,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<C>,
    created: Option<u64>,
    entered: u64,
}

impl<S: DurableState<Machine: Durable> + Serialize> RawRecord<S> {
    /// Serializes a record, with its context if the machine has one.
    ///
    /// # Errors
    /// Those of the serializer, and of the `Serialize` of data and context.
    #[doc(hidden)]
    pub fn __serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let json = Json {
            id: self.id(),
            version: self.version(),
            state: S::STATE.as_str(),
            data: self.data(),
            context: ContextOf::<S::Machine>::new(self.context()),
            created: self.created().map(millis),
            entered: millis(self.entered()),
        };
        json.serialize(serializer)
    }
}

/// Milliseconds since 1970; 0 for an earlier time.
fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| since.as_millis().try_into().ok()).unwrap_or_default()
}
