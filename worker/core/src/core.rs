//! The core: its tasks, its timers, and which part takes which input.

use crate::action::{Action, Intent};
use crate::failure::Failure;
use crate::input::Input;
use crate::task::{Assignment, Record, Stage, State};
use crate::time::{Millis, Now};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use poco_core::lane::NonceSecret;
use poco_core::{Address, Amount, Tag, TaskId};

/// Most tasks held at once, running or waiting for the chain: a login that lists them all stays
/// far below the largest message (36 bytes each).
pub(crate) const TASKS_MAX: usize = 10_000;

/// The commit of a task is looked for from so many blocks before the one at which its deal was
/// read: a reorg may have brought deal and commit into lower blocks than before.
const REORG_BLOCKS_MAX: u64 = 256;

/// A read that no node answered is asked again after this.
const UNREAD_AGAIN_MILLIS: u64 = 2_000;

/// What the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The worker's wallet.
    pub worker: Address,
    /// The pool it serves.
    pub workerpool: Address,
    /// Tasks that may run at the same time.
    pub slots: u32,
    /// What this machine offers.
    pub tag: Tag,
    /// The most stake that the vote for one task may lock; whatever the deal asks for where not set.
    pub stake_max: Option<Amount>,
    /// Blocks on top of a consensus before the digest is disclosed.
    pub confirmations: u64,
    /// Blocks on top of a task's end after which no reorg is expected to undo it: what is owed for
    /// the task is kept until then.
    pub forget_depth_blocks: u64,
    /// A live task is read from the chain at least this often.
    pub poll_millis: u64,
    /// Longest time an image may take to arrive. Never counted as compute time.
    pub pull_millis_max: u64,
    /// What the nonces of blinded votes follow from.
    pub nonce_secret: NonceSecret,
    /// Longest time dataset and inputs may take to arrive.
    pub fetch_millis_max: u64,
}

/// The worker's decisions. See the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) is_online: bool,
    pub(crate) is_leaving: bool,
    /// Reveals go before everything else: a late reveal costs a stake, a late run only time.
    urgent: VecDeque<Action>,
    actions: VecDeque<Action>,
}

/// A task with what only this process remembers of it.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) record: Record,
    pub(crate) memory: Memory,
}

/// What a restart may forget, because it is asked or tried again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// A read of the chain is under way.
    pub(crate) is_reading: bool,
    /// When to read the chain next.
    pub(crate) read_at: Option<Millis>,
    /// The highest block that a view or receipt of this task came from.
    pub(crate) seen_block: u64,
    /// Answers in a row that a lagging node would give too.
    pub(crate) doubts: u32,
    /// The transaction under way.
    pub(crate) sending: Option<Intent>,
    /// Refusals in a row of the vote or reveal, and the last words about it.
    pub(crate) refusals: u32,
    pub(crate) trouble: alloc::string::String,
    /// The consensus (by its reveal deadline) and the block where it was first seen.
    pub(crate) consensus: Option<(poco_core::Timestamp, u64)>,
    /// The task was over when it was last read.
    pub(crate) is_over: bool,
    /// The last block at which it was not, so that its end is not looked for long before.
    pub(crate) open_at: u64,
    /// When the sandbox's present step has taken too long.
    pub(crate) step_ends: Option<Millis>,
    /// Where the upload stands.
    pub(crate) upload: crate::upload::Upload,
    /// When the scheduler was told last where the task stands.
    pub(crate) reported_at: Option<Millis>,
    /// When an unacknowledged report is sent again.
    pub(crate) report_at: Option<Millis>,
    /// The votes of the row as the scheduler tells them, while the scores are read.
    pub(crate) row_votes: Option<Vec<Option<poco_core::lane::Vote>>>,
    /// The bond behind a claimed task is freed, by this worker or, as the refusals say, by somebody else.
    pub(crate) is_released: bool,
    /// Refusals to free it, of which some may be a lagging node's.
    pub(crate) release_refusals: u32,
    /// The commit may be another than the one that was seen: a reorg moves its time.
    pub(crate) is_commit_doubted: bool,
    /// Blocks in a row at which a doubted commit was not found, and the last of them.
    pub(crate) commit_misses: (u32, u64),
}

impl Core {
    /// A core that goes on with what the journal holds.
    #[must_use]
    pub fn new(config: Config, records: Vec<Record>, now: Now) -> Self {
        let mut core = Self {
            config,
            tasks: BTreeMap::new(),
            is_online: false,
            is_leaving: false,
            urgent: VecDeque::new(),
            actions: VecDeque::new(),
        };
        for record in records {
            let task = record.assignment.task;
            // What became of its block meanwhile is not known.
            let is_commit_doubted =
                record.sealed.as_ref().is_some_and(|sealed| sealed.commit.is_some());
            let memory = Memory { is_commit_doubted, ..Memory::default() };
            core.tasks.insert(task, Task { record, memory });
            core.resume(now, task);
        }
        core
    }

    /// Takes one input in.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected { live } => self.on_connected(now, live),
            Input::Disconnected => self.is_online = false,
            Input::Assign(assignment) => self.on_assign(now, *assignment),
            Input::BallotWanted { deal, first, count } => {
                self.on_ballot_wanted(now, deal, first, count);
            }
            Input::Row { task, votes } => self.on_row(now, task, votes),
            Input::Scores { task, scores } => self.on_scores(now, task, &scores),
            Input::Reveal(task) => self.on_hint_of_scheduler(now, task),
            Input::Upload(task) => self.on_upload_wanted(now, task),
            Input::Abandon { task, reason } => self.on_abandon(now, task, &reason),
            Input::Ended(task) | Input::Moved(task) => self.read_task(now, task),
            Input::Acknowledged { task, stage } => self.on_acknowledged(task, stage),
            Input::Facts { task, facts } => self.on_facts(now, task, *facts),
            Input::View { task, view } => self.on_view(now, task, &view),
            Input::Unread(task) => self.on_unread(now, task),
            Input::Progress { task, step } => self.on_progress(now, task, step),
            Input::Finished { task, outcome } => self.on_finished(now, task, outcome),
            Input::Settled { task, intent, outcome } => {
                self.on_settled(now, task, intent, outcome);
            }
            Input::UploadEnded { task, outcome } => self.on_upload_ended(now, task, outcome),
            Input::Leave => self.is_leaving = true,
            Input::Timer => self.on_timer(now),
        }
    }

    /// The next thing to do; `None` when all is drained.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.urgent.pop_front().or_else(|| self.actions.pop_front())
    }

    /// When [`Input::Timer`] is due; `None` while nothing waits for time.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        self.tasks.values().filter_map(|task| task.memory.next_timer(self.is_online)).min()
    }

    /// Every task held, with its stage: what a login lists.
    #[must_use]
    pub fn live(&self) -> Vec<(TaskId, Stage)> {
        self.tasks.iter().map(|(id, task)| (*id, task.record.state.stage())).collect()
    }

    /// What the journal holds of a task, where it is held.
    #[must_use]
    pub fn find_record(&self, task: TaskId) -> Option<&Record> {
        self.tasks.get(&task).map(|task| &task.record)
    }

    /// How far a task is, where it is held.
    #[must_use]
    pub fn find_state(&self, task: TaskId) -> Option<&State> {
        self.tasks.get(&task).map(|task| &task.record.state)
    }

    /// Whether nothing is owed to anybody: the worker may be taken away without a loss.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn push_urgent(&mut self, action: Action) {
        self.urgent.push_back(action);
    }

    /// Puts a task into a new state: stored, told to the scheduler.
    pub(crate) fn enter(&mut self, now: Now, id: TaskId, state: State) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let stage_before = task.record.state.stage();
        task.record.state = state;
        let record = Box::new(task.record.clone());
        let has_moved = stage_before != record.state.stage();
        self.push(Action::Persist(record));
        if has_moved {
            self.report(now, id);
        }
    }

    /// Ends a replica. What was never promised is discarded at once.
    pub(crate) fn fail(&mut self, now: Now, id: TaskId, failure: Failure) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let state = &task.record.state;
        let promise = state.promise().filter(|_| state.is_promised()).cloned().map(Box::new);
        task.memory.step_ends = None;
        if promise.is_none() {
            task.memory.read_at = None;
            self.push(Action::Discard(id));
        }
        self.enter(now, id, State::Failed { failure: failure.bounded(), promise });
    }

    /// Removes a task with all it left.
    pub(crate) fn forget(&mut self, id: TaskId) {
        if self.tasks.remove(&id).is_some() {
            self.push(Action::Discard(id));
            self.push(Action::Forget(id));
        }
    }

    /// Reads what the task needs from the chain, unless that is under way.
    pub(crate) fn read_task(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.memory.is_reading {
            // What moved may be newer than the answer under way: read once more after it.
            task.memory.read_at = Some(now.millis);
            return;
        }
        task.memory.is_reading = true;
        task.memory.read_at = None;
        let is_doubted = task.memory.is_commit_doubted;
        let sealed = task.record.sealed.as_ref();
        let is_searched = sealed.is_some_and(|sealed| sealed.commit.is_none() || is_doubted);
        let terms = task.record.state.terms();
        let from_block = terms.map_or(0, |terms| terms.block.saturating_sub(REORG_BLOCKS_MAX));
        if is_searched && task.record.state.promise().is_some() {
            let (deal, index) = (task.record.assignment.deal, task.record.assignment.index);
            self.push(Action::ReadVote { task: id, deal, index, from_block });
            return;
        }
        let action = match &task.record.state {
            State::Accepted => Action::ReadFacts { task: id, deal: task.record.assignment.deal },
            State::Pulling(_)
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
            | State::Handed { .. }
            | State::Failed { .. } => {
                let open_at = task.memory.open_at.saturating_sub(REORG_BLOCKS_MAX);
                Action::ReadTask { task: id, from_block: from_block.max(open_at) }
            }
        };
        self.push(action);
    }

    /// Reads the task again after `millis`, or sooner if that is planned already.
    pub(crate) fn read_after(&mut self, now: Now, id: TaskId, millis: u64) {
        if let Some(task) = self.tasks.get_mut(&id) {
            let at = now.millis.after(millis);
            task.memory.read_at = Some(task.memory.read_at.map_or(at, |planned| planned.min(at)));
        }
    }

    pub(crate) fn assignment(&self, id: TaskId) -> Option<&Assignment> {
        self.tasks.get(&id).map(|task| &task.record.assignment)
    }

    /// Whether the chain still matters to the task: not to a failed one that never voted.
    pub(crate) fn needs_chain(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|task| {
            let state = &task.record.state;
            state.stage() != Stage::Failed || state.is_promised()
        })
    }

    fn on_unread(&mut self, now: Now, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.memory.is_reading = false;
            if self.needs_chain(id) {
                self.read_after(now, id, UNREAD_AGAIN_MILLIS);
            }
        }
    }

    fn on_timer(&mut self, now: Now) {
        let is_due = |at: Option<Millis>| at.is_some_and(|at| at.is_due(now.millis));
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            let Some(task) = self.tasks.get(&id) else { continue };
            let memory = &task.memory;
            let read = is_due(memory.read_at) && !memory.is_reading;
            let report = self.is_online && is_due(memory.report_at);
            let (step, upload) = (is_due(memory.step_ends), is_due(memory.upload.again_at()));
            if report {
                self.report(now, id);
            }
            if upload {
                self.start_upload(id);
            }
            if step {
                self.on_step_too_long(now, id);
            }
            if read {
                self.read_task(now, id);
            }
        }
    }

    /// Goes on with a task after a restart.
    fn resume(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        if task.record.state.work().is_some() {
            self.run(now, id);
        }
        self.start_owed_upload(id);
        if self.needs_chain(id) {
            self.read_task(now, id);
        }
    }
}

impl Memory {
    fn next_timer(&self, is_online: bool) -> Option<Millis> {
        // A read is not due while one is under way, a report not while nobody listens: a timer
        // that nothing answers would spin.
        let read = self.read_at.filter(|_| !self.is_reading);
        let report = self.report_at.filter(|_| is_online);
        [read, report, self.step_ends, self.upload.again_at()].into_iter().flatten().min()
    }
}
