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
