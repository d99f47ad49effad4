//! The capability of a store to run the caller's own statements in a group's transaction.

use super::{Group, Store, StoreFuture, Verdict};
use std::{error::Error, time::SystemTime};

/// The caller's own statements, to run after the changes of a group and in the same transaction.
pub type Statements<S> =
    Box<dyn FnOnce(&<S as TransactionalSql>::Sql<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + Send>;

/// A store that runs the caller's own statements in the transaction of a [`Group`].
///
/// [`TransitionGroup::commit_with`](crate::TransitionGroup::commit_with) takes a store with this capability. A store without it does not implement the
/// trait, and a call for it does not compile. A clone is another handle of the same store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run statements in the transaction of a group",
    label = "this store has no transactions for statements of the caller",
    note = "a store has this capability if it implements `TransactionalSql`, as `Sqlite` does; use `commit` without statements"
)]
pub trait TransactionalSql: Store + Clone {
    /// The transaction as the statements see it.
    type Sql<'a>;

    /// Applies `group` and runs `statements` after it in one transaction. An error of `statements` undoes both and is the inner
    /// error. The statements do not run if the group is not applied. The durability, order and cancel safety are those of
    /// [`Store::commit`].
    fn commit_with(
        &self,
        group: Group,
        statements: Statements<Self>,
        now: SystemTime,
    ) -> StoreFuture<'_, Result<Verdict, Box<dyn Error + Send + Sync>>>;

    /// Whether `other` is a handle of this store.
    fn is_same_store(&self, other: &Self) -> bool;
}
