//! Real processes, killed and stopped at random moments: those that write ([`writers`], [`stops`]), those that work ([`workers`]), those
//! that migrate rows or make the tables ([`migration`]), and those that copy the store ([`backups`]). And those that do nothing
//! ([`idle`]), or may not do it ([`rights`]).
//!
//! `FSM_CRASH_ROUNDS=10000 FSM_CRASH_SECONDS=3600 cargo test -p tests --test crash` for as many kills of writers, and as long a
//! run of workers, as you like; 300 and 240 if not set (of migrations and of openings a tenth as many kills). Without the test harness, because this very binary is also the
//! processes that are killed.

mod backups;
mod idle;
mod migration;
mod rights;
mod stops;
mod workers;
mod writers;

use std::path::Path;

const X1: &str = "x1_nothing_acknowledged_is_lost";
const X5_ROWS: &str = "x5_a_migration_killed_at_any_moment_goes_on";
const X5_TABLES: &str = "x5_tables_are_whole_wherever_one_of_two_is_killed";
const BACKUPS: &str = "a_backup_is_whole_or_not_there";
const IDLE: &str = "an_idle_process_hardly_wakes_and_sees_changes_soon";
const STOPS: &str = "a_stopped_writer_keeps_no_reader_out";
const RIGHTS: &str = "a_refusal_of_the_system_is_told_with_what_helps";
const L1: &str = "l1_l2_processes_that_work_are_killed_and_stopped";

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
    if let Some(path) = std::env::var_os(rights::REFUSED) {
        return executor.block_on(rights::be_refused(Path::new(&path)));
    }
    let names = [X1, X5_ROWS, X5_TABLES, BACKUPS, IDLE, STOPS, RIGHTS, L1];
    // What `cargo test` asks every test binary for.
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
            X1 => executor.block_on(writers::x1_nothing_acknowledged_is_lost(rounds)),
            X5_ROWS => executor.block_on(migration::a_migration_killed_at_any_moment_goes_on(rounds / 10)),
            X5_TABLES => executor.block_on(migration::tables_are_whole_wherever_one_of_two_is_killed(rounds / 10)),
            BACKUPS => executor.block_on(backups::a_backup_is_whole_or_not_there(rounds / 10)),
            IDLE => executor.block_on(idle::an_idle_process_hardly_wakes_and_sees_changes_soon()),
            STOPS => executor.block_on(stops::a_stopped_writer_keeps_no_reader_out(rounds / 3)),
            RIGHTS => executor.block_on(rights::a_refusal_of_the_system_is_told_with_what_helps()),
            _ => {
                executor.block_on(workers::processes_that_work_are_killed_and_stopped(number("FSM_CRASH_SECONDS", 240)))
            }
        };
        println!("test {name} ... ok ({done})");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", names.len());
}

/// # Panics
/// Where the variable is set and is no number: a run that was asked for is not to be another.
fn number(variable: &str, otherwise: u32) -> u32 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => otherwise,
    }
}
