//! A task: what the chain says, who was promised what, and what is under way for it.

use crate::action::Kind;
use crate::clock::Moment;
use crate::few::Few;
use crate::index::Number;
use crate::input::{ContributionFacts, TaskFacts};
use crate::late::{LaneState, Late, Upload};
use crate::limits::SAME_WORKER_SECONDS;
use crate::record::{CommitKey, ReplicaRecord, StoredResult, TaskRecord};
use crate::report::ReportStatus;
use crate::words::{Failure, Lane, Stage};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use poco_core::credibility::{log_weight, weight};
use poco_core::task::{ContributionStatus, TaskStatus, TaskView};
use poco_core::{Address, DealId, ResultDigest, ResultHash, TaskId, Timestamp, U256};

/// The line of the transactions of tasks: the first task of each deal before the second of any.
pub(crate) type Turn = (u64, Timestamp, TaskId);

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    /// By what the index knows it.
    pub(crate) number: Option<Number>,
    pub(crate) deal: DealId,
    pub(crate) requester: Address,
    pub(crate) offset: u64,
    /// When the clocks of its deal began.
    pub(crate) start: Timestamp,
    pub(crate) phase: Phase,
    /// The block as of which `phase` is known; a view of an earlier one is stale.
    pub(crate) seen_block: u64,
    /// A view of this block or a later one was asked for and has not come.
    pub(crate) reading: Option<u64>,
    pub(crate) read_at: Moment,
    pub(crate) replicas: Few<Address, Replica>,
    pub(crate) assignments: u32,
    pub(crate) errand: Errand,
    /// Transactions that failed since the task last came further.
    pub(crate) failed_tries: u32,
    /// A batch with this task was refused: its next transaction carries it alone.
    pub(crate) is_alone: bool,
    /// When each worker was last told to assign or reveal over its present connection.
    pub(crate) told: Few<Address, Moment>,
    /// It has begun and wants more workers, and found none when somebody was last free.
    pub(crate) is_passed_over: bool,
    /// What it was last found to wait for, by name.
    pub(crate) waits_for: &'static str,
    /// Since when it is in its phase; `None` where that was before this process.
    pub(crate) phase_since: Option<Moment>,
    /// The record differs from what is stored.
    pub(crate) is_unsaved: bool,
    /// `None` while all of it is empty.
    late: Option<Box<Late>>,
}

/// Where a task stands on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not read yet.
    Unread,
    /// Not opened.
    Pending,
    /// Takes contributions.
    Active { votes: Vec<Vote> },
    /// Has a consensus.
    Revealing(Box<Revealing>),
    /// Finalized or claimed.
    Ended(Box<Ended>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revealing {
    pub(crate) votes: Vec<Vote>,
    pub(crate) consensus: ResultHash,
    pub(crate) deadline: Timestamp,
    pub(crate) digest: Option<ResultDigest>,
    pub(crate) reveals: u64,
    pub(crate) winners: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) is_completed: bool,
    pub(crate) votes: Vec<Vote>,
    pub(crate) digest: Option<ResultDigest>,
    pub(crate) block: u64,
    pub(crate) time: Timestamp,
}

/// A contribution on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) worker: Address,
    pub(crate) hash: ResultHash,
    pub(crate) weight: U256,
    pub(crate) status: ContributionStatus,
}

/// A worker that was promised an authorization.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) lane: Lane,
    pub(crate) weight: U256,
    /// At which rank of the task's order its worker was tried.
    pub(crate) rank: Option<u32>,
    pub(crate) state: ReplicaState,
    pub(crate) updated: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) enum ReplicaState {
    /// On its way.
    Live { stage: Stage, since: Moment },
    /// Its worker is away too long; it may come back with the work done.
    Lost,
    /// Nothing will come. A worker at fault may be asked again later.
    Failed { failure: Box<Failure>, since: Moment },
}

/// The transaction that a task needs next, if it is on its way.
#[derive(Clone, Debug, Default)]
pub(crate) enum Errand {
    #[default]
    None,
    Queued(Kind),
    InFlight(Kind),
    /// The last try failed.
    Resting {
        kind: Kind,
        until: Moment,
    },
}

impl Task {
    /// A task of which nothing is known but its place in its deal, whose clocks began at `start`.
    pub(crate) fn new(
        id: TaskId,
        deal: DealId,
        offset: u64,
        (requester, start): (Address, Timestamp),
    ) -> Self {
        Self {
            id,
            number: None,
            deal,
            requester,
            offset,
            start,
            phase: Phase::Unread,
            seen_block: 0,
            reading: None,
            read_at: Moment::default(),
            replicas: Few::new(),
            assignments: 0,
            errand: Errand::None,
            failed_tries: 0,
            is_alone: false,
            told: Few::new(),
            is_passed_over: false,
            waits_for: "chain",
            phase_since: None,
            is_unsaved: false,
            late: None,
        }
    }

    /// A task as it was stored, in a process that starts at `now`.
    pub(crate) fn restored(record: TaskRecord, terms: (Address, Timestamp), now: Moment) -> Self {
        let restore = |replica: ReplicaRecord| {
            let state = match replica.failure {
                Some(failure) => ReplicaState::Failed { failure: Box::new(failure), since: now },
                None => ReplicaState::Live { stage: Stage::Promised, since: now },
            };
            let ReplicaRecord { worker, lane, weight, rank, .. } = replica;
            (worker, Replica { lane, weight, rank, state, updated: Timestamp::default() })
        };
        let TaskRecord { hopeless, weights, result, is_classic, closed, .. } = record;
        let has_late = hopeless.is_some()
            || result.is_some()
            || !weights.is_empty()
            || is_classic
            || closed.is_some();
        let late = || Late {
            hopeless,
            result: result.map(Box::new),
            weights: weights.into_iter().collect(),
            lane: LaneState { is_classic, closed, ..Late::NONE.lane.clone() },
            ..Late::NONE.clone()
        };
        Self {
            replicas: record.replicas.into_iter().map(restore).collect(),
            assignments: record.assignments,
            late: has_late.then(late).map(Box::new),
            ..Self::new(record.id, record.deal, record.offset, terms)
        }
    }

    /// What it has of what comes late.
    pub(crate) fn late(&self) -> &Late {
        self.late.as_deref().unwrap_or(Late::NONE)
    }

    /// Whether it has any of it.
    pub(crate) fn has_late(&self) -> bool {
        self.late.is_some()
    }

    /// The same, to be changed: it has some from here on.
    pub(crate) fn late_mut(&mut self) -> &mut Late {
        self.late.get_or_insert_with(|| Box::new(Late::NONE.clone()))
    }

    pub(crate) fn record(&self) -> TaskRecord {
        let replicas = self.replicas.iter().map(|(worker, replica)| ReplicaRecord {
            worker: *worker,
            lane: replica.lane,
            weight: replica.weight,
            rank: replica.rank,
            failure: match &replica.state {
                ReplicaState::Failed { failure, .. } => Some(Failure::clone(failure)),
                ReplicaState::Live { .. } | ReplicaState::Lost => None,
            },
        });
        let Late { hopeless, result, weights, lane, .. } = self.late();
        TaskRecord {
            id: self.id,
            deal: self.deal,
            offset: self.offset,
            replicas: replicas.collect(),
            assignments: self.assignments,
            hopeless: hopeless.clone(),
            result: result.as_deref().cloned(),
            weights: weights.iter().map(|(worker, weight)| (*worker, *weight)).collect(),
            is_classic: lane.is_classic,
            closed: lane.closed,
        }
    }

    /// Its place in the line of transactions.
    pub(crate) fn turn(&self) -> Turn {
        (self.offset, self.start, self.id)
    }

    /// Replaces what is known by what the chain says. Where the place in its life changed: the one
    /// before, and for how long it was there, if that is known.
    pub(crate) fn learn(&mut self, facts: TaskFacts, now: Moment) -> Option<(ReportStatus, u64)> {
        let before = core::mem::discriminant(&self.phase);
        let (status, was_known) = (self.phase.status(), !matches!(self.phase, Phase::Unread));
        let TaskFacts { block, view, contributions } = facts;
        let votes: Vec<Vote> = contributions.iter().map(|facts| self.vote(facts)).collect();
        let weights: Few<Address, U256> =
            votes.iter().map(|vote| (vote.worker, vote.weight)).collect();
        if weights != self.late().weights {
            self.late_mut().weights = weights;
            self.is_unsaved = true;
        }
        // Who has voted has computed, whatever it had time to report: also where a rollback takes the vote
        // back its slot is free.
        for vote in &votes {
            if let Some(replica) = self.replicas.get_mut(&vote.worker)
                && let ReplicaState::Live { stage, since, .. } = &mut replica.state
                && *stage < Stage::Computed
            {
                (*stage, *since) = (Stage::Computed, now);
            }
        }
        let deadline = Some(view.contribution_deadline).filter(|at| *at != Timestamp::default());
        if deadline != self.late().contribution_deadline {
            self.late_mut().contribution_deadline = deadline;
        }
        self.phase = Phase::of(block, view, votes, &self.phase);
        self.seen_block = block;
        let has_changed = before != core::mem::discriminant(&self.phase);
        if has_changed {
            self.failed_tries = 0;
            self.is_alone = false;
            if !matches!(self.errand, Errand::InFlight(_)) {
                self.errand = Errand::None;
            }
        }
        let is_settled_here = self.commit().is_some() && matches!(self.phase, Phase::Active { .. });
        let is_uploaded = matches!(self.phase, Phase::Revealing(_)) || is_settled_here;
        if self.has_late() && !is_uploaded {
            let late = self.late_mut();
            late.upload = Upload::None;
            late.upload_rests.clear();
        }
        if has_changed {
            self.told.clear();
        }
        if !has_changed {
            return None;
        }
        let since = core::mem::replace(&mut self.phase_since, was_known.then_some(now));
        since.map(|since| (status, now.0.saturating_sub(since.0)))
    }

    /// A vote with its weight: as it was first seen, else by the worker's score, else by what was
    /// expected at the assignment, whichever has the logarithm that the hub froze.
    fn vote(&self, facts: &ContributionFacts) -> Vote {
        let ContributionFacts { worker, view, score } = *facts;
        let expected = self.replicas.get(&worker).map(|replica| replica.weight);
        let known = [self.late().weights.get(&worker).copied(), Some(weight(score)), expected];
        let is_frozen = |weight: &U256| U256::from(log_weight(*weight)) == view.weight;
        let least = || U256::ONE.checked_shl(view.weight.saturating_to()).unwrap_or(U256::ONE);
        let weight = known.into_iter().flatten().find(is_frozen).unwrap_or_else(least);
        Vote { worker, hash: view.hash, weight, status: view.status }
    }

    /// The commit that the task is in.
    pub(crate) fn commit(&self) -> Option<CommitKey> {
        self.late().lane.commit.as_deref().copied().filter(|_| self.late().lane.closed.is_none())
    }

    /// The workers that compute it for a commit to come, with their stages.
    pub(crate) fn settling(&self) -> Vec<(Address, Stage)> {
        let is_open = match &self.phase {
            Phase::Pending => true,
            Phase::Active { votes } => votes.is_empty(),
            Phase::Unread | Phase::Revealing(_) | Phase::Ended(_) => false,
        };
        if !is_open || self.late().lane.is_classic || self.late().lane.commit.is_some() {
            return Vec::new();
        }
        let is_meant = |replica: &Replica| replica.lane == Lane::Settlement;
        self.in_flight()
            .filter(|(_, replica, _)| is_meant(replica))
            .map(|(worker, _, stage)| (worker, stage))
            .collect()
    }

    /// Whether all of them have computed it, and nothing is under way for it. That they reach the
    /// trust is checked when they are asked.
    pub(crate) fn is_ready(&self, settling: &[(Address, Stage)]) -> bool {
        matches!(self.errand, Errand::None)
            && !settling.is_empty()
            && settling.iter().all(|(_, stage)| *stage >= Stage::Computed)
    }

    pub(crate) fn votes(&self) -> &[Vote] {
        match &self.phase {
            Phase::Unread | Phase::Pending => &[],
            Phase::Active { votes } => votes,
            Phase::Revealing(revealing) => &revealing.votes,
            Phase::Ended(ended) => &ended.votes,
        }
    }

    /// Nobody was given it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.replicas.is_empty() && self.votes().is_empty()
    }

    pub(crate) fn vote_of(&self, worker: Address) -> Option<&Vote> {
        self.votes().iter().find(|vote| vote.worker == worker)
    }

    /// Replicas from which a vote is still expected.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (Address, &Replica, Stage)> {
        self.replicas.iter().filter_map(|(worker, replica)| match &replica.state {
            ReplicaState::Live { stage, .. } if self.vote_of(*worker).is_none() => {
                Some((*worker, replica, *stage))
            }
            ReplicaState::Live { .. } | ReplicaState::Lost | ReplicaState::Failed { .. } => None,
        })
    }

    /// Everyone who computed or may compute this task.
    pub(crate) fn involved(&self) -> BTreeSet<Address> {
        let voters = self.votes().iter().map(|vote| vote.worker);
        self.replicas.keys().copied().chain(voters).collect()
    }

    /// When a worker that is resting after a failure may be asked again.
    pub(crate) fn next_retry(&self, now: Moment) -> Option<Moment> {
        let retry = |replica: &Replica| match &replica.state {
            ReplicaState::Failed { failure, since } if !failure.cause.is_of_the_task() => {
                Some(since.after(SAME_WORKER_SECONDS)).filter(|at| *at > now)
            }
            ReplicaState::Failed { .. } | ReplicaState::Live { .. } | ReplicaState::Lost => None,
        };
        self.replicas.values().filter_map(retry).min()
    }

    /// The failures that other workers would most likely meet too.
    pub(crate) fn own_failures(&self) -> impl Iterator<Item = &Failure> {
        self.replicas.values().filter_map(|replica| match &replica.state {
            ReplicaState::Failed { failure, .. } if failure.cause.is_of_the_task() => {
                Some(&**failure)
            }
            ReplicaState::Failed { .. } | ReplicaState::Live { .. } | ReplicaState::Lost => None,
        })
    }

    /// When a worker last failed at the task's own fault.
    pub(crate) fn last_own_failure(&self) -> Option<Moment> {
        let own = |replica: &Replica| match &replica.state {
            ReplicaState::Failed { failure, since } if failure.cause.is_of_the_task() => {
                Some(*since)
            }
            ReplicaState::Failed { .. } | ReplicaState::Live { .. } | ReplicaState::Lost => None,
        };
        self.replicas.values().filter_map(own).max()
    }

    /// The stored result, if it is the one that the consensus is about.
    pub(crate) fn result_of(&self, consensus: ResultHash) -> Option<&StoredResult> {
        self.late()
            .result
            .as_deref()
            .filter(|stored| ResultHash::of(self.id, stored.digest) == consensus)
    }
}

impl Phase {
    pub(crate) fn status(&self) -> ReportStatus {
        match self {
            Self::Unread | Self::Pending => ReportStatus::Pending,
            Self::Active { .. } => ReportStatus::Active,
            Self::Revealing(_) => ReportStatus::Revealing,
            Self::Ended(ended) if ended.is_completed => ReportStatus::Completed,
            Self::Ended(_) => ReportStatus::Failed,
        }
    }

    fn of(at: u64, view: TaskView, votes: Vec<Vote>, known: &Self) -> Self {
        let digest = Some(view.digest).filter(|digest| *digest != ResultDigest::ZERO);
        let ended = |is_completed, votes| {
            // Read again, an ended task has still ended when it was first seen so.
            let block = match known {
                Self::Ended(ended) => ended.block.min(at),
                Self::Unread | Self::Pending | Self::Active { .. } | Self::Revealing(_) => at,
            };
            let time = view.results_time;
            Self::Ended(Box::new(Ended { is_completed, votes, digest, block, time }))
        };
        match view.status {
            TaskStatus::Unset => Self::Pending,
            TaskStatus::Active => Self::Active { votes },
            TaskStatus::Revealing => Self::Revealing(Box::new(Revealing {
                votes,
                consensus: view.consensus,
                deadline: view.reveal_deadline,
                digest,
                reveals: view.reveal_count,
                winners: view.winner_count,
            })),
            TaskStatus::Completed => ended(true, votes),
            TaskStatus::Failed => ended(false, votes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_replicas_takes_a_quarter_of_a_kilobyte() {
        assert!(size_of::<Task>() <= 264, "{} bytes", size_of::<Task>());
    }
}
