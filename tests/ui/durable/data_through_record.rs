#![allow(unused_mut)]
#[path = "../stored.rs"]
mod stored;
use stored::*;

fn change(mut record: job::Record<job::Baking>, mut task: job::Task<job::Baking>) {
    record.at = 2;
    task.at = 2;
}

fn main() {}
