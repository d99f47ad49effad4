//! The types of fields that have ids of instances, for `waits(…)`.

use crate::store::KeyText;
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet, VecDeque},
    hash::BuildHasher,
    sync::Arc,
};
use uuid::Uuid;

/// The id of an instance that a state waits for, `#[state(waits(payment: Payment in Captured => paid))]`. Implemented for texts and
/// [`Uuid`]; implement it for an id type of your own:
///
/// ```
/// use fsm_runtime::InstanceId;
/// use std::borrow::Cow;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct PaymentId(u64);
///
/// impl InstanceId for PaymentId {
///     fn instance_id(&self) -> Cow<'_, str> {
///         format!("payment-{}", self.0).into()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the id of an instance",
    label = "a state waits for the instance with this id",
    note = "an id is a `String`, a `Uuid`, or a type that implements `fsm_runtime::InstanceId`",
    note = "for several ids, write `all(field)`, `any(field)` or `at_least(2, field)`"
)]
pub trait InstanceId {
    /// The id, as it was given to [`Machines::create`](crate::Machines::create).
    fn instance_id(&self) -> Cow<'_, str>;
}

/// The ids of instances that a state waits for, `#[state(waits(all(jobs): Job in Passed => passed))]`. Implemented for collections of
/// [`InstanceId`]s.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a collection of ids",
    label = "a state waits for several instances with these ids",
    note = "a collection is a `Vec`, an array, a set, or an `Option`; for a single id, write `field: Machine in State => event`"
)]
pub trait InstanceIds {
    /// The ids.
    fn instance_ids(&self) -> Vec<String>;
}

macro_rules! text_ids {
    ($($id:ty),*) => {$(
        impl InstanceId for $id {
            fn instance_id(&self) -> Cow<'_, str> {
                let text: &str = self;
                Cow::Borrowed(text)
            }
        }
    )*};
}

text_ids!(String, Box<str>, Arc<str>, Cow<'_, str>, KeyText);

impl InstanceId for Uuid {
    fn instance_id(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

fn all<'a, T: InstanceId + 'a>(ids: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    ids.into_iter().map(|id| id.instance_id().into_owned()).collect()
}

impl<T: InstanceId> InstanceIds for Vec<T> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId> InstanceIds for VecDeque<T> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId> InstanceIds for Box<[T]> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId, const N: usize> InstanceIds for [T; N] {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId> InstanceIds for Option<T> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId> InstanceIds for BTreeSet<T> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

impl<T: InstanceId, S: BuildHasher> InstanceIds for HashSet<T, S> {
    fn instance_ids(&self) -> Vec<String> {
        all(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_texts_and_collections() {
        let text = "a".to_owned();
        assert_eq!(text.instance_id(), "a");
        assert_eq!(KeyText::from("b").instance_id(), "b");
        assert_eq!(Uuid::nil().instance_id(), "00000000-0000-0000-0000-000000000000");
        assert_eq!(vec![text.clone(), "b".to_owned()].instance_ids(), ["a", "b"]);
        assert_eq!([text.clone()].instance_ids(), ["a"]);
        assert_eq!(Some(text).instance_ids(), ["a"]);
        assert_eq!(None::<String>.instance_ids(), [""; 0]);
        assert_eq!(BTreeSet::from(["b".to_owned(), "a".to_owned()]).instance_ids(), ["a", "b"]);
    }
}
