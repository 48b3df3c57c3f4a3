//! What the market says about itself.

use super::Shared;
use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use crate::meters::KINDS;
use crate::record::kind_name;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

pub(super) async fn version() -> Answer {
    success(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

pub(super) async fn metrics(State(gateway): Shared, _: Parameters) -> Answer {
    let market = &gateway.market;
    let position = market.position();
    let mut fields = json!({ "lastBlock": position, "checkpointBlock": position });
    let book = market.book();
    for kind in KINDS {
        let count = Value::from(book.open_count(kind));
        if let Some(fields) = fields.as_object_mut() {
            fields.insert(format!("{}s", kind_name(kind)), count);
        }
    }
    success(fields)
}

pub(super) async fn prometheus(State(gateway): Shared) -> Result<impl IntoResponse, Failure> {
    let text = gateway.market.meters.text()?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

/// Well while the process answers and the store can be read.
pub(super) async fn healthz(State(gateway): Shared) -> Answer {
    match gateway.market.store.cursor() {
        Ok(_) => success(json!({ "lastBlock": gateway.market.position() })),
        Err(error) => Err(Failure::Unhealthy(format!("{error:#}"))),
    }
}
