//! What can be asked of a hub that has the lane.

use super::vote::{BlindedVote, Row, Vote};
use crate::types::{Amount, DealId, ResultDigest, Timestamp};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

/// A transaction of the lane. Who sends it is known beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LaneCall {
    /// Freezes free stake of the sender for a pool's commits.
    Bond {
        /// The pool.
        workerpool: Address,
        /// How much more.
        amount: Amount,
    },
    /// Ends the sender's bond: no commit may take it any more.
    Unbond {
        /// The pool.
        workerpool: Address,
    },
    /// Takes back a bond whose time has come.
    WithdrawBond {
        /// The pool.
        workerpool: Address,
    },
    /// Commits blinded votes; by the pool's owner.
    Commit {
        /// The deal.
        deal: DealId,
        /// Index of the first task.
        first: U256,
        /// How many tasks.
        count: u64,
        /// By worker, ascending, and of one worker by task.
        ballots: Vec<Ballot>,
    },
    /// Ends tasks: consensus, payments, results.
    Settle {
        /// The batches.
        batches: Vec<Batch>,
    },
    /// Makes votes contributions of the classic lane.
    Disclose {
        /// The one task, as a range of its commit.
        range: CommitRange,
        /// Its row.
        row: Row,
        /// The votes, by their place in the row.
        votes: Vec<RowVote>,
    },
    /// Takes a task out of its commit.
    Close {
        /// The one task, as a range of its commit.
        range: CommitRange,
        /// Its row.
        row: Row,
    },
    /// Frees the bonds behind tasks that were claimed.
    Release {
        /// The tasks.
        range: CommitRange,
        /// Their rows.
        rows: Vec<Row>,
    },
}

/// A worker's signed votes for tasks one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ballot {
    /// Who.
    pub worker: Address,
    /// Index of the first task.
    pub first: U256,
    /// The votes; [`BlindedVote::ABSENT`] where there is none.
    pub entries: Vec<BlindedVote>,
    /// The worker's signature over [`super::ballot_hash`]; empty without any vote.
    pub sign: Bytes,
}

/// Tasks of a commit: all of them, or those between two ends whose rows stand here as hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommitRange {
    /// The deal.
    pub deal: DealId,
    /// Index of the commit's first task.
    pub first: U256,
    /// Time of the commit's block.
    pub time: Timestamp,
    /// Hashes of the rows before the range.
    pub rows_before: Vec<B256>,
    /// Hashes of the rows after it.
    pub rows_after: Vec<B256>,
}

/// The tasks of a range, in order, and the workers in their rows, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Batch {
    /// Which tasks.
    pub range: CommitRange,
    /// Everybody who has a vote in one of them.
    pub workers: Vec<Address>,
    /// What became of each.
    pub outcomes: Vec<Outcome>,
}

/// What became of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Outcome {
    /// Which of the batch's workers are in its row, the first in the lowest bit.
    pub present: u32,
    /// Which of those voted for the digest.
    pub agreeing: u32,
    /// The digest.
    pub digest: ResultDigest,
    /// The nonces of those who agree, in order.
    pub nonces: Vec<super::Nonce>,
    /// The votes of the rest, in order.
    pub others: Vec<OtherVote>,
    /// Where the result is.
    pub results: Bytes,
    /// What the deal's callback receives.
    pub results_callback: Bytes,
}

/// A vote that is not for the digest that its task is settled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OtherVote {
    /// It was disclosed.
    Disclosed(Vote),
    /// It was not.
    Silent(BlindedVote),
}

impl OtherVote {
    /// What stands for it in its row.
    #[must_use]
    pub fn blinded(&self) -> BlindedVote {
        match self {
            Self::Disclosed(vote) => vote.blinded(),
            Self::Silent(blinded) => *blinded,
        }
    }
}

/// A vote by its place in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RowVote {
    /// The place, from 0.
    pub position: u64,
    /// The vote.
    pub vote: Vote,
}
