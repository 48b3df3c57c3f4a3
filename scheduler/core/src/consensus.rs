//! What the votes of a task amount to, computed from the votes alone.

use crate::task::Vote;
use alloc::collections::BTreeMap;
use poco_core::credibility::{Total, add, is_consensus};
use poco_core::task::ContributionStatus;
use poco_core::{ResultHash, U256};

/// The groups of a task's votes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    groups: BTreeMap<ResultHash, U256>,
    total: Total,
}

impl Tally {
    /// Groups the votes that count. Votes that the hub could not have taken (a weight beyond
    /// 256 bits) are left out.
    pub(crate) fn of(votes: &[Vote]) -> Self {
        let mut tally = Self::default();
        for vote in votes.iter().filter(|vote| vote.status != ContributionStatus::Rejected) {
            let group = tally.groups.get(&vote.hash).copied().unwrap_or_default();
            if let Some(added) = add(group, tally.total, vote.weight) {
                tally.groups.insert(vote.hash, added.group);
                tally.total = added.total;
            }
        }
        tally
    }

    /// Whether the leading group would be a consensus once workers of these weights joined it.
    /// Never without any: a consensus is only found when somebody contributes.
    pub(crate) fn reaches(&self, weights: impl IntoIterator<Item = U256>, trust: U256) -> bool {
        let mut group = self.groups.values().max().copied().unwrap_or_default();
        let mut total = self.total;
        let mut has_any = false;
        for weight in weights {
            let Some(added) = add(group, total, weight) else { return has_any };
            (group, total) = (added.group, added.total);
            has_any = true;
        }
        has_any && is_consensus(group, total, trust).unwrap_or(false)
    }

    /// The consensus that the last vote brings, if it brings one.
    pub(crate) fn consensus(&self, votes: &[Vote], trust: U256) -> Option<ResultHash> {
        let last = votes.last().filter(|vote| vote.status != ContributionStatus::Rejected)?;
        let group = self.groups.get(&last.hash)?;
        is_consensus(*group, self.total, trust)?.then_some(last.hash)
    }
}
