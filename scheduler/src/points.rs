//! The steps at which tests let this process die: before and after each sync and each effect.

use crate::store::Change;
use poco_scheduler_core::{Record, TaskRecord};

/// Every point of this binary's own, in the order of a task's life. Names are stable.
pub(crate) const POINTS: &[&str] = &[
    "scheduler.store.open.before",
    "scheduler.store.open.after",
    "scheduler.store.deal.before",
    "scheduler.store.deal.after",
    "scheduler.read.deal.before",
    "scheduler.read.deal.after",
    "scheduler.store.task.before",
    "scheduler.store.task.after",
    "scheduler.ledger.put.before",
    "scheduler.ledger.put.after",
    "scheduler.initialize.before",
    "scheduler.initialize.after",
    "scheduler.read.task.before",
    "scheduler.read.task.after",
    "scheduler.welcome.before",
    "scheduler.welcome.after",
    "scheduler.store.assignment.before",
    "scheduler.store.assignment.after",
    "scheduler.assign.before",
    "scheduler.assign.after",
    "scheduler.acknowledge.before",
    "scheduler.acknowledge.after",
    "scheduler.store.failure.before",
    "scheduler.store.failure.after",
    "scheduler.store.hopeless.before",
    "scheduler.store.hopeless.after",
    "scheduler.store.votes.before",
    "scheduler.store.votes.after",
    "scheduler.abandon.before",
    "scheduler.abandon.after",
    "scheduler.reopen.before",
    "scheduler.reopen.after",
    "scheduler.reveal.before",
    "scheduler.reveal.after",
    "scheduler.upload.before",
    "scheduler.upload.after",
    "scheduler.upload.receive.before",
    "scheduler.upload.receive.after",
    "scheduler.upload.object.before",
    "scheduler.upload.object.after",
    "scheduler.store.result.before",
    "scheduler.store.result.after",
    "scheduler.upload.receipt.before",
    "scheduler.upload.receipt.after",
    "scheduler.lane.ballot.before",
    "scheduler.lane.ballot.after",
    "scheduler.lane.commit.before",
    "scheduler.lane.commit.after",
    "scheduler.store.member.before",
    "scheduler.store.member.after",
    "scheduler.lane.store.commit.before",
    "scheduler.lane.store.commit.after",
    "scheduler.lane.row.before",
    "scheduler.lane.row.after",
    "scheduler.lane.settle.before",
    "scheduler.lane.settle.after",
    "scheduler.lane.disclose.before",
    "scheduler.lane.disclose.after",
    "scheduler.lane.close.before",
    "scheduler.lane.close.after",
    "scheduler.lane.store.closed.before",
    "scheduler.lane.store.closed.after",
    "scheduler.lane.store.uncommit.before",
    "scheduler.lane.store.uncommit.after",
    "scheduler.finalize.before",
    "scheduler.finalize.after",
    "scheduler.claim.before",
    "scheduler.claim.after",
    "scheduler.initialize-and-claim.before",
    "scheduler.initialize-and-claim.after",
    "scheduler.ended.before",
    "scheduler.ended.after",
    "scheduler.store.cursor.before",
    "scheduler.store.cursor.after",
    "scheduler.ledger.remove.before",
    "scheduler.ledger.remove.after",
    "scheduler.store.drop.before",
    "scheduler.store.drop.after",
    "scheduler.store.retire.before",
    "scheduler.store.retire.after",
    "scheduler.store.close.before",
    "scheduler.store.close.after",
    "scheduler.sweep.before",
    "scheduler.sweep.after",
    "scheduler.sweep.object.before",
    "scheduler.sweep.object.after",
    "scheduler.sweep.forget.before",
    "scheduler.sweep.forget.after",
];

/// The points around a batch that moves the cursor and nothing else.
pub(crate) const CURSOR: [&str; 2] =
    ["scheduler.store.cursor.before", "scheduler.store.cursor.after"];

/// The points around a batch with this change in it; none for what always comes with another, nor for
/// the operator's orders, which are no part of a task's life.
pub(crate) fn of_change(change: &Change) -> Option<[&'static str; 2]> {
    match change {
        Change::Put(Record::Deal(_)) => {
            Some(["scheduler.store.deal.before", "scheduler.store.deal.after"])
        }
        Change::Put(Record::Task(task)) => Some(of_task(task)),
        Change::Put(Record::Member(_)) => {
            Some(["scheduler.store.member.before", "scheduler.store.member.after"])
        }
        Change::Put(Record::Commit(_)) => {
            Some(["scheduler.lane.store.commit.before", "scheduler.lane.store.commit.after"])
        }
        Change::DeleteCommit(_) => {
            Some(["scheduler.lane.store.uncommit.before", "scheduler.lane.store.uncommit.after"])
        }
        Change::Result { .. } | Change::Standing(_) | Change::Prices(_) => None,
        Change::DeleteDeal(_) => {
            Some(["scheduler.store.close.before", "scheduler.store.close.after"])
        }
        Change::DeleteTask(_) => {
            Some(["scheduler.store.drop.before", "scheduler.store.drop.after"])
        }
        Change::Retire { .. } => {
            Some(["scheduler.store.retire.before", "scheduler.store.retire.after"])
        }
    }
}

/// A record is named for the last that it tells.
fn of_task(task: &TaskRecord) -> [&'static str; 2] {
    let has_failed = task.replicas.iter().any(|replica| replica.failure.is_some());
    if task.closed.is_some() {
        ["scheduler.lane.store.closed.before", "scheduler.lane.store.closed.after"]
    } else if task.result.is_some() {
        ["scheduler.store.result.before", "scheduler.store.result.after"]
    } else if task.hopeless.is_some() {
        ["scheduler.store.hopeless.before", "scheduler.store.hopeless.after"]
    } else if !task.weights.is_empty() {
        ["scheduler.store.votes.before", "scheduler.store.votes.after"]
    } else if has_failed {
        ["scheduler.store.failure.before", "scheduler.store.failure.after"]
    } else if !task.replicas.is_empty() {
        ["scheduler.store.assignment.before", "scheduler.store.assignment.after"]
    } else {
        ["scheduler.store.task.before", "scheduler.store.task.after"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{B256, DealId, TaskId};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_come_in_pairs() {
        let names: BTreeSet<&str> = POINTS.iter().copied().collect();
        assert_eq!(names.len(), POINTS.len());
        for name in POINTS {
            let stem = name.strip_suffix(".before").or(name.strip_suffix(".after")).unwrap();
            assert!(names.contains(format!("{stem}.before").as_str()));
            assert!(names.contains(format!("{stem}.after").as_str()));
        }
    }

    #[test]
    fn the_points_of_changes_are_listed() {
        let changes =
            [Change::DeleteDeal(DealId(B256::ZERO)), Change::DeleteTask(TaskId(B256::ZERO))];
        for point in changes.iter().filter_map(of_change).chain([CURSOR]).flatten() {
            assert!(POINTS.contains(&point), "{point}");
        }
    }
}
