#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

impl job::Workers for Mine {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        task.stop()
    }
}

fn main() {}
