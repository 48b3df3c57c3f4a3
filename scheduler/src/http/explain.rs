//! Why a task, a worker, an order or the pool is where it is, in JSON.

use super::refuse;
use crate::arrival::{Subject, Which};
use crate::explaining::placement_of;
use crate::grpc::{Context, explain};
use crate::status;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use poco_core::{Address, Amount, B256, Conditions, DealConditions, Tag, U256};
use poco_scheduler_core::OrderTerms;
use serde::Deserialize;

/// The routes.
pub(super) fn routes(context: &Context) -> Router {
    Router::new()
        .route("/explain/pool", get(pool))
        .route("/explain/order", get(order))
        .route("/explain/task/{task}", get(task))
        .route("/explain/worker/{worker}", get(worker))
        .route("/members", get(members))
        .with_state(context.clone())
}

async fn pool(State(context): State<Context>) -> Response {
    explained(&context, Some(Subject::Pool)).await
}

async fn task(State(context): State<Context>, Path(task): Path<String>) -> Response {
    explained(&context, task.parse().ok().map(|task| Subject::Task(Which::Id(task)))).await
}

/// Who has which place in the orders that are drawn.
async fn members(State(context): State<Context>) -> Response {
    match status::members(&context).await {
        Ok(members) => Json(members).into_response(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "the scheduler is stopping"),
    }
}

async fn worker(State(context): State<Context>, Path(worker): Path<String>) -> Response {
    explained(&context, worker.parse().ok().map(Subject::Worker)).await
}

/// Terms of an order: `trust`, `worker_stake` and `price` (of a task) in decimal, the amounts in
/// nRLC; `tag` as 32 bytes in hex; `params` as they are; `category` and `volume`; `conditions` by
/// name, with commas between, and their `guard`.
#[derive(Debug, Default, Deserialize)]
struct OrderQuery {
    trust: Option<U256>,
    tag: Option<B256>,
    params: Option<String>,
    worker_stake: Option<U256>,
    category: Option<u64>,
    price: Option<U256>,
    volume: Option<u64>,
    conditions: Option<String>,
    guard: Option<Address>,
}

fn terms(query: OrderQuery) -> Result<OrderTerms, String> {
    let names = query.conditions.unwrap_or_default();
    let mut conditions = Conditions::NONE;
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let one = Conditions::find(name).ok_or_else(|| format!("{name} is no condition"))?;
        conditions = conditions | one;
    }
    Ok(OrderTerms {
        tag: Tag(query.tag.unwrap_or_default()),
        trust: query.trust.unwrap_or_default(),
        worker_stake: Amount(query.worker_stake.unwrap_or_default()),
        placement: Some(placement_of(&query.params.unwrap_or_default())?),
        conditions: DealConditions::new(conditions, query.guard.unwrap_or_default()),
        volume: query.volume.unwrap_or_default(),
        category: query.category,
        pays: query.price.map(Amount),
    })
}

async fn order(State(context): State<Context>, Query(query): Query<OrderQuery>) -> Response {
    match terms(query) {
        Ok(terms) => explained(&context, Some(Subject::Order(terms))).await,
        Err(problem) => refuse(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn explained(context: &Context, subject: Option<Subject>) -> Response {
    let Some(subject) = subject else {
        let error = "expected /explain/task/<id>, /explain/worker/<address> or /explain/pool";
        return refuse(StatusCode::BAD_REQUEST, error);
    };
    match explain(context, subject).await {
        Ok(told) => ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(told)).into_response(),
        Err(status) if status.code() == tonic::Code::NotFound => {
            refuse(StatusCode::NOT_FOUND, status.message())
        }
        Err(status) => refuse(StatusCode::SERVICE_UNAVAILABLE, status.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_of_an_order_is_read_and_what_is_none_is_refused() {
        let guard = Address::repeat_byte(7);
        let query = OrderQuery {
            trust: Some(U256::from(5)),
            worker_stake: Some(U256::from(9)),
            category: Some(2),
            price: Some(U256::from(30)),
            volume: Some(4),
            conditions: Some("bound-results,known-workers".into()),
            guard: Some(guard),
            ..OrderQuery::default()
        };
        let read = terms(query).unwrap();
        let kept = Conditions::BOUND_RESULTS | Conditions::KNOWN_WORKERS;
        assert_eq!(read.conditions, DealConditions::new(kept, guard));
        assert_eq!(
            (read.worker_stake, read.pays),
            (Amount::from_nano(9), Some(Amount::from_nano(30)))
        );
        assert_eq!((read.category, read.volume, read.trust), (Some(2), 4, U256::from(5)));
        let unknown = OrderQuery { conditions: Some("cheap".into()), ..OrderQuery::default() };
        assert_eq!(terms(unknown).unwrap_err(), "cheap is no condition");
        let params = Some(r#"{"poco_placement":5}"#.into());
        assert!(terms(OrderQuery { params, ..OrderQuery::default() }).is_err());
    }
}
