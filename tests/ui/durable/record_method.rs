#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Running>) -> Result<(), job::Failure> {
    let done = record.done().await?;
    println!("{}", done.version());
    Ok(())
}

fn main() {}
