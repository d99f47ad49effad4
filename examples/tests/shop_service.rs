//! The example `shop` as a service: doubled requests, several processes on one file, a kill, and a rolling release.

mod shop_process;

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop_process::{BOOK, Shop, try_request};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The versions and events in the history of an order.
fn history(file: &Path, id: &str) -> Vec<(u64, Option<String>)> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let query = "SELECT version, event FROM fsm_history WHERE machine = 'Order' AND id = ?1 AND kind = 'transition'
                 ORDER BY sequence";
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The history of an order that was paid, once.
fn assert_paid_once(file: &Path, id: &str) {
    let expected = [(1, None), (2, Some("pay".to_owned())), (3, Some("paid".to_owned()))];
    assert_eq!(history(file, id), expected, "order {id}");
}

fn key(key: &str) -> String {
    format!("Idempotency-Key: {key}\r\n")
}

/// The states that an event stream sends, up to `last`.
fn states_until(stream: TcpStream, last: &str) -> Vec<String> {
    let (mut lines, mut states) = (BufReader::new(stream).lines(), Vec::new());
    while states.last().is_none_or(|state| state != last) {
        let line = lines.next().unwrap_or_else(|| panic!("the stream ended after {states:?}")).unwrap();
        states.extend(line.strip_prefix("data: ").map(str::to_owned));
    }
    states
}

#[test]
fn x3_doubled_requests_to_two_processes_take_effect_once() {
    const ORDERS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.db");
    let shops = [Shop::start(&file), Shop::start(&file)];
    for order in 0..ORDERS {
        let path = format!("/orders/{order}");
        for (path, event, body) in [(path.clone(), "create", BOOK), (format!("{path}/pay"), "pay", "")] {
            let key = key(&format!("{event}-{order}"));
            // Each process gets the request twice, all at once.
            let answers = thread::scope(|scope| {
                let requests: Vec<_> = shops
                    .iter()
                    .chain(&shops)
                    .map(|shop| scope.spawn(|| shop.request("POST", &path, &key, body)))
                    .collect();
                requests.into_iter().map(|request| request.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(answers[0].0, 200, "{answers:?}");
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        }
        shops[0].wait_for(&order.to_string(), "Paid");
        assert_paid_once(&file, &order.to_string());
    }
}

#[test]
fn x6_an_event_stream_shows_changes_of_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.db");
    let (mut first, second) = (Shop::start(&file), Shop::start(&file));
    assert_eq!(first.request("POST", "/orders/1", "", BOOK).0, 200);
    let events = second.send("GET", "/orders/1/events", "Last-Event-ID: 0\r\n", "");
    assert_eq!(first.post("/orders/1/pay", "").0, 200);
    assert_eq!(states_until(events, "Paid"), ["Open", "Paying", "Paid"]);

    // The other one serves on, also after one has ended.
    first.terminate();
    assert!(first.process.wait().unwrap().success());
    let events = second.send("GET", "/orders/1/events", "Last-Event-ID: 0\r\n", "");
    assert_eq!(second.post("/orders/1/ship", "").0, 200);
    assert_eq!(states_until(events, "Shipped"), ["Open", "Paying", "Paid", "Shipped"]);
}

#[test]
fn x1_a_kill_loses_no_acknowledged_order() {
    const CLIENTS: usize = 4;
    const BEFORE: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.db");
    let (mut killed, other) = (Shop::start(&file), Shop::start(&file));
    let acknowledged = AtomicUsize::new(0);
    // What each order's last request was answered with, if it was.
    let mut answers: BTreeMap<String, Option<(u16, Value)>> = BTreeMap::new();
    let address = killed.address.clone();
    thread::scope(|scope| {
        let (address, acknowledged) = (&address, &acknowledged);
        let post = move |path: &str, headers: &str, body: &str| try_request(address, "POST", path, headers, body);
        let client = move |client: usize| {
            let mut made = Vec::new();
            for order in 0.. {
                let id = format!("{client}-{order}");
                let paid = post(&format!("/orders/{id}"), &key(&format!("create-{id}")), BOOK).and_then(
                    |(status, created)| {
                        assert_eq!(status, 200, "{created}");
                        post(&format!("/orders/{id}/pay"), &key(&format!("pay-{id}")), "")
                    },
                );
                let ended = paid.is_none();
                made.push((id, paid));
                if ended {
                    return made;
                }
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            made
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        let end = Instant::now() + Duration::from_mins(1);
        while acknowledged.load(Ordering::Relaxed) < BEFORE {
            assert!(Instant::now() < end, "the service is slow");
            thread::yield_now();
        }
        killed.process.kill().unwrap();
        killed.process.wait().unwrap();
        answers.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
    });
    assert!(answers.len() >= BEFORE);
    // Each client repeats its requests at another process: the ones that were answered get the same answer.
    for (id, answer) in answers {
        let created = other.request("POST", &format!("/orders/{id}"), &key(&format!("create-{id}")), BOOK);
        assert_eq!(created.0, 200, "{created:?}");
        let paid = other.request("POST", &format!("/orders/{id}/pay"), &key(&format!("pay-{id}")), "");
        assert_eq!(paid.0, 200, "{paid:?}");
        assert!(answer.is_none_or(|answer| answer == paid), "order {id}");
        other.wait_for(&id, "Paid");
        assert_paid_once(&file, &id);
    }
}

/// The order of the next release: parcels are packed before they are shipped.
#[derive(StateMachine)]
#[fsm(initial = Open, version = 2, durable, derive(Serialize, Deserialize))]
enum Order {
    #[on(pay => Paying)]
    #[on(cancel { reason: String } => Cancelled)]
    Open { item: String, cents: u64 },
    #[state(work)]
    #[on(paid { receipt: String } => Paid)]
    Paying { item: String, cents: u64 },
    #[on(pack => Packed)]
    Paid { item: String, receipt: String },
    #[on(ship => Shipped)]
    Packed { item: String, receipt: String },
    #[state(end)]
    Shipped { item: String, receipt: String },
    #[state(end)]
    Cancelled { item: String, reason: String },
}

struct Payments;

impl order::Workers for Payments {
    async fn paying(&self, task: order::Task<order::Paying>) -> Outcome<order::Paying> {
        task.paid("by the next release".to_owned())
    }
}

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c11_a_rolling_release_serves_from_both_builds() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.db");
    let mut old = Shop::start(&file);
    for id in 1..=4 {
        assert_eq!(old.request("POST", &format!("/orders/{id}"), "", BOOK).0, 200);
    }
    let builder = Runtime::builder(Sqlite::open(&file).await.unwrap()).migrate::<Order>(1, Ok);
    let next = builder.machine::<Order, _>(Payments).start().await.unwrap();
    let orders = next.machines::<Order>();
    // The next release takes one order to a state that the old one does not know.
    orders.fire("1", order::event::Pay).await.unwrap();
    orders.wait_for("1", order::State::Paid, SOON).await.unwrap();
    orders.fire("1", order::event::Pack).await.unwrap();

    // A process of the old release can also start meanwhile.
    let mut late = Shop::start(&file);
    for shop in [&old, &late] {
        let (status, page) = shop.get("/orders");
        let shown: Vec<_> =
            page["orders"].as_array().unwrap().iter().map(|order| (&order["id"], &order["state"])).collect();
        assert_eq!((status, shown.len()), (200, 4), "{page}");
        assert!(page["orders"][0]["error"].as_str().unwrap().contains("Order `1` was written under schema version 2"));
        assert!(shown[1..].iter().all(|(_, state)| **state == "Open"), "{page}");
        assert_eq!(shop.get("/orders/1").0, 500);
        assert_eq!(shop.post("/orders/1/ship", "").0, 500, "it is left to the next release");
    }
    // Both releases accept requests for the other orders. A worker of either may charge them.
    assert_eq!(old.post("/orders/2/pay", "").0, 200);
    assert_eq!(late.post("/orders/3/cancel", "").0, 200);
    orders.wait_for("2", order::State::Paid, SOON).await.unwrap();
    orders.wait_for("3", order::State::Cancelled, SOON).await.unwrap();

    for shop in [&mut old, &mut late] {
        shop.terminate();
        assert!(shop.process.wait().unwrap().success());
    }
    orders.fire("4", order::event::Pay).await.unwrap();
    orders.wait_for("4", order::State::Paid, SOON).await.unwrap();
    let states: Vec<_> = orders
        .list(&fsm_runtime::ListQuery::all())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|order| order.unwrap().state().as_str())
        .collect();
    assert_eq!(states, ["Packed", "Paid", "Cancelled", "Paid"]);
    next.shutdown(Duration::ZERO).await;
}
