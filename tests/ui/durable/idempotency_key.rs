#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Ordered>) {
    let _ = record.with_key(42);
}

fn main() {}
