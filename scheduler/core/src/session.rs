//! What workers tell: logins, absences, reports.

use crate::action::{Action, Command};
use crate::consensus::Tally;
use crate::core::Core;
use crate::input::Login;
use crate::notice::Notice;
use crate::record::Record;
use crate::task::{Phase, Replica, ReplicaState, Task};
use crate::words::{Cause, Failure, ReportBody, Stage};
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::task::ContributionStatus;
use poco_core::{Address, TaskId};

impl Core {
    /// Compares the worker's live tasks with ours and settles the difference.
    pub(crate) fn on_connected(&mut self, login: Login) {
        let Login { worker, capacity, score, bond, live } = login;
        let (block, slots) = (self.clock.head().number, capacity.slots);
        if let Some(member) = self.workers.connect(worker, capacity, (score, bond), block) {
            self.act(Action::Put(Record::Member(member)));
        }
        self.index.touched.insert(worker);
        let mut commands = Vec::new();
        let mut unheard = self.index.tasks_of(worker);
        for (id, stage) in live {
            unheard.remove(&id);
            commands.extend(self.reconcile(worker, id, stage));
        }
        for id in unheard {
            self.on_unheard(worker, id, slots);
        }
        let live = self.held_to(worker);
        self.act(Action::Welcome { worker, live });
        for command in commands {
            self.act(Action::Tell { worker, command });
        }
    }

    /// A worker that came back does not know of a task: what it had is gone, or the command never
    /// came. It is told again, unless it came back with so much else that it has no room.
    fn on_unheard(&mut self, worker: Address, id: TaskId, slots: u32) {
        let now = self.now;
        let Some(task) = self.tasks.get(&id) else { return };
        let row = task.commit().and_then(|key| self.row_of(key, task));
        let is_in_row = row.is_some_and(|row| row.vote_of(worker).is_some());
        let voted = match task.vote_of(worker) {
            Some(_) => Some(Stage::Contributed),
            None => is_in_row.then_some(Stage::Balloted),
        };
        // It has no room, or came too late for the commit.
        let is_left_out = row.is_some() || self.index.slots_used(worker) > slots as usize;
        self.change(id, |task| {
            task.told.remove(&worker);
            let Some(replica) = task.replicas.get_mut(&worker) else { return };
            match &mut replica.state {
                // Computed again it would be of no use: the vote stands.
                ReplicaState::Live { stage, .. } if voted.is_some() => {
                    *stage = voted.map_or(*stage, |voted| voted.max(*stage));
                }
                state @ ReplicaState::Live { .. } if is_left_out => *state = ReplicaState::Lost,
                ReplicaState::Live { stage, since } if *stage != Stage::Promised => {
                    (*stage, *since) = (Stage::Promised, now);
                }
                ReplicaState::Live { .. } | ReplicaState::Lost | ReplicaState::Failed { .. } => {}
            }
        });
    }

    /// Takes in where a worker stands with one task, and answers what to tell it at once. What
    /// the task needs beyond that, its review tells.
    fn reconcile(&mut self, worker: Address, id: TaskId, stage: Option<Stage>) -> Option<Command> {
        let Some(task) = self.tasks.get(&id) else { return Some(Command::Ended(id)) };
        if matches!(task.phase, Phase::Ended(_)) {
            return Some(Command::Ended(id));
        }
        let has_voted = task.vote_of(worker).is_some();
        if !has_voted && !task.replicas.contains_key(&worker) {
            let reason = "this task was not assigned to you".into();
            return stage.map(|_| Command::Abandon { task: id, reason });
        }
        let is_wanted = has_voted || self.is_wanted(task, worker);
        let (now, time) = (self.now, self.clock.time(self.now));
        let mut answer = None;
        self.change(id, |task| {
            task.told.remove(&worker);
            if task.has_late() {
                task.late_mut().lane.row_told.remove(&worker);
            }
            let Some(replica) = task.replicas.get_mut(&worker) else { return };
            replica.updated = time;
            match stage {
                Some(stage) if is_wanted => {
                    replica.state = ReplicaState::Live { stage, since: now };
                }
                Some(_) => {
                    let reason = "another worker has taken it".into();
                    answer = Some(Command::Abandon { task: id, reason });
                }
                None => fail_unheard(replica, now),
            }
            task.is_unsaved = true;
        });
        answer
    }

    /// Whether the work of a replica helps: it counts already, or the others do not suffice.
    fn is_wanted(&self, task: &Task, worker: Address) -> bool {
        if let Some(row) = task.commit().and_then(|key| self.row_of(key, task)) {
            return row.vote_of(worker).is_some();
        }
        match task.replicas.get(&worker).map(|replica| &replica.state) {
            Some(ReplicaState::Live { .. }) => return true,
            Some(ReplicaState::Failed { failure, .. }) if failure.cause.is_of_the_task() => {
                return false;
            }
            Some(ReplicaState::Lost | ReplicaState::Failed { .. }) | None => {}
        }
        match &task.phase {
            Phase::Unread | Phase::Pending => true,
            Phase::Active { votes } => {
                let weights = task.in_flight().map(|(_, replica, _)| replica.weight);
                let trust = self.trust_of(task.deal).unwrap_or_default();
                !Tally::of(votes).reaches(weights, trust)
            }
            Phase::Revealing(_) | Phase::Ended(_) => false,
        }
    }

    /// What the worker is held to: what it listed itself, and its votes on chain. What is only
    /// promised it is told to run at once; asked about it as well, it would deny that it has it,
    /// and take it a moment later. Nor is it asked about what the chain has not told yet: behind a
    /// restart that is mostly over, and forgotten by its workers.
    fn held_to(&self, worker: Address) -> Vec<(TaskId, Stage)> {
        let tasks = self.index.tasks_of(worker);
        let held = |id: TaskId| {
            let task = self.tasks.get(&id)?;
            let is_known = !matches!(task.phase, Phase::Unread);
            task.stage_of(worker).filter(|_| is_known).map(|stage| (id, stage))
        };
        let is_held = |(_, stage): &(TaskId, Stage)| *stage != Stage::Promised;
        tasks.into_iter().filter_map(held).filter(is_held).collect()
    }

    pub(crate) fn on_disconnected(&mut self, worker: Address) {
        let tasks = self.index.tasks_of(worker);
        self.workers.disconnect(worker, self.now, !tasks.is_empty());
        self.dirty.extend(tasks);
    }

    /// Whether this worker was given this task, and it has not been forgotten.
    #[must_use]
    pub fn is_given(&self, worker: Address, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|task| task.replicas.contains_key(&worker))
    }

    pub(crate) fn on_report(&mut self, worker: Address, id: TaskId, body: ReportBody) {
        let Some(task) = self.tasks.get(&id) else { return };
        if !task.replicas.contains_key(&worker) {
            return;
        }
        if body == ReportBody::Reached(Stage::Running)
            && let Some(sight) = self.sight(task.deal)
        {
            let app = sight.facts.deal.app.pointer;
            self.workers.learn_app(worker, app);
        }
        let (now, time) = (self.now, self.clock.time(self.now));
        let mut failed = None;
        self.change(id, |task| {
            let Some(replica) = task.replicas.get_mut(&worker) else { return };
            replica.updated = time;
            match (body, &mut replica.state) {
                (ReportBody::Reached(reached), ReplicaState::Live { stage, since }) => {
                    // Whoever has computed never computes again: such a report is from before its vote.
                    let is_old = reached.takes_slot() && !stage.takes_slot();
                    if *stage != reached && !is_old {
                        (*stage, *since) = (reached, now);
                    }
                }
                // What comes late from a replica that was replaced changes nothing; its vote
                // counts if it gets on chain.
                (ReportBody::Reached(_), ReplicaState::Lost | ReplicaState::Failed { .. }) => {}
                (ReportBody::Failed(failure), state) => {
                    if can_replace(state, &failure) {
                        *state =
                            ReplicaState::Failed { failure: Box::new(failure.clone()), since: now };
                        task.is_unsaved = true;
                        failed = Some(failure);
                    }
                }
            }
        });
        if let Some(failure) = failed {
            self.note(Notice::Failed { task: id, worker, failure });
        }
    }
}

/// A replica that failed while its worker was away; the report that says why may follow.
fn fail_unheard(replica: &mut Replica, since: crate::clock::Moment) {
    match &replica.state {
        ReplicaState::Live { .. } | ReplicaState::Lost => {
            let failure = Failure::new(Cause::Abandoned, "ended while its worker was away");
            replica.state = ReplicaState::Failed { failure: Box::new(failure), since };
        }
        ReplicaState::Failed { .. } => {}
    }
}

/// A failure says more than none, and a worker's own more than what was guessed in its absence.
fn can_replace(state: &ReplicaState, failure: &Failure) -> bool {
    match state {
        ReplicaState::Live { .. } | ReplicaState::Lost => true,
        ReplicaState::Failed { failure: known, .. } => {
            matches!(known.cause, Cause::Abandoned | Cause::Slow)
                && failure.cause != Cause::Abandoned
                && failure.cause != known.cause
        }
    }
}

impl Task {
    /// Where a worker stands with this task; `None` where nothing is expected of it.
    pub(crate) fn stage_of(&self, worker: Address) -> Option<Stage> {
        let by_vote = self.vote_of(worker).map(|vote| match vote.status {
            ContributionStatus::Proved => Stage::Revealed,
            ContributionStatus::Unset
            | ContributionStatus::Contributed
            | ContributionStatus::Rejected => Stage::Contributed,
        });
        by_vote.or_else(|| match &self.replicas.get(&worker)?.state {
            ReplicaState::Live { stage, .. } => Some(*stage),
            ReplicaState::Lost | ReplicaState::Failed { .. } => None,
        })
    }
}
