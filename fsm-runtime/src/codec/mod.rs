//! Serialization of data as JSON, as a store contains it: for the texts in a [`Row`](crate::store::Row) or a
//! [`HistoryEntry`](crate::store::HistoryEntry).

mod floats;

use floats::Finite;
use serde::{Serialize, de::DeserializeOwned, ser::Error as _};

/// A value that could not be serialized as JSON, or JSON that could not be deserialized as the value.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CodecError(#[from] serde_json::Error);

/// `value` as JSON.
///
/// # Errors
/// If the value's `Serialize` fails, it has a map whose keys are not strings, or a number in it is NaN or infinite.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, CodecError> {
    let text = serde_json::to_string(value)?;
    // What JSON cannot hold is written as `null`, which most values do not have.
    if text.contains("null") {
        value.serialize(&mut Finite::default())?;
    }
    Ok(text)
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

/// `what`, if it can be `read` back.
///
/// # Errors
/// With the place and what is wrong there, if it cannot: it must not be stored.
pub(crate) fn readable<T>(what: &str, read: Result<T, CodecError>) -> Result<(), CodecError> {
    read.map(drop).map_err(|CodecError(cause)| {
        CodecError(serde_json::Error::custom(format!(
            "the {what} could not be read back from its JSON: {cause}; correct its `Serialize` or `Deserialize`"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Inner {
        name: Option<String>,
        price: f64,
    }

    #[derive(Serialize)]
    enum Outer {
        Map(BTreeMap<String, Vec<Inner>>),
        Maybe(Option<f32>),
        Pair(u8, (f64,)),
        Named { at: Inner },
    }

    fn inner(price: f64) -> Inner {
        Inner { name: None, price }
    }

    fn error(value: &Outer) -> String {
        to_json(value).unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_named() {
        let map = |price| Outer::Map(BTreeMap::from([("k".to_owned(), vec![inner(1.0), inner(price)])]));
        assert_eq!(
            error(&map(f64::NAN)),
            "the number in `Map.k.1.price` is NaN, which JSON cannot hold; use an `Option`, an enum or a string for it"
        );
        assert!(to_json(&map(2.0)).is_ok(), "a `null` that was meant");
        assert!(error(&Outer::Maybe(Some(f32::INFINITY))).contains("`Maybe` is inf"));
        assert!(error(&Outer::Pair(1, (f64::NEG_INFINITY,))).contains("`1.0` is -inf"));
        assert!(error(&Outer::Named { at: inner(f64::NAN) }).contains("`at.price`"));
        assert!(to_json(&Outer::Maybe(None)).is_ok());
    }

    #[test]
    fn a_number_alone_is_checked_too() {
        assert!(to_json(&f64::NAN).is_err());
        assert_eq!(to_json(&()).unwrap(), "null");
    }
}
