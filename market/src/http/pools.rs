//! Where pools' own APIs are and what pools promise, as their owners say.

use super::answer::{Answer, Failure, success};
use super::orders::json_body;
use super::parameters::{address, check_chain};
use super::{Gateway, Shared, blocking};
use crate::profile::Profile;
use crate::publish;
use axum::body::Body;
use axum::extract::{Path, State};
use poco_core::Address;
use serde_json::json;

pub(super) async fn show(State(gateway): Shared, Path(pool): Path<(String, String)>) -> Answer {
    let workerpool = workerpool(&gateway, &pool)?;
    let market = gateway.market.clone();
    let profile = blocking(move || market.store.profile(workerpool)).await?;
    let profile = profile.ok_or_else(|| Failure::NotFound("workerpool not found".into()))?;
    let Profile { api_url, timestamp, sign, terms } = profile;
    let mut answer = json!({ "apiUrl": api_url, "timestamp": timestamp, "sign": sign });
    if let Some(terms) = terms {
        answer["terms"] = terms.into();
    }
    success(answer)
}

pub(super) async fn publish(
    State(gateway): Shared,
    Path(pool): Path<(String, String)>,
    body: Body,
) -> Answer {
    let workerpool = workerpool(&gateway, &pool)?;
    let profile: Profile = serde_json::from_value(json_body(body).await?)
        .map_err(|error| Failure::Invalid(format!("the profile is malformed: {error}")))?;
    profile.check_url().map_err(Failure::Invalid)?;
    profile.check_terms().map_err(Failure::Invalid)?;
    let api_url = profile.api_url.clone();
    publish::publish_profile(&gateway.market, workerpool, profile).await?;
    success(json!({ "apiUrl": api_url }))
}

fn workerpool(gateway: &Gateway, (chain_id, pool): &(String, String)) -> Result<Address, Failure> {
    check_chain(chain_id, gateway.market.chain.chain_id())?;
    address("workerpool", pool)
}
