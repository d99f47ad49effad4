#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

impl job::Workers for Mine {
    async fn baking(&self, _task: job::Task<job::Baking>) -> Result<(), WorkError> {
        Ok(())
    }

    async fn cooling(&self, _task: job::Task<job::Cooling>) {}
}

fn main() {}
