//! Carries the plans out: looks at a task, does what it needs, gives it workers.

use crate::action::{Action, Command, Kind};
use crate::clock::Moment;
use crate::core::Core;
use crate::decide::{Depth, Question};
use crate::late::Upload;
use crate::limits::{
    ACCEPT_SECONDS, ASSIGNMENTS_MAX, CANDIDATES_MAX, CHOICE_REST_MILLIS, CONTRIBUTE_SECONDS,
    LOOKED_AT_MAX, REREAD_SECONDS, REREADS_PER_SECOND, RUN_GRACE_SECONDS, TASKS_AT_ONCE_MAX,
    TRANSFER_SECONDS, UPLOAD_BEGIN_SECONDS, UPLOAD_RETRY_SECONDS, UPLOAD_SECONDS,
};
use crate::line::{Pass, Ticket};
use crate::notice::Notice;
use crate::pick::Candidate;
use crate::plan::{Plan, Step, hopeless_reason, plan};
use crate::record::Record;
use crate::task::{Errand, Phase, Replica, ReplicaState, Task};
use crate::words::{Cause, Failure, Lane, Stage};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::{Address, TaskId, U256};

impl Core {
    /// Looks at one task and does what it needs.
    pub(crate) fn review(&mut self, id: TaskId) {
        let Some(mut task) = self.tasks.remove(&id) else { return };
        let patience = self.expire(&mut task);
        let patience = patience.into_iter().chain(self.give_up(&mut task)).min();
        self.index_as(&mut task);
        if let Errand::Resting { until, .. } = task.errand
            && until <= self.now
        {
            task.errand = Errand::None;
        }
        if self.settings.settlement {
            self.gathering.insert(task.deal);
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
        task.is_passed_over &= plan.wants_workers;
        self.schedule(&task, &plan, patience);
        let is_old = task.read_at.after(self.reread_seconds()) <= self.now;
        let is_stale = is_old && !matches!(task.phase, Phase::Ended(_));
        let seen_block = task.seen_block;
        self.save_task(&mut task);
        self.index_as(&mut task);
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
                replica.state =
                    ReplicaState::Failed { failure: Box::new(failure.clone()), since: now };
                task.is_unsaved = true;
                self.abandon(worker, task.id, "too slow; another worker takes it");
                self.note(Notice::Failed { task: task.id, worker, failure });
            }
        }
        [next, self.expire_upload(task)].into_iter().flatten().min()
    }

    fn expire_upload(&self, task: &mut Task) -> Option<Moment> {
        let (worker, end) = match task.late().upload {
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
        let late = task.late_mut();
        late.upload = Upload::None;
        late.upload_rests.insert(worker, self.now.after(UPLOAD_RETRY_SECONDS));
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
        if task.late().hopeless.is_some() || !is_open || task.commit().is_some() {
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
        task.late_mut().hopeless = Some(reason.clone());
        task.is_unsaved = true;
        self.note(Notice::Hopeless { task: task.id, reason });
        None
    }

    /// For a task that failed on every worker there is: until when absent ones may come back.
    fn fails_alone_at(&self, task: &Task) -> Option<Moment> {
        let last = task.last_own_failure()?;
        if !Question::new(self.sight(task.deal)?, task).fails_alone() {
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
                    task.late_mut().lane.settle_since.get_or_insert(self.now);
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
                task.late_mut().upload = Upload::Asked { worker, since: self.now };
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
                replica.state =
                    ReplicaState::Failed { failure: Box::new(failure), since: self.now };
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

    /// After how long without an event a task is read again: the more there are, the more rarely.
    pub(crate) fn reread_seconds(&self) -> u64 {
        let live = u64::try_from(self.index.live_len()).unwrap_or(u64::MAX);
        REREAD_SECONDS.max(live / REREADS_PER_SECOND)
    }

    fn schedule(&mut self, task: &Task, plan: &Plan, patience: Option<Moment>) {
        let is_ended = matches!(task.phase, Phase::Ended(_));
        let reread = (!is_ended).then(|| task.read_at.after(self.reread_seconds()));
        let at = [plan.wake_at, patience, reread.filter(|at| *at > self.now)];
        let mut at = at.into_iter().flatten().min();
        // With a new upload or replica just decided, its patience is not known yet.
        if matches!(task.late().upload, Upload::Asked { .. }) {
            let soon = self.now.after(UPLOAD_BEGIN_SECONDS);
            at = Some(at.map_or(soon, |first| first.min(soon)));
        }
        if let Some(number) = task.number {
            self.moments.set(number, at);
            self.times.set(number, plan.wake_when);
        }
        if plan.wants_workers {
            let deadline = self.sight(task.deal).map(|sight| sight.last_start(task));
            let ticket = Ticket {
                deadline: deadline.unwrap_or_default(),
                deal: task.deal,
                is_fresh: task.is_fresh(),
                offset: task.offset,
                task: task.id,
            };
            self.wanting.insert(task.requester, ticket);
            // Also where it stood there already: it may want another worker, or may have one back.
            self.has_news = true;
        } else {
            self.wanting.remove(task.id);
        }
    }

    pub(crate) fn save_task(&mut self, task: &mut Task) {
        if core::mem::take(&mut task.is_unsaved) {
            self.act(Action::Put(Record::Task(Box::new(task.record()))));
        }
    }

    /// Gives workers to tasks that want some, in turn, while anyone has a free slot. `true` where
    /// one is newly passed over, which leaves room for others.
    pub(crate) fn assign(&mut self) -> bool {
        self.place_workers();
        if !core::mem::take(&mut self.has_news) {
            return false;
        }
        let mut is_passed_over = false;
        let now = self.now;
        self.rests.retain(|_, until| *until > now);
        let mut pass = Pass::new(&self.wanting, &self.index);
        let mut assigned = 0usize;
        while self.workers.has_free()
            && let Some((requester, ticket)) = pass.next()
        {
            if assigned >= TASKS_AT_ONCE_MAX {
                (self.has_more, self.has_news) = (true, true);
                break;
            }
            let has_found = self.assign_one(ticket);
            assigned = assigned.saturating_add(usize::from(has_found));
            is_passed_over |= self.pass_over(ticket, has_found);
            pass.go_on((requester, ticket), has_found, (&self.wanting, &self.index));
        }
        is_passed_over
    }

    /// Remembers whether a task found somebody; what one fresh task of a deal does not find, the
    /// others do not either. `true` where that is news.
    fn pass_over(&mut self, ticket: Ticket, has_found: bool) -> bool {
        if ticket.is_fresh {
            if has_found {
                self.passed_over.remove(&ticket.deal);
                return false;
            }
            return self.passed_over.insert(ticket.deal);
        }
        let Some(task) = self.tasks.get_mut(&ticket.task) else { return false };
        let was_passed_over = core::mem::replace(&mut task.is_passed_over, !has_found);
        self.reindex(ticket.task);
        !has_found && !was_passed_over
    }

    /// Puts workers on the shelves where their slots put them.
    fn place_workers(&mut self) {
        for worker in core::mem::take(&mut self.index.touched) {
            self.workers.place(worker, self.index.slots_used(worker));
            self.has_news = true;
        }
    }

    fn assign_one(&mut self, ticket: Ticket) -> bool {
        if ticket.is_fresh && self.rests.contains_key(&ticket.deal) {
            return false;
        }
        let Some(mut task) = self.tasks.remove(&ticket.task) else { return false };
        let (chosen, looked_at) = self.choose(&task);
        let has_found = !chosen.is_empty();
        for candidate in chosen {
            self.promise(&mut task, candidate);
        }
        self.save_task(&mut task);
        self.index_as(&mut task);
        let number = task.number;
        self.tasks.insert(ticket.task, task);
        if has_found {
            self.place_workers();
            self.review(ticket.task);
        } else if looked_at > LOOKED_AT_MAX {
            let until = self.now.after_millis(CHOICE_REST_MILLIS);
            self.rests.insert(ticket.deal, until);
            if let Some(number) = number {
                self.moments.set_sooner(number, until);
            }
        }
        has_found
    }

    /// The workers that `task` should get now, and how many were looked at for it.
    fn choose(&mut self, task: &Task) -> (Vec<Candidate>, usize) {
        let Some(sight) = self.sight(task.deal) else { return (Vec::new(), 0) };
        let decision = Question::new(sight, task).decide(Depth::Now);
        let guard = sight.guard();
        let chosen = decision.chosen().copied().collect();
        if let Some(guard) = guard {
            for worker in decision.unasked.into_iter().take(CANDIDATES_MAX) {
                self.ask_guard(guard, worker);
            }
        }
        (chosen, decision.trace.looked_at)
    }

    /// Asks whether a guard knows a worker, unless that was done lately.
    pub(crate) fn ask_guard(&mut self, guard: Address, worker: Address) {
        if self.guards.ask(guard, worker, self.now) {
            self.act(Action::ReadGuard { guard, worker });
        }
    }

    fn promise(&mut self, task: &mut Task, candidate: Candidate) {
        let lane = self.lane(task);
        let Candidate { worker, weight, rank, .. } = candidate;
        let state = ReplicaState::Live { stage: Stage::Promised, since: self.now };
        let updated = self.clock.time(self.now);
        task.replicas.insert(worker, Replica { lane, weight, rank, state, updated });
        task.assignments = task.assignments.saturating_add(1);
        task.is_unsaved = true;
        self.note(Notice::Assigned { task: task.id, worker, lane, rank });
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
