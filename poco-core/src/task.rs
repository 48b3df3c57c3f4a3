//! A task and its contributions as the hub shows them.

use crate::types::{ResultDigest, ResultHash, ResultSeal, Timestamp};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256};

/// Where a task stands. The numbers are those of the hub's views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum TaskStatus {
    /// Nobody opened it.
    #[default]
    Unset = 0,
    /// Takes contributions.
    Active = 1,
    /// Has a consensus and takes reveals.
    Revealing = 2,
    /// Done and paid.
    Completed = 3,
    /// Claimed and refunded.
    Failed = 4,
}

impl TaskStatus {
    /// Completed or failed: nothing more happens to it, unless a reorg takes its end back.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// Where a contribution stands. The numbers are those of the hub's views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum ContributionStatus {
    /// There is none.
    #[default]
    Unset = 0,
    /// Voted.
    Contributed = 1,
    /// Revealed.
    Proved = 2,
    /// Voted with a consensus that nobody revealed.
    Rejected = 3,
}

/// `viewTask`: a task on chain. All zero where the task was never opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskView {
    /// Where it stands.
    pub status: TaskStatus,
    /// The deal.
    pub deal: crate::types::DealId,
    /// Its index in the deal.
    pub index: U256,
    /// T of its category, in seconds.
    pub work_clock_time_ref_seconds: u64,
    /// No contribution from this time on.
    pub contribution_deadline: Timestamp,
    /// No reveal from this time on; zero before a consensus.
    pub reveal_deadline: Timestamp,
    /// Claims from this time on.
    pub final_deadline: Timestamp,
    /// The winning vote; zero before a consensus.
    pub consensus: ResultHash,
    /// How many winners revealed.
    pub reveal_count: u64,
    /// How many winners there are.
    pub winner_count: u64,
    /// Who contributed, in order.
    pub contributors: Vec<Address>,
    /// The digest; zero before the first reveal.
    pub digest: ResultDigest,
    /// Where the result is; empty before finalize.
    pub results: Bytes,
    /// Always zero: the reference has the member and never sets it.
    pub results_time: Timestamp,
    /// What the callback received.
    pub results_callback: Bytes,
}

/// `viewContribution`: one worker's vote on chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContributionView {
    /// Where it stands.
    pub status: ContributionStatus,
    /// The vote.
    pub hash: ResultHash,
    /// The vote, bound to the worker.
    pub seal: ResultSeal,
    /// The enclave's key; zero outside enclaves.
    pub enclave_challenge: Address,
    /// The logarithm of the worker's weight when it contributed, as the reference keeps it; zero
    /// after `contributeAndFinalize`.
    pub weight: U256,
}
