#[path = "../stored.rs"]
mod stored;
use stored::*;

async fn run(runtime: Runtime) {
    let _ = runtime.machines::<Job>().create("a", job::Cooling).await;
}

fn main() {}
