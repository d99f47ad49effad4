//! The reason of a guard that refuses: a text, or an error of the user's.
#![allow(clippy::unused_self, reason = "generated code finds these methods by method lookup")]

use alloc::{
    borrow::Cow,
    boxed::Box,
    string::{String, ToString as _},
    sync::Arc,
};
use core::{error::Error, fmt, hash, marker::PhantomData, panic};

/// The reason a guard gives for refusing a transition.
///
/// A guard returns `Result<(), R>`. `R` is text (`&'static str`, `String`), any other type with `Into<Reason>`, or an error:
/// `Error + Send + Sync + 'static`. The text of an error is its `Display`, and [`downcast_ref`](Self::downcast_ref) gives the error
/// back. Reasons are compared by their text.
///
/// ```
/// # use fsm_core::Reason;
/// let reason = Reason::of("x".parse::<u8>().unwrap_err());
/// assert_eq!(reason.as_str(), "invalid digit found in string");
/// assert!(reason.downcast_ref::<std::num::ParseIntError>().is_some());
/// ```
#[derive(Clone)]
pub struct Reason(Kind);

#[derive(Clone)]
enum Kind {
    Text(Cow<'static, str>),
    Error(Arc<Caused>),
}

/// An error and its text.
struct Caused {
    text: Box<str>,
    error: Box<dyn Error + Send + Sync>,
}

impl Reason {
    /// An error as the reason. A guard that returns the error itself needs no conversion.
    #[must_use]
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Kind::Error(Arc::new(Caused { text: error.to_string().into(), error: Box::new(error) })))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Text(text) => text,
            Kind::Error(caused) => &caused.text,
        }
    }

    /// The guard's error; `None` if the reason is a text.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.0 {
            Kind::Text(_) => None,
            Kind::Error(caused) => Some(&*caused.error),
        }
    }

    /// The guard's error; `None` if the reason is a text, or an error of another type.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error()?.downcast_ref()
    }
}

impl From<&'static str> for Reason {
    fn from(reason: &'static str) -> Self {
        Self(Kind::Text(Cow::Borrowed(reason)))
    }
}

impl From<String> for Reason {
    fn from(reason: String) -> Self {
        Self(Kind::Text(Cow::Owned(reason)))
    }
}

impl From<Cow<'static, str>> for Reason {
    fn from(reason: Cow<'static, str>) -> Self {
        Self(Kind::Text(reason))
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Reason {}

impl hash::Hash for Reason {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reason").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// The error is only read.
impl panic::UnwindSafe for Reason {}
impl panic::RefUnwindSafe for Reason {}

/// Chooses how a value becomes a reason. Generated code calls `__kind` on two references to it: method lookup finds [`ByText`] first,
/// then [`ByError`], then the method of the struct itself.
#[derive(Debug)]
pub struct OfReason<R>(PhantomData<fn() -> R>);

impl<R> Clone for OfReason<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for OfReason<R> {}

impl<R> OfReason<R> {
    /// For a reason.
    #[must_use]
    pub fn of(_: &R) -> Self {
        Self(PhantomData)
    }

    /// For a type that cannot be a reason.
    #[must_use]
    pub fn __kind(self) -> NotAReason {
        NotAReason
    }
}

/// For a type with `Into<Reason>`.
pub trait ByText {
    /// The conversion.
    fn __kind(&self) -> IsText {
        IsText
    }
}

impl<R: Into<Reason>> ByText for &OfReason<R> {}

/// For an error.
pub trait ByError {
    /// The conversion.
    fn __kind(&self) -> IsError {
        IsError
    }
}

impl<R: Error + Send + Sync + 'static> ByError for OfReason<R> {}

/// Converts with `Into`.
#[derive(Debug)]
pub struct IsText;

impl IsText {
    /// The reason.
    pub fn reason(self, reason: impl Into<Reason>) -> Reason {
        reason.into()
    }
}

/// Converts an error.
#[derive(Debug)]
pub struct IsError;

impl IsError {
    /// The reason.
    pub fn reason(self, error: impl Error + Send + Sync + 'static) -> Reason {
        Reason::of(error)
    }
}

/// Explains why it does not compile.
#[derive(Debug)]
pub struct NotAReason;

impl NotAReason {
    /// Does not compile.
    pub fn reason<R: GuardReason>(self, reason: R) -> Reason {
        reason.never()
    }
}

/// The bound of [`NotAReason`], which no type fulfils.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reason of a guard",
    label = "this guard refuses with `{Self}`",
    note = "a guard returns `Result<(), R>`, where `R` is `&'static str`, `String`, an error (`Error + Send + Sync + 'static`), or has \
            `Into<Reason>`"
)]
pub trait GuardReason {
    /// Is never called.
    fn never(self) -> Reason;
}
