//! What the worker reads from the chain.

use alloc::boxed::Box;
use poco_core::lane::{Bond, CommitRange, Row};
use poco_core::task::{ContributionView, TaskView};
use poco_core::{Address, Amount, B256, Bytes, Deal, DealConditions};

/// A registered app or dataset: where its content is and what it must hash to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Program {
    /// `DOCKER` for apps that run here; empty for datasets.
    pub kind: alloc::string::String,
    /// Where it is, as registered: text or a binary multiaddr.
    pub multiaddr: Bytes,
    /// The image's registry digest, or the sha256 of the dataset's file.
    pub checksum: B256,
}

/// All that says whether an assignment is worth accepting, read at about one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The deal; `None` where the node knows none.
    pub deal: Option<Deal>,
    /// The app; `None` where it is not registered.
    pub app: Option<Program>,
    /// The dataset; `None` where the deal has none or it is not registered.
    pub dataset: Option<Program>,
    /// T of the deal's category; `None` where the node knows no such category.
    pub work_clock_time_ref_seconds: Option<u64>,
    /// What the deal keeps beyond what every deal does.
    pub conditions: DealConditions,
    /// Whether the deal's guard knows the worker; true where the deal has none for workers.
    pub is_known_to_guard: bool,
    /// The worker's free stake.
    pub free_stake: Amount,
    /// Its bond for the pool; `None` where the hub has no settlement lane.
    pub bond: Option<Bond>,
    /// The task and the worker's own contribution.
    pub view: View,
}

/// A task on chain with the worker's own contribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// A block that the reading node knew before it answered: what it says is at least this new.
    pub block: u64,
    /// The task.
    pub task: TaskView,
    /// The worker's contribution.
    pub contribution: ContributionView,
    /// The block of the event that ended the task, where it is over and the node knows that event.
    pub ended: Option<u64>,
    /// The commit that the task is in, where it was asked for and there is one.
    pub commit: Option<Box<CommitView>>,
}

/// The commit of a task, as its event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitView {
    /// The block that it is in.
    pub block: u64,
    /// The task as a range of the commit.
    pub range: CommitRange,
    /// The task's row.
    pub row: Row,
}

/// What a worker must know of a contract address: whether there is one.
pub(crate) fn is_set(address: Address) -> bool {
    !address.is_zero()
}
