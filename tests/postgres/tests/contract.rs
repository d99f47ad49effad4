//! The store contract on PostgreSQL.

#![cfg(server)]

use fsm_runtime::store::postgres::{Postgres, Time};
use tests_postgres::Server;

/// A new store in a schema of its own. The promises give the times of their calls.
async fn open() -> (Postgres, ()) {
    let server = Server::shared();
    let options = Postgres::options(server.url()).schema(server.new_schema()).time(Time::Callers).state_index(true);
    (options.open().await.expect("the store opens"), ())
}

fsm_runtime::store_contract!(open);

/// The same store, in the time of the server.
mod own_clock {
    use super::{Postgres, Server};

    async fn open() -> (Postgres, ()) {
        let server = Server::shared();
        let options = Postgres::options(server.url()).schema(server.new_schema());
        (options.open().await.expect("the store opens"), ())
    }

    fsm_runtime::own_clock_contract!(open);
}

/// Through PgBouncer in transaction mode.
#[cfg(pooler)]
mod pooled {
    use super::{Postgres, Server, Time};
    use tests_postgres::Pooler;

    async fn open() -> (Postgres, ()) {
        let schema = Server::shared().new_schema();
        let options = Postgres::options(Pooler::shared().url()).pooled(true).schema(schema).time(Time::Callers);
        (options.state_index(true).open().await.expect("the store opens"), ())
    }

    fsm_runtime::store_contract!(open);
}
