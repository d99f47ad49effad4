//! Follows the histories in the store and prints new entries.

use crate::{machine::Server, render};
use fsm_runtime::{
    ClaimedInstance, ClaimsQuery, HistoryQuery, ListQuery, Machines,
    store::{HistoryEntry, Row, StoreError},
};
use std::collections::HashMap;

/// The number of rows or entries in a page.
const PAGE: usize = 256;

/// The position in the history of each server.
pub(crate) struct Tail {
    seen: HashMap<String, u64>,
}

impl Tail {
    /// Starts after the entries that are in the store now.
    pub(crate) async fn from_now(servers: &Machines<Server>) -> Result<Self, StoreError> {
        let mut tail = Self { seen: HashMap::new() };
        tail.advance(servers, |_| {}).await?;
        Ok(tail)
    }

    /// Prints the entries since the last call.
    pub(crate) async fn print(&mut self, servers: &Machines<Server>) -> Result<(), StoreError> {
        self.advance(servers, |line| println!("{line}")).await
    }

    // There are few servers, so each call reads all of them.
    async fn advance(&mut self, servers: &Machines<Server>, mut line: impl FnMut(String)) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for row in rows(servers).await? {
            let seen = self.seen.entry(row.key.id.to_string()).or_default();
            let entries = history(servers, &row.key.id, *seen).await?;
            *seen = entries.last().map_or(*seen, |entry| entry.sequence);
            new.extend(entries);
        }
        new.sort_by_key(|entry| entry.sequence);
        new.iter().map(render::entry).for_each(&mut line);
        Ok(())
    }
}

/// All servers in the store, ordered by id.
pub(crate) async fn rows(servers: &Machines<Server>) -> Result<Vec<Row>, StoreError> {
    let (mut rows, mut listing) = (Vec::new(), ListQuery::all().limit(PAGE));
    loop {
        let page = servers.rows(&listing).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) => listing = listing.after(next),
            None => return Ok(rows),
        }
    }
}

/// The servers that a process has claimed, ordered by id.
pub(crate) async fn claimed(servers: &Machines<Server>) -> Result<Vec<ClaimedInstance>, StoreError> {
    let (mut all, mut query) = (Vec::new(), ClaimsQuery::all());
    loop {
        let page = servers.claims(&query).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => query = query.after(next),
            None => return Ok(all),
        }
    }
}

/// The history entries of a server after sequence `after`.
pub(crate) async fn history(servers: &Machines<Server>, id: &str, after: u64) -> Result<Vec<HistoryEntry>, StoreError> {
    let (mut entries, mut query) = (Vec::new(), HistoryQuery::new().after(after).limit(PAGE));
    loop {
        let page = servers.history(id, &query).await?;
        entries.extend(page.items);
        match page.next {
            Some(next) => query = query.after(next),
            None => return Ok(entries),
        }
    }
}
