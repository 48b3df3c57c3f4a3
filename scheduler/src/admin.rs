//! What the operator of a running scheduler may see and change: over a Unix socket that only the user who
//! runs it can open, and, for programs that have the token, on loopback. The commands that talk to the
//! socket are in `operator`.

use crate::admission::{Order, OrderRefusal};
use crate::arrival::Arrival;
use crate::grpc::{Context, ask};
use crate::http::refuse;
use crate::pricing::{PriceAsked, PriceOrder, PriceRefusal, Sale};
use crate::status::status;
use crate::token::{Guard, Token, check};
use crate::translate::checksummed;
use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use poco_core::Address;
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use tokio::net::UnixListener;

/// Its owner may open it, and nobody else.
const SOCKET_MODE: u32 = 0o600;

/// No order is longer.
const BODY_BYTES_MAX: usize = 4096;

/// Listens at `path`, in place of what a killed process left there.
///
/// # Errors
/// One line that says what is wrong with the path.
pub(crate) fn listen(path: &std::path::Path) -> anyhow::Result<UnixListener> {
    let cannot = || {
        let shown = path.display();
        format!("cannot listen on {shown}: choose another --admin-socket, of at most 90 characters")
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Made where nobody else may look, so that it is never open to others, not even for a moment.
    let private = tempfile::Builder::new()
        .prefix(".s")
        .rand_bytes(4)
        .tempdir_in(folder.unwrap_or(std::path::Path::new(".")))
        .with_context(cannot)?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made).with_context(cannot)?;
    std::fs::set_permissions(&made, Permissions::from_mode(SOCKET_MODE)).with_context(cannot)?;
    std::fs::rename(&made, path).with_context(cannot)?;
    Ok(listener)
}

/// The routes.
pub(crate) fn routes(context: &Context) -> Router {
    Router::new()
        .route("/status", get(show))
        .route("/list", get(list))
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/workers/{worker}/{order}", post(of_worker))
        .route("/prices", get(prices))
        .route("/prices/{category}", put(set_price).delete(forget_price))
        .route("/prices/{category}/stop", post(stop_selling))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(context.clone())
}

/// The same for those who have the token.
pub(crate) fn guarded(context: &Context, token: Token) -> Router {
    let guard = Guard::new(token, context.meters.clone());
    routes(context).layer(from_fn_with_state(guard, check))
}

async fn prices(State(context): State<Context>) -> Response {
    Json(json!({ "prices": context.pricing.shown() })).into_response()
}

async fn set_price(
    State(context): State<Context>,
    Path(category): Path<String>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice::<PriceAsked>(&body) {
        Ok(asked) => price(&context, &category, Some(asked.into())).await,
        Err(error) => {
            let text = format!("expected {{\"priceNano\": N, \"priceFullNano\": N}}: {error}");
            refuse(StatusCode::BAD_REQUEST, &text)
        }
    }
}

async fn forget_price(State(context): State<Context>, Path(category): Path<String>) -> Response {
    price(&context, &category, None).await
}

async fn stop_selling(State(context): State<Context>, Path(category): Path<String>) -> Response {
    price(&context, &category, Some(Sale::Stopped)).await
}

/// Gives an order about a price to the loop, which answers once it is stored.
async fn price(context: &Context, category: &str, sale: Option<Sale>) -> Response {
    let Ok(category) = category.parse::<u64>() else {
        return refuse(StatusCode::BAD_REQUEST, "this is no number of a category");
    };
    let order = PriceOrder { category, sale };
    match ask(context, |reply| Arrival::Priced { order, reply }).await {
        Ok(Ok(changed)) => Json(json!({ "ok": true, "changed": changed })).into_response(),
        Ok(Err(refusal @ PriceRefusal::Falling)) => {
            refuse(StatusCode::BAD_REQUEST, &refusal.to_string())
        }
        Ok(Err(refusal @ (PriceRefusal::TooMany | PriceRefusal::NoMarket))) => {
            refuse(StatusCode::CONFLICT, &refusal.to_string())
        }
        Err(status) => refuse(StatusCode::SERVICE_UNAVAILABLE, status.message()),
    }
}

async fn unknown() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is no such order")
}

async fn show(State(context): State<Context>) -> Response {
    match status(&context).await {
        Ok(status) => Json(status).into_response(),
        Err(status) => refuse(StatusCode::SERVICE_UNAVAILABLE, status.message()),
    }
}

async fn list(State(context): State<Context>) -> Response {
    let standing = context.admission.standing();
    let (allowed, denied) = context.admission.configured();
    let shown = |wallets: &mut dyn Iterator<Item = Address>| -> Vec<String> {
        wallets.map(checksummed).collect()
    };
    let verdicts: Vec<_> = standing
        .verdicts
        .iter()
        .map(|(worker, verdict)| json!({ "worker": checksummed(*worker), "verdict": verdict }))
        .collect();
    Json(json!({
        "paused": standing.is_paused,
        "drained": shown(&mut standing.drained.iter().copied()),
        "verdicts": verdicts,
        "configured": {
            "allowed": shown(&mut allowed.iter().copied()),
            "denied": shown(&mut denied.iter().copied()),
        },
    }))
    .into_response()
}

async fn pause(State(context): State<Context>) -> Response {
    give(&context, Order::Pause).await
}

async fn resume(State(context): State<Context>) -> Response {
    give(&context, Order::Resume).await
}

async fn of_worker(
    State(context): State<Context>,
    Path((worker, order)): Path<(String, String)>,
) -> Response {
    let Ok(worker) = worker.parse::<Address>() else {
        return refuse(StatusCode::BAD_REQUEST, "this is no address of a worker");
    };
    let order = match order.as_str() {
        "drain" => Order::Drain(worker),
        "undrain" => Order::Undrain(worker),
        "allow" => Order::Allow(worker),
        "deny" => Order::Deny(worker),
        "forget" => Order::Forget(worker),
        _ => return unknown().await,
    };
    give(&context, order).await
}

/// Gives an order to the loop, which answers once it is stored.
async fn give(context: &Context, order: Order) -> Response {
    match ask(context, |reply| Arrival::Ordered { order, reply }).await {
        Ok(Ok(changed)) => Json(json!({ "ok": true, "changed": changed })).into_response(),
        Ok(Err(refusal @ OrderRefusal::TooMany)) => {
            refuse(StatusCode::CONFLICT, &refusal.to_string())
        }
        Err(status) => refuse(StatusCode::SERVICE_UNAVAILABLE, status.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_replaces_what_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(listen(&path).unwrap());
        assert!(path.exists(), "a killed process leaves it");
        let _listener = listen(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = listen(&folder.path().join("x".repeat(120)).join("s")).unwrap_err();
        assert!(error.to_string().contains("--admin-socket"), "{error}");
    }
}
