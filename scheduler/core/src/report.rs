//! What is shown of a core: tasks and numbers.

use crate::clock::Head;
use crate::core::Core;
use crate::deals::DealState;
use crate::decide::{Depth, Question};
use crate::plan::{Sight, plan};
use crate::record::MemberRecord;
use crate::task::{Errand, Phase, ReplicaState, Task};
use crate::trace::Constraint;
use crate::waiting::Waiting;
use crate::words::{Failure, Lane, Stage};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::{Address, Amount, DealId, ResultDigest, TaskId, Timestamp, U256};
use serde::{Deserialize, Serialize};

/// What a task waits for, in one line.
pub(crate) fn spell(waiting: Waiting, task: &Task, sight: Sight<'_>) -> String {
    let Waiting::Workers { under_way, last } = waiting else { return waiting.to_string() };
    let trace = Question::new(sight, task).decide(Depth::Whole).trace;
    let mut text = format!(
        "workers: {under_way} compute it, {} are connected, {} of the others fit, {} of these have \
         a free slot",
        trace.looked_at,
        trace.fitting(),
        trace.free()
    );
    if let Some(guard) = sight.guard() {
        let strangers = [Constraint::GuardUnasked, Constraint::GuardDenies];
        let strangers =
            strangers.map(|one| trace.removed_by(one)).into_iter().fold(0, usize::saturating_add);
        text.push_str(&format!(
            "; {strangers} more would fit, but the deal's guard {guard} does not know them"
        ));
    }
    text.extend(last.map(|last| format!("; last failure: {last}")));
    text
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReportStatus {
    /// Not opened on chain, as far as known.
    Pending,
    /// Takes contributions.
    Active,
    /// Takes reveals.
    Revealing,
    /// Finalized.
    Completed,
    /// Claimed.
    Failed,
}

/// A task as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task.
    pub task: TaskId,
    /// Its deal.
    pub deal: DealId,
    /// Its index.
    pub index: U256,
    /// Where it stands.
    pub status: ReportStatus,
    /// What it waits for, or why it failed.
    pub waiting_for: String,
    /// Why it is computed no longer, held until its claim.
    pub given_up: Option<String>,
    /// The lane of its replicas.
    pub lane: Lane,
    /// Everyone who computed or may compute it.
    pub replicas: Vec<ReplicaReport>,
    /// No contribution from this time on.
    pub contribution_deadline: Timestamp,
    /// No reveal from this time on; zero before a consensus.
    pub reveal_deadline: Timestamp,
    /// Claims from this time on.
    pub final_deadline: Timestamp,
    /// Where the result is; empty before it is stored.
    pub location: String,
    /// What the result is worth, once disclosed.
    pub digest: Option<ResultDigest>,
    /// When it was finalized; zero before.
    pub ended: Timestamp,
}

/// A replica as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Whose.
    pub worker: Address,
    /// How far it came.
    pub stage: Option<Stage>,
    /// Whether its worker is connected.
    pub is_connected: bool,
    /// Why nothing will come.
    pub failure: Option<Failure>,
    /// Chain time of the last change.
    pub updated: Timestamp,
}

/// A scheduler in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Deals that are not over.
    pub deals: usize,
    /// Tasks by status.
    pub tasks: BTreeMap<ReportStatus, usize>,
    /// Tasks that count for the live limit.
    pub tasks_live: usize,
    /// Tasks that more workers would help.
    pub tasks_wanting: usize,
    /// Tasks given up and held until their claim.
    pub tasks_hopeless: usize,
    /// Connected workers.
    pub workers: usize,
    /// Their slots.
    pub slots: usize,
    /// Those that are taken.
    pub slots_used: usize,
    /// Tasks whose transaction is on its way.
    pub transactions_in_flight: usize,
    /// Tasks that have not ended by what they wait for.
    pub waits: BTreeMap<&'static str, usize>,
    /// Tasks of known deals that are not made yet.
    pub tasks_unmade: u64,
    /// The last block taken in.
    pub head: Head,
}

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerReport {
    /// Its wallet.
    pub worker: Address,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Whether it gets nothing new.
    pub is_drained: bool,
    /// The slots that it offers; none while it is away.
    pub slots: u32,
    /// Those that are taken.
    pub slots_used: usize,
    /// Tasks that it computed or may compute and that have not ended.
    pub tasks: usize,
    /// What its vote weighs; zero while it is away.
    pub weight: U256,
    /// What a commit may lock of its bond.
    pub bond: Amount,
}

impl Core {
    /// What there is to say about a task; `None` where it is not known here or not made yet.
    #[must_use]
    pub fn task_report(&self, id: TaskId) -> Option<TaskReport> {
        let task = self.tasks.get(&id)?;
        let waiting = plan(task, self.sight(task.deal)?).waiting;
        self.report_of(task, waiting)
    }

    /// The same of the task that is `offset` away from the first of its deal, made or not; `None`
    /// where the deal is not known here or has no such task, or the task has ended and is forgotten.
    #[must_use]
    pub fn task_report_at(&self, deal: DealId, offset: u64) -> Option<TaskReport> {
        let Some(task) = self.unmade_task(deal, offset) else {
            return self.task_report(self.task_at(deal, offset)?);
        };
        let waiting = self.waiting_unmade(&task, self.sight(deal)?);
        self.report_of(&task, waiting)
    }

    fn report_of(&self, task: &Task, waiting: Waiting) -> Option<TaskReport> {
        let sight = self.sight(task.deal)?;
        let deadlines = sight.facts.deal.deadlines(sight.facts.work_clock_time_ref_seconds);
        let (status, reveal_deadline, digest, ended) = match &task.phase {
            Phase::Unread | Phase::Pending => (ReportStatus::Pending, None, None, None),
            Phase::Active { .. } => (ReportStatus::Active, None, None, None),
            Phase::Revealing(revealing) => {
                (ReportStatus::Revealing, Some(revealing.deadline), revealing.digest, None)
            }
            Phase::Ended(ended) if ended.is_completed => {
                (ReportStatus::Completed, None, ended.digest, Some(ended.time))
            }
            Phase::Ended(_) => (ReportStatus::Failed, None, None, None),
        };
        let replica = |worker: Address| {
            let known = task.replicas.get(&worker);
            let failure = known.and_then(|replica| match &replica.state {
                ReplicaState::Failed { failure, .. } => Some(Failure::clone(failure)),
                ReplicaState::Live { .. } | ReplicaState::Lost => None,
            });
            let has_stored =
                task.late().result.as_ref().is_some_and(|result| result.worker == worker);
            let stage = if has_stored { Some(Stage::Uploaded) } else { task.stage_of(worker) };
            ReplicaReport {
                worker,
                stage,
                is_connected: self.workers.is_connected(worker),
                failure,
                updated: known.map(|replica| replica.updated).unwrap_or_default(),
            }
        };
        let last = task.replicas.values().next_back().map_or(Lane::Classic, |last| last.lane);
        let lane = if task.late().lane.is_classic { Lane::Classic } else { last };
        let location = task.late().result.as_ref().map(|result| result.location.clone());
        Some(TaskReport {
            task: task.id,
            deal: task.deal,
            index: sight.facts.deal.bot_first.saturating_add(U256::from(task.offset)),
            status,
            waiting_for: spell(waiting, task, sight),
            given_up: task.late().hopeless.clone(),
            lane,
            replicas: task.involved().into_iter().map(replica).collect(),
            contribution_deadline: task
                .late()
                .contribution_deadline
                .unwrap_or(deadlines.contribution),
            reveal_deadline: reveal_deadline.unwrap_or_default(),
            final_deadline: deadlines.last,
            location: location.unwrap_or_default(),
            digest,
            ended: ended.unwrap_or_default(),
        })
    }

    /// Who alone may read the result of a task: `None` where it is not known here, the zero
    /// address where everybody may.
    #[must_use]
    pub fn beneficiary(&self, task: TaskId) -> Option<Address> {
        let task = self.tasks.get(&task)?;
        Some(self.sight(task.deal)?.facts.deal.beneficiary)
    }

    /// How many of a worker's slots are taken.
    #[must_use]
    pub fn slots_used(&self, worker: Address) -> usize {
        self.index.slots_used(worker)
    }

    /// Every worker that is connected, holds a promise or is drained.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerReport> {
        let connected = self.workers.connected().map(|(worker, _)| worker);
        let held = self.index.holders();
        let all: BTreeSet<Address> = connected.chain(held).chain(self.workers.drained()).collect();
        let report = |worker: Address| {
            let known = self.workers.find(worker);
            WorkerReport {
                worker,
                is_connected: known.is_some(),
                is_drained: self.workers.is_drained(worker),
                slots: known.map_or(0, |known| known.capacity.slots),
                slots_used: self.index.slots_used(worker),
                tasks: self.index.tasks_len(worker),
                weight: known.map_or(U256::ZERO, |known| known.weight),
                bond: known.map_or(Amount::ZERO, |known| known.bond),
            }
        };
        all.into_iter().map(report).collect()
    }

    /// Who has which place in the orders that are drawn, in the order of the places: with the block and the number of
    /// places that a task's explanation tells, anyone can compute in which order its workers were tried.
    #[must_use]
    pub fn members(&self) -> Vec<MemberRecord> {
        self.workers.members().collect()
    }

    /// The scheduler in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            deals: self.deals.len(),
            tasks_live: self.index.live_len(),
            tasks_wanting: self.wanting.len(),
            workers: self.workers.connected().count(),
            slots: self.workers.slots(),
            slots_used: self.workers.connected().map(|(who, _)| self.index.slots_used(who)).sum(),
            tasks_unmade: self.deals.values().map(DealState::unmade).fold(0, u64::saturating_add),
            head: self.clock.head(),
            ..Stats::default()
        };
        for task in self.tasks.values() {
            let count = stats.tasks.entry(task.phase.status()).or_default();
            *count = count.saturating_add(1);
            if !matches!(task.phase, Phase::Ended(_)) {
                let waits = stats.waits.entry(task.waits_for).or_default();
                *waits = waits.saturating_add(1);
            }
            let is_held = task.late().hopeless.is_some() && !matches!(task.phase, Phase::Ended(_));
            stats.tasks_hopeless = stats.tasks_hopeless.saturating_add(usize::from(is_held));
            let is_flying = matches!(task.errand, Errand::InFlight(_));
            stats.transactions_in_flight =
                stats.transactions_in_flight.saturating_add(usize::from(is_flying));
        }
        stats
    }
}
