//! From a computed result to the end of the task: what the chain shows decides every step.

use crate::action::{Action, Intent};
use crate::core::{Core, Task};
use crate::facts::View;
use crate::failure::{Cause, Failure};
use crate::input::Outcome;
use crate::task::{Assignment, Lane, Promise, State};
use crate::time::Now;
use alloc::boxed::Box;
use alloc::format;
use poco_core::call::{Contribution, WholeContribution};
use poco_core::recorded::location_of;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Address, Bytes, Call, ResultHash, ResultSeal, TaskId, Timestamp};

/// How often a vote that the hub refuses is tried before the refusal is believed: a lagging node
/// refuses too. The pauses grow by a second each, so a node has 28 s to catch up.
pub(crate) const REFUSALS_MAX: u32 = 8;

/// What the pause after a refusal grows by.
const REFUSAL_MILLIS: u64 = 1_000;

/// Longest pause after a refusal.
const REFUSAL_MILLIS_MAX: u64 = 10_000;

/// A transaction that could not be paid for is tried again after this.
const NOT_SENT_MILLIS: u64 = 15_000;

/// Views in a row from an older block than one seen before that are taken for a lagging node's.
/// After that the chain itself has become shorter.
const STALE_VIEWS_MAX: u32 = 10;

/// A task that is over is read again after this, until no reorg can bring it back: its events say
/// sooner.
const OVER_MILLIS: u64 = 60_000;

/// The pause before a stale view is read again.
const STALE_MILLIS: u64 = 1_000;

impl Core {
    pub(crate) fn on_view(&mut self, now: Now, id: TaskId, view: &View) {
        let config = &self.config;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.memory.is_reading = false;
        // Who has promised nothing can stop sooner; a stake hangs on what a reorg may bring back.
        let depth = match task.record.state.is_promised() {
            true => config.forget_depth_blocks.max(config.confirmations),
            false => config.confirmations,
        };
        if is_stale(task, view.block) {
            self.read_after(now, id, STALE_MILLIS);
            return;
        }
        let is_over = view.task.status.is_over();
        task.memory.is_over = is_over;
        if !is_over {
            task.memory.open_at = view.block;
        } else if view.ended.is_none() {
            // Not found from there on: a rewritten chain may have brought it further down.
            task.memory.open_at = 0;
        }
        self.revise_commit(now, id, view);
        // By the block that holds its end now: two looks at a task that is over may be at two ends, with
        // a rewritten chain between them.
        let ended = view.ended.filter(|_| is_over);
        if ended.is_some_and(|ended| view.block >= ended.saturating_add(depth)) {
            if !self.owes_release(id, view) {
                self.on_over(now, id);
            }
            return;
        }
        self.revive(now, id, view);
        if self.on_sealed_vote(now, id, view) {
            return;
        }
        let Some(task) = self.tasks.get(&id) else { return };
        match &task.record.state {
            // Their reads are facts; an answer to an older question says nothing.
            State::Accepted => {}
            State::Pulling(_) | State::Fetching(_) | State::Running { .. } | State::Computed(_) => {
                self.give_up_if_late(now, id);
            }
            State::Contributing { promise, .. }
            | State::Contributed { promise, .. }
            | State::Revealing { promise }
            | State::Revealed { promise, .. }
            | State::Uploaded { promise, .. } => {
                let promise = promise.clone();
                self.on_contribution(now, id, promise, view);
            }
            State::Balloted { promise }
            | State::Committed { promise }
            | State::Handed { promise, .. } => {
                let promise = promise.clone();
                self.on_contribution(now, id, promise, view);
            }
            State::Failed { .. } => {}
        }
        if self.needs_chain(id) {
            let is_over = self.tasks.get(&id).is_some_and(|task| task.memory.is_over);
            let pause = if is_over { OVER_MILLIS } else { self.config.poll_millis };
            self.read_after(now, id, pause);
        }
    }

    /// A replica was given up, and the chain shows otherwise: a vote that was refused in a block
    /// that never was may be taken by another. A stake hangs on it, so it goes on.
    fn revive(&mut self, now: Now, id: TaskId, view: &View) {
        let Some(task) = self.tasks.get(&id) else { return };
        let State::Failed { promise: Some(promise), .. } = &task.record.state else { return };
        let promise = (**promise).clone();
        let has_commit = task.record.sealed.as_ref().is_some_and(|sealed| sealed.commit.is_some());
        match view.contribution.status {
            ContributionStatus::Unset => {
                if has_commit && view.task.status == TaskStatus::Active {
                    self.settle(now, id, State::Committed { promise });
                }
            }
            ContributionStatus::Contributed
            | ContributionStatus::Proved
            | ContributionStatus::Rejected => {
                if view.contribution.hash == ResultHash::of(id, promise.computation.digest) {
                    self.settle(now, id, State::Contributed { promise, transaction: None });
                }
            }
        }
    }

    /// The task is over on chain, deep enough: whatever was kept for it may go.
    fn on_over(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        if task.record.state.is_promised() {
            self.forget(id);
        } else if !matches!(task.record.state, State::Failed { .. }) {
            let detail = "the task ended on chain before this worker contributed";
            self.fail(now, id, Failure::new(Cause::Abandoned, detail));
        }
    }

    /// What the chain holds of this worker decides where the task stands.
    pub(crate) fn on_contribution(&mut self, now: Now, id: TaskId, promise: Promise, view: &View) {
        let ours = ResultHash::of(id, promise.computation.digest);
        let status = view.contribution.status;
        if status != ContributionStatus::Unset && view.contribution.hash != ours {
            let detail =
                format!("the chain holds another vote of this wallet: {}", view.contribution.hash);
            self.fail(now, id, Failure::new(Cause::Refused, detail));
            return;
        }
        match status {
            ContributionStatus::Unset => self.on_no_vote(now, id, promise, view.task.status),
            ContributionStatus::Contributed => self.on_vote(now, id, promise, view),
            ContributionStatus::Proved => self.on_disclosed(now, id, promise),
            ContributionStatus::Rejected => self.on_vote_waits(now, id, promise),
        }
    }

    /// The chain shows no vote: it was not mined yet, refused, or a reorg took it back.
    fn on_no_vote(&mut self, now: Now, id: TaskId, promise: Promise, status: TaskStatus) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.memory.sending.is_some() {
            return;
        }
        let location = match &task.record.state {
            State::Contributing { location, .. } => location.clone(),
            State::Accepted
            | State::Pulling(_)
            | State::Fetching(_)
            | State::Running { .. }
            | State::Computed(_)
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Revealed { .. }
            | State::Uploaded { .. }
            | State::Balloted { .. }
            | State::Committed { .. }
            | State::Handed { .. }
            | State::Failed { .. } => None,
        };
        let trouble = task.memory.trouble.clone();
        if promise.terms.contribution_deadline.has_passed(now.chain) {
            let detail = format!("no vote was mined before the deadline {trouble}");
            self.fail(now, id, Failure::new(Cause::Chain, detail.trim_end()));
            return;
        }
        if status == TaskStatus::Unset {
            // The block that opened it is gone, and its scheduler opens it again: every refusal meanwhile has
            // its reason.
            task.memory.refusals = 0;
            return;
        }
        if task.memory.refusals >= REFUSALS_MAX {
            self.fail(now, id, Failure::new(Cause::Refused, trouble));
            return;
        }
        let location = location.or_else(|| match task.record.assignment.lane {
            // The pool's answer was checked to be this before the first vote left.
            Lane::Fast => Some(location_of(&promise.computation.cid)),
            Lane::Classic | Lane::Settlement => None,
        });
        if !matches!(task.record.state, State::Contributing { .. }) {
            self.enter(now, id, State::Contributing { promise, location });
        }
        self.send_vote(id);
    }

    /// The chain holds the vote and waits for others, or for the digest.
    fn on_vote(&mut self, now: Now, id: TaskId, promise: Promise, view: &View) {
        let confirmations = self.config.confirmations;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let ours = ResultHash::of(id, promise.computation.digest);
        let may_reveal = view.task.status == TaskStatus::Revealing
            && view.task.consensus == ours
            && !view.task.reveal_deadline.has_passed(now.chain);
        if !may_reveal {
            task.memory.consensus = None;
            self.on_vote_waits(now, id, promise);
            return;
        }
        // Another consensus has another deadline: its depth counts anew.
        let deadline = view.task.reveal_deadline;
        let first = match task.memory.consensus {
            Some((known, block)) if known == deadline => block,
            Some(_) | None => view.block,
        };
        task.memory.consensus = Some((deadline, first));
        // A worker that is started again and again counts blocks anew each time. A consensus that has
        // stood for T, half of the time to reveal, is deep as well.
        let old_at = Timestamp(deadline.0.saturating_sub(promise.terms.clock_seconds));
        let is_deep = view.block >= first.saturating_add(confirmations);
        if !is_deep && !old_at.has_passed(now.chain) {
            self.on_vote_waits(now, id, promise);
            return;
        }
        if task.memory.sending.is_some() {
            return;
        }
        if !matches!(task.record.state, State::Revealing { .. }) {
            self.settle(now, id, State::Revealing { promise });
        }
        self.send_reveal(id);
    }

    /// The vote stands and nothing is to be done: also after a lost consensus, or one nobody
    /// revealed. The result stays until the task is over.
    fn on_vote_waits(&mut self, now: Now, id: TaskId, promise: Promise) {
        let Some(task) = self.tasks.get(&id) else { return };
        if task.memory.sending == Some(Intent::Reveal) {
            return;
        }
        if !matches!(task.record.state, State::Contributed { .. }) {
            self.settle(now, id, State::Contributed { promise, transaction: None });
        }
    }

    /// The chain holds the digest from this worker.
    fn on_disclosed(&mut self, now: Now, id: TaskId, promise: Promise) {
        let Some(task) = self.tasks.get(&id) else { return };
        if !matches!(task.record.state, State::Revealed { .. } | State::Uploaded { .. }) {
            self.settle(now, id, State::Revealed { promise, transaction: None });
            self.start_owed_upload(id);
        }
    }

    pub(crate) fn on_settled(&mut self, now: Now, id: TaskId, intent: Intent, outcome: Outcome) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.memory.sending == Some(intent) {
            task.memory.sending = None;
        }
        match outcome {
            Outcome::Mined { transaction, block } => {
                task.memory.seen_block = task.memory.seen_block.max(block);
                task.memory.is_released |= intent == Intent::Release;
                self.on_mined(now, id, intent, transaction);
                self.read_task(now, id);
            }
            Outcome::Refused { reason } => {
                let is_of_commit =
                    matches!(intent, Intent::Disclose | Intent::Close | Intent::Release);
                task.memory.is_commit_doubted |= is_of_commit;
                if intent == Intent::Disclose {
                    // A stake hangs on it: it is tried to the end.
                    task.memory.trouble = reason;
                    self.read_after(now, id, REFUSAL_MILLIS_MAX);
                    return;
                }
                if intent == Intent::Release {
                    task.memory.release_refusals = task.memory.release_refusals.saturating_add(1);
                    task.memory.is_released |= task.memory.release_refusals >= REFUSALS_MAX;
                }
                task.memory.refusals = task.memory.refusals.saturating_add(1);
                task.memory.trouble = reason;
                // The first refusal may only say that the deed is done: look at once.
                let times = u64::from(task.memory.refusals.saturating_sub(1));
                let pause = REFUSAL_MILLIS.saturating_mul(times).min(REFUSAL_MILLIS_MAX);
                self.read_after(now, id, pause);
            }
            Outcome::NotSent { detail } => {
                task.memory.trouble = detail;
                task.memory.read_at = Some(now.millis.after(NOT_SENT_MILLIS));
            }
        }
    }

    fn on_mined(&mut self, now: Now, id: TaskId, intent: Intent, transaction: poco_core::B256) {
        let Some(task) = self.tasks.get(&id) else { return };
        let transaction = Some(transaction);
        match (&task.record.state, intent) {
            (
                State::Contributing { promise, .. },
                Intent::Contribute | Intent::ContributeAndFinalize,
            ) => {
                let promise = promise.clone();
                self.settle(now, id, State::Contributed { promise, transaction });
            }
            (State::Revealing { promise } | State::Contributed { promise, .. }, Intent::Reveal) => {
                let promise = promise.clone();
                self.settle(now, id, State::Revealed { promise, transaction });
                self.start_owed_upload(id);
            }
            // A view was faster than the receipt, or the task failed meanwhile.
            (
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
                | State::Committed { .. }
                | State::Handed { .. }
                | State::Failed { .. },
                Intent::Contribute
                | Intent::Reveal
                | Intent::ContributeAndFinalize
                | Intent::Disclose
                | Intent::Close
                | Intent::Release,
            ) => {}
        }
    }

    /// Enters a state that the chain vouches for: earlier refusals are history.
    pub(crate) fn settle(&mut self, now: Now, id: TaskId, state: State) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.memory.refusals = 0;
            task.memory.trouble.clear();
        }
        self.enter(now, id, state);
    }

    /// Sends the vote that the state [`State::Contributing`] promises.
    pub(crate) fn send_vote(&mut self, id: TaskId) {
        let worker = self.config.worker;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let State::Contributing { promise, location } = &task.record.state else { return };
        let assignment = &task.record.assignment;
        let (intent, call) = match location {
            None => (Intent::Contribute, contribute(worker, assignment, promise)),
            Some(location) => {
                let call = contribute_and_finalize(assignment, promise, location);
                (Intent::ContributeAndFinalize, call)
            }
        };
        task.memory.sending = Some(intent);
        self.push(Action::Transact { task: id, intent, call: Box::new(call) });
    }

    fn send_reveal(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let State::Revealing { promise } = &task.record.state else { return };
        let call = Call::Reveal { task: id, digest: promise.computation.digest };
        task.memory.sending = Some(Intent::Reveal);
        let call = Box::new(call);
        self.push_urgent(Action::Transact { task: id, intent: Intent::Reveal, call });
    }
}

/// Whether a view is older than what was seen before. Believed after a while: a chain that was
/// rolled back and stands still would be waited for without end.
fn is_stale(task: &mut Task, block: u64) -> bool {
    let memory = &mut task.memory;
    if block < memory.seen_block && memory.doubts < STALE_VIEWS_MAX {
        memory.doubts = memory.doubts.saturating_add(1);
        return true;
    }
    if block < memory.seen_block {
        memory.consensus = None;
    }
    memory.doubts = 0;
    memory.seen_block = block;
    false
}

fn contribute(worker: Address, assignment: &Assignment, promise: &Promise) -> Call {
    let (task, digest) = (assignment.task, promise.computation.digest);
    Call::Contribute(Contribution {
        task,
        hash: ResultHash::of(task, digest),
        seal: ResultSeal::of(worker, task, digest),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: assignment.authorization.clone(),
    })
}

fn contribute_and_finalize(assignment: &Assignment, promise: &Promise, location: &str) -> Call {
    let recorded = promise.terms.recorded;
    let results_callback = match recorded.has_callback() {
        true => promise.computation.callback.clone(),
        false => Bytes::new(),
    };
    Call::ContributeAndFinalize(WholeContribution {
        task: assignment.task,
        digest: promise.computation.digest,
        results: recorded.results(location),
        results_callback,
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: assignment.authorization.clone(),
    })
}
