#[path = "../stored.rs"]
mod stored;
use stored::*;

enum Mistake {}

async fn run(record: job::Record<job::Baking>) -> Result<(), Mistake> {
    record.stop().await?;
    Ok(())
}

async fn not_awaited(record: job::Record<job::Baking>) -> Result<(), fsm_runtime::TransitionError<Job>> {
    record.stop()?;
    Ok(())
}

fn main() {}
