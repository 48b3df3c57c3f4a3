//! A task as the worker holds it: one enum whose variants carry exactly what is true.

use crate::facts::Program;
use crate::failure::Failure;
use alloc::boxed::Box;
use alloc::string::String;
use poco_core::lane::{CommitRange, Row};
use poco_core::{
    Address, Amount, B256, Bytes, DealId, Recorded, ResultDigest, TaskId, Timestamp, U256,
};
use serde::{Deserialize, Serialize};

/// What the journal holds of a task: enough to go on after a crash at any instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the scheduler asked for.
    pub assignment: Assignment,
    /// How far it is.
    pub state: State,
    /// What holds from the first ballot with this task's vote on, whatever state follows.
    pub sealed: Option<Sealed>,
}

/// A vote of the settlement lane that was signed: the pool may commit it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The commit that holds the vote, once it is deep enough.
    pub commit: Option<Box<Commit>>,
}

/// A commit with this worker's vote in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The task as a range of its commit.
    pub range: CommitRange,
    /// The task's row.
    pub row: Row,
}

/// What the scheduler asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// Its deal.
    pub deal: DealId,
    /// Its index in the deal.
    pub index: u64,
    /// The pool owner's signature that lets this worker contribute.
    pub authorization: Bytes,
    /// Zero outside enclaves.
    pub enclave_challenge: Address,
    /// How it reaches the chain.
    pub lane: Lane,
}

/// How a result reaches the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    /// contribute, reveal, and the scheduler finalizes.
    Classic,
    /// Upload, then contributeAndFinalize.
    Fast,
    /// A signed ballot, which the pool commits and settles.
    Settlement,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Stored; the chain's facts are awaited.
    Accepted,
    /// The image is fetched.
    Pulling(Box<Work>),
    /// Dataset and inputs are fetched.
    Fetching(Box<Work>),
    /// The app runs.
    Running {
        /// What runs.
        work: Box<Work>,
        /// The engine's id of the container.
        container: String,
    },
    /// The digest is known, nothing is promised; the fast lane uploads now.
    Computed(Promise),
    /// A vote is on its way. From here on the result is kept until the task is over on chain.
    Contributing {
        /// What is promised.
        promise: Promise,
        /// Where the pool stored the result; in the fast lane alone.
        location: Option<String>,
    },
    /// The chain holds the vote.
    Contributed {
        /// What is promised.
        promise: Promise,
        /// The transaction, where it is known.
        transaction: Option<B256>,
    },
    /// The consensus is ours, deep enough; the digest is being disclosed.
    Revealing {
        /// What is promised.
        promise: Promise,
    },
    /// The chain holds the digest, from this worker.
    Revealed {
        /// What is promised.
        promise: Promise,
        /// The transaction, where it is known.
        transaction: Option<B256>,
    },
    /// The pool stored the result as well.
    Uploaded {
        /// What is promised.
        promise: Promise,
        /// Where: `/ipfs/<cid>`.
        location: String,
    },
    /// Nothing more will come from this replica.
    Failed {
        /// Why.
        failure: Failure,
        /// What was promised before: a vote may be on chain, or a reorg bring it there, and then it
        /// goes on. Everything is kept until the task is over.
        promise: Option<Box<Promise>>,
    },
    /// A ballot with the vote is signed: the pool may commit it.
    Balloted {
        /// What is promised.
        promise: Promise,
    },
    /// The vote is committed, deep enough; it is told to the pool.
    Committed {
        /// What is promised.
        promise: Promise,
    },
    /// All votes of the row are known and reach consensus: the digest is told to the pool.
    Handed {
        /// What is promised.
        promise: Promise,
        /// Where the pool stored the result, once it did.
        location: Option<String>,
    },
}

/// All that a run needs, checked against the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What outlives the run.
    pub terms: Terms,
    /// The app's address.
    pub app_address: Address,
    /// The app.
    pub app: Program,
    /// The dataset's address; zero for none.
    pub dataset_address: Address,
    /// The dataset, where the deal has one.
    pub dataset: Option<Program>,
    /// The request's parameters.
    pub params: String,
    /// Who asked.
    pub requester: Address,
    /// Who alone may read the result; zero for everybody.
    pub beneficiary: Address,
    /// Index of the deal's first task.
    pub bot_first: U256,
    /// Number of the deal's tasks.
    pub bot_size: U256,
    /// T: how long the container may run, from its start.
    pub time_limit_seconds: u64,
}

/// What of a deal matters after the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// No contribution from this time on.
    pub contribution_deadline: Timestamp,
    /// What the vote locks.
    pub worker_stake: Amount,
    /// The trust that the votes must reach.
    pub trust: U256,
    /// T of the category, in seconds.
    pub clock_seconds: u64,
    /// The block at which the deal was read: but for reorgs, the task's commit is in none before it.
    pub block: u64,
    /// What the end of the task records, and what of it is voted for.
    pub recorded: Recorded,
}

/// A computed result with the terms it is promised under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// What of the deal still matters.
    pub terms: Terms,
    /// The result.
    pub computation: Computation,
}

/// What a run gave. Its zip lies with the sandbox, under the task's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Computation {
    /// From the sandbox, of the result's content; in a [`Promise`], what is voted for.
    pub digest: ResultDigest,
    /// CID of the zip, as text.
    pub cid: String,
    /// Length of the zip in bytes.
    pub size: u64,
    /// What the app says to the deal's callback; empty for nothing.
    pub callback: Bytes,
}

/// How far a task is, as the scheduler is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The assignment is stored.
    Accepted,
    /// The image is fetched.
    Pulling,
    /// Dataset and inputs are fetched.
    Fetching,
    /// The app runs.
    Running,
    /// The digest is known and stored, not disclosed.
    Computed,
    /// The vote is signed for a commit.
    Balloted,
    /// The vote is committed, and told to the pool.
    Committed,
    /// The vote is on chain.
    Contributed,
    /// The digest is on chain, or told to the pool that settles.
    Revealed,
    /// The result is stored.
    Uploaded,
    /// Nothing more will come.
    Failed,
}

impl State {
    /// The stage that the scheduler is told.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Accepted => Stage::Accepted,
            Self::Pulling(_) => Stage::Pulling,
            Self::Fetching(_) => Stage::Fetching,
            Self::Running { .. } => Stage::Running,
            Self::Computed(_) | Self::Contributing { .. } => Stage::Computed,
            Self::Contributed { .. } | Self::Revealing { .. } => Stage::Contributed,
            Self::Revealed { .. } => Stage::Revealed,
            Self::Uploaded { .. } => Stage::Uploaded,
            Self::Failed { .. } => Stage::Failed,
            Self::Balloted { .. } => Stage::Balloted,
            Self::Committed { .. } => Stage::Committed,
            Self::Handed { location: None, .. } => Stage::Revealed,
            Self::Handed { location: Some(_), .. } => Stage::Uploaded,
        }
    }

    /// Whether a vote may be on chain, so that nothing of the task may be lost.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        match self {
            Self::Accepted
            | Self::Pulling(_)
            | Self::Fetching(_)
            | Self::Running { .. }
            | Self::Computed(_) => false,
            Self::Contributing { .. }
            | Self::Contributed { .. }
            | Self::Revealing { .. }
            | Self::Revealed { .. }
            | Self::Uploaded { .. }
            | Self::Balloted { .. }
            | Self::Committed { .. }
            | Self::Handed { .. } => true,
            Self::Failed { promise, .. } => promise.is_some(),
        }
    }

    /// Whether the task takes one of the slots: accepted and not computed yet.
    #[must_use]
    pub fn takes_slot(&self) -> bool {
        matches!(self, Self::Accepted) || self.work().is_some()
    }

    /// What runs, while it does.
    #[must_use]
    pub fn work(&self) -> Option<&Work> {
        match self {
            Self::Pulling(work) | Self::Fetching(work) | Self::Running { work, .. } => Some(work),
            Self::Accepted
            | Self::Computed(_)
            | Self::Contributing { .. }
            | Self::Contributed { .. }
            | Self::Revealing { .. }
            | Self::Revealed { .. }
            | Self::Uploaded { .. }
            | Self::Balloted { .. }
            | Self::Committed { .. }
            | Self::Handed { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// The computed result and its terms, once there is one.
    #[must_use]
    pub fn promise(&self) -> Option<&Promise> {
        match self {
            Self::Computed(promise)
            | Self::Contributing { promise, .. }
            | Self::Contributed { promise, .. }
            | Self::Revealing { promise }
            | Self::Revealed { promise, .. }
            | Self::Uploaded { promise, .. }
            | Self::Balloted { promise }
            | Self::Committed { promise }
            | Self::Handed { promise, .. } => Some(promise),
            Self::Accepted | Self::Pulling(_) | Self::Fetching(_) | Self::Running { .. } => None,
            Self::Failed { promise, .. } => promise.as_deref(),
        }
    }

    /// What of the deal matters after the run, from when it was read.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        let of_work = self.work().map(|work| &work.terms);
        of_work.or_else(|| self.promise().map(|promise| &promise.terms))
    }

    /// The transaction that brought the task here, where it is known.
    #[must_use]
    pub fn transaction(&self) -> Option<B256> {
        match self {
            Self::Contributed { transaction, .. } | Self::Revealed { transaction, .. } => {
                *transaction
            }
            Self::Accepted
            | Self::Pulling(_)
            | Self::Fetching(_)
            | Self::Running { .. }
            | Self::Computed(_)
            | Self::Contributing { .. }
            | Self::Revealing { .. }
            | Self::Uploaded { .. }
            | Self::Balloted { .. }
            | Self::Committed { .. }
            | Self::Handed { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// Stake that the vote will lock and has not locked yet: of the free stake, or in the
    /// settlement lane of the bond.
    #[must_use]
    pub fn stake_to_lock(&self) -> Amount {
        match self {
            Self::Pulling(work) | Self::Fetching(work) | Self::Running { work, .. } => {
                work.terms.worker_stake
            }
            Self::Computed(promise)
            | Self::Contributing { promise, .. }
            | Self::Balloted { promise } => promise.terms.worker_stake,
            Self::Accepted
            | Self::Contributed { .. }
            | Self::Revealing { .. }
            | Self::Revealed { .. }
            | Self::Uploaded { .. }
            | Self::Committed { .. }
            | Self::Handed { .. }
            | Self::Failed { .. } => Amount::ZERO,
        }
    }
}
