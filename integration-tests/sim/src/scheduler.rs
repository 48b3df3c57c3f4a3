//! The scheduler's process: the real core, a store, and the shell that the binary is around them.

use crate::chain::HubCall;
use crate::disk::Log;
use crate::link::ToWorker;
use crate::process::{Died, Host, Wallet};
use crate::scenario::Millis;
use crate::sender::{Errand, Fate};
use crate::story::brief;
use crate::stream::News;
use crate::world::{Answer, Event, World};
use poco_chain_core::Cursor;
use poco_core::message::authorization_hash;
use poco_core::{Address, DealId, TaskId, U256};
use poco_scheduler_core::{
    Action, ChainEvent, Command, CommitKey, ContributionFacts, Core, DealFacts, Head, Input, Kind,
    Moment, Notice, Placement, Record, Settings, TaskFacts, TaskReport, TransactionFailure,
    TransactionTrouble,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const RETRY_MILLIS: u64 = 300;

/// Inputs after which all that is derived is derived anew and compared, which takes as long as they do.
const CHECK_PERCENT: u64 = 10;
/// How late a timer of the scheduler may be.
const OVERDUE_MILLIS: u64 = 3_000;

/// What survives the process.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) deals: BTreeMap<DealId, Record>,
    pub(crate) tasks: BTreeMap<TaskId, Record>,
    pub(crate) commits: BTreeMap<CommitKey, Record>,
    members: BTreeMap<u32, Record>,
    pub(crate) retired: BTreeMap<TaskId, Box<TaskReport>>,
    cursor: Cursor,
}

/// One change of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Change {
    Put(Record),
    DeleteDeal(DealId),
    DeleteCommit(CommitKey),
    DeleteTask(TaskId),
    Retire(TaskId, Box<TaskReport>),
    Cursor(Cursor),
}

impl Change {
    fn of(action: &Action) -> Option<Self> {
        Some(match action {
            Action::Put(record) => Self::Put(record.clone()),
            Action::DeleteDeal(deal) => Self::DeleteDeal(*deal),
            Action::DeleteCommit(key) => Self::DeleteCommit(*key),
            Action::DeleteTask(task) => Self::DeleteTask(*task),
            Action::Retire { task, report, .. } => Self::Retire(*task, report.clone()),
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) settings: Settings,
    pub(crate) core: Option<Core>,
    /// What is on the disk, as it was written.
    pub(crate) disk: Disk,
    /// The disk itself.
    log: Log,
    /// Commits that are waited for and not under way, and since when.
    pub(crate) lost_commits: BTreeMap<TaskId, Millis>,
    /// Which worker was ever told to run which task.
    pub(crate) given: BTreeSet<(Address, TaskId)>,
    /// Its store cannot be read any more.
    pub(crate) is_spoilt: bool,
    /// It has had another store than this one.
    pub(crate) was_repaired: bool,
    /// Tasks that were asked about as of a block that was not followed then. Should it go, no rollback tells of
    /// it, and the task is only right again when it is read for its age.
    pub(crate) ahead: BTreeSet<(TaskId, u64)>,
}

impl Scheduler {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            core: None,
            disk: Disk::new(),
            log: Log::default(),
            lost_commits: BTreeMap::new(),
            given: BTreeSet::new(),
            is_spoilt: false,
            was_repaired: false,
            ahead: BTreeSet::new(),
        }
    }

    /// Another disk takes the place of the one that is there.
    pub(crate) fn replace(&mut self, disk: Disk) {
        self.log.compact(&disk.changes());
        self.disk = disk;
        (self.is_spoilt, self.was_repaired) = (false, true);
    }

    /// After a crash: what can be read again is what was written.
    fn reread(&mut self) {
        let mut disk = Disk::new();
        for change in self.log.replay::<Vec<Change>>().into_iter().flatten() {
            disk.write(change);
        }
        self.log.compact(&disk.changes());
        let mut written = Log::default();
        written.compact(&self.disk.changes());
        assert!(self.log == written, "the disk holds something else than was written");
        // Some of what is known of a deal is not stored.
        self.disk = disk;
    }
}

impl Disk {
    /// A disk with these records and nothing else.
    pub(crate) fn of(records: Vec<Record>, cursor: Cursor) -> Self {
        let mut disk = Self { cursor, ..Self::new() };
        records.into_iter().for_each(|record| disk.put(record));
        disk
    }

    fn new() -> Self {
        Self {
            deals: BTreeMap::new(),
            tasks: BTreeMap::new(),
            commits: BTreeMap::new(),
            members: BTreeMap::new(),
            retired: BTreeMap::new(),
            cursor: Cursor::start_at(1),
        }
    }

    /// What leads to it from nothing.
    fn changes(&self) -> Vec<Change> {
        let retired = self.retired.iter();
        let retired = retired.map(|(task, report)| Change::Retire(*task, report.clone()));
        let cursor = Change::Cursor(self.cursor.clone());
        self.records().into_iter().map(Change::Put).chain(retired).chain([cursor]).collect()
    }

    fn records(&self) -> Vec<Record> {
        let deals = self.deals.values().chain(self.tasks.values());
        deals.chain(self.commits.values()).chain(self.members.values()).cloned().collect()
    }

    fn write(&mut self, change: Change) {
        match change {
            Change::Put(record) => self.put(record),
            Change::DeleteDeal(deal) => {
                self.deals.remove(&deal);
            }
            Change::DeleteCommit(key) => {
                self.commits.remove(&key);
            }
            Change::DeleteTask(task) => {
                self.tasks.remove(&task);
            }
            Change::Retire(task, report) => {
                self.tasks.remove(&task);
                self.retired.insert(task, report);
            }
            Change::Cursor(cursor) => self.cursor = cursor,
        }
    }

    fn put(&mut self, record: Record) {
        match &record {
            Record::Deal(deal) => self.deals.insert(deal.id, record),
            Record::Task(task) => {
                let workers: BTreeSet<Address> =
                    task.replicas.iter().map(|replica| replica.worker).collect();
                assert_eq!(workers.len(), task.replicas.len(), "a wallet has a task once");
                self.tasks.insert(task.id, record)
            }
            Record::Commit(commit) => self.commits.insert(commit.key, record),
            Record::Member(member) => self.members.insert(member.place, record),
        };
    }

    /// Whether a worker was promised an authorization for a task.
    pub(crate) fn has_promised(&self, worker: Address, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(Record::Task(record)) => {
                record.replicas.iter().any(|replica| replica.worker == worker)
            }
            Some(Record::Deal(_) | Record::Commit(_) | Record::Member(_)) | None => false,
        }
    }
}

impl World {
    /// Begins a life of the scheduler; where its node does not answer it tries again.
    pub(crate) fn start_scheduler(&mut self) -> Result<(), Died> {
        let host = Host::SCHEDULER;
        let Some(seen) = self.ask_node(host) else {
            self.start_after(host, 2_000);
            return Ok(());
        };
        if self.scheduler.is_spoilt {
            self.repair(seen);
        }
        self.scheduler.reread();
        let cursor = self.scheduler.disk.cursor.clone();
        let records = self.scheduler.disk.records();
        if !records.is_empty() {
            self.reached.note("a scheduler went on with what it had stored");
        }
        let followed = cursor.next_block().saturating_sub(1);
        self.bear(host, cursor);
        let moment = Moment(self.process(host).clock(self.now));
        let settings = self.scheduler.settings.clone();
        self.scheduler.ahead.clear();
        self.scheduler.core = Some(Core::new(settings, records, followed, moment));
        let head = self.chain.block(seen).expect("a node shows blocks that are there");
        let at = head.header.block;
        let head = Head { number: at.number, timestamp: at.timestamp };
        self.tell_scheduler(Input::Head(head), None)
    }

    /// One input of the scheduler, and all that follows: first what is stored, then the rest.
    pub(crate) fn tell_scheduler(
        &mut self,
        input: Input,
        cursor: Option<Cursor>,
    ) -> Result<(), Died> {
        let host = Host::SCHEDULER;
        let now = self.now;
        self.story.tell(now, || format!("scheduler takes {}", brief(&input)));
        let moment = Moment(self.process(host).clock(now));
        if let Input::Rollback { to } = &input {
            self.scheduler.ahead.retain(|(_, block)| block <= to);
        }
        let Some(core) = &mut self.scheduler.core else { return Ok(()) };
        core.handle(moment, input);
        if self.dice.chance(CHECK_PERCENT) {
            assert!(core.is_consistent(), "what the scheduler derived is not what its tasks say");
            assert!(!core.has_overdue(OVERDUE_MILLIS), "a worker that is away is still waited for");
            assert!(!core.has_stale(OVERDUE_MILLIS), "a task is not looked at again");
        }
        let actions: Vec<Action> = std::iter::from_fn(|| core.poll_action()).collect();
        let changes = actions.iter().filter_map(Change::of);
        let changes: Vec<Change> = changes.chain(cursor.map(Change::Cursor)).collect();
        if !changes.is_empty() {
            if let Err(died) = self.process_mut(host).step() {
                if self.scheduler.log.tear(&changes, &mut self.dice) {
                    self.reached.note("a batch of the scheduler was torn");
                }
                return Err(died);
            }
            self.scheduler.log.write(&changes);
            changes.into_iter().for_each(|change| self.scheduler.disk.write(change));
        }
        for action in actions {
            self.process_mut(host).step()?;
            self.carry_out(action)?;
        }
        self.check_slots();
        self.check_commits();
        self.plan_tick(host);
        Ok(())
    }

    pub(crate) fn next_tick_of_scheduler(&self) -> Option<u64> {
        Some(self.scheduler.core.as_ref()?.next_timer()?.0)
    }

    fn carry_out(&mut self, action: Action) -> Result<(), Died> {
        match action {
            Action::Put(_)
            | Action::DeleteDeal(_)
            | Action::DeleteCommit(_)
            | Action::DeleteTask(_)
            | Action::Retire { .. }
            | Action::Changed(_)
            | Action::Measured { .. }
            | Action::Sweep { .. } => {}
            Action::Note(notice) => self.note(&notice),
            Action::ReadDeal { .. }
            | Action::ReadTask { .. }
            | Action::ReadScore(_)
            | Action::ReadGuard { .. }
            | Action::ReadBond(_) => self.read_for_scheduler(action),
            Action::Transact { intent, call } => {
                let data = self.chain.encode(HubCall::Classic(Box::new(call)));
                let name = intent.to_string();
                self.send(Host::SCHEDULER, name, data, Errand::Scheduler(intent));
            }
            Action::TransactLane { intent, call } => {
                let data = self.chain.encode(HubCall::Lane(Box::new(call)));
                let name = intent.to_string();
                self.send(Host::SCHEDULER, name, data, Errand::Scheduler(intent));
                self.threaten();
            }
            Action::Welcome { worker, live } => self.say_to_worker(worker, ToWorker::Welcome(live)),
            Action::Tell { worker, command } => self.command(worker, command),
            Action::AnswerUpload { upload, answer } => {
                self.answer_upload(upload, answer.map_err(|refusal| refusal.to_string()));
            }
        }
        Ok(())
    }

    fn note(&mut self, notice: &Notice) {
        let now = self.now;
        self.story.tell(now, || format!("scheduler notes: {notice:?}"));
        match notice {
            Notice::ConsensusDiffers { .. } => {
                self.reached.note("the scheduler found another consensus than the chain");
            }
            Notice::DealGone { deal } => {
                self.reached.note("a deal was gone");
                let first = TaskId::of_deal(*deal, U256::ZERO);
                if self.process(Host::SCHEDULER).sender.is_sending(Kind::Commit, first) {
                    self.reached.note("a deal was gone with its commit under way");
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, worker: Address, command: Command) {
        if let Command::Assign { task, .. } = &command {
            assert!(
                self.scheduler.disk.has_promised(worker, *task),
                "an authorization left before the promise was stored"
            );
            self.check_free_slot(worker, *task);
            let hash = authorization_hash(worker, *task, Address::ZERO);
            let sign = self.process(Host::SCHEDULER).wallet.sign(hash);
            self.say_to_worker(worker, ToWorker::Command(command, sign));
            return;
        }
        self.say_to_worker(worker, ToWorker::Command(command, poco_core::Bytes::new()));
    }

    /// Asks the node now, and has the answer come later; asks again where there is none.
    pub(crate) fn read_for_scheduler(&mut self, action: Action) {
        let answer = self.ask_node(Host::SCHEDULER).and_then(|seen| self.answer(&action, seen));
        let delay = self.delay();
        if let Some(Input::TaskRead { task, facts, .. }) = &answer {
            let followed = self.process(Host::SCHEDULER).follower.cursor.next_block();
            let ahead = &mut self.scheduler.ahead;
            match facts.block >= followed {
                true => ahead.insert((*task, facts.block)),
                false => ahead.remove(&(*task, facts.block)),
            };
        }
        match answer {
            Some(input) => self.for_process(Host::SCHEDULER, delay, |host, life| Event::Answer {
                host,
                life,
                answer: Answer::Scheduler(Box::new(input)),
            }),
            // Asked again at the next occasion.
            None if matches!(
                action,
                Action::ReadScore(_) | Action::ReadBond(_) | Action::ReadGuard { .. }
            ) => {}
            None => self.for_process(Host::SCHEDULER, delay + RETRY_MILLIS, |host, life| {
                Event::Read { host, life, action: Box::new(action) }
            }),
        }
    }

    fn answer(&self, action: &Action, seen: u64) -> Option<Input> {
        let confirmed = |at_least: u64| {
            let block = seen.saturating_sub(self.scenario.confirmations).max(at_least);
            (block <= seen).then(|| self.chain.block(block)).flatten()
        };
        let newest = self.chain.block(seen)?;
        Some(match action {
            Action::ReadDeal { deal, epoch, at_least } => {
                let hub = &confirmed(*at_least)?.hub;
                let facts = hub.deal(*deal).map(|terms| {
                    Box::new(DealFacts {
                        deal: terms.clone(),
                        work_clock_time_ref_seconds: crate::scenario::T,
                        conditions: Some(hub.deal_conditions(*deal)),
                        placement: Some(Placement::default()),
                    })
                });
                Input::DealRead { deal: *deal, epoch: *epoch, facts }
            }
            Action::ReadTask { task, epoch, at_least } => {
                let block = confirmed(*at_least)?;
                let facts = Box::new(task_facts(&block.hub, block.header.block.number, *task));
                Input::TaskRead { task: *task, epoch: *epoch, facts }
            }
            Action::ReadScore(worker) => {
                Input::ScoreRead { worker: *worker, score: newest.hub.score(*worker) }
            }
            Action::ReadBond(worker) => {
                let bond = newest.hub.bond(*worker, self.scheduler.settings.workerpool);
                Input::BondRead { worker: *worker, bond: Some(bond) }
            }
            Action::ReadGuard { guard, worker } => Input::GuardRead {
                guard: *guard,
                worker: *worker,
                is_known: newest.hub.contracts().is_member(*guard, *worker),
            },
            other => unreachable!("{other:?} asks nothing"),
        })
    }

    pub(crate) fn scheduler_news(&mut self, news: News) -> Result<(), Died> {
        let cursor = self.process(Host::SCHEDULER).follower.cursor.clone();
        let input = match news {
            News::Blocks { to, events } => {
                let events = events.into_iter().map(|(at, event)| ChainEvent {
                    block: at.number,
                    block_hash: at.hash,
                    time: at.timestamp,
                    event,
                });
                let to = Head { number: to.number, timestamp: to.timestamp };
                Input::Events { to, events: events.collect() }
            }
            News::Rollback { to } => Input::Rollback { to: to.number },
        };
        let tip = cursor.tip();
        self.tell_scheduler(input, Some(cursor))?;
        if let Some(tip) = tip {
            self.check_followed(tip);
        }
        Ok(())
    }

    pub(crate) fn scheduler_sent(
        &mut self,
        intent: poco_scheduler_core::Intent,
        fate: Fate,
    ) -> Result<(), Died> {
        let failure = |trouble, reason| Err(TransactionFailure { trouble, reason });
        let result = match fate {
            Fate::Mined { block, .. } => {
                self.reached.note(intent.kind.name());
                Ok(block)
            }
            Fate::Refused(reason) => failure(TransactionTrouble::Refused, reason),
            Fate::Unpaid => failure(TransactionTrouble::Unpaid, "too dear".into()),
        };
        self.tell_scheduler(Input::Outcome { intent, result }, None)
    }
}

pub(crate) fn task_facts(hub: &poco_core::hub::Hub, block: u64, task: TaskId) -> TaskFacts {
    let view = hub.task(task);
    let of = |worker: &Address| ContributionFacts {
        worker: *worker,
        view: hub.contribution(task, *worker),
        score: hub.score(*worker),
    };
    let contributions = view.contributors.iter().map(of).collect();
    TaskFacts { block, view, contributions }
}

/// Who runs the pool, and where its wallet lies.
pub(crate) fn owner() -> Wallet {
    Wallet::named("pool owner")
}
