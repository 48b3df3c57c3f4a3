//! What must hold of the core whatever comes, for those who test it.

use crate::ballots::Bundle;
use crate::core::{Core, stake_in};
use crate::index::Index;
use crate::input::TaskFacts;
use crate::settings::Settings;
use crate::task::{Phase, Task};
use alloc::vec::Vec;
use poco_core::{DealId, TaskId};

#[doc(hidden)]
impl Core {
    /// Whether the derived state equals what follows from the tasks alone.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let mut fresh = Index::default();
        for task in self.tasks.values() {
            let mut task = Task::clone(task);
            task.number = None;
            let stake = stake_in(&self.deals, task.deal);
            fresh.update(&mut task, stake);
        }
        fresh.touched.clear();
        fresh.is_same(&self.index)
            && self.workers.is_consistent(|worker| self.index.slots_used(worker))
    }

    /// Whether a replica counts as under way though its worker has been away so much longer than it may. Of tasks that
    /// are being read nothing is decided.
    #[must_use]
    pub fn has_overdue(&self, slack_millis: u64) -> bool {
        let Settings { lost_after_millis, start_grace_millis, .. } = self.settings;
        let is_overdue = |worker| {
            let lost_at = self.workers.lost_at(worker, lost_after_millis, start_grace_millis);
            lost_at.is_some_and(|at| at.after_millis(slack_millis) < self.now)
        };
        // Of a committed task nobody is replaced.
        let open = self
            .tasks
            .values()
            .filter(|task| task.commit().is_none())
            .filter(|task| !matches!(task.phase, Phase::Unread | Phase::Ended(_)));
        open.flat_map(|task| task.in_flight()).any(|(worker, ..)| is_overdue(worker))
    }

    /// Tasks that are held for something else than the chain says, which `facts` tells as of block `tip`, though no
    /// answer about them is awaited and none from a later block has come; with the block as of which they were seen.
    #[must_use]
    pub fn mistaken(&self, tip: u64, facts: impl Fn(TaskId) -> TaskFacts) -> Vec<(TaskId, u64)> {
        let is_mistaken = |task: &&Task| {
            let mut learned = Task::clone(task);
            let _ = learned.learn(facts(task.id), self.now);
            learned.phase != task.phase
        };
        let known = self.tasks.values().map(|task| &**task);
        let known = known.filter(|task| task.reading.is_none() && task.seen_block <= tip);
        known.filter(is_mistaken).map(|task| (task.id, task.seen_block)).collect()
    }

    /// Whether a task that goes on has not been read for so much longer than it should.
    #[must_use]
    pub fn has_stale(&self, slack_millis: u64) -> bool {
        let until =
            |task: &Task| task.read_at.after(self.reread_seconds()).after_millis(slack_millis);
        let is_stale = |task: &Task| task.reading.is_none() && until(task) < self.now;
        self.tasks.values().any(|task| !matches!(task.phase, Phase::Ended(_)) && is_stale(task))
    }

    /// The first task of each commit whose outcome is waited for: nothing else ends that.
    #[must_use]
    pub fn awaited_commits(&self) -> Vec<TaskId> {
        self.bundles.values().filter_map(Bundle::sent).collect()
    }

    /// Whether it holds this deal.
    #[must_use]
    pub fn has_deal(&self, id: DealId) -> bool {
        self.deals.contains_key(&id)
    }
}
