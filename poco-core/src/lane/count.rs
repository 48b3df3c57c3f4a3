//! What the votes of a row come to. Consensus is tested once, over the whole row.

use super::vote::Vote;
use crate::credibility::log_weight;
use crate::payout::Ballot;
use crate::types::{ResultDigest, ResultHash, ResultSeal, TaskId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// One vote of a row, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub worker: Address,
    /// Its weight: that of its score before the batch.
    pub weight: U256,
    /// Its vote; `None` where it was not disclosed.
    pub vote: Option<Vote>,
}

/// The votes of a row, counted for one digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Everybody in the row, in its order: those proved share the reward, the others lose their
    /// stake.
    pub ballots: Vec<Ballot>,
    /// Whether the votes for the digest reach the trust.
    pub is_consensus: bool,
}

/// Counts the votes of `task` for `digest`.
///
/// A vote that was copied (the right hash with a seal that is not the worker's) weighs nothing and
/// is at fault, as one that was not disclosed; votes for other hashes weigh against. Sums saturate:
/// no vote can make a batch fail, and saturated sums reach no trust above 1.
#[must_use]
pub fn count(task: TaskId, digest: ResultDigest, members: &[Member], trust: U256) -> Count {
    let hash = ResultHash::of(task, digest);
    let mut groups = Groups::default();
    let mut has_winner = false;
    let ballot = |member: &Member| {
        let weight = member.weight;
        let is_proved = match member.vote {
            Some(vote) if vote.hash == hash => {
                vote.seal == ResultSeal::of(member.worker, task, digest)
            }
            Some(vote) => {
                groups.join(vote.hash, weight);
                false
            }
            None => false,
        };
        if is_proved {
            groups.join(hash, weight);
            has_winner = true;
        }
        Ballot { worker: member.worker, is_proved, log_weight: log_weight(weight) }
    };
    let ballots = members.iter().map(ballot).collect();
    Count { ballots, is_consensus: has_winner && groups.is_consensus(hash, trust) }
}

/// The hash that the disclosed votes agree on, if all together they reach the trust.
///
/// Seals cannot be checked without a digest: whoever holds one asks [`count`].
#[must_use]
pub fn leader(members: &[Member], trust: U256) -> Option<ResultHash> {
    let mut groups = Groups::default();
    for member in members {
        if let Some(vote) = member.vote {
            groups.join(vote.hash, member.weight);
        }
    }
    let hashes: Vec<ResultHash> = groups.products.keys().copied().collect();
    // At trust 1 more than one may: the heaviest, and of equals the first, as everybody sees it.
    let reached = hashes.into_iter().filter(|hash| groups.is_consensus(*hash, trust));
    reached.max_by_key(|hash| (groups.products.get(hash).copied(), core::cmp::Reverse(*hash)))
}

/// Votes by hash, each group the product of its members' weights.
#[derive(Default)]
struct Groups {
    products: BTreeMap<ResultHash, U256>,
}

impl Groups {
    fn join(&mut self, hash: ResultHash, weight: U256) {
        let product = self.products.entry(hash).or_insert(U256::ONE);
        *product = product.saturating_mul(weight);
    }

    fn is_consensus(&self, hash: ResultHash, trust: U256) -> bool {
        let trust = trust.max(U256::ONE);
        let group = self.products.get(&hash).copied().unwrap_or_default();
        let total = self.products.values().fold(U256::ONE, |sum, one| sum.saturating_add(*one));
        let left = group.saturating_mul(trust);
        left > total.saturating_mul(trust.saturating_sub(U256::ONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credibility::weight;
    use crate::lane::Nonce;
    use alloy_primitives::B256;

    const TASK: TaskId = TaskId(B256::repeat_byte(7));

    fn digest(byte: u8) -> ResultDigest {
        ResultDigest(B256::repeat_byte(byte))
    }

    fn member(id: u8, score: u64, said: u8) -> Member {
        let worker = Address::repeat_byte(id);
        let vote = Vote::of(worker, TASK, digest(said), Nonce(u128::from(id)));
        Member { worker, weight: weight(U256::from(score)), vote: Some(vote) }
    }

    #[test]
    fn all_votes_of_a_row_count_at_once() {
        let agreed = [member(1, 0, 1), member(2, 0, 1), member(3, 0, 1)];
        assert!(count(TASK, digest(1), &agreed, U256::from(8)).is_consensus);
        assert!(!count(TASK, digest(1), &agreed, U256::from(9)).is_consensus);
        // With a dissenter 8 * 8 is not above (1 + 8 + 2) * 7, though the three had it alone.
        let mut four = agreed.to_vec();
        four.push(member(4, 0, 2));
        assert!(!count(TASK, digest(1), &four, U256::from(8)).is_consensus);
        assert_eq!(leader(&four, U256::from(8)), None);
        assert_eq!(leader(&four, U256::from(3)), Some(ResultHash::of(TASK, digest(1))));
    }

    #[test]
    fn a_copied_vote_and_a_silent_one_weigh_nothing_and_are_at_fault() {
        let mut copier = member(3, 300, 1);
        copier.vote.as_mut().unwrap().seal = ResultSeal(B256::repeat_byte(9));
        let silent = Member { vote: None, ..member(4, 300, 1) };
        let members = [member(1, 0, 1), member(2, 0, 1), copier, silent];
        let counted = count(TASK, digest(1), &members, U256::from(4));
        assert!(counted.is_consensus);
        let proved: Vec<bool> = counted.ballots.iter().map(|ballot| ballot.is_proved).collect();
        assert_eq!(proved, [true, true, false, false]);
        assert!(!count(TASK, digest(1), &members, U256::from(5)).is_consensus);
    }

    #[test]
    fn saturated_sums_reach_no_trust() {
        let members: Vec<Member> = (1..=32).map(|id| member(id, u64::MAX, 1)).collect();
        assert!(!count(TASK, digest(1), &members, U256::from(2)).is_consensus);
        assert!(count(TASK, digest(1), &members, U256::from(1)).is_consensus);
        assert!(!count(TASK, digest(2), &members, U256::from(1)).is_consensus);
    }
}
