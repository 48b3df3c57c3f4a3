//! Sells the pool's capacity: signs, publishes, refreshes and withdraws its orders in the market.
//!
//! What is on offer, scheduler-core decides; here it is compared with what is listed. Orders live only
//! some minutes where the hub heeds marked salts, so that whoever kept a copy of a withdrawn one cannot
//! use it for long, and a scheduler that was killed leaves nothing behind. Hashes are stored before
//! they are published, so that the next start withdraws what this one listed.

use crate::arrival::{Arrival, Arrivals};
use crate::filling::{Filler, Filling};
use crate::pricing::Pricing;
use crate::store::Store;
use anyhow::Context as _;
use poco_chain::{Chain, Wallet};
use poco_core::order::Order as _;
use poco_core::{
    Address, B256, Conditions, OrderHash, OrderKind, OrderMark, Signed, Tag, Timestamp, U256,
    WorkerpoolOrder,
};
use poco_market_client::{Market, MarketError};
use poco_scheduler_core::Offer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks at what is listed: a task that is sold is missed in the next offer this late.
const PERIOD: Duration = Duration::from_secs(5);
/// How long the withdrawal at a stop may take; what is left expires or is withdrawn at the next start.
const WITHDRAW_TIME: Duration = Duration::from_secs(4);
/// An order is renewed when less than this part (1 / ratio) of its life is left.
const RENEW_RATIO: u64 = 3;
/// An order at the price of gas stays until that is lower by more than this part (1 / ratio): the price of
/// gas moves with every block.
const SLACK_RATIO: u64 = 4;

/// An order in the market.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    hash: OrderHash,
    signed: Signed<WorkerpoolOrder>,
    offer: Offer,
    expires: Option<Timestamp>,
}

/// An order as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferShown {
    pub(crate) category: u64,
    pub(crate) price: String,
    /// The price is that of the gas.
    pub(crate) by_cost: bool,
    pub(crate) volume: u64,
    pub(crate) trust: u64,
    pub(crate) tag: String,
    pub(crate) order: String,
}

/// What a seller needs.
pub(crate) struct Seller {
    pub(crate) chain: Chain,
    pub(crate) market: Market,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) workerpool: Address,
    pub(crate) pricing: Pricing,
    pub(crate) expire_seconds: u64,
    /// What its orders offer, where the hub heeds marks.
    pub(crate) conditions: Conditions,
    pub(crate) store: Store,
    pub(crate) arrivals: Arrivals,
    /// Who matches requests with what is listed, where the operator wants that.
    pub(crate) filler: Option<Filler>,
    pub(crate) shown: watch::Sender<Vec<OfferShown>>,
}

/// What one order is for: a category, and what its runs may need.
type Ware = (u64, Tag);

/// A seller at work.
struct Stall {
    seller: Seller,
    listed: BTreeMap<Ware, Listed>,
}

impl Seller {
    /// Sells until `stop`, then withdraws everything.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut stall = Stall { seller: self, listed: BTreeMap::new() };
        let mut is_in_trouble = false;
        let mut is_clear = false;
        loop {
            let done = if is_clear {
                tokio::select! {
                    done = stall.round() => done,
                    // A match under way is in the sender's ledger.
                    () = stop.cancelled() => break,
                }
            } else {
                // First what a process before this one had listed.
                stall.withdraw_stored().await
            };
            match done {
                Ok(()) => {
                    is_clear = true;
                    is_in_trouble = false;
                }
                Err(error) if is_in_trouble => {
                    tracing::debug!(
                        error = format!("{error:#}"),
                        "orders still cannot be refreshed"
                    );
                }
                Err(error) => {
                    is_in_trouble = true;
                    let error = format!("{error:#}");
                    tracing::warn!(error, "orders cannot be refreshed; trying again");
                }
            }
            tokio::select! {
                () = sleep(PERIOD) => {}
                () = stop.cancelled() => break,
            }
        }
        match timeout(WITHDRAW_TIME, stall.withdraw_stored()).await {
            Ok(Ok(())) => tracing::info!("orders withdrawn"),
            Ok(Err(_)) | Err(_) => tracing::warn!("orders are left to expire in the market"),
        }
    }

    /// Withdraws an order; one that is not listed is withdrawn already.
    async fn withdraw(&self, order: OrderHash) -> Result<(), MarketError> {
        match self.market.unpublish(&self.wallet, OrderKind::Workerpool, order).await {
            Ok(_) => Ok(()),
            Err(error @ (MarketError::Refused(_) | MarketError::NotFound(_))) => {
                tracing::debug!(%order, %error, "not listed any more");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Stall {
    /// Brings what is listed in line with what should be on offer.
    async fn round(&mut self) -> anyhow::Result<()> {
        let (reply, answer) = oneshot::channel();
        let policy = self.seller.pricing.policy();
        self.seller.arrivals.send(Arrival::OffersAsked { policy, reply }).await?;
        let wanted: BTreeMap<Ware, Offer> =
            answer.await?.into_iter().map(|offer| (ware_of(&offer), offer)).collect();
        let now = self.seller.chain.latest().await?.timestamp;
        let wares: BTreeSet<Ware> = wanted.keys().chain(self.listed.keys()).copied().collect();
        for ware in wares {
            let offer = wanted.get(&ware);
            let is_kept = match (self.listed.get(&ware), offer) {
                (Some(listed), Some(offer)) => {
                    let consumed = self.seller.chain.consumed(listed.hash).await?;
                    let left = U256::from(listed.offer.volume).saturating_sub(consumed);
                    listed.serves(offer, left.saturating_to(), (now, self.seller.expire_seconds))
                }
                (Some(_), None) | (None, Some(_)) | (None, None) => false,
            };
            if is_kept {
                continue;
            }
            let before = self.listed.get(&ware).map(|listed| listed.hash);
            if let Some(offer) = offer {
                self.list(*offer, now).await?;
            } else {
                self.listed.remove(&ware);
            }
            // The new one first: in between the pool would have nothing to sell.
            if let Some(before) = before {
                self.seller.withdraw(before).await?;
            }
            self.store()?;
        }
        self.show();
        self.fill(&wanted).await
    }

    /// Matches one request with each order that has something left for it.
    async fn fill(&mut self, wanted: &BTreeMap<Ware, Offer>) -> anyhow::Result<()> {
        let Seller { chain, market, filler, arrivals, .. } = &mut self.seller;
        let Some(filler) = filler else { return Ok(()) };
        for (ware, listed) in &self.listed {
            if wanted.contains_key(ware) {
                let (offer, order) = (&listed.offer, &listed.signed);
                let filling = Filling { chain, market, arrivals, offer, order };
                filler.fill_one(filling).await?;
            }
        }
        Ok(())
    }

    /// Signs and publishes an order.
    async fn list(&mut self, offer: Offer, now: Timestamp) -> anyhow::Result<()> {
        let seller = &self.seller;
        let owner = seller.wallet.address();
        let tail = rand::random::<[u8; 20]>();
        let (salt, expires) = match seller.chain.epoch(owner).await? {
            Some(epoch) => {
                let expiry = now.after(seller.expire_seconds);
                let mark = OrderMark::new(seller.conditions, Some(expiry), epoch, tail.into())?;
                (mark.to_salt(), Some(expiry))
            }
            // Such an order is valid until its volume is used or it is cancelled on chain.
            None => (B256::from(rand::random::<[u8; 32]>()), None),
        };
        let order = WorkerpoolOrder {
            workerpool: seller.workerpool,
            price: offer.price,
            volume: U256::from(offer.volume),
            tag: offer.tag,
            category: U256::from(offer.category),
            trust: U256::from(offer.trust),
            salt,
            ..WorkerpoolOrder::default()
        };
        let hash = order.hash(seller.chain.domain_separator());
        let signed = Signed { sign: seller.wallet.sign_hash(hash.0), order };
        let mut known = self.hashes();
        known.push(hash);
        seller.store.put_orders(&known).context("an order cannot be noted")?;
        seller.market.publish(&seller.wallet, &signed).await?;
        let Offer { category, price, is_by_cost, volume, trust, tag } = offer;
        tracing::info!(category, %price, is_by_cost, volume, trust, %tag, order = %hash, "on offer");
        self.listed.insert(ware_of(&offer), Listed { hash, signed, offer, expires });
        Ok(())
    }

    fn hashes(&self) -> Vec<OrderHash> {
        self.listed.values().map(|listed| listed.hash).collect()
    }

    fn store(&self) -> anyhow::Result<()> {
        self.seller.store.put_orders(&self.hashes())
    }

    /// Withdraws everything that was listed, also by processes before.
    async fn withdraw_stored(&mut self) -> anyhow::Result<()> {
        for order in self.seller.store.orders()? {
            self.seller.withdraw(order).await?;
        }
        self.listed.clear();
        self.show();
        self.store()
    }

    fn show(&self) {
        let shown = |listed: &Listed| OfferShown {
            category: listed.offer.category,
            price: listed.offer.price.to_string(),
            by_cost: listed.offer.is_by_cost,
            volume: listed.offer.volume,
            trust: listed.offer.trust,
            tag: listed.offer.tag.to_string(),
            order: listed.hash.to_string(),
        };
        self.seller.shown.send_replace(self.listed.values().map(shown).collect());
    }
}

fn ware_of(offer: &Offer) -> Ware {
    (offer.category, offer.tag)
}

impl Listed {
    /// Whether this order, of which `left` tasks are left, can stay for `offer`: the same terms, not
    /// more than there is and at least half of it, and a while to live.
    fn serves(&self, offer: &Offer, left: u64, (now, life): (Timestamp, u64)) -> bool {
        let is_same = Offer { price: offer.price, volume: offer.volume, ..self.offer } == *offer;
        let is_dear_enough = if offer.is_by_cost {
            let most = offer.price.0.saturating_add(offer.price.0 / U256::from(SLACK_RATIO));
            (offer.price.0..=most).contains(&self.offer.price.0)
        } else {
            self.offer.price == offer.price
        };
        let is_enough = left <= offer.volume && left >= offer.volume.div_ceil(2);
        let is_alive = self.expires.is_none_or(|expires| now.after(life / RENEW_RATIO) <= expires);
        is_same && is_dear_enough && is_enough && is_alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::Amount;

    #[test]
    fn an_order_is_renewed_when_its_terms_its_volume_or_its_life_call_for_it() {
        let offer = Offer {
            category: 0,
            price: Amount::from_nano(10),
            is_by_cost: false,
            volume: 10,
            trust: 5,
            tag: Tag::NONE,
        };
        let signed = Signed::default();
        let (hash, expires) = (OrderHash::ZERO, Some(Timestamp(1_000)));
        let listed = Listed { hash, signed, offer, expires };
        let serves = |offer: Offer, left, now| listed.serves(&offer, left, (Timestamp(now), 600));
        assert!(serves(offer, 10, 500) && serves(offer, 5, 800));
        assert!(!serves(offer, 4, 500), "less than half is left of what there is");
        assert!(!serves(Offer { volume: 9, ..offer }, 10, 500), "more than there is");
        assert!(!serves(offer, 10, 801), "it will expire");
        assert!(!serves(Offer { price: Amount::from_nano(11), ..offer }, 10, 500));
        assert!(!serves(Offer { trust: 4, ..offer }, 10, 500));
        assert!(!serves(Offer { tag: Tag::GPU, ..offer }, 10, 500));
        assert!(!serves(Offer { is_by_cost: true, ..offer }, 10, 500));
        let by_cost = Offer { is_by_cost: true, ..offer };
        let at_cost = Listed { offer: by_cost, ..listed.clone() };
        let follows = |nano| {
            at_cost.serves(
                &Offer { price: Amount::from_nano(nano), ..by_cost },
                10,
                (Timestamp(500), 600),
            )
        };
        // The gas has become dearer; as dear; a little, and much cheaper.
        assert_eq!([11, 10, 8, 7].map(follows), [false, true, true, false]);
        let for_ever = Listed { expires: None, ..listed.clone() };
        assert!(for_ever.serves(&offer, 10, (Timestamp(u64::MAX), 600)));
    }
}
