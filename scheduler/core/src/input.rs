//! What a core is told.

use crate::action::Intent;
use crate::clock::Head;
use crate::intake::{Funds, Operation};
use crate::placement::Placement;
use crate::record::StoredResult;
use crate::words::{Capacity, ReportBody, Stage};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::lane::{Ballot, Bond, Vote};
use poco_core::task::{ContributionView, TaskView};
use poco_core::{
    Address, B256, Deal, DealConditions, DealId, Event, ResultDigest, TaskId, Timestamp, U256,
};
use serde::{Deserialize, Serialize};

/// One fact from outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// The node's latest block.
    Head(Head),
    /// Events of the blocks up to `to`, in order.
    Events {
        /// The last of the blocks.
        to: Head,
        /// Their events.
        events: Vec<ChainEvent>,
    },
    /// Every block after `to` never happened.
    Rollback {
        /// The last common block.
        to: u64,
    },
    /// Answer to `ReadDeal`.
    DealRead {
        /// Which deal.
        deal: DealId,
        /// The epoch of the question.
        epoch: u64,
        /// `None`: the chain has no such deal.
        facts: Option<Box<DealFacts>>,
    },
    /// Answer to `ReadTask`.
    TaskRead {
        /// Which task.
        task: TaskId,
        /// The epoch of the question.
        epoch: u64,
        /// What the chain says.
        facts: Box<TaskFacts>,
    },
    /// Answer to `ReadScore`.
    ScoreRead {
        /// Whose score.
        worker: Address,
        /// The score.
        score: U256,
    },
    /// Answer to `ReadGuard`.
    GuardRead {
        /// The group.
        guard: Address,
        /// The worker.
        worker: Address,
        /// Whether the group counts it in.
        is_known: bool,
    },
    /// A worker proved its wallet and has its stream.
    Connected(Login),
    /// A worker's stream ended or fell silent.
    Disconnected {
        /// Who.
        worker: Address,
    },
    /// A worker tells where a task stands.
    Report {
        /// Who.
        worker: Address,
        /// Which task.
        task: TaskId,
        /// What it says.
        body: ReportBody,
    },
    /// A transaction came to its end.
    Outcome {
        /// What was wanted.
        intent: Intent,
        /// The block it is in, or why it is in none.
        result: Result<u64, TransactionFailure>,
    },
    /// Answer to `ReadBond`.
    BondRead {
        /// Whose.
        worker: Address,
        /// The bond; `None` where the hub has no settlement lane.
        bond: Option<Bond>,
    },
    /// A worker signed votes for tasks of a deal.
    Ballot {
        /// The deal.
        deal: DealId,
        /// The ballot, of the worker that sent it, whose signature was checked.
        ballot: Ballot,
    },
    /// A worker told what opens its committed vote.
    Disclosed {
        /// Who.
        worker: Address,
        /// Of which task.
        task: TaskId,
        /// The vote.
        vote: Vote,
        /// What it is for, once the worker gave that away.
        digest: Option<ResultDigest>,
    },
    /// A worker began to send a result.
    UploadBegan {
        /// Who.
        worker: Address,
        /// Of which task.
        task: TaskId,
    },
    /// An upload ended without a result; said once for each that began and gave none.
    UploadFailed {
        /// Who.
        worker: Address,
        /// Of which task.
        task: TaskId,
    },
    /// A result lies in the object store, its digest computed from it.
    ResultStored {
        /// Names the upload in the answer.
        upload: u64,
        /// Of which task.
        task: TaskId,
        /// What was stored where.
        result: StoredResult,
    },
    /// The operator asks for something.
    Operation(Operation),
    /// What the pool's owner has, as of now.
    Funds(Funds),
    /// How many bytes of results can be stored, as of now.
    Room(u64),
    /// `next_timer` has come.
    Timer,
}

/// An event and the block it is in.
#[derive(Clone, Debug)]
pub struct ChainEvent {
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// The block's time.
    pub time: Timestamp,
    /// The event.
    pub event: Event,
}

/// What must be known about a deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealFacts {
    /// Its terms.
    pub deal: Deal,
    /// T of its category, in seconds.
    pub work_clock_time_ref_seconds: u64,
    /// What it keeps beyond what every deal does. Not stored: `None` until the deal was read since
    /// the start, and nobody is given its tasks before.
    #[serde(skip)]
    pub conditions: Option<DealConditions>,
    /// Where its tasks may run, as its params say; `None` where these cannot be read, and nobody is
    /// given its tasks. Not stored either.
    #[serde(skip)]
    pub placement: Option<Placement>,
}

/// What the chain says about a task.
#[derive(Clone, Debug)]
pub struct TaskFacts {
    /// The block whose state was read, or one before it.
    pub block: u64,
    /// The task.
    pub view: TaskView,
    /// The contribution of each of `view.contributors`, in their order.
    pub contributions: Vec<ContributionFacts>,
}

/// What the chain says about a contribution.
#[derive(Clone, Copy, Debug)]
pub struct ContributionFacts {
    /// Whose.
    pub worker: Address,
    /// The contribution; its weight is the logarithm that the payout uses.
    pub view: ContributionView,
    /// The worker's score at the block of the view. The hub does not show what a contribution
    /// weighs for the consensus: that follows from the score.
    pub score: U256,
}

/// A worker that proved its wallet.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its wallet.
    pub worker: Address,
    /// What it offers.
    pub capacity: Capacity,
    /// Its score on chain.
    pub score: U256,
    /// Its bond for the pool; `None` where the hub has no settlement lane.
    pub bond: Option<Bond>,
    /// Every task its journal holds; `None` where the replica has failed.
    pub live: Vec<(TaskId, Option<Stage>)>,
}

/// Why a transaction is in no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionFailure {
    /// What stands in the way.
    pub trouble: TransactionTrouble,
    /// One line for people.
    pub reason: String,
}

/// What stands in a transaction's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionTrouble {
    /// The hub would not, or did not, do it.
    Refused,
    /// The hub would not commit the votes of this worker: its bond or its guard no longer answers for
    /// them. Without them it might.
    Worker(Address),
    /// The pool owner cannot pay for it.
    Unpaid,
}
