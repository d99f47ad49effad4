//! Copies a store into another one: the contents of an SQLite file into a PostgreSQL database.
//!
//! [`Sqlite::copy_to`] does it.

pub use super::contents::Copied;
use super::{Key, StoreError, contents::Page, postgres::Postgres, sqlite::Sqlite};
use crate::error_kind::ErrorKind;
use std::fmt;

/// The progress of a copy. `Display` prints it as a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// What is copied, and not committed yet.
    pub copied: Copied,
    /// The total to copy.
    pub of: Copied,
}

impl fmt::Display for CopyProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (copied, of) = (self.copied.total(), self.of.total());
        let percent = (copied * 100).checked_div(of).unwrap_or(100);
        write!(f, "{copied} of {of} rows copied ({percent} %)")
    }
}

/// Why a store was not copied. The target is as it was, unless the variant states otherwise.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// Processes work on the source: their changes would be missing in the copy.
    #[error(
        "{store} is in use by {}; stop them with `Runtime::shutdown`, and copy again",
        processes.join(", ")
    )]
    SourceInUse {
        /// The source.
        store: String,
        /// The processes.
        processes: Vec<String>,
    },
    /// The target is not empty.
    #[error(
        "{store} is not empty: it has {}; copy to a new one, in another schema (`Postgres::options(…).schema(…)`), or remove this one \
         with `DROP SCHEMA {schema} CASCADE`, and open it again",
        found.join(", ")
    )]
    NotEmpty {
        /// The target.
        store: String,
        /// Its schema, quoted.
        schema: String,
        /// What it has.
        found: Vec<String>,
    },
    /// The target cannot store a key of the source.
    #[error("{key} cannot be copied to {store}: {why}; remove the instance from the source, and copy again")]
    Unstorable {
        /// The target.
        store: String,
        /// The instance.
        key: Key,
        /// The reason.
        why: String,
    },
    /// The source could not be read.
    #[error(transparent)]
    Source(StoreError),
    /// The target could not be written. After [`StoreError::Indeterminate`] everything may be copied: another attempt is
    /// [`NotEmpty`](Self::NotEmpty) then.
    #[error(transparent)]
    Target(StoreError),
    /// Everything is copied and committed, and the source could not be closed for changes: nothing may write to it any more.
    #[error(
        "everything is copied, and the source is not closed for changes ({0}); move its file away before anything writes to it"
    )]
    NotClosed(StoreError),
}

/// The text of `Display`: what a `main` that returns the error prints.
impl fmt::Debug for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl CopyError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::SourceInUse { .. } => ErrorKind::Unavailable,
            Self::NotEmpty { .. } => ErrorKind::AlreadyExists,
            Self::Unstorable { .. } => ErrorKind::Invalid,
            Self::Source(error) | Self::Target(error) | Self::NotClosed(error) => error.kind(),
        }
    }

    /// Whether the copy may succeed when it is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Source(error) | Self::Target(error) => error.is_retryable(),
            Self::NotClosed(_) => false,
            other => other.kind().can_pass(),
        }
    }
}

impl Sqlite {
    /// Moves the contents of this store to `target`, a new store on PostgreSQL: instances, history, idempotency keys, positions of
    /// subscribers, the operators' log, the definitions of machines, and results that are kept. Calls `progress` after each page.
    ///
    /// The numbers of versions and history entries stay the same, so that subscribers continue where they are. Fences of the copy are above
    /// all that this store has given out. Leases are not copied, neither are locks and services: stop all processes that work on this store
    /// before. Claims of processes that were killed are copied, and processes of the copy take the work over.
    ///
    /// The copy is one transaction of each store, so either everything is copied or nothing. No process can write to this store until the
    /// copy has ended. Then it is closed for changes, so that no late process or client writes to the wrong store: every write is
    /// [`StoreError::ReadOnly`], which names the target. Reads continue. [`restore`](Self::restore) makes a copy of the file that can be
    /// written again. A store that was opened with `read_only(true)` is copied as it is at this moment, and not closed.
    ///
    /// Memory is bounded by pages of about a megabyte. An attempt that failed is made again from the beginning.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use fsm_runtime::store::{postgres::Postgres, sqlite::Sqlite};
    ///
    /// let source = Sqlite::open("servers.db").await?;
    /// let target = Postgres::open("postgres://app@db.internal/app").await?;
    /// let copied = source.copy_to(&target, |progress| println!("{progress}")).await?;
    /// println!("copied: {copied}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`CopyError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the copy ends, and nothing is copied. If it is dropped while the last transaction is committed, all may
    /// be copied, and the source is not closed.
    pub async fn copy_to(
        &self,
        target: &Postgres,
        mut progress: impl FnMut(&CopyProgress),
    ) -> Result<Copied, CopyError> {
        let (head, mut source) = self.export().await.map_err(CopyError::Source)?;
        if !head.used_by.is_empty() {
            return Err(CopyError::SourceInUse { store: source.store, processes: head.used_by });
        }
        let import = target.import().await.map_err(CopyError::Target)?;
        if !import.found.is_empty() {
            let (store, schema) = (import.store(), import.schema());
            return Err(CopyError::NotEmpty { store, schema, found: import.found });
        }
        let mut copied = CopyProgress { copied: Copied::default(), of: head.counts };
        while let Some(page) = source.pages.recv().await {
            copied.copied.add(&page);
            if let Some(key) = unstorable(&page) {
                let why = "PostgreSQL does not store the character NUL in a key".to_owned();
                return Err(CopyError::Unstorable { store: import.store(), key, why });
            }
            import.write(page).await.map_err(CopyError::Target)?;
            progress(&copied);
        }
        source.all_read().await.map_err(CopyError::Source)?;
        let (from, to) = (source.store.clone(), import.store());
        import.commit(head.numbers).await.map_err(CopyError::Target)?;
        source.close(&to).await.map_err(CopyError::NotClosed)?;
        tracing::info!(%from, %to, copied = %copied.copied, "the store was copied");
        Ok(copied.copied)
    }
}

/// The first instance whose keys the target cannot store.
fn unstorable(page: &Page) -> Option<Key> {
    let has_nul = |key: &Key, used: Option<&str>| {
        [Some(&*key.machine), Some(&*key.id), used].into_iter().flatten().any(|text| text.contains('\0'))
    };
    let key = match page {
        Page::Instances(rows) => rows.iter().map(|row| &row.key).find(|key| has_nul(key, None)),
        Page::History(entries) => {
            entries.iter().find(|it| has_nul(&it.key, it.idempotency_key.as_deref())).map(|it| &it.key)
        }
        Page::Keys(keys) => keys.iter().find(|it| has_nul(&it.key, Some(&it.idempotency_key))).map(|it| &it.key),
        Page::Definitions(_) | Page::Operations(_) | Page::Subscribers(_) | Page::Results(_) => None,
    };
    key.cloned()
}
