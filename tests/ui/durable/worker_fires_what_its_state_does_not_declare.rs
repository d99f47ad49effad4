#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

impl job::Workers for Mine {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        task.fire(job::event::Done)
    }

    async fn cleaning(&self, task: job::Task<job::Cleaning>) -> Outcome<job::Cleaning> {
        task.stop()
    }
}

fn main() {}
