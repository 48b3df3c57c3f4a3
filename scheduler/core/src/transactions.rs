//! The pool owner's transactions: gathered into batches, tried again after a rest.

use crate::action::{Action, Intent, Kind};
use crate::clock::Moment;
use crate::core::Core;
use crate::input::{TransactionFailure, TransactionTrouble};
use crate::limits::{BATCH_TASKS_MAX, BATCHES_IN_FLIGHT_MAX, REST_SECONDS_MAX, REST_SECONDS_MIN};
use crate::notice::Notice;
use crate::task::{Errand, Phase, Task};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use poco_core::{Call, DealId, TaskId, U256};

impl Core {
    /// Sends what tasks want, many in one where the hub has a call for that.
    pub(crate) fn send_batches(&mut self) {
        for kind in Kind::ALL {
            while let Some(tasks) = self.next_batch(kind) {
                let intent = Intent { kind, tasks: tasks.clone() };
                let by_call = self.call(kind, &tasks);
                let action = match by_call {
                    Some(call) => Some(Action::Transact { intent, call }),
                    None => self
                        .lane_call(kind, &tasks)
                        .map(|call| Action::TransactLane { intent, call }),
                };
                if let Some(action) = action {
                    self.send(kind, &tasks, action);
                } else {
                    for task in &tasks {
                        self.change(*task, |task| task.errand = Errand::None);
                        self.dirty.remove(task);
                    }
                }
            }
        }
    }

    /// Sends a transaction for some tasks.
    pub(crate) fn send(&mut self, kind: Kind, tasks: &[TaskId], action: Action) {
        for task in tasks {
            self.change(*task, |task| task.errand = Errand::InFlight(kind));
            self.dirty.remove(task);
        }
        let flying = self.batches_in_flight.entry(kind).or_default();
        *flying = flying.saturating_add(1);
        self.act(action);
    }

    fn next_batch(&self, kind: Kind) -> Option<Vec<TaskId>> {
        if !self.may_send(kind) {
            return None;
        }
        let size_max = match kind {
            Kind::Settle => return self.next_settlement(),
            // Sent as soon as its ballots are there.
            Kind::Commit => return None,
            Kind::Disclose | Kind::Close => 1,
            Kind::Initialize | Kind::Claim | Kind::InitializeAndClaim => BATCH_TASKS_MAX,
            Kind::Finalize | Kind::Reopen => 1,
        };
        let flying = self.batches_in_flight.get(&kind).copied().unwrap_or_default();
        if size_max > 1 && flying >= BATCHES_IN_FLIGHT_MAX {
            return None;
        }
        let queued = self.index.queued.get(&kind)?;
        let is_alone = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.is_alone);
        let ids = || queued.iter().map(|(_, _, id)| *id);
        if let Some(alone) = ids().find(is_alone) {
            return Some(alloc::vec![alone]);
        }
        let can_wait = matches!(kind, Kind::Claim | Kind::InitializeAndClaim);
        if can_wait && !self.index.unread.is_empty() && queued.len() < size_max {
            // The tasks that are just being read most likely want the same.
            return None;
        }
        let batch: Vec<TaskId> = ids().take(size_max).collect();
        (!batch.is_empty()).then_some(batch)
    }

    /// The call for a batch; `None` where a task is not what it was when it was queued.
    fn call(&self, kind: Kind, tasks: &[TaskId]) -> Option<Call> {
        let indexed =
            || tasks.iter().map(|id| self.deal_and_index(*id)).collect::<Option<Vec<_>>>();
        let first = tasks.first().copied()?;
        Some(match kind {
            Kind::Commit | Kind::Settle | Kind::Disclose | Kind::Close => return None,
            Kind::Initialize => Call::InitializeArray { tasks: indexed()? },
            Kind::InitializeAndClaim => Call::InitializeAndClaimArray { tasks: indexed()? },
            Kind::Claim => Call::ClaimArray { tasks: tasks.to_vec() },
            Kind::Reopen => Call::Reopen { task: first },
            Kind::Finalize => {
                let task = self.tasks.get(&first)?;
                let Phase::Revealing(revealing) = &task.phase else { return None };
                let result = task.result_of(revealing.consensus)?;
                Call::Finalize {
                    task: first,
                    results: self.sight(task.deal)?.recorded()?.results(&result.location),
                    results_callback: result.callback.clone(),
                }
            }
        })
    }

    pub(crate) fn deal_and_index(&self, id: TaskId) -> Option<(DealId, U256)> {
        let task = self.tasks.get(&id)?;
        let facts = self.deals.get(&task.deal)?.facts.as_ref()?;
        Some((task.deal, facts.deal.bot_first.checked_add(U256::from(task.offset))?))
    }

    pub(crate) fn on_outcome(&mut self, intent: Intent, result: Result<u64, TransactionFailure>) {
        if let Some(flying) = self.batches_in_flight.get_mut(&intent.kind) {
            *flying = flying.saturating_sub(1);
        }
        if let Err(failure) = &result
            && let TransactionTrouble::Worker(worker) = failure.trouble
        {
            self.blame(&intent.tasks, worker, &failure.reason);
        }
        if intent.kind == Kind::Commit {
            self.end_bundle(&intent.tasks);
        }
        let (block, failure) = match result {
            Ok(block) => (Some(block), None),
            Err(failure) => (None, Some(failure)),
        };
        let now = self.now;
        let is_batch = intent.tasks.len() > 1;
        // What the tasks are now, the chain says: also after a refusal, whose reason may be that
        // somebody else was faster.
        for id in BTreeSet::from_iter(intent.tasks.iter().copied()) {
            if let (Some(block), Kind::Commit) = (block, intent.kind) {
                self.mined_commits.insert((block, id));
            }
            self.change(id, |task| {
                task.errand = match &failure {
                    // Until the commit is told: else it would be made again.
                    None if intent.kind == Kind::Commit && task.late().lane.commit.is_none() => {
                        Errand::InFlight(Kind::Commit)
                    }
                    None => Errand::None,
                    // Who stood in the way stands there no more.
                    Some(TransactionFailure { trouble: TransactionTrouble::Worker(_), .. }) => {
                        Errand::None
                    }
                    Some(failure) => {
                        task.is_alone = is_batch && failure.trouble == TransactionTrouble::Refused;
                        rest(task, intent.kind, failure, now)
                    }
                };
            });
            let seen = self.tasks.get(&id).map(|task| task.seen_block).unwrap_or_default();
            let head = self.clock.head().number;
            self.read_task(id, block.unwrap_or(head).max(seen));
        }
        if let Some(TransactionFailure { trouble, reason }) = failure {
            let unpaid = trouble == TransactionTrouble::Unpaid;
            self.note(Notice::TransactionFailed { intent, reason, unpaid });
        }
    }
}

/// The rest before the next try: twice as long after each failure.
fn rest(task: &mut Task, kind: Kind, failure: &TransactionFailure, now: Moment) -> Errand {
    let factor = 1u64.checked_shl(task.failed_tries).unwrap_or(u64::MAX);
    let seconds = REST_SECONDS_MIN.saturating_mul(factor).min(REST_SECONDS_MAX);
    task.failed_tries = task.failed_tries.saturating_add(1);
    task.late_mut().refusal = failure.reason.clone();
    Errand::Resting { kind, until: now.after(seconds) }
}
