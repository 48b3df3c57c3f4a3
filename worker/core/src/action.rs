//! What goes out.

use crate::failure::Failure;
use crate::task::{Computation, Record, Stage, Work};
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::lane::{BlindedVote, LaneCall, Vote};
use poco_core::{Address, B256, Bytes, Call, DealId, ResultDigest, TaskId};

/// One thing to do. Records are written and synced before anything else of the same batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this record over the task's last one.
    Persist(Box<Record>),
    /// Remove the task's record.
    Forget(TaskId),
    /// Read all that says whether an assignment is worth accepting.
    ReadFacts {
        /// The task.
        task: TaskId,
        /// Its deal.
        deal: poco_core::DealId,
    },
    /// Read the task, the own contribution, and where the task is over the block that ended it.
    ReadTask {
        /// The task.
        task: TaskId,
        /// The task ended in none of the blocks before.
        from_block: u64,
    },
    /// The same, with the commit that the task is in.
    ReadVote {
        /// The task.
        task: TaskId,
        /// Its deal.
        deal: DealId,
        /// Its index in the deal.
        index: u64,
        /// The commit and the end are in none of the blocks before.
        from_block: u64,
    },
    /// Read the scores of the workers of the task's row.
    ReadScores {
        /// The task.
        task: TaskId,
        /// The workers, in the order of the row.
        workers: Vec<Address>,
    },
    /// Sign a ballot and send it to the scheduler.
    Ballot {
        /// The deal.
        deal: DealId,
        /// Index of the first task.
        first: u64,
        /// The votes, absent ones included.
        entries: Vec<BlindedVote>,
    },
    /// Tell the scheduler a committed vote.
    Disclose {
        /// The task.
        task: TaskId,
        /// The vote.
        vote: Vote,
        /// What the vote is for, once that may be known.
        digest: Option<ResultDigest>,
    },
    /// Send a call of the settlement lane to the hub, as [`Action::Transact`].
    TransactLane {
        /// The task.
        task: TaskId,
        /// What is wanted.
        intent: Intent,
        /// The call.
        call: Box<LaneCall>,
    },
    /// Adopt the task's container if there is one, run the app otherwise.
    Run {
        /// The task.
        task: TaskId,
        /// Its deal.
        deal: poco_core::DealId,
        /// Its index in the deal.
        index: u64,
        /// What to run.
        work: Box<Work>,
    },
    /// Stop what runs for the task and delete all it left on this machine.
    Discard(TaskId),
    /// Send a call to the hub. The same intent while the first is pending is one transaction.
    Transact {
        /// The task.
        task: TaskId,
        /// What is wanted.
        intent: Intent,
        /// The call.
        call: Box<Call>,
    },
    /// Send the result to the pool.
    Upload {
        /// The task.
        task: TaskId,
        /// The result; its zip lies with the sandbox.
        result: Box<Stored>,
    },
    /// Tell the scheduler.
    Report {
        /// The task.
        task: TaskId,
        /// How far it is.
        stage: Stage,
        /// With [`Stage::Failed`].
        failure: Option<Box<Failure>>,
        /// The transaction, where it is known.
        transaction: Option<B256>,
    },
}

/// What an upload carries besides the zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// CID and size of the zip.
    pub computation: Computation,
    /// Callback data, where the deal has a callback; empty otherwise.
    pub callback: Bytes,
}

/// What a transaction is for. One intent per task is under way at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intent {
    /// Vote.
    Contribute,
    /// Disclose the digest.
    Reveal,
    /// Vote, disclose and finalize in one.
    ContributeAndFinalize,
    /// Disclose a committed vote on chain.
    Disclose,
    /// Take the task out of its commit.
    Close,
    /// Free the bond behind a claimed task.
    Release,
}
