//! What a core wants done.

use crate::notice::Notice;
use crate::record::{CommitKey, Record};
use crate::report::{ReportStatus, TaskReport};
use crate::upload::UploadRefusal;
use crate::words::{Lane, Stage};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use poco_core::lane::{LaneCall, Vote};
use poco_core::{Address, Call, DealId, TaskId, Timestamp, U256, keccak256};

/// One thing to do. Records drained together are stored and synced together, before anything
/// else of the same drain is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store a record, in place of the one with the same id.
    Put(Record),
    /// Forget a deal.
    DeleteDeal(DealId),
    /// Move a task from the live records to those kept for show until `keep_until`; what is
    /// stored for it goes with it.
    Retire {
        /// The task.
        task: TaskId,
        /// What there is to say about it from now on.
        report: Box<TaskReport>,
        /// Chain time until which its result is promised.
        keep_until: Timestamp,
    },
    /// Forget a task that never was: its deal was rolled back.
    DeleteTask(TaskId),
    /// Forget retired tasks and results kept until `now` or less.
    Sweep {
        /// Chain time.
        now: Timestamp,
    },
    /// Read a deal's terms and its category; answered by `DealRead`.
    ReadDeal {
        /// Which deal.
        deal: DealId,
        /// To be given back.
        epoch: u64,
        /// The node must know this block.
        at_least: u64,
    },
    /// Read a task and its contributions; answered by `TaskRead`.
    ReadTask {
        /// Which task.
        task: TaskId,
        /// To be given back.
        epoch: u64,
        /// The node must know this block.
        at_least: u64,
    },
    /// Read a worker's score; answered by `ScoreRead`.
    ReadScore(Address),
    /// Ask a deal's guard whether it knows a worker; answered by `GuardRead`.
    ReadGuard {
        /// The group.
        guard: Address,
        /// The worker.
        worker: Address,
    },
    /// Read a worker's bond for the pool; answered by `BondRead`.
    ReadBond(Address),
    /// Forget a commit.
    DeleteCommit(CommitKey),
    /// Send a transaction of the settlement lane, as [`Action::Transact`].
    TransactLane {
        /// Names it.
        intent: Intent,
        /// The call.
        call: LaneCall,
    },
    /// Send a transaction to the hub; answered by `Outcome`.
    Transact {
        /// Names it: the same wish has the same name, also after a restart.
        intent: Intent,
        /// The call.
        call: Call,
    },
    /// Answer a login: the tasks that this worker is held to.
    Welcome {
        /// Who.
        worker: Address,
        /// Its tasks.
        live: Vec<(TaskId, Stage)>,
    },
    /// Tell a worker something; dropped where it is not connected.
    Tell {
        /// Who.
        worker: Address,
        /// What.
        command: Command,
    },
    /// Answer to `ResultStored`.
    AnswerUpload {
        /// Which upload.
        upload: u64,
        /// Where the result is kept, or why it is not.
        answer: Result<(), UploadRefusal>,
    },
    /// A task has left a status after this time in it, for statistics.
    Measured {
        /// What it has left.
        status: ReportStatus,
        /// How long it was there.
        millis: u64,
    },
    /// Something about a task changed that observers see.
    Changed(TaskId),
    /// Something for the log.
    Note(Notice),
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run a task. The edge adds the pool owner's signature over the authorization.
    Assign {
        /// The task.
        task: TaskId,
        /// Its deal.
        deal: DealId,
        /// Its index.
        index: U256,
        /// By which calls.
        lane: Lane,
    },
    /// Disclose the digest on chain.
    Reveal(
        /// The task.
        TaskId,
    ),
    /// Store the result.
    Upload(
        /// The task.
        TaskId,
    ),
    /// Sign the votes for tasks of a deal.
    Ballot {
        /// The deal.
        deal: DealId,
        /// Index of the first.
        first: U256,
        /// How many.
        count: u64,
    },
    /// The votes of a task's row.
    Row {
        /// The task.
        task: TaskId,
        /// Each vote, by its place; `None` where it was not disclosed.
        votes: Vec<Option<Vote>>,
    },
    /// The replica is needed no longer.
    Abandon {
        /// The task.
        task: TaskId,
        /// One line for people.
        reason: String,
    },
    /// The task has ended on chain.
    Ended(
        /// The task.
        TaskId,
    ),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `initializeArray`.
    Initialize,
    /// `finalize`.
    Finalize,
    /// `reopen`.
    Reopen,
    /// `claimArray`.
    Claim,
    /// `initializeAndClaimArray`.
    InitializeAndClaim,
    /// `commit`, in the settlement lane.
    Commit,
    /// `settle`.
    Settle,
    /// `disclose`.
    Disclose,
    /// `close`.
    Close,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Initialize,
        Self::Finalize,
        Self::Reopen,
        Self::Claim,
        Self::InitializeAndClaim,
        Self::Commit,
        Self::Settle,
        Self::Disclose,
        Self::Close,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Finalize => "finalize",
            Self::Reopen => "reopen",
            Self::Claim => "claim",
            Self::InitializeAndClaim => "initialize-and-claim",
            Self::Commit => "commit",
            Self::Settle => "settle",
            Self::Disclose => "disclose",
            Self::Close => "close",
        }
    }
}

/// Names a transaction by what it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intent {
    /// What is wanted.
    pub kind: Kind,
    /// For which tasks, in the order of the call.
    pub tasks: Vec<TaskId>,
}

impl fmt::Display for Intent {
    /// `finalize 0x…`, or for many tasks their number and the hash of their ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [task] = self.tasks.as_slice() {
            return write!(f, "{} {task}", self.kind.name());
        }
        let ids: Vec<u8> = self.tasks.iter().flat_map(|task| task.0.0).collect();
        write!(f, "{} {} tasks 0x{:x}", self.kind.name(), self.tasks.len(), keccak256(ids))
    }
}
