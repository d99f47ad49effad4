//! Reads everything in the store, in a transaction that keeps others from writing until the copy has ended, and closes the store for
//! changes then.

use super::{
    Sqlite, closed,
    connection::{error, store_file::StoreFile, transaction::Transaction},
    sql::{
        columns::{COLUMNS, ENTRY_COLUMNS, micros, time, to_entry, to_key, to_row, uuid},
        ephemeral::{RESULT_COLUMNS, to_result},
        leases, operations, read,
    },
};
use crate::{
    clock::Clock,
    store::{
        Definition, Lease, Presence as _, StoreError,
        contents::{Copied, Head, Numbers, Page, StoredKey, StoredResult},
    },
};
use rusqlite::{Connection, Row};
use std::{mem, time::SystemTime};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// A page ends with either.
const PAGE_ROWS: usize = 512;
const PAGE_BYTES: usize = 1 << 20;

/// A store that is being read. No other connection writes to it until this is dropped.
pub(in crate::store) struct Export {
    pub(in crate::store) store: String,
    /// Ends early if reading fails.
    pub(in crate::store) pages: mpsc::Receiver<Page>,
    all_read: oneshot::Receiver<()>,
    close: oneshot::Sender<String>,
    ended: JoinHandle<Result<(), StoreError>>,
}

impl Export {
    /// Whether the pages were all.
    pub(in crate::store) async fn all_read(&mut self) -> Result<(), StoreError> {
        match (&mut self.all_read).await {
            Ok(()) => Ok(()),
            Err(_) => Err(failure(&self.store, (&mut self.ended).await.unwrap_or(Ok(())))),
        }
    }

    /// Makes every write to the store an error that names the target. A store that was opened for reading only is left as it is.
    pub(in crate::store) async fn close(self, target: &str) -> Result<(), StoreError> {
        // The thread has ended if it only reads.
        let _ = self.close.send(target.to_owned());
        self.ended.await.unwrap_or_else(|_| Err(failure(&self.store, Ok(()))))
    }
}

/// Why the thread has ended early.
fn failure(store: &str, ended: Result<(), StoreError>) -> StoreError {
    let cause = || "the thread that reads it has ended".to_owned();
    ended.err().unwrap_or_else(|| StoreError::Failed { store: store.to_owned(), cause: cause() })
}

impl Sqlite {
    pub(in crate::store) async fn export(&self) -> Result<(Head, Export), StoreError> {
        let now = Clock::system().now();
        let (began, head) = oneshot::channel();
        let (send, pages) = mpsc::channel(2);
        let (read, all_read) = oneshot::channel();
        let (close, closing) = oneshot::channel::<String>();
        let work = move |connection: &Connection, file: &StoreFile| {
            let failed = |e: rusqlite::Error| error::running(file, &e);
            let contents = |connection: &Connection| {
                let live = leases::all(connection, now)?.into_iter().filter(|lease| lease.live).collect();
                let head = (counts(connection, now)?, numbers(connection)?, live);
                Ok(began.send(head).is_ok() && all(connection, &send, now)?)
            };
            if file.read_only {
                connection.execute_batch("BEGIN").map_err(failed)?;
                if contents(connection).map_err(failed)? {
                    let _ = read.send(());
                }
                return Ok(());
            }
            let transaction = Transaction::begin(connection).map_err(failed)?;
            if !contents(&transaction).map_err(failed)? {
                return Ok(());
            }
            drop(send);
            let _ = read.send(());
            // Dropped: the copy was given up.
            let Ok(target) = closing.blocking_recv() else { return Ok(()) };
            closed::close(&transaction, &target).map_err(failed)?;
            transaction.commit().map_err(|e| error::committing(file, &e))
        };
        let store = self.clone();
        let ended = tokio::spawn(async move {
            match &store.0.readers {
                Some(readers) => readers.run_apart(work).await,
                None => store.0.writer.run(work).await,
            }
        });
        let store = self.0.file.display().to_string();
        let Ok((counts, numbers, live)) = head.await else {
            return Err(failure(&store, ended.await.unwrap_or(Ok(()))));
        };
        let used_by = self.working(live);
        Ok((Head { counts, numbers, used_by }, Export { store, pages, all_read, close, ended }))
    }

    /// The processes with these leases that have not ended.
    fn working(&self, leases: Vec<Lease>) -> Vec<String> {
        let working = leases.into_iter().filter(|lease| !self.0.presence.is_gone(&lease.owner));
        working.map(|lease| format!("{} on `{}`", lease.holder, lease.node)).collect()
    }
}

fn counts(connection: &Connection, now: SystemTime) -> rusqlite::Result<Copied> {
    let count = |table: &str| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    Ok(Copied {
        instances: count("fsm_instances")?,
        history: count("fsm_history")?,
        idempotency_keys: count("fsm_keys")?,
        subscribers: count("fsm_subscribers")?,
        operations: count("fsm_operations")?,
        definitions: count("fsm_machines")?,
        results: count(&results(now))?,
    })
}

fn numbers(connection: &Connection) -> rusqlite::Result<Numbers> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get(0));
    Ok(Numbers {
        fence: number("SELECT value FROM fsm_meta WHERE name = 'fence'")?,
        sequence: read::last_sequence(connection)?,
        pruned: read::pruned_through(connection)?,
        operation: number("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'fsm_operations'")?,
    })
}

/// The kept results whose time is not over.
fn results(now: SystemTime) -> String {
    format!("fsm_results WHERE until > {}", micros(now))
}

/// Sends all pages; `false` if the receiver was dropped.
fn all(connection: &Connection, pages: &mpsc::Sender<Page>, now: SystemTime) -> rusqlite::Result<bool> {
    let definitions =
        "SELECT name, version, fingerprint, graph, controller, at FROM fsm_machines ORDER BY name, version";
    let keys =
        "SELECT machine, id, incarnation, key, sequence, at FROM fsm_keys ORDER BY machine, id, incarnation, key";
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let table = Table { connection, pages };
    Ok(table.send(definitions, to_definition, |it| it.0.graph.len(), Page::Definitions)?
        && table.send(
            &format!("SELECT {COLUMNS} FROM fsm_instances ORDER BY machine, id"),
            to_row,
            |row| row.data.len() + length(&row.context) + length(&row.checkpoint),
            Page::Instances,
        )?
        && table.send(
            &format!("SELECT {ENTRY_COLUMNS} FROM fsm_history ORDER BY sequence"),
            to_entry,
            |entry| length(&entry.data) + length(&entry.context) + length(&entry.payload),
            Page::History,
        )?
        && table.send(keys, to_key_in_use, |it| it.idempotency_key.len(), Page::Keys)?
        && table.send(operations::ALL, operations::to_entry, |_| 0, Page::Operations)?
        && table.send(
            "SELECT name, position FROM fsm_subscribers ORDER BY name",
            |row| Ok((row.get(0)?, row.get(1)?)),
            |_| 0,
            Page::Subscribers,
        )?
        && table.send(
            &format!("SELECT {RESULT_COLUMNS}, kind, name FROM {} ORDER BY kind, name", results(now)),
            |row| Ok(StoredResult { kept: to_result(row)?, kind: row.get(6)?, name: row.get(7)? }),
            |it| it.kept.outcome.len() + length(&it.kept.arguments),
            Page::Results,
        )?)
}

struct Table<'a> {
    connection: &'a Connection,
    pages: &'a mpsc::Sender<Page>,
}

impl Table<'_> {
    /// Sends the rows of a query in pages; `false` if the receiver was dropped.
    fn send<T>(
        &self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        bytes: impl Fn(&T) -> usize,
        page: impl Fn(Vec<T>) -> Page,
    ) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let (mut items, mut size) = (Vec::new(), 0);
        loop {
            let next = rows.next()?.map(&read).transpose()?;
            let at_end = next.is_none();
            if let Some(item) = next {
                size += bytes(&item);
                items.push(item);
            }
            let is_full = items.len() >= PAGE_ROWS || size >= PAGE_BYTES;
            if (is_full || at_end && !items.is_empty())
                && self.pages.blocking_send(page(mem::take(&mut items))).is_err()
            {
                return Ok(false);
            }
            if is_full {
                size = 0;
            }
            if at_end {
                return Ok(true);
            }
        }
    }
}

fn to_definition(row: &Row<'_>) -> rusqlite::Result<(Definition, SystemTime)> {
    let definition = Definition {
        machine: row.get(0)?,
        version: row.get(1)?,
        fingerprint: row.get::<_, i64>(2)?.cast_unsigned(),
        graph: row.get(3)?,
        controller: row.get(4)?,
    };
    Ok((definition, time(row, 5)?))
}

fn to_key_in_use(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        key: to_key(row, 0)?,
        incarnation: uuid(row, 2)?,
        idempotency_key: row.get(3)?,
        sequence: row.get(4)?,
        at: time(row, 5)?,
    })
}
