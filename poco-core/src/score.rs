//! A worker's score: what its record is worth in the next consensus.
//!
//! How a score becomes a weight is in [`crate::credibility`].

use alloy_primitives::U256;

/// The score after a contribution that was right, in a task with more than one contributor: `+ 1`.
///
/// Stays at the largest number instead of wrapping; nobody gets there.
#[must_use]
pub fn raised(score: U256) -> U256 {
    score.saturating_add(U256::ONE)
}

/// The score after a contribution that was wrong or never revealed: `floor(score * 2 / 3)`.
#[must_use]
pub fn lowered(score: U256) -> U256 {
    let (thirds, rest) = score.div_rem(U256::from(3));
    // score * 2 / 3 in two parts, so that no score is too large to be doubled. With a rest of 2
    // the floor of its two thirds is 1; with 0 or 1 it is 0.
    let from_rest = if rest == U256::from(2) { U256::ONE } else { U256::ZERO };
    thirds.saturating_add(thirds).saturating_add(from_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_contribution_takes_a_third_rounded_against_the_worker() {
        for (score, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (100, 66)] {
            assert_eq!(lowered(U256::from(score)), U256::from(expected), "score {score}");
        }
        for score in 0u64..1_000 {
            assert_eq!(lowered(U256::from(score)), U256::from(score * 2 / 3), "score {score}");
        }
    }

    #[test]
    fn the_largest_score_neither_wraps_nor_panics() {
        assert_eq!(raised(U256::MAX), U256::MAX);
        // 2^256 - 1 is a multiple of 3.
        assert_eq!(lowered(U256::MAX), U256::MAX / U256::from(3) * U256::from(2));
    }
}
