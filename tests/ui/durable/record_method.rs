#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Baking>) -> Result<(), fsm_runtime::TransitionError<Job>> {
    let baked = record.baked().await?;
    println!("{}", baked.version());
    Ok(())
}

fn main() {}
