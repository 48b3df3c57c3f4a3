//! The market's API over HTTP: routes, limits and what all answers have in common.
//!
//! Handlers only translate: they read parameters, ask [`Market`], and write JSON. Every answer is
//! JSON with `ok`, except Prometheus' page.

mod answer;
mod categories;
mod challenge;
mod deals;
mod orders;
mod parameters;
mod pools;
pub(crate) mod shape;
mod state;

use crate::market::{Market, now_milliseconds};
use crate::rate::RateLimit;
use answer::Failure;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// The longest a request may take, body and answer included: slow clients give their place up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests answered at a time; more wait. Bounds memory: each holds one body and one page.
const REQUESTS_AT_A_TIME: usize = 256;

/// What the handlers share.
pub(crate) struct Gateway {
    market: Arc<Market>,
    limit: Mutex<RateLimit>,
    places: Semaphore,
    trusts_proxy: bool,
}

type Shared = State<Arc<Gateway>>;

impl Gateway {
    /// Answers for `market`; `trusts_proxy` takes callers' addresses from `X-Forwarded-For`.
    pub(crate) fn new(market: Arc<Market>, requests_per_minute: u32, trusts_proxy: bool) -> Self {
        Self {
            market,
            limit: Mutex::new(RateLimit::new(requests_per_minute)),
            places: Semaphore::new(REQUESTS_AT_A_TIME),
            trusts_proxy,
        }
    }
}

/// Every route of the API.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/version", get(state::version))
        .route("/metrics", get(state::metrics))
        .route("/prometheus", get(state::prometheus))
        .route("/healthz", get(state::healthz))
        .route("/challenge", get(challenge::issue))
        .route("/categories", get(categories::list))
        .route("/categories/{catid}", get(categories::show))
        .route("/deals", get(deals::list))
        .route("/deals/{dealid}", get(deals::show))
        .route("/ohlc", get(deals::ohlc))
        .route("/{chain_id}/workerpools/{address}", get(pools::show).put(pools::publish))
        .merge(orders::routes())
        .fallback(|| async { Failure::NotFound("no such route".into()) })
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
        .layer(from_fn_with_state(gateway.clone(), guard))
        .with_state(gateway)
}

/// Lets browsers on any page use the API, signed-in requests included.
pub(crate) fn cors() -> CorsLayer {
    // A wildcard would not cover `authorization`, so what the browser asks for is mirrored.
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
}

/// Limits what one caller and all callers together may ask for, and counts the answers.
async fn guard(
    State(gateway): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let response = answer(&gateway, peer.ip(), request, next).await;
    gateway.market.meters.answered(response.status().as_u16());
    response
}

async fn answer(gateway: &Gateway, peer: IpAddr, request: Request, next: Next) -> Response {
    let caller = if gateway.trusts_proxy { forwarded_for(&request).unwrap_or(peer) } else { peer };
    let allowed = gateway
        .limit
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .allow(caller, now_milliseconds());
    if !allowed {
        return Failure::RateLimited.into_response();
    }
    let work = async {
        let _place = gateway.places.acquire().await;
        next.run(request).await
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
        Ok(response) => response,
        Err(_elapsed) => Failure::Internal.into_response(),
    }
}

/// The last address in the header: the one that our own proxy saw.
fn forwarded_for(request: &Request) -> Option<IpAddr> {
    let header = request.headers().get_all("x-forwarded-for").iter().next_back()?;
    header.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

/// Runs what waits for the disk or looks through many orders away from the threads that answer.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::from(error)),
        Err(error) => Err(Failure::from(anyhow::Error::from(error))),
    }
}

/// The status of an answer without a text of its own.
fn plain(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("error")
}
