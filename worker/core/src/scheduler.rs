//! What the scheduler says, and what it is told.

use crate::action::Action;
use crate::core::{Core, Memory, TASKS_MAX, Task};
use crate::failure::{Cause, Failure};
use crate::task::{Assignment, Record, Stage, State};
use crate::time::Now;
use crate::verify::check_assignment;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use poco_core::TaskId;

/// A report without an acknowledgement is sent again after this; the scheduler takes it twice.
const REPORT_AGAIN_MILLIS: u64 = 30_000;

impl Core {
    /// Both sides compare: the scheduler hears where every task of ours stands, and which of its
    /// own are not held here.
    pub(crate) fn on_connected(&mut self, now: Now, live: Vec<(TaskId, Stage)>) {
        self.is_online = true;
        let ours: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in &ours {
            self.report(now, *id);
            self.start_owed_upload(*id);
        }
        let theirs: BTreeSet<TaskId> = live.into_iter().map(|(task, _)| task).collect();
        for task in theirs {
            if !self.tasks.contains_key(&task) {
                self.report_unknown(task);
            }
        }
    }

    pub(crate) fn on_assign(&mut self, now: Now, assignment: Assignment) {
        let id = assignment.task;
        if self.tasks.contains_key(&id) {
            self.on_assigned_again(now, id, assignment.lane);
            return;
        }
        if let Err(failure) = self.may_take(&assignment) {
            self.report_failure(id, failure);
            return;
        }
        let record = Record { assignment, state: State::Accepted, sealed: None };
        self.push(Action::Persist(Box::new(record.clone())));
        self.tasks.insert(id, Task { record, memory: Memory::default() });
        self.report(now, id);
        self.read_task(now, id);
    }

    /// A command that only makes sense for a task held here. The chain decides what follows.
    pub(crate) fn on_hint_of_scheduler(&mut self, now: Now, id: TaskId) {
        if self.tasks.contains_key(&id) {
            self.read_task(now, id);
        } else {
            self.report_unknown(id);
        }
    }

    /// Stops a replica that has promised nothing. One that has goes on: its stake is at risk.
    pub(crate) fn on_abandon(&mut self, now: Now, id: TaskId, reason: &str) {
        let Some(task) = self.tasks.get(&id) else {
            self.report_unknown(id);
            return;
        };
        let is_failed = task.record.state.stage() == Stage::Failed;
        if is_failed || task.record.state.is_promised() {
            // It may be the answer to a report: both would go on for ever.
            let again = task.memory.reported_at.map(|at| at.after(REPORT_AGAIN_MILLIS));
            if again.is_none_or(|again| again.is_due(now.millis)) {
                self.report(now, id);
            }
        } else {
            self.fail(now, id, Failure::new(Cause::Abandoned, reason));
        }
    }

    pub(crate) fn on_acknowledged(&mut self, id: TaskId, stage: Stage) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.record.state.stage() != stage {
            return;
        }
        task.memory.report_at = None;
        let is_over_here = stage == Stage::Failed && !task.record.state.is_promised();
        if is_over_here {
            self.forget(id);
        }
    }

    /// Tells the scheduler where a task stands; while offline, reconnecting does.
    pub(crate) fn report(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if !self.is_online {
            return;
        }
        task.memory.reported_at = Some(now.millis);
        task.memory.report_at = Some(now.millis.after(REPORT_AGAIN_MILLIS));
        let state = &task.record.state;
        let (stage, transaction) = (state.stage(), state.transaction());
        let failure = match state {
            State::Failed { failure, .. } => Some(Box::new(failure.clone())),
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
            | State::Handed { .. } => None,
        };
        // Before the report, so that its acknowledgement is about both.
        self.tell_vote(id);
        self.push(Action::Report { task: id, stage, failure, transaction });
    }

    /// Tells the scheduler that something will not come, without a state of ours behind it.
    pub(crate) fn report_failure(&mut self, task: TaskId, failure: Failure) {
        if self.is_online {
            let failure = Some(Box::new(failure));
            self.push(Action::Report { task, stage: Stage::Failed, failure, transaction: None });
        }
    }

    fn report_unknown(&mut self, task: TaskId) {
        let failure = Failure::new(Cause::Declined, "this worker does not hold the task");
        self.report_failure(task, failure);
    }

    /// Whether there is room and will for one more task.
    fn may_take(&self, assignment: &Assignment) -> Result<(), Failure> {
        let declined = |detail: alloc::string::String| Failure::new(Cause::Declined, detail);
        if self.is_leaving {
            return Err(declined("this worker is stopping".into()));
        }
        let (running, slots) = (self.slots_taken(), self.config.slots);
        if running >= usize::try_from(slots).unwrap_or(usize::MAX) {
            return Err(declined(format!("no free slot: {running} of {slots} are taken")));
        }
        if self.tasks.len() >= TASKS_MAX {
            return Err(declined(format!("this worker holds {TASKS_MAX} tasks already")));
        }
        check_assignment(assignment)
    }

    fn slots_taken(&self) -> usize {
        self.tasks.values().filter(|task| task.record.state.takes_slot()).count()
    }
}
