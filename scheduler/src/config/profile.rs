//! The `[profile]` section: what the pool promises in its profile, which the owner signs.

use super::SalesConfig;
use anyhow::ensure;
use poco_core::promise::{PoolTerms, PriceMin};
use poco_core::{Amount, CategoryId, Conditions, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is promised to whoever works for the pool or buys from it; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProfileConfig {
    /// Workers get at least this percentage of what a task brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workers_percent_min: Option<u64>,
    /// Conditions that orders of the pool offer, by their names, as `bound-results`; also those that
    /// the scheduler signs itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<String>,
    /// The least that a task brings, by category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) prices: Vec<PriceConfig>,
}

/// The least that a task of one category brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceConfig {
    pub(crate) category: u64,
    /// In nRLC.
    pub(crate) price_nano_min: u64,
}

impl ProfileConfig {
    /// The terms to sign; `None` where nothing is promised.
    pub(crate) fn terms(&self) -> Option<PoolTerms> {
        let price =
            |one: &PriceConfig| PriceMin { category: one.category, price_nano: one.price_nano_min };
        let terms = PoolTerms {
            workers_percent_min: self.workers_percent_min,
            prices_min: self.prices.iter().map(price).collect(),
            conditions: self.conditions.clone(),
        };
        (!terms.is_empty()).then_some(terms)
    }

    /// The conditions that the scheduler's own orders offer.
    pub(crate) fn offered(&self) -> Conditions {
        let named = self.conditions.iter().filter_map(|name| Conditions::find(name));
        named.fold(Conditions::NONE, |all, one| all | one)
    }

    /// Whether the pool's policy on chain keeps what is promised.
    ///
    /// # Errors
    /// One line that says what to change.
    pub(crate) fn check_policy(&self, fee_percent: U256) -> anyhow::Result<()> {
        let most = self.terms().and_then(|terms| terms.fee_percent_max());
        ensure!(
            most.is_none_or(|most| fee_percent <= most),
            "the pool keeps {fee_percent} % of what a task brings, more than profile.workers_percent_min \
             leaves it: change it with `poco workerpool policy`, or promise less"
        );
        Ok(())
    }

    /// What is wrong with it, one line each.
    pub(super) fn problems(&self, sales: &SalesConfig, has_market: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let Some(terms) = self.terms() else { return problems };
        if !has_market {
            problems.push(
                "profile needs a market: market_url, --market-url or POCO_MARKET_URL".to_owned(),
            );
        }
        if self.workers_percent_min.is_some_and(|percent| percent > 100) {
            problems.push("profile.workers_percent_min must be at most 100".to_owned());
        }
        for name in &self.conditions {
            let is_offered =
                Conditions::find(name).is_some_and(|one| Conditions::OFFERED.contains(one));
            if !is_offered {
                problems
                    .push(format!("profile.conditions: {name:?} is nothing that a pool offers"));
            }
        }
        let categories: BTreeSet<u64> = self.prices.iter().map(|one| one.category).collect();
        if categories.len() != self.prices.len() {
            problems.push("profile.prices names a category twice".to_owned());
        }
        for sale in &sales.categories {
            let least = terms.price_min(CategoryId(sale.category));
            if least.is_some_and(|least| Amount::from_nano(sale.price_nano) < least) {
                let category = sale.category;
                problems.push(format!(
                    "sales.categories: category {category} is sold for less than profile.prices promises"
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::super::CategoryConfig;
    use super::*;

    fn profile() -> ProfileConfig {
        ProfileConfig {
            workers_percent_min: Some(95),
            conditions: vec!["bound-results".into(), "strict-reveals".into()],
            prices: vec![PriceConfig { category: 1, price_nano_min: 10 }],
        }
    }

    fn sales(price_nano: u64) -> SalesConfig {
        let sale = CategoryConfig { category: 1, price_nano, price_full_nano: None };
        SalesConfig { categories: vec![sale], ..SalesConfig::default() }
    }

    #[test]
    fn a_pool_cannot_promise_what_its_own_settings_break() {
        assert!(profile().problems(&sales(10), true).is_empty());
        assert_eq!(profile().problems(&sales(9), true).len(), 1);
        assert_eq!(profile().problems(&sales(10), false).len(), 1);
        let wrong = ProfileConfig {
            workers_percent_min: Some(101),
            conditions: vec!["sponsor-only".into(), "nonsense".into()],
            prices: vec![profile().prices[0]; 2],
        };
        assert_eq!(wrong.problems(&sales(10), true).len(), 4);
        assert!(ProfileConfig::default().problems(&sales(0), false).is_empty());
        assert!(profile().check_policy(U256::from(5)).is_ok());
        let refused = profile().check_policy(U256::from(6)).unwrap_err().to_string();
        assert!(refused.contains("poco workerpool policy"), "{refused}");
        assert!(ProfileConfig::default().check_policy(U256::from(100)).is_ok());
    }

    #[test]
    fn the_terms_are_a_text_that_is_read_back() {
        let terms = profile().terms().unwrap();
        let text = serde_json::to_string(&terms).unwrap();
        assert_eq!(
            text,
            r#"{"workersPercentMin":95,"pricesMin":[{"category":1,"priceNano":10}],"conditions":["bound-results","strict-reveals"]}"#
        );
        assert_eq!(serde_json::from_str::<PoolTerms>(&text).unwrap(), terms);
        assert_eq!(profile().offered(), Conditions::BOUND_RESULTS | Conditions::STRICT_REVEALS);
        assert_eq!(ProfileConfig::default().terms(), None);
    }
}
