//! What the log should say.

use crate::action::Intent;
use crate::intake::Concern;
use crate::words::{Failure, Lane};
use alloc::string::String;
use core::fmt;
use poco_core::{Address, Conditions, DealId, ResultHash, TaskId, U256};

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody must act now.
    Error,
    /// Somebody should look tomorrow.
    Warn,
    /// A deal, task or worker changed state.
    Info,
    /// A decision and why.
    Debug,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pool has a new deal.
    DealSeen {
        /// Which.
        deal: DealId,
        /// Its tasks.
        tasks: U256,
        /// The trust asked.
        trust: U256,
    },
    /// A deal of the pool was frozen under another owner, who alone can serve it.
    DealForeign {
        /// Which.
        deal: DealId,
        /// Its owner.
        owner: Address,
    },
    /// A deal of the pool asks for what this scheduler does not know; it is left alone.
    DealUnserved {
        /// Which.
        deal: DealId,
        /// What it asks for.
        conditions: Conditions,
    },
    /// A reorg took a deal away.
    DealGone {
        /// Which.
        deal: DealId,
    },
    /// A worker was given a task.
    Assigned {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: Address,
        /// The lane.
        lane: Lane,
        /// Its rank in the task's order; `None` where it came after the match.
        rank: Option<u32>,
    },
    /// A worker with a task is away too long.
    Lost {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: Address,
    },
    /// A replica gave nothing.
    Failed {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: Address,
        /// Why.
        failure: Failure,
    },
    /// A task is given up.
    Hopeless {
        /// The task.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// The hub's consensus is not the one that follows from the votes.
    ConsensusDiffers {
        /// The task.
        task: TaskId,
        /// What follows from the votes.
        expected: Option<ResultHash>,
        /// What the hub says.
        chain: Option<ResultHash>,
    },
    /// A task ended on chain.
    Ended {
        /// The task.
        task: TaskId,
        /// Whether it was finalized; else it was claimed.
        completed: bool,
    },
    /// A transaction failed and will be tried again where it still makes sense.
    TransactionFailed {
        /// What was wanted.
        intent: Intent,
        /// Why not.
        reason: String,
        /// Whether money for gas is missing.
        unpaid: bool,
    },
    /// A floor is undercut.
    ConcernBegan {
        /// Which, and by what.
        concern: Concern,
    },
    /// It is no longer.
    ConcernEnded {
        /// What it was.
        concern: Concern,
    },
}

impl Notice {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::ConsensusDiffers { .. } => Level::Error,
            Self::TransactionFailed { unpaid: true, .. } => Level::Error,
            Self::TransactionFailed { unpaid: false, .. } => Level::Info,
            Self::DealUnserved { .. }
            | Self::ConcernBegan { concern: Concern::GasLow { .. } | Concern::RoomLow { .. } } => {
                Level::Error
            }
            Self::ConcernBegan { .. } => Level::Warn,
            Self::DealForeign { .. } | Self::DealGone { .. } | Self::Hopeless { .. } => Level::Warn,
            Self::DealSeen { .. }
            | Self::Assigned { .. }
            | Self::Lost { .. }
            | Self::Failed { .. }
            | Self::Ended { .. }
            | Self::ConcernEnded { .. } => Level::Info,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DealSeen { deal, tasks, trust } => {
                write!(f, "deal {deal} seen: {tasks} tasks at trust {trust}")
            }
            Self::DealForeign { deal, owner } => {
                write!(f, "deal {deal} belongs to {owner}, who owned the pool at its match")
            }
            Self::DealUnserved { deal, conditions } => {
                write!(
                    f,
                    "deal {deal} asks for {conditions}, which this scheduler does not know: the \
                     deal is left alone and will cost the pool its stake; cancel the pool's order"
                )
            }
            Self::DealGone { deal } => write!(f, "deal {deal} is gone from the chain"),
            Self::Assigned { task, worker, lane, rank } => {
                write!(f, "task {task} assigned to {worker}, lane {lane:?}, ")?;
                match rank {
                    Some(rank) => write!(f, "rank {rank} of its order"),
                    None => f.write_str("which came after the match"),
                }
            }
            Self::Lost { task, worker } => write!(f, "replica of {task} on {worker} is lost"),
            Self::Failed { task, worker, failure } => {
                write!(f, "replica of {task} on {worker} failed: {failure}")
            }
            Self::Hopeless { task, reason } => write!(f, "task {task} given up: {reason}"),
            Self::ConsensusDiffers { task, expected, chain } => {
                write!(
                    f,
                    "task {task}: the hub says consensus {chain:?}, its votes say {expected:?}"
                )
            }
            Self::Ended { task, completed: true } => write!(f, "task {task} completed"),
            Self::Ended { task, completed: false } => write!(f, "task {task} claimed"),
            Self::ConcernBegan { concern } => write!(f, "{concern}"),
            Self::ConcernEnded { concern } => write!(f, "no longer {}", concern.name()),
            Self::TransactionFailed { intent, reason, .. } => write!(f, "{intent}: {reason}"),
        }
    }
}
