//! A worker's process: the real core, a journal, and the shell that the binary is around them.

use crate::chain::{HubCall, START};
use crate::disk::Log;
use crate::link::ToScheduler;
use crate::process::{Died, Host};
use crate::sandbox::Sandbox;
use crate::scenario::{Millis, T, WorkerPlan};
use crate::sender::{Errand, Fate};
use crate::story::brief;
use crate::stream::News;
use crate::world::{Answer, Event, World};
use poco_chain_core::{BlockRef, Cursor};
use poco_core::hub::Hub;
use poco_core::lane::{Ballot, CommitRange, LaneEvent, NonceSecret, Row, ballot_hash};
use poco_core::{Address, Bytes, DealId, Event as ChainEvent, TaskId, Timestamp, U256, keccak256};
use poco_scheduler_core::{Cause as TheirCause, Failure as TheirFailure, ReportBody};
use poco_worker_core::{
    Action, Cause, CommitView, Config, Core, Facts, Failure, Input, Intent, Millis as Clock, Now,
    Outcome, Program, Record, Stage, View,
};
use std::collections::BTreeMap;

/// One worker, over all its lives.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) plan: WorkerPlan,
    pub(crate) core: Option<Core>,
    /// What is in the journal, as it was written.
    pub(crate) journal: BTreeMap<TaskId, Record>,
    /// Its disk.
    log: Log,
    pub(crate) sandbox: Sandbox,
    /// The stream that it believes open.
    pub(crate) session: Option<u64>,
    /// The network between it and the scheduler is cut before.
    pub(crate) cut_until: Millis,
    /// It came back to the scheduler with work of an earlier stream.
    pub(crate) has_returned: bool,
    /// How often in a row the hub did not know the commit that it wanted to disclose its vote of.
    pub(crate) mismatches: BTreeMap<TaskId, u32>,
    /// The latest block it has heard of, and when on its own clock.
    head: (Timestamp, Millis),
}

impl Worker {
    pub(crate) fn new(plan: WorkerPlan) -> Self {
        Self {
            plan,
            core: None,
            journal: BTreeMap::new(),
            log: Log::default(),
            sandbox: Sandbox::default(),
            session: None,
            cut_until: 0,
            has_returned: false,
            mismatches: BTreeMap::new(),
            head: (START, 0),
        }
    }

    /// After a crash: what can be read again is what was written.
    fn reread(&mut self) {
        let mut journal = BTreeMap::new();
        for change in self.log.replay::<Vec<Change>>().into_iter().flatten() {
            note(&mut journal, change);
        }
        assert!(journal == self.journal, "the journal holds something else than was written");
        let whole = self.journal.iter().map(|(task, record)| (*task, Some(record.clone())));
        self.log.compact(&whole.collect::<Vec<Change>>());
    }
}

/// A record, or that a task is forgotten.
type Change = (TaskId, Option<Record>);

fn note(journal: &mut BTreeMap<TaskId, Record>, (task, record): Change) {
    match record {
        Some(record) => journal.insert(task, record),
        None => journal.remove(&task),
    };
}

impl World {
    /// Begins a life of a worker; where its node does not answer it tries again.
    pub(crate) fn start_worker(&mut self, worker: usize) -> Result<(), Died> {
        let host = Host::of_worker(worker);
        let Some(seen) = self.ask_node(host) else {
            self.start_after(host, 2_000);
            return Ok(());
        };
        self.bear(host, Cursor::start_at(seen));
        let at = self.chain.block(seen).expect("a node shows blocks that are there").header.block;
        self.workers[worker].head = (at.timestamp, self.process(host).clock(self.now));
        self.workers[worker].reread();
        let records: Vec<Record> = self.workers[worker].journal.values().cloned().collect();
        if !records.is_empty() {
            self.reached.note("a worker went on with what it had stored");
        }
        let config = self.worker_config(worker);
        let now = self.worker_now(worker);
        self.workers[worker].core = Some(Core::new(config, records, now));
        self.workers[worker].session = None;
        self.for_process(host, 10, |host, life| Event::Connect { host, life });
        self.settle_worker(worker)
    }

    fn worker_config(&self, worker: usize) -> Config {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        Config {
            worker: address,
            workerpool: self.scheduler.settings.workerpool,
            slots: self.workers[worker].plan.slots,
            tag: poco_core::Tag::NONE,
            stake_max: None,
            confirmations: self.scenario.confirmations,
            forget_depth_blocks: self.scenario.watch_blocks,
            poll_millis: 10_000,
            nonce_secret: NonceSecret(keccak256(address)),
            pull_millis_max: 600_000,
            fetch_millis_max: 300_000,
        }
    }

    fn worker_now(&self, worker: usize) -> Now {
        let millis = self.process(Host::of_worker(worker)).clock(self.now);
        let (head, seen) = self.workers[worker].head;
        Now { millis: Clock(millis), chain: head.after(millis.saturating_sub(seen) / 1000) }
    }

    fn worker_sees(&mut self, worker: usize, at: BlockRef) {
        let millis = self.process(Host::of_worker(worker)).clock(self.now);
        let known = &mut self.workers[worker].head;
        if known.0 != at.timestamp {
            *known = (at.timestamp, millis);
        }
    }

    /// One input of a worker, and all that follows.
    pub(crate) fn tell_worker(&mut self, worker: usize, input: Input) -> Result<(), Died> {
        let (now, moment) = (self.now, self.worker_now(worker));
        self.story.tell(now, || format!("worker {worker} takes {}", brief(&input)));
        let Some(core) = &mut self.workers[worker].core else { return Ok(()) };
        core.handle(moment, input);
        self.settle_worker(worker)
    }

    /// Stores what the core promises, then does it.
    fn settle_worker(&mut self, worker: usize) -> Result<(), Died> {
        let host = Host::of_worker(worker);
        let Some(core) = &mut self.workers[worker].core else { return Ok(()) };
        let actions: Vec<Action> = std::iter::from_fn(|| core.poll_action()).collect();
        let changes = actions.iter().filter_map(|action| match action {
            Action::Persist(record) => Some((record.assignment.task, Some((**record).clone()))),
            Action::Forget(task) => Some((*task, None)),
            _ => None,
        });
        let changes: Vec<Change> = changes.collect();
        if !changes.is_empty() {
            let stored = self.process_mut(host).step();
            let Worker { log, journal, .. } = &mut self.workers[worker];
            if let Err(died) = stored {
                if log.tear(&changes, &mut self.dice) {
                    self.reached.note("a journal was torn");
                }
                return Err(died);
            }
            log.write(&changes);
            changes.into_iter().for_each(|change| note(journal, change));
        }
        for action in actions {
            self.process_mut(host).step()?;
            self.do_for_worker(worker, action);
        }
        self.plan_tick(host);
        Ok(())
    }

    pub(crate) fn next_tick_of_worker(&self, worker: usize) -> Option<u64> {
        Some(self.workers[worker].core.as_ref()?.next_timer()?.0)
    }

    fn do_for_worker(&mut self, worker: usize, action: Action) {
        match action {
            Action::Persist(_) | Action::Forget(_) => {}
            Action::ReadFacts { .. }
            | Action::ReadTask { .. }
            | Action::ReadVote { .. }
            | Action::ReadScores { .. } => self.read_for_worker(worker, &action),
            Action::Ballot { deal, first, entries } => {
                let wallet = &self.process(Host::of_worker(worker)).wallet;
                let first = U256::from(first);
                let hash = ballot_hash(self.chain.hub().domain_separator(), deal, first, &entries);
                let ballot =
                    Ballot { worker: wallet.address, first, sign: wallet.sign(hash), entries };
                self.check_ballot(worker, &ballot, deal);
                self.say_to_scheduler(worker, ToScheduler::Ballot(deal, ballot));
            }
            Action::Disclose { task, vote, digest } => {
                if !self.workers[worker].plan.nature.hides_its_vote() {
                    self.say_to_scheduler(worker, ToScheduler::Disclosure(task, vote, digest));
                }
            }
            Action::TransactLane { task, intent, call } => {
                self.transact_for_worker(worker, (task, intent), HubCall::Lane(call));
            }
            Action::Transact { task, intent, call } => {
                self.transact_for_worker(worker, (task, intent), HubCall::Classic(call));
            }
            Action::Run { task, work, .. } => self.run(worker, task, &work),
            Action::Discard(task) => self.workers[worker].sandbox.discard(task),
            Action::Upload { task, result } => self.begin_upload(worker, task, *result),
            Action::Report { task, stage, failure, .. } => {
                let body = match failure {
                    Some(failure) => ReportBody::Failed(failure_of(*failure)),
                    None => match crate::link::stage_of(stage) {
                        Some(stage) => ReportBody::Reached(stage),
                        None => return,
                    },
                };
                self.say_to_scheduler(worker, ToScheduler::Report(task, stage, body));
            }
        }
    }

    fn transact_for_worker(
        &mut self,
        worker: usize,
        (task, intent): (TaskId, Intent),
        call: HubCall,
    ) {
        if self.workers[worker].plan.nature.withholds(intent) {
            return;
        }
        let record = self.workers[worker].journal.get(&task);
        let is_stored = record.is_some_and(|record| record.state.is_promised());
        assert!(is_stored || intent == Intent::Release, "{intent:?} left before it was stored");
        if intent == Intent::Contribute {
            self.check_vote(worker, task, &call);
        }
        let data = self.chain.encode(call);
        let name = format!("{intent:?} {task}");
        self.send(Host::of_worker(worker), name, data, Errand::Worker(task, intent));
    }

    pub(crate) fn worker_sent(
        &mut self,
        worker: usize,
        (task, intent): (TaskId, Intent),
        fate: Fate,
    ) -> Result<(), Died> {
        if intent == Intent::Disclose {
            self.check_disclosure(worker, task, &fate);
        }
        let outcome = match fate {
            Fate::Mined { transaction, block } => {
                self.reached.note(match intent {
                    Intent::Contribute => "contribute",
                    Intent::Reveal => "reveal",
                    Intent::ContributeAndFinalize => "contributeAndFinalize",
                    Intent::Disclose => "a worker disclosed on chain",
                    Intent::Close => "a worker closed a task",
                    Intent::Release => "a worker freed its bond",
                });
                Outcome::Mined { transaction, block }
            }
            Fate::Refused(reason) => Outcome::Refused { reason },
            Fate::Unpaid => Outcome::NotSent { detail: "too dear".into() },
        };
        self.tell_worker(worker, Input::Settled { task, intent, outcome })
    }

    pub(crate) fn worker_news(&mut self, worker: usize, news: News) -> Result<(), Died> {
        let (to, events) = match news {
            News::Blocks { to, events } => (to, events),
            News::Rollback { to } => (to, Vec::new()),
        };
        self.worker_sees(worker, to);
        for (_, event) in events {
            if let Some(task) = task_of(&event) {
                self.tell_worker(worker, Input::Moved(task))?;
            }
        }
        Ok(())
    }

    fn read_for_worker(&mut self, worker: usize, action: &Action) {
        let host = Host::of_worker(worker);
        let answer = match self.ask_node(host) {
            Some(seen) => self.answer_worker(worker, action, seen),
            None => match action {
                Action::ReadFacts { task, .. }
                | Action::ReadTask { task, .. }
                | Action::ReadVote { task, .. } => Some((None, Input::Unread(*task))),
                _ => None,
            },
        };
        let Some((head, input)) = answer else { return };
        let answer = Answer::Worker(head, Box::new(input));
        let delay = self.delay();
        self.for_process(host, delay, |host, life| Event::Answer { host, life, answer });
    }

    pub(crate) fn worker_answered(
        &mut self,
        worker: usize,
        head: Option<BlockRef>,
        input: Input,
    ) -> Result<(), Died> {
        if let Some(head) = head {
            self.worker_sees(worker, head);
        }
        self.tell_worker(worker, input)
    }

    fn answer_worker(
        &self,
        worker: usize,
        action: &Action,
        seen: u64,
    ) -> Option<(Option<BlockRef>, Input)> {
        let block = self.chain.block(seen)?;
        let at = block.header.block;
        let address = self.process(Host::of_worker(worker)).wallet.address;
        let input = match action {
            Action::ReadTask { task, from_block } => {
                let mut view = view_of(&block.hub, at.number, *task, address);
                view.ended = self.find_end(&view, *task, (*from_block, seen));
                Input::View { task: *task, view: Box::new(view) }
            }
            Action::ReadVote { task, deal, index, from_block } => {
                let mut view = view_of(&block.hub, at.number, *task, address);
                view.ended = self.find_end(&view, *task, (*from_block, seen));
                view.commit = self.find_commit(*deal, U256::from(*index), (*from_block, seen));
                Input::View { task: *task, view: Box::new(view) }
            }
            Action::ReadScores { task, workers } => {
                let scores = workers.iter().map(|worker| block.hub.score(*worker)).collect();
                Input::Scores { task: *task, scores }
            }
            Action::ReadFacts { task, deal } => {
                let facts = self.facts_of(&block.hub, at.number, (*task, *deal), address);
                Input::Facts { task: *task, facts: Box::new(facts) }
            }
            _ => return None,
        };
        Some((Some(at), input))
    }

    fn facts_of(
        &self,
        hub: &Hub,
        number: u64,
        (task, deal): (TaskId, DealId),
        worker: Address,
    ) -> Facts {
        let program = || Program {
            kind: "DOCKER".into(),
            multiaddr: Bytes::from_static(b"registry/app"),
            checksum: poco_core::B256::repeat_byte(0xcc),
        };
        Facts {
            deal: hub.deal(deal).cloned(),
            app: Some(program()),
            dataset: None,
            work_clock_time_ref_seconds: Some(T),
            conditions: hub.deal_conditions(deal),
            is_known_to_guard: true,
            free_stake: hub.account(worker).free,
            bond: Some(hub.bond(worker, self.scheduler.settings.workerpool)),
            view: view_of(hub, number, task, worker),
        }
    }

    /// The block of the event that ended a task, where it is over.
    fn find_end(&self, view: &View, task: TaskId, (from, to): (u64, u64)) -> Option<u64> {
        if !view.task.status.is_over() {
            return None;
        }
        let is_end = |event: &ChainEvent| match event {
            ChainEvent::TaskFinalize { task: of, .. } | ChainEvent::TaskClaimed { task: of } => {
                *of == task
            }
            _ => false,
        };
        (from..=to).find(|number| {
            self.chain.block(*number).is_some_and(|block| block.events.iter().any(is_end))
        })
    }

    /// The commit that a task is in, as its event tells it.
    fn find_commit(
        &self,
        deal: DealId,
        index: U256,
        (from, to): (u64, u64),
    ) -> Option<Box<CommitView>> {
        for number in from..=to {
            let block = self.chain.block(number)?;
            for event in &block.events {
                let ChainEvent::Lane(LaneEvent::Committed { deal: of, first, lengths, rows }) =
                    event
                else {
                    continue;
                };
                let Some(place) = index.checked_sub(*first).filter(|_| *of == deal) else {
                    continue;
                };
                let rows = Row::split(lengths, rows)?;
                let Some(place) = usize::try_from(place).ok().filter(|at| *at < rows.len()) else {
                    continue;
                };
                let range = CommitRange {
                    deal,
                    first: *first,
                    time: block.header.block.timestamp,
                    rows_before: rows[..place].iter().map(Row::hash).collect(),
                    rows_after: rows[place + 1..].iter().map(Row::hash).collect(),
                };
                return Some(Box::new(CommitView {
                    block: number,
                    range,
                    row: rows[place].clone(),
                }));
            }
        }
        None
    }
}

fn view_of(hub: &Hub, block: u64, task: TaskId, worker: Address) -> View {
    let contribution = hub.contribution(task, worker);
    View { block, task: hub.task(task), contribution, ..View::default() }
}

/// The task that an event may move on.
fn task_of(event: &ChainEvent) -> Option<TaskId> {
    match event {
        ChainEvent::TaskConsensus { task, .. }
        | ChainEvent::TaskReveal { task, .. }
        | ChainEvent::TaskReopen { task }
        | ChainEvent::TaskFinalize { task, .. }
        | ChainEvent::TaskClaimed { task }
        | ChainEvent::Lane(LaneEvent::Closed { task } | LaneEvent::TaskSkipped { task, .. }) => {
            Some(*task)
        }
        _ => None,
    }
}

fn failure_of(failure: Failure) -> TheirFailure {
    let cause = match failure.cause {
        Cause::Declined => TheirCause::Declined,
        Cause::Chain => TheirCause::Chain,
        Cause::ImageMissing => TheirCause::ImageMissing,
        Cause::ImageDigest => TheirCause::ImageDigest,
        Cause::Input => TheirCause::Input,
        Cause::Dataset => TheirCause::Dataset,
        Cause::ExitCode => TheirCause::ExitCode,
        Cause::TimeLimit => TheirCause::TimeLimit,
        Cause::OutOfMemory => TheirCause::OutOfMemory,
        Cause::OutOfDisk => TheirCause::OutOfDisk,
        Cause::NoResult => TheirCause::NoResult,
        Cause::Engine => TheirCause::Engine,
        Cause::Refused => TheirCause::Refused,
        Cause::Abandoned => TheirCause::Abandoned,
    };
    TheirFailure { exit_code: failure.exit_code, ..TheirFailure::new(cause, failure.detail) }
}

/// How far a worker holds a task; for the end.
pub(crate) fn stages(worker: &Worker) -> Vec<(TaskId, Stage)> {
    worker.core.as_ref().map(Core::live).unwrap_or_default()
}
