#![deny(unused_must_use)]
#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Ordered>) {
    record.start(1);
}

fn main() {}
