#[path = "../stored.rs"]
mod stored;
use stored::*;

fn forge(raw: fsm_runtime::RawRecord<job::Done>) -> job::Record<job::Done> {
    job::Record { raw }
}

fn main() {}
