//! The sender of a process: the real ledger decides, this carries out, as `poco-chain` does around
//! it. What is stored survives the process, and nothing is sent before it is stored.

use crate::chain::{Chain, Waiting};
use crate::process::{Died, Host};
use crate::scenario::Millis;
use crate::story::brief;
use crate::world::{Event, World};
use poco_chain_core::ledger::{
    Action, Attempt, Entry, Ledger, MinedAt, Observation, Payload, Policy, Sent, State, Verdict,
};
use poco_chain_core::pace::Pace;
use poco_chain_core::{Fees, ledger};
use poco_core::{B256, Bytes, TaskId, keccak256};
use poco_scheduler_core::{Intent as SchedulerIntent, Kind};
use poco_worker_core::Intent as WorkerIntent;
use std::collections::{BTreeMap, VecDeque};

/// What fills a nonce that nobody uses.
const FILL: &str = "fill";
/// The highest fee that anybody here pays.
const FEE_WEI_CAP: u128 = 500_000_000_000;
/// How often a transaction that failed when mined is sent again.
const REPEATS_MAX: u8 = 2;
const FIRST_LOOK_MILLIS: Millis = 10;
const WATCH_MILLIS: Millis = 2_000;
const AGAIN_MILLIS: Millis = 200;

/// Who is told what became of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    Scheduler(SchedulerIntent),
    Worker(TaskId, WorkerIntent),
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    Mined { transaction: B256, block: u64 },
    Refused(String),
    Unpaid,
}

/// A transaction to be prepared.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    intent: String,
    data: Bytes,
    repeats: u8,
}

#[derive(Debug)]
pub(crate) struct Sender {
    /// What a restart finds.
    pub(crate) disk: BTreeMap<u64, Entry>,
    pub(crate) ledger: Ledger,
    policy: Policy,
    waiting: BTreeMap<String, Vec<Errand>>,
    backlog: VecDeque<(Wish, u64, Fees)>,
    head: u64,
    pace: Pace,
    pub(crate) look_at: Option<Millis>,
}

impl Sender {
    pub(crate) fn new(watch_blocks: u64) -> Self {
        let policy = Policy {
            fee_wei_cap: FEE_WEI_CAP,
            resend_millis: 5_000,
            bump_millis: 30_000,
            lost_millis: 10_000,
            confirmations: 0,
            watch_blocks,
        };
        Self {
            disk: BTreeMap::new(),
            ledger: Ledger::recover(Vec::new(), policy),
            policy,
            waiting: BTreeMap::new(),
            backlog: VecDeque::new(),
            head: 0,
            pace: Pace::new(1_000),
            look_at: None,
        }
    }

    /// Whether the scheduler waits for such a transaction of this task.
    pub(crate) fn is_sending(&self, kind: Kind, task: TaskId) -> bool {
        let is_meant = |errand: &Errand| match errand {
            Errand::Scheduler(intent) => intent.kind == kind && intent.tasks.contains(&task),
            Errand::Worker(..) => false,
        };
        self.waiting.values().flatten().any(is_meant)
    }

    /// Begins a life: all but the disk is as new.
    pub(crate) fn recover(&mut self) {
        let entries = self.disk.values().cloned().collect();
        *self = Self {
            disk: std::mem::take(&mut self.disk),
            ledger: Ledger::recover(entries, self.policy),
            ..Self::new(self.policy.watch_blocks)
        };
    }
}

impl World {
    /// Somebody wants a transaction.
    pub(crate) fn send(&mut self, host: Host, intent: String, data: Bytes, errand: Errand) {
        let sender = &mut self.process_mut(host).sender;
        if let Some(all) = sender.waiting.get_mut(&intent) {
            all.push(errand);
            return;
        }
        sender.waiting.insert(intent.clone(), vec![errand]);
        if sender.ledger.find_pending(&intent).is_some() {
            self.reached.note("a transaction of an earlier life was waited for");
            self.look_soon(host);
            return;
        }
        self.prepare_after(host, Wish { intent, data, repeats: 0 }, 0);
    }

    fn prepare_after(&mut self, host: Host, wish: Wish, pause: Millis) {
        let delay = pause + self.delay();
        self.for_process(host, delay, |host, life| Event::Prepare { host, life, wish });
    }

    /// Asks the node whether a transaction would pass, and sends it.
    pub(crate) fn prepare(&mut self, host: Host, wish: Wish) -> Result<(), Died> {
        let Some(seen) = self.ask_node(host) else {
            self.prepare_after(host, wish, 500);
            return Ok(());
        };
        let from = self.process(host).wallet.address;
        let lie = self.nonce_lie(host);
        let block = self.chain.block(seen).expect("a node shows blocks that are there").clone();
        if let Err(refusal) = self.chain.dry_run(&block, from, &wish.data) {
            let fate = Fate::Refused(refusal.to_string());
            return self.finish(host, &wish.intent, &fate);
        }
        let Ok(fees) = Fees::first(Chain::market(&block), FEE_WEI_CAP) else {
            self.reached.note("fees above the cap");
            return self.finish(host, &wish.intent, &Fate::Unpaid);
        };
        let used = block.nonces.get(&from).copied().unwrap_or_default() + lie;
        let sender = &mut self.process_mut(host).sender;
        sender.head = sender.head.max(seen);
        if sender.ledger.is_full() {
            sender.backlog.push_back((wish, used, fees));
            return Ok(());
        }
        self.dispatch(host, wish, used, fees)
    }

    fn dispatch(&mut self, host: Host, wish: Wish, used: u64, fees: Fees) -> Result<(), Died> {
        let nonce = self.process(host).sender.ledger.next_nonce(used);
        let Wish { intent, data, repeats } = wish;
        let payload = Payload { to: Some(self.hub_address), data };
        let entry = Entry {
            nonce,
            intent,
            payload,
            gas_limit: 1_000_000,
            repeats,
            attempts: Vec::new(),
            state: State::Pending,
        };
        self.open(host, entry, fees)
    }

    fn open(&mut self, host: Host, mut entry: Entry, fees: Fees) -> Result<(), Died> {
        let nonce = entry.nonce;
        entry.attempts.push(self.attempt(host, &entry, fees));
        self.process_mut(host).sender.ledger.open(entry);
        self.save(host, nonce)?;
        self.broadcast(host, nonce)
    }

    fn attempt(&self, host: Host, entry: &Entry, fees: Fees) -> Attempt {
        let from = self.process(host).wallet.address;
        let text = format!("{from} {} {} {fees:?}", entry.nonce, entry.payload.data);
        Attempt { fees, transaction: keccak256(text) }
    }

    /// Stores an entry as it is; it is synced when this returns.
    fn save(&mut self, host: Host, nonce: u64) -> Result<(), Died> {
        let process = self.process_mut(host);
        process.step()?;
        if let Some(entry) = process.sender.ledger.find(nonce) {
            process.sender.disk.insert(nonce, entry.clone());
        }
        process.step()
    }

    fn forget_entry(&mut self, host: Host, nonce: u64) -> Result<(), Died> {
        let process = self.process_mut(host);
        process.step()?;
        process.sender.disk.remove(&nonce);
        Ok(())
    }

    fn broadcast(&mut self, host: Host, nonce: u64) -> Result<(), Died> {
        let now = self.now;
        let process = self.process(host);
        let sender = process.wallet.address;
        let Some(entry) = process.sender.ledger.find(nonce) else { return Ok(()) };
        let Some(attempt) = entry.attempts.last().copied() else { return Ok(()) };
        let stored = process.sender.disk.get(&nonce);
        assert!(
            stored.is_some_and(|stored| stored.attempts.contains(&attempt)),
            "{} was sent before it was stored",
            entry.intent
        );
        let data = entry.payload.data.clone();
        let tx = Waiting { hash: attempt.transaction, sender, nonce, fees: attempt.fees, data };
        self.story.tell(now, || format!("{host:?} sends {} (nonce {nonce})", entry.intent));
        let sent = self.give_to_node(host, tx);
        let clock = self.process(host).clock(now);
        let shell = &mut self.process_mut(host).sender;
        let head = shell.head;
        let verdict = shell.ledger.on_sent(nonce, clock, head, &sent);
        self.look_soon(host);
        match verdict {
            Verdict::Kept => Ok(()),
            Verdict::Withdrawn(entry) => {
                self.reached.note("a transaction was withdrawn");
                self.forget_entry(host, nonce)?;
                self.on_withdrawn(host, *entry, &sent)
            }
        }
    }

    fn on_withdrawn(&mut self, host: Host, entry: Entry, sent: &Sent) -> Result<(), Died> {
        if entry.intent == FILL {
            return Ok(());
        }
        match sent {
            Sent::Rejected => self.finish(host, &entry.intent, &Fate::Refused("rejected".into())),
            Sent::Accepted
            | Sent::NonceTooLow
            | Sent::NoFunds
            | Sent::Underpriced
            | Sent::Unknown => {
                self.prepare_again(host, entry, 0);
                Ok(())
            }
        }
    }

    fn prepare_again(&mut self, host: Host, entry: Entry, more: u8) {
        let Entry { intent, payload, repeats, .. } = entry;
        self.process_mut(host).sender.waiting.entry(intent.clone()).or_default();
        let wish = Wish { intent, data: payload.data, repeats: repeats + more };
        self.prepare_after(host, wish, AGAIN_MILLIS);
    }

    /// What the node does with a transaction.
    fn give_to_node(&mut self, host: Host, tx: Waiting) -> Sent {
        if self.ask_node(host).is_none() {
            self.reached.note("a transaction was sent without an answer");
            if self.dice.chance(50) {
                self.chain.take(tx);
            }
            return Sent::Unknown;
        }
        if self.is_troubled() {
            if self.dice.per_mille(self.scenario.faults.rejected_per_mille) {
                self.reached.note("a transaction was refused by the node");
                return Sent::Rejected;
            }
            if self.dice.per_mille(self.scenario.faults.vanished_per_mille) {
                self.reached.note("a transaction vanished");
                return Sent::Accepted;
            }
        }
        let sent = self.chain.take(tx);
        if sent == Sent::Underpriced {
            self.reached.note("a transaction was underpriced");
        }
        self.mine_soon();
        sent
    }

    /// Looks after everything in flight.
    pub(crate) fn look(&mut self, host: Host) -> Result<(), Died> {
        self.process_mut(host).sender.look_at = None;
        if self.process(host).sender.ledger.is_idle() {
            return Ok(());
        }
        let Some(seen) = self.ask_node(host) else {
            self.look_at(host, 1_000);
            return Ok(());
        };
        let observation = self.observe(host, seen);
        let clock = self.process(host).clock(self.now);
        let shell = &mut self.process_mut(host).sender;
        shell.head = shell.head.max(seen);
        let market = observation.market;
        for action in shell.ledger.observe(clock, &observation) {
            let now = self.now;
            self.story.tell(now, || format!("{host:?} looks: {}", brief(&action)));
            self.act(host, action, (seen, market))?;
        }
        while !self.process(host).sender.ledger.is_full() {
            let next = self.process_mut(host).sender.backlog.pop_front();
            let Some((wish, used, fees)) = next else { break };
            self.dispatch(host, wish, used, fees)?;
        }
        let shell = &mut self.process_mut(host).sender;
        let pause = match shell.ledger.pending().next() {
            Some(_) => shell.pace.next_wait_millis(),
            None => WATCH_MILLIS,
        };
        self.look_at(host, pause);
        Ok(())
    }

    fn observe(&mut self, host: Host, seen: u64) -> Observation {
        let lie = self.nonce_lie(host);
        let from = self.process(host).wallet.address;
        let questions = self.process(host).sender.ledger.questions();
        let block = self.chain.block(seen).expect("a node shows blocks that are there");
        let find = |hash: &B256| Some((*hash, self.chain.find(*hash, seen)?));
        let hash_of = |number: &u64| {
            let block = self.chain.block(*number).filter(|_| *number <= seen)?;
            Some((*number, block.header.block.hash))
        };
        Observation {
            head: seen,
            nonce: block.nonces.get(&from).copied().unwrap_or_default() + lie,
            market: Chain::market(block),
            receipts: questions.receipts.iter().filter_map(find).collect(),
            blocks: questions.blocks.iter().filter_map(hash_of).collect(),
        }
    }

    fn act(
        &mut self,
        host: Host,
        action: Action,
        (seen, market): (u64, poco_chain_core::fees::Market),
    ) -> Result<(), Died> {
        match action {
            Action::Save { nonce } => self.save(host, nonce),
            Action::Forget { nonce } => self.forget_entry(host, nonce),
            Action::Resend { nonce } => self.broadcast(host, nonce),
            Action::Replace { nonce, fees } => {
                self.reached.note("a fee was raised");
                let Some(entry) = self.process(host).sender.ledger.find(nonce) else {
                    return Ok(());
                };
                let attempt = self.attempt(host, entry, fees);
                self.process_mut(host).sender.ledger.add_attempt(nonce, attempt);
                self.save(host, nonce)?;
                self.broadcast(host, nonce)
            }
            Action::Report { nonce, at } => self.conclude(host, nonce, at, seen),
            Action::Redo { entry } => {
                self.reached.note("a transaction lost its nonce");
                if entry.intent != FILL {
                    self.prepare_again(host, *entry, 0);
                }
                Ok(())
            }
            Action::Fill { nonce } => {
                self.reached.note("a gap in the nonces was filled");
                let Ok(fees) = Fees::first(market, FEE_WEI_CAP) else { return Ok(()) };
                let payload = Payload { to: None, data: Bytes::new() };
                let entry = Entry {
                    nonce,
                    intent: FILL.into(),
                    payload,
                    gas_limit: 21_000,
                    repeats: 0,
                    attempts: Vec::new(),
                    state: ledger::State::Pending,
                };
                self.open(host, entry, fees)
            }
        }
    }

    /// What became of a mined transaction.
    fn conclude(&mut self, host: Host, nonce: u64, at: MinedAt, seen: u64) -> Result<(), Died> {
        let Some(entry) = self.process(host).sender.ledger.find(nonce).cloned() else {
            return Ok(());
        };
        let block = self.chain.block(at.block).filter(|_| at.block <= seen);
        let block = block.filter(|block| block.header.block.hash == at.block_hash);
        let Some(refusal) = block.and_then(|block| block.mined.get(&at.transaction)).cloned()
        else {
            self.process_mut(host).sender.ledger.report_again(nonce);
            return Ok(());
        };
        self.process_mut(host).sender.ledger.conclude(nonce, at);
        match refusal {
            None => {
                let fate = Fate::Mined { transaction: at.transaction, block: at.block };
                self.finish(host, &entry.intent, &fate)
            }
            Some(reason) if entry.repeats >= REPEATS_MAX => {
                self.reached.note("a transaction was refused when mined");
                self.finish(host, &entry.intent, &Fate::Refused(reason))
            }
            Some(_) => {
                if entry.intent != FILL {
                    self.prepare_again(host, entry, 1);
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, host: Host, intent: &str, fate: &Fate) -> Result<(), Died> {
        self.process_mut(host).step()?;
        let errands = self.process_mut(host).sender.waiting.remove(intent).unwrap_or_default();
        let now = self.now;
        self.story.tell(now, || format!("{host:?}: {intent}: {fate:?}"));
        for errand in errands {
            let fate = fate.clone();
            self.for_process(host, 0, |host, life| Event::Sent { host, life, errand, fate });
        }
        Ok(())
    }

    fn look_soon(&mut self, host: Host) {
        self.process_mut(host).sender.pace.quicken();
        self.look_at(host, FIRST_LOOK_MILLIS);
    }

    /// Plans a look, unless an earlier one is planned.
    pub(crate) fn look_at(&mut self, host: Host, pause: Millis) {
        let at = self.now + pause;
        let sender = &mut self.process_mut(host).sender;
        if sender.look_at.is_some_and(|planned| planned <= at) {
            return;
        }
        sender.look_at = Some(at);
        self.for_process(host, pause, |host, life| Event::Look { host, life });
    }
}
