//! How much contributions weigh, and when they are a consensus.
//!
//! A group of contributions that agree weighs the product of its members' weights; with the sum
//! of all groups they bound the probability that the group is wrong.

use alloy_primitives::U256;

/// A fresh worker's weight, and the least there is.
pub const WEIGHT_MIN: u64 = 2;

/// W: what a worker with `score` adds to its group, `max(floor(score / 3), 3) - 1`.
#[must_use]
pub fn weight(score: U256) -> U256 {
    let third = score.wrapping_div(U256::from(3));
    third.max(U256::from(3)).saturating_sub(U256::ONE)
}

/// The share of a weight in the reward: `floor(log2(weight))`, 0 for a weight of 0.
#[must_use]
pub fn log_weight(weight: U256) -> u64 {
    weight.bit_len().saturating_sub(1) as u64
}

/// The weights of a task's groups, summed: 1 before anybody contributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total(pub U256);

impl Default for Total {
    fn default() -> Self {
        Self(U256::ONE)
    }
}

/// What a contribution does to its group and to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The group's weight with the contribution.
    pub group: U256,
    /// The total with the contribution.
    pub total: Total,
}

/// Adds a contribution of `weight` to a group; `group` is 0 for the first of its kind.
///
/// `None` where a number would exceed 256 bits: the hub refuses such a contribution.
#[must_use]
pub fn add(group: U256, total: Total, weight: U256) -> Option<Added> {
    let grown = group.max(U256::ONE).checked_mul(weight)?;
    let delta = grown.checked_sub(group)?;
    Some(Added { group: grown, total: Total(total.0.checked_add(delta)?) })
}

/// Whether a group is a consensus: `group * trust > total * (trust - 1)`.
///
/// `trust` 0 counts as 1. `None` where a product exceeds 256 bits: the hub refuses then.
#[must_use]
pub fn is_consensus(group: U256, total: Total, trust: U256) -> Option<bool> {
    let trust = trust.max(U256::ONE);
    let left = group.checked_mul(trust)?;
    let right = total.0.checked_mul(trust.checked_sub(U256::ONE)?)?;
    Some(left > right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_workers_needed(trust: u64) -> u32 {
        let (mut group, mut total) = (U256::ZERO, Total::default());
        for count in 1..=64 {
            let added = add(group, total, weight(U256::ZERO)).unwrap();
            (group, total) = (added.group, added.total);
            if is_consensus(group, total, U256::from(trust)).unwrap() {
                return count;
            }
        }
        panic!("no consensus at trust {trust}");
    }

    #[test]
    fn weights_are_those_of_the_protocol() {
        for (score, expected) in [(0, 2), (11, 2), (12, 3), (100, 32), (300, 99)] {
            assert_eq!(weight(U256::from(score)), U256::from(expected), "score {score}");
        }
        assert_eq!(log_weight(U256::from(32)), 5);
        assert_eq!(log_weight(U256::from(99)), 6);
    }

    #[test]
    fn fresh_workers_that_must_agree_grow_with_the_logarithm_of_trust() {
        let needed = [
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
            (8, 3),
            (16, 4),
            (100, 7),
            (1000, 10),
            (1_000_000, 20),
        ];
        for (trust, count) in needed {
            assert_eq!(fresh_workers_needed(trust), count, "trust {trust}");
        }
    }

    #[test]
    fn a_lone_dissenter_leaves_the_example_short_of_all() {
        let trust = U256::from(100);
        let dissent = add(U256::ZERO, Total::default(), weight(U256::from(12))).unwrap();
        let first = add(U256::ZERO, dissent.total, weight(U256::from(100))).unwrap();
        let second = add(first.group, first.total, weight(U256::from(300))).unwrap();
        assert_eq!(second.group, U256::from(3168));
        assert_eq!(second.total.0, U256::from(3172));
        assert_eq!(is_consensus(first.group, first.total, trust), Some(false));
        assert_eq!(is_consensus(second.group, second.total, trust), Some(true));
    }

    #[test]
    fn too_many_heavy_contributions_are_refused_not_wrapped() {
        let weight = U256::from(u64::MAX);
        let group = U256::MAX.wrapping_div(U256::from(2));
        assert_eq!(add(group, Total::default(), weight), None);
    }
}
