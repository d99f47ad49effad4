//! Opening a store on PostgreSQL.

#![cfg(server)]

use fsm_runtime::store::{
    Store, StoreError,
    postgres::{OpenError, Postgres},
};
use std::time::Duration;
use tests_postgres::Server;

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
    match Postgres::options(wrong).timeout(Duration::ZERO).open().await {
        Err(error @ OpenError::Unreachable { .. }) => hidden(error.to_string()),
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
