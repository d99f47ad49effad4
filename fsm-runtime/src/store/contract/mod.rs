//! The promises of a [`Store`], as tests for its authors.
//!
//! [`store_contract!`](crate::store_contract) makes one `#[test]` of each promise, so that a failure names the promise that the
//! store breaks. Each function of this module is one promise; it panics with what it found when the promise does not hold.
//! [`run`] checks a single one. A code at the beginning of a name (`x2_…`) is a row of `tests/BEHAVIOURS.md` in the repository.
//!
//! The store has to [list by state](Store::lists_by_state).
//!
//! Needs the feature `store-tests`, as a dev-dependency:
//!
//! ```toml
//! [dev-dependencies]
//! fsm-runtime = { path = "../fsm/fsm-runtime", features = ["store-tests"] }
//! ```
//!
//! # Examples
//!
//! ```
//! use fsm_runtime::store::{contract, sqlite::Sqlite};
//!
//! /// A new, empty store, and what has to live as long as it does (a temporary folder, say).
//! async fn open() -> (Sqlite, ()) {
//!     (Sqlite::in_memory().expect("SQLite opens a store in memory"), ())
//! }
//!
//! // One `#[test]` for each promise.
//! fsm_runtime::store_contract!(open);
//!
//! // Or a single promise.
//! fn main() {
//!     contract::run(open, contract::x2_one_of_many_writers_wins);
//! }
//! ```

// A promise that does not hold panics, as every test does.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used)]

/// Makes one `#[test]` of each promise of the [store contract](crate::store::contract).
///
/// The argument is an async function or closure without parameters that returns `(store, guard)`: a new, empty store, and a value
/// that is dropped when the test ends. It is called once for each test.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract! { @promises tests ($open) }
    };
    (@promises $form:ident ($open:expr)) => {
        $crate::store_contract! { @$form ($open)
            creation_writes_a_row_and_a_history_entry
            an_id_is_created_once
            a_transition_increments_the_version
            a_stale_transition_changes_nothing
            an_internal_transition_keeps_the_visit
            an_internal_transition_restarts_a_fired_timer
            a_worker_ends_with_an_internal_transition
            a_new_state_clears_timer_attempts_and_errors
            a_timer_can_be_disarmed
            l7_a_timer_is_never_early
            a_row_wakes_for_its_earliest_timer
            an_internal_transition_rewinds_timers
            a_row_is_armed_once
            an_override_enters_a_state_with_actor_and_reason
            a_desired_state_changes_its_own_columns_only
            the_context_is_stored_with_each_change
            a_transition_under_an_older_schema_is_a_conflict
            a_group_is_all_or_nothing
            x4_a_failed_group_leaves_the_others_of_its_call
            a_group_that_conflicts_with_itself_is_refused
            x7_an_empty_id_is_refused_and_the_batch_commits
            x2_one_of_many_writers_wins
            a_dropped_call_is_applied_whole_or_not_at_all
            x7_unusual_text_is_returned_exactly
            a_claim_raises_the_fence_and_keeps_the_version
            c4_a_commit_under_a_lost_claim_is_fenced
            l4_fences_never_repeat
            a_release_frees_the_row
            a_checkpoint_needs_the_claim
            a_parked_row_is_not_due_and_is_in_the_history
            claimed_rows_are_paged
            l6_a_lapsed_lease_is_not_renewed
            a_lease_describes_its_process
            l1_a_live_lease_keeps_other_owners_from_claiming
            l4_fences_grow_over_removal_and_reuse_of_an_id
            a_lapsed_lease_is_kept_while_its_owner_has_rows
            due_work_is_paged_earliest_first
            lists_are_paged_and_filtered
            lists_of_several_states_are_ordered_by_age
            x14_lists_newest_first_are_the_reverse
            x14_lists_are_restricted_by_an_id_prefix
            x12_a_cursor_of_another_order_is_refused
            rows_that_back_off_or_are_held_are_listed
            c20_a_hold_keeps_work_from_being_claimed
            c20_the_first_and_the_last_failure_are_kept
            a_desired_state_has_its_actor
            c20_what_operators_do_is_listed
            c20_the_log_keeps_purges_and_bulk_actions
            definitions_are_listed
            x3_an_idempotency_key_applies_once
            x3_the_longest_idempotency_key_fits
            x3_a_creation_key_outlives_the_instance
            x3_one_key_from_many_callers_is_one_change
            changed_keys_are_paged_by_bucket
            x6_readers_skip_no_entry_of_writers
            the_last_sequence_survives_pruning
            x8_a_purge_removes_everything_and_frees_the_id
            old_history_keys_and_rows_are_pruned_in_batches
            remains_of_a_removed_row_are_pruned_on_request
            definitions_retire_with_their_last_row
            a_removed_position_is_unknown
            g2_entries_wait_in_order
            g2_an_entry_enters_once
            g2_the_longest_names_fit
            g2_a_lapsed_entry_never_comes_back
            g2_entries_and_claims_share_their_fences
            g2_one_of_many_entries_is_first
            c24_the_first_entries_have_the_slots
            g4_entries_are_listed_with_their_values
            g1_a_result_is_kept_under_its_entry
            g2_changes_of_entries_notify
        }
    };
    (@tests ($open:expr) $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::store::contract::run($open, $crate::store::contract::$promise);
            }
        )*
    };
    (@one_after_the_other ($open:expr) $($promise:ident)*) => {
        $(
            let (store, guard) = $open().await;
            let store: Arc<dyn Store> = Arc::new(store);
            $promise(&store).await;
            drop((store, guard));
        )*
    };
}

/// Makes one `#[test]` of each promise of a store that counts by a clock of its own, as one for several hosts does.
///
/// The argument is as that of [`store_contract!`](crate::store_contract). Such a store passes the promises there when it is opened so
/// that it counts by the caller's clock, and these as it is used.
#[macro_export]
macro_rules! own_clock_contract {
    ($open:expr) => {
        $crate::store_contract! { @tests ($open)
            l7_a_lease_is_answered_with_the_stores_time
            l7_a_lease_lives_by_the_stores_clock
            l7_rows_have_the_stores_time
            l7_a_timer_waits_for_the_stores_clock
        }
    };
}

mod build;
mod claims;
mod ephemeral;
mod groups;
mod keys;
mod lists;
mod operators;
mod own_clock;
mod pruning;
mod transitions;

pub use claims::*;
pub use ephemeral::*;
pub use groups::*;
pub use keys::*;
pub use lists::*;
pub use operators::*;
pub use own_clock::*;
pub use pruning::*;
pub use transitions::*;

use super::Store;
use std::sync::Arc;

/// Checks one promise on a store that `open` returns, in a runtime of its own with two threads.
///
/// # Panics
/// Where the promise does not hold.
pub fn run<S: Store, G>(open: impl AsyncFnOnce() -> (S, G), promise: impl AsyncFnOnce(&Arc<dyn Store>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a tokio runtime starts").block_on(async {
        let (store, _guard) = open().await;
        let store: Arc<dyn Store> = Arc::new(store);
        promise(&store).await;
    });
}

/// Checks all promises, one after the other, each on a store of its own that `open` returns.
///
/// # Panics
/// At the first promise that does not hold.
pub async fn run_all<S: Store, G>(open: impl AsyncFn() -> (S, G)) {
    crate::store_contract! { @promises one_after_the_other (open) }
}
