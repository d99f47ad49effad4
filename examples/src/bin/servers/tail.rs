//! Owns what was already printed: follows the histories in the store, and prints what is new.

use crate::{machine::Server, render};
use fsm_runtime::{
    ClaimedInstance, ClaimsQuery, HistoryQuery, ListQuery, Machines,
    store::{HistoryEntry, Row, StoreError},
};
use std::collections::HashMap;

/// How many rows or entries are read at once.
const PAGE: usize = 256;

/// Up to where the history of each server has been printed.
pub(crate) struct Tail {
    seen: HashMap<String, u64>,
}

impl Tail {
    /// Begins with what happens from now on.
    pub(crate) async fn from_now(servers: &Machines<Server>) -> Result<Self, StoreError> {
        let mut tail = Self { seen: HashMap::new() };
        tail.advance(servers, |_| {}).await?;
        Ok(tail)
    }

    /// Prints what has happened since the last time.
    pub(crate) async fn print(&mut self, servers: &Machines<Server>) -> Result<(), StoreError> {
        self.advance(servers, |line| println!("{line}")).await
    }

    // All of them each time: there are a handful.
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

/// All servers of the store, by id.
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

/// The servers that some process works on, or did when it ended, by id.
pub(crate) async fn held(servers: &Machines<Server>) -> Result<Vec<ClaimedInstance>, StoreError> {
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

/// What happened to a server after sequence `after`.
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
