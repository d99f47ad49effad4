//! The store: an SQLite file, or a PostgreSQL database. The rest of the program is the same on both.

use crate::config::display_path;
use anyhow::{Context as _, bail, ensure};
#[cfg(feature = "postgres")]
use fsm_runtime::store::postgres::{OpenError, Postgres};
use fsm_runtime::{Builder, Runtime, store::sqlite::Sqlite};
#[cfg(feature = "postgres")]
use std::time::Duration;
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The lease of a process on a database. Another process takes over what a killed one worked on when its lease has ended; on one file,
/// the end of a process is seen at once.
#[cfg(feature = "postgres")]
const LEASE: Duration = Duration::from_secs(5);

/// How often a database is scanned for due work, beside the notifications of changes.
#[cfg(feature = "postgres")]
const SCAN: Duration = Duration::from_secs(1);

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// The URL of a PostgreSQL database.
    Database(String),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text.is_empty() => {
                Err("expected the path of a file, or `postgres://user@host/database`".to_owned())
            }
            None => Ok(Self::File(text.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Database(text.to_owned())),
            Some((scheme, _)) => Err(format!(
                "unknown scheme `{}`: expected the path of a file, or `postgres://user@host/database`",
                scheme.escape_debug()
            )),
        }
    }
}

/// Without the URL, which may have a password.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Database(_) => f.debug_tuple("Database").finish_non_exhaustive(),
        }
    }
}

impl Location {
    /// Opens the store, and creates it if there is none.
    pub(crate) async fn open(&self) -> anyhow::Result<Builder> {
        match self {
            Self::File(path) => Ok(Runtime::builder(Sqlite::open(path).await?)),
            Self::Database(url) => database(url, true).await,
        }
    }

    /// Opens the store. Fails if there is none.
    pub(crate) async fn open_existing(&self) -> anyhow::Result<Builder> {
        match self {
            Self::File(path) => Ok(Runtime::builder(existing(path).await?)),
            Self::Database(url) => database(url, false).await,
        }
    }

    /// Moves the contents of this file to the database `to`.
    #[cfg(feature = "postgres")]
    pub(crate) async fn move_to(&self, to: &Self, mut print: impl FnMut(String)) -> anyhow::Result<()> {
        let (Self::File(file), Self::Database(url)) = (self, to) else {
            bail!("the contents of a file are moved to a database: `servers move postgres://user@host/database`");
        };
        let (source, target) = (existing(file).await?, Postgres::open(url).await?);
        let copied = source.copy_to(&target, |progress| print(progress.to_string())).await?;
        print(copied.to_string());
        Ok(())
    }

    #[cfg(not(feature = "postgres"))]
    #[allow(clippy::unused_async, clippy::unused_self)]
    pub(crate) async fn move_to(&self, _: &Self, _: impl FnMut(String)) -> anyhow::Result<()> {
        bail!("this program was built without the feature `postgres`")
    }
}

/// The store in a file that exists.
async fn existing(path: &Path) -> anyhow::Result<Sqlite> {
    let exists = path.try_exists().with_context(|| display_path(path))?;
    ensure!(
        exists,
        "there is no store {}; run `servers up` to create it, or name another with --store or --data",
        display_path(path)
    );
    Ok(Sqlite::open(path).await?)
}

#[cfg(feature = "postgres")]
async fn database(url: &str, create: bool) -> anyhow::Result<Builder> {
    // A command that only reads does not wait long for a server that is not there.
    let timeout = Duration::from_secs(if create { 30 } else { 5 });
    let store = match Postgres::options(url).migrate(create).timeout(timeout).open().await {
        Err(OpenError::NoTables { store, .. }) if !create => {
            bail!("there is no store in {store}; run `servers up` to create it")
        }
        opened => opened?,
    };
    Ok(Runtime::builder(store).lease_ttl(LEASE).poll_interval(SCAN))
}

#[cfg(not(feature = "postgres"))]
#[allow(clippy::unused_async)]
async fn database(_: &str, _: bool) -> anyhow::Result<Builder> {
    bail!("this program was built without the feature `postgres`; name a file with --store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_or_a_database() {
        assert_eq!("a/servers.db".parse(), Ok(Location::File("a/servers.db".into())));
        let url = "postgres://app:secret@db/app";
        assert_eq!(url.parse(), Ok(Location::Database(url.to_owned())));
        assert!(!format!("{:?}", url.parse::<Location>()).contains("secret"));
        let error = "mysql://app:secret@db/app".parse::<Location>();
        let expected = "unknown scheme `mysql`: expected the path of a file, or `postgres://user@host/database`";
        assert_eq!(error, Err(expected.to_owned()));
        assert!("".parse::<Location>().is_err());
    }
}
