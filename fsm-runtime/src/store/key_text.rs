//! The text of a part of a key.

use std::{borrow::Borrow, convert::Infallible, fmt, ops::Deref, str::FromStr, sync::Arc};

/// The name of a machine, or the id of an instance, in a [`Key`](super::Key). Cheap to clone, and compares with `&str` and `String`.
///
/// ```
/// use fsm_runtime::store::Key;
///
/// let key = Key::new("Order", "o-1");
/// assert!(key.machine == "Order" && key.id == String::from("o-1"));
/// assert_eq!(key.id.to_string(), "o-1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyText(Arc<str>);

impl KeyText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for KeyText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for KeyText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Equal texts have equal hashes.
impl Borrow<str> for KeyText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl From<&str> for KeyText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for KeyText {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl From<KeyText> for String {
    fn from(text: KeyText) -> Self {
        text.as_str().to_owned()
    }
}

impl FromStr for KeyText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl PartialEq<str> for KeyText {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl PartialEq<&str> for KeyText {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

impl PartialEq<String> for KeyText {
    fn eq(&self, text: &String) -> bool {
        self.as_str() == text
    }
}

impl PartialEq<KeyText> for str {
    fn eq(&self, text: &KeyText) -> bool {
        self == text.as_str()
    }
}

impl PartialEq<KeyText> for &str {
    fn eq(&self, text: &KeyText) -> bool {
        *self == text.as_str()
    }
}

impl PartialEq<KeyText> for String {
    fn eq(&self, text: &KeyText) -> bool {
        self == text.as_str()
    }
}
