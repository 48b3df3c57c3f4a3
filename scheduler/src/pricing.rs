//! What the pool sells and for how much: the `[sales]` section with the operator's word on single
//! categories over it. What is on offer, scheduler-core decides; who signs and publishes is `sales`.

use poco_core::Amount;
use poco_scheduler_core::{CategoryPrice, SalesPolicy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Categories with a word of the operator's on them: bounds the record, which is stored whole. A hub has
/// some tens.
const CATEGORIES_MAX: usize = 1_000;

/// The operator's word on a category, over the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "sale")]
pub(crate) enum Sale {
    /// For this much, in nRLC, while nothing runs and while every slot is used.
    #[serde(rename = "on")]
    At { price_nano: u64, price_full_nano: u64 },
    /// Not at all.
    #[serde(rename = "off")]
    Stopped,
}

/// A price as a program asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PriceAsked {
    pub(crate) price_nano: u64,
    /// As much, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price_full_nano: Option<u64>,
}

/// What the operator wants to be changed; `None` leaves the category to the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriceOrder {
    pub(crate) category: u64,
    pub(crate) sale: Option<Sale>,
}

/// Why a price is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriceRefusal {
    #[error("the price while every slot is used must be at least that of an idle pool")]
    Falling,
    #[error("there are orders about {CATEGORIES_MAX} categories already; forget some first")]
    TooMany,
    #[error("nothing can be sold without a market: set market_url and start again")]
    NoMarket,
}

impl From<PriceAsked> for Sale {
    fn from(asked: PriceAsked) -> Self {
        let PriceAsked { price_nano, price_full_nano } = asked;
        Self::At { price_nano, price_full_nano: price_full_nano.unwrap_or(price_nano) }
    }
}

/// Every word on a category that holds, as it is stored: (category, idle, full), without prices where it
/// is not sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prices(BTreeMap<u64, Option<(u64, u64)>>);

impl Prices {
    /// Takes an order in; `false` where it changes nothing.
    ///
    /// # Errors
    /// [`PriceRefusal`].
    pub(crate) fn apply(&mut self, order: PriceOrder) -> Result<bool, PriceRefusal> {
        let PriceOrder { category, sale } = order;
        let Some(sale) = sale else { return Ok(self.0.remove(&category).is_some()) };
        let word = match sale {
            Sale::At { price_nano, price_full_nano } if price_full_nano < price_nano => {
                return Err(PriceRefusal::Falling);
            }
            Sale::At { price_nano, price_full_nano } => Some((price_nano, price_full_nano)),
            Sale::Stopped => None,
        };
        if self.0.len() >= CATEGORIES_MAX && !self.0.contains_key(&category) {
            return Err(PriceRefusal::TooMany);
        }
        Ok(self.0.insert(category, word) != Some(word))
    }

    fn over(&self, configured: &SalesPolicy) -> SalesPolicy {
        let mut prices: BTreeMap<u64, CategoryPrice> =
            configured.prices.iter().map(|price| (price.category, *price)).collect();
        for (category, word) in &self.0 {
            match *word {
                Some((idle, full)) => {
                    let (idle, full) = (Amount::from_nano(idle), Amount::from_nano(full));
                    prices.insert(*category, CategoryPrice { category: *category, idle, full });
                }
                None => drop(prices.remove(category)),
            }
        }
        SalesPolicy { prices: prices.into_values().collect(), ..configured.clone() }
    }
}

/// One category as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceShown {
    pub(crate) category: u64,
    #[serde(flatten)]
    pub(crate) sale: Sale,
    /// By the operator's word, not by the configuration.
    pub(crate) by_order: bool,
}

/// The prices in force. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Pricing {
    configured: Arc<SalesPolicy>,
    has_market: bool,
    ordered: Arc<RwLock<Prices>>,
}

impl Pricing {
    /// The configuration, and what was stored.
    pub(crate) fn new(configured: SalesPolicy, has_market: bool, stored: Prices) -> Self {
        let ordered = Arc::new(RwLock::new(stored));
        Self { configured: Arc::new(configured), has_market, ordered }
    }

    /// What is sold now.
    pub(crate) fn policy(&self) -> Arc<SalesPolicy> {
        Arc::new(self.ordered().over(&self.configured))
    }

    /// What would be ordered with `order` on top; whether it is news.
    ///
    /// # Errors
    /// [`PriceRefusal`].
    pub(crate) fn with(&self, order: PriceOrder) -> Result<(Prices, bool), PriceRefusal> {
        if !self.has_market && order.sale.is_some() {
            return Err(PriceRefusal::NoMarket);
        }
        let mut prices = self.ordered();
        let is_news = prices.apply(order)?;
        Ok((prices, is_news))
    }

    pub(crate) fn replace(&self, prices: Prices) {
        *self.ordered.write().unwrap_or_else(PoisonError::into_inner) = prices;
    }

    /// Everything that is sold, and what the operator has stopped.
    pub(crate) fn shown(&self) -> Vec<PriceShown> {
        let ordered = self.ordered();
        let nano = |amount: Amount| amount.0.saturating_to();
        let policy = self.policy();
        let sold = policy.prices.iter().map(|price| PriceShown {
            category: price.category,
            sale: Sale::At { price_nano: nano(price.idle), price_full_nano: nano(price.full) },
            by_order: ordered.0.contains_key(&price.category),
        });
        let stopped = ordered.0.iter().filter(|(_, word)| word.is_none());
        let stopped = stopped.map(|(category, _)| PriceShown {
            category: *category,
            sale: Sale::Stopped,
            by_order: true,
        });
        let mut all: Vec<PriceShown> = sold.chain(stopped).collect();
        all.sort_by_key(|shown| shown.category);
        all
    }

    fn ordered(&self) -> Prices {
        // Every change of it is complete by itself.
        self.ordered.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> SalesPolicy {
        let price = |category| CategoryPrice {
            category,
            idle: Amount::from_nano(10),
            full: Amount::from_nano(20),
        };
        let prices = vec![price(0), price(1)];
        SalesPolicy { prices, factor_percent: 100, trust_max: 5, cost: None }
    }

    fn order(category: u64, sale: Option<Sale>) -> PriceOrder {
        PriceOrder { category, sale }
    }

    fn at(price_nano: u64, price_full_nano: u64) -> Option<Sale> {
        Some(Sale::At { price_nano, price_full_nano })
    }

    #[test]
    fn the_operators_word_on_a_category_is_over_the_configuration() {
        let pricing = Pricing::new(configured(), true, Prices::default());
        let sold = || -> Vec<(u64, Amount, Amount)> {
            let policy = pricing.policy();
            policy.prices.iter().map(|price| (price.category, price.idle, price.full)).collect()
        };
        let give = |order| {
            let (prices, is_news) = pricing.with(order).unwrap();
            pricing.replace(prices);
            is_news
        };
        let nano = Amount::from_nano;
        assert!(give(order(0, Some(Sale::Stopped))) && !give(order(0, Some(Sale::Stopped))));
        assert!(give(order(1, at(7, 9))) && give(order(3, at(5, 5))));
        assert_eq!(sold(), [(1, nano(7), nano(9)), (3, nano(5), nano(5))]);
        let shown = pricing.shown();
        assert_eq!(shown.iter().map(|one| one.category).collect::<Vec<_>>(), [0, 1, 3]);
        assert!(shown.iter().all(|one| one.by_order) && shown[0].sale == Sale::Stopped);
        for category in [0, 1, 3] {
            assert!(give(order(category, None)) && !give(order(category, None)));
        }
        assert_eq!(*pricing.policy(), configured());
        assert_eq!(pricing.policy().trust_max, 5);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let pricing = Pricing::new(configured(), true, Prices::default());
        assert_eq!(pricing.with(order(0, at(10, 9))), Err(PriceRefusal::Falling));
        let mut prices = Prices::default();
        for category in 0..CATEGORIES_MAX as u64 {
            prices.apply(order(category, at(1, 1))).unwrap();
        }
        assert_eq!(prices.apply(order(u64::MAX, at(1, 1))), Err(PriceRefusal::TooMany));
        assert_eq!(prices.apply(order(5, Some(Sale::Stopped))), Ok(true));
        let poor = Pricing::new(configured(), false, Prices::default());
        assert_eq!(poor.with(order(0, at(1, 1))), Err(PriceRefusal::NoMarket));
        assert!(poor.with(order(0, None)).is_ok());
    }
}
