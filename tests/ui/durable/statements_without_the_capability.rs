use fsm_runtime::{TransitionGroup, store::Store};

async fn run(group: TransitionGroup, store: impl Store) {
    let _ = group.commit_with(&store, |_| Ok(())).await;
}

fn main() {}
