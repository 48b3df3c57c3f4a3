//! The settlement lane: a vote is signed for the pool's commit, told when it is committed, and the
//! digest last of all, when the votes of the whole row are known and reach consensus. Whoever
//! falls silent meanwhile, the stake is safe: what was not settled in half the time is disclosed
//! on chain, and the task closed into the classic lane, where [`crate::State::Contributed`] goes on.

use crate::action::{Action, Intent};
use crate::core::{Core, Task};
use crate::facts::{CommitView, View};
use crate::failure::{Cause, Failure};
use crate::task::{Commit, Lane, Promise, Sealed, State};
use crate::time::Now;
use crate::votes::REFUSALS_MAX;
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::category::Deadlines;
use poco_core::credibility::weight;
use poco_core::lane::{BlindedVote, LaneCall, Member, RowVote, TASKS_MAX, Vote, count, nonce_of};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{DealId, TaskId, Timestamp, U256};

/// Behind the contribution deadline, from when on a vote that no commit holds is given up: a
/// commit mined in the last moment must have been seen by then.
const LATE_SECONDS: u64 = 120;

/// Blocks in a row at which a node knows the task and not its commit before the commit is given up. No
/// stake hangs on it: it is looked for at each read from then on, and found should it be there after all.
const COMMIT_MISSES_MAX: u32 = 3;

/// The pause before a commit that was not found is looked for again.
const MISSED_MILLIS: u64 = 1_000;

impl Core {
    /// Signs the votes for the tasks of a range that are computed here. The vote of a task is the
    /// same in every ballot: its digest and its nonce are in the journal before the first.
    pub(crate) fn on_ballot_wanted(&mut self, now: Now, deal: DealId, first: u64, count: u64) {
        let most = u64::try_from(TASKS_MAX).unwrap_or(u64::MAX);
        let mut entries = Vec::new();
        for offset in 0..count.min(most) {
            let Some(index) = first.checked_add(offset) else { break };
            let id = TaskId::of_deal(deal, U256::from(index));
            entries.push(self.ballot_of(now, id).unwrap_or(BlindedVote::ABSENT));
        }
        if entries.iter().any(|entry| *entry != BlindedVote::ABSENT) {
            self.push(Action::Ballot { deal, first, entries });
        }
    }

    fn ballot_of(&mut self, now: Now, id: TaskId) -> Option<BlindedVote> {
        let task = self.tasks.get_mut(&id)?;
        if task.record.assignment.lane != Lane::Settlement {
            return None;
        }
        let promise = match &task.record.state {
            State::Computed(promise) => {
                let promise = promise.clone();
                task.record.sealed = Some(Sealed { commit: None });
                self.enter(now, id, State::Balloted { promise: promise.clone() });
                self.read_after(now, id, self.config.poll_millis);
                promise
            }
            State::Balloted { promise } => promise.clone(),
            State::Accepted
            | State::Pulling(_)
            | State::Fetching(_)
            | State::Running { .. }
            | State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Revealed { .. }
            | State::Uploaded { .. }
            | State::Failed { .. } => return None,
            // The pool would not ask, had it committed the vote: that may have been in a block that
            // is gone.
            State::Committed { .. } | State::Handed { .. } => {
                task.memory.is_commit_doubted = true;
                self.read_task(now, id);
                return None;
            }
        };
        Some(self.vote(id, &promise).blinded())
    }

    fn vote(&self, id: TaskId, promise: &Promise) -> Vote {
        let digest = promise.computation.digest;
        let nonce = nonce_of(self.config.nonce_secret, id, digest);
        Vote::of(self.config.worker, id, digest, nonce)
    }

    /// The scheduler says again what it said: where it went back to the classic lane, so does the
    /// task, unless its vote is committed.
    pub(crate) fn on_assigned_again(&mut self, now: Now, id: TaskId, lane: Lane) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let falls_back = lane == Lane::Classic && task.record.assignment.lane == Lane::Settlement;
        if !falls_back {
            self.report(now, id);
            return;
        }
        match &task.record.state {
            State::Accepted | State::Pulling(_) | State::Fetching(_) | State::Running { .. } => {
                task.record.assignment.lane = Lane::Classic;
                let record = Box::new(task.record.clone());
                self.push(Action::Persist(record));
                self.report(now, id);
            }
            // A ballot may still be committed. Then the hub refuses this vote, and the commit is
            // looked for at each read.
            State::Computed(promise) | State::Balloted { promise } => {
                let promise = promise.clone();
                task.record.assignment.lane = Lane::Classic;
                self.enter(now, id, State::Contributing { promise, location: None });
                self.report(now, id);
                self.send_vote(id);
            }
            State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Revealed { .. }
            | State::Uploaded { .. }
            | State::Committed { .. }
            | State::Handed { .. }
            | State::Failed { .. } => self.report(now, id),
        }
    }

    /// Looks whether the commit is still the one that was seen: after a reorg it may be in a block of
    /// another time, by which the hub knows it, or gone. Done before any state is judged by it.
    pub(crate) fn revise_commit(&mut self, now: Now, id: TaskId, view: &View) {
        let worker = self.config.worker;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Some(known) = commit_of(task).cloned() else { return };
        // A task that is not even opened is in no commit now.
        let is_gone = view.task.status == TaskStatus::Unset;
        // A vote that was disclosed on chain was committed.
        let is_unvoted = view.contribution.status == ContributionStatus::Unset;
        if !task.memory.is_commit_doubted {
            if is_gone {
                task.memory.is_commit_doubted = true;
                task.memory.read_at = Some(now.millis);
            }
            return;
        }
        match &view.commit {
            Some(found) if known.row.vote_of(worker) == found.row.vote_of(worker) => {
                task.memory.is_commit_doubted = false;
                task.memory.commit_misses = (0, 0);
                let commit = Commit { range: found.range.clone(), row: found.row.clone() };
                if commit != known {
                    task.record.sealed = Some(Sealed { commit: Some(Box::new(commit)) });
                    let record = Box::new(task.record.clone());
                    self.push(Action::Persist(record));
                }
            }
            // Another commit has taken its place, with another vote of this worker or none.
            Some(_) => self.uncommit(now, id),
            None if is_gone || (is_unvoted && has_missed(task, view.block)) => {
                self.uncommit(now, id);
            }
            // A node may know the task before it knows the commit.
            None => self.read_after(now, id, MISSED_MILLIS),
        }
    }

    /// The commit that was seen is in no block: the vote waits for one again.
    fn uncommit(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.memory.is_commit_doubted = false;
        task.memory.commit_misses = (0, 0);
        task.record.sealed = Some(Sealed { commit: None });
        let mut state = task.record.state.clone();
        if let State::Committed { promise } | State::Handed { promise, .. } = &state {
            state = State::Balloted { promise: promise.clone() };
        }
        self.enter(now, id, state);
    }

    /// What the chain says about a vote that was signed. `true` where nothing more is to be seen
    /// in this view; contributions on chain are the classic lane's business.
    pub(crate) fn on_sealed_vote(&mut self, now: Now, id: TaskId, view: &View) -> bool {
        let Some(task) = self.tasks.get(&id) else { return false };
        let Some(sealed) = &task.record.sealed else { return false };
        let is_sealed = matches!(
            task.record.state,
            State::Balloted { .. }
                | State::Committed { .. }
                | State::Handed { .. }
                | State::Contributing { .. }
                | State::Failed { .. }
        );
        let is_open = matches!(view.task.status, TaskStatus::Unset | TaskStatus::Active);
        let Some(promise) = task.record.state.promise().filter(|_| is_sealed && is_open) else {
            let waits_for_depth = is_sealed && view.task.status != TaskStatus::Revealing;
            if waits_for_depth {
                self.read_after(now, id, self.config.poll_millis);
            }
            return waits_for_depth;
        };
        if sealed.commit.is_none() && view.contribution.status != ContributionStatus::Unset {
            return false;
        }
        let promise = promise.clone();
        let is_ours = match sealed.commit.as_deref().cloned() {
            Some(commit) => self.on_committed(now, id, (&promise, &commit), view),
            None => self.on_uncommitted(now, id, promise, view),
        };
        if is_ours {
            self.read_after(now, id, self.config.poll_millis);
        }
        is_ours
    }

    /// No commit was seen deep enough so far.
    fn on_uncommitted(&mut self, now: Now, id: TaskId, promise: Promise, view: &View) -> bool {
        let is_voting = self
            .tasks
            .get(&id)
            .is_some_and(|task| matches!(task.record.state, State::Contributing { .. }));
        if let Some(commit) = &view.commit {
            if view.block >= commit.block.saturating_add(self.config.confirmations) {
                self.on_commit(now, id, promise, commit);
            }
            return true;
        }
        let is_late = promise.terms.contribution_deadline.after(LATE_SECONDS).has_passed(now.chain);
        if is_late && !is_voting && !self.has_failed(id) {
            let detail = "the pool committed no vote before the deadline";
            self.fail(now, id, Failure::new(Cause::Chain, detail));
        }
        !is_voting
    }

    fn has_failed(&self, id: TaskId) -> bool {
        let task = self.tasks.get(&id);
        task.is_some_and(|task| matches!(task.record.state, State::Failed { .. }))
    }

    /// The task is committed, deep enough.
    fn on_commit(&mut self, now: Now, id: TaskId, promise: Promise, found: &CommitView) {
        let ours = self.vote(id, &promise).blinded();
        if found.row.vote_of(self.config.worker) != Some(ours) {
            if self.has_failed(id) {
                return;
            }
            let is_voting = self
                .tasks
                .get(&id)
                .is_some_and(|task| matches!(task.record.state, State::Contributing { .. }));
            let detail = match is_voting {
                true => "the task was committed before this vote was mined",
                false => "the pool committed the task without this vote",
            };
            self.fail(now, id, Failure::new(Cause::Chain, detail));
            return;
        }
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let commit = Commit { range: found.range.clone(), row: found.row.clone() };
        task.record.sealed = Some(Sealed { commit: Some(Box::new(commit)) });
        self.settle(now, id, State::Committed { promise });
    }

    /// The vote is committed. Half the time to disclose is the pool's; then it is done on chain.
    fn on_committed(
        &mut self,
        now: Now,
        id: TaskId,
        (promise, commit): (&Promise, &Commit),
        view: &View,
    ) -> bool {
        let Some(task) = self.tasks.get(&id) else { return false };
        let (refusals, is_sending) = (task.memory.refusals, task.memory.sending.is_some());
        let is_missed = task.memory.is_commit_doubted && task.memory.commit_misses.0 > 0;
        match view.contribution.status {
            ContributionStatus::Unset => {
                let own = commit.range.time.after(promise.terms.clock_seconds);
                if own.has_passed(now.chain) && !is_sending && !is_missed {
                    self.disclose_on_chain(id, promise, commit);
                }
                true
            }
            ContributionStatus::Contributed if refusals < REFUSALS_MAX => {
                if reveal_deadline(promise, commit).has_passed(now.chain) && !is_sending {
                    let (range, row) = (commit.range.clone(), commit.row.clone());
                    self.transact_lane(id, Intent::Close, LaneCall::Close { range, row });
                }
                true
            }
            // Somebody has closed it: no consensus yet, as a classic task.
            ContributionStatus::Contributed
            | ContributionStatus::Proved
            | ContributionStatus::Rejected => false,
        }
    }

    fn disclose_on_chain(&mut self, id: TaskId, promise: &Promise, commit: &Commit) {
        let worker = self.config.worker;
        let place = commit.row.0.iter().zip(0u64..).find(|(entry, _)| entry.worker == worker);
        let Some((_, position)) = place else { return };
        let votes = Vec::from([RowVote { position, vote: self.vote(id, promise) }]);
        let (range, row) = (commit.range.clone(), commit.row.clone());
        self.transact_lane(id, Intent::Disclose, LaneCall::Disclose { range, row, votes });
    }

    fn transact_lane(&mut self, id: TaskId, intent: Intent, call: LaneCall) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.memory.sending = Some(intent);
        // As a reveal: what comes late costs a stake.
        self.push_urgent(Action::TransactLane { task: id, intent, call: Box::new(call) });
    }

    /// A claimed task that never left its commit still locks the bond: whether that is being seen
    /// to, so that the task may not be forgotten yet.
    pub(crate) fn owes_release(&mut self, id: TaskId, view: &View) -> bool {
        self.find_own_commit(id, view);
        let Some(task) = self.tasks.get(&id) else { return false };
        let commit = task.record.sealed.as_ref().and_then(|sealed| sealed.commit.as_deref());
        let is_locked = view.task.status == TaskStatus::Failed
            && view.contribution.status == ContributionStatus::Unset;
        let Some(commit) = commit.filter(|_| is_locked && !task.memory.is_released) else {
            return false;
        };
        // As long as it is looked for, what is known of it may be out of date.
        let is_missed = task.memory.is_commit_doubted && task.memory.commit_misses.0 > 0;
        if task.memory.sending.is_none() && !is_missed {
            let (range, rows) = (commit.range.clone(), Vec::from([commit.row.clone()]));
            self.transact_lane(id, Intent::Release, LaneCall::Release { range, rows });
        }
        true
    }

    /// A worker that was away may see the commit only when the task is over.
    fn find_own_commit(&mut self, id: TaskId, view: &View) {
        let Some(task) = self.tasks.get(&id) else { return };
        let is_searched = task.record.sealed.as_ref().is_some_and(|sealed| sealed.commit.is_none());
        let (Some(found), Some(promise)) = (&view.commit, task.record.state.promise()) else {
            return;
        };
        let ours = self.vote(id, promise).blinded();
        if !is_searched || found.row.vote_of(self.config.worker) != Some(ours) {
            return;
        }
        let commit = Commit { range: found.range.clone(), row: found.row.clone() };
        if let Some(task) = self.tasks.get_mut(&id) {
            task.record.sealed = Some(Sealed { commit: Some(Box::new(commit)) });
            let record = Box::new(task.record.clone());
            self.push(Action::Persist(record));
        }
    }

    /// Tells the scheduler the vote, and with it the digest where that may be known.
    pub(crate) fn tell_vote(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let (promise, is_handed) = match &task.record.state {
            State::Committed { promise } => (promise, false),
            State::Handed { promise, .. } => (promise, true),
            State::Accepted
            | State::Pulling(_)
            | State::Fetching(_)
            | State::Running { .. }
            | State::Computed(_)
            | State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Revealed { .. }
            | State::Uploaded { .. }
            | State::Balloted { .. }
            | State::Failed { .. } => return,
        };
        let digest = is_handed.then_some(promise.computation.digest);
        let vote = self.vote(id, promise);
        self.push(Action::Disclose { task: id, vote, digest });
    }

    /// The votes of the row. Only such as open what was committed are looked at further. For one
    /// who has not seen the commit it is news of it, to be looked for on chain.
    pub(crate) fn on_row(&mut self, now: Now, id: TaskId, votes: Vec<Option<Vote>>) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if matches!(task.record.state, State::Balloted { .. }) {
            self.read_task(now, id);
            return;
        }
        let Some(commit) = commit_of(task) else { return };
        let place = commit.row.0.iter().position(|entry| entry.worker == self.config.worker);
        if place.and_then(|place| votes.get(place)) == Some(&None) {
            // It was told before the pool knew of the commit, or of the task.
            self.tell_vote(id);
        }
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let (State::Committed { .. }, Some(commit)) = (&task.record.state, commit_of(task)) else {
            return;
        };
        let opens = |(vote, entry): (&Option<Vote>, &poco_core::lane::Entry)| {
            vote.is_none_or(|vote| vote.blinded() == entry.vote)
        };
        if votes.len() != commit.row.0.len() || !votes.iter().zip(&commit.row.0).all(opens) {
            return;
        }
        let workers = commit.row.0.iter().map(|entry| entry.worker).collect();
        task.memory.row_votes = Some(votes);
        self.push(Action::ReadScores { task: id, workers });
    }

    /// Hands the digest over, if the votes of the whole row reach consensus on it. A vote that is
    /// missing might be the one against: it is left out only when its time is over.
    pub(crate) fn on_scores(&mut self, now: Now, id: TaskId, scores: &[U256]) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Some(votes) = task.memory.row_votes.take() else { return };
        let (State::Committed { promise }, Some(commit)) = (&task.record.state, commit_of(task))
        else {
            return;
        };
        let is_complete = votes.iter().all(Option::is_some)
            || reveal_deadline(promise, commit).has_passed(now.chain);
        if !is_complete || scores.len() != votes.len() {
            return;
        }
        let member = |((entry, vote), score): ((&poco_core::lane::Entry, &Option<Vote>), &U256)| {
            Member { worker: entry.worker, weight: weight(*score), vote: *vote }
        };
        let members: Vec<Member> =
            commit.row.0.iter().zip(&votes).zip(scores).map(member).collect();
        let digest = promise.computation.digest;
        if count(id, digest, &members, promise.terms.trust).is_consensus {
            let promise = promise.clone();
            self.enter(now, id, State::Handed { promise, location: None });
        }
    }
}

/// Takes in that a commit was not found up to a block; whether that was so often enough.
fn has_missed(task: &mut Task, block: u64) -> bool {
    let (count, last) = &mut task.memory.commit_misses;
    if block > *last {
        (*count, *last) = (count.saturating_add(1), block);
    }
    *count >= COMMIT_MISSES_MAX
}

fn commit_of(task: &Task) -> Option<&Commit> {
    task.record.sealed.as_ref()?.commit.as_deref()
}

/// Until when votes of a commit may be disclosed.
fn reveal_deadline(promise: &Promise, commit: &Commit) -> Timestamp {
    Deadlines::reveal(commit.range.time, promise.terms.clock_seconds)
}
