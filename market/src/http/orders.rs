//! The four order books: list, show, publish, unpublish.

use super::answer::{Answer, Failure, success};
use super::parameters::{ANY_INTEGER, Parameters, address, word};
use super::{Gateway, Shared, blocking, shape};
use crate::book::OrderQuery;
use crate::meters::KINDS;
use crate::publish::{self, Target, resource_name};
use crate::record::{self, kind_name};
use crate::rules::{self, SAFE_INTEGER_MAX};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::routing::get;
use poco_core::{Address, AnyOrder, OrderHash, OrderKind, Signed, Tag, U256};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The largest body: an order is below 2 kB but for its `params`.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

const POSITIVE: RangeInclusive<u64> = 1..=SAFE_INTEGER_MAX;

/// The routes of every kind of order.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    KINDS.into_iter().fold(Router::new(), |router, kind| {
        let books = format!("/{}s", kind_name(kind));
        let lists = get(move |state, parameters| list(state, parameters, kind))
            .post(move |state, parameters, headers, body| {
                publish(state, parameters, headers, body, kind)
            })
            .put(move |state, parameters, headers, body| {
                unpublish(state, parameters, headers, body, kind)
            });
        router.route(&books, lists).route(
            &format!("{books}/{{hash}}"),
            get(move |state, path, parameters| show(state, path, parameters, kind)),
        )
    })
}

async fn list(State(gateway): Shared, parameters: Parameters, kind: OrderKind) -> Answer {
    let query = query(&parameters, kind)?;
    let page = parameters.page()?;
    let market = gateway.market.clone();
    let listing = blocking(move || market.list(&query, page)).await?;
    let chain_id = gateway.market.chain.chain_id();
    let orders = listing
        .items
        .iter()
        .map(|record| shape::order(record, chain_id))
        .collect::<anyhow::Result<Vec<_>>>()?;
    success(with_page(json!({ "orders": orders, "count": listing.count }), listing.next_page))
}

/// Adds `nextPage` to an answer if there is one.
pub(super) fn with_page(mut answer: Value, next_page: Option<u64>) -> Value {
    if let (Some(next), Some(fields)) = (next_page, answer.as_object_mut()) {
        fields.insert("nextPage".into(), next.into());
    }
    answer
}

fn query(parameters: &Parameters, kind: OrderKind) -> Result<OrderQuery, Failure> {
    let mut query = OrderQuery::all(kind);
    match kind {
        OrderKind::App => {
            query.signer = required(parameters, "app", "appOwner")?;
            query.app = parameters.subject("app")?;
            query.dataset = parameters.restriction("dataset", "isDatasetStrict")?;
            query.workerpool = parameters.restriction("workerpool", "isWorkerpoolStrict")?;
            query.requester = parameters.restriction("requester", "isRequesterStrict")?;
        }
        OrderKind::Dataset => {
            query.signer = required(parameters, "dataset", "datasetOwner")?;
            query.dataset = parameters.subject("dataset")?;
            query.app = parameters.restriction("app", "isAppStrict")?;
            query.workerpool = parameters.restriction("workerpool", "isWorkerpoolStrict")?;
            query.requester = parameters.restriction("requester", "isRequesterStrict")?;
        }
        OrderKind::Workerpool => {
            query.signer = parameters.address("workerpoolOwner")?;
            query.workerpool = parameters.subject("workerpool")?;
            query.category = integer(parameters, "category")?;
            query.app = parameters.restriction("app", "isAppStrict")?;
            query.dataset = parameters.restriction("dataset", "isDatasetStrict")?;
            query.requester = parameters.restriction("requester", "isRequesterStrict")?;
            // Trust 0 and 1 ask for the same, so neither leaves anything out.
            query.trust_min = integer(parameters, "minTrust")?
                .filter(|trust| *trust > U256::ONE)
                .unwrap_or(U256::ZERO);
        }
        OrderKind::Request => {
            query.category = integer(parameters, "category")?;
            query.requester = parameters.subject("requester")?;
            query.beneficiary = parameters.subject("beneficiary")?;
            query.app = parameters.subject("app")?;
            query.dataset = parameters.subject("dataset")?;
            query.workerpool = parameters.restriction("workerpool", "isWorkerpoolStrict")?;
            query.trust_max = integer(parameters, "maxTrust")?;
        }
    }
    query.tag_min = Tag(parameters.word("minTag")?.unwrap_or_default());
    query.tag_max = parameters.word("maxTag")?.map(Tag);
    query.volume_min = parameters.integer("minVolume", POSITIVE)?.map_or(U256::ZERO, U256::from);
    Ok(query)
}

/// The owner asked for; one of the resource and its owner must be given.
fn required(
    parameters: &Parameters,
    resource: &str,
    owner: &str,
) -> Result<Option<Address>, Failure> {
    if parameters.text(resource).is_none() && parameters.text(owner).is_none() {
        return Err(Failure::Invalid(format!("{resource} or {owner} is required")));
    }
    parameters.address(owner)
}

fn integer(parameters: &Parameters, name: &str) -> Result<Option<U256>, Failure> {
    Ok(parameters.integer(name, ANY_INTEGER)?.map(U256::from))
}

async fn show(
    State(gateway): Shared,
    Path(hash): Path<String>,
    _: Parameters,
    kind: OrderKind,
) -> Answer {
    let hash = OrderHash(word("orderHash", &hash)?);
    let market = gateway.market.clone();
    let found = blocking(move || market.order(hash)).await?;
    let record = found
        .filter(|record| record::kind(&record.order) == kind)
        .ok_or_else(|| Failure::NotFound(format!("{} not found", kind_name(kind))))?;
    success(shape::order(&record, gateway.market.chain.chain_id())?)
}

async fn publish(
    State(gateway): Shared,
    _: Parameters,
    headers: HeaderMap,
    body: Body,
    kind: OrderKind,
) -> Answer {
    let wallet = authorized(&gateway, &headers)?;
    let mut body = json_body(body).await?;
    let order = body.get_mut("order").map(Value::take).unwrap_or_default();
    let order = parse_order(order, kind)?;
    let record = publish::publish(&gateway.market, order, wallet).await?;
    let published = shape::order(&record, gateway.market.chain.chain_id())?;
    success(json!({ "published": published }))
}

async fn unpublish(
    State(gateway): Shared,
    _: Parameters,
    headers: HeaderMap,
    body: Body,
    kind: OrderKind,
) -> Answer {
    let wallet = authorized(&gateway, &headers)?;
    let body = json_body(body).await?;
    let target = parse_target(&body, kind)?;
    let unpublished = publish::unpublish(&gateway.market, kind, target, wallet).await?;
    success(json!({ "unpublished": unpublished }))
}

fn authorized(gateway: &Gateway, headers: &HeaderMap) -> Result<Address, Failure> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| gateway.market.authorize(value))
        .ok_or(Failure::Unauthorized)
}

/// A JSON object from a body of limited length, whatever content type it claims.
pub(super) async fn json_body(body: Body) -> Result<Value, Failure> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        Failure::Invalid(format!(
            "the body must arrive whole and have at most {BODY_BYTES_MAX} bytes"
        ))
    })?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Invalid(format!("the body is not JSON: {error}")))?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Failure::Invalid("the body must be a JSON object".into()))
}

fn parse_order(order: Value, kind: OrderKind) -> Result<AnyOrder, Failure> {
    if order.is_null() {
        return Err(Failure::Invalid("order is a required field".into()));
    }
    let order = match kind {
        OrderKind::App => AnyOrder::App(parse(order, kind)?),
        OrderKind::Dataset => AnyOrder::Dataset(parse(order, kind)?),
        OrderKind::Workerpool => AnyOrder::Workerpool(parse(order, kind)?),
        OrderKind::Request => AnyOrder::Request(parse(order, kind)?),
    };
    rules::check_numbers(&order).map_err(Failure::Invalid)?;
    Ok(order)
}

fn parse<O>(order: Value, kind: OrderKind) -> Result<Signed<O>, Failure>
where
    Signed<O>: DeserializeOwned,
{
    serde_json::from_value(order).map_err(|error| {
        Failure::Invalid(format!("order is not a valid signed {}: {error}", kind_name(kind)))
    })
}

fn parse_target(body: &Value, kind: OrderKind) -> Result<Target, Failure> {
    let field = |name: &str| match body.get(name).map(Value::as_str) {
        Some(Some(text)) => Ok(text),
        Some(None) => Err(Failure::Invalid(format!("{name} must be a string"))),
        None => Err(Failure::Invalid(format!("{name} is a required field"))),
    };
    let resource = || {
        let name = resource_name(kind);
        address(name, field(name)?)
    };
    let target =
        if body.get("target").is_some() { field("target")? } else { "unpublish_orderHash" };
    match target {
        "unpublish_orderHash" => {
            word("orderHash", field("orderHash")?).map(|hash| Target::Order(OrderHash(hash)))
        }
        "unpublish_last" => resource().map(Target::Last),
        "unpublish_all" => resource().map(Target::All),
        _ => Err(Failure::Invalid(
            "target must be one of the following values: unpublish_orderHash, unpublish_last, unpublish_all"
                .into(),
        )),
    }
}
