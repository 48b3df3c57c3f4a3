//! The life of a task between its two ends: initialize, reveal, reopen.

use super::refusal::Refusal;
use super::state::Task;
use super::{Execution, Value};
use crate::category::Category;
use crate::credibility::Total;
use crate::deal::Deal;
use crate::event::Event;
use crate::mark::Conditions;
use crate::task::{ContributionStatus, TaskStatus, TaskView};
use crate::types::{DealId, ResultDigest, ResultHash, ResultSeal, TaskId, Timestamp};
use alloc::vec::Vec;
use alloy_primitives::U256;

impl Execution<'_> {
    pub(super) fn initialize(&mut self, id: DealId, index: U256) -> Result<TaskId, Refusal> {
        let deal = self.state.deals.find(&id).ok_or(Refusal::DealUnknown)?;
        if !deal.has_index(index) {
            return Err(Refusal::IndexOutsideDeal);
        }
        let task = TaskId::of_deal(id, index);
        if let Some(existing) = self.state.tasks.find(&task) {
            return Err(Refusal::WrongTaskStatus(existing.view.status));
        }
        let Category { work_clock_time_ref_seconds, .. } = self
            .state
            .categories
            .find(&deal.category.0)
            .expect("a deal's category exists, and categories are never removed");
        let deadlines = deal.deadlines(*work_clock_time_ref_seconds);
        let view = TaskView {
            status: TaskStatus::Active,
            deal: id,
            index,
            work_clock_time_ref_seconds: *work_clock_time_ref_seconds,
            contribution_deadline: deadlines.contribution,
            final_deadline: deadlines.last,
            ..TaskView::default()
        };
        self.events.push(Event::TaskInitialize { task, workerpool: deal.workerpool.pointer });
        self.state.tasks.set(task, Task { view, ..Task::default() });
        Ok(task)
    }

    pub(super) fn reveal(&mut self, id: TaskId, digest: ResultDigest) -> Result<Value, Refusal> {
        let (mut task, _) = self.task(id, TaskStatus::Revealing)?;
        self.check_before(task.view.reveal_deadline)?;
        let worker = self.sender;
        let mut contribution = self.state.contributions.get(&(id, worker));
        if contribution.status != ContributionStatus::Contributed {
            return Err(Refusal::WrongContributionStatus(contribution.status));
        }
        if contribution.hash != task.view.consensus {
            return Err(Refusal::NotAWinner);
        }
        if contribution.hash != ResultHash::of(id, digest) {
            return Err(Refusal::DigestMismatch);
        }
        if contribution.seal != ResultSeal::of(worker, id, digest) {
            return Err(Refusal::SealMismatch);
        }
        contribution.status = ContributionStatus::Proved;
        self.state.contributions.set((id, worker), contribution);
        task.view.reveal_count = task.view.reveal_count.saturating_add(1);
        task.view.digest = digest;
        self.state.tasks.set(id, task);
        self.events.push(Event::TaskReveal { task: id, worker, digest });
        Ok(Value::Nothing)
    }

    pub(super) fn reopen(&mut self, id: TaskId) -> Result<Value, Refusal> {
        let (mut task, deal) = self.task_of_sender(id, Conditions::NONE)?;
        if !task.view.reveal_deadline.has_passed(self.now) {
            return Err(Refusal::TooEarly { deadline: task.view.reveal_deadline });
        }
        if task.view.reveal_count > 0 {
            return Err(Refusal::RevealsExist);
        }
        let rejected = task.view.consensus;
        for worker in &task.view.contributors {
            let mut contribution = self.state.contributions.get(&(id, *worker));
            if contribution.hash == rejected {
                contribution.status = ContributionStatus::Rejected;
                self.state.contributions.set((id, *worker), contribution);
            }
        }
        let group = self.state.groups.get(&(id, rejected));
        let total = task.total.0.checked_sub(group).ok_or(Refusal::Overflow)?;
        self.state.groups.set((id, rejected), U256::ZERO);
        task.total = Total(total);
        task.view.status = TaskStatus::Active;
        task.view.consensus = ResultHash::ZERO;
        task.view.reveal_deadline = Timestamp(0);
        task.view.winner_count = 0;
        task.view.contribution_deadline = self.deadline_if_reopened(&task.view, &deal);
        self.state.tasks.set(id, task);
        self.events.push(Event::TaskReopen { task: id });
        Ok(Value::Nothing)
    }

    /// A task that stands where it must, with its deal.
    pub(super) fn task(&self, id: TaskId, wanted: TaskStatus) -> Result<(Task, Deal), Refusal> {
        let task = self.state.tasks.get(&id);
        if task.view.status != wanted {
            return Err(Refusal::WrongTaskStatus(task.view.status));
        }
        let deal = self.state.deals.get(&task.view.deal);
        Ok((task, deal))
    }

    /// What reopen and finalize share: the pool's owner acts on a consensus before the end. In a deal
    /// with one of the conditions `for_all` anyone does, once the time for reveals is over.
    pub(super) fn task_of_sender(
        &self,
        id: TaskId,
        for_all: Conditions,
    ) -> Result<(Task, Deal), Refusal> {
        let (task, deal) = self.task(id, TaskStatus::Revealing)?;
        let kept = self.state.conditions_of(task.view.deal).conditions();
        let is_for_all = kept.meets(for_all) && task.view.reveal_deadline.has_passed(self.now);
        if self.sender != deal.workerpool.owner && !is_for_all {
            return Err(Refusal::NotThePoolOwner);
        }
        self.check_before(task.view.final_deadline)?;
        Ok((task, deal))
    }

    /// Refuses from the deadline on.
    pub(super) fn check_before(&self, deadline: Timestamp) -> Result<(), Refusal> {
        if deadline.has_passed(self.now) { Err(Refusal::TooLate { deadline }) } else { Ok(()) }
    }

    /// The contributions of a task, in order.
    pub(super) fn contributions(
        &self,
        id: TaskId,
        task: &TaskView,
    ) -> Vec<crate::task::ContributionView> {
        task.contributors
            .iter()
            .map(|worker| self.state.contributions.get(&(id, *worker)))
            .collect()
    }
}
