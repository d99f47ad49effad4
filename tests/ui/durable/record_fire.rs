#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(record: job::Record<job::Running>) -> Result<(), job::Failure> {
    let done = record.fire(job::event::Done).await?;
    println!("{}", done.version());
    Ok(())
}

fn main() {}
