#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

impl job::Workers for Mine {
    async fn baking(&self, _task: job::Task<job::Baking>) -> Outcome<job::Baking> {
        Ok(())
    }

    async fn cooling(&self, task: job::Task<job::Cooling>) -> Outcome<job::Cooling> {
        task.baked();
        Ok(())
    }
}

fn main() {}
