//! What a store on PostgreSQL answers when connections break.

#![cfg(server)]

use fsm_runtime::store::{
    Cause, Change, Claim, Create, Entering, Group, HistoryQuery, Key, NewEphemeral, Origin, Process, Purge, Renewal,
    Row, Store, StoreError, Transition, Verdict, postgres::Postgres,
};
use std::time::{Duration, Instant, SystemTime};
use tests_postgres::{Proxy, Server};
use uuid::Uuid;

fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{}".into(),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

fn create(id: &str) -> Create {
    Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into: entering("Closed"),
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

fn fire(row: &Row, to: &str) -> Transition {
    Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: "go".into(),
        payload: "null".into(),
        into: entering(to),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

async fn commit(store: &Postgres, changes: Vec<Change>) -> Verdict {
    store.commit(vec![Group { changes }], SystemTime::now()).await.expect("no error reaches the caller").remove(0)
}

async fn committed(store: &Postgres, changes: Vec<Change>) -> Vec<Row> {
    match commit(store, changes).await {
        Verdict::Committed { rows } => rows,
        other => panic!("{other:?}"),
    }
}

/// The answer of every other COMMIT is lost. Each change is made once, and each caller learns how it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_a_lost_answer_to_commit_is_resolved() {
    let server = Server::shared();
    let proxy = Proxy::start(server.port()).await;
    let options = Postgres::options(server.url_at(proxy.port())).schema(server.new_schema()).lanes(1);
    let store = options.open().await.unwrap();
    let mut row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    for n in 0..20 {
        proxy.cut_next_commit();
        let mut stale = row.clone();
        stale.version = 99;
        row = committed(&store, vec![Change::Transition(fire(&row, &format!("S{n}")))]).await.remove(0);
        assert_eq!((row.version, &*row.state), (n + 2, &*format!("S{n}")));
        if n % 4 == 0 {
            proxy.cut_next_commit();
            let missed = commit(&store, vec![Change::Transition(fire(&stale, "Nowhere"))]).await;
            assert!(matches!(missed, Verdict::Conflict { .. }), "{missed:?}");
            proxy.cut_next_commit();
            let (b, c) = (create(&format!("b{n}")), create(&format!("c{n}")));
            assert_eq!(committed(&store, vec![Change::Create(b), Change::Create(c)]).await.len(), 2);
        }
    }
    assert_eq!(proxy.cut(), 30, "each of them was lost");
    let history = store.history(HistoryQuery::new().limit(1_000)).await.unwrap();
    assert_eq!(history.len(), 1 + 20 + 10, "each change has one entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n10_a_restart_of_the_server_reaches_no_caller() {
    let server = Server::start();
    let store = Postgres::options(server.url()).open().await.unwrap();
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    server.restart("fast");
    let row = committed(&store, vec![Change::Transition(fire(&row, "Open"))]).await.remove(0);
    server.restart("immediate");
    assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row));
}

/// A server that has been promoted may lack the last commits of the former one: fences and numbers go on far beyond them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n11_sequences_jump_after_a_failover() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let claim = |row: &Row| {
        let (key, incarnation, version, fence) = (row.key.clone(), row.incarnation, row.version, row.fence);
        vec![Change::Claim(Claim { key, incarnation, version, fence, owner: "me".into() })]
    };
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    let row = committed(&store, claim(&row)).await.remove(0);
    let newest = store.last_sequence().await.unwrap();
    // As if the tables had been written on an older timeline of the server's log.
    let admin = server.connect().await;
    admin.batch_execute(&format!("UPDATE {schema}.meta SET value = 0 WHERE name = 'timeline'")).await.unwrap();
    let row = committed(&store, vec![Change::Transition(fire(&row, "Open"))]).await.remove(0);
    let fence = row.fence;
    let row = committed(&store, claim(&row)).await.remove(0);
    assert!(row.fence >= fence + (1 << 20), "{} after {fence}", row.fence);
    let history = store.history(HistoryQuery::new().after(newest)).await.unwrap();
    assert!(history.len() == 1 && history[0].sequence >= newest + (1 << 20), "{history:?} after {newest}");
    let next = committed(&store, claim(&row)).await.remove(0);
    assert_eq!(next.fence, row.fence + 1, "it jumps once");
}

/// A transaction of somebody else, in whatever database of the server, holds no reader back for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n21_a_foreign_transaction_does_not_stop_the_history() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let foreign = server.connect().await;
    foreign
        .batch_execute(&format!("CREATE TABLE own_{schema} (n int); BEGIN; INSERT INTO own_{schema} VALUES (1)"))
        .await
        .unwrap();
    committed(&store, vec![Change::Create(create("a"))]).await;
    // A number that no transaction will ever write.
    foreign.batch_execute(&format!("SELECT nextval('{schema}.sequence')")).await.unwrap();
    committed(&store, vec![Change::Create(create("b"))]).await;
    let history = store.history(HistoryQuery::new()).await.unwrap();
    assert_eq!(history.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(store.last_sequence().await.unwrap(), 3);
    foreign.batch_execute("ROLLBACK").await.unwrap();
}

/// An entry whose transaction is open holds later ones back, until it ends in either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_an_open_transaction_holds_the_history_back() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    committed(&store, vec![Change::Create(create("a"))]).await;
    let numbers = async || {
        let history = store.history(HistoryQuery::new()).await.unwrap();
        history.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    // What a burst of another process does, up to its COMMIT.
    let other = server.connect().await;
    let burst = format!(
        "BEGIN; INSERT INTO {schema}.lanes VALUES (gen_random_uuid(), 1, '{{}}', now()); SELECT nextval('{schema}.sequence')"
    );
    for (end, expected) in [("ROLLBACK", [1, 3].to_vec()), ("COMMIT", [1, 3, 5].to_vec())] {
        let lane = Postgres::options(server.url()).schema(&schema).lanes(1).open().await.unwrap();
        other.batch_execute(&burst).await.unwrap();
        committed(&lane, vec![Change::Create(create(end))]).await;
        assert_eq!(numbers().await, expected[..expected.len() - 1], "the number before may still be written");
        other.batch_execute(end).await.unwrap();
        assert_eq!(numbers().await, expected);
    }
}

/// NUL cannot be stored: such a change is refused, and its neighbours commit. In the text of an error it is replaced.
#[tokio::test]
async fn n36_text_with_nul_is_refused() {
    let server = Server::shared();
    let store = Postgres::options(server.url()).schema(server.new_schema()).open().await.unwrap();
    let with = |data: &str| Create { into: Entering { data: data.into(), ..entering("Closed") }, ..create(data) };
    let mut groups: Vec<Group> = ["a", "b\0", "c"].map(|data| Change::Create(with(data)).into()).into();
    groups.push(Change::Create(Create { key: Key::new("Door", "d"), ..with("x\0") }).into());
    let verdicts = store.commit(groups, SystemTime::now()).await.unwrap();
    let refused = |verdict: &Verdict| matches!(verdict, Verdict::Refused { change: 0, .. });
    assert_eq!(verdicts.iter().map(refused).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(store.get(Key::new("Door", "b\0")).await.unwrap(), None);
    // An id that is longer than an entry of an index is refused by the server, alone.
    let groups = vec![Change::Create(create(&long())).into(), Change::Create(create("e")).into()];
    let verdicts = store.commit(groups, SystemTime::now()).await.unwrap();
    assert!(refused(&verdicts[0]) && matches!(verdicts[1], Verdict::Committed { .. }), "{verdicts:?}");
}

/// A text that does not fit into an entry of an index, compressed either.
fn long() -> String {
    (0..400).map(|_| Uuid::now_v7().simple().to_string()).collect()
}

/// Answers are lost while many callers share transactions: each change is made once, and each caller gets its own row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_lost_answers_to_shared_commits_are_resolved() {
    const CALLERS: usize = 16;
    const CHANGES: u64 = 25;
    let server = Server::shared();
    let proxy = Proxy::start(server.port()).await;
    let options = Postgres::options(server.url_at(proxy.port())).schema(server.new_schema());
    let store = options.open().await.unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut row = committed(&store, vec![Change::Create(create(&caller.to_string()))]).await.remove(0);
                for n in 0..CHANGES {
                    row = committed(&store, vec![Change::Transition(fire(&row, &format!("S{n}")))]).await.remove(0);
                    assert_eq!((row.version, &*row.state), (n + 2, &*format!("S{n}")));
                }
            })
        })
        .collect();
    // The next one is asked for when the last one was cut, so that others get through between.
    let mut asked = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        if proxy.cut() == asked {
            proxy.cut_next_commit();
            asked += 1;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(proxy.cut() > 5, "{} answers were lost", proxy.cut());
    for caller in 0..CALLERS {
        let key = Key::new("Door", caller.to_string());
        let history = store.history(HistoryQuery { key: Some(key), ..HistoryQuery::new() }.limit(1_000)).await.unwrap();
        let versions: Vec<u64> = history.iter().map(|entry| entry.version).collect();
        assert_eq!(versions, (1..=CHANGES + 1).collect::<Vec<_>>());
    }
}

/// Waits until the query of `client` returns true.
async fn until(client: &tokio_postgres::Client, query: &str) {
    while !client.query_one(query, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A claim by another process locks the lease. If it then finds the lease lapsed, a renewal that waits for it must not extend it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l6_a_renewal_that_waits_past_its_lease_has_lapsed() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let (ttl, now) = (Duration::from_secs(3), SystemTime::now());
    store.take_lease(Process::new("me", "me"), ttl, now).await.unwrap();
    let (claim, admin) = (server.connect().await, server.connect().await);
    claim.batch_execute(&format!("BEGIN; SELECT 1 FROM {schema}.leases FOR SHARE")).await.unwrap();
    let renewal = {
        let store = store.clone();
        let renewal = Renewal { owner: "me".into(), ttl, leaving: false };
        tokio::spawn(async move { store.renew_lease(renewal, now).await.unwrap() })
    };
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock' AND a.query LIKE '%leaving = %')";
    until(&admin, &waits.replace("%leaving", &format!("%\"{schema}\".leases%leaving"))).await;
    until(&claim, &format!("SELECT NOT EXISTS (SELECT 1 FROM {schema}.leases l WHERE l.until > clock_timestamp())"))
        .await;
    claim.batch_execute("COMMIT").await.unwrap();
    assert!(renewal.await.unwrap().is_err(), "a claim has found the lease lapsed");
    let live = store.leases(now).await.unwrap().into_iter().filter(|lease| lease.live).count();
    assert_eq!(live, 0, "it stays lapsed");
}

/// A lost COMMIT that cannot be resolved in time may be fenced off later: the batch after it must not be taken for that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_an_unresolved_batch_does_not_answer_for_the_next() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let options =
        Postgres::options(server.url_at(proxy.port())).schema(&schema).lanes(1).timeout(Duration::from_secs(5));
    let store = options.open().await.unwrap();
    committed(&store, vec![Change::Create(create("a"))]).await;
    let admin = server.connect().await;
    admin.batch_execute(&format!("BEGIN; UPDATE {schema}.lanes SET seen = seen")).await.unwrap();
    proxy.cut_next_commit();
    let group = Group { changes: vec![Change::Create(create("b"))] };
    let unresolved = store.commit(vec![group], SystemTime::now()).await;
    assert!(matches!(unresolved, Err(StoreError::Indeterminate { .. })), "{unresolved:?}");
    // As the request to fence batch 2 off does, if the server gets to it now.
    admin.batch_execute(&format!("UPDATE {schema}.lanes SET batch = 3 WHERE batch < 2; COMMIT")).await.unwrap();
    proxy.cut_next_commit();
    let row = committed(&store, vec![Change::Create(create("c"))]).await.remove(0);
    assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row));
}

/// The answer to a claim is lost, and the instance has moved on when the store asks: the worker would run for a visit that is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_a_lost_claim_of_an_instance_that_moved_is_void() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let store = Postgres::options(server.url_at(proxy.port())).schema(&schema).lanes(1).open().await.unwrap();
    let claim = |row: &Row| {
        let (key, incarnation, version, fence) = (row.key.clone(), row.incarnation, row.version, row.fence);
        vec![Change::Claim(Claim { key, incarnation, version, fence, owner: "me".into() })]
    };
    let rows = committed(&store, vec![Change::Create(create("a")), Change::Create(create("b"))]).await;
    proxy.cut_next_commit();
    let claimed = committed(&store, claim(&rows[0])).await.remove(0);
    assert_eq!((claimed.version, claimed.owner.as_deref()), (1, Some("me")));
    // Each instance that is claimed moves on at once.
    let moves_on = format!(
        "CREATE FUNCTION {schema}.move_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE {schema}.instances SET state = 'Next', version = version + 1, entered = version + 1, owner = NULL
             WHERE machine = NEW.machine AND id = NEW.id;
             RETURN NULL;
         END $$;
         CREATE TRIGGER moves_on AFTER UPDATE ON {schema}.instances FOR EACH ROW
         WHEN (OLD.owner IS NULL AND NEW.owner IS NOT NULL) EXECUTE FUNCTION {schema}.move_on()"
    );
    server.connect().await.batch_execute(&moves_on).await.unwrap();
    proxy.cut_next_commit();
    let verdict = commit(&store, claim(&rows[1])).await;
    let Verdict::Conflict { current: Some(current), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((current.version, &*current.state), (2, "Next"));
    assert_eq!(proxy.cut(), 2);
}

/// A trigger that runs `body` at the end of each transaction that writes an entry of the history.
async fn at_each_commit(server: &Server, schema: &str, body: &str) {
    let trigger = format!(
        "CREATE FUNCTION {schema}.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON {schema}.history DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
         EXECUTE FUNCTION {schema}.at_commit()"
    );
    server.connect().await.batch_execute(&trigger).await.unwrap();
}

/// The answer to a claim is lost, and another process has claimed the instance when the store asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n8_a_lost_claim_that_was_taken_over_is_void() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let store = Postgres::options(server.url_at(proxy.port())).schema(&schema).lanes(1).open().await.unwrap();
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    let taken_over = format!(
        "CREATE FUNCTION {schema}.take_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE {schema}.instances SET owner = 'other', fence = nextval('{schema}.fence')
             WHERE machine = NEW.machine AND id = NEW.id;
             RETURN NULL;
         END $$;
         CREATE TRIGGER take_over AFTER UPDATE ON {schema}.instances FOR EACH ROW
         WHEN (OLD.owner IS NULL AND NEW.owner = 'me') EXECUTE FUNCTION {schema}.take_over()"
    );
    server.connect().await.batch_execute(&taken_over).await.unwrap();
    proxy.cut_next_commit();
    let (key, incarnation, version, fence) = (row.key.clone(), row.incarnation, row.version, row.fence);
    let claim = Claim { key, incarnation, version, fence, owner: "me".into() };
    let verdict = commit(&store, vec![Change::Claim(claim)]).await;
    let Verdict::Fenced { current, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((current.version, current.owner.as_deref(), proxy.cut()), (1, Some("other"), 1));
}

/// The answer to a COMMIT is lost, and so is the row of the lane, or the table of rows: whether the change was made is not known, or is
/// known and cannot be shown. No other error may be returned, because all others mean that nothing was changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n9_a_lost_answer_that_cannot_be_resolved_is_indeterminate() {
    for (body, rows_are_there) in
        [("DELETE FROM {schema}.lanes", true), ("ALTER TABLE {schema}.instances RENAME TO moved_away", false)]
    {
        let (server, schema) = (Server::shared(), Server::shared().new_schema());
        let proxy = Proxy::start(server.port()).await;
        let store = Postgres::options(server.url_at(proxy.port())).schema(&schema).lanes(1).open().await.unwrap();
        at_each_commit(server, &schema, &body.replace("{schema}", &schema)).await;
        proxy.cut_next_commit();
        let create = Group { changes: vec![Change::Create(create("a"))] };
        let answer = store.commit(vec![create], SystemTime::now()).await;
        assert!(matches!(answer, Err(StoreError::Indeterminate { .. })), "{body}: {answer:?}");
        if rows_are_there {
            let row = store.get(Key::new("Door", "a")).await.unwrap().expect("it was created");
            committed(&store, vec![Change::Transition(fire(&row, "Open"))]).await;
        }
    }
}

/// Calls that wait for the same connection, or in the queue of a lane, do not wait one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n10_many_calls_end_in_time_while_the_server_is_down() {
    let (server, timeout) = (Server::start(), Duration::from_secs(3));
    let store = Postgres::options(server.url()).lanes(1).timeout(timeout).open().await.unwrap();
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    server.stop("immediate");
    let began = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..60 {
        let (store, row) = (store.clone(), row.clone());
        calls.spawn(async move {
            if n % 2 == 0 {
                store.get(row.key).await.map(drop)
            } else {
                let fire = Group { changes: vec![Change::Transition(fire(&row, "Open"))] };
                store.commit(vec![fire], SystemTime::now()).await.map(drop)
            }
        });
    }
    for answer in calls.join_all().await {
        assert!(matches!(answer, Err(StoreError::Unreachable { .. })), "{answer:?}");
    }
    assert!(began.elapsed() < 3 * timeout, "the last one ended after {:?}", began.elapsed());
}

/// Also where a statement may take less time than the store usually waits for a lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n15_a_short_statement_timeout_delays_only_the_locked_row() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = Postgres::options(server.url()).schema(&schema).lanes(1);
    let store = options.statement_timeout(Duration::from_secs(1)).open().await.unwrap();
    let rows = committed(&store, vec![Change::Create(create("a")), Change::Create(create("b"))]).await;
    let admin = server.connect().await;
    admin.batch_execute(&format!("BEGIN; UPDATE {schema}.instances SET attempt = 0 WHERE id = 'a'")).await.unwrap();
    let group = |row: &Row| Group { changes: vec![Change::Transition(fire(row, "Open"))] };
    let groups: Vec<Group> = rows.iter().map(group).collect();
    let both = tokio::spawn({
        let store = store.clone();
        async move { store.commit(groups, SystemTime::now()).await }
    });
    let free = async || store.get(rows[1].key.clone()).await.unwrap().is_some_and(|row| row.version == 2);
    let began = Instant::now();
    while !free().await {
        assert!(began.elapsed() < Duration::from_secs(20) && !both.is_finished(), "the other row waits, too");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    admin.batch_execute("COMMIT").await.unwrap();
    let verdicts = both.await.unwrap().unwrap();
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Committed { .. })), "{verdicts:?}");
}

/// A statement that takes too long is no lock, and the error says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_over_its_timeout_is_named() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = Postgres::options(server.url()).schema(&schema).statement_timeout(Duration::from_millis(200));
    let store = options.open().await.unwrap();
    let slow = format!(
        "CREATE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON {schema}.instances FOR EACH ROW EXECUTE FUNCTION {schema}.slow()"
    );
    server.connect().await.batch_execute(&slow).await.unwrap();
    let create = Group { changes: vec![Change::Create(create("a"))] };
    match store.commit(vec![create], SystemTime::now()).await {
        Err(StoreError::Failed { cause, .. }) => assert!(cause.contains("statement_timeout"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

/// A note that is committed while a purge waits for the row is purged, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x8_a_purge_takes_what_is_written_while_it_waits() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let row = committed(&store, vec![Change::Create(create("a"))]).await.remove(0);
    let other = server.connect().await;
    let note = format!(
        "BEGIN; UPDATE {schema}.instances SET hold = 'held' WHERE id = 'a';
         INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, at, to_state, cause, bucket, payload)
         SELECT nextval('{schema}.sequence'), machine, id, incarnation, 'note', version, schema, fence, now(), state, 'operator', bucket,
             '\"a secret\"' FROM {schema}.instances"
    );
    other.batch_execute(&note).await.unwrap();
    let (key, incarnation, version) = (row.key.clone(), row.incarnation, row.version);
    let purge = Purge { key, incarnation, version, origin: Origin::default(), why: None };
    let purged = tokio::spawn({
        let store = store.clone();
        async move { commit(&store, vec![Change::Purge(purge)]).await }
    });
    let admin = server.connect().await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'";
    let began = Instant::now();
    while admin.query_one(waiting, &[&schema]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20) && !purged.is_finished(), "the purge waits for the row");
    }
    other.batch_execute("COMMIT").await.unwrap();
    let verdict = purged.await.unwrap();
    assert!(matches!(verdict, Verdict::Committed { .. }), "{verdict:?}");
    let left = admin.query_one(&format!("SELECT count(*) FROM {schema}.history"), &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "nothing of the instance is left");
}

/// The fences of locks are those of one sequence, which a failover moves back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n11_fences_of_locks_jump_after_a_failover() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let entry = |id: &str| NewEphemeral {
        kind: "lock",
        name: "report".into(),
        id: id.into(),
        holder: "me".into(),
        value: None,
        ttl: Duration::from_mins(1),
    };
    let entries = store.ephemerals().expect("it has them");
    let before = entries.enter(entry("a"), SystemTime::now()).await.unwrap();
    let admin = server.connect().await;
    admin.batch_execute(&format!("UPDATE {schema}.meta SET value = 0 WHERE name = 'timeline'")).await.unwrap();
    let after = entries.enter(entry("b"), SystemTime::now()).await.unwrap();
    assert!(after >= before + (1 << 20), "{after} after {before}");
    assert_eq!(entries.enter(entry("c"), SystemTime::now()).await.unwrap(), after + 1, "it jumps once");
}

/// The server of a second failover may lack the first one's jump, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n11_sequences_jump_farther_after_two_failovers() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let admin = server.connect().await;
    let (mut fences, mut sequences) = (Vec::new(), Vec::new());
    for (id, timeline) in [("a", 0), ("b", -1)] {
        // As if the server had branched off before the other one, and its log is one or two timelines further.
        let as_before = format!(
            "UPDATE {schema}.meta SET value = {timeline} WHERE name = 'timeline'; DELETE FROM {schema}.history;
             SELECT setval('{schema}.fence', 1), setval('{schema}.sequence', 100)"
        );
        admin.batch_execute(&as_before).await.unwrap();
        let Row { key, incarnation, version, fence, .. } =
            committed(&store, vec![Change::Create(create(id))]).await.remove(0);
        let claim = Claim { key, incarnation, version, fence, owner: "me".into() };
        fences.push(committed(&store, vec![Change::Claim(claim)]).await.remove(0).fence);
        let newest = admin.query_one(&format!("SELECT max(sequence) FROM {schema}.history"), &[]).await.unwrap();
        sequences.push(newest.get::<_, i64>(0));
    }
    assert!(fences[1] >= fences[0] + (1 << 20), "{fences:?}");
    assert!(sequences[1] >= sequences[0] + (1 << 20), "{sequences:?}");
}

/// An entry waits for its queue on the server when its connection is cut. The request is sent again, and both are executed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_lost_answer_to_enter_is_resolved() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let store = Postgres::options(server.url_at(proxy.port())).schema(&schema).open().await.unwrap();
    let admin = server.connect().await;
    admin.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(6714221, hashtext('lock/a'))").await.unwrap();
    let entering = tokio::spawn({
        let store = store.clone();
        async move {
            let (kind, name, id, holder) = ("lock", "a".to_owned(), "1".to_owned(), "me".to_owned());
            let new = NewEphemeral { kind, name, id, holder, value: None, ttl: Duration::from_mins(1) };
            store.ephemerals().unwrap().enter(new, SystemTime::now()).await
        }
    });
    let observer = server.connect().await;
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%\"{schema}\".entries%'"
    );
    for requests in 1..=2 {
        let deadline = Instant::now() + Duration::from_secs(30);
        while observer.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) < requests {
            assert!(Instant::now() < deadline, "request {requests} does not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if requests == 1 {
            assert!(proxy.cut_open("fsm reader") > 0);
        }
    }
    admin.batch_execute("COMMIT").await.unwrap();
    let sequence = entering.await.unwrap().expect("the entry is there, once");
    let found = observer.query(&format!("SELECT sequence FROM {schema}.entries"), &[]).await.unwrap();
    let found: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, [i64::try_from(sequence).unwrap()]);
}
