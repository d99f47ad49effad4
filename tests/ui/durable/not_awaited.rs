#![deny(unused_must_use)]
#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Idle>) {
    record.start(1);
}

fn main() {}
