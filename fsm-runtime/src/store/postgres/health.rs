//! Old row versions that the server has not removed, and what keeps it from removing them.

use super::{
    columns::{number, value},
    core::Core,
    failure::Failure,
    statement::Statement,
};
use crate::store::StoreError;
use std::{fmt, sync::Arc, time::Duration};
use tokio_postgres::Row;

/// How often the store checks whether old row versions accumulate.
const CHECK: Duration = Duration::from_mins(1);
/// A warning is logged if there are at least this many dead rows,
const MANY: u64 = 10_000;
/// and something has kept the server from removing them for this long.
const LONG: Duration = Duration::from_mins(5);

/// The state of a store's tables. From [`Postgres::health`](super::Postgres::health).
///
/// Each update leaves an old version of its row, a dead row, until a vacuum removes it. While a transaction is open that may still read it,
/// no vacuum does, and every statement on the table becomes slower.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The tables of the store, by name.
    pub tables: Vec<TableHealth>,
    /// What keeps the most dead rows from being removed. `None` if nothing does, or if the role may not see it.
    pub oldest: Option<OldestSnapshot>,
}

/// A table of a store. The numbers of rows are the server's estimates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableHealth {
    /// The name, without the schema.
    pub name: String,
    /// The rows that are not dead.
    pub live_rows: u64,
    /// The old versions of rows that were not removed yet.
    pub dead_rows: u64,
    /// The size with indexes, in bytes.
    pub bytes: u64,
}

/// The oldest snapshot of the database. Row versions that died after it are not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OldestSnapshot {
    /// What has it.
    pub holder: SnapshotHolder,
    /// How many transactions began since.
    pub transactions: u64,
    /// How long its transaction has been open. `None` for a replication slot and a standby.
    pub open_for: Option<Duration>,
}

/// What has a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotHolder {
    /// An open transaction.
    Transaction {
        /// The process of the server, for `pg_terminate_backend`.
        pid: i32,
        /// The `application_name` of the connection.
        application: String,
    },
    /// A transaction that was prepared for a two-phase commit and not ended, by its name.
    Prepared(String),
    /// A replication slot, by its name.
    ReplicationSlot(String),
    /// A query on a standby that has no replication slot, and reports its queries by `hot_standby_feedback`.
    Standby {
        /// The process of the server that sends to the standby. If it is terminated, the standby reconnects, and the snapshot stays.
        pid: i32,
        /// The `application_name` of the standby.
        application: String,
    },
}

impl Health {
    /// The dead rows of all tables.
    #[must_use]
    pub fn dead_rows(&self) -> u64 {
        self.tables.iter().map(|table| table.dead_rows).sum()
    }

    /// What keeps many dead rows from being removed for a long time.
    fn cause_of_bloat(&self) -> Option<&OldestSnapshot> {
        let oldest = self.oldest.as_ref()?;
        // Replication slots and standbys have no time: their transactions count.
        let is_old = oldest.open_for.map_or(oldest.transactions >= MANY, |open_for| open_for >= LONG);
        (is_old && self.dead_rows() >= MANY).then_some(oldest)
    }
}

impl fmt::Display for SnapshotHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction { pid, application } => {
                write!(f, "an open transaction of server process {pid} (`{application}`)")
            }
            Self::Prepared(name) => write!(f, "the prepared transaction `{name}`"),
            Self::ReplicationSlot(name) => write!(f, "the replication slot `{name}`"),
            Self::Standby { application, .. } => write!(f, "a query on the standby `{application}`"),
        }
    }
}

const TABLES: &str = "SELECT t.relname::text, t.n_live_tup, t.n_dead_tup, pg_total_relation_size(t.relid)
    FROM pg_stat_user_tables t WHERE t.schemaname = $1 ORDER BY 1";

/// Snapshots of other databases do not matter; those of a standby belong to none.
const OLDEST: &str = "
SELECT s.kind, s.pid, s.name, s.age, s.micros FROM (
    SELECT CASE a.backend_type WHEN 'walsender' THEN 'w' ELSE 't' END AS kind, a.pid, a.application_name AS name,
           greatest(age(a.backend_xmin), age(a.backend_xid))::bigint AS age,
           (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000000)::bigint AS micros
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND (a.datname = current_database() OR a.datname IS NULL)
    UNION ALL
    SELECT 'p', 0, p.gid, age(p.transaction)::bigint, (extract(epoch FROM clock_timestamp() - p.prepared) * 1000000)::bigint
    FROM pg_prepared_xacts p WHERE p.database = current_database()
    UNION ALL
    SELECT 's', 0, r.slot_name::text, age(r.xmin)::bigint, NULL FROM pg_replication_slots r
) s WHERE s.age IS NOT NULL ORDER BY s.age DESC LIMIT 1";

impl Core {
    pub(super) async fn health(&self) -> Result<Health, StoreError> {
        let rows = self.read(Statement::new(TABLES).text(self.options.schema.clone())).await?;
        let tables = self.decoded(rows.iter().map(to_table).collect())?;
        let rows = self.read(Statement::new(OLDEST)).await?;
        Ok(Health { tables, oldest: self.decoded(rows.first().map(to_oldest).transpose())? })
    }
}

fn to_table(row: &Row) -> Result<TableHealth, Failure> {
    Ok(TableHealth {
        name: value(row, 0, "relname")?,
        live_rows: number(row, 1, "n_live_tup")?,
        dead_rows: number(row, 2, "n_dead_tup")?,
        bytes: number(row, 3, "bytes")?,
    })
}

fn to_oldest(row: &Row) -> Result<OldestSnapshot, Failure> {
    let name = value(row, 2, "name")?;
    let holder = match value::<String>(row, 0, "kind")?.as_str() {
        "t" => SnapshotHolder::Transaction { pid: value(row, 1, "pid")?, application: name },
        "w" => SnapshotHolder::Standby { pid: value(row, 1, "pid")?, application: name },
        "p" => SnapshotHolder::Prepared(name),
        _ => SnapshotHolder::ReplicationSlot(name),
    };
    let micros = value::<Option<i64>>(row, 4, "micros")?;
    Ok(OldestSnapshot {
        holder,
        // The age of an id of the future, which the server gives out meanwhile, is negative.
        transactions: u64::try_from(value::<i64>(row, 3, "age")?).unwrap_or_default(),
        open_for: micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or_default())),
    })
}

/// Logs when dead rows accumulate because something keeps the server from removing them, and when that ends.
pub(super) async fn watch(core: Arc<Core>) {
    let mut is_logged = false;
    loop {
        tokio::time::sleep(CHECK).await;
        // Callers see the errors of their own calls.
        let Ok(health) = core.health().await else { continue };
        match health.cause_of_bloat() {
            Some(oldest) if !is_logged => {
                tracing::warn!(
                    store = %core.target.name, dead_rows = health.dead_rows(), holder = %oldest.holder, open_for = ?oldest.open_for,
                    transactions = oldest.transactions,
                    "old row versions cannot be removed, and the store becomes slower: end what holds them"
                );
                is_logged = true;
            }
            None if is_logged => {
                tracing::info!(store = %core.target.name, dead_rows = health.dead_rows(), "old row versions can be removed again");
                is_logged = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(dead_rows: u64, open_for: Option<Duration>, transactions: u64) -> Health {
        let table = TableHealth { name: "instances".into(), live_rows: 1, dead_rows, bytes: 1 };
        let holder = SnapshotHolder::Prepared("p".into());
        Health { tables: vec![table], oldest: Some(OldestSnapshot { holder, transactions, open_for }) }
    }

    #[test]
    fn many_dead_rows_and_an_old_snapshot_are_logged() {
        assert!(health(MANY, Some(LONG), 1).cause_of_bloat().is_some());
        assert!(health(MANY - 1, Some(LONG), 1).cause_of_bloat().is_none());
        assert!(health(MANY, Some(LONG / 2), 1_000_000).cause_of_bloat().is_none());
        assert!(health(MANY, None, MANY).cause_of_bloat().is_some());
        assert!(health(MANY, None, 1).cause_of_bloat().is_none());
        assert!(Health { oldest: None, ..health(MANY, None, 1) }.cause_of_bloat().is_none());
    }
}
