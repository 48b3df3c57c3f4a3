//! Carries the plans out: looks at a task, does what it needs, gives it workers.

use crate::action::{Action, Command, Kind};
use crate::clock::Moment;
use crate::consensus::Tally;
use crate::core::Core;
use crate::limits::{
    ACCEPT_SECONDS, ASSIGNMENTS_MAX, CANDIDATES_MAX, CONTRIBUTE_SECONDS, REREAD_SECONDS,
    RUN_GRACE_SECONDS, TRANSFER_SECONDS, UPLOAD_BEGIN_SECONDS, UPLOAD_RETRY_SECONDS,
    UPLOAD_SECONDS,
};
use crate::notice::Notice;
use crate::pick::{Candidate, pick};
use crate::plan::{Plan, Step, hopeless_reason, plan};
use crate::record::Record;
use crate::task::{Errand, Phase, Replica, ReplicaState, Task, Turn, Upload};
use crate::words::{Cause, Failure, Lane, Stage};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::{Address, B256, TaskId, U256, keccak256};

impl Core {
    /// Looks at one task and does what it needs.
    pub(crate) fn review(&mut self, id: TaskId) {
        let Some(mut task) = self.tasks.remove(&id) else { return };
        let patience = self.expire(&mut task);
        let patience = patience.into_iter().chain(self.give_up(&mut task)).min();
        self.index.update(&task);
        if let Errand::Resting { kind: Kind::Commit, until, .. } = task.errand
            && until <= self.now
        {
            task.errand = Errand::None;
        }
        let plan = match self.sight(task.deal) {
            Some(sight) => plan(&task, sight),
            None => {
                self.tasks.insert(id, task);
                return;
            }
        };
        let mut goes_on = false;
        for step in &plan.steps {
            goes_on |= *step == Step::GoClassic;
            self.take_step(&mut task, *step);
        }
        task.waits_for = plan.waiting.name();
        self.schedule(&task, &plan, patience);
        let is_old = task.read_at.after(REREAD_SECONDS) <= self.now;
        let is_stale = is_old && !matches!(task.phase, Phase::Ended(_));
        let seen_block = task.seen_block;
        self.save_task(&mut task);
        self.index.update(&task);
        self.tasks.insert(id, task);
        if goes_on {
            // Once for each task: it never comes back from there.
            self.dirty.insert(id);
        }
        if is_stale {
            self.read_task(id, seen_block);
        }
        self.act(Action::Changed(id));
    }

    /// Ends what took too long. Answers when the next patience ends.
    fn expire(&mut self, task: &mut Task) -> Option<Moment> {
        if matches!(task.phase, Phase::Ended(_)) {
            return None;
        }
        if task.commit().is_some() {
            // Nobody can be replaced any more; the commit has its own times.
            return self.expire_upload(task);
        }
        let (now, clock) = (self.now, self.clock.time(self.now));
        let (lost_after, grace) =
            (self.settings.lost_after_millis, self.settings.start_grace_millis);
        let run_seconds = self.run_seconds(task);
        let mut next: Option<Moment> = None;
        let under_way: Vec<(Address, Stage)> =
            task.in_flight().map(|(worker, _, stage)| (worker, stage)).collect();
        for (worker, stage) in under_way {
            let Some(replica) = task.replicas.get_mut(&worker) else { continue };
            let ReplicaState::Live { since, .. } = replica.state else { continue };
            let is_gathered = replica.lane == Lane::Settlement;
            let patience = match stage {
                // Until the others of its task are done as well.
                Stage::Computed | Stage::Balloted if is_gathered => {
                    TRANSFER_SECONDS.saturating_add(run_seconds)
                }
                Stage::Promised => ACCEPT_SECONDS,
                Stage::Accepted | Stage::Pulling | Stage::Fetching => TRANSFER_SECONDS,
                Stage::Running => run_seconds.saturating_add(RUN_GRACE_SECONDS),
                Stage::Computed
                | Stage::Balloted
                | Stage::Committed
                | Stage::Contributed
                | Stage::Revealed
                | Stage::Uploaded => CONTRIBUTE_SECONDS,
            };
            let lost_at = self.workers.lost_at(worker, lost_after, grace);
            let end = lost_at.unwrap_or_else(|| since.after(patience));
            if end > now {
                next = Some(next.map_or(end, |first| first.min(end)));
                continue;
            }
            replica.updated = clock;
            task.told.remove(&worker);
            if lost_at.is_some() {
                replica.state = ReplicaState::Lost;
                self.note(Notice::Lost { task: task.id, worker });
            } else {
                let failure = Failure::new(Cause::Slow, stage.name());
                replica.state = ReplicaState::Failed { failure: failure.clone(), since: now };
                task.is_unsaved = true;
                self.abandon(worker, task.id, "too slow; another worker takes it");
                self.note(Notice::Failed { task: task.id, worker, failure });
            }
        }
        [next, self.expire_upload(task)].into_iter().flatten().min()
    }

    fn expire_upload(&self, task: &mut Task) -> Option<Moment> {
        let (worker, end) = match task.upload {
            Upload::None => return None,
            Upload::Asked { worker, .. } if !self.workers.is_connected(worker) => {
                (worker, self.now)
            }
            Upload::Asked { worker, since } => (worker, since.after(UPLOAD_BEGIN_SECONDS)),
            Upload::Running { worker, since } => (worker, since.after(UPLOAD_SECONDS)),
        };
        if end > self.now {
            return Some(end);
        }
        task.upload = Upload::None;
        task.upload_rests.insert(worker, self.now.after(UPLOAD_RETRY_SECONDS));
        None
    }

    /// Marks a task hopeless that failed by its own fault on too many workers, or on all there
    /// are, or at everybody's too often. Answers when it would, if nobody else comes until then.
    fn give_up(&mut self, task: &mut Task) -> Option<Moment> {
        let is_open = match task.phase {
            Phase::Active { .. } => true,
            // Not opened before its commit, but computed.
            Phase::Pending => !task.replicas.is_empty(),
            Phase::Unread | Phase::Revealing(_) | Phase::Ended(_) => false,
        };
        if task.hopeless.is_some() || !is_open || task.commit().is_some() {
            return None;
        }
        let failures: Vec<String> = task.own_failures().map(ToString::to_string).collect();
        let is_spent = task.assignments >= ASSIGNMENTS_MAX && task.in_flight().next().is_none();
        let alone_at = self.fails_alone_at(task);
        let is_alone = alone_at.is_some_and(|at| at <= self.now);
        let reason = if failures.len() >= self.settings.attempts_max || is_alone {
            hopeless_reason(&failures, self.trust_of(task.deal).unwrap_or_default())
        } else if is_spent {
            "no worker brought a result after many attempts".into()
        } else {
            return alone_at;
        };
        task.hopeless = Some(reason.clone());
        task.is_unsaved = true;
        self.note(Notice::Hopeless { task: task.id, reason });
        None
    }

    /// For a task that failed on every worker there is: until when absent ones may come back.
    fn fails_alone_at(&self, task: &Task) -> Option<Moment> {
        let last = task.last_own_failure()?;
        let may_succeed = !task.votes().is_empty()
            || task.in_flight().next().is_some()
            || task.next_retry(self.now).is_some()
            || self.sight(task.deal)?.has_prospects(task);
        if may_succeed {
            return None;
        }
        let returned = self.workers.returned_at(self.settings.start_grace_millis);
        Some(last.after_millis(self.settings.lost_after_millis).max(returned))
    }

    fn take_step(&mut self, task: &mut Task, step: Step) {
        match step {
            Step::GoClassic => Self::go_classic(task),
            Step::Row(worker) => self.tell_row(task, worker),
            Step::Transact(kind) => {
                if kind == Kind::Settle {
                    task.lane.settle_since.get_or_insert(self.now);
                }
                task.errand = match core::mem::take(&mut task.errand) {
                    Errand::Resting { .. } | Errand::None | Errand::Queued(_) => {
                        Errand::Queued(kind)
                    }
                    Errand::InFlight(kind) => Errand::InFlight(kind),
                };
            }
            Step::Assign(worker) => self.tell_assign(task, worker),
            Step::Reveal(worker) => {
                task.told.insert(worker, self.now);
                self.act(Action::Tell { worker, command: Command::Reveal(task.id) });
            }
            Step::Upload(worker) => {
                task.upload = Upload::Asked { worker, since: self.now };
                self.act(Action::Tell { worker, command: Command::Upload(task.id) });
            }
            Step::AbandonRest => self.abandon_rest(task),
        }
    }

    fn abandon_rest(&mut self, task: &mut Task) {
        let rest: Vec<Address> = task.in_flight().map(|(worker, ..)| worker).collect();
        for worker in rest {
            self.abandon(worker, task.id, "the others have agreed");
            let failure = Failure::new(Cause::Abandoned, "the others have agreed");
            if let Some(replica) = task.replicas.get_mut(&worker) {
                replica.state = ReplicaState::Failed { failure, since: self.now };
            }
            task.is_unsaved = true;
        }
    }

    fn abandon(&mut self, worker: Address, task: TaskId, reason: &str) {
        if self.workers.is_connected(worker) {
            let command = Command::Abandon { task, reason: reason.into() };
            self.act(Action::Tell { worker, command });
        }
    }

    fn schedule(&mut self, task: &Task, plan: &Plan, patience: Option<Moment>) {
        let is_ended = matches!(task.phase, Phase::Ended(_));
        let reread = (!is_ended).then(|| task.read_at.after(REREAD_SECONDS));
        let at = [plan.wake_at, patience, reread.filter(|at| *at > self.now)];
        let mut at = at.into_iter().flatten().min();
        // With a new upload or replica just decided, its patience is not known yet.
        if matches!(task.upload, Upload::Asked { .. }) {
            let soon = self.now.after(UPLOAD_BEGIN_SECONDS);
            at = Some(at.map_or(soon, |first| first.min(soon)));
        }
        self.moments.set(task.id, at);
        self.times.set(task.id, plan.wake_when);
        if plan.wants_workers {
            self.wanting.insert(task.turn);
        } else {
            self.wanting.remove(&task.turn);
        }
    }

    pub(crate) fn save_task(&mut self, task: &mut Task) {
        if core::mem::take(&mut task.is_unsaved) {
            self.act(Action::Put(Record::Task(Box::new(task.record()))));
        }
    }

    /// Gives workers to tasks that want some, in turn, while anyone has a free slot.
    pub(crate) fn assign(&mut self) {
        let turns: Vec<Turn> = self.wanting.iter().copied().collect();
        for (_, _, id) in turns {
            if self.free_slots() == 0 {
                return;
            }
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            self.ask_guard(&task);
            let chosen = self.choose(&task);
            let is_any = !chosen.is_empty();
            for candidate in chosen {
                self.promise(&mut task, candidate);
            }
            self.save_task(&mut task);
            self.index.update(&task);
            self.tasks.insert(id, task);
            if is_any {
                self.review(id);
            }
        }
    }

    /// Asks the deal's guard, where it has one, about the workers that could take the task.
    fn ask_guard(&mut self, task: &Task) {
        let Some((guard, workers)) = self.sight(task.deal).and_then(|sight| {
            let fitting = sight.fitting(task).map(|(worker, _)| worker).take(CANDIDATES_MAX);
            Some((sight.guard()?, fitting.collect::<Vec<Address>>()))
        }) else {
            return;
        };
        for worker in workers {
            if self.guards.ask(guard, worker, self.now) {
                self.act(Action::ReadGuard { guard, worker });
            }
        }
    }

    fn free_slots(&self) -> usize {
        let free = |(address, worker): (Address, &crate::workers::Worker)| {
            let slots = if self.workers.is_drained(address) { 0 } else { worker.capacity.slots };
            (slots as usize).saturating_sub(self.index.slots_used(address))
        };
        self.workers.connected().map(free).fold(0, usize::saturating_add)
    }

    /// The free workers that `task` should get now. If the free ones cannot reach the trust, but
    /// all that are connected can, those of them that are free begin; else nobody does, since
    /// their work could not be paid.
    fn choose(&self, task: &Task) -> Vec<Candidate> {
        let Some(sight) = self.sight(task.deal) else { return Vec::new() };
        let settles = sight.settles(task);
        let votes = match &task.phase {
            Phase::Active { votes } => votes.as_slice(),
            Phase::Pending if settles => &[],
            Phase::Unread | Phase::Pending | Phase::Revealing(_) | Phase::Ended(_) => {
                return Vec::new();
            }
        };
        let trust = sight.facts.deal.trust;
        let mut candidates = sight.candidates(task);
        if settles {
            candidates.retain(|(candidate, _)| sight.is_bonded(candidate.worker));
        }
        candidates.sort_by_key(|(candidate, last_used)| {
            (!candidate.is_free, *last_used, self.lot(task.id, candidate.worker))
        });
        candidates.truncate(CANDIDATES_MAX);
        let all: Vec<Candidate> = candidates.into_iter().map(|(candidate, _)| candidate).collect();
        let free: Vec<Candidate> = all.iter().copied().filter(|one| one.is_free).collect();
        let tally = Tally::of(votes);
        let under_way: Vec<U256> = task.in_flight().map(|(_, replica, _)| replica.weight).collect();
        let chosen = pick(&tally, &under_way, &free, trust)
            .or_else(|| pick(&tally, &under_way, &all, trust))
            .unwrap_or_default();
        chosen.into_iter().filter(|candidate| candidate.is_free).collect()
    }

    /// Breaks ties in a way that workers can neither foresee nor choose.
    fn lot(&self, task: TaskId, worker: Address) -> B256 {
        let seed = self.settings.seed.to_be_bytes();
        let parts = [seed.as_slice(), task.0.as_slice(), worker.as_slice()];
        keccak256(parts.concat())
    }

    fn promise(&mut self, task: &mut Task, candidate: Candidate) {
        let lane = self.lane(task);
        let worker = candidate.worker;
        let state = ReplicaState::Live { stage: Stage::Promised, since: self.now };
        let updated = self.clock.time(self.now);
        task.replicas.insert(worker, Replica { lane, weight: candidate.weight, state, updated });
        task.assignments = task.assignments.saturating_add(1);
        task.is_unsaved = true;
        self.workers.mark_used(worker);
        self.note(Notice::Assigned { task: task.id, worker, lane });
        self.tell_assign(task, worker);
    }

    /// Settlement where that is possible; else fast where one vote decides and there is none yet.
    fn lane(&self, task: &Task) -> Lane {
        if self.sight(task.deal).is_some_and(|sight| sight.settles(task)) {
            return Lane::Settlement;
        }
        let is_alone = self.trust_of(task.deal).is_some_and(|trust| trust <= U256::ONE);
        if self.settings.fast_lane && is_alone && task.votes().is_empty() {
            Lane::Fast
        } else {
            Lane::Classic
        }
    }

    fn tell_assign(&mut self, task: &mut Task, worker: Address) {
        let facts = self.deals.get(&task.deal).and_then(|deal| deal.facts.as_ref());
        let first = facts.map(|facts| facts.deal.bot_first).unwrap_or_default();
        let Some(lane) = task.replicas.get(&worker).map(|replica| replica.lane) else { return };
        let index = first.saturating_add(U256::from(task.offset));
        task.told.insert(worker, self.now);
        let command = Command::Assign { task: task.id, deal: task.deal, index, lane };
        self.act(Action::Tell { worker, command });
    }

    fn run_seconds(&self, task: &Task) -> u64 {
        let facts = self.deals.get(&task.deal).and_then(|deal| deal.facts.as_ref());
        facts.map(|facts| facts.work_clock_time_ref_seconds).unwrap_or_default()
    }
}
