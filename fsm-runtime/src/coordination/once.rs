//! Functions that run once for a key.

use super::{
    Coordination, CoordinationError,
    entry::{Entry, NewEntry, Waited},
    error::{check_name, check_ttl},
};
use crate::{
    clock::{FOREVER, TOO_LONG},
    codec::{CodecError, from_json, same_json, to_json},
    error_kind::ErrorKind,
    store::{KeptResult, MAX_VALUE_BYTES, NewResult, shortened},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, future::Future, sync::Arc, time::Duration};

const KIND: &str = "once";

/// A call of a function that runs once for a key. Returned by [`Runtime::once`](crate::Runtime::once).
///
/// The first caller runs the function. Concurrent callers, of all processes, wait and get the same result. Later callers get the stored
/// result until its `ttl` elapses.
///
/// If the process of the first caller ends or stalls, its lease expires, and another caller runs the function. So the function runs *at
/// least* once, and its result is stored once. Pass [`OnceAttempt::fence`] to systems that can refuse an earlier fence.
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fsm_runtime::prelude::*;
///
/// let runtime = Runtime::builder(Sqlite::in_memory()?).start().await?;
/// let charge = async |_attempt| Ok::<_, String>("receipt 7".to_owned());
/// let receipt = runtime.once("charge/42").arguments(&("ada", 999)).run(charge).await?;
/// assert_eq!(receipt, "receipt 7");
/// let again = runtime.once("charge/42").arguments(&("ada", 999)).run(async |_| Err::<String, _>("not called".to_owned())).await?;
/// assert_eq!(receipt, again);
/// # Ok(()) }
/// ```
#[must_use = "call `run`"]
pub struct Once<E = String> {
    coordination: Arc<Coordination>,
    key: String,
    ttl: Duration,
    lease: Duration,
    arguments: Result<Option<String>, CodecError>,
    keep_errors: Box<dyn Fn(&E) -> bool + Send + Sync>,
}

/// An attempt to run the function. Passed to the function of [`Once::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceAttempt {
    fence: u64,
}

impl OnceAttempt {
    /// Returns the fence, which is greater than the fences of all earlier attempts for this key.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }
}

/// The error of [`Once::run`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnceError<E> {
    /// The function returned an error. The next caller runs it again, unless [`Once::keep_errors`] selects the error.
    #[error("{0}")]
    Failed(E),
    /// An earlier call returned this error, and the error is stored.
    #[error("an earlier call has failed: {message}")]
    FailedEarlier {
        /// The text of the error.
        message: String,
    },
    /// The key was used with other arguments.
    #[error("the key `{key}` was used with other arguments")]
    OtherArguments {
        /// The key.
        key: String,
    },
    /// The lease expired before the result was stored. Another caller may run the function now.
    #[error("the lease of `{key}` expired before its result was stored")]
    Lost {
        /// The key.
        key: String,
    },
    /// The result is larger than 1 MiB.
    #[error("the result of `{key}` has {bytes} bytes; the limit is {MAX_VALUE_BYTES}")]
    TooLarge {
        /// The key.
        key: String,
        /// The size of the result.
        bytes: usize,
    },
    /// The arguments or the result cannot be written as JSON, or the stored result cannot be read.
    #[error("cannot convert the {what} of `{key}` to or from JSON: {cause}")]
    Json {
        /// The key.
        key: String,
        /// The value that was converted.
        what: &'static str,
        /// The error of the conversion.
        cause: CodecError,
    },
    /// The request was not made, or failed in the store.
    #[error(transparent)]
    Unavailable(#[from] CoordinationError),
}

impl<E> OnceError<E> {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(_) | Self::FailedEarlier { .. } => ErrorKind::Refused,
            Self::OtherArguments { .. } => ErrorKind::KeyReused,
            Self::Lost { .. } => ErrorKind::Conflict,
            Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::Json { .. } => ErrorKind::Internal,
            Self::Unavailable(error) => error.kind(),
        }
    }

    /// Whether the same request can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Unavailable(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl<E> Once<E> {
    pub(crate) fn new(coordination: Arc<Coordination>, key: String) -> Self {
        Self {
            coordination,
            key,
            ttl: Duration::from_hours(24),
            lease: Duration::from_secs(15),
            arguments: Ok(None),
            keep_errors: Box::new(|_| false),
        }
    }

    /// Sets how long the result is stored: 24 h by default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the length of the lease under which the function runs: 15 s by default. The lease is renewed every third of its length. If the
    /// process ends, another caller runs the function after the lease has expired.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets the arguments of the call. A call with the same key and other arguments fails with [`OnceError::OtherArguments`].
    pub fn arguments(mut self, arguments: &impl Serialize) -> Self {
        self.arguments = to_json(arguments).map(Some);
        self
    }

    /// Sets which errors are stored as the result: none by default. Later callers get the text of a stored error as
    /// [`OnceError::FailedEarlier`].
    pub fn keep_errors(mut self, keep: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.keep_errors = Box::new(keep);
        self
    }

    /// Returns the result that is stored for the key. If there is none, runs `function`, or waits for another caller that runs it.
    ///
    /// A call costs two commits if it runs the function, and none if the result is stored.
    ///
    /// # Errors
    /// [`OnceError`].
    ///
    /// # Cancel safety
    /// If the future is dropped while `function` runs, the result is not stored, and the next caller runs the function again.
    pub async fn run<T>(mut self, function: impl AsyncFnOnce(OnceAttempt) -> Result<T, E>) -> Result<T, OnceError<E>>
    where
        T: Serialize + DeserializeOwned,
        E: fmt::Display,
    {
        self.check()?;
        let arguments = std::mem::replace(&mut self.arguments, Ok(None));
        let arguments = arguments.map_err(|cause| self.json("arguments", cause))?;
        if arguments.as_ref().is_some_and(|arguments| arguments.len() > MAX_VALUE_BYTES) {
            return Err(
                CoordinationError::Invalid { argument: "arguments", why: "are longer than 1 MiB as JSON" }.into()
            );
        }
        if let Some(kept) = self.kept().await? {
            return self.returned(kept, arguments.as_deref());
        }
        // One caller of this process at a time, in the order of the calls.
        let queue = self.coordination.queue(KIND, &self.key);
        let _queue = tokio::select! {
            queue = queue.lock_owned() => queue,
            () = self.coordination.engine.closing.cancelled() => return Err(CoordinationError::ShuttingDown.into()),
        };
        loop {
            if let Some(kept) = self.kept().await? {
                return self.returned(kept, arguments.as_deref());
            }
            let entry = self.enter(arguments.clone()).await?;
            let waited = entry.wait(|ahead| self.same_arguments(ahead.value.as_deref(), arguments.as_deref())).await?;
            match waited {
                Waited::First => {}
                Waited::Gone => continue,
                Waited::ShuttingDown => return Err(CoordinationError::ShuttingDown.into()),
            }
            // The caller ahead may have stored the result.
            if let Some(kept) = self.kept().await? {
                entry.leave().await;
                return self.returned(kept, arguments.as_deref());
            }
            return self.run_under(entry, arguments, function).await;
        }
    }

    /// Runs `function` under `entry`, and stores its result.
    async fn run_under<T>(
        &self,
        entry: Entry,
        arguments: Option<String>,
        function: impl AsyncFnOnce(OnceAttempt) -> Result<T, E>,
    ) -> Result<T, OnceError<E>>
    where
        T: Serialize,
        E: fmt::Display,
    {
        let attempt = OnceAttempt { fence: entry.sequence };
        let output = tokio::select! {
            biased;
            () = entry.lease.lost() => return Err(self.lost()),
            output = function(attempt) => output,
        };
        let (outcome, failed) = match &output {
            Ok(value) => (to_json(value).map_err(|cause| self.json("result", cause))?, false),
            Err(error) if (self.keep_errors)(error) => (shortened(error.to_string().replace('\0', "\u{FFFD}")), true),
            Err(_) => {
                entry.leave().await;
                return output.map_err(OnceError::Failed);
            }
        };
        if outcome.len() > MAX_VALUE_BYTES {
            return Err(OnceError::TooLarge { key: self.key.clone(), bytes: outcome.len() });
        }
        let result = NewResult { entry: entry.id().to_owned(), arguments, outcome, failed, ttl: self.ttl };
        let engine = &self.coordination.engine;
        let keep = self.coordination.entries()?.keep_result(result, engine.now());
        let kept = engine.asked("keep_result", keep).await.map_err(CoordinationError::from)?;
        // The store may have lost the answer of a first attempt that has stored the result.
        if !kept && self.kept().await?.is_none_or(|kept| kept.fence != entry.sequence) {
            return Err(self.lost());
        }
        entry.forget();
        output.map_err(OnceError::Failed)
    }

    fn check(&self) -> Result<(), CoordinationError> {
        check_name("key", &self.key)?;
        check_ttl("lease", self.lease)?;
        let why = match self.ttl {
            Duration::ZERO => "must be longer than zero, so that the callers that wait find the result",
            ttl if ttl > FOREVER => TOO_LONG,
            _ => return Ok(()),
        };
        Err(CoordinationError::Invalid { argument: "ttl", why })
    }

    async fn kept(&self) -> Result<Option<KeptResult>, CoordinationError> {
        let engine = &self.coordination.engine;
        let result = self.coordination.entries()?.result(KIND, self.key.clone(), engine.now());
        Ok(engine.asked("result", result).await?)
    }

    fn returned<T: DeserializeOwned>(&self, kept: KeptResult, arguments: Option<&str>) -> Result<T, OnceError<E>> {
        self.same_arguments(kept.arguments.as_deref(), arguments)?;
        if kept.failed {
            return Err(OnceError::FailedEarlier { message: kept.outcome });
        }
        from_json(&kept.outcome).map_err(|cause| self.json("stored result", cause))
    }

    fn same_arguments(&self, theirs: Option<&str>, ours: Option<&str>) -> Result<(), OnceError<E>> {
        let same = match (theirs, ours) {
            (Some(theirs), Some(ours)) => same_json(theirs, ours),
            (theirs, ours) => theirs == ours,
        };
        if same { Ok(()) } else { Err(OnceError::OtherArguments { key: self.key.clone() }) }
    }

    fn enter(&self, arguments: Option<String>) -> impl Future<Output = Result<Entry, CoordinationError>> {
        let new = NewEntry { kind: KIND, name: self.key.clone(), value: arguments, ttl: self.lease };
        Entry::enter(&self.coordination, new)
    }

    fn lost(&self) -> OnceError<E> {
        OnceError::Lost { key: self.key.clone() }
    }

    fn json(&self, what: &'static str, cause: CodecError) -> OnceError<E> {
        OnceError::Json { key: self.key.clone(), what, cause }
    }
}

impl<E> fmt::Debug for Once<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("key", &self.key).finish_non_exhaustive()
    }
}
