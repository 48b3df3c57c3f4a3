//! What the hub reports of marked orders.

use super::DealConditions;
use crate::types::{DealId, ResultDigest, TaskId};
use alloy_primitives::Address;

/// An event that comes of marked orders alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConditionsEvent {
    /// A deal keeps conditions; nothing is said of a deal without any.
    DealConditions {
        /// The deal.
        deal: DealId,
        /// What it keeps.
        conditions: DealConditions,
    },
    /// What was recorded for a task is what its workers voted for.
    ResultsBound {
        /// The task.
        task: TaskId,
        /// keccak256 of what was recorded.
        digest: ResultDigest,
    },
    /// All marked orders of an account's earlier epochs are cancelled.
    EpochRaised {
        /// Whose.
        account: Address,
        /// The epoch that it is in now.
        epoch: u16,
    },
}
