//! The core: takes inputs, leaves actions. What each input means lies in the modules beside.

use crate::action::{Action, Kind};
use crate::ballots::Bundle;
use crate::clock::{ChainClock, Moment};
use crate::deals::DealState;
use crate::guards::Guards;
use crate::index::{Index, MomentWakes, Wakes};
use crate::input::Input;
use crate::intake::Gate;
use crate::limits::SWEEP_SECONDS;
use crate::line::Line;
use crate::notice::Notice;
use crate::record::{CommitKey, CommitRecord, Record, TaskRecord};
use crate::settings::Settings;
use crate::task::Task;
use crate::workers::Workers;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use poco_core::{Address, Amount, DealId, TaskId, Timestamp};

/// A pool's scheduler without IO: [`Core::handle`] takes a fact in, [`Core::poll_action`] gives
/// out what to do, [`Core::next_timer`] says when to call with [`Input::Timer`].
#[derive(Debug)]
pub struct Core {
    pub(crate) settings: Settings,
    pub(crate) now: Moment,
    pub(crate) clock: ChainClock,
    /// The last block whose events are known: of what is older nothing will be told.
    pub(crate) followed: u64,
    /// Raised by each rollback: answers to older questions may be about blocks that never were.
    pub(crate) epoch: u64,
    pub(crate) deals: BTreeMap<DealId, DealState>,
    pub(crate) tasks: BTreeMap<TaskId, Box<Task>>,
    pub(crate) workers: Workers,
    pub(crate) guards: Guards,
    pub(crate) gate: Gate,
    pub(crate) index: Index,
    /// Deals with tasks that are not made yet, in the order in which they expire.
    pub(crate) unmade: BTreeSet<(Timestamp, DealId)>,
    /// The same per requester.
    pub(crate) unmade_of: BTreeMap<Address, BTreeSet<(Timestamp, DealId)>>,
    /// Tasks that were opened before they were made, and the block of each: by a stranger, or by a life of which
    /// the store knows nothing.
    pub(crate) opened: BTreeMap<TaskId, u64>,
    /// Tasks that more workers would help, in the order in which they are served.
    pub(crate) wanting: Line,
    /// Something changed since the line was last gone through.
    pub(crate) has_news: bool,
    /// Deals whose tasks found nobody though many were looked at, and until when they rest.
    pub(crate) rests: BTreeMap<DealId, Moment>,
    /// Deals whose record differs from what is stored: written once, however many of their tasks
    /// were made.
    pub(crate) unsaved_deals: BTreeSet<DealId>,
    /// Deals whose next task found nobody though somebody was free.
    pub(crate) passed_over: BTreeSet<DealId>,
    /// Tasks about which something changed since they were last reviewed.
    pub(crate) dirty: BTreeSet<TaskId>,
    /// Work was left for another time, so that what was decided gets out meanwhile.
    pub(crate) has_more: bool,
    pub(crate) moments: MomentWakes,
    pub(crate) times: Wakes<Timestamp>,
    pub(crate) batches_in_flight: BTreeMap<Kind, usize>,
    pub(crate) commits: BTreeMap<CommitKey, CommitRecord>,
    /// Tasks whose commit was mined, and the block of which events have to tell it.
    pub(crate) mined_commits: BTreeSet<(u64, TaskId)>,
    /// Deals whose tasks were reviewed since ballots were last gathered.
    pub(crate) gathering: BTreeSet<DealId>,
    /// Ballots being gathered, one commit of a deal at a time.
    pub(crate) bundles: BTreeMap<DealId, Bundle>,
    next_sweep: Moment,
    actions: VecDeque<Action>,
}

impl Core {
    /// A core that goes on where the stored records end, with the events up to block `followed` in them.
    /// Everything that the chain knows is read again; the first actions ask for it.
    #[must_use]
    pub fn new(settings: Settings, records: Vec<Record>, followed: u64, now: Moment) -> Self {
        let mut core = Self {
            settings,
            now,
            clock: ChainClock::default(),
            followed,
            epoch: 0,
            deals: BTreeMap::new(),
            tasks: BTreeMap::new(),
            workers: Workers::new(now),
            guards: Guards::default(),
            gate: Gate::default(),
            index: Index::default(),
            unmade: BTreeSet::new(),
            unmade_of: BTreeMap::new(),
            opened: BTreeMap::new(),
            wanting: Line::default(),
            has_news: false,
            rests: BTreeMap::new(),
            unsaved_deals: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            dirty: BTreeSet::new(),
            has_more: false,
            moments: MomentWakes::default(),
            times: Wakes::default(),
            batches_in_flight: BTreeMap::new(),
            commits: BTreeMap::new(),
            mined_commits: BTreeSet::new(),
            gathering: BTreeSet::new(),
            bundles: BTreeMap::new(),
            next_sweep: now,
            actions: VecDeque::new(),
        };
        let mut tasks: Vec<TaskRecord> = Vec::new();
        for record in records {
            match record {
                Record::Deal(deal) => core.restore_deal(*deal),
                Record::Task(task) => tasks.push(*task),
                Record::Commit(commit) => {
                    core.commits.insert(commit.key, *commit);
                }
                Record::Member(member) => core.workers.restore(&member),
            }
        }
        for task in tasks {
            core.restore_task(task);
        }
        core.link_commits();
        core
    }

    /// Takes one fact in. `now` never goes back.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Head(head) => self.on_head(head),
            Input::Events { to, events } => self.on_events(to, events),
            Input::Rollback { to } => self.on_rollback(to),
            Input::DealRead { deal, epoch, facts } => self.on_deal_read(deal, epoch, facts),
            Input::TaskRead { task, epoch, facts } => self.on_task_read(task, epoch, *facts),
            Input::ScoreRead { worker, score } => {
                self.workers.rescore(worker, score);
                self.has_news = true;
            }
            Input::GuardRead { guard, worker, is_known } => {
                self.guards.on_answer(guard, worker, is_known, self.now);
                self.has_news = true;
            }
            Input::BondRead { worker, bond } => self.on_bond_read(worker, bond),
            Input::Ballot { deal, ballot } => self.on_ballot(deal, ballot),
            Input::Disclosed { worker, task, vote, digest } => {
                self.on_disclosed(worker, task, vote, digest);
            }
            Input::Connected(login) => self.on_connected(login),
            Input::Disconnected { worker } => self.on_disconnected(worker),
            Input::Report { worker, task, body } => self.on_report(worker, task, body),
            Input::Outcome { intent, result } => self.on_outcome(intent, result),
            Input::UploadBegan { worker, task } => self.on_upload_began(worker, task),
            Input::UploadFailed { worker, task } => self.on_upload_failed(worker, task),
            Input::ResultStored { upload, task, result } => {
                self.on_result_stored(upload, task, result);
            }
            Input::Operation(operation) => self.on_operation(operation),
            Input::Funds(funds) => self.on_funds(funds),
            Input::Room(free_bytes) => self.on_room(free_bytes),
            Input::Timer => {}
        }
        self.settle();
        self.save_deals();
    }

    /// The next thing to do. Drain all before the next input: see [`Action`] for the order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call with [`Input::Timer`] if nothing else comes before.
    #[must_use]
    pub fn next_timer(&self) -> Option<Moment> {
        if self.has_more {
            return Some(self.now);
        }
        let time = self.clock.time(self.now);
        // Deals that have expired already go on with each answer about the tasks made last.
        let expiry = self.unmade.iter().map(|(last, _)| *last).find(|last| *last > time);
        let times = self.times.first().into_iter().chain(expiry);
        let by_chain = times.filter(|_| self.clock.is_set()).map(|time| self.clock.moment_of(time));
        let mut all = by_chain.chain(self.moments.first()).min();
        if self.clock.is_set() {
            all = Some(all.map_or(self.next_sweep, |first| first.min(self.next_sweep)));
        }
        all
    }

    /// Draws every conclusion from what is known now.
    fn settle(&mut self) {
        while let Some(number) = self.moments.pop(self.now) {
            self.dirty.extend(self.index.name(number));
        }
        let time = self.clock.time(self.now);
        while let Some(number) = self.times.pop(time) {
            self.dirty.extend(self.index.name(number));
        }
        self.has_more = false;
        self.make_tasks();
        loop {
            // A review makes other kinds of work, and at most once for each task another review.
            while let Some(task) = self.dirty.pop_first() {
                self.review(task);
            }
            if self.assign() {
                self.make_tasks();
            }
            // Where a ballot did not come a replica has ended: one less each time, so this ends.
            self.gather_ballots();
            if self.dirty.is_empty() && self.index.touched.is_empty() {
                break;
            }
        }
        self.send_batches();
        if self.clock.is_set() && self.next_sweep <= self.now {
            self.next_sweep = self.now.after(SWEEP_SECONDS);
            for worker in self.workers.unshun(self.now) {
                self.act(Action::ReadBond(worker));
            }
            self.act(Action::Sweep { now: time });
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn note(&mut self, notice: Notice) {
        self.act(Action::Note(notice));
    }

    /// Changes a task and looks at it again. Nothing happens where it is not known.
    pub(crate) fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(&id) {
            change(task);
            self.reindex(id);
            self.dirty.insert(id);
        }
    }

    /// Takes in what has become of a task.
    pub(crate) fn reindex(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            let stake = stake_in(&self.deals, task.deal);
            self.index.update(task, stake);
        }
    }

    /// The same of a task that is not in its place just now.
    pub(crate) fn index_as(&mut self, task: &mut Task) {
        let stake = stake_in(&self.deals, task.deal);
        self.index.update(task, stake);
    }

    /// Asks for the state of a task as of `at_least` or later, and never as of a block before those whose
    /// events are known: a node that lags would have it miss what they told.
    pub(crate) fn read_task(&mut self, id: TaskId, at_least: u64) {
        let epoch = self.epoch;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let at_least = at_least.max(self.followed);
        let wanted = task.reading.map_or(at_least, |asked| asked.max(at_least));
        if task.reading == Some(wanted) {
            return;
        }
        task.reading = Some(wanted);
        self.act(Action::ReadTask { task: id, epoch, at_least: wanted });
    }
}

/// What a vote in a deal costs; nothing while its terms are not known.
pub(crate) fn stake_in(deals: &BTreeMap<DealId, DealState>, deal: DealId) -> Amount {
    let facts = deals.get(&deal).and_then(|deal| deal.facts.as_ref());
    facts.map_or(Amount::ZERO, |facts| facts.deal.worker_stake)
}
