//! A store in a PostgreSQL database, for the processes of several hosts.

mod change;
mod claimed;
mod columns;
mod connect;
mod core;
mod ephemeral;
mod error;
mod failure;
mod gap;
mod health;
mod history;
#[cfg(feature = "sqlite")]
mod import;
mod lane;
mod lease;
mod list;
mod notices;
mod operations;
mod options;
mod read;
mod schema;
mod session;
mod statement;
mod text;
mod tls;
mod upkeep;
mod user_sql;
mod within;
mod within_json;

use self::core::{Core, Driver};
use super::{
    Buckets, ChangedKeys, Count, Cursor, Definition, Due, Ephemeral, Ephemerals, Filter, Group, Held, HistoryEntry,
    HistoryQuery, InUse, KeptResult, Key, Lapsed, Lease, LocalChanges, NewEphemeral, NewResult, Notice, Operation,
    OperationEntry, Page, Position, Presence, Process, Prune, Renewal, Renewed, Row, Scope, Statements, Store,
    StoreError, StoreFuture, TransactionalSql, Verdict,
};
pub use error::OpenError;
pub use health::{Health, OldestSnapshot, SnapshotHolder, TableHealth};
pub use options::{PostgresOptions, Time};
use std::{
    error::Error,
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{broadcast, watch};
pub use user_sql::{Sql, SqlError, SqlValue};
pub(crate) use within::NotWithin;
pub use within::OpenTransaction;

/// Rows in a PostgreSQL database, for the processes of several hosts.
///
/// Needs PostgreSQL 15 or newer. The tables are in a schema of their own. Changes of many callers share transactions, which are sent in
/// one burst: a process that is stopped holds no locks. Leases, due times and the history are in the time of the server.
///
/// A thread of the store's own drives its connections: one for leases, two that read, one for each
/// [lane](PostgresOptions::lanes), and one for notifications. It ends with the last handle. A clone is another handle.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fsm_runtime::{Runtime, store::postgres::Postgres};
///
/// let store = Postgres::open("postgres://app@db.internal/app").await?;
/// let runtime = Runtime::builder(store).start().await?;
/// # runtime.shutdown(std::time::Duration::from_secs(1)).await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Postgres(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    lanes: lane::Lanes,
    /// Commits groups with statements of the caller, one after the other.
    with_statements: Arc<tokio::sync::Mutex<lane::Lane>>,
    local_changes: LocalChanges,
    /// Last: the connections are in use until then.
    driver: Driver,
}

impl Postgres {
    /// Opens the store in the database of `url`, and creates its tables where there are none.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the tables may exist. Opening the store again is safe.
    pub async fn open(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::options(url).open().await
    }

    /// Options for opening the store in the database of `url`: a URL (`postgres://user:password@host/database`) or a connection string
    /// of `key=value` pairs. Several hosts are tried in order, until one takes writes.
    pub fn options(url: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(url.into())
    }

    /// The statements that create the tables in schema `schema`, for a role that may create them.
    #[must_use]
    pub fn schema_sql(schema: &str) -> String {
        schema::sql(schema)
    }

    /// The dead rows of the store's tables, and what keeps the server from removing them.
    ///
    /// The role sees transactions of other roles only with the rights of `pg_read_all_stats`.
    ///
    /// ```no_run
    /// # use fsm_runtime::store::{StoreError, postgres::Postgres};
    /// # async fn example(store: Postgres) -> Result<(), StoreError> {
    /// let health = store.health().await?;
    /// if let Some(oldest) = &health.oldest {
    ///     println!("{} dead rows; the oldest snapshot is that of {}", health.dead_rows(), oldest.holder);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing has changed.
    pub async fn health(&self) -> Result<Health, StoreError> {
        self.run(|core| async move { core.health().await }).await
    }

    async fn open_with(options: PostgresOptions) -> Result<Self, OpenError> {
        if let Some((option, why)) = options.out_of_range() {
            return Err(OpenError::Option { option, why });
        }
        let (target, texts) = (Arc::new(connect::Target::new(&options)?), statement::Texts::new(&options.schema));
        let (texts, driver) = (Arc::new(texts), Driver::start()?);
        let prepared = driver.run({
            let (target, texts, options) = (target.clone(), texts.clone(), options.clone());
            async move { schema::prepare(&schema::session(&target, &texts), &target, &options).await }
        });
        let ended = || OpenError::Unusable {
            store: target.name.clone(),
            cause: "the preparation of the tables panicked".to_owned(),
        };
        prepared.await.unwrap_or_else(|| Err(ended()))?;
        let core = Arc::new(Core::new(target, texts, options));
        let (lanes, local_changes) = (lane::Lanes::start(&core, &driver), LocalChanges::new());
        notices::start(&core, &driver);
        driver.spawn(health::watch(core.clone()));
        let with_statements = lane::Lane::new(core.clone(), connect::Role::Statements);
        let with_statements = Arc::new(tokio::sync::Mutex::new(with_statements));
        Ok(Self(Arc::new(Inner { core, lanes, with_statements, local_changes, driver })))
    }

    /// Runs `call` on the store's thread.
    fn run<T, F>(&self, call: impl FnOnce(Arc<Core>) -> F + Send + 'static) -> StoreFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Box::pin(async move {
            let answer = self.0.driver.run(call(self.0.core.clone())).await;
            answer.unwrap_or_else(|| Err(StoreError::Closed { store: self.0.core.target.name.clone() }))
        })
    }
}

impl TransactionalSql for Postgres {
    type Sql<'a> = Sql<'a>;

    fn commit_with(
        &self,
        mut group: Group,
        statements: Statements<Self>,
        now: SystemTime,
    ) -> StoreFuture<'_, Result<Verdict, Box<dyn Error + Send + Sync>>> {
        let (lane, since) = (self.0.with_statements.clone(), Instant::now());
        self.run(move |core| async move {
            text::replace_nul(&mut group);
            let refused = text::refused(&group).or_else(|| group.too_large(core.options.max_value_bytes));
            if let Some(verdict) = refused {
                return Ok(Ok(verdict));
            }
            let now = core.callers(now);
            lane.lock().await.commit_with(&group, now, since, statements).await
        })
    }

    fn is_same_store(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Store for Postgres {
    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>> {
        Box::pin(self.0.lanes.commit(groups, now))
    }

    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>> {
        self.run(move |core| async move { core.row(key).await })
    }

    fn list(&self, filter: Filter) -> StoreFuture<'_, Page<Row>> {
        self.run(move |core| async move { core.page(filter).await })
    }

    fn lists_by_state(&self) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.has_state_index().await })
    }

    fn count(&self, machine: String) -> StoreFuture<'_, Vec<Count>> {
        self.run(move |core| async move { core.count(machine).await })
    }

    fn history(&self, query: HistoryQuery) -> StoreFuture<'_, Vec<HistoryEntry>> {
        self.run(move |core| async move { core.history(query).await })
    }

    fn find_by_idempotency_key(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>> {
        self.run(move |core| async move { core.find_by_idempotency_key(key, idempotency_key).await })
    }

    fn last_sequence(&self) -> StoreFuture<'_, u64> {
        self.run(move |core| async move { core.last_sequence().await })
    }

    fn pruned_through(&self) -> StoreFuture<'_, u64> {
        self.run(move |core| async move { core.pruned_through().await })
    }

    fn subscriber_position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>> {
        self.run(move |core| async move { core.subscriber_position(subscriber).await })
    }

    fn save_position(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()> {
        self.run(move |core| async move { core.save_position(subscriber, position).await })
    }

    fn remove_position(&self, subscriber: String) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.remove_position(subscriber).await })
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.run(move |core| async move { core.prune(prune).await })
    }

    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>> {
        self.run(move |core| async move { core.due(scope, until, after, limit).await })
    }

    fn orphaned(&self, scope: Scope, after: Option<Key>, limit: usize, now: SystemTime) -> StoreFuture<'_, Vec<Key>> {
        self.run(move |core| async move { core.orphaned(scope, after, limit, now).await })
    }

    fn held_by(&self, owner: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Held>> {
        self.run(move |core| async move { core.held_by(owner, after, limit).await })
    }

    fn claims(&self, machine: String, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<Row>> {
        self.run(move |core| async move { core.claims(machine, after, limit).await })
    }

    fn states_in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>> {
        self.run(move |core| async move { core.states_in_use(machine).await })
    }

    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()> {
        self.run(move |core| async move { core.retire(machine, schema).await })
    }

    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()> {
        self.run(move |core| async move { core.define(definitions, now).await })
    }

    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>> {
        self.run(move |core| async move { core.definition(machine).await })
    }

    fn definitions(&self) -> StoreFuture<'_, Vec<Definition>> {
        self.run(move |core| async move { core.definitions().await })
    }

    fn log_operation(&self, operation: Operation, now: SystemTime) -> StoreFuture<'_, u64> {
        self.run(move |core| async move { core.log_operation(operation, now).await })
    }

    fn operations(&self, before: u64, limit: usize) -> StoreFuture<'_, Vec<OperationEntry>> {
        self.run(move |core| async move { core.operations(before, limit).await })
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.core.notices.subscribe()
    }

    fn changed(&self, after: u64, buckets: Buckets, limit: usize) -> StoreFuture<'_, ChangedKeys> {
        self.run(move |core| async move { core.changed(after, buckets, limit).await })
    }

    fn local_changes(&self) -> &LocalChanges {
        &self.0.local_changes
    }

    fn take_lease(&self, process: Process, ttl: Duration, now: SystemTime) -> StoreFuture<'_, Renewed> {
        self.run(move |core| async move { core.take_lease(process, ttl, now).await })
    }

    fn renew_lease(&self, renewal: Renewal, now: SystemTime) -> StoreFuture<'_, Result<Renewed, Lapsed>> {
        self.run(move |core| async move { core.renew_lease(renewal, now).await })
    }

    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()> {
        self.run(move |core| async move { core.end_leases(owners, now).await })
    }

    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.run(move |core| async move { core.leases(now).await })
    }

    /// A vanished connection proves nothing: a process is found dead by its lease alone.
    fn presence(&self) -> Option<&dyn Presence> {
        None
    }

    fn ephemerals(&self) -> Option<&dyn Ephemerals> {
        Some(self)
    }
}

impl Ephemerals for Postgres {
    fn enter(&self, entry: NewEphemeral, now: SystemTime) -> StoreFuture<'_, u64> {
        self.run(move |core| async move { core.enter(entry, now).await })
    }

    fn renew_entry(&self, id: String, ttl: Duration, now: SystemTime) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.renew_entry(id, ttl, now).await })
    }

    fn set_entry_value(&self, id: String, value: String, now: SystemTime) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.set_entry_value(id, value, now).await })
    }

    fn remove_entry(&self, id: String, _now: SystemTime) -> StoreFuture<'_, ()> {
        self.run(move |core| async move { core.remove_entry(id).await })
    }

    fn position(&self, id: String, now: SystemTime) -> StoreFuture<'_, Position> {
        self.run(move |core| async move { core.position(id, now).await })
    }

    fn first_entries(
        &self,
        kind: &'static str,
        name: String,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>> {
        self.run(move |core| async move { core.first_entries(kind, name, limit, now).await })
    }

    fn entries(
        &self,
        kind: &'static str,
        name: Option<String>,
        after: Option<(String, u64)>,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>> {
        self.run(move |core| async move { core.entries(kind, name, after, limit, now).await })
    }

    fn keep_result(&self, result: NewResult, now: SystemTime) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.keep_result(result, now).await })
    }

    fn result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, Option<KeptResult>> {
        self.run(move |core| async move { core.result(kind, name, now).await })
    }

    fn remove_result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, bool> {
        self.run(move |core| async move { core.remove_result(kind, name, now).await })
    }

    fn entry_changes(&self) -> watch::Receiver<()> {
        self.0.core.notices.entry_changes()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.0.core.target.name).finish()
    }
}
