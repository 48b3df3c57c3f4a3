//! Which workers a task gets: as few as reach the trust asked, and each its turn.

use crate::consensus::Tally;
use crate::limits::REPLICAS_MAX;
use alloc::vec::Vec;
use poco_core::{Address, U256};

/// A worker that could take a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) worker: Address,
    pub(crate) weight: U256,
    /// Whether it could start now.
    pub(crate) is_free: bool,
}

/// The fewest of `candidates` that reach the trust asked together with those `in_flight`,
/// preferring those that stand first. `None` if all of them do not reach it.
pub(crate) fn pick(
    tally: &Tally,
    in_flight: &[U256],
    candidates: &[Candidate],
    trust: U256,
) -> Option<Vec<Candidate>> {
    let search = Search { tally, in_flight, trust };
    let mut rest: Vec<Candidate> = candidates.to_vec();
    rest.sort_by_key(|candidate| core::cmp::Reverse(candidate.weight));
    let most = rest.len().min(REPLICAS_MAX.saturating_sub(in_flight.len()));
    let needed = (1..=most).find(|count| search.is_enough(&[], &rest, *count))?;
    let mut chosen: Vec<Candidate> = Vec::with_capacity(needed);
    for candidate in candidates {
        let Some(more) = needed.checked_sub(chosen.len().saturating_add(1)) else { break };
        // With the heaviest of the others this one must still be enough.
        let others: Vec<Candidate> =
            rest.iter().copied().filter(|other| other.worker != candidate.worker).collect();
        chosen.push(*candidate);
        if search.is_enough(&chosen, &others, more) {
            rest = others;
        } else {
            chosen.pop();
        }
    }
    Some(chosen)
}

struct Search<'a> {
    tally: &'a Tally,
    in_flight: &'a [U256],
    trust: U256,
}

impl Search<'_> {
    fn is_enough(&self, chosen: &[Candidate], heaviest_first: &[Candidate], more: usize) -> bool {
        let added = chosen.iter().chain(heaviest_first.iter().take(more)).map(|one| one.weight);
        self.tally.reaches(self.in_flight.iter().copied().chain(added), self.trust)
    }
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
            })
            .collect()
    }

    fn names(picked: Option<Vec<Candidate>>) -> Option<Vec<u8>> {
        picked.map(|all| all.iter().filter_map(|one| one.worker.first().copied()).collect())
    }

    #[test]
    fn as_few_as_reach_the_trust_are_picked_and_the_first_in_line_come_first() {
        let of = |weights: &[u64], trust: u64| {
            names(pick(&Tally::default(), &[], &candidates(weights), U256::from(trust)))
        };
        assert_eq!(of(&[2, 2, 2, 2], 1), Some(alloc::vec![1]));
        assert_eq!(of(&[2, 2, 2, 2], 5), Some(alloc::vec![1, 2, 3]));
        // One worker of weight 8 saves two of weight 2; the first in line joins only if it helps.
        assert_eq!(of(&[2, 2, 8, 2], 5), Some(alloc::vec![3]));
        assert_eq!(of(&[2, 2, 8, 2], 10), Some(alloc::vec![1, 3]));
        assert_eq!(of(&[2, 2], 5), None);
    }

    #[test]
    fn those_under_way_are_counted_first() {
        let two = [U256::from(2), U256::from(2)];
        let picked = pick(&Tally::default(), &two, &candidates(&[2, 2]), U256::from(5));
        assert_eq!(names(picked), Some(alloc::vec![1]));
    }
}
