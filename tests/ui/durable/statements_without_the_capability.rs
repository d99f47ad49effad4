use fsm_runtime::{Group, store::Store};

async fn run(group: Group, store: impl Store) {
    let _ = group.commit_with(&store, |_| Ok(())).await;
}

fn main() {}
