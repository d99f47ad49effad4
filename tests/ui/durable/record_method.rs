#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Baking>) -> Result<(), job::Failure> {
    let baked = record.baked().await?;
    println!("{}", baked.version());
    Ok(())
}

fn main() {}
