//! Opening a store on PostgreSQL.

#![cfg(server)]

use fsm_runtime::store::{
    Key, Process, Store, StoreError,
    postgres::{OpenError, Postgres},
};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::{Pooler, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n24_many_nodes_start_at_once_on_an_empty_database() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let nodes: Vec<_> = (0..64)
        .map(|_| {
            let options = Postgres::options(server.trusted_url_at(server.port())).schema(&schema);
            tokio::spawn(async move {
                let store = options.open().await?;
                Ok::<_, OpenError>(store.last_sequence().await.expect("the tables are there"))
            })
        })
        .collect();
    for node in nodes {
        assert_eq!(node.await.expect("no panic").expect("every node opens the store"), 0);
    }
}

#[tokio::test]
async fn n27_a_role_that_creates_nothing_gets_the_statements() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let admin = server.connect().await;
    let role = format!("guest_{schema}");
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'guest'")).await.unwrap();
    let url = format!("postgres://{role}:guest@127.0.0.1:{}/postgres", server.port());
    let sql = match Postgres::options(&url).schema(&schema).open().await {
        Err(OpenError::NoTables { sql, .. }) => sql,
        other => panic!("{other:?}"),
    };
    assert_eq!(sql, Postgres::schema_sql(&schema));
    let not_allowed = Postgres::options(server.url()).schema(&schema).migrate(false).open().await;
    assert!(matches!(not_allowed, Err(OpenError::NoTables { .. })), "{not_allowed:?}");

    admin.batch_execute(&sql).await.unwrap();
    let rights = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    );
    admin.batch_execute(&rights).await.unwrap();
    let store = Postgres::options(&url).schema(&schema).migrate(false).open().await.expect("the tables are there");
    store.save_position("mail".to_owned(), 1).await.unwrap();
    assert_eq!(store.subscriber_position("mail".to_owned()).await.unwrap(), Some(1));
}

#[tokio::test]
async fn n25_tables_of_an_unknown_layout_are_refused() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    drop(Postgres::options(server.url()).schema(&schema).open().await.unwrap());
    let admin = server.connect().await;
    let layout = async |layout: i64, oldest_reader: i64| {
        let sets = format!(
            "UPDATE {schema}.meta SET value = {layout} WHERE name = 'layout';
             UPDATE {schema}.meta SET value = {oldest_reader} WHERE name = 'oldest_reader'"
        );
        admin.batch_execute(&sets).await.unwrap();
        Postgres::options(server.url()).schema(&schema).open().await
    };
    assert!(layout(2, 1).await.is_ok(), "the next layout can be used by this release");
    match layout(3, 2).await {
        Err(OpenError::Newer { found: 3, oldest_reader: 2, known: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn n42_a_password_is_shown_nowhere() {
    let server = Server::shared();
    let hidden = |text: String| {
        let parts = [server.password(), "pass word", "pass%20word"];
        assert!(parts.iter().all(|part| !text.contains(part)), "{text}");
    };
    let options = Postgres::options(server.url()).schema(server.new_schema());
    hidden(format!("{options:?}"));
    hidden(format!("{:?}", options.open().await.unwrap()));
    let wrong = server.url().replace("fsm:", "unknown:");
    match Postgres::options(wrong).open().await {
        Err(error @ OpenError::Login { .. }) => hidden(error.to_string()),
        other => panic!("{other:?}"),
    }
    let without_host = server.url().replace("@127.0.0.1", "@");
    for malformed in
        [server.url().replace("postgres://", "postgers://"), format!("{}?what=1", server.url()), without_host]
    {
        match Postgres::open(malformed).await {
            Err(error @ OpenError::Url { .. }) => hidden(error.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_database_without_utf8_is_refused() {
    let (server, admin) = (Server::shared(), Server::shared().connect().await);
    admin.batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await.unwrap();
    let url = server.url().replace("/postgres", "/latin");
    match Postgres::open(url).await {
        Err(OpenError::NotUtf8 { found, .. }) => assert_eq!(found, "LATIN1"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_socket_is_a_host() {
    let server = Server::shared();
    let store = Postgres::options(server.socket_url()).schema(server.new_schema()).open().await.unwrap();
    assert_eq!(store.last_sequence().await.unwrap(), 0);
}

#[tokio::test]
async fn lists_by_state_need_the_index() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let open = || Postgres::options(server.url()).schema(&schema);
    let store = open().open().await.unwrap();
    assert!(!store.lists_by_state().await.unwrap());
    let refused = store.count("Door".to_owned()).await;
    assert!(matches!(refused, Err(StoreError::NoStateIndex { .. })), "{refused:?}");
    let with = open().state_index(true).open().await.unwrap();
    assert!(with.lists_by_state().await.unwrap() && store.lists_by_state().await.unwrap(), "it is of the tables");
    assert_eq!(store.count("Door".to_owned()).await.unwrap(), []);
    drop(open().state_index(false).open().await.unwrap());
    assert!(!store.lists_by_state().await.unwrap());
}

/// An open transaction delays the index, longer than statements may take and wait for locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_of_states_is_there_when_a_store_with_it_is_open() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let timeout = Duration::from_millis(500);
    let open = || Postgres::options(server.url()).schema(&schema).statement_timeout(timeout);
    drop(open().open().await.unwrap());
    let (writer, admin) = (server.connect().await, server.connect().await);
    writer.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.instances IN ROW EXCLUSIVE MODE")).await.unwrap();
    let opened: Vec<_> = (0..2).map(|_| tokio::spawn(open().state_index(true).open())).collect();
    // Longer than a statement of the store's takes.
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%{schema}%' AND wait_event_type = 'Lock'
         AND now() - query_start > interval '4 seconds'"
    );
    let began = Instant::now();
    while admin.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "the index waits for the transaction");
        assert!(opened.iter().all(|opened| !opened.is_finished()), "no store is open without its index");
    }
    writer.batch_execute("COMMIT").await.unwrap();
    for opened in opened {
        assert!(opened.await.unwrap().unwrap().lists_by_state().await.unwrap());
    }
}

#[tokio::test]
async fn the_index_of_states_is_not_built_through_a_pooler() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let pooled = || Postgres::options(Pooler::shared().url()).pooled(true).schema(&schema).state_index(true);
    drop(Postgres::options(server.url()).schema(&schema).open().await.unwrap());
    match pooled().open().await {
        Err(OpenError::Unusable { cause, .. }) => assert!(cause.contains("direct connection"), "{cause}"),
        other => panic!("{other:?}"),
    }
    drop(Postgres::options(server.url()).schema(&schema).state_index(true).open().await.unwrap());
    assert!(pooled().open().await.unwrap().lists_by_state().await.unwrap(), "it is there");
}

/// At the start of a runtime, all rows are read where there is no index of states.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_in_use_are_read_for_as_long_as_it_takes() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = Postgres::options(server.url()).schema(&schema).statement_timeout(Duration::from_millis(200));
    let store = options.timeout(Duration::from_secs(1)).open().await.unwrap();
    let (locks, admin) = (server.connect().await, server.connect().await);
    locks.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.instances IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let states = tokio::spawn(async move { store.states_in_use("Door".to_owned()).await });
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%GROUP BY%' AND query LIKE '%{schema}%'
         AND wait_event_type = 'Lock' AND now() - query_start > interval '3 seconds'"
    );
    let began = Instant::now();
    while admin.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_mins(1) && !states.is_finished(), "it waits");
    }
    locks.batch_execute("COMMIT").await.unwrap();
    assert_eq!(states.await.unwrap().unwrap(), []);
}

/// Through a pooler, the server's time limits end reads that wait for a lock, so they keep no connection of the pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n30_a_locked_table_keeps_no_connections_of_a_pooler() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = Postgres::options(Pooler::shared().url()).pooled(true).schema(&schema);
    let options = options.statement_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(2));
    let store = options.open().await.unwrap();
    let (locks, admin) = (server.connect().await, server.connect().await);
    locks.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.instances IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let read = store.get(Key::new("Door", "a")).await;
    assert!(matches!(read, Err(StoreError::Busy { .. })), "{read:?}");
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{schema}%'
         AND now() - query_start > interval '2 seconds'"
    );
    assert_eq!(admin.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0), 0);
    locks.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.get(Key::new("Door", "a")).await.unwrap(), None);
}

/// A host that takes no connections: its queue of them is full, so that it answers nothing.
async fn silent_host() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut full = Vec::new();
    let connect = || tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address));
    while let Ok(connected) = connect().await {
        full.push(connected.unwrap());
    }
    (listener, full, address.port())
}

/// Hosts in front that do not answer use up no call's time, and no lease's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n36_silent_hosts_before_the_server_are_passed_over() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let (first, second) = (silent_host().await, silent_host().await);
    let hosts = format!("127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}", first.2, second.2, server.port());
    let url = server.url().replace(&format!("127.0.0.1:{}", server.port()), &hosts);
    let store = Postgres::options(url).schema(&schema).open().await.unwrap();
    let began = Instant::now();
    let process = Process {
        owner: "me".into(),
        holder: "holder".into(),
        node: "node".into(),
        pid: 1,
        machines: Vec::new(),
        build: None,
        slots: 1,
    };
    store.take_lease(process, Duration::from_secs(9), SystemTime::now()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "the lease was taken after {:?}", began.elapsed());
}
