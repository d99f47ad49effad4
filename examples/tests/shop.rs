//! The example `shop`: real requests to a real process.

mod shop_process;

use serde_json::Value;
use shop_process::{BOOK, Shop};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

#[test]
fn errors_have_the_documented_statuses() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(&dir.path().join("orders.db"));
    assert_eq!(shop.request("GET", "/orders/1", "", "").0, 404);
    let (status, order) = shop.request("POST", "/orders/1", "", BOOK);
    assert_eq!((status, &order["state"], &order["version"]), (200, &Value::from("Open"), &Value::from(1)));
    assert_eq!(shop.request("POST", "/orders/1", "", BOOK).0, 409, "it exists");
    assert_eq!(shop.post("/orders/1/ship", "").0, 409, "it is not paid");
    assert_eq!(shop.request("POST", &format!("/orders/{}", "x".repeat(2_000)), "", BOOK).0, 400, "the id is too long");
    let (status, page) = shop.request("GET", "/orders", "", "");
    assert_eq!((status, page["orders"].as_array().unwrap().len()), (200, 1));
}

#[test]
fn a_repeated_request_gets_the_first_result() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(&dir.path().join("orders.db"));
    shop.request("POST", "/orders/1", "", BOOK);
    let key = "Idempotency-Key: k-1\r\n";
    let first = shop.post("/orders/1/pay", key);
    assert_eq!((first.0, &first.1["state"]), (200, &Value::from("Paying")));
    assert_eq!(shop.post("/orders/1/pay", key), first);
    assert_eq!(shop.post("/orders/1/cancel", key).0, 422, "the key was used for another event");

    let create = |body| shop.request("POST", "/orders/2", "Idempotency-Key: k-2\r\n", body);
    let first = create(BOOK);
    assert_eq!((first.0, &first.1["state"]), (200, &Value::from("Open")));
    assert_eq!(create(BOOK), first);
    assert_eq!(create(r#"{"item":"pen","cents":1}"#).0, 422, "the key was used for another order");
    assert_eq!(shop.post("/orders/2/pay", "Idempotency-Key: \u{e9}\r\n").0, 400, "the key is not ASCII");
    assert_eq!(shop.request("GET", "/orders/2", "", "").1["state"], "Open", "nothing was changed without a key");
}

#[test]
fn a_repeated_payment_redeems_its_coupon_once() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(&dir.path().join("orders.db"));
    for order in ["1", "2"] {
        shop.request("POST", &format!("/orders/{order}"), "", BOOK);
    }
    let key = "Idempotency-Key: 1\r\n";
    assert_eq!(shop.post("/orders/1/pay/SPRING", key).0, 404, "there is no such coupon");
    assert_eq!(shop.request("GET", "/orders/1", "", "").1["state"], "Open", "neither was changed");
    assert_eq!(shop.post("/coupons/SPRING", "").0, 200);
    let first = shop.post("/orders/1/pay/SPRING", key);
    assert_eq!((first.0, &first.1["state"]), (200, &Value::from("Paying")));
    assert_eq!(shop.post("/orders/1/pay/SPRING", key), first);
    assert_eq!(shop.post("/orders/1/pay/OTHER", key).0, 422, "the key was used with another coupon");
    assert_eq!(shop.post("/orders/2/pay/SPRING", key).0, 409, "the coupon was redeemed");
    assert_eq!(shop.request("GET", "/orders/2", "", "").1["state"], "Open");
}

#[test]
fn an_open_event_stream_does_not_delay_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::start(&dir.path().join("orders.db"));
    shop.request("POST", "/orders/1", "", BOOK);
    let mut events = BufReader::new(shop.send("GET", "/orders/1/events", "Last-Event-ID: 0\r\n", ""));
    shop.post("/orders/1/pay", "");
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "Paid") {
        let mut line = String::new();
        assert!(events.read_line(&mut line).unwrap() > 0, "the stream ended after {states:?}");
        states.extend(line.strip_prefix("data: ").map(|state| state.trim().to_owned()));
    }
    assert_eq!(states, ["Open", "Paying", "Paid"]);
    let began = Instant::now();
    shop.terminate();
    assert!(shop.process.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    let mut rest = String::new();
    shop.output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped\n");
}

#[test]
fn an_unfinished_request_does_not_hold_up_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::start(&dir.path().join("orders.db"));
    let mut unfinished = TcpStream::connect(&shop.address).unwrap();
    unfinished.write_all(b"GET /orders HTTP/1.1\r\nHo").unwrap();
    // Connections are accepted in order: after this response, the unfinished one is accepted too.
    shop.request("GET", "/orders", "", "");
    shop.terminate();
    let end = Instant::now() + Duration::from_secs(20);
    while shop.process.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_documentation_shows_the_code_of_the_shop() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = |file: &str| {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let (shop, page) = (lines("src/bin/shop.rs"), lines("../docs/http.md"));
    let parts: Vec<&str> = page.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(parts.len(), 3);
    for part in parts {
        assert!(shop.contains(part), "this is not in the shop:\n{part}");
    }
}
