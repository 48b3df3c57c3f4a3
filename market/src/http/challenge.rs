//! The challenge that proves who asks.

use super::Shared;
use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use axum::extract::State;
use serde_json::json;

pub(super) async fn issue(State(gateway): Shared, parameters: Parameters) -> Answer {
    let address = parameters
        .address("address")?
        .ok_or_else(|| Failure::Invalid("address is a required field".into()))?;
    success(json!({ "data": gateway.market.challenge(address) }))
}
