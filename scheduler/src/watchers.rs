//! Who is shown which task at each change.

use poco_core::TaskId;
use poco_scheduler_core::TaskReport;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Tasks watched at a time: watching costs nothing, so strangers could open any number.
const WATCHED_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Watchers {
    tasks: BTreeMap<TaskId, watch::Sender<TaskReport>>,
}

impl Watchers {
    /// Follows a task that stands as `report` says; `None` where too many are watched.
    pub(crate) fn watch(
        &mut self,
        task: TaskId,
        report: TaskReport,
    ) -> Option<watch::Receiver<TaskReport>> {
        self.tasks.retain(|_, sender| sender.receiver_count() > 0);
        if self.tasks.len() >= WATCHED_MAX && !self.tasks.contains_key(&task) {
            return None;
        }
        let sender = self.tasks.entry(task).or_insert_with(|| watch::channel(report).0);
        Some(sender.subscribe())
    }

    pub(crate) fn is_watched(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Shows a task as it is now, if that differs from what was shown.
    pub(crate) fn show(&mut self, task: TaskId, report: TaskReport) {
        if let Some(sender) = self.tasks.get(&task) {
            sender.send_if_modified(|shown| {
                let is_news = *shown != report;
                *shown = report;
                is_news
            });
        }
    }

    /// Ends the watching of a task.
    pub(crate) fn end(&mut self, task: TaskId) {
        self.tasks.remove(&task);
    }
}
