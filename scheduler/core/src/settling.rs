//! The settlement lane of one task: whether it takes it, what its votes come to, when it is settled
//! and when it is closed into the classic lane.

use crate::action::{Action, Command, Kind};
use crate::core::Core;
use crate::decide::{Depth, Question};
use crate::intake::held_back;
use crate::late::RowTold;
use crate::limits::{
    COMMAND_REPEAT_SECONDS, GATHER_SECONDS, SETTLEMENT_TASKS_MAX, SETTLEMENT_TRIES_MAX,
};
use crate::pick::Goal;
use crate::plan::{Planner, Sight, Step};
use crate::record::{CommitKey, CommitRecord};
use crate::task::{Errand, Phase, Task};
use crate::waiting::Waiting;
use crate::words::{Lane, Stage};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::category::Deadlines;
use poco_core::credibility::WEIGHT_MIN;
use poco_core::lane::{
    Batch, LaneCall, Member, OtherVote, Outcome, ROW_MAX, Row, RowVote, Vote, head_bytes, leader,
    most_bytes,
};
use poco_core::{
    Address, Amount, Conditions, DealConditions, RECORD_BYTES_MAX, ResultDigest, ResultHash,
    TaskId, Timestamp, U256,
};

impl<'a> Sight<'a> {
    /// Whether a task that is not committed takes the settlement lane: where the hub has it, for
    /// replicated tasks and bags, without enclaves and without conditions but that results are
    /// bound, as long as nobody voted on chain.
    pub(crate) fn settles(&self, task: &Task) -> bool {
        let deal = &self.facts.deal;
        let is_worth_it = deal.trust > U256::ONE || deal.bot_size > U256::ONE;
        let is_open = task.votes().is_empty()
            && !task.late().lane.is_classic
            && task.late().lane.commit.is_none()
            && task.replicas.values().all(|replica| replica.lane == Lane::Settlement);
        self.has_settlement
            && is_worth_it
            && is_open
            && !deal.needs_enclave()
            && self.facts.conditions.is_some_and(is_settled_alike)
    }

    /// Whether those that compute a task of the lane are enough for it: they reach the trust, and a
    /// few of them could not outvote the others, unless nobody is there who would change that.
    pub(crate) fn is_manned(&self, task: &Task) -> bool {
        let question = Question::new(*self, task);
        let goal = question.goal();
        if goal.is_met(&[]) {
            return true;
        }
        let reaches = Goal { members_min: 1, ..goal.clone() }.is_met(&[]);
        let is_late = self.has_passed(self.last_start(task));
        reaches && (is_late || question.decide_for(&goal, Depth::Enough).set.is_none())
    }

    /// Whether a task that settles becomes a classic one: where too few have a bond while enough are
    /// there without, or a row would be too long.
    pub(crate) fn leaves_lane(&self, task: &Task, under_way: usize) -> bool {
        let reach = |question: &Question<'_>| {
            let set = question.decide(Depth::Enough).set;
            set.map(|chosen| chosen.len().saturating_add(under_way))
        };
        match reach(&Question::new(*self, task)) {
            Some(workers) => workers > ROW_MAX,
            None => reach(&Question::classic(*self, task)).is_some(),
        }
    }

    /// Whether a worker's bond answers for one vote of this deal more.
    pub(crate) fn is_bonded(&self, worker: Address) -> bool {
        self.bond_missing(worker) == Some(Amount::ZERO)
    }

    /// What a worker's bond lacks to answer for one vote of this deal more; `None` where that is
    /// beyond any amount, or the worker not connected.
    pub(crate) fn bond_missing(&self, worker: Address) -> Option<Amount> {
        let bond = self.workers.bond_of(worker)?;
        let needed = self.index.bonded(worker)?.checked_add(self.facts.deal.worker_stake)?;
        Some(needed.checked_sub(bond).unwrap_or_default())
    }

    fn commit_of(&self, task: &Task) -> Option<&'a CommitRecord> {
        self.commits.get(&task.commit()?)
    }

    fn index_of(&self, task: &Task) -> U256 {
        self.facts.deal.bot_first.saturating_add(U256::from(task.offset))
    }

    fn row(&self, task: &Task) -> Option<&'a Row> {
        self.commit_of(task)?.row(self.index_of(task))
    }

    /// Until when votes may be disclosed.
    fn grace(&self, commit: &CommitRecord) -> Timestamp {
        Deadlines::reveal(commit.key.time, self.facts.work_clock_time_ref_seconds)
    }

    /// The row with what is known of its votes: those that open what was committed.
    fn members(&self, task: &Task) -> Vec<Member> {
        let member = |entry: &poco_core::lane::Entry| {
            let told = task.late().lane.told.get(&entry.worker).map(|(vote, _)| *vote);
            let expected = task.replicas.get(&entry.worker).map(|replica| replica.weight);
            Member {
                worker: entry.worker,
                weight: expected.unwrap_or(U256::from(WEIGHT_MIN)),
                vote: told.filter(|vote| vote.blinded() == entry.vote),
            }
        };
        self.row(task).map(|row| row.0.iter().map(member).collect()).unwrap_or_default()
    }

    /// The hash that the known votes of a committed task agree on.
    pub(crate) fn leading(&self, task: &Task) -> Option<ResultHash> {
        leader(&self.members(task), self.facts.deal.trust)
    }
}

/// Whether the conditions of a deal ask for nothing that the settlement lane does in another way.
fn is_settled_alike(kept: DealConditions) -> bool {
    Conditions::BOUND_RESULTS.contains(kept.conditions())
}

/// The digest of a committed task, if somebody gave it away or the result is here.
fn digest_of(task: &Task, hash: ResultHash) -> Option<ResultDigest> {
    let told = task.late().lane.told.values().filter_map(|(_, digest)| *digest);
    let stored = task.late().result.as_ref().map(|result| result.digest);
    told.chain(stored).find(|digest| ResultHash::of(task.id, *digest) == hash)
}

impl Planner<'_> {
    /// A task that is to be committed: workers, then their ballots.
    pub(crate) fn uncommitted(&mut self) -> Waiting {
        let Deadlines { contribution, last } = self.sight.deadlines();
        let task = self.task;
        let claim = match task.phase {
            Phase::Active { .. } => Kind::Claim,
            Phase::Unread | Phase::Pending | Phase::Revealing(_) | Phase::Ended(_) => {
                Kind::InitializeAndClaim
            }
        };
        if self.is_past(last) {
            return self.transact(claim);
        }
        if let Some(reason) = &task.late().hopeless {
            return Waiting::Claim { reason: reason.clone(), at: last };
        }
        if self.is_past(contribution) {
            return Waiting::Claim { reason: "no commit in time".into(), at: last };
        }
        match &task.errand {
            Errand::InFlight(kind) => return Waiting::Transaction(*kind),
            Errand::Resting { kind: Kind::Commit, until } => {
                if task.failed_tries >= SETTLEMENT_TRIES_MAX {
                    self.plan.steps.push(Step::GoClassic);
                }
                self.wake_at(Some(*until));
                let reason = task.late().refusal.clone();
                return Waiting::Rest { kind: Kind::Commit, reason };
            }
            // Of the classic lane's way, which it would have gone: no commit takes it before that is over.
            Errand::Resting { until, .. } => self.wake_at(Some(*until)),
            Errand::None | Errand::Queued(_) => {}
        }
        let under_way: Vec<(Address, Stage)> =
            task.in_flight().map(|(worker, _, stage)| (worker, stage)).collect();
        for (worker, stage) in &under_way {
            if *stage == Stage::Promised {
                self.tell(*worker, Step::Assign(*worker));
            }
        }
        if self.sight.is_manned(task) {
            if under_way.iter().all(|(_, stage)| *stage >= Stage::Computed) {
                self.wake_at(Some(self.sight.now.after(GATHER_SECONDS)));
                return Waiting::Ballots { under_way: under_way.len() };
            }
            return Waiting::Votes { under_way: under_way.len(), votes: 0 };
        }
        if self.is_past(self.sight.last_start(task)) {
            if under_way.is_empty() {
                return Waiting::Claim { reason: "too late to compute".into(), at: last };
            }
            return Waiting::Votes { under_way: under_way.len(), votes: 0 };
        }
        let held_by = held_back(self.sight.gate, task);
        if !held_by.is_empty() {
            return Waiting::Intake(held_by);
        }
        self.more_workers(under_way.len())
    }

    fn more_workers(&mut self, under_way: usize) -> Waiting {
        if self.sight.leaves_lane(self.task, under_way) {
            self.plan.steps.push(Step::GoClassic);
        } else {
            self.plan.wants_workers = true;
            self.wake_at(self.task.next_retry(self.sight.now));
        }
        self.workers(under_way)
    }

    /// A task in its commit: disclosures, the digest, the result, the settlement; or its closing.
    pub(crate) fn committed(&mut self) -> Waiting {
        let last = self.sight.deadlines().last;
        let claim = self.is_past(last);
        let Some(commit) = self.sight.commit_of(self.task) else { return Waiting::Chain };
        if matches!(self.task.phase, Phase::Pending) {
            // Its commit has opened it; the view is older.
            return Waiting::Chain;
        }
        if claim {
            return self.transact(Kind::Claim);
        }
        let until = self.sight.grace(commit);
        let is_over = self.is_past(until);
        let members = self.sight.members(self.task);
        let known = members.iter().filter(|member| member.vote.is_some()).count();
        let is_spent = is_over && self.task.failed_tries >= SETTLEMENT_TRIES_MAX;
        if !self.task.late().lane.is_classic && !is_spent {
            // Its nonce is not known here: it cannot be settled with the others.
            let is_apart = members
                .iter()
                .any(|one| one.vote.is_none() && self.task.vote_of(one.worker).is_some());
            let is_complete = known == members.len() || is_over;
            if !is_apart && !is_complete {
                // Who has not told its vote may not know yet that it is committed.
                let silent = members.iter().filter(|member| member.vote.is_none());
                self.tell_row(silent.map(|member| member.worker).collect(), None);
                return Waiting::Disclosures { known, of: members.len(), until };
            }
            let leading = leader(&members, self.sight.facts.deal.trust).filter(|_| !is_apart);
            if let Some(hash) = leading {
                let has_digest = digest_of(self.task, hash).is_some();
                if has_digest || !is_over {
                    return self.settle(hash, &members);
                }
            }
        }
        if !self.task.late().lane.is_classic {
            self.plan.steps.push(Step::GoClassic);
            return Waiting::Disclosures { known, of: members.len(), until };
        }
        self.close(&members, until, is_over)
    }

    /// The votes of the row agree: wants the digest, the result, the settlement.
    fn settle(&mut self, hash: ResultHash, members: &[Member]) -> Waiting {
        if digest_of(self.task, hash).is_none() {
            let agree = members.iter().filter(|one| one.vote.is_some_and(|v| v.hash == hash));
            let agree: Vec<Address> = agree
                .map(|one| one.worker)
                .filter(|worker| self.sight.workers.is_connected(*worker))
                .collect();
            let known = members.iter().filter(|member| member.vote.is_some()).count();
            let connected = agree.len();
            self.tell_row(agree, Some(known));
            return Waiting::Digest { connected };
        }
        if self.task.result_of(hash).is_none() {
            let told = self.task.late().lane.told.iter();
            let gave = told.filter(|(_, (vote, digest))| vote.hash == hash && digest.is_some());
            return self.upload_by(gave.map(|(worker, _)| *worker).collect());
        }
        if self.sight.recorded().is_none() {
            return Waiting::Chain;
        }
        let waiting = self.transact(Kind::Settle);
        if matches!(self.task.errand, Errand::None | Errand::Queued(_)) {
            self.wake_at(Some(self.sight.now.after(GATHER_SECONDS)));
        }
        waiting
    }

    /// Tells workers the row, now and then; at once where they were not told as many votes of it as
    /// are `known`.
    fn tell_row(&mut self, workers: Vec<Address>, known: Option<usize>) {
        for worker in workers {
            if !self.sight.workers.is_connected(worker) {
                continue;
            }
            let told = self.task.late().lane.row_told.get(&worker);
            let again = told.filter(|told| known.is_none_or(|known| told.known == known));
            let again = again.map(|told| told.at.after(COMMAND_REPEAT_SECONDS));
            match again.filter(|again| *again > self.sight.now) {
                Some(again) => self.wake_at(Some(again)),
                None => {
                    self.plan.steps.push(Step::Row(worker));
                    self.wake_at(Some(self.sight.now.after(COMMAND_REPEAT_SECONDS)));
                }
            }
        }
    }

    /// Puts the known votes on chain and takes the task out of its commit.
    fn close(&mut self, members: &[Member], until: Timestamp, is_over: bool) -> Waiting {
        let is_on_chain = |one: &Member| self.task.vote_of(one.worker).is_some();
        if members.iter().any(|one| one.vote.is_some() && !is_on_chain(one)) {
            return self.transact(Kind::Disclose);
        }
        let known = members.iter().filter(|one| is_on_chain(one)).count();
        if known == members.len() || is_over {
            return self.transact(Kind::Close);
        }
        Waiting::Disclosures { known, of: members.len(), until }
    }
}

impl Core {
    /// Leaves the settlement lane. Workers that compute the task go on, and vote on chain.
    pub(crate) fn go_classic(task: &mut Task) {
        task.late_mut().lane.is_classic = true;
        task.is_unsaved = true;
        task.failed_tries = 0;
        if !matches!(task.errand, Errand::InFlight(_)) {
            task.errand = Errand::None;
        }
        if task.commit().is_some() {
            return;
        }
        // Also of those given up: who comes back with the work done is taken again.
        for (worker, replica) in task.replicas.iter_mut() {
            replica.lane = Lane::Classic;
            task.told.remove(worker);
        }
    }

    pub(crate) fn tell_row(&mut self, task: &mut Task, worker: Address) {
        let Some(sight) = self.sight(task.deal) else { return };
        let votes: Vec<_> = sight.members(task).into_iter().map(|member| member.vote).collect();
        let known = votes.iter().filter(|vote| vote.is_some()).count();
        task.late_mut().lane.row_told.insert(worker, RowTold { at: self.now, known });
        let command = Command::Row { task: task.id, votes };
        self.act(Action::Tell { worker, command });
    }

    /// Tasks of one commit that stand side by side and can be settled, when no others of it are
    /// expected soon.
    pub(crate) fn next_settlement(&self) -> Option<Vec<TaskId>> {
        let queued = self.index.queued.get(&Kind::Settle)?;
        let tasks = || queued.iter().filter_map(|(_, _, id)| self.tasks.get(id));
        if let Some(alone) = tasks().find(|task| task.is_alone) {
            return Some(alloc::vec![alone.id]);
        }
        let mut groups: BTreeMap<CommitKey, Vec<(u64, &Task)>> = BTreeMap::new();
        for task in tasks() {
            let Some(key) = task.commit() else { return Some(alloc::vec![task.id]) };
            groups.entry(key).or_default().push((task.offset, task));
        }
        for (key, mut group) in groups {
            group.sort_by_key(|(offset, _)| *offset);
            let since = group.iter().filter_map(|(_, one)| one.late().lane.settle_since).min();
            let is_due = since.is_none_or(|since| since.after(GATHER_SECONDS) <= self.now);
            if is_due || group.len() >= SETTLEMENT_TASKS_MAX || !self.has_open(key) {
                return Some(self.recordable(first_run(&group)));
            }
        }
        None
    }

    /// As many tasks of a run as the record of their batch has room for, and at least one.
    fn recordable(&self, mut run: Vec<TaskId>) -> Vec<TaskId> {
        let Some(LaneCall::Settle { batches }) = self.lane_call(Kind::Settle, &run) else {
            return run;
        };
        let Some(batch) = batches.first() else { return run };
        let mut bytes = head_bytes(batch.workers.len());
        let fits = |outcome: &&Outcome| {
            bytes = bytes.saturating_add(most_bytes(outcome));
            bytes <= RECORD_BYTES_MAX
        };
        let count = batch.outcomes.iter().take_while(fits).count();
        run.truncate(count.max(1));
        run
    }

    /// Whether a task of a commit is still on its way to its settlement.
    fn has_open(&self, key: CommitKey) -> bool {
        let rows = self.commits.get(&key).map_or(0, |commit| commit.rows.len());
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let is_open = |other: &Task| {
            other.commit() == Some(key)
                && !other.late().lane.is_classic
                && !matches!(other.phase, Phase::Ended(_))
                && !matches!(other.errand, Errand::Queued(Kind::Settle))
        };
        let indexes = (0..rows).filter_map(|place| key.first.checked_add(U256::from(place)));
        let tasks = indexes.map(|index| TaskId::of_deal(key.deal, index));
        tasks.filter_map(|id| self.tasks.get(&id)).any(|other| is_open(other))
    }

    /// The calls of the lane; `None` where a task is not what it was when it was queued.
    pub(crate) fn lane_call(&self, kind: Kind, tasks: &[TaskId]) -> Option<LaneCall> {
        let first = self.tasks.get(tasks.first()?)?;
        let sight = self.sight(first.deal)?;
        let commit = sight.commit_of(first)?;
        let place = commit.place(sight.index_of(first))?;
        let row = || sight.row(first).cloned();
        match kind {
            Kind::Settle => {
                let tasks: Option<Vec<&Task>> =
                    tasks.iter().map(|id| Some(&**self.tasks.get(id)?)).collect();
                let batch = batch(&sight, commit, place, &tasks?)?;
                Some(LaneCall::Settle { batches: Vec::from([batch]) })
            }
            Kind::Disclose => {
                let range = commit.range(place, 1);
                let members = sight.members(first);
                let missing = |(member, position): (&Member, u64)| {
                    let vote = member.vote.filter(|_| first.vote_of(member.worker).is_none())?;
                    Some(RowVote { position, vote })
                };
                let votes = members.iter().zip(0u64..).filter_map(missing).collect();
                Some(LaneCall::Disclose { range, row: row()?, votes })
            }
            Kind::Close => Some(LaneCall::Close { range: commit.range(place, 1), row: row()? }),
            Kind::Initialize
            | Kind::Finalize
            | Kind::Reopen
            | Kind::Claim
            | Kind::InitializeAndClaim
            | Kind::Commit => None,
        }
    }
}

/// The tasks from the first on that stand side by side.
fn first_run(group: &[(u64, &Task)]) -> Vec<TaskId> {
    let mut run: Vec<TaskId> = Vec::new();
    let mut next = None;
    for (offset, task) in group {
        if next.is_some_and(|next| next != *offset) || run.len() >= SETTLEMENT_TASKS_MAX {
            break;
        }
        run.push(task.id);
        next = offset.checked_add(1);
    }
    run
}

fn batch(sight: &Sight<'_>, commit: &CommitRecord, place: usize, tasks: &[&Task]) -> Option<Batch> {
    let mut workers = BTreeSet::new();
    for task in tasks {
        workers.extend(sight.row(task)?.0.iter().map(|entry| entry.worker));
    }
    let workers: Vec<Address> = workers.into_iter().collect();
    let outcomes: Option<Vec<Outcome>> =
        tasks.iter().map(|task| outcome(sight, task, &workers)).collect();
    Some(Batch { range: commit.range(place, tasks.len()), workers, outcomes: outcomes? })
}

/// What became of a task: its digest, everybody's vote, and where the result lies.
fn outcome(sight: &Sight<'_>, task: &Task, workers: &[Address]) -> Option<Outcome> {
    let hash = sight.leading(task)?;
    let digest = digest_of(task, hash)?;
    let result = task.result_of(hash)?;
    let mut outcome = Outcome {
        digest,
        results: sight.recorded()?.results(&result.location),
        results_callback: result.callback.clone(),
        ..Outcome::default()
    };
    let row = sight.row(task)?;
    for (member, entry) in sight.members(task).iter().zip(&row.0) {
        let place = workers.iter().position(|worker| *worker == member.worker)?;
        let bit = 1u32.checked_shl(u32::try_from(place).ok()?)?;
        outcome.present |= bit;
        match member.vote {
            Some(vote) if vote == Vote::of(member.worker, task.id, digest, vote.nonce) => {
                outcome.agreeing |= bit;
                outcome.nonces.push(vote.nonce);
            }
            Some(vote) => outcome.others.push(OtherVote::Disclosed(vote)),
            None => outcome.others.push(OtherVote::Silent(entry.vote)),
        }
    }
    Some(outcome)
}
