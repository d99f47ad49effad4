//! Locks, limits and settings of others on the same server.

use super::{
    commits::{commit, committed, create, fire},
    soon, until,
    work::{Job, LEASE, Log, Workers, job, node, options},
};
use fsm_runtime::store::{Change, Group, Key, Store, StoreError, Verdict, postgres::Postgres};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::Server;

/// The database's default isolation would fail transactions that meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n13_another_default_isolation_has_no_effect() {
    let server = Server::start();
    let admin = server.connect().await;
    admin.batch_execute("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'").await.unwrap();
    let stores = [options(&server, "fsm").open().await.unwrap(), options(&server, "fsm").open().await.unwrap()];
    let row = committed(&stores[0], create("hot")).await;
    let callers: Vec<_> = (0..8)
        .map(|caller: usize| {
            let (store, mut row) = (stores[caller % 2].clone(), row.clone());
            tokio::spawn(async move {
                for _ in 0..25 {
                    match commit(&store, fire(&row)).await {
                        Verdict::Committed { mut rows } => row = rows.remove(0),
                        Verdict::Conflict { current: Some(current), .. } => row = *current,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        soon("a caller", caller).await.unwrap();
    }
    let failures = "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'postgres'";
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'fsm%'";
    drop(stores);
    // A session reports its transactions when it ends.
    until("all sessions have ended", async || admin.query_one(sessions, &[]).await.unwrap().get::<_, i64>(0) == 0)
        .await;
    assert_eq!(admin.query_one(failures, &[]).await.unwrap().get::<_, i64>(0), 0, "no transaction failed");
}

/// Somebody else locks two rows in the other order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n14_a_deadlock_with_others_is_undone_and_made_again() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = options(server, &schema).lanes(1).open().await.unwrap();
    let rows = [committed(&store, create("a")).await, committed(&store, create("b")).await];
    let (foreign, observer) = (server.connect().await, server.connect().await);
    let lock = |id: &str| format!("SELECT 1 FROM {schema}.instances WHERE id = '{id}' FOR UPDATE");
    foreign.batch_execute(&format!("BEGIN; {}", lock("b"))).await.unwrap();
    let group = tokio::spawn({
        let store = store.clone();
        let group = Group { changes: rows.iter().map(fire).collect() };
        async move { store.commit(vec![group], SystemTime::now()).await.expect("no error reaches the caller").remove(0) }
    });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsm lane' AND wait_event_type = 'Lock'";
    until("the group waits", async || observer.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0).await;
    // One of the two is undone by the server.
    let end = if foreign.batch_execute(&lock("a")).await.is_ok() { "COMMIT" } else { "ROLLBACK" };
    foreign.batch_execute(end).await.unwrap();
    let verdict = soon("the group", group).await.unwrap();
    assert!(matches!(&verdict, Verdict::Committed { rows } if rows.iter().all(|row| row.version == 2)), "{verdict:?}");
}

/// The tables are locked for longer than callers wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n15_locked_tables_are_busy_and_cost_no_lease() {
    let (server, schema, log) = (Server::shared(), Server::shared().new_schema(), Log::default());
    let impatient = options(server, &schema).timeout(Duration::from_secs(1));
    let runtime = node(impatient.clone(), Workers { node: "it", waits: true, log: log.clone() }).await;
    runtime.machines::<Job>().create("a", job::Running).await.unwrap();
    until("it works", async || log.at("it begins").is_some()).await;
    let store = impatient.open().await.unwrap();
    let row = committed(&store, create("a")).await;
    let foreign = server.connect().await;
    foreign.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.instances IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let locked = Instant::now();
    let write = soon("an error", store.commit(vec![fire(&row).into()], SystemTime::now())).await;
    assert!(matches!(&write, Err(StoreError::Busy { .. })), "{write:?}");
    let read = soon("an error", store.get(row.key.clone())).await;
    assert!(matches!(&read, Err(StoreError::Busy { .. })), "{read:?}");
    let held = format!("SELECT min(until) > clock_timestamp() FROM {schema}.leases");
    while locked.elapsed() < LEASE * 2 {
        assert!(foreign.query_one(&held, &[]).await.unwrap().get::<_, bool>(0), "the lease has lapsed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    foreign.batch_execute("COMMIT").await.unwrap();
    // Of a table that only changes need, too, however many there are.
    foreign.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.history IN SHARE MODE")).await.unwrap();
    let locked = Instant::now();
    let many = (0..20).map(|n| create(&n.to_string()).into()).collect();
    let write = soon("an error", store.commit(many, SystemTime::now())).await;
    assert!(matches!(&write, Err(StoreError::Busy { .. })), "{write:?}");
    assert!(locked.elapsed() < Duration::from_secs(20), "after {:?}", locked.elapsed());
    foreign.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row.clone()), "nothing was changed");
    assert_eq!(committed(&store, fire(&row)).await.version, 2);
    assert_eq!(log.all(), ["it begins"], "the worker goes on");
    runtime.shutdown(Duration::ZERO).await;
}

/// A role with fewer connections than the store has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n23_without_free_connections_leases_are_renewed() {
    let (server, schema, log) = (Server::shared(), Server::shared().new_schema(), Log::default());
    let admin = server.connect().await;
    let role = format!("few_{schema}");
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'few'; {}", Postgres::schema_sql(&schema));
    admin.batch_execute(&sql).await.unwrap();
    let rights = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    );
    admin.batch_execute(&rights).await.unwrap();
    let url = format!("postgres://{role}:few@127.0.0.1:{}/postgres", server.port());
    let few = Postgres::options(url).schema(&schema).timeout(Duration::from_mins(1));
    let runtime = node(few, Workers { node: "it", waits: true, log: log.clone() }).await;
    let jobs = runtime.machines::<Job>();
    jobs.create("a", job::Running).await.unwrap();
    until("it works", async || log.at("it begins").is_some()).await;
    admin.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 1")).await.unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}' AND application_name <> 'fsm lease'"
    );
    admin.batch_execute(&end).await.unwrap();
    let creating = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.create("b", job::Running).await.map(drop) }
    });
    let (began, held) = (Instant::now(), format!("SELECT min(until) > clock_timestamp() FROM {schema}.leases"));
    while began.elapsed() < LEASE * 2 {
        assert!(admin.query_one(&held, &[]).await.unwrap().get::<_, bool>(0), "the lease has lapsed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!creating.is_finished(), "there is no connection for it");
    assert_eq!(log.all(), ["it begins"], "the worker goes on");
    admin.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await.unwrap();
    soon("the creation", creating).await.unwrap().unwrap();
    until("it works on both", async || log.all().len() == 2).await;
    runtime.shutdown(Duration::ZERO).await;
}

/// One row is locked by somebody else: only its own callers wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n15_a_locked_row_delays_only_its_own_callers() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = options(server, &schema).lanes(1).open().await.unwrap();
    let locked = committed(&store, create("locked")).await;
    let foreign = server.connect().await;
    foreign
        .batch_execute(&format!("BEGIN; SELECT 1 FROM {schema}.instances WHERE id = 'locked' FOR UPDATE"))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let (store, change): (_, Change) = (store.clone(), fire(&locked));
        async move { committed(&store, change).await }
    });
    let began = Instant::now();
    let mut row = committed(&store, create("free")).await;
    for _ in 0..10 {
        row = committed(&store, fire(&row)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(15), "others waited for {:?}", began.elapsed());
    assert!(!waiting.is_finished());
    foreign.batch_execute("COMMIT").await.unwrap();
    assert_eq!(soon("the locked row", waiting).await.unwrap().version, 2);
    assert_eq!(store.get(Key::new("Door", "free")).await.unwrap().map(|row| row.version), Some(11));
}
