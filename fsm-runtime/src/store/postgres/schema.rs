//! The tables: whether the server and the layout are known, and their creation by one of many processes that start at once.

use super::{
    OpenError, PostgresOptions,
    connect::{Role, Target},
    failure::{Failure, Kind},
    session::{Connected, Session},
    statement::{Statement, Texts, quoted},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The layout of the tables that this release writes.
const LAYOUT: i64 = 1;
/// The oldest server that has what the store needs.
const OLDEST_SERVER: i32 = 150_000;
/// The name of the lock under which the tables are created.
const CREATION: &str = "fsm: create tables";
/// How often a process that waits for another one's index looks whether that one has ended.
const INDEX_PAUSE: Duration = Duration::from_millis(200);

const SCHEMA: &str = "CREATE SCHEMA {schema};\n";
const TABLES: &str = include_str!("layout_1.sql");

/// The one index that is optional: every transition writes to it.
const STATE_INDEX: &str = "CREATE INDEX instances_state ON {schema}.instances (machine, state, schema, updated, id)";

/// The statements that create the tables in schema `name`.
pub(super) fn sql(name: &str) -> String {
    Texts::new(name).fill(&[SCHEMA, TABLES].concat())
}

/// Checks the server and creates missing tables, and tries again while the server cannot be reached.
pub(super) async fn prepare(session: &Session, target: &Target, options: &PostgresOptions) -> Result<(), OpenError> {
    let began = Instant::now();
    loop {
        let prepared = async {
            let connected = session.connected().await?;
            let prepared = prepare_on(&connected, target, options).await;
            if let Err(Attempt::Failed(failure)) = &prepared
                && failure.can_pass()
            {
                session.give_up(&connected).await;
            }
            prepared
        };
        let failure = match prepared.await {
            Ok(()) => return Ok(()),
            Err(Attempt::Refused(error)) => return Err(error),
            Err(Attempt::Failed(failure)) => failure,
        };
        if !failure.can_pass() || failure.kind == Kind::Login || began.elapsed() >= options.timeout {
            let (store, cause) = (target.name.clone(), failure.text);
            return Err(match failure.kind {
                Kind::Login => OpenError::Login { store, cause },
                Kind::Unreachable | Kind::Lost => OpenError::Unreachable { store, cause },
                _ => OpenError::Unusable { store, cause },
            });
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..100))).await;
    }
}

/// Why an attempt ended.
enum Attempt {
    Failed(Failure),
    Refused(OpenError),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<OpenError> for Attempt {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

async fn prepare_on(connected: &Connected, target: &Target, options: &PostgresOptions) -> Result<(), Attempt> {
    check_server(connected, target).await?;
    if !has_tables(connected, target, options).await? {
        create(connected, target, options).await?;
    }
    if let Some(wanted) = options.state_index {
        state_index(connected, target, options, wanted).await?;
    }
    Ok(())
}

async fn check_server(connected: &Connected, target: &Target) -> Result<(), Attempt> {
    // By itself: the other databases do not have the functions of the next query.
    let version: String = one(connected, Statement::new("SELECT version()")).await?;
    let store = target.name.clone();
    if let Some(found) = other_database(&version) {
        return Err(OpenError::NotPostgres { store, found: found.to_owned() }.into());
    }
    let number: i32 = one(connected, Statement::new("SELECT current_setting('server_version_num')::int")).await?;
    if number < OLDEST_SERVER {
        let found: String = one(connected, Statement::new("SELECT current_setting('server_version')")).await?;
        return Err(OpenError::TooOld { store, found }.into());
    }
    let found: String = one(connected, Statement::new("SELECT current_setting('server_encoding')")).await?;
    if found != "UTF8" {
        return Err(OpenError::NotUtf8 { store, found }.into());
    }
    Ok(())
}

/// The database, if it is not PostgreSQL.
fn other_database(version: &str) -> Option<&str> {
    let known = [("CockroachDB", "CockroachDB"), ("-YB-", "YugabyteDB"), ("Yugabyte", "YugabyteDB")];
    let known = known.iter().find(|(sign, _)| version.contains(sign)).map(|(_, name)| *name);
    known.or_else(|| (!version.starts_with("PostgreSQL ")).then_some(version))
}

/// Whether the tables are there, with a layout that this release can use.
async fn has_tables(connected: &Connected, target: &Target, options: &PostgresOptions) -> Result<bool, Attempt> {
    // From the catalog itself: what another process has created just now is not in the caches of this connection.
    let meta = "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = $1 AND c.relname = 'meta')";
    if !one::<bool>(connected, Statement::new(meta).text(options.schema.clone())).await? {
        return Ok(false);
    }
    let rows = connected
        .query(&Statement::new("SELECT name, value FROM {schema}.meta WHERE name IN ('layout', 'oldest_reader')"))
        .await?;
    let value = |wanted: &str| rows.iter().find(|row| row.get::<_, &str>(0) == wanted).map(|row| row.get::<_, i64>(1));
    let (Some(found), Some(oldest_reader)) = (value("layout"), value("oldest_reader")) else {
        let cause = "its table `meta` does not name the layout".to_owned();
        return Err(OpenError::Unusable { store: target.name.clone(), cause }.into());
    };
    if oldest_reader > LAYOUT {
        return Err(OpenError::Newer { store: target.name.clone(), found, oldest_reader, known: LAYOUT }.into());
    }
    Ok(true)
}

/// Creates the tables in one transaction, under a lock that ends with it.
async fn create(connected: &Connected, target: &Target, options: &PostgresOptions) -> Result<(), Attempt> {
    let no_tables =
        |cause: String| OpenError::NoTables { store: target.name.clone(), cause, sql: sql(&options.schema) };
    if !options.migrate {
        return Err(no_tables("the option `migrate` is off".to_owned()).into());
    }
    connected.execute(&target.begin(Role::Statements)).await?;
    let created = async {
        // All others wait for the first one here.
        let lock = Statement::new(
            "SELECT set_config('lock_timeout', '60s', true), pg_advisory_xact_lock(hashtextextended($1, 0))",
        );
        connected.query(&lock.text(format!("{CREATION} {}", options.schema))).await?;
        if !has_tables(connected, target, options).await? {
            // The right to create a schema is not needed where it is there.
            let schema = Statement::new("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)");
            if !one::<bool>(connected, schema.text(options.schema.clone())).await? {
                connected.execute(SCHEMA).await?;
            }
            connected.execute(TABLES).await?;
            if options.state_index == Some(true) {
                connected.execute(STATE_INDEX).await?;
            }
        }
        Ok::<_, Attempt>(())
    };
    match created.await {
        Ok(()) => Ok(connected.execute("COMMIT").await?),
        Err(attempt) => {
            // After a broken connection there is nothing to undo.
            let _ = connected.execute("ROLLBACK").await;
            Err(match attempt {
                Attempt::Failed(failure) if failure.kind == Kind::Forbidden => no_tables(failure.text).into(),
                attempt => attempt,
            })
        }
    }
}

/// Builds or drops the index of states, without blocking writers. Other processes may do the same at this moment: one builds it, and the
/// others wait for that one.
async fn state_index(
    connected: &Connected,
    target: &Target,
    options: &PostgresOptions,
    wanted: bool,
) -> Result<(), Attempt> {
    if has_state_index(connected, options).await? == wanted {
        return Ok(());
    }
    if !wanted {
        return Ok(connected.execute("DROP INDEX IF EXISTS {schema}.instances_state").await?);
    }
    if target.pooled {
        let cause = "the index of states cannot be built through a pooler, which keeps no settings and locks of a session: open the store \
                     once with a direct connection"
            .to_owned();
        return Err(OpenError::Unusable { store: target.name.clone(), cause }.into());
    }
    tracing::info!(store = %target.name, "building the index of states, which takes a while if there are many instances");
    let name = format!("fsm: index of states {}", options.schema);
    let lock = || Statement::new("SELECT pg_try_advisory_lock(hashtextextended($1, 0))").text(name.clone());
    while !one::<bool>(connected, lock()).await? {
        tokio::time::sleep(INDEX_PAUSE).await;
    }
    let built = async {
        if has_state_index(connected, options).await? {
            return Ok(());
        }
        // What a build that was interrupted has left is not valid.
        connected.execute("DROP INDEX IF EXISTS {schema}.instances_state").await?;
        connected.execute_without_limit(&STATE_INDEX.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY")).await
    };
    let built = built.await;
    let unlock = Statement::new("SELECT pg_advisory_unlock(hashtextextended($1, 0))");
    connected.query(&unlock.text(name)).await?;
    Ok(built?)
}

async fn has_state_index(connected: &Connected, options: &PostgresOptions) -> Result<bool, Failure> {
    one(connected, state_index_exists(&options.schema)).await
}

/// Whether the index of states is there and complete.
pub(super) fn state_index_exists(schema: &str) -> Statement<'static> {
    let text = "SELECT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid)";
    Statement::new(text).text(format!("{}.instances_state", quoted(schema)))
}

async fn one<T: tokio_postgres::types::FromSqlOwned>(
    connected: &Connected,
    statement: Statement<'_>,
) -> Result<T, Failure> {
    let rows = connected.query(&statement).await?;
    let row = rows.first().ok_or_else(|| Failure::new(Kind::Other, "the server returned no row"))?;
    super::columns::value(row, 0, "of one row")
}

/// A session for the preparation alone.
pub(super) fn session(target: &Arc<Target>, texts: &Arc<Texts>) -> Session {
    Session::new(target, texts, Role::Statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n44_other_databases_are_named() {
        let found = [
            "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
            "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15)",
            "PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17",
            "Materialize v0.1",
        ]
        .map(other_database);
        assert_eq!(found, [None, Some("CockroachDB"), Some("YugabyteDB"), Some("Materialize v0.1")]);
    }

    #[test]
    fn the_statements_name_the_schema_everywhere() {
        let sql = sql("my");
        assert!(sql.contains("CREATE TABLE \"my\".instances") && !sql.contains("{schema}"), "{sql}");
    }
}
