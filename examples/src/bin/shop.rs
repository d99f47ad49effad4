//! An order service over HTTP: handlers change orders, a worker charges them, and a page can follow one order.
//!
//! ```console
//! $ cargo run --bin shop -- orders.db
//! listening on 127.0.0.1:8080
//! $ curl -X POST localhost:8080/orders/1 -d '{"item":"book","cents":1250}' -H 'content-type: application/json'
//! $ curl -X POST localhost:8080/coupons/SPRING
//! $ curl -X POST localhost:8080/orders/1/pay/SPRING -H 'idempotency-key: pay-1'
//! $ curl -N localhost:8080/orders/1/events
//! ```
//!
//! SIGTERM and Ctrl-C stop it. Open event streams do not delay the stop, because they end when the runtime shuts down. The
//! service waits at most five seconds for a client that does not finish its request.

use axum::{
    Json, Router,
    extract::{FromRef, Path, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use fsm_runtime::{
    ChangesQuery, Durable, ErrorKind, GroupError, ListQuery, ReadError, SubscribeError, TransitionError, prelude::*,
    store::StoreError,
};
use futures_util::{Stream, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{env, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// An order, from the basket to the door.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Order {
    /// The customer can still change it.
    #[on(pay => Paying)]
    #[on(cancel { reason: String } => Cancelled)]
    Open { item: String, cents: u64 },
    /// The worker charges the customer.
    #[state(work)]
    #[on(paid { receipt: String } => Paid)]
    Paying { item: String, cents: u64 },
    /// The money is there.
    #[on(ship => Shipped)]
    Paid { item: String, receipt: String },
    /// The parcel is on its way.
    #[state(end)]
    Shipped { item: String, receipt: String },
    /// The customer does not want it.
    #[state(end)]
    Cancelled { item: String, reason: String },
}

/// A coupon, which is good for one order.
#[derive(StateMachine)]
#[fsm(initial = Valid, durable, derive(Serialize, Deserialize))]
enum Coupon {
    /// It can be redeemed.
    #[on(redeem { order: String } => Redeemed)]
    Valid,
    /// It was redeemed for an order.
    #[state(end)]
    Redeemed { order: String },
}

/// Stands for a payment provider.
struct Payments;

impl order::Workers for Payments {
    async fn paying(&self, task: order::Task<order::Paying>) -> Outcome<order::Paying> {
        // `key` is the same for every attempt, so that a repeated call charges only once.
        let receipt = format!("{} cents, {}", task.cents, task.key());
        task.paid(receipt)
    }
}

/// An error of a handler: its status and its text.
struct ApiError(StatusCode, String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The status of each kind of error, as `docs/http.md` lists them.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::NotAccepted => StatusCode::CONFLICT,
        ErrorKind::Refused | ErrorKind::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl<M: fsm_runtime::Durable> From<TransitionError<M>> for ApiError {
    fn from(error: TransitionError<M>) -> Self {
        Self(status(error.kind()), error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self(status(error.kind()), error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self(status(error.kind()), error.to_string())
    }
}

impl From<SubscribeError> for ApiError {
    fn from(error: SubscribeError) -> Self {
        Self(status(error.kind()), error.to_string())
    }
}

impl From<GroupError> for ApiError {
    fn from(error: GroupError) -> Self {
        Self(status(error.kind()), error.to_string())
    }
}

/// What handlers share.
#[derive(Clone)]
struct Shop {
    runtime: Runtime,
    orders: Machines<Order>,
    coupons: Machines<Coupon>,
}

impl FromRef<Shop> for Machines<Order> {
    fn from_ref(shop: &Shop) -> Self {
        shop.orders.clone()
    }
}

type Orders = State<Machines<Order>>;
type Answer = Result<Json<Value>, ApiError>;

/// The body of a response about one instance, of any machine.
fn view<M: Durable>(record: &M::AnyRecord) -> Json<Value> {
    Json(
        json!({ "id": record.id(), "version": record.version(), "state": record.state(), "accepts": record.accepts() }),
    )
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    cents: u64,
}

async fn create(
    State(orders): Orders,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(new): Json<NewOrder>,
) -> Answer {
    let open = order::Open { item: new.item, cents: new.cents };
    Ok(view::<Order>(&orders.create_with_key(&id, open, idempotency_key(&headers)?).await?.into()))
}

/// The same handler serves each machine of a service.
async fn show<M: Durable>(State(machines): State<Machines<M>>, Path(id): Path<String>) -> Answer {
    Ok(view::<M>(&machines.get(&id).await?))
}

async fn list(State(orders): Orders) -> Answer {
    let page = orders.list(&ListQuery::all().limit(50)).await?;
    // An order that a newer release has changed does not hide the others.
    let orders = page.items.into_iter().map(|order| match order {
        Ok(order) => view::<Order>(&order).0,
        Err(error) => json!({ "id": &*error.key().id, "error": error.to_string() }),
    });
    Ok(Json(json!({ "orders": orders.collect::<Vec<_>>(), "next": page.next })))
}

async fn create_coupon(State(shop): State<Shop>, Path(code): Path<String>, headers: HeaderMap) -> Answer {
    let coupon = shop.coupons.create_with_key(&code, coupon::Valid, idempotency_key(&headers)?).await?;
    Ok(Json(json!({ "code": coupon.id(), "state": coupon.state().as_str() })))
}

async fn pay(state: Orders, id: Path<String>, headers: HeaderMap) -> Answer {
    fire(state, id, headers, order::event::Pay).await
}

/// Pays an order and redeems a coupon, or does neither. A request that is repeated with the same `Idempotency-Key` gets the result of
/// the first one, although the order is paid and the coupon is redeemed by then.
async fn pay_with_coupon(
    State(shop): State<Shop>,
    Path((id, code)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let mut group = shop.runtime.group();
    let paying = group.add(shop.orders.fire_with_key(&id, order::event::Pay, idempotency_key(&headers)?));
    group.add(shop.coupons.fire(&code, coupon::event::Redeem { order: id }));
    let order = group.commit().await?.take(paying);
    order
        .as_ref()
        .map(view::<Order>)
        .ok_or_else(|| ApiError(StatusCode::INTERNAL_SERVER_ERROR, "the order is missing".to_owned()))
}

async fn ship(state: Orders, id: Path<String>, headers: HeaderMap) -> Answer {
    fire(state, id, headers, order::event::Ship).await
}

async fn cancel(state: Orders, id: Path<String>, headers: HeaderMap) -> Answer {
    fire(state, id, headers, order::event::Cancel { reason: "by the customer".to_owned() }).await
}

/// A key that cannot be read is an error: without its key, a repeated request would be another request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if !key.is_empty() => Ok(Some(key)),
        _ => Err(ApiError(StatusCode::BAD_REQUEST, "`Idempotency-Key` must be visible ASCII".to_owned())),
    }
}

/// Fires `event`. A request that is repeated with the same `Idempotency-Key` gets the result of the first one.
async fn fire(
    State(orders): Orders,
    Path(id): Path<String>,
    headers: HeaderMap,
    event: impl Into<order::Event>,
) -> Answer {
    Ok(view::<Order>(&orders.fire_with_key(&id, event, idempotency_key(&headers)?).await?))
}

/// Follows one order with server-sent events.
async fn follow(
    State(orders): Orders,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, SubscribeError>>>, ApiError> {
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok()?.parse().ok());
    let query = last.into_iter().fold(ChangesQuery::of(id), ChangesQuery::after);
    let events = orders.changes(&query).await?.into_stream().map_ok(|change| {
        let state = change.state().map_or("unknown", |state| state.as_str());
        Event::default().id(change.sequence().to_string()).data(state)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = env::args().nth(1).unwrap_or_else(|| "orders.db".to_owned());
    let address = env::args().nth(2).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    // During a rolling deploy, a newer release has changed some orders. This one ignores them.
    let builder = Runtime::builder(Sqlite::open(path).await?).tolerate_unknown();
    let runtime = builder.machine::<Order, _>(Payments).start().await?;
    let (orders, coupons) = (runtime.machines(), runtime.machines());
    let state = Shop { runtime: runtime.clone(), orders, coupons };
    let app = Router::new()
        .route("/orders", get(list))
        .route("/orders/{id}", get(show::<Order>).post(create))
        .route("/orders/{id}/pay", post(pay))
        .route("/orders/{id}/pay/{coupon}", post(pay_with_coupon))
        .route("/orders/{id}/ship", post(ship))
        .route("/orders/{id}/cancel", post(cancel))
        .route("/orders/{id}/events", get(follow))
        .route("/coupons/{code}", post(create_coupon))
        .with_state(state);
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let serve = axum::serve(listener, app).with_graceful_shutdown(runtime.stopping());
    let server = tokio::spawn(serve.into_future());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The shutdown stops the server too, and ends the event streams, which it waits for. The timeout limits other requests.
    let timeout = Duration::from_secs(5);
    let (result, _) = tokio::join!(tokio::time::timeout(timeout, server), runtime.shutdown(timeout));
    match result {
        Ok(ended) => ended??,
        Err(_) => eprintln!("some requests were not finished"),
    }
    println!("stopped");
    Ok(())
}
