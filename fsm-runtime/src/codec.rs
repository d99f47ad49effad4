//! Owns how data becomes bytes: JSON, both ways, with one error.

use serde::{Serialize, de::DeserializeOwned};

/// A value that could not be written as JSON, or JSON that is not the value it should be.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CodecError(#[from] serde_json::Error);

/// `value` as JSON.
///
/// # Errors
/// When the value's `Serialize` fails, or it holds a map whose keys are no strings.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, CodecError> {
    Ok(serde_json::to_string(value)?)
}

/// Whether both describe the same value: a `HashMap` is written in another order each time.
pub(crate) fn same_json(a: &str, b: &str) -> bool {
    let read = |text| serde_json::from_str::<serde_json::Value>(text);
    a == b || matches!((read(a), read(b)), (Ok(a), Ok(b)) if a == b)
}

/// The value that `text` describes.
///
/// # Errors
/// When `text` is no JSON, or describes another type.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, CodecError> {
    Ok(serde_json::from_str(text)?)
}
