#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

impl job::Workers for Mine {
    async fn baking(&self, task: job::Task<job::Baking>) -> Outcome<job::Baking> {
        task.fire(job::event::Baked)
    }

    async fn cooling(&self, task: job::Task<job::Cooling>) -> Outcome<job::Cooling> {
        task.stop()
    }
}

fn main() {}
