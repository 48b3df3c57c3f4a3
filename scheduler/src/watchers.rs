//! Who is shown which task at each change.

use poco_core::TaskId;
use poco_scheduler_core::TaskReport;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Tasks watched at a time: watching costs nothing, so strangers could open any number.
const WATCHED_MAX: usize = 10_000;

/// What somebody gets who wants to watch a task.
#[derive(Debug)]
pub(crate) enum Watched {
    /// Every change from now on.
    Changes(watch::Receiver<TaskReport>),
    /// How it stands, and nothing more: too many are watched.
    Once(Box<TaskReport>),
}

#[derive(Debug, Default)]
pub(crate) struct Watchers {
    tasks: BTreeMap<TaskId, watch::Sender<TaskReport>>,
}

impl Watchers {
    /// Follows a task that stands as `report` says.
    pub(crate) fn watch(&mut self, task: TaskId, report: TaskReport) -> Watched {
        self.tasks.retain(|_, sender| sender.receiver_count() > 0);
        if self.tasks.len() >= WATCHED_MAX && !self.tasks.contains_key(&task) {
            return Watched::Once(Box::new(report));
        }
        let sender = self.tasks.entry(task).or_insert_with(|| watch::channel(report).0);
        Watched::Changes(sender.subscribe())
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

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{B256, DealId, Timestamp, U256};
    use poco_scheduler_core::{Lane, ReportStatus};

    fn task(number: usize) -> TaskId {
        TaskId(B256::from(U256::from(number)))
    }

    fn report(task: TaskId) -> TaskReport {
        TaskReport {
            task,
            deal: DealId::ZERO,
            index: U256::ZERO,
            status: ReportStatus::Active,
            waiting_for: String::new(),
            given_up: None,
            lane: Lane::Classic,
            replicas: Vec::new(),
            contribution_deadline: Timestamp::default(),
            reveal_deadline: Timestamp::default(),
            final_deadline: Timestamp::default(),
            location: String::new(),
            digest: None,
            ended: Timestamp::default(),
        }
    }

    #[test]
    fn where_too_many_are_watched_a_task_is_shown_once() {
        let mut watchers = Watchers::default();
        let mut watch = |number| watchers.watch(task(number), report(task(number)));
        let mut held: Vec<Watched> = (0..WATCHED_MAX).map(&mut watch).collect();
        assert!(held.iter().all(|watched| matches!(watched, Watched::Changes(_))));
        assert!(
            matches!(watch(WATCHED_MAX), Watched::Once(shown) if shown.task == task(WATCHED_MAX))
        );
        assert!(matches!(watch(0), Watched::Changes(_)), "it is watched already");
        held.pop();
        assert!(matches!(watch(WATCHED_MAX), Watched::Changes(_)), "one has gone");
    }
}
