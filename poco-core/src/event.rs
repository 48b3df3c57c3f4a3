//! What the contracts report: the events of the hub, the registries and the pools' entries.

use crate::lane::LaneEvent;
use crate::mark::ConditionsEvent;
use crate::order::{AppOrder, DatasetOrder, OrderKind, RequestOrder, Signed, WorkerpoolOrder};
use crate::types::{Amount, CategoryId, DealId, OrderHash, ResultDigest, ResultHash, TaskId};
use alloc::boxed::Box;
use alloc::string::String;
use alloy_primitives::{Address, B256, Bytes, U256};

/// One event, in the words of the protocol. Names are those on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// Free stake moved; from or to zero where it entered or left the escrow.
    Transfer {
        /// Who had it.
        from: Address,
        /// Who has it.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// An allowance over free stake was set.
    Approval {
        /// Who allows.
        owner: Address,
        /// Who may spend.
        spender: Address,
        /// The whole allowance now.
        amount: Amount,
    },
    /// Stake was frozen.
    Lock {
        /// Whose stake.
        owner: Address,
        /// How much.
        amount: Amount,
    },
    /// Frozen stake became free again.
    Unlock {
        /// Whose stake.
        owner: Address,
        /// How much.
        amount: Amount,
    },
    /// Frozen stake was taken.
    Seize {
        /// Whose stake.
        owner: Address,
        /// How much.
        amount: Amount,
        /// The task (or deal) it was for.
        reference: B256,
    },
    /// Free stake was earned.
    Reward {
        /// Who earned.
        owner: Address,
        /// How much.
        amount: Amount,
        /// The task (or deal) it was for.
        reference: B256,
    },
    /// A pool has a new deal.
    SchedulerNotice {
        /// The pool.
        workerpool: Address,
        /// Its deal.
        deal: DealId,
    },
    /// Four orders became a deal.
    OrdersMatched {
        /// The deal.
        deal: DealId,
        /// The app order.
        app: OrderHash,
        /// The dataset order; zero without a dataset.
        dataset: OrderHash,
        /// The pool order.
        workerpool: OrderHash,
        /// The request order.
        request: OrderHash,
        /// Number of tasks.
        volume: U256,
    },
    /// Somebody else than the requester pays for a deal.
    DealSponsored {
        /// The deal.
        deal: DealId,
        /// Who pays.
        sponsor: Address,
    },
    /// A pool has work in the boost lane: tasks that end in one call. The orders are matched as ever.
    SchedulerNoticeBoost {
        /// The pool.
        workerpool: Address,
        /// The deal, which the views of classic deals do not show.
        deal: DealId,
    },
    /// Somebody else than the requester pays for a deal of the boost lane.
    DealSponsoredBoost {
        /// The deal.
        deal: DealId,
        /// Who pays.
        sponsor: Address,
    },
    /// A task of the boost lane has ended with a result.
    ResultPushedBoost {
        /// The deal.
        deal: DealId,
        /// Which of its tasks, from 0.
        index: U256,
        /// Where the result lies.
        results: Bytes,
    },
    /// An order was signed on chain.
    OrderSigned {
        /// Whose order.
        kind: OrderKind,
        /// Its hash.
        order: OrderHash,
    },
    /// An order was cancelled on chain.
    OrderClosed {
        /// Whose order.
        kind: OrderKind,
        /// Its hash.
        order: OrderHash,
    },
    /// An order was published on chain.
    OrderBroadcast(
        /// The order.
        Box<AnyOrder>,
    ),
    /// A task exists.
    TaskInitialize {
        /// The task.
        task: TaskId,
        /// Its pool.
        workerpool: Address,
    },
    /// A worker voted.
    TaskContribute {
        /// The task.
        task: TaskId,
        /// Who voted.
        worker: Address,
        /// The vote.
        hash: ResultHash,
    },
    /// The votes are a consensus.
    TaskConsensus {
        /// The task.
        task: TaskId,
        /// The winning vote.
        consensus: ResultHash,
    },
    /// A winner disclosed the digest.
    TaskReveal {
        /// The task.
        task: TaskId,
        /// Who disclosed.
        worker: Address,
        /// The digest.
        digest: ResultDigest,
    },
    /// Nobody revealed: the task takes contributions again.
    TaskReopen {
        /// The task.
        task: TaskId,
    },
    /// The task is done and paid.
    TaskFinalize {
        /// The task.
        task: TaskId,
        /// Where the result is.
        results: Bytes,
    },
    /// The task failed and was refunded.
    TaskClaimed {
        /// The task.
        task: TaskId,
    },
    /// A worker voted with the consensus and revealed.
    AccurateContribution {
        /// Who.
        worker: Address,
        /// The task.
        task: TaskId,
    },
    /// A worker voted against the consensus or did not reveal.
    FaultyContribution {
        /// Who.
        worker: Address,
        /// The task.
        task: TaskId,
    },
    /// A category was added.
    CreateCategory {
        /// Its number.
        category: CategoryId,
        /// Its name.
        name: String,
        /// Its description.
        description: String,
        /// T, in seconds.
        work_clock_time_ref_seconds: u64,
    },
    /// A registry entry was created (from zero) or sold.
    ResourceTransfer {
        /// Which registry.
        kind: OrderKind,
        /// The entry.
        resource: Address,
        /// Who owned it.
        from: Address,
        /// Who owns it.
        to: Address,
    },
    /// A pool changed its policy for deals to come.
    PolicyUpdate {
        /// The pool's entry.
        workerpool: Address,
        /// Percentage of the price that a worker stakes.
        worker_stake_ratio: U256,
        /// Percentage of the reward that the pool's owner keeps.
        scheduler_reward_ratio: U256,
    },
    /// The hub has a new owner.
    OwnershipTransferred {
        /// Who owned it.
        from: Address,
        /// Who owns it.
        to: Address,
    },
    /// Something that comes of marked orders alone.
    Conditions(
        /// What.
        ConditionsEvent,
    ),
    /// Something of the settlement lane alone. What it does to tasks and money is told by the
    /// events that it shares with the classic one.
    Lane(
        /// What.
        LaneEvent,
    ),
}

/// A signed order of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AnyOrder {
    /// An app provider's.
    App(Signed<AppOrder>),
    /// A dataset provider's.
    Dataset(Signed<DatasetOrder>),
    /// A pool's.
    Workerpool(Signed<WorkerpoolOrder>),
    /// A requester's.
    Request(Signed<RequestOrder>),
}
