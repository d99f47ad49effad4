//! Which of the caller's statements are allowed. SQLite asks for each table that a statement touches when it compiles the statement,
//! including those that triggers touch.

use super::SqlError;
use crate::sync::Mutex;
use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

const CONTROL: &str = "the store begins and ends the transaction, and owns the connection and its settings";
const TABLES: &str = "what is called `fsm_…` belongs to the library; read it, change instances through the library, and keep your data in \
                      tables with other names";
const TEMPORARY: &str = "a temporary object outlives the transaction on the store's connection; create a permanent one";
const FOREIGN_KEY: &str = "a foreign key would make the library's own changes fail; store the id without one";
const INTERNAL: &str = "this table is SQLite's own";

/// Watches the caller's statements, and no others, on one connection.
pub(super) struct Guard(Arc<State>);

#[derive(Default)]
struct State {
    watching: AtomicBool,
    /// The statement creates, drops or alters something, for which SQLite itself writes to its tables.
    changes_schema: AtomicBool,
    denied: Mutex<Option<Denied>>,
}

/// A statement that is not allowed, and why.
type Denied = (String, &'static str);

impl Guard {
    pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let state = Arc::<State>::default();
        let seen = state.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| seen.decide(&asked.action)))?;
        Ok(Self(state))
    }

    /// Runs `work`, which compiles and runs `statement` of the caller.
    pub(super) fn watch<T>(&self, statement: &str, work: impl FnOnce() -> T) -> Result<T, SqlError> {
        struct Watching<'a>(&'a State);
        impl Drop for Watching<'_> {
            fn drop(&mut self) {
                self.0.watching.store(false, SeqCst);
            }
        }
        if let Some((statement, why)) = controls(statement) {
            return Err(SqlError::NotAllowed { statement, why });
        }
        self.0.denied.lock().take();
        self.0.changes_schema.store(changes_schema(statement), SeqCst);
        self.0.watching.store(true, SeqCst);
        let watching = Watching(&self.0);
        let done = work();
        drop(watching);
        match self.0.denied.lock().take() {
            Some((statement, why)) => Err(SqlError::NotAllowed { statement, why }),
            None => Ok(done),
        }
    }
}

impl State {
    fn decide(&self, action: &AuthAction<'_>) -> Authorization {
        if !self.watching.load(SeqCst) {
            return Authorization::Allow;
        }
        match denied(action, self.changes_schema.load(SeqCst)) {
            Some(denied) => {
                self.denied.lock().get_or_insert(denied);
                Authorization::Deny
            }
            None => Authorization::Allow,
        }
    }
}

fn denied(action: &AuthAction<'_>, changes_schema: bool) -> Option<Denied> {
    let owned = |what: &str, names: &[&str]| {
        let reserved = names.iter().find(|name| is_reserved(name))?;
        Some((format!("{what} {reserved}"), TABLES))
    };
    let write = |what: &str, table: &str| {
        let internal = !changes_schema && starts_with(table, "sqlite_");
        owned(what, &[table]).or_else(|| internal.then(|| (format!("{what} {table}"), INTERNAL)))
    };
    match *action {
        AuthAction::Insert { table_name } => write("INSERT INTO", table_name),
        AuthAction::Update { table_name, .. } => write("UPDATE", table_name),
        AuthAction::Delete { table_name } => write("DELETE FROM", table_name),
        AuthAction::CreateTable { table_name } => owned("CREATE TABLE", &[table_name]),
        AuthAction::CreateVtable { table_name, .. } => owned("CREATE VIRTUAL TABLE", &[table_name]),
        AuthAction::CreateView { view_name } => owned("CREATE VIEW", &[view_name]),
        AuthAction::CreateIndex { index_name, table_name } => owned("CREATE INDEX ON", &[table_name, index_name]),
        AuthAction::CreateTrigger { trigger_name, table_name } => {
            owned("CREATE TRIGGER ON", &[table_name, trigger_name])
        }
        AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
            owned("DROP TABLE", &[table_name])
        }
        AuthAction::DropView { view_name } => owned("DROP VIEW", &[view_name]),
        AuthAction::DropIndex { index_name, table_name } => owned("DROP INDEX", &[index_name, table_name]),
        AuthAction::DropTrigger { trigger_name, table_name } => owned("DROP TRIGGER", &[trigger_name, table_name]),
        AuthAction::AlterTable { table_name, .. } => owned("ALTER TABLE", &[table_name]),
        AuthAction::Reindex { index_name } => owned("REINDEX", &[index_name]),
        AuthAction::Analyze { table_name } => owned("ANALYZE", &[table_name]),
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Some(("CREATE TEMP".to_owned(), TEMPORARY)),
        AuthAction::Pragma { pragma_name, .. } if !reads(pragma_name) => {
            Some((format!("PRAGMA {pragma_name}"), CONTROL))
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Some((function_name.to_owned(), CONTROL))
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some(("SAVEPOINT".to_owned(), CONTROL)),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some(("ATTACH".to_owned(), CONTROL)),
        AuthAction::Unknown { .. } => Some(("this statement".to_owned(), CONTROL)),
        _ => None,
    }
}

/// Pragmas without an effect, which are table-valued functions (`pragma_table_info`), or which full-text and spatial indexes use.
fn reads(pragma: &str) -> bool {
    const READ: [&str; 15] = [
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "foreign_key_check",
        "collation_list",
        "compile_options",
        "database_list",
        "function_list",
        "module_list",
        "data_version",
        "page_size",
    ];
    READ.iter().any(|read| read.eq_ignore_ascii_case(pragma))
}

/// Whether `name` is one of the library's tables, or of an index that SQLite made for one.
fn is_reserved(name: &str) -> bool {
    starts_with(name, "fsm_") || starts_with(name, "sqlite_autoindex_fsm_")
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Statements that would end the transaction or change settings of the connection.
fn controls(statement: &str) -> Option<Denied> {
    const CONTROLS: [&str; 10] =
        ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "ATTACH", "DETACH", "VACUUM"];
    let word = first_word(statement).to_ascii_uppercase();
    CONTROLS.contains(&word.as_str()).then_some((word, CONTROL))
}

pub(super) fn changes_schema(statement: &str) -> bool {
    let word = first_word(statement);
    ["CREATE", "DROP", "ALTER", "REINDEX", "ANALYZE"].iter().any(|change| change.eq_ignore_ascii_case(word))
}

/// The first keyword after white space, semicolons and comments.
fn first_word(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(rest) = statement.strip_prefix("--") {
            statement = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = statement.strip_prefix("/*") {
            statement = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
            return &statement[..end];
        }
    }
}

/// What of the schema belongs to the library. SQLite does not ask about the new name of a table, or about foreign keys.
#[derive(PartialEq, Eq)]
pub(super) struct Schema {
    objects: Vec<String>,
    foreign_keys: Vec<String>,
}

impl Schema {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let read = |query: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare_cached(query)?.query_map([], |row| row.get(0))?.collect()
        };
        Ok(Self {
            objects: read(
                "SELECT concat(type, ' ', name, ' ', tbl_name, ' ', sql) FROM sqlite_schema
                 WHERE lower(substr(name, 1, 4)) = 'fsm_' OR lower(substr(tbl_name, 1, 4)) = 'fsm_' ORDER BY name",
            )?,
            foreign_keys: read(
                "SELECT concat(made.name, ' ', key.'table', ' ', key.'from') FROM sqlite_schema AS made,
                 pragma_foreign_key_list(made.name) AS key
                 WHERE made.type = 'table' AND lower(substr(key.'table', 1, 4)) = 'fsm_' ORDER BY 1",
            )?,
        })
    }

    /// Compares what there was with what there is `now`.
    pub(super) fn check(&self, now: &Self) -> Result<(), SqlError> {
        let not_allowed = |statement: &str, why| Err(SqlError::NotAllowed { statement: statement.to_owned(), why });
        if self.objects != now.objects {
            return not_allowed("ALTER TABLE … RENAME", TABLES);
        }
        if self.foreign_keys != now.foreign_keys {
            return not_allowed("REFERENCES", FOREIGN_KEY);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_commit_and_rollback_is_refused() {
        for statement in ["COMMIT", " commit;", "-- x\nRollback", "/* a */ ;end", "PRAGMA synchronous = OFF"] {
            assert!(controls(statement).is_some(), "{statement}");
        }
        for statement in
            ["/*", "--", "", "INSERT INTO t VALUES ('COMMIT')", "SELECT 1", "WITH x AS (SELECT 1) SELECT * FROM x"]
        {
            assert!(controls(statement).is_none(), "{statement}");
        }
    }
}
