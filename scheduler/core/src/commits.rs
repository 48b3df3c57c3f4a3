//! What the chain and the workers tell of commits: rows, disclosures, bonds.

use crate::action::{Action, Kind};
use crate::core::Core;
use crate::record::{CommitKey, CommitRecord, Record};
use crate::task::{Errand, Replica, ReplicaState, Task};
use crate::words::{Lane, Stage};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use poco_core::credibility::WEIGHT_MIN;
use poco_core::lane::{Bond, CommitRange, LaneEvent, Row, SkipReason, Vote};
use poco_core::{Address, ResultDigest, ResultHash, TaskId, Timestamp, U256};

impl CommitRecord {
    /// The row of the task with `index`.
    pub(crate) fn row(&self, index: U256) -> Option<&Row> {
        self.rows.get(self.place(index)?)
    }

    pub(crate) fn place(&self, index: U256) -> Option<usize> {
        usize::try_from(index.checked_sub(self.key.first)?).ok()
    }

    /// The range of `count` tasks from `place` on.
    pub(crate) fn range(&self, place: usize, count: usize) -> CommitRange {
        let hashes = |rows: &[Row]| rows.iter().map(Row::hash).collect();
        let end = place.saturating_add(count);
        CommitRange {
            deal: self.key.deal,
            first: self.key.first,
            time: self.key.time,
            rows_before: hashes(self.rows.get(..place).unwrap_or_default()),
            rows_after: hashes(self.rows.get(end..).unwrap_or_default()),
        }
    }

    fn tasks(&self) -> impl Iterator<Item = TaskId> {
        let (deal, first) = (self.key.deal, self.key.first);
        let count = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        (0..count).map(move |place| TaskId::of_deal(deal, first.saturating_add(U256::from(place))))
    }
}

impl Core {
    pub(crate) fn on_lane_event(&mut self, block: u64, time: Timestamp, event: &LaneEvent) {
        match event {
            LaneEvent::Committed { deal, first, lengths, rows } => {
                let key = CommitKey { deal: *deal, first: *first, time };
                if let Some(rows) = Row::split(lengths, rows)
                    && self.deals.contains_key(deal)
                {
                    self.on_committed(CommitRecord { key, block, rows });
                }
            }
            LaneEvent::Closed { task } => self.change(*task, |task| {
                let lane = &mut task.late_mut().lane;
                (lane.closed, lane.is_classic) = (Some(block), true);
                task.is_unsaved = true;
            }),
            LaneEvent::TaskSkipped { task, reason } => match reason {
                // What the votes come to is settled: the task is closed into the classic lane.
                // Batches are cut so that only a task that never fits one meets the end of a record.
                SkipReason::NoConsensus
                | SkipReason::OnChain
                | SkipReason::Callback
                | SkipReason::RecordFull => {
                    self.change(*task, |task| {
                        task.late_mut().lane.is_classic = true;
                        task.is_unsaved = true;
                    });
                }
                SkipReason::NotCommitted | SkipReason::Undisclosed => {}
            },
            LaneEvent::Bonded { worker, .. }
            | LaneEvent::Unbonding { worker, .. }
            | LaneEvent::BondWithdrawn { worker, .. } => {
                if self.workers.is_connected(*worker) {
                    self.act(Action::ReadBond(*worker));
                }
            }
        }
    }

    fn on_committed(&mut self, commit: CommitRecord) {
        let (key, block) = (commit.key, commit.block);
        let (tasks, rows): (Vec<TaskId>, _) = (commit.tasks().collect(), commit.rows.clone());
        self.act(Action::Put(Record::Commit(Box::new(commit.clone()))));
        self.commits.insert(key, commit);
        for (id, row) in tasks.into_iter().zip(rows) {
            let unknown = self.unknown_members(id, &row);
            self.change(id, |task| {
                task.late_mut().lane.commit = Some(Box::new(key));
                if matches!(task.errand, Errand::InFlight(Kind::Commit)) {
                    task.errand = Errand::None;
                }
                task.is_unsaved |= !unknown.is_empty();
                for (worker, replica) in unknown {
                    task.replicas.insert(worker, replica);
                }
            });
            self.read_task(id, block);
        }
    }

    /// Who has a vote in the row and no promise that is known here: that was in a store that was lost.
    fn unknown_members(&self, id: TaskId, row: &Row) -> Vec<(Address, Replica)> {
        let Some(task) = self.tasks.get(&id) else { return Vec::new() };
        let workers = row.0.iter().map(|entry| entry.worker);
        let unknown = workers.filter(|worker| !task.replicas.contains_key(worker));
        let replica = |worker: Address| {
            let known = self.workers.find(worker).map(|known| known.weight);
            let replica = Replica {
                lane: Lane::Settlement,
                weight: known.unwrap_or(U256::from(WEIGHT_MIN)),
                rank: None,
                state: ReplicaState::Live { stage: Stage::Balloted, since: self.now },
                updated: self.clock.time(self.now),
            };
            (worker, replica)
        };
        unknown.map(replica).collect()
    }

    /// After a start: which task is in which of the stored commits.
    pub(crate) fn link_commits(&mut self) {
        let commits: Vec<(CommitKey, Vec<TaskId>)> =
            self.commits.iter().map(|(key, commit)| (*key, commit.tasks().collect())).collect();
        for (key, tasks) in commits {
            for id in tasks {
                self.change(id, |task| task.late_mut().lane.commit = Some(Box::new(key)));
            }
        }
    }

    /// Commits and closings in blocks after `to` never were.
    pub(crate) fn roll_back_commits(&mut self, to: u64) {
        self.mined_commits.clear();
        let gone: Vec<CommitKey> = self
            .commits
            .iter()
            .filter(|(_, commit)| commit.block > to)
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.commits.remove(&key);
            self.act(Action::DeleteCommit(key));
        }
        let ids: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|task| is_undone(task, &self.commits, to))
            .map(|task| task.id)
            .collect();
        for id in ids {
            let commits = &self.commits;
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if task.has_late() {
                let lane = &mut task.late_mut().lane;
                lane.commit = lane.commit.take().filter(|key| commits.contains_key(key));
                lane.closed = lane.closed.filter(|block| *block <= to);
            }
            if matches!(task.errand, Errand::InFlight(Kind::Commit)) {
                // Mined once it is told again, or refused when it is tried again.
                task.errand = Errand::None;
            }
            task.is_unsaved = true;
            self.reindex(id);
            self.dirty.insert(id);
        }
    }

    /// A commit that was mined by block `to`, and of which the events up to it say nothing, never was: its block was
    /// gone before it was followed, so that no rollback tells of it.
    pub(crate) fn forget_untold_commits(&mut self, to: u64) {
        while let Some((block, id)) = self.mined_commits.first().copied()
            && block <= to
        {
            self.mined_commits.pop_first();
            let is_untold = |task: &Task| {
                let is_awaited = matches!(task.errand, Errand::InFlight(Kind::Commit));
                is_awaited && task.commit().is_none()
            };
            if self.tasks.get(&id).is_some_and(|task| is_untold(task)) {
                self.change(id, |task| task.errand = Errand::None);
                self.read_task(id, to);
            }
        }
    }

    /// Forgets a commit with the last of its tasks.
    pub(crate) fn close_commit(&mut self, task: &Task) {
        let Some(key) = task.late().lane.commit.as_deref().copied() else { return };
        let is_needed = |commit: &CommitRecord| {
            commit.tasks().any(|id| id != task.id && self.tasks.contains_key(&id))
        };
        if self.commits.get(&key).is_some_and(|commit| !is_needed(commit)) {
            self.commits.remove(&key);
            self.act(Action::DeleteCommit(key));
        }
    }

    pub(crate) fn row_of(&self, key: CommitKey, task: &Task) -> Option<&Row> {
        let first = self.deals.get(&key.deal)?.facts.as_ref()?.deal.bot_first;
        self.commits.get(&key)?.row(first.checked_add(U256::from(task.offset))?)
    }

    /// Keeps what a worker of the task told of its vote. Whether it is the committed one, the row
    /// says when it is used: the worker may know of the commit before we do.
    pub(crate) fn on_disclosed(
        &mut self,
        worker: Address,
        id: TaskId,
        vote: Vote,
        digest: Option<ResultDigest>,
    ) {
        let is_known = self.tasks.get(&id).is_some_and(|task| task.replicas.contains_key(&worker));
        if !is_known {
            return;
        }
        let digest = digest.filter(|digest| ResultHash::of(id, *digest) == vote.hash);
        self.change(id, |task| {
            task.late_mut().lane.told.insert(worker, (vote, digest));
        });
    }

    pub(crate) fn on_bond_read(&mut self, worker: Address, bond: Option<Bond>) {
        self.workers.rebond(worker, bond);
        self.has_news = true;
    }
}

fn is_undone(task: &Task, commits: &BTreeMap<CommitKey, CommitRecord>, to: u64) -> bool {
    task.late().lane.commit.as_ref().is_some_and(|key| !commits.contains_key(key))
        || task.late().lane.closed.is_some_and(|block| block > to)
        || matches!(task.errand, Errand::InFlight(Kind::Commit))
}
