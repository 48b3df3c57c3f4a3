//! What comes in: commands, facts, outcomes, time.

use crate::action::Intent;
use crate::facts::{Facts, View};
use crate::failure::Failure;
use crate::task::{Assignment, Computation, Stage};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::lane::Vote;
use poco_core::{B256, DealId, TaskId, U256};

/// One thing that happened. Nothing in it is trusted but what the chain says at depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The scheduler took the login; it holds this worker to `live`.
    Connected {
        /// The scheduler's tasks of this worker.
        live: Vec<(TaskId, Stage)>,
    },
    /// The stream to the scheduler is gone.
    Disconnected,
    /// The scheduler wants a task run.
    Assign(Box<Assignment>),
    /// The scheduler wants a signed ballot over tasks of a deal.
    BallotWanted {
        /// The deal.
        deal: DealId,
        /// Index of the first task.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The scheduler tells the votes of a task's row, by their places there.
    Row {
        /// The task.
        task: TaskId,
        /// Each vote; `None` where it was not disclosed.
        votes: Vec<Option<Vote>>,
    },
    /// Answers [`crate::Action::ReadScores`].
    Scores {
        /// The task.
        task: TaskId,
        /// The scores, in the order of the row.
        scores: Vec<U256>,
    },
    /// The scheduler says that the consensus is ours.
    Reveal(TaskId),
    /// The scheduler wants the result.
    Upload(TaskId),
    /// The scheduler needs this replica no longer.
    Abandon {
        /// The task.
        task: TaskId,
        /// Why, for people.
        reason: String,
    },
    /// The scheduler says that the task is over on chain.
    Ended(TaskId),
    /// The scheduler has taken in a report.
    Acknowledged {
        /// The task.
        task: TaskId,
        /// The stage that was reported.
        stage: Stage,
    },
    /// Answers [`crate::Action::ReadFacts`].
    Facts {
        /// The task.
        task: TaskId,
        /// What the chain says.
        facts: Box<Facts>,
    },
    /// Answers [`crate::Action::ReadTask`] and [`crate::Action::ReadVote`].
    View {
        /// The task.
        task: TaskId,
        /// What the chain says.
        view: Box<View>,
    },
    /// No node answered a read; that says nothing about the chain.
    Unread(TaskId),
    /// Something happened on chain that concerns this task.
    Moved(TaskId),
    /// The sandbox has got further.
    Progress {
        /// The task.
        task: TaskId,
        /// What it does now.
        step: Step,
    },
    /// The sandbox is done.
    Finished {
        /// The task.
        task: TaskId,
        /// What it gave, with the digest of its content, and the zip on disk and synced.
        outcome: Result<Computation, Failure>,
    },
    /// A transaction has an outcome.
    Settled {
        /// The task.
        task: TaskId,
        /// What was wanted.
        intent: Intent,
        /// What became of it.
        outcome: Outcome,
    },
    /// An upload has an outcome.
    UploadEnded {
        /// The task.
        task: TaskId,
        /// What became of it.
        outcome: UploadOutcome,
    },
    /// The operator stops the worker: no new work.
    Leave,
    /// A timer is due.
    Timer,
}

/// What the sandbox does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetches the image.
    Pulling,
    /// Fetches dataset and inputs.
    Fetching,
    /// Runs the app.
    Running {
        /// The engine's id of the container.
        container: String,
    },
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a block.
    Mined {
        /// Its hash.
        transaction: B256,
        /// The block's number.
        block: u64,
    },
    /// The hub refused it, in the dry run or when mined. The node that said so may lag.
    Refused {
        /// The hub's words.
        reason: String,
    },
    /// It was not sent: no gas, fees above the cap, stopping.
    NotSent {
        /// Why, for people.
        detail: String,
    },
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadOutcome {
    /// The pool has stored it.
    Stored {
        /// Where: `/ipfs/<cid>`.
        location: String,
    },
    /// It has not.
    Failed {
        /// Why, for people.
        detail: String,
    },
}
