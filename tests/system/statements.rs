//! The query plan of every statement: each statement in the sources is run, and none scans a large table or sorts what an
//! index should return in order.

use fsm_runtime::store::{Group, Process, Renewal, Scope, Store, TransactionalSql, contract, sqlite::Sqlite};
use rusqlite::Connection;
use std::{
    cell::Cell,
    collections::BTreeSet,
    path::Path,
    time::{Duration, SystemTime},
};
use syn::visit::{self, Visit};
use tempfile::TempDir;

/// Tables that grow with the instances; the others have a row for each process, machine or subscriber.
const LARGE: [&str; 3] = ["fsm_instances", "fsm_history", "fsm_keys"];

/// Exceptions, each with its reason.
const ALLOWED: [(&str, &str, &str); 6] = [
    (
        "SELECT state, schema, count(*)",
        "(machine=?)",
        "counting looks at each entry of the index of states, and says so",
    ),
    ("SELECT state, schema, machine, min(id)", "(machine=?)", "without an index of states, once at a start"),
    ("SELECT state, schema, machine, min(id)", "TEMP B-TREE", "the same; what is sorted is states, not rows"),
    ("SELECT machine, id, ", "TEMP B-TREE FOR ORDER BY", "a list by time of the rows with an id prefix, and says so"),
    ("SELECT state, schema, machine, id FROM", "(machine=?)", "the first entry of the index, by LIMIT 1"),
    ("DELETE FROM fsm_machines", "(machine=?", "after a bulk migration, which has read all of these rows"),
];

/// The index search of each paged list, so that a page starts where the last one ended.
const SOUGHT: [(&str, &str); 12] = [
    ("(updated, id) > (?4, ?5)", "(machine=? AND state=? AND schema=? AND (updated,id)>(?,?) AND updated<?)"),
    ("(updated, id) < (?4, ?5)", "(machine=? AND state=? AND schema=? AND (updated,id)<(?,?))"),
    ("(+updated, +id) ", "sqlite_autoindex_fsm_instances_1 (machine=? AND id>? AND id<?)"),
    ("(wake_at, id) > (?2, ?3)", "fsm_instances_due (machine=? AND (wake_at,id)>(?,?) AND wake_at<?)"),
    ("owner = ?1 AND (machine, id) > (?2, ?3)", "fsm_instances_owner (owner=? AND (machine,id)>(?,?))"),
    ("owner = ?1 AND machine = ?2 AND id > ?3", "fsm_instances_owner (owner=? AND machine=? AND id>?)"),
    ("WHERE owner > ?1 ORDER BY owner LIMIT 1", "fsm_instances_owner (owner>?)"),
    ("SELECT sequence, machine, id FROM fsm_history", "(rowid>?)"),
    ("id < ifnull(?3, x'') ORDER BY id", "(machine=? AND id>? AND id<?)"),
    ("machine = ?1 AND id = ?2 AND sequence > ?3", "fsm_history_instance (machine=? AND id=? AND sequence>?)"),
    ("FROM fsm_keys WHERE at < ?1 ORDER BY at", "fsm_keys_age (at<?)"),
    ("SELECT min(sequence) FROM fsm_keys", "fsm_keys_history"),
];

/// Every call of the store: the contract, and what is specific to SQLite.
async fn exercised(folder: &Path) {
    let count = Cell::new(0);
    let file = || {
        count.set(count.get() + 1);
        folder.join(format!("{}.db", count.get()))
    };
    contract::run_all(async || (Sqlite::open(file()).await.unwrap(), ())).await;
    let path = file();
    for index in [Some(true), Some(false), None, Some(true)] {
        let options = index.map_or_else(Sqlite::options, |on| Sqlite::options().state_index(on));
        let store = options.open(&path).await.unwrap();
        store.states_in_use("Door".to_owned()).await.unwrap();
        store.size().await.unwrap();
        assert!(store.integrity_check().await.unwrap().is_empty());
        let copy = file();
        store.backup(&copy).await.unwrap();
        Sqlite::restore(&copy, file()).await.unwrap();
        store.retire("Door".to_owned(), 2).await.unwrap();
        store.definition("Door".to_owned()).await.unwrap();
        let (now, ttl) = (SystemTime::now(), Duration::from_secs(1));
        store.take_lease(Process::new("me", "me"), ttl, now).await.unwrap();
        store.renew_lease(Renewal { owner: "me".into(), ttl, leaving: false }, now).await.unwrap().unwrap();
        store.end_leases(vec!["me".to_owned()], now).await.unwrap();
        store.leases(now).await.unwrap();
        store.due(Scope::from(vec!["Door".to_owned()]), now, None, 1).await.unwrap();
        store.save_position("tail".to_owned(), 1).await.unwrap();
        store.subscriber_position("tail".to_owned()).await.unwrap();
        let own = |sql: &fsm_runtime::store::sqlite::Sql<'_>| {
            Ok(sql.execute("CREATE TABLE IF NOT EXISTS own (id)", &[]).map(drop)?)
        };
        store.commit_with(Group { changes: Vec::new() }, Box::new(own), now).await.unwrap().unwrap();
    }
    // Another process changes something while this one waits for entries.
    let (waiting, other) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    let mut changes = waiting.ephemerals().unwrap().entry_changes();
    other.save_position("tail".to_owned(), 2).await.unwrap();
    let notified = tokio::time::timeout(Duration::from_secs(20), changes.changed()).await;
    notified.expect("the first commit of another process notifies").unwrap();
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The SQL texts of a source file.
#[derive(Default)]
struct Written(Vec<String>);

impl<'ast> Visit<'ast> for Written {
    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        const VERBS: [&str; 6] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "{FOUND}", "{statement}"];
        let text = text.value();
        if VERBS.iter().any(|verb| text.starts_with(verb)) {
            self.0.push(text);
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let parts = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        // Other macros hold no SQL.
        for part in call.parse_body_with(parts).into_iter().flatten() {
            let mut within = Written::default();
            within.visit_expr(&part);
            self.0.extend(within.0);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// Whether `run` matches `written`, whose braces stand for any text.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_that(run: &str, written: &str) -> bool {
    let mut rest = run;
    let pieces = written.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, after)| after));
    for piece in pieces {
        let Some(found) = rest.find(piece) else { return false };
        rest = &rest[found + piece.len()..];
    }
    true
}

fn plan(connection: &Connection, statement: &str) -> rusqlite::Result<Vec<String>> {
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
    // No values are bound: the plan does not depend on them.
    let (mut rows, mut steps) = (explained.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        steps.push(row.get(3)?);
    }
    Ok(steps)
}

#[tokio::test]
async fn every_statement_uses_an_index() {
    let dir = TempDir::new().unwrap();
    tests_disk::listen(dir.path());
    exercised(dir.path()).await;
    let run: BTreeSet<String> = tests_disk::statements(dir.path()).iter().map(|text| in_one_line(text)).collect();

    let mut problems = Vec::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fsm-runtime/src/store/sqlite");
    let mut all = 0;
    for path in files(&sources) {
        let Some(extension) = path.extension() else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let mut written = Written::default();
        if extension == "sql" {
            written.0.push(text);
        } else {
            written.visit_file(&syn::parse_file(&text).unwrap());
        }
        for text in written.0 {
            all += 1;
            let text = in_one_line(&text);
            // A copy of the store reads all of it, in order, and needs another store.
            if path.ends_with("sqlite/export.rs") || text.ends_with("FROM fsm_operations ORDER BY sequence") {
                continue;
            }
            if !run.iter().any(|run| is_that(run, &text)) {
                problems.push(format!("{}: not run here, so that nothing is known of it: {text}", path.display()));
            }
        }
    }
    assert!(all > 40, "only {all} statements were found in the sources");

    let queries: Vec<&String> = run
        .iter()
        .filter(|text| ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|verb| text.starts_with(verb)))
        .collect();
    let (mut allowed, mut sought) = (BTreeSet::new(), BTreeSet::new());
    for index in [true, false] {
        let path = dir.path().join(format!("plans-{index}.db"));
        drop(Sqlite::options().state_index(index).open(&path).await.unwrap());
        let connection = Connection::open(&path).unwrap();
        for statement in &queries {
            let steps = match plan(&connection, statement) {
                Ok(steps) => steps,
                // These fail without the index instead of scanning the table.
                Err(error) if !index && error.to_string().contains("no such index: fsm_instances_state") => continue,
                Err(error) => panic!("{statement}: {error}"),
            };
            for step in &steps {
                let large = |text: &str| LARGE.iter().any(|table| text.contains(table));
                let walks = large(step) && (step.starts_with("SCAN") || step.ends_with("(machine=?)"));
                let sorts = large(statement) && step.contains("TEMP B-TREE");
                if !walks && !sorts {
                    continue;
                }
                let reason =
                    ALLOWED.iter().position(|(verb, what, _)| statement.starts_with(verb) && step.contains(what));
                match reason {
                    Some(place) => drop(allowed.insert(place)),
                    None => problems.push(format!("{step} ({statement})")),
                }
            }
            for (place, (_, by)) in SOUGHT.iter().enumerate().filter(|(_, (part, _))| statement.contains(part)) {
                if steps.iter().any(|step| step.contains(by)) {
                    sought.insert(place);
                } else {
                    problems.push(format!("not sought by {by} ({statement}): {}", steps.join("; ")));
                }
            }
        }
    }
    for (place, (verb, what, _)) in ALLOWED.iter().enumerate().filter(|(place, _)| !allowed.contains(place)) {
        problems.push(format!("nothing needs to be allowed {what} ({verb}, {place})"));
    }
    for (_, (part, _)) in SOUGHT.iter().enumerate().filter(|(place, _)| !sought.contains(place)) {
        problems.push(format!("nothing is sought by {part}"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
