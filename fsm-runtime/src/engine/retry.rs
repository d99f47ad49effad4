//! Retrying a change while the store is away.

use crate::backoff::Backoff;
use std::time::Duration;

/// How long to wait before a result that could not be stored is tried again.
pub(crate) const STORE_RETRY: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };
