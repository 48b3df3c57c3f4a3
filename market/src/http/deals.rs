//! Deals: list, show, and the last prices of a category.

use super::answer::{Answer, Failure, success};
use super::orders::with_page;
use super::parameters::{ANY_INTEGER, Parameters, word};
use super::{Shared, blocking, shape};
use crate::book::Page;
use crate::deal::Trait;
use axum::extract::{Path, State};
use poco_core::{Address, CategoryId, DealId, OrderHash};
use serde_json::json;

/// Deals in an answer about prices.
const PRICES: Page = Page { skip: 0, size: 100 };

pub(super) async fn list(State(gateway): Shared, parameters: Parameters) -> Answer {
    let traits = traits(&parameters)?;
    let page = parameters.page()?;
    let market = gateway.market.clone();
    let listing = blocking(move || market.store.deals(&traits, page)).await?;
    let chain_id = gateway.market.chain.chain_id();
    let deals = listing
        .items
        .iter()
        .map(|deal| shape::deal(deal, chain_id))
        .collect::<anyhow::Result<Vec<_>>>()?;
    success(with_page(json!({ "deals": deals, "count": listing.count }), listing.next_page))
}

/// What the deals must have, the rarest first: the first is looked up, the others are compared.
fn traits(parameters: &Parameters) -> Result<Vec<Trait>, Failure> {
    type Of<T> = fn(T) -> Trait;
    let orders: [(&str, Of<OrderHash>); 4] = [
        ("requestorderHash", Trait::RequestOrder),
        ("apporderHash", Trait::AppOrder),
        ("datasetorderHash", Trait::DatasetOrder),
        ("workerpoolorderHash", Trait::WorkerpoolOrder),
    ];
    let addresses: [(&str, Of<Address>); 8] = [
        ("requester", Trait::Requester),
        ("beneficiary", Trait::Beneficiary),
        ("app", Trait::App),
        ("dataset", Trait::Dataset),
        ("workerpool", Trait::Workerpool),
        ("appOwner", Trait::AppOwner),
        ("datasetOwner", Trait::DatasetOwner),
        ("workerpoolOwner", Trait::WorkerpoolOwner),
    ];
    let mut traits = Vec::new();
    for (name, of) in orders {
        traits.extend(parameters.word(name)?.map(|word| of(OrderHash(word))));
    }
    for (name, of) in addresses {
        traits.extend(parameters.address(name)?.map(of));
    }
    let category = parameters.integer("category", ANY_INTEGER)?;
    traits.extend(category.map(|id| Trait::Category(CategoryId(id))));
    Ok(traits)
}

pub(super) async fn show(State(gateway): Shared, Path(id): Path<String>, _: Parameters) -> Answer {
    let id = DealId(word("dealid", &id)?);
    let market = gateway.market.clone();
    let deal = blocking(move || market.store.deal(id)).await?;
    let deal = deal.ok_or_else(|| Failure::NotFound("deal not found".into()))?;
    success(shape::deal(&deal, gateway.market.chain.chain_id())?)
}

pub(super) async fn ohlc(State(gateway): Shared, parameters: Parameters) -> Answer {
    let category = parameters
        .integer("category", ANY_INTEGER)?
        .ok_or_else(|| Failure::Invalid("category is a required field".into()))?;
    let market = gateway.market.clone();
    let traits = [Trait::Category(CategoryId(category))];
    let mut deals = blocking(move || market.store.deals(&traits, PRICES)).await?.items;
    deals.sort_by_key(|deal| {
        (std::cmp::Reverse(deal.place.block), deal.deal.workerpool.price, deal.id)
    });
    let prices = deals
        .iter()
        .map(|deal| {
            let time = shape::block_time(deal.place.timestamp.0)?;
            let volume = poco_core::Amount(deal.volume);
            Ok(json!([time, deal.deal.workerpool.price, volume]))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    success(json!({ "ohlc": prices }))
}
