//! Two releases of an application side by side.

use super::{soon, until, work::options};
use fsm_runtime::{Runtime, store::postgres::Postgres};
use std::time::Duration;
use tests_postgres::Server;

/// The release with a state for all of the work.
mod old {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order.
    #[derive(StateMachine)]
    #[fsm(initial = Packing, durable, derive(Serialize, Deserialize))]
    pub(crate) enum Order {
        /// A worker packs it.
        #[state(work)]
        #[on(done => Sent)]
        Packing,
        /// The end.
        #[state(end)]
        Sent,
    }

    pub(crate) struct Packer;

    impl order::Workers for Packer {
        async fn packing(&self, task: order::Task<order::Packing>) -> Outcome<order::Packing> {
            task.done()
        }
    }
}

/// The next one, with the weight of the parcel.
mod new {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order.
    #[derive(StateMachine)]
    #[fsm(initial = Packing, version = 2, durable, derive(Serialize, Deserialize))]
    pub(crate) enum Order {
        /// A worker packs it.
        #[state(work)]
        #[on(done => Sent)]
        Packing {
            /// In grams.
            weight: u64,
        },
        /// The end.
        #[state(end)]
        Sent,
    }

    pub(crate) struct Packer;

    impl order::Workers for Packer {
        async fn packing(&self, task: order::Task<order::Packing>) -> Outcome<order::Packing> {
            task.done()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n26_two_versions_of_a_machine_work_side_by_side() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let open = async || options(server, &schema).state_index(true).open().await.unwrap();
    let older = async |store: Postgres| {
        let builder = Runtime::builder(store).node("older").tolerate_unknown().machine::<old::Order, _>(old::Packer);
        builder.lease_ttl(Duration::from_secs(3)).start().await.unwrap()
    };
    let newer = async |store: Postgres| {
        let builder = Runtime::builder(store).node("newer").migrate::<new::Order>(1, |mut old| {
            if old.state == "Packing" {
                old.data = serde_json::json!({ "weight": 100 });
            }
            Ok(old)
        });
        builder.machine::<new::Order, _>(new::Packer).lease_ttl(Duration::from_secs(3)).start().await.unwrap()
    };
    // Alone, the older one leaves what the newer release has written.
    let first = older(open().await).await;
    let client = Runtime::builder(open().await).start().await.unwrap();
    client.machines::<new::Order>().create("new", new::order::Packing { weight: 7 }).await.unwrap();
    client.machines::<old::Order>().create("old", old::order::Packing).await.unwrap();
    let sent = |id: &'static str| {
        let orders = client.machines::<old::Order>();
        async move { orders.wait_for(id, old::order::State::Sent, Duration::from_secs(50)).await }
    };
    soon("the older one works", sent("old")).await.unwrap();
    until("it has seen the other row", async || {
        first.unknown_rows().await.unwrap().iter().any(|unknown| unknown.rows == 1)
    })
    .await;
    let row = client.machines::<new::Order>().row("new").await.unwrap();
    assert_eq!((row.version, row.schema), (1, 2), "it is left alone");
    // Together, each row has a node that works on it.
    let second = newer(open().await).await;
    let orders = client.machines::<new::Order>();
    soon("the newer one works", orders.wait_for("new", new::order::State::Sent, Duration::from_secs(50)))
        .await
        .unwrap();
    for n in 0..10 {
        client.machines::<old::Order>().create(&format!("old{n}"), old::order::Packing).await.unwrap();
    }
    for n in 0..10 {
        let row = async || orders.row(&format!("old{n}")).await.unwrap();
        until("one of them works on it", async || &*row().await.state == "Sent").await;
        assert_eq!(row().await.version, 2, "once");
    }
    for runtime in [first, second, client] {
        runtime.shutdown(Duration::from_secs(5)).await;
    }
}
