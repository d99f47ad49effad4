//! The trait of the generated enums of names.

use core::{fmt, hash::Hash, str::FromStr};

use crate::error::UnknownNameError;

/// A generated enum of names, such as `server::State` or `server::EventKind`.
///
/// The name is what is stored, printed and drawn; [`FromStr`] parses it. The generated enums also have [`ALL`](Self::ALL),
/// [`as_str`](Self::as_str) and [`index`](Self::index) as inherent `const` items, so only generic code needs this trait.
pub trait Name:
    Copy + Ord + Hash + fmt::Debug + fmt::Display + FromStr<Err = UnknownNameError> + Send + Sync + 'static
{
    /// All values, in declaration order.
    const ALL: &'static [Self];

    /// The name.
    fn as_str(self) -> &'static str;

    /// The position in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// The value whose name is `name`; `of` says what the names are of. Generated code calls it, so that it calls no method of a type whose
/// traits it does not know.
///
/// # Errors
/// If there is none.
pub fn from_name<N: Name>(of: &'static str, name: &str) -> Result<N, UnknownNameError> {
    N::ALL.iter().copied().find(|known| known.as_str() == name).ok_or_else(|| UnknownNameError::new::<N>(of, name))
}

/// Whether `name` is one of `names`.
#[must_use]
pub fn names_contain<N: Name>(names: &[N], name: N) -> bool {
    names.contains(&name)
}
