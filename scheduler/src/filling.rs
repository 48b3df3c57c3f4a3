//! Fills requests that wait in the market: matches them with the pool's own order, at the pool's price
//! and for gas that the pool pays, as long as a match costs no more than the operator allows.
//!
//! A match that nobody can serve costs the pool the stake that it locks, so the one that decides who
//! gets a task is asked before, with all that the deal would say.

use crate::arrival::{Arrival, Arrivals};
use crate::meters::Meters;
use crate::placement;
use anyhow::Context as _;
use poco_chain::{Chain, SendError, Sender, Transaction};
use poco_core::call::SignedTerms;
use poco_core::mark::agreement::agree;
use poco_core::matching::{Terms, tag_union};
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder};
use poco_core::payout::worker_stake;
use poco_core::{
    Address, Amount, Call, DealConditions, OrderHash, Rules, Signed, U256, WorkerpoolOrder,
};
use poco_market_client::{Listed, Market, Published, any, open_to, unfit};
use poco_scheduler_core::{Offer, OrderTerms, Weighed};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

/// Requests that are looked at, the best paying first: the largest page that a market gives, so that a
/// few wallets with requests that nobody can fill do not stand before all others.
const REQUESTS_MAX: usize = 1_000;
/// Requests for which other orders are looked for, in one round: each asks market and chain.
const TRIES_MAX: usize = 5;
/// Orders for the request's app and dataset that are tried, the cheapest first.
const OFFERS_MAX: usize = 3;
/// More gas than any match takes: with four orders never used before and long parameters.
const MATCH_GAS_MAX: u64 = 500_000;
/// A request that could not be matched is left alone for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// More requests than that are not remembered; the market has 50 of a wallet.
const REMEMBERED_MAX: usize = 10_000;

/// Matches requests with the pool's orders.
#[derive(Debug)]
pub(crate) struct Filler {
    sender: Sender,
    meters: Arc<Meters>,
    /// The most that a match may cost.
    cost_wei_max: U256,
    /// Requests that could not be matched, and when.
    left: BTreeMap<OrderHash, Instant>,
}

/// With what requests are to be matched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) market: &'a Market,
    pub(crate) arrivals: &'a Arrivals,
    pub(crate) offer: &'a Offer,
    pub(crate) order: &'a Signed<WorkerpoolOrder>,
}

impl Filler {
    pub(crate) fn new(sender: Sender, meters: Arc<Meters>, cost_wei_max: U256) -> Self {
        Self { sender, meters, cost_wei_max, left: BTreeMap::new() }
    }

    /// Matches the best paying request that fits, if any does, and waits until it is mined.
    ///
    /// # Errors
    /// Where market or chain do not answer.
    pub(crate) async fn fill_one(&mut self, filling: Filling<'_>) -> anyhow::Result<()> {
        let gas_price = filling.chain.purse(self.sender.address()).await?.gas_price_wei;
        let cost_wei = cost_of_match(gas_price);
        if cost_wei > self.cost_wei_max {
            tracing::debug!(%cost_wei, allowed = %self.cost_wei_max, "a match costs too much now");
            return Ok(());
        }
        self.left.retain(|_, since| since.elapsed() < AGAIN_AFTER);
        let found = requests(&filling).await?;
        let is_left =
            |request: &Published<RequestOrder>| self.left.contains_key(&request.order_hash);
        let suiting = found
            .into_iter()
            .filter(|request| filling.offer.suits(&request.order.order) && !is_left(request));
        let suiting: Vec<_> = suiting.take(TRIES_MAX).collect();
        for request in suiting {
            if let Some(terms) = complete(&filling, &request).await? {
                let weighed = weigh(&filling, &terms).await?;
                if !weighed.is_served {
                    let (hash, why) = (request.order_hash, &weighed.waits_for);
                    tracing::info!(request = %hash, why, "request left: it would not be served");
                } else if self.send(filling.chain, &request, terms).await {
                    return Ok(());
                }
                if weighed.is_asking {
                    // By the next round the guard has answered.
                    continue;
                }
            }
            if self.left.len() < REMEMBERED_MAX {
                self.left.insert(request.order_hash, Instant::now());
            }
        }
        Ok(())
    }

    /// Whether the match was mined.
    async fn send(
        &self,
        chain: &Chain,
        request: &Published<RequestOrder>,
        terms: SignedTerms,
    ) -> bool {
        let transaction = Transaction::hub(chain, &Call::MatchOrders(Box::new(terms)));
        let hash = request.order_hash;
        let sent = self.sender.send(&format!("fill:{hash}"), transaction).await;
        let outcome = match &sent {
            Ok(receipt) => {
                self.meters.paid(receipt.gas_used, receipt.fee_wei);
                let transaction = receipt.transaction;
                tracing::info!(request = %hash, %transaction, gas = receipt.gas_used, "request filled");
                "mined"
            }
            Err(SendError::Refused(_)) => "refused",
            Err(SendError::NoGas { .. }) => "no-gas",
            Err(SendError::FeeAboveCap { .. }) => "fee-above-cap",
            Err(SendError::Stopped) => "stopped",
        };
        self.meters.ended("fill", outcome);
        if let Err(error) = &sent {
            tracing::info!(request = %hash, %error, "request not filled");
        }
        sent.is_ok()
    }
}

/// What would become of the deal of these orders.
async fn weigh(filling: &Filling<'_>, terms: &SignedTerms) -> anyhow::Result<Weighed> {
    let (chain, pool) = (filling.chain, &terms.workerpool.order);
    let entry = chain.workerpool(pool.workerpool).await?.context("the pool is not registered")?;
    let parties = chain.parties(terms, terms.request.order.requester).await?;
    let conditions = match parties {
        Some(parties) => agree(&parties, chain.latest().await?.timestamp)?,
        None => DealConditions::NONE,
    };
    let request = &terms.request.order;
    let orders =
        Terms { app: &terms.app.order, dataset: &terms.dataset.order, workerpool: pool, request };
    let terms = Box::new(OrderTerms {
        tag: tag_union(Rules::Ours, &orders),
        trust: request.trust,
        worker_stake: worker_stake(pool.price, entry.worker_stake_ratio)?,
        placement: placement::parse(&request.params),
        conditions,
        volume: request.volume.saturating_to(),
        // Price and volume are those of an order on offer.
        ..OrderTerms::default()
    });
    let (reply, answer) = oneshot::channel();
    filling.arrivals.send(Arrival::WeighAsked { terms, reply }).await?;
    Ok(answer.await?)
}

/// What a match costs at most, in wei.
fn cost_of_match(gas_price_wei: U256) -> U256 {
    gas_price_wei.saturating_mul(U256::from(MATCH_GAS_MAX))
}

/// Open requests that the pool may take, the best paying first.
async fn requests(filling: &Filling<'_>) -> anyhow::Result<Vec<Published<RequestOrder>>> {
    let filters = [
        ("category", filling.offer.category.to_string()),
        ("maxTrust", filling.offer.trust.to_string()),
        open_to("workerpool", filling.order.order.workerpool),
        any("app"),
        any("dataset"),
        any("requester"),
        any("beneficiary"),
    ];
    Ok(filling.market.orders(&filters, REQUESTS_MAX).await?)
}

/// The request with the cheapest orders for its app and dataset that it can be matched with; `None` where
/// there are none.
async fn complete(
    filling: &Filling<'_>,
    request: &Published<RequestOrder>,
) -> anyhow::Result<Option<SignedTerms>> {
    let wish = &request.order.order;
    let app = Wanted { name: "app", resource: wish.app, price_max: wish.app_price_max };
    let apps = offers::<AppOrder>(filling, wish, &app, |order| order.price).await?;
    let dataset =
        Wanted { name: "dataset", resource: wish.dataset, price_max: wish.dataset_price_max };
    let datasets = if wish.dataset.is_zero() {
        vec![Signed::default()]
    } else {
        offers::<DatasetOrder>(filling, wish, &dataset, |order| order.price).await?
    };
    for app in &apps {
        for dataset in &datasets {
            let terms = SignedTerms {
                app: app.clone(),
                dataset: dataset.clone(),
                workerpool: filling.order.clone(),
                request: request.order.clone(),
            };
            match unfit(filling.chain, &terms, None, U256::ONE).await? {
                None => return Ok(Some(terms)),
                Some(why) => {
                    tracing::debug!(request = %request.order_hash, %why, "orders do not fit");
                }
            }
        }
    }
    Ok(None)
}

/// A resource that a request asks for.
struct Wanted {
    name: &'static str,
    resource: Address,
    price_max: Amount,
}

async fn offers<O: Listed>(
    filling: &Filling<'_>,
    wish: &RequestOrder,
    wanted: &Wanted,
    price: impl Fn(&O) -> Amount,
) -> anyhow::Result<Vec<Signed<O>>> {
    let others = ["app", "dataset", "workerpool"].into_iter().filter(|name| *name != wanted.name);
    let mut filters: Vec<_> = others.map(any).collect();
    filters.push(open_to(wanted.name, wanted.resource));
    filters.push(open_to("requester", wish.requester));
    let found: Vec<Published<O>> = filling.market.orders(&filters, OFFERS_MAX).await?;
    let orders = found.into_iter().map(|found| found.order);
    Ok(orders.filter(|signed| price(&signed.order) <= wanted.price_max).collect())
}
