//! A pool on the model of the contract: reads and transactions are carried out, everything else
//! that the core wants is kept for the test to look at.

use crate::lane_chain::LaneChain;
use poco_core::call::{Call, Contribution, WholeContribution};
use poco_core::hub::{Config, Hub, Refusal, RegistryCall, TokenCall, Value};
use poco_core::message::authorization_hash;
use poco_core::{
    Address, Amount, B256, Bytes, DealConditions, DealId, Event, OrderKind, ResultDigest,
    ResultHash, ResultSeal, Rules, Tag, TaskId, Timestamp, U256, keccak256,
};
use poco_scheduler_core::{
    Action, Capacity, Cause, ChainEvent, Command, ContributionFacts, Core, DealFacts, Failure,
    Head, Input, Intent, Lane, Login, Moment, Placement, Record, ReportBody, Settings, Stage,
    StoredResult, TaskFacts, TransactionFailure, TransactionTrouble, WAITS,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000);
/// T of category 0.
pub(crate) const T: u64 = 300;
pub(crate) const POOL: Address = Address::repeat_byte(0xb1);
pub(crate) const OWNER: Address = Address::repeat_byte(0x0e);
pub(crate) const APP: Address = Address::repeat_byte(0xa1);
pub(crate) const REQUESTER: Address = Address::repeat_byte(0x0d);
/// The signature that every wallet of this world accepts for what it signed.
pub(crate) const SIGN: Bytes = Bytes::from_static(b"signed");

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) core: Core,
    pub(crate) settings: Settings,
    pub(crate) now: Moment,
    pub(crate) time: Timestamp,
    pub(crate) block: u64,
    /// What the core wanted beyond reads and transactions, since last looked at.
    pub(crate) wanted: Vec<Action>,
    /// Every transaction sent, with what became of it.
    pub(crate) sent: Vec<(Intent, Result<(), Refusal>)>,
    pub(crate) stored: BTreeMap<TaskId, Record>,
    pub(crate) deals: BTreeMap<DealId, Record>,
    pub(crate) members: BTreeMap<u32, Record>,
    pub(crate) connected: BTreeSet<Address>,
    /// What the orders of deals to come ask for and offer.
    pub(crate) conditions: DealConditions,
    /// What runs of the orders to come need.
    pub(crate) tag: Tag,
    /// Where they may run; `None` where their params say it in a way that cannot be read.
    pub(crate) placement: Option<Placement>,
    /// Who orders.
    pub(crate) requester: Address,
    /// Every event that was told.
    pub(crate) events: Vec<Event>,
    /// Questions to guards, in order.
    pub(crate) asked: Vec<(Address, Address)>,
    slots: BTreeMap<Address, usize>,
    handed: BTreeSet<(Address, TaskId)>,
    pub(crate) salt: u8,
    /// What the settlement lane adds to the model.
    pub(crate) lane: LaneChain,
    /// Nobody answers what is asked about deals.
    pub(crate) hides_deals: bool,
}

pub(crate) fn worker(name: u8) -> Address {
    Address::repeat_byte(name)
}

pub(crate) fn digest(text: &str) -> ResultDigest {
    ResultDigest(keccak256(text))
}

pub(crate) fn failure(cause: Cause) -> ReportBody {
    ReportBody::Failed(Failure::new(cause, "told by the test"))
}

/// The hash of a block of this world.
pub(crate) fn hash_of(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

pub(crate) fn nano(amount: u64) -> Amount {
    Amount::from_nano(amount)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[], |_| {})
    }

    /// A world where workers have scores and the operator other settings.
    pub(crate) fn with(scores: &[(u8, u64)], change: impl FnOnce(&mut Settings)) -> Self {
        let hub = Address::repeat_byte(0xee);
        let scores = scores.iter().map(|(name, score)| (worker(*name), U256::from(*score)));
        let standard = Config::standard(Rules::Ours, 31337, hub, OWNER);
        let config = Config { scores: scores.collect(), ..standard };
        let mut hub = Hub::new(config);
        for (kind, resource, owner) in
            [(OrderKind::App, APP, REQUESTER), (OrderKind::Workerpool, POOL, OWNER)]
        {
            hub.registry_call(owner, &RegistryCall::Create { kind, resource, owner }).unwrap();
        }
        for account in [OWNER, REQUESTER].into_iter().chain((1..=9).map(worker)) {
            hub.mint_tokens(account, nano(1_000_000)).unwrap();
            let deposit = TokenCall::ApproveHubAndCall { amount: nano(1_000_000) };
            hub.token_call(account, &deposit).unwrap();
        }
        let mut settings = Settings::new(POOL, OWNER);
        change(&mut settings);
        let now = Moment(1_000);
        let mut world = Self {
            hub,
            core: Core::new(settings.clone(), Vec::new(), 0, now),
            settings,
            now,
            time: START,
            block: 1,
            wanted: Vec::new(),
            sent: Vec::new(),
            stored: BTreeMap::new(),
            deals: BTreeMap::new(),
            members: BTreeMap::new(),
            connected: BTreeSet::new(),
            conditions: DealConditions::NONE,
            tag: Tag::NONE,
            placement: Some(Placement::default()),
            requester: REQUESTER,
            events: Vec::new(),
            asked: Vec::new(),
            slots: BTreeMap::new(),
            handed: BTreeSet::new(),
            salt: 0,
            lane: LaneChain::default(),
            hides_deals: false,
        };
        let head = world.head();
        world.tell(Input::Head(head));
        world
    }

    pub(crate) fn head(&self) -> Head {
        Head { number: self.block, timestamp: self.time }
    }

    /// Kills the scheduler and starts it again on what it stored.
    pub(crate) fn restart(&mut self) {
        self.restart_unread();
        let head = self.head();
        self.tell(Input::Head(head));
    }

    /// The same, and the chain has not answered yet.
    pub(crate) fn restart_unread(&mut self) {
        let others = self.lane.stored.values().chain(self.members.values());
        let mut records: Vec<Record> =
            self.deals.values().chain(self.stored.values()).chain(others).cloned().collect();
        for record in &mut records {
            // What is not stored of a deal.
            if let Record::Deal(deal) = record
                && let Some(facts) = &mut deal.facts
            {
                (facts.conditions, facts.placement) = (None, None);
            }
        }
        self.core = Core::new(self.settings.clone(), records, self.block, self.now);
        self.connected.clear();
        self.wanted.clear();
    }

    /// Sends a transaction in a block of its own and tells its events.
    pub(crate) fn call(&mut self, sender: Address, call: Call) -> Result<Value, Refusal> {
        let outcome = self.hub.call(sender, self.time, &call)?;
        self.block += 1;
        self.report(outcome.events);
        Ok(outcome.value)
    }

    pub(crate) fn report(&mut self, events: Vec<Event>) {
        let block = self.block;
        let time = self.time;
        self.events.extend(events.iter().cloned());
        let block_hash = hash_of(block);
        let located = |event| ChainEvent { block, block_hash, time, event };
        let events = events.into_iter().map(located).collect();
        let to = self.head();
        self.tell(Input::Events { to, events });
    }

    /// Takes one input in and carries out what can be carried out here.
    pub(crate) fn tell(&mut self, input: Input) {
        self.core.handle(self.now, input);
        assert!(self.core.is_consistent(), "the index is not what follows from the tasks");
        let mut actions = Vec::new();
        while let Some(action) = self.core.poll_action() {
            actions.push(action);
        }
        // Records first, as the binary does.
        for action in &actions {
            self.store(action);
        }
        for action in actions {
            self.carry_out(action);
        }
    }

    fn store(&mut self, action: &Action) {
        match action {
            Action::Put(Record::Task(task)) => {
                self.stored.insert(task.id, Record::Task(task.clone()));
            }
            Action::Put(Record::Deal(deal)) => {
                self.deals.insert(deal.id, Record::Deal(deal.clone()));
            }
            Action::Put(Record::Commit(commit)) => {
                self.lane.stored.insert(commit.key, Record::Commit(commit.clone()));
            }
            Action::DeleteCommit(key) => {
                self.lane.stored.remove(key);
            }
            Action::Put(Record::Member(member)) => {
                self.members.insert(member.place, Record::Member(*member));
            }
            Action::Retire { task, .. } | Action::DeleteTask(task) => {
                self.stored.remove(task);
            }
            Action::DeleteDeal(deal) => {
                self.deals.remove(deal);
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::ReadTask { task, epoch, at_least } => {
                assert!(at_least <= self.block, "asked for a block that is not there");
                let facts = Box::new(self.facts(task));
                self.tell(Input::TaskRead { task, epoch, facts });
            }
            Action::ReadDeal { .. } if self.hides_deals => {}
            Action::ReadDeal { deal, epoch, .. } => {
                let conditions = Some(self.hub.deal_conditions(deal));
                let facts = self.hub.deal(deal).cloned().map(|deal| {
                    Box::new(DealFacts {
                        deal,
                        work_clock_time_ref_seconds: T,
                        conditions,
                        placement: self.placement.clone(),
                    })
                });
                self.tell(Input::DealRead { deal, epoch, facts });
            }
            Action::ReadGuard { guard, worker } => {
                self.asked.push((guard, worker));
                let is_known = self.hub.contracts().is_member(guard, worker);
                self.tell(Input::GuardRead { guard, worker, is_known });
            }
            Action::ReadScore(worker) => {
                let score = self.hub.score(worker);
                self.tell(Input::ScoreRead { worker, score });
            }
            Action::ReadBond(worker) => {
                let bond = self.lane.bond_of(worker);
                self.tell(Input::BondRead { worker, bond });
            }
            Action::TransactLane { intent, call } => self.transact_lane(intent, call),
            Action::Transact { intent, call } => {
                let result = self.call(OWNER, call).map(|_| ());
                self.sent.push((intent.clone(), result));
                let result = result.map(|()| self.block).map_err(|refusal| TransactionFailure {
                    trouble: TransactionTrouble::Refused,
                    reason: refusal.to_string(),
                });
                self.tell(Input::Outcome { intent, result });
            }
            Action::Tell { worker, command } => {
                assert!(self.connected.contains(&worker), "told {command:?} to nobody");
                if let Command::Assign { task, .. } = &command {
                    self.check_assignment(worker, *task);
                }
                self.wanted.push(Action::Tell { worker, command });
            }
            Action::Changed(_)
            | Action::Measured { .. }
            | Action::Sweep { .. }
            | Action::Put(_)
            | Action::DeleteCommit(_) => {}
            other => self.wanted.push(other),
        }
    }

    /// What must hold whenever a task is handed out.
    fn check_assignment(&mut self, worker: Address, task: TaskId) {
        let Some(Record::Task(record)) = self.stored.get(&task) else {
            panic!("assigned before it was stored")
        };
        let promised = record.replicas.iter().filter(|replica| replica.worker == worker).count();
        assert_eq!(promised, 1, "a promise is stored before it is made, and once");
        let held = self.core.task_report(task).unwrap();
        assert!(held.replicas.iter().any(|replica| replica.worker == worker));
        if !self.handed.insert((worker, task)) {
            // Told again: the worker may have come back with fewer slots.
            return;
        }
        let slots = self.slots.get(&worker).copied().unwrap_or_default();
        assert!(self.core.slots_used(worker) <= slots, "more replicas than slots");
    }

    pub(crate) fn facts(&self, task: TaskId) -> TaskFacts {
        if let Some((view, contributions)) = self.lane.tasks.get(&task) {
            let (view, contributions) = (view.clone(), contributions.clone());
            return TaskFacts { block: self.block, view, contributions };
        }
        let view = self.hub.task(task);
        let contributions = view
            .contributors
            .iter()
            .map(|worker| ContributionFacts {
                worker: *worker,
                view: self.hub.contribution(task, *worker),
                score: self.hub.score(*worker),
            })
            .collect();
        TaskFacts { block: self.block, view, contributions }
    }

    pub(crate) fn connect(&mut self, name: u8, slots: u32) {
        self.connect_with(name, slots, Vec::new());
    }

    pub(crate) fn connect_with(
        &mut self,
        name: u8,
        slots: u32,
        live: Vec<(TaskId, Option<Stage>)>,
    ) {
        let capacity = Capacity { slots, ..Capacity::default() };
        self.connect_as(name, capacity, live);
    }

    pub(crate) fn connect_as(
        &mut self,
        name: u8,
        capacity: Capacity,
        live: Vec<(TaskId, Option<Stage>)>,
    ) {
        let worker = worker(name);
        self.connected.insert(worker);
        self.slots.insert(worker, capacity.slots as usize);
        let score = self.hub.score(worker);
        let bond = self.lane.bond_of(worker);
        self.tell(Input::Connected(Login { worker, capacity, score, bond, live }));
    }

    pub(crate) fn disconnect(&mut self, name: u8) {
        self.connected.remove(&worker(name));
        self.tell(Input::Disconnected { worker: worker(name) });
    }

    pub(crate) fn says(&mut self, name: u8, task: TaskId, body: ReportBody) {
        self.tell(Input::Report { worker: worker(name), task, body });
    }

    pub(crate) fn contribute(
        &mut self,
        name: u8,
        task: TaskId,
        digest: ResultDigest,
    ) -> Result<Value, Refusal> {
        let worker = worker(name);
        self.authorize(worker, task);
        let contribution = Contribution {
            task,
            hash: ResultHash::of(task, digest),
            seal: ResultSeal::of(worker, task, digest),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: SIGN,
        };
        self.call(worker, Call::Contribute(contribution))
    }

    pub(crate) fn contribute_and_finalize(
        &mut self,
        name: u8,
        task: TaskId,
        digest: ResultDigest,
    ) -> Result<Value, Refusal> {
        let worker = worker(name);
        self.authorize(worker, task);
        let whole = WholeContribution {
            task,
            digest,
            results: Bytes::from_static(b"/ipfs/x"),
            results_callback: Bytes::new(),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: SIGN,
        };
        self.call(worker, Call::ContributeAndFinalize(whole))
    }

    /// Signs as the binary would, but only for workers that the stored records promise it to.
    pub(crate) fn authorize(&mut self, worker: Address, task: TaskId) {
        let is_promised = match self.stored.get(&task) {
            Some(Record::Task(record)) => {
                record.replicas.iter().any(|replica| replica.worker == worker)
            }
            Some(Record::Deal(_) | Record::Commit(_) | Record::Member(_)) | None => false,
        };
        assert!(is_promised, "{worker} votes without an assignment");
        let hash = authorization_hash(worker, task, Address::ZERO);
        self.hub.contracts_mut().accept(OWNER, hash, SIGN);
    }

    pub(crate) fn reveal(&mut self, name: u8, task: TaskId, digest: ResultDigest) {
        self.call(worker(name), Call::Reveal { task, digest }).unwrap();
    }

    pub(crate) fn call_reveal(
        &mut self,
        name: u8,
        task: TaskId,
        digest: ResultDigest,
    ) -> Result<Value, Refusal> {
        self.call(worker(name), Call::Reveal { task, digest })
    }

    pub(crate) fn store_result(&mut self, name: u8, task: TaskId, digest: ResultDigest) {
        let result = StoredResult {
            worker: worker(name),
            digest,
            location: "/ipfs/bafy".into(),
            callback: Bytes::new(),
            size_bytes: 10,
        };
        self.tell(Input::ResultStored { upload: 7, task, result });
    }

    /// Lets time pass; the chain gives blocks only when something happens.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let end = Moment(self.now.0 + seconds * 1000);
        let start = self.time;
        let began = self.now;
        while let Some(next) = self.core.next_timer().filter(|next| *next <= end) {
            assert!(next >= self.now || next <= end, "a timer in the past");
            self.now = self.now.max(next);
            self.time = start.after((self.now.0 - began.0).div_ceil(1000));
            let before = self.core.next_timer();
            self.tell(Input::Timer);
            assert!(
                self.core.next_timer() != before || before.is_none_or(|at| at > self.now),
                "a timer that rings for ever"
            );
        }
        self.now = end;
        self.time = start.after(seconds);
        let waits = self.core.stats().waits;
        assert!(waits.keys().all(|name| WAITS.contains(name)), "{waits:?}");
    }

    /// The commands since the last look, in order.
    pub(crate) fn commands(&mut self) -> Vec<(Address, Command)> {
        let told = |action| match action {
            Action::Tell { worker, command } => Some((worker, command)),
            _ => None,
        };
        std::mem::take(&mut self.wanted).into_iter().filter_map(told).collect()
    }

    /// Whom the task was given to since the last look, by name.
    pub(crate) fn assigned(&mut self, task: TaskId) -> Vec<u8> {
        let is_meant = |(worker, command): (Address, Command)| match command {
            Command::Assign { task: id, .. } if id == task => worker.first().copied(),
            _ => None,
        };
        self.commands().into_iter().filter_map(is_meant).collect()
    }

    pub(crate) fn waiting(&self, task: TaskId) -> String {
        self.core.task_report(task).unwrap().waiting_for
    }

    pub(crate) fn kinds_sent(&self) -> Vec<&'static str> {
        self.sent
            .iter()
            .filter(|(_, result)| result.is_ok())
            .map(|(intent, _)| intent.kind.name())
            .collect()
    }
}

pub(crate) fn task(deal: DealId, index: u64) -> TaskId {
    TaskId::of_deal(deal, U256::from(index))
}

pub(crate) fn assign(name: u8, deal: DealId, index: u64, lane: Lane) -> (Address, Command) {
    let command = Command::Assign { task: task(deal, index), deal, index: U256::from(index), lane };
    (worker(name), command)
}
