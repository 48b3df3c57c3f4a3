//! Categories, shortest first.

use super::answer::{Answer, Failure, success};
use super::orders::with_page;
use super::parameters::{ANY_INTEGER, Parameters};
use super::{Shared, blocking, shape};
use crate::deal::CategoryRecord;
use axum::extract::{Path, State};
use poco_core::CategoryId;
use serde_json::json;

pub(super) async fn list(State(gateway): Shared, parameters: Parameters) -> Answer {
    let least = parameters.integer("minWorkClockTimeRef", ANY_INTEGER)?.unwrap_or(0);
    let most = parameters.integer("maxWorkClockTimeRef", ANY_INTEGER)?.unwrap_or(u64::MAX);
    let page = parameters.page()?;
    let market = gateway.market.clone();
    let mut categories = blocking(move || market.store.categories()).await?;
    let seconds = |record: &CategoryRecord| record.category.work_clock_time_ref_seconds;
    categories.retain(|record| (least..=most).contains(&seconds(record)));
    categories.sort_by_key(|record| (seconds(record), record.id));
    let chain_id = gateway.market.chain.chain_id();
    let shown = categories
        .iter()
        .zip(0_u64..)
        .filter(|(_, number)| page.holds(*number))
        .map(|(record, _)| shape::category(record, chain_id))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let next_page = page.next(shown.len());
    success(with_page(json!({ "categories": shown, "count": categories.len() }), next_page))
}

pub(super) async fn show(State(gateway): Shared, Path(id): Path<String>, _: Parameters) -> Answer {
    let id =
        Parameters::parse(&format!("catid={id}")).integer("catid", ANY_INTEGER)?.map(CategoryId);
    let market = gateway.market.clone();
    let categories = blocking(move || market.store.categories()).await?;
    let record = categories
        .iter()
        .find(|record| Some(record.id) == id)
        .ok_or_else(|| Failure::NotFound("category not found".into()))?;
    success(shape::category(record, gateway.market.chain.chain_id())?)
}
