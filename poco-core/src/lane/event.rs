//! What a hub with the lane reports beyond the events of the classic one.

use crate::types::{Amount, DealId, TaskId, Timestamp};
use alloy_primitives::{Address, Bytes, U256};

/// One event of the lane. Names are those on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LaneEvent {
    /// A worker put stake aside for a pool.
    Bonded {
        /// Who.
        worker: Address,
        /// For which pool.
        workerpool: Address,
        /// How much more.
        amount: Amount,
    },
    /// A worker's bond serves no longer.
    Unbonding {
        /// Whose.
        worker: Address,
        /// For which pool.
        workerpool: Address,
        /// When it may be taken back.
        release: Timestamp,
    },
    /// A bond was taken back.
    BondWithdrawn {
        /// Whose.
        worker: Address,
        /// For which pool.
        workerpool: Address,
        /// How much.
        amount: Amount,
    },
    /// Tasks of a deal were committed, from `first` on.
    Committed {
        /// The deal.
        deal: DealId,
        /// Index of the first task.
        first: U256,
        /// How many entries the row of each task has.
        lengths: Bytes,
        /// All entries, one behind the other ([`super::Row::split`]).
        rows: Bytes,
    },
    /// A task has left its commit and goes on as a classic one.
    Closed {
        /// The task.
        task: TaskId,
    },
    /// A task of a batch was left as it is.
    TaskSkipped {
        /// The task.
        task: TaskId,
        /// Why.
        reason: SkipReason,
    },
}

/// Why a task of a batch was left as it is. The numbers are those on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum SkipReason {
    /// It was never committed, or has ended, or was taken out of its commit.
    NotCommitted = 0,
    /// Workers outside its row have contributed on chain.
    OnChain = 1,
    /// Its callback bytes, or bound results, are not what was voted for.
    Callback = 2,
    /// A vote is not disclosed, and there is still time to do it.
    Undisclosed = 3,
    /// The votes for the digest do not reach the trust.
    NoConsensus = 4,
    /// With it the record of the batch would be too long: it may fit into one of its own.
    RecordFull = 5,
}

impl SkipReason {
    /// The reason with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::NotCommitted,
            1 => Self::OnChain,
            2 => Self::Callback,
            3 => Self::Undisclosed,
            4 => Self::NoConsensus,
            5 => Self::RecordFull,
            _ => return None,
        })
    }
}
