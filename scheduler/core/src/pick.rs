//! How many workers a task gets: as few as reach the trust asked.

use crate::consensus::Tally;
use crate::limits::{REPLICAS_MAX, RUNS_MAX};
use alloc::vec::Vec;
use core::cmp::Reverse;
use poco_core::credibility::{Total, add, is_consensus};
use poco_core::{Address, U256};

/// A worker that could take a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) worker: Address,
    pub(crate) weight: U256,
    /// Whether it could start now.
    pub(crate) is_free: bool,
    /// Whether it has the app's image.
    pub(crate) has_image: bool,
    /// Where it stands in the task's order; `None` for who came after the match.
    pub(crate) rank: Option<u32>,
}

/// When workers are enough for a task.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) tally: Tally,
    /// The weights of those that compute it.
    pub(crate) under_way: Vec<U256>,
    pub(crate) trust: U256,
    /// How many of the workers at least must be wrong together to make a wrong consensus, where all
    /// votes are cast before any is known.
    pub(crate) members_min: usize,
}

/// How many workers of a task must at least be wrong together: so many that the chance that all of
/// them collude, where one worker in ten does, is a twentieth of what the trust allows. Half of the
/// tenth that is asked for is left to votes that disagree and have to be added to.
///
/// Between two numbers the task's lot decides, so that the mean of the chance is right:
/// `p / 10^(n-1) + (1 - p) / 10^n = 1 / (20 * trust)`.
pub(crate) fn members_min(trust: U256, lot: u64) -> usize {
    if trust <= U256::ONE {
        return 1;
    }
    let rarer = trust.saturating_mul(U256::from(20));
    let mut power = U256::from(10);
    let mut count = 1usize;
    while power < rarer && count < REPLICAS_MAX {
        power = power.saturating_mul(U256::from(10));
        count = count.saturating_add(1);
    }
    // p = (10^n - 20 * trust) / (9 * 20 * trust); all below 2^192 where p is not 0 for good.
    let share = power.saturating_sub(rarer).saturating_mul(U256::from(u64::MAX));
    let drawn = rarer.saturating_mul(U256::from(9)).saturating_mul(U256::from(lot));
    if drawn < share { count.saturating_sub(1) } else { count }
}

impl Goal {
    /// Whether these workers, with those under way, reach the trust.
    pub(crate) fn is_met(&self, weights: &[U256]) -> bool {
        let all = || self.under_way.iter().chain(weights).copied();
        self.tally.reaches(all(), self.trust) && (self.members_min <= 1 || self.is_shared(all()))
    }

    /// Whether fewer than `members_min` cannot make a consensus against all others.
    fn is_shared(&self, weights: impl Iterator<Item = U256>) -> bool {
        let mut weights: Vec<U256> = weights.collect();
        weights.sort_unstable_by_key(|weight| Reverse(*weight));
        let few = self.members_min.saturating_sub(1);
        let Some((wrong, right)) =
            weights.split_at_checked(few).filter(|(_, rest)| !rest.is_empty())
        else {
            return false;
        };
        let vote = |(group, total), weight: &U256| {
            let added = add(group, total, *weight)?;
            Some((added.group, added.total))
        };
        let begin = (U256::ZERO, Total::default());
        let reached = wrong.iter().try_fold(begin, vote).and_then(|(group, total)| {
            let (_, total) = right.iter().try_fold((U256::ZERO, total), vote)?;
            is_consensus(group, total, self.trust)
        });
        // Where a number exceeds 256 bits the hub takes no such vote.
        reached == Some(false)
    }
}

/// The fewest of `candidates` that meet the goal, preferring those that stand first. `None` if all
/// of them do not.
pub(crate) fn pick(goal: &Goal, candidates: &[Candidate]) -> Option<Vec<Candidate>> {
    let mut heaviest: Vec<Candidate> = candidates.to_vec();
    heaviest.sort_by_key(|candidate| Reverse(candidate.weight));
    let most = heaviest.len().min(REPLICAS_MAX.saturating_sub(goal.under_way.len()));
    let needed = (1..=most).find(|count| can_meet(goal, &[], &heaviest, *count))?;
    let mut chosen: Vec<Candidate> = Vec::with_capacity(needed);
    for candidate in candidates {
        let Some(more) = needed.checked_sub(chosen.len().saturating_add(1)) else { break };
        // With some of the others this one must still be enough.
        chosen.push(*candidate);
        if !can_meet(goal, &chosen, &heaviest, more) {
            chosen.pop();
        }
    }
    Some(chosen)
}

/// Whether the chosen and `more` of the others meet the goal. Tried are runs of similar weight, the
/// heaviest first: of unequal ones the heaviest might decide alone.
fn can_meet(goal: &Goal, chosen: &[Candidate], heaviest: &[Candidate], more: usize) -> bool {
    let is_chosen = |one: &&Candidate| chosen.iter().any(|other| other.worker == one.worker);
    // A run that is too light without the condition on shares is too light in any place.
    let runs = if goal.members_min > 1 { RUNS_MAX } else { 1 };
    let needed = runs.saturating_add(more);
    let others: Vec<U256> =
        heaviest.iter().filter(|one| !is_chosen(one)).take(needed).map(|one| one.weight).collect();
    let with = |run: &[U256]| {
        let weights: Vec<U256> =
            chosen.iter().map(|one| one.weight).chain(run.iter().copied()).collect();
        goal.is_met(&weights)
    };
    if more == 0 { with(&[]) } else { others.windows(more).any(with) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(weights: &[u64]) -> Vec<Candidate> {
        weights
            .iter()
            .zip(1u8..)
            .map(|(weight, name)| Candidate {
                worker: Address::repeat_byte(name),
                weight: U256::from(*weight),
                is_free: true,
                has_image: false,
                rank: Some(name.into()),
            })
            .collect()
    }

    fn goal(trust: u64) -> Goal {
        let (tally, under_way) = (Tally::default(), Vec::new());
        Goal { tally, under_way, trust: U256::from(trust), members_min: 1 }
    }

    fn names(picked: Option<Vec<Candidate>>) -> Option<Vec<u8>> {
        picked.map(|all| all.iter().filter_map(|one| one.worker.first().copied()).collect())
    }

    #[test]
    fn as_few_as_reach_the_trust_are_picked_and_the_first_in_line_come_first() {
        let of = |weights: &[u64], trust: u64| names(pick(&goal(trust), &candidates(weights)));
        assert_eq!(of(&[2, 2, 2, 2], 1), Some(alloc::vec![1]));
        assert_eq!(of(&[2, 2, 2, 2], 5), Some(alloc::vec![1, 2, 3]));
        // One worker of weight 8 saves two of weight 2; the first in line joins only if it helps.
        assert_eq!(of(&[2, 2, 8, 2], 5), Some(alloc::vec![3]));
        assert_eq!(of(&[2, 2, 8, 2], 10), Some(alloc::vec![1, 3]));
        assert_eq!(of(&[2, 2], 5), None);
    }

    #[test]
    fn those_under_way_are_counted_first() {
        let goal = Goal { under_way: alloc::vec![U256::from(2); 2], ..goal(5) };
        assert_eq!(names(pick(&goal, &candidates(&[2, 2]))), Some(alloc::vec![1]));
    }

    #[test]
    fn few_cannot_outvote_the_others_where_all_vote_before_any_vote_is_known() {
        let of = |weights: &[u64], trust: u64, members_min: usize| {
            names(pick(&Goal { members_min, ..goal(trust) }, &candidates(weights)))
        };
        // Weight 99 is enough for trust 10, but would outvote anyone of weight 2.
        assert_eq!(of(&[99, 2], 10, 2), None);
        assert_eq!(of(&[2, 99, 99], 10, 2), Some(alloc::vec![2, 3]));
        // Two of weight 9 do, and the heaviest is left out.
        assert_eq!(of(&[99, 9, 9], 10, 2), Some(alloc::vec![2, 3]));
        // Two of three that weigh 99 outvote the third, of those that weigh 9 they do not.
        assert_eq!(of(&[99, 99, 99], 10, 3), None);
        assert_eq!(of(&[99, 99, 99, 99], 10, 3), Some(alloc::vec![1, 2, 3, 4]));
        assert_eq!(of(&[9, 9, 9], 10, 3), Some(alloc::vec![1, 2, 3]));
    }

    #[test]
    fn the_members_that_must_be_wrong_grow_with_the_digits_of_the_trust() {
        let of = |trust: u64, lot| members_min(U256::from(trust), lot);
        let least = [0, 1, 2, 5, 10, 50, 100, 1000].map(|trust| of(trust, 0));
        let most = [0, 1, 2, 5, 10, 50, 100, 1000].map(|trust| of(trust, u64::MAX));
        assert_eq!(least, [1, 1, 1, 2, 2, 3, 3, 4]);
        assert_eq!(most, [1, 1, 2, 2, 3, 3, 4, 5]);
        assert_eq!(members_min(U256::MAX, 0), REPLICAS_MAX);
        // At trust 10 two of 0.44 and three of the others: 0.0044 + 0.00056 = 1 / 200.
        let half = |share: f64| of(10, (share * u64::MAX as f64) as u64);
        assert_eq!((half(0.44), half(0.45)), (2, 3));
    }
}
