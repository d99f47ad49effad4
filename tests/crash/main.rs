//! Processes that are killed and stopped at random moments while they write ([`writers`], [`stops`]), work ([`workers`]), migrate rows or
//! create the tables ([`migration`]), copy the store ([`backups`]), fire the events of waits ([`waits`]), enter states ([`enters`]), undo what they did ([`sagas`]), or lock, lead,
//! call once, register and work in slots ([`coordination`]). And processes that do nothing ([`idle`]), or lack a right ([`rights`]).
//!
//! `FSM_CRASH_ROUNDS=10000 FSM_CRASH_SECONDS=3600 cargo test -p tests --test crash` sets the kills of writers (default 300; a tenth
//! as many for migrations and openings) and the seconds for workers (default 240). There is no test harness, because this
//! binary is also the processes that are killed. `FSM_CHAOS_SECONDS` sets how long each test of [`coordination`] runs.

mod backups;
mod coordination;
mod enters;
mod idle;
mod migration;
mod rights;
mod sagas;
mod stops;
mod waits;
mod workers;
mod writers;

#[path = "../../examples/src/bin/trip/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the example repairs what it has broken")]
#[path = "../../examples/src/bin/trip/providers.rs"]
mod providers;
#[path = "../common/trips.rs"]
mod trips;

use std::path::Path;

const X1: &str = "x1_nothing_acknowledged_is_lost";
const X5_ROWS: &str = "x5_a_killed_migration_resumes";
const X5_TABLES: &str = "x5_tables_are_whole_after_a_killed_open";
const X5_BACKUPS: &str = "x5_a_killed_backup_is_whole_or_not_there";
const IDLE: &str = "an_idle_process_rarely_wakes_and_sees_changes_soon";
const STOPS: &str = "x5_a_stopped_writer_keeps_no_reader_out";
const RIGHTS: &str = "x5_a_refusal_by_the_system_names_the_remedy";
const W2: &str = "w2_killed_processes_fire_each_wait_once";
const U4: &str = "u4_killed_trips_are_booked_or_undone";
const ENTERS: &str = "killed_processes_run_enter_once_per_entry";
const G1: &str = "g1_killed_processes_call_once";
const G2: &str = "g2_killed_and_stopped_holders_lose_their_locks";
const G3: &str = "g3_killed_and_stopped_leaders_are_followed";
const G4: &str = "g4_killed_services_are_gone";
const C24: &str = "c24_killed_and_stopped_processes_keep_to_the_slots";
const L1: &str = "l1_l2_killed_and_stopped_processes_lose_their_claims";

fn main() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    if let Some(path) = std::env::var_os(writers::VICTIM) {
        return executor.block_on(writers::write_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(workers::VICTIM) {
        return executor.block_on(workers::work_until_told(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(migration::MIGRATING) {
        return executor.block_on(migration::migrate_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(migration::OPENING) {
        return executor.block_on(migration::open_and_write(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(backups::VICTIM) {
        return executor.block_on(backups::back_up_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(idle::IDLER) {
        return executor.block_on(idle::do_nothing(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(waits::VICTIM) {
        return executor.block_on(waits::wait_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(sagas::VICTIM) {
        return executor.block_on(sagas::book_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(enters::VICTIM) {
        return executor.block_on(enters::enter_until_killed(Path::new(&path)));
    }
    if let Some(path) = std::env::var_os(rights::REFUSED) {
        return executor.block_on(rights::be_refused(Path::new(&path)));
    }
    if let Ok(text) = std::env::var(coordination::PROCESS) {
        return executor.block_on(coordination::run(&text));
    }
    let names = [X1, X5_ROWS, X5_TABLES, X5_BACKUPS, IDLE, STOPS, RIGHTS, W2, ENTERS, U4, G1, G2, G3, G4, C24, L1];
    // `cargo test -- --list`.
    if std::env::args().any(|argument| argument == "--list") {
        return names.iter().for_each(|name| println!("{name}: test"));
    }
    let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--skip" => skipped.extend(arguments.next()),
            option if option.starts_with('-') => {}
            _ => wanted.push(argument),
        }
    }
    let holds = |parts: &[String], name: &str| parts.iter().any(|part| name.contains(part.as_str()));
    let is_wanted = |name: &str| (wanted.is_empty() || holds(&wanted, name)) && !holds(&skipped, name);
    let names: Vec<&str> = names.into_iter().filter(|name| is_wanted(name)).collect();
    println!("running {} tests", names.len());
    for name in &names {
        let rounds = number("FSM_CRASH_ROUNDS", 300);
        let done = match *name {
            X1 => executor.block_on(writers::nothing_acknowledged_is_lost(rounds)),
            X5_ROWS => executor.block_on(migration::a_killed_migration_resumes(rounds / 10)),
            X5_TABLES => executor.block_on(migration::tables_are_whole_after_a_killed_open(rounds / 10)),
            X5_BACKUPS => executor.block_on(backups::a_backup_is_whole_or_not_there(rounds / 10)),
            IDLE => executor.block_on(idle::an_idle_process_rarely_wakes_and_sees_changes_soon()),
            STOPS => executor.block_on(stops::a_stopped_writer_keeps_no_reader_out(rounds / 3)),
            W2 => executor.block_on(waits::killed_processes_fire_each_wait_once(rounds / 10)),
            U4 => executor.block_on(sagas::killed_trips_are_booked_or_undone(rounds / 10)),
            ENTERS => executor.block_on(enters::each_entry_runs_its_function_once(rounds / 10)),
            G1 => executor.block_on(in_a_file(coordination::killed_processes_call_once)),
            G2 => executor.block_on(in_a_file(coordination::killed_and_stopped_holders_lose_their_locks)),
            G3 => executor.block_on(in_a_file(coordination::killed_and_stopped_leaders_are_followed)),
            G4 => executor.block_on(in_a_file(coordination::killed_services_are_gone)),
            C24 => executor.block_on(in_a_file(coordination::killed_and_stopped_processes_keep_to_the_slots)),
            RIGHTS => executor.block_on(rights::a_refusal_by_the_system_names_the_remedy()),
            _ => executor
                .block_on(workers::killed_and_stopped_processes_lose_their_claims(number("FSM_CRASH_SECONDS", 240))),
        };
        println!("test {name} ... ok ({done})");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", names.len());
}

/// The output of a test whose processes meet in a new file.
async fn in_a_file(test: impl AsyncFnOnce(coordination::Place) -> String) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let store = coordination::StoreAt::Sqlite(dir.path().join("store.db"));
    test(coordination::Place { store, folder: dir.path().to_owned(), arguments: Vec::new() }).await
}

/// # Panics
/// If the variable is set to something other than a number.
fn number(variable: &str, otherwise: u32) -> u32 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => otherwise,
    }
}
