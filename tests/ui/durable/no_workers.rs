#[path = "../stored.rs"]
mod stored;
use stored::*;

struct Mine;

async fn run(store: Sqlite) {
    let _ = Runtime::builder(store).machine::<Job, _>(Mine).start().await;
}

fn main() {}
