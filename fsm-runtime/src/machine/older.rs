//! Rows of older schema versions, as the migrations show them now. A step can rename, split or remove a state, so the state that a row
//! is stored in may not be the one that it is in.

use super::migrations::Migrations;
use crate::store::{Arm, Count, Filter, InUse, Page, Row, Store, StoreError, Timer};
use fsm_core::{Graph, StateKind};
use std::collections::BTreeMap;

/// How many rows are read at once.
const PAGE: usize = 256;

/// `row` under the present schema version. A row that no migration can carry stays as it is.
pub(crate) fn present(migrations: &Migrations, graph: &Graph, row: Row) -> Row {
    if row.schema >= graph.version {
        return row;
    }
    let context = row.context.as_deref().unwrap_or("null");
    match migrations.apply(&row.key, row.schema, graph.version, &row.state, &row.data, context) {
        Ok(now) if graph.state_was(&now.state).is_some() => Row {
            state: now.state,
            data: now.data.to_string(),
            context: graph.context.map(|_| now.context.to_string()),
            schema: graph.version,
            ..row
        },
        _ => row,
    }
}

/// The declared state that `row` is in; `None` where this code does not know it.
pub(crate) fn state(migrations: &Migrations, graph: &Graph, row: &Row) -> Option<&'static str> {
    let now = present(migrations, graph, row.clone());
    graph.state_was(&now.state).filter(|_| now.schema <= graph.version).map(|state| state.name)
}

/// Whether the rows have an older version and a stored state that is not declared, so that the state of each depends on the steps.
pub(crate) fn moved_by_steps(graph: &Graph, state: &str, schema: u32) -> bool {
    schema < graph.version && graph.state_was(state).is_none()
}

/// Calls `each` with the rows that are stored in `state` under `schema`, until it returns `false`.
pub(crate) async fn each_row(
    store: &dyn Store,
    machine: &str,
    state: &str,
    schema: u32,
    mut each: impl FnMut(Row) -> bool,
) -> Result<(), StoreError> {
    let mut filter = Filter {
        states: store.lists_by_state().await?.then(|| vec![state.to_owned()]),
        limit: PAGE,
        ..Filter::new(machine)
    };
    loop {
        let page = store.list(filter.clone()).await?;
        let mut rows = page.items.into_iter().filter(|row| row.state == state && row.schema == schema);
        if !rows.all(&mut each) {
            return Ok(());
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(());
        }
    }
}

/// The rows of the machine, counted by stored state, schema version, and the declared state that they are in, if this code knows it.
pub(crate) async fn counts(
    store: &dyn Store,
    migrations: &Migrations,
    graph: &Graph,
) -> Result<Vec<(Option<&'static str>, Count)>, StoreError> {
    let mut counts = Vec::new();
    for count in store.count(graph.machine.to_owned()).await? {
        if !moved_by_steps(graph, &count.state, count.schema) {
            let known = graph.state_was(&count.state).filter(|_| count.schema <= graph.version);
            counts.push((known.map(|state| state.name), count));
            continue;
        }
        let mut states: BTreeMap<Option<&'static str>, u64> = BTreeMap::new();
        let tally = |row: Row| {
            *states.entry(state(migrations, graph, &row)).or_default() += 1;
            true
        };
        each_row(store, graph.machine, &count.state, count.schema, tally).await?;
        counts.extend(states.into_iter().map(|(state, rows)| (state, Count { rows, ..count.clone() })));
    }
    Ok(counts)
}

/// A page of the rows that are in one of the declared states `wanted`, which `filter` selects by their stored names.
pub(crate) async fn list(
    store: &dyn Store,
    migrations: &Migrations,
    graph: &Graph,
    mut filter: Filter,
    wanted: &[&'static str],
) -> Result<Page<Row>, StoreError> {
    let mut older: Vec<InUse> = Vec::new();
    if migrations.are_declared(graph.machine)
        && (filter.only.is_some() || filter.id_prefix.is_some() || store.lists_by_state().await?)
    {
        older = store.states_in_use(filter.machine.clone()).await?;
        older.retain(|it| it.schema < graph.version);
    }
    if older.is_empty() {
        return store.list(filter).await;
    }
    if let Some(states) = &mut filter.states {
        let moved = older.into_iter().filter(|it| moved_by_steps(graph, &it.state, it.schema));
        states.extend(moved.map(|it| it.state));
    }
    let is_wanted = |row: &Row| {
        row.schema >= graph.version || state(migrations, graph, row).is_some_and(|state| wanted.contains(&state))
    };
    let mut found = Vec::new();
    let limit = filter.limit;
    loop {
        let missing = limit - found.len();
        filter.limit = missing.max(PAGE);
        let mut page = store.list(filter.clone()).await?;
        let mut places = page.items.iter().enumerate().filter(|(_, row)| is_wanted(row)).map(|(place, _)| place);
        if let Some(last) = places.nth(missing - 1).filter(|last| last + 1 < page.items.len()) {
            // Only the store knows where a page ends.
            filter.limit = last + 1;
            page = store.list(filter.clone()).await?;
        }
        found.extend(page.items.into_iter().filter(is_wanted));
        filter.after = page.next;
        if filter.after.is_none() || found.len() >= limit {
            return Ok(Page::new(found, filter.after));
        }
    }
}

/// The change that makes work due, and starts `timers`, on a row whose state a step has changed. `None` where nothing is missing. `now`
/// is `stored` under the present version.
pub(crate) fn arming(graph: &Graph, stored: &Row, now: &Row, timers: Vec<Timer>) -> Option<Arm> {
    let info = graph.state_was(&now.state).filter(|_| now.schema == graph.version)?;
    let idle = stored.retry_at.is_none() && stored.owner.is_none() && stored.parked.is_none();
    let work = info.kind == StateKind::Work && idle;
    let Row { key, incarnation, version, .. } = stored.clone();
    let reason = format!("a migration moved it from `{}` to `{}`", stored.state, info.name);
    (work || !timers.is_empty()).then_some(Arm { key, incarnation, version, work, timers, reason })
}
