//! What a task needs next: a pure function of what is known. The same plan is carried out and
//! shown, so that what is shown is why.

use crate::action::Kind;
use crate::clock::{ChainClock, Moment};
use crate::consensus::Tally;
use crate::guards::Guards;
use crate::index::Index;
use crate::input::DealFacts;
use crate::intake::{Gate, held_back};
use crate::late::Upload;
use crate::limits::{COMMAND_REPEAT_SECONDS, GUARD_SECONDS, START_RATIO};
use crate::record::{CommitKey, CommitRecord};
use crate::task::{Errand, Phase, Replica, ReplicaState, Revealing, Task, Vote};
use crate::waiting::Waiting;
use crate::words::{Lane, Stage};
use crate::workers::Workers;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::category::{Deadlines, REOPENED_DEADLINE_RATIO};
use poco_core::task::ContributionStatus;
use poco_core::{Address, B256, Conditions, DealConditions, Recorded, Timestamp, U256};

/// One thing that a task needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Transact(Kind),
    /// Tell a worker again what it was assigned.
    Assign(Address),
    Reveal(Address),
    Upload(Address),
    /// Votes that are still under way change nothing any more.
    AbandonRest,
    /// The settlement lane is left for good.
    GoClassic,
    /// Tell a worker the votes of its row.
    Row(Address),
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// More workers would help.
    pub(crate) wants_workers: bool,
    pub(crate) waiting: Waiting,
    pub(crate) wake_at: Option<Moment>,
    pub(crate) wake_when: Option<Timestamp>,
}

/// What a plan is made from, beside the task.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) now: Moment,
    pub(crate) clock: &'a ChainClock,
    pub(crate) workers: &'a Workers,
    pub(crate) index: &'a Index,
    pub(crate) guards: &'a Guards,
    pub(crate) gate: &'a Gate,
    pub(crate) facts: &'a DealFacts,
    pub(crate) commits: &'a BTreeMap<CommitKey, CommitRecord>,
    pub(crate) has_settlement: bool,
    /// Hash and number of the block of the match, and the places before it.
    pub(crate) seed: (B256, u64, u32),
}

impl Sight<'_> {
    pub(crate) fn has_passed(&self, deadline: Timestamp) -> bool {
        self.clock.is_set() && deadline.has_passed(self.clock.time(self.now))
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        self.facts.deal.deadlines(self.facts.work_clock_time_ref_seconds)
    }

    /// When contributions end, as the hub says of the task where it was asked: later than for
    /// others, if the task of a strict deal was reopened.
    fn contribution_deadline(&self, task: &Task) -> Timestamp {
        task.late().contribution_deadline.unwrap_or(self.deadlines().contribution)
    }

    /// The group that must know who votes; `None` where nobody is asked.
    pub(crate) fn guard(&self) -> Option<Address> {
        self.facts.conditions.and_then(DealConditions::guard_of_workers)
    }

    /// What the end of its tasks records; `None` until the deal was read since the start.
    pub(crate) fn recorded(&self) -> Option<Recorded> {
        self.facts.conditions.map(|kept| Recorded::of(&self.facts.deal, kept))
    }

    /// From when on a run would most likely come too late.
    pub(crate) fn last_start(&self, task: &Task) -> Timestamp {
        self.last_start_before(self.contribution_deadline(task))
    }

    /// The same, if the task were reopened.
    fn last_start_if_reopened(&self, task: &Task) -> Timestamp {
        let is_strict =
            self.facts.conditions.is_some_and(|kept| kept.has(Conditions::STRICT_REVEALS));
        if !is_strict {
            return self.last_start(task);
        }
        let seconds = self.facts.work_clock_time_ref_seconds;
        let contribution = seconds.saturating_mul(REOPENED_DEADLINE_RATIO);
        self.last_start_before(self.facts.deal.start_time.after(contribution))
    }

    fn last_start_before(&self, contribution: Timestamp) -> Timestamp {
        let needed = self.facts.work_clock_time_ref_seconds / START_RATIO;
        Timestamp(contribution.0.saturating_sub(needed))
    }
}

/// Makes the plan of `task`.
pub(crate) fn plan(task: &Task, sight: Sight<'_>) -> Plan {
    let mut planner = Planner { task, sight, plan: Plan::empty() };
    let waiting = planner.phase();
    planner.plan.waiting = waiting;
    planner.plan
}

impl Plan {
    fn empty() -> Self {
        Self {
            steps: Vec::new(),
            wants_workers: false,
            waiting: Waiting::Chain,
            wake_at: None,
            wake_when: None,
        }
    }
}

pub(crate) struct Planner<'a> {
    pub(crate) task: &'a Task,
    pub(crate) sight: Sight<'a>,
    pub(crate) plan: Plan,
}

impl Planner<'_> {
    fn phase(&mut self) -> Waiting {
        match &self.task.phase {
            Phase::Unread => Waiting::Chain,
            // Which lane it takes, and who may vote, the conditions say.
            Phase::Pending | Phase::Active { .. } if self.sight.facts.conditions.is_none() => {
                Waiting::Chain
            }
            Phase::Pending | Phase::Active { .. } if self.task.commit().is_some() => {
                self.committed()
            }
            Phase::Pending if self.sight.settles(self.task) => self.uncommitted(),
            Phase::Active { votes } if votes.is_empty() && self.sight.settles(self.task) => {
                self.uncommitted()
            }
            Phase::Pending => self.pending(),
            Phase::Active { votes } => self.active(votes),
            Phase::Revealing(revealing) => self.revealing(revealing),
            Phase::Ended(ended) if ended.is_completed => Waiting::Completed,
            Phase::Ended(_) => Waiting::Claimed { reason: self.task.late().hopeless.clone() },
        }
    }

    fn pending(&mut self) -> Waiting {
        let last = self.sight.deadlines().last;
        if self.is_past(last) {
            return self.transact(Kind::InitializeAndClaim);
        }
        if self.is_past(self.sight.last_start(self.task)) {
            return Waiting::Claim { reason: "too late to compute".into(), at: last };
        }
        let held_by = held_back(self.sight.gate, self.task);
        if !held_by.is_empty() {
            return Waiting::Intake(held_by);
        }
        self.transact(Kind::Initialize)
    }

    fn active(&mut self, votes: &[Vote]) -> Waiting {
        let Deadlines { last, .. } = self.sight.deadlines();
        let contribution = self.sight.contribution_deadline(self.task);
        if self.is_past(last) {
            return self.transact(Kind::Claim);
        }
        if self.is_past(contribution) {
            let reason = self.task.late().hopeless.clone();
            let reason = reason.unwrap_or_else(|| "no consensus in time".into());
            return Waiting::Claim { reason, at: last };
        }
        let task = self.task;
        let in_lane = |replica: &Replica| replica.lane == Lane::Settlement;
        if !votes.is_empty()
            && !task.late().lane.is_classic
            && task.in_flight().any(|(_, replica, _)| in_lane(replica))
        {
            // No commit takes a task any more for which somebody has voted on chain.
            self.plan.steps.push(Step::GoClassic);
        }
        let under_way = task.in_flight().count();
        for (worker, _, stage) in task.in_flight() {
            // Who began in the settlement lane is told that the lane has changed.
            let is_moved =
                task.late().lane.is_classic && matches!(stage, Stage::Computed | Stage::Balloted);
            if stage == Stage::Promised || is_moved {
                self.tell(worker, Step::Assign(worker));
            }
        }
        let tally = Tally::of(votes);
        let weights = task.in_flight().map(|(_, replica, _)| replica.weight);
        if tally.reaches(weights, self.sight.facts.deal.trust) {
            return Waiting::Votes { under_way, votes: votes.len() };
        }
        if let Some(reason) = &task.late().hopeless {
            return Waiting::Claim { reason: reason.clone(), at: last };
        }
        if self.is_past(self.sight.last_start(task)) {
            if under_way > 0 {
                return Waiting::Votes { under_way, votes: votes.len() };
            }
            return Waiting::Claim { reason: "too late to compute".into(), at: last };
        }
        let held_by = held_back(self.sight.gate, task);
        if !held_by.is_empty() {
            return Waiting::Intake(held_by);
        }
        self.plan.wants_workers = true;
        if self.sight.guard().is_some() {
            // Twice per answer: once to ask again, once to see what came of it.
            self.wake_at(Some(self.sight.now.after(GUARD_SECONDS / 2)));
        }
        self.wake_at(task.next_retry(self.sight.now));
        self.workers(under_way)
    }

    /// Says what the last failure was; who could take the task, the decision says.
    pub(crate) fn workers(&self, under_way: usize) -> Waiting {
        let mut last = self.task.replicas.values().filter_map(|replica| match &replica.state {
            ReplicaState::Failed { failure, .. } => Some(failure.to_string()),
            ReplicaState::Live { .. } | ReplicaState::Lost => None,
        });
        Waiting::Workers { under_way, last: last.next_back() }
    }

    fn revealing(&mut self, revealing: &Revealing) -> Waiting {
        let last = self.sight.deadlines().last;
        if self.is_past(last) {
            return self.transact(Kind::Claim);
        }
        if self.task.in_flight().next().is_some() {
            self.plan.steps.push(Step::AbandonRest);
        }
        let is_late = self.is_past(revealing.deadline);
        if is_late && revealing.reveals == 0 {
            if self.is_past(self.sight.last_start_if_reopened(self.task)) {
                let reason: String =
                    "no winner revealed, and it is too late to compute again".into();
                return Waiting::Claim { reason, at: last };
            }
            return self.transact(Kind::Reopen);
        }
        if !is_late {
            for vote in self.with_status(revealing, ContributionStatus::Contributed) {
                if self.sight.workers.is_connected(vote.worker) {
                    self.tell(vote.worker, Step::Reveal(vote.worker));
                }
            }
        }
        let has_result = self.task.result_of(revealing.consensus).is_some();
        if !has_result && revealing.reveals > 0 {
            let waiting = self.upload(revealing);
            return waiting;
        }
        if has_result && (is_late || revealing.reveals >= revealing.winners) {
            if self.sight.recorded().is_none() {
                return Waiting::Chain;
            }
            return self.transact(Kind::Finalize);
        }
        let missing = revealing.winners.saturating_sub(revealing.reveals);
        Waiting::Reveals { missing, until: revealing.deadline }
    }

    fn with_status(&self, revealing: &Revealing, status: ContributionStatus) -> Vec<Vote> {
        let is_meant = |vote: &&Vote| vote.hash == revealing.consensus && vote.status == status;
        revealing.votes.iter().filter(is_meant).copied().collect()
    }

    fn upload(&mut self, revealing: &Revealing) -> Waiting {
        let revealers = self.with_status(revealing, ContributionStatus::Proved);
        self.upload_by(revealers.iter().map(|vote| vote.worker).collect())
    }

    /// Asks one of those who gave the digest away for the result.
    pub(crate) fn upload_by(&mut self, revealers: Vec<Address>) -> Waiting {
        let connected: Vec<Address> = revealers
            .into_iter()
            .filter(|worker| self.sight.workers.is_connected(*worker))
            .collect();
        match self.task.late().upload {
            Upload::Asked { .. } | Upload::Running { .. } => {
                return Waiting::Result { is_running: true, connected: connected.len() };
            }
            Upload::None => {}
        }
        let now = self.sight.now;
        let rests =
            |worker: &Address| self.task.late().upload_rests.get(worker).filter(|at| **at > now);
        match connected.iter().find(|worker| rests(worker).is_none()) {
            Some(worker) => self.plan.steps.push(Step::Upload(*worker)),
            None => self.wake_at(connected.iter().filter_map(rests).min().copied()),
        }
        Waiting::Result { is_running: false, connected: connected.len() }
    }

    /// Wants a transaction, unless one is on its way or resting, or the chain has just been asked.
    pub(crate) fn transact(&mut self, kind: Kind) -> Waiting {
        match &self.task.errand {
            Errand::InFlight(kind) => return Waiting::Transaction(*kind),
            Errand::Queued(queued) if *queued == kind => return Waiting::Transaction(kind),
            Errand::Resting { kind, until } if *until > self.sight.now => {
                self.wake_at(Some(*until));
                let reason = self.task.late().refusal.clone();
                return Waiting::Rest { kind: *kind, reason };
            }
            Errand::None | Errand::Queued(_) | Errand::Resting { .. } => {}
        }
        if self.task.reading.is_some() {
            return Waiting::Chain;
        }
        self.plan.steps.push(Step::Transact(kind));
        Waiting::Transaction(kind)
    }

    /// Wants a command told, if the worker has not been told lately.
    pub(crate) fn tell(&mut self, worker: Address, step: Step) {
        if !self.sight.workers.is_connected(worker) {
            return;
        }
        let again = self.task.told.get(&worker).map(|told| told.after(COMMAND_REPEAT_SECONDS));
        match again.filter(|again| *again > self.sight.now) {
            Some(again) => self.wake_at(Some(again)),
            None => {
                self.plan.steps.push(step);
                self.wake_at(Some(self.sight.now.after(COMMAND_REPEAT_SECONDS)));
            }
        }
    }

    /// Whether a deadline has passed; if not, its coming is a reason to look again.
    pub(crate) fn is_past(&mut self, deadline: Timestamp) -> bool {
        let has_passed = self.sight.has_passed(deadline);
        if !has_passed {
            let sooner = self.plan.wake_when.map_or(deadline, |when| when.min(deadline));
            self.plan.wake_when = Some(sooner);
        }
        has_passed
    }

    pub(crate) fn wake_at(&mut self, at: Option<Moment>) {
        self.plan.wake_at = [self.plan.wake_at, at].into_iter().flatten().min();
    }
}

/// Why a task is given up after its own failures.
pub(crate) fn hopeless_reason(failures: &[String], trust: U256) -> String {
    let last = failures.last().map(String::as_str).unwrap_or_default();
    format!("failed on {} workers (trust {trust}): {last}", failures.len())
}
