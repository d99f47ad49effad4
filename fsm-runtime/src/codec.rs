//! Serialization of data as JSON.

use serde::{Serialize, de::DeserializeOwned};

/// A value that could not be serialized as JSON, or JSON that could not be deserialized as the value.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CodecError(#[from] serde_json::Error);

/// `value` as JSON.
///
/// # Errors
/// If the value's `Serialize` fails, or it has a map whose keys are not strings.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, CodecError> {
    Ok(serde_json::to_string(value)?)
}

/// Whether both are the same value. A `HashMap` is serialized in a different order each time.
pub(crate) fn same_json(a: &str, b: &str) -> bool {
    let read = |text| serde_json::from_str::<serde_json::Value>(text);
    a == b || matches!((read(a), read(b)), (Ok(a), Ok(b)) if a == b)
}

/// The value that `text` describes, as JSON.
///
/// # Errors
/// If `text` is not JSON, or describes another type.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, CodecError> {
    Ok(serde_json::from_str(text)?)
}
