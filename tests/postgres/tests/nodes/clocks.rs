//! Clocks of nodes, and of the server, that are wrong.

use super::{
    commits::{committed, create, fire},
    process::{Alarm, Node, Process, alarm},
    soon, until,
    witness::{Faults, Witness},
    work::options,
};
use fsm_runtime::{
    Runtime,
    store::{Change, Claim, Process as Owner, Renewal, Row, Store, Transition, Verdict},
};
use std::time::{Duration, SystemTime};
use tests_postgres::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n19_nodes_an_hour_off_keep_the_servers_time() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let ahead = Node { clock: Some("+1h".into()), callers: 1, ..Node::new(server, folder.path(), "ahead") };
    let behind = Node { clock: Some("-1h".into()), ..ahead.named("behind") };
    let schema = &ahead.schema;
    let client = Runtime::builder(options(server, schema).open().await.unwrap()).start().await.unwrap();
    let alarms = client.machines::<Alarm>();
    let admin = server.connect().await;
    let witness = Witness::new(server, &ahead).await;
    // Each node alone fires timers by the server's time; then both together.
    for (nodes, prefix) in [(vec![&ahead], "a"), (vec![&behind], "b"), (vec![&ahead, &behind], "c")] {
        let processes: Vec<Process> = nodes.iter().map(|node| Process::started(node)).collect();
        for n in 0..5 {
            alarms.create(&format!("{prefix}{n}"), alarm::Set).await.unwrap();
        }
        for n in 0..5 {
            soon("it rings", alarms.wait_for(&format!("{prefix}{n}"), alarm::State::Rung, Duration::from_secs(50)))
                .await
                .unwrap();
        }
        let leases = format!(
            "SELECT count(*), count(*) FILTER (WHERE until BETWEEN clock_timestamp() AND clock_timestamp() + interval '3 s')
             FROM {schema}.leases WHERE node IN ('ahead', 'behind') AND until > clock_timestamp()"
        );
        let row = admin.query_one(&leases, &[]).await.unwrap();
        let count = i64::try_from(nodes.len()).unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (count, count));
        processes.into_iter().for_each(Process::end);
    }
    let late = format!(
        "SELECT extract(epoch FROM rung.at - created.at)::float8 - 1 FROM {schema}.history created
         JOIN {schema}.history rung ON (rung.machine, rung.id, rung.version) = (created.machine, created.id, 2)
         WHERE created.machine = 'Alarm' AND created.version = 1"
    );
    let late: Vec<f64> = admin.query(&late, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(late.len(), 15);
    // An hour would be 3,600; a busy machine is late by itself.
    assert!(late.iter().all(|late| (0.0..5.0).contains(late)), "{late:?}");
    let back = format!(
        "SELECT count(*) FROM (SELECT at < lag(at) OVER (PARTITION BY machine, id ORDER BY sequence) AS back FROM {schema}.history) h
         WHERE back"
    );
    assert_eq!(admin.query_one(&back, &[]).await.unwrap().get::<_, i64>(0), 0, "no time goes back");
    let rest = Process::started(&Node { callers: 0, clock: None, ..ahead.named("rest") });
    until("all instances end", async || {
        let open = format!("SELECT count(*) FROM {schema}.instances WHERE state NOT IN ('Done', 'Undone', 'Rung')");
        admin.query_one(&open, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    rest.end();
    admin.batch_execute(&format!("DELETE FROM {schema}.instances WHERE machine = 'Alarm'")).await.unwrap();
    witness.check(&Faults::default()).await;
}

fn claim(row: &Row, owner: &str) -> Change {
    let (key, incarnation, version, fence) = (row.key.clone(), row.incarnation, row.version, row.fence);
    Change::Claim(Claim { key, incarnation, version, fence, owner: owner.into() })
}

fn of_claim(row: &Row) -> Change {
    let Change::Transition(transition) = fire(row) else { unreachable!() };
    Change::Transition(Transition { fence: Some(row.fence), ..transition })
}

/// The server's clock jumps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n20_fences_hold_when_the_servers_clock_jumps() {
    const TTL: Duration = Duration::from_mins(1);
    let server = Server::start_with_clock();
    let stores = [options(&server, "fsm").open().await.unwrap(), options(&server, "fsm").open().await.unwrap()];
    let [a, b] = &stores;
    let now = SystemTime::now();
    let renewal = |owner: &str| Renewal { owner: owner.into(), ttl: TTL, leaving: false };
    a.take_lease(Owner::new("a", "a"), TTL, now).await.unwrap();
    b.take_lease(Owner::new("b", "b"), TTL, now).await.unwrap();
    let row = committed(a, create("x")).await;
    let of_a = committed(a, claim(&row, "a")).await;
    let refused = super::commits::commit(b, claim(&of_a, "b")).await;
    assert!(matches!(refused, Verdict::Conflict { .. } | Verdict::Fenced { .. }), "{refused:?}");

    // An hour ahead: all leases have lapsed. Another one claims, and the former claim changes nothing.
    server.set_clock("+1h");
    until("the clock has jumped", async || a.renew_lease(renewal("a"), now).await.unwrap().is_err()).await;
    assert!(b.renew_lease(renewal("b"), now).await.unwrap().is_err());
    b.take_lease(Owner::new("b", "b"), TTL, now).await.unwrap();
    let of_b = committed(b, claim(&of_a, "b")).await;
    assert!(of_b.fence > of_a.fence);
    let late = super::commits::commit(a, of_claim(&of_a)).await;
    assert!(matches!(late, Verdict::Fenced { .. }), "{late:?}");
    assert_eq!(committed(b, of_claim(&of_b)).await.version, 2);

    // Back again: the lease of the present owner lasts longer, and nobody takes over early.
    server.set_clock("+0");
    a.take_lease(Owner::new("a", "a"), TTL, now).await.unwrap();
    let row = b.get(of_b.key.clone()).await.unwrap().unwrap();
    let of_b = committed(b, claim(&row, "b")).await;
    let refused = super::commits::commit(a, claim(&of_b, "a")).await;
    assert!(matches!(refused, Verdict::Conflict { .. } | Verdict::Fenced { .. }), "{refused:?}");
    assert!(b.renew_lease(renewal("b"), now).await.unwrap().is_ok());
    let moved = committed(b, of_claim(&of_b)).await;
    assert!(moved.updated >= row.updated, "an hour back: {:?} after {:?}", moved.updated, row.updated);
}
