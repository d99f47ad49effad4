#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(jobs: Machines<Job>) -> Result<(), Box<dyn std::error::Error>> {
    let job = jobs.get("a").await?;
    job.stop().await?;
    let job = jobs.get("a").await?;
    job.fire(job::event::Stop).await?;
    Ok(())
}

fn main() {}
