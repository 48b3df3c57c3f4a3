//! What holds after any sequence of calls, sensible or not.
//!
//! The cases are the same in every run; a failing one is shrunk and printed. Each property also
//! says what it must have seen: one that was never put to the test proves nothing.

mod books;
mod extremes;
mod sensible;
mod world;

use poco_core::credibility::{Total, add, weight};
use poco_core::payout::{self, Ballot};
use poco_core::{Address, Amount, Deal, Release, Resource, Rules, U256};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

/// Every property holds under each.
pub(crate) const RULES: [Rules; 2] = [Rules::Reference(Release::V6_2_0), Rules::Ours];

pub(crate) fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// The groups' weights and the total after contributions of (vote, score).
fn added_up(contributions: &[(u8, u64)]) -> (BTreeMap<u8, U256>, Total) {
    let mut groups = BTreeMap::new();
    let mut total = Total::default();
    for (vote, score) in contributions {
        let group = groups.entry(*vote).or_insert(U256::ZERO);
        let added = add(*group, total, weight(U256::from(*score))).unwrap();
        (*group, total) = (added.group, added.total);
    }
    (groups, total)
}

#[test]
fn the_order_of_contributions_does_not_change_what_they_add_up_to() {
    let contributions = prop::collection::vec((0u8..3, 0u64..100_000), 0..10);
    let shuffled =
        contributions.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()));
    runner(300)
        .run(&shuffled, |(one, other)| {
            let (groups, total) = added_up(&one);
            prop_assert_eq!(added_up(&other), (groups.clone(), total));
            // The total is 1 and all groups, as the protocol says.
            let sum = groups.values().fold(U256::ONE, |sum, group| sum + group);
            prop_assert_eq!(total.0, sum);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_order_of_contributions_does_not_change_what_they_are_paid() {
    let ballots = prop::collection::vec((any::<bool>(), 1u64..60), 1..8);
    let shuffled = ballots
        .prop_map(|list| {
            let ballot = |(id, (is_proved, log_weight))| Ballot {
                worker: Address::repeat_byte(id),
                is_proved,
                log_weight,
            };
            (0u8..).zip(list).map(ballot).collect::<Vec<_>>()
        })
        .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()));
    let rules = prop::sample::select(RULES.to_vec());
    let terms = (rules, 0u64..1_000_000_000_000, 0u64..1_000_000_000_000, 0u64..=100);
    runner(500)
        .run(&(shuffled, terms, 0u64..1_000_000_000_000), |((one, other), terms, kitty)| {
            let (rules, price, worker_stake, ratio) = terms;
            let price = Amount::from_nano(price);
            let deal = Deal {
                workerpool: Resource { price, ..Resource::default() },
                worker_stake: Amount::from_nano(worker_stake),
                scheduler_reward_ratio: U256::from(ratio),
                ..Deal::default()
            };
            let kitty = Amount::from_nano(kitty);
            let paid = payout::finalize(rules, &deal, kitty, &one).unwrap();
            let mut paid_other = payout::finalize(rules, &deal, kitty, &other).unwrap();
            prop_assert_eq!(paid.debits(), paid.credits());
            paid_other.workers.sort_by_key(|(worker, _)| *worker);
            prop_assert_eq!(paid, paid_other);
            Ok(())
        })
        .unwrap();
}
