//! Names of states and events, as fieldless enums.

use core::{fmt, hash::Hash, str::FromStr};

use crate::error::UnknownNameError;

/// A generated enum of names: `server::State` or `server::EventKind`.
///
/// The name is what is stored, printed and drawn; [`FromStr`] is its inverse. The generated enums have [`ALL`](Self::ALL),
/// [`as_str`](Self::as_str) and [`index`](Self::index) as inherent `const` items too, so this trait is needed only in
/// generic code.
pub trait Name:
    Copy + Ord + Hash + fmt::Debug + fmt::Display + FromStr<Err = UnknownNameError> + Send + Sync + 'static
{
    /// All of them, in declaration order.
    const ALL: &'static [Self];

    /// The name.
    fn as_str(self) -> &'static str;

    /// Its place in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}
