#[path = "../stored.rs"]
mod stored;
use stored::*;

fn forge(raw: fsm_runtime::RawRecord<job::Baked>) -> job::Record<job::Baked> {
    job::Record { raw }
}

fn main() {}
