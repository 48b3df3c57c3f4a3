//! What a pool promises in its profile, which its owner signs, and whether it was kept.
//!
//! Everything that is promised here can be seen from the chain: what a pool is paid for a task and
//! what it keeps of that are frozen in each deal, and statements say that it was paid out so.

use crate::deal::Deal;
use crate::statement::Statement;
use crate::types::{Amount, CategoryId, Timestamp};
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::U256;

/// The whole, in percentages.
const HUNDRED: U256 = U256::from_limbs([100, 0, 0, 0]);

/// What a pool promises to whoever works for it or buys from it. Written as JSON, and signed as the
/// very text ([`crate::message::pool_profile_hash`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase"))]
pub struct PoolTerms {
    /// Of what a task brings, its price and the stakes of those at fault, workers get at least this
    /// percentage.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub workers_percent_min: Option<u64>,
    /// What a task brings at the least.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub prices_min: Vec<PriceMin>,
    /// Conditions by their names that the pool's orders offer, for apps and requests to ask for.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub conditions: Vec<String>,
}

/// The least that a task of a category brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "camelCase"))]
pub struct PriceMin {
    /// The category.
    pub category: u64,
    /// In nRLC.
    pub price_nano: u64,
}

/// A promise that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// The pool keeps more than it promised.
    #[error("workers get {percent} % of what the task brings, {promised} % were promised")]
    Percent {
        /// What workers get by the deal.
        percent: U256,
        /// What they were promised.
        promised: u64,
    },
    /// A task brings less than was promised.
    #[error("the task brings {price}, {promised} were promised for its category")]
    Price {
        /// The price of the deal.
        price: Amount,
        /// The least for the category.
        promised: Amount,
    },
}

impl PoolTerms {
    /// Whether nothing is promised or offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The most that the pool may keep, in percent.
    #[must_use]
    pub fn fee_percent_max(&self) -> Option<U256> {
        self.workers_percent_min.map(|least| HUNDRED.saturating_sub(U256::from(least)))
    }

    /// The least price of a task of a category.
    #[must_use]
    pub fn price_min(&self, category: CategoryId) -> Option<Amount> {
        let of = |least: &&PriceMin| least.category == category.0;
        self.prices_min.iter().find(of).map(|least| Amount::from_nano(least.price_nano))
    }

    /// What a deal breaks that was made when these terms held.
    #[must_use]
    pub fn breaches(&self, deal: &Deal) -> Vec<Breach> {
        let ratio = deal.scheduler_reward_ratio;
        let percent = self
            .workers_percent_min
            .filter(|_| self.fee_percent_max().is_some_and(|most| ratio > most));
        let percent = percent
            .map(|promised| Breach::Percent { percent: HUNDRED.saturating_sub(ratio), promised });
        let price = deal.workerpool.price;
        let least = self.price_min(deal.category).filter(|least| price < *least);
        let price = least.map(|promised| Breach::Price { price, promised });
        percent.into_iter().chain(price).collect()
    }
}

/// What an audit comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Completed tasks of deals that were made under the terms, and what workers earned of them.
    pub completed: u64,
    /// What these brought: prices and forfeited stakes.
    pub brought: Amount,
    /// What workers got of it.
    pub paid: Amount,
    /// Tasks of these deals that failed: nothing was earned, and the pool lost its stake.
    pub failed: u64,
    /// Tasks of deals that are older than the terms.
    pub older: u64,
}

impl Audit {
    /// Takes in a task of a pool whose terms were signed at `since`; what it breaks.
    pub fn add(
        &mut self,
        (terms, since): (&PoolTerms, Timestamp),
        deal: &Deal,
        statement: &Statement,
    ) -> Vec<Breach> {
        if deal.start_time < since {
            self.older = self.older.saturating_add(1);
            return Vec::new();
        }
        if statement.is_completed {
            self.completed = self.completed.saturating_add(1);
            let brought = statement.price.0.saturating_add(statement.forfeited.0);
            self.brought = Amount(self.brought.0.saturating_add(brought));
            let paid = statement.workers.iter().map(|line| line.reward.0);
            let paid = paid.fold(U256::ZERO, U256::saturating_add);
            self.paid = Amount(self.paid.0.saturating_add(paid));
        } else {
            self.failed = self.failed.saturating_add(1);
        }
        terms.breaches(deal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deal::Resource;

    fn deal(ratio: u64, price: u64) -> Deal {
        Deal {
            workerpool: Resource { price: Amount::from_nano(price), ..Resource::default() },
            scheduler_reward_ratio: U256::from(ratio),
            ..Deal::default()
        }
    }

    fn terms() -> PoolTerms {
        PoolTerms {
            workers_percent_min: Some(95),
            prices_min: Vec::from([PriceMin { category: 0, price_nano: 100 }]),
            conditions: Vec::new(),
        }
    }

    #[test]
    fn a_promise_is_kept_at_its_limit_and_broken_beyond() {
        assert_eq!(terms().breaches(&deal(5, 100)), []);
        let promised = Amount::from_nano(100);
        let price = Amount::from_nano(99);
        assert_eq!(terms().breaches(&deal(5, 99)), [Breach::Price { price, promised }]);
        let percent = Breach::Percent { percent: U256::from(94), promised: 95 };
        assert_eq!(terms().breaches(&deal(6, 100)), [percent]);
        assert_eq!(terms().breaches(&deal(6, 99)).len(), 2);
        let other = PoolTerms { prices_min: Vec::new(), ..terms() };
        assert_eq!(other.breaches(&deal(0, 0)), [], "nothing is promised for this category");
        assert!(PoolTerms::default().breaches(&deal(100, 0)).is_empty());
    }

    #[test]
    fn deals_that_are_older_than_the_terms_break_nothing() {
        let (mut audit, terms) = (Audit::default(), terms());
        let statement = Statement { is_completed: true, ..Statement::default() };
        let old = Deal { start_time: Timestamp(9), ..deal(50, 0) };
        assert!(audit.add((&terms, Timestamp(10)), &old, &statement).is_empty());
        let new = Deal { start_time: Timestamp(10), ..deal(50, 0) };
        assert_eq!(audit.add((&terms, Timestamp(10)), &new, &statement).len(), 2);
        assert_eq!((audit.older, audit.completed), (1, 1));
    }
}
