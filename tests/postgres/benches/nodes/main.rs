//! The rates and latencies of the store on PostgreSQL, each beside its budget.
//!
//! `cargo bench -p tests-postgres --bench nodes` prints all rows, and skips without a server. With names after `--`, it prints some:
//! `throughput`, `work`, `wake`, `takeover`, `scale`.

mod large;
mod takeover;
mod throughput;
mod work;

use std::{env, time::Duration};
use tests_postgres::Server;

fn main() {
    if cfg!(not(server)) {
        println!("skipped: {}", tests_postgres::MISSING);
        return;
    }
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [node, url, schema] = &arguments[..]
        && node == takeover::NODE
    {
        return executor.block_on(takeover::node(url, schema));
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    executor.block_on(async {
        let server = Server::shared();
        println!("{:54} {:>12} {:>14}", "", "result", "budget");
        if wanted("throughput") {
            throughput::print(server).await;
        }
        if wanted("work") {
            work::print_cycles(server).await;
        }
        if wanted("wake") {
            work::print_latency(server).await;
        }
        if wanted("takeover") {
            takeover::print(server).await;
        }
        if wanted("scale") {
            large::print(server).await;
        }
    });
}

/// One line of the table.
fn line(what: &str, result: &str, budget: &str) {
    println!("{what:54} {result:>12} {budget:>14}");
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn at(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
