//! In which order workers are tried for a task: drawn by the hash of the block that holds the
//! match, over the workers that had logged in before that block.
//!
//! Every worker that logs in has a *place*, a number that it keeps while it is connected and for a
//! while after. A deal remembers the hash of its block and how many places there were before it.
//! From hash, task and number of places follows an order of the places, in which the task's
//! workers are tried; who is unfit or busy is passed over. Anyone who has these three can compute
//! the order again, with [`Draw`]. It is the swap-or-not shuffle (Hoang, Morris, Rogaway 2012),
//! whose two directions cost the same: the place at a rank, and the rank of a place. So a choice
//! among many free workers looks at as many as it takes to find the fitting ones, and a choice
//! among few ranks those few; both are the same order.
//!
//! What a worker can do: before the block its hash is unknown, so no place is better than another,
//! and after it no login counts: who comes later is tried when all others have been, in an order of
//! its own. A second wallet is a second chance, which needs a stake of its own; what it may do to a
//! result is what trust is about. Leaving and coming back keeps the place. Being busy or away costs
//! the chance and gives nobody in particular a better one.
//!
//! What the pool can do: it may log in wallets of its own before a match, as anybody may; it may
//! say that a worker was busy or away, which only that worker can dispute, who has rank and place
//! of each assignment in the log. It cannot order the workers that it has. Who makes a block can
//! choose among the hashes that he finds; who matches orders cannot, and what he gains by another
//! order is one task among workers that all must agree.

use poco_core::{B256, TaskId, keccak256};

/// Rounds of the shuffle. With 24 the first ranks of ten thousand places are as even as chance.
const ROUNDS: usize = 24;
/// The odd number nearest to 2^64 over the golden ratio: its multiples are spread evenly.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The order of a task's places.
#[derive(Clone, Debug)]
pub struct Draw {
    places: u32,
    pivots: [u32; ROUNDS],
    words: [u64; 4],
}

impl Draw {
    /// The order of `places` places for `task`, whose deal was made in the block with hash `seed`.
    ///
    /// The 64-bit words of `keccak256(seed ‖ task)`, big-endian, give the pivots (the first), the
    /// swaps (the second) and the task's lot (the fourth).
    #[must_use]
    pub fn new(seed: B256, task: TaskId, places: u32) -> Self {
        let mut bytes = [0u8; 64];
        let (first, second) = bytes.split_at_mut(32);
        first.copy_from_slice(seed.as_slice());
        second.copy_from_slice(task.0.as_slice());
        let hash = keccak256(bytes);
        let mut words = [0; 4];
        let (parts, _) = hash.as_slice().as_chunks::<8>();
        for (word, part) in words.iter_mut().zip(parts) {
            *word = u64::from_be_bytes(*part);
        }
        Self { places: 0, pivots: [0; ROUNDS], words }.resized(places)
    }

    /// The order of another number of places for the same task.
    pub(crate) fn resized(&self, places: u32) -> Self {
        let ([first, ..], mut pivots) = (self.words, self.pivots);
        for (round, pivot) in (0u64..).zip(&mut pivots) {
            let drawn = mix(first.wrapping_add(round.wrapping_mul(STEP)));
            let below = drawn.checked_rem(u64::from(places)).unwrap_or_default();
            *pivot = u32::try_from(below).expect("less than `places`, which is a u32");
        }
        Self { places, pivots, words: self.words }
    }

    /// How many places the order is about.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.places
    }

    /// A number that belongs to the task alone, even over all of them.
    #[must_use]
    pub fn lot(&self) -> u64 {
        let [.., lot] = self.words;
        lot
    }

    /// The place that is tried at `rank`, counted from 0; `None` beyond the last.
    #[must_use]
    pub fn place(&self, rank: u32) -> Option<u32> {
        let rounds = self.pivots.iter().enumerate();
        (rank < self.places).then(|| rounds.fold(rank, |at, round| self.swap(at, round)))
    }

    /// At which rank a place is tried; `None` where the order is not about it.
    #[must_use]
    pub fn rank(&self, place: u32) -> Option<u32> {
        // Each round undoes itself.
        let rounds = self.pivots.iter().enumerate().rev();
        (place < self.places).then(|| rounds.fold(place, |at, round| self.swap(at, round)))
    }

    fn swap(&self, at: u32, (round, pivot): (usize, &u32)) -> u32 {
        let [_, key, ..] = self.words;
        let (at, pivot, places) = (u64::from(at), u64::from(*pivot), u64::from(self.places));
        let sum = pivot.saturating_add(places).saturating_sub(at);
        // The remainder by `places`, of which the sum is less than two: both are below it.
        let partner = if sum >= places { sum.saturating_sub(places) } else { sum };
        let pair = at.max(partner) | ((round as u64) << 32);
        let is_swapped = mix(key.wrapping_add(pair.wrapping_mul(STEP))) & 1 == 1;
        let to = if is_swapped { partner } else { at };
        u32::try_from(to).expect("both are less than `places`, which is a u32")
    }
}

/// Stirs 64 bits (the finalizer of splitmix64). Nobody chooses its input: that follows from the
/// hash of a block.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use poco_core::U256;

    fn draw(task: u64, places: u32) -> Draw {
        Draw::new(B256::repeat_byte(7), TaskId(B256::from(U256::from(task))), places)
    }

    #[test]
    fn every_place_has_one_rank_and_both_directions_agree() {
        for places in [0, 1, 2, 3, 10, 97, 1000] {
            let draw = draw(u64::from(places), places);
            let mut tried: Vec<u32> = (0..places).filter_map(|rank| draw.place(rank)).collect();
            for (rank, place) in (0..).zip(&tried) {
                assert_eq!(draw.rank(*place), Some(rank));
            }
            tried.sort_unstable();
            assert!(tried.into_iter().eq(0..places), "{places} places");
            assert_eq!((draw.place(places), draw.rank(places)), (None, None));
        }
    }

    /// Chi-squared of `counts` against an even spread; about as much as there are counts.
    fn unevenness(counts: &[u64]) -> f64 {
        let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        counts.iter().map(|count| (*count as f64 - mean).powi(2) / mean).sum()
    }

    #[test]
    fn each_place_is_as_often_the_first_as_any_other() {
        for (places, rank) in [(10u32, 0), (10, 4), (10, 9), (64, 0), (64, 1)] {
            let mut counts = alloc::vec![0u64; places as usize];
            for task in 0..20_000 {
                let place = draw(task, places).place(rank).unwrap();
                *counts.get_mut(place as usize).unwrap() += 1;
            }
            // Six standard deviations of chi-squared above its mean.
            let freedom = f64::from(places) - 1.0;
            let limit = freedom + 6.0 * (2.0 * freedom).sqrt();
            assert!(unevenness(&counts) < limit, "{places} places, rank {rank}: {counts:?}");
        }
    }

    #[test]
    fn who_is_first_says_nothing_about_who_is_second() {
        let mut counts = alloc::vec![0u64; 90];
        for task in 0..40_000 {
            let draw = draw(task, 10);
            let (first, second) = (draw.place(0).unwrap(), draw.place(1).unwrap());
            let second = if second > first { second - 1 } else { second };
            *counts.get_mut((first * 9 + second) as usize).unwrap() += 1;
        }
        assert!(unevenness(&counts) < 89.0 + 6.0 * (2.0f64 * 89.0).sqrt(), "{counts:?}");
    }

    #[test]
    fn an_order_is_the_same_for_everyone_who_computes_it() {
        let order: Vec<u32> = (0..8).filter_map(|rank| draw(1, 8).place(rank)).collect();
        let again: Vec<u32> = (0..8).filter_map(|rank| draw(1, 8).place(rank)).collect();
        assert_eq!(order, again);
        let other: Vec<u32> = (0..8).filter_map(|rank| draw(2, 8).place(rank)).collect();
        assert_ne!(order, other);
    }
}
