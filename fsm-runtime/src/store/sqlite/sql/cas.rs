//! Compare-and-swap on one row.

use super::columns::{COLUMNS, to_row};
use crate::store::{Key, Row};
use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};
use uuid::Uuid;

/// The row that a change was read from. The change applies only if the row still has this version.
pub(in crate::store::sqlite) struct Cas<'a> {
    pub(in crate::store::sqlite) key: &'a Key,
    pub(in crate::store::sqlite) incarnation: Uuid,
    pub(in crate::store::sqlite) version: u64,
}

impl Cas<'_> {
    /// Runs `statement` (an `UPDATE … SET …` or a `DELETE`) on the row if it is unchanged and `condition` holds, which begins with `AND` or is
    /// empty. `values` are the parameters from `?5` on. Returns the row after the statement; `None` if it did not apply.
    pub(in crate::store::sqlite) fn run(
        &self,
        connection: &Connection,
        statement: &str,
        condition: &str,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<Option<Row>> {
        let row: [&dyn ToSql; 4] = [&self.key.machine, &self.key.id, self.incarnation.as_bytes(), &self.version];
        connection
            .prepare_cached(&format!(
                "{statement} WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 {condition}
                 RETURNING {COLUMNS}"
            ))?
            .query_row(params_from_iter(row.iter().chain(values)), to_row)
            .optional()
    }
}
