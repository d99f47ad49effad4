#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Baking>) -> Result<(), fsm_runtime::TransitionError<Job>> {
    record.stop().await?;
    record.cool().await?;
    Ok(())
}

fn main() {}
