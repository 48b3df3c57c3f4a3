//! The world: one queue of events in the order of time, and everybody who takes part.

use crate::chain::Chain;
use crate::dice::Dice;
use crate::link::{Session, ToScheduler, ToWorker, Upload};
use crate::process::{Died, Host, Process, Wallet};
use crate::reached::Reached;
use crate::requests::{HUB, POOL, Request, arrange};
use crate::scenario::{Millis, Scenario};
use crate::scheduler::{Scheduler, owner};
use crate::sender::{Errand, Fate, Sender, Wish};
use crate::story::Story;
use crate::stream::{Follower, News};
use crate::villains::sybil_wallet;
use crate::worker::Worker;
use poco_chain_core::{BlockRef, Cursor};
use poco_core::lane::BlindedVote;
use poco_core::{Address, B256, TaskId};
use poco_scheduler_core::{Action, Input, Settings, Stage, UploadTerms};
use poco_worker_core::Input as WorkerInput;
use std::collections::BTreeMap;

/// One seed in so many has an hour in which no node answers.
const OUTAGE_EVERY: u64 = 50;
/// Events of one world: far more than any has; beyond, something runs in circles.
const EVENTS_MAX: u64 = 3_000_000;

/// Blocks come at least this often, with or without transactions.
const BLOCK_MILLIS_MAX: Millis = 12_000;

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    Start { host: Host, life: u64 },
    Tick { host: Host, life: u64 },
    Look { host: Host, life: u64 },
    Follow { host: Host, life: u64 },
    Prepare { host: Host, life: u64, wish: Wish },
    Sent { host: Host, life: u64, errand: Errand, fate: Fate },
    Read { host: Host, life: u64, action: Box<Action> },
    Answer { host: Host, life: u64, answer: Answer },
    Heard { host: Host, life: u64, input: Box<WorkerInput> },
    RunEnds { host: Host, life: u64, task: TaskId },
    Connect { host: Host, life: u64 },
    Lost { host: Host, life: u64, id: u64 },
    LoggedIn { life: u64, id: u64, worker: usize, live: Vec<(TaskId, Option<Stage>)> },
    Left { life: u64, id: u64, worker: usize },
    ToWorker { life: u64, id: u64, worker: usize, message: Box<ToWorker> },
    ToScheduler { life: u64, id: u64, worker: usize, message: Box<ToScheduler> },
    UploadAsked { life: u64, upload: Box<Upload> },
    UploadCame { life: u64, upload: Box<Upload>, terms: UploadTerms },
    Mine { number: u64 },
    Fault,
    Request { place: usize },
    Villains,
    FeesFall,
    Reorg,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Scheduler(Box<Input>),
    Worker(Option<BlockRef>, Box<WorkerInput>),
}

/// A whole market.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Millis,
    pub(crate) scenario: Scenario,
    pub(crate) chain: Chain,
    pub(crate) hub_address: Address,
    processes: Vec<Process>,
    pub(crate) scheduler: Scheduler,
    pub(crate) workers: Vec<Worker>,
    pub(crate) sybils: Vec<Wallet>,
    pub(crate) requests: Vec<Request>,
    pub(crate) sessions: BTreeMap<Address, Session>,
    /// Results that the scheduler has and has not answered for.
    pub(crate) uploads: BTreeMap<u64, Upload>,
    pub(crate) reached: Reached,
    pub(crate) story: Story,
    /// What each worker voted for on chain, for good.
    pub(crate) votes: BTreeMap<(usize, TaskId), B256>,
    /// What each worker signed into ballots, for good.
    pub(crate) ballots: BTreeMap<(usize, TaskId), BlindedVote>,
    pub(crate) last_session: u64,
    pub(crate) last_upload: u64,
    pub(crate) last_raw: u64,
    queue: BTreeMap<(Millis, u64), Event>,
    last_event: u64,
    mine_number: u64,
    mine_at: Millis,
}

impl World {
    /// The world of a seed, before its first moment.
    pub(crate) fn new(seed: u64, story: Story) -> Self {
        let mut dice = Dice::new(seed);
        let drawn = Scenario::draw(&mut dice);
        let scenario = if seed.is_multiple_of(OUTAGE_EVERY) { drawn.with_outage() } else { drawn };
        let count = scenario.workers.len();
        let wallets: Vec<Wallet> =
            (0..count).map(|place| Wallet::named(&format!("worker {place}"))).collect();
        let sybils: Vec<Wallet> = (0..scenario.sybils).map(sybil_wallet).collect();
        let addresses = |all: &[Wallet]| all.iter().map(|one| one.address).collect::<Vec<_>>();
        let pool_owner = owner();
        let (hub, requests) =
            arrange(&scenario, pool_owner.address, &addresses(&wallets), &addresses(&sybils));
        let mut settings = Settings::new(POOL, pool_owner.address);
        settings.settlement = scenario.has_settlement;
        settings.fast_lane = scenario.has_fast_lane;
        settings.tasks_live_max = scenario.tasks_live_max;
        settings.prune_depth_blocks = 40;
        let process = |wallet: Wallet| {
            let sender = Sender::new(scenario.watch_blocks);
            Process::new(wallet, sender, Follower::new(Cursor::start_at(1), scenario.poll_millis))
        };
        let processes = [pool_owner].into_iter().chain(wallets).map(process).collect();
        let workers = scenario.workers.iter().map(|plan| Worker::new(*plan)).collect();
        let mut world = Self {
            dice,
            now: 0,
            chain: Chain::new(hub),
            hub_address: HUB,
            processes,
            scheduler: Scheduler::new(settings),
            workers,
            sybils,
            requests,
            sessions: BTreeMap::new(),
            uploads: BTreeMap::new(),
            reached: Reached::default(),
            story,
            votes: BTreeMap::new(),
            ballots: BTreeMap::new(),
            last_session: 0,
            last_upload: 0,
            last_raw: 0,
            queue: BTreeMap::new(),
            last_event: 0,
            mine_number: 0,
            mine_at: Millis::MAX,
            scenario,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let plan = format!("{:?}", self.scenario);
        self.story.tell(0, || plan);
        match self.scenario.block_millis {
            300 => self.reached.note("blocks came three times a second"),
            12_000 => self.reached.note("blocks came every twelve seconds"),
            _ => {}
        }
        for place in 0..self.processes.len() {
            let host = Host(place);
            let pause = self.dice.of(0..=2_000);
            self.start_after(host, pause);
        }
        for place in 0..self.requests.len() {
            let at = self.scenario.orders[place].at;
            self.at(at, Event::Request { place });
        }
        self.plan_block(BLOCK_MILLIS_MAX);
        self.after(2_000, Event::Villains);
        self.after(1_000, Event::Fault);
    }

    /// Plays the world to its end, and returns what was reached.
    pub(crate) fn play(mut self) -> Reached {
        let mut count = 0;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            count += 1;
            assert!(count < EVENTS_MAX, "the world runs in circles");
            self.now = at;
            let is_checked = matches!(event, Event::Mine { .. });
            self.happen(event);
            if is_checked {
                self.check_money();
                if self.is_over() {
                    break;
                }
            }
        }
        self.check_end();
        self.reached
    }

    fn happen(&mut self, event: Event) {
        let host = event.host();
        let done = match host {
            Some((host, life)) if !self.is_alive(host, life) => {
                self.on_dead(host, event);
                Ok(())
            }
            Some(_) | None => self.act_on(event),
        };
        if let Err(Died) = done {
            let (host, _) = host.expect("only processes die");
            self.die(host);
        }
    }

    fn is_alive(&self, host: Host, life: u64) -> bool {
        let process = self.process(host);
        process.life == life && process.is_up
    }

    /// What was meant for a life that is over; uploads tell their worker.
    fn on_dead(&mut self, host: Host, event: Event) {
        match event {
            Event::Start { life, .. } if self.process(host).life == life => {
                if let Err(Died) = self.start(host) {
                    self.die(host);
                }
            }
            Event::UploadAsked { life, upload } => {
                let _ = self.upload_asked(life, *upload);
            }
            Event::UploadCame { life, upload, terms } => {
                let _ = self.upload_came(life, *upload, terms);
            }
            _ => {}
        }
    }

    fn act_on(&mut self, event: Event) -> Result<(), Died> {
        match event {
            Event::Start { .. } => Ok(()),
            Event::Tick { host, .. } => self.tick(host),
            Event::Look { host, .. } => self.look(host),
            Event::Follow { host, .. } => self.follow(host),
            Event::Prepare { host, wish, .. } => self.prepare(host, wish),
            Event::Sent { host, errand, fate, .. } => match (errand, host.worker()) {
                (Errand::Worker(task, intent), Some(worker)) => {
                    self.worker_sent(worker, (task, intent), fate)
                }
                (Errand::Scheduler(intent), _) => self.scheduler_sent(intent, fate),
                (Errand::Worker(..), None) => unreachable!("a worker's errand"),
            },
            Event::Read { action, .. } => {
                self.read_for_scheduler(*action);
                Ok(())
            }
            Event::Answer { host, answer, .. } => match (answer, host.worker()) {
                (Answer::Worker(head, input), Some(worker)) => {
                    self.worker_answered(worker, head, *input)
                }
                (Answer::Scheduler(input), _) => self.tell_scheduler(*input, None),
                (Answer::Worker(..), None) => unreachable!("a worker's answer"),
            },
            Event::Heard { host, input, .. } => match host.worker() {
                Some(worker) => self.tell_worker(worker, *input),
                None => unreachable!("meant for a worker"),
            },
            Event::RunEnds { host, task, .. } => match host.worker() {
                Some(worker) => match self.run_ended(worker, task) {
                    Some(input) => self.tell_worker(worker, input),
                    None => Ok(()),
                },
                None => unreachable!("meant for a worker"),
            },
            other => self.act_on_network(other),
        }
    }

    fn act_on_network(&mut self, event: Event) -> Result<(), Died> {
        match event {
            Event::Connect { host, .. } => {
                if let Some(worker) = host.worker() {
                    self.connect(worker);
                }
                Ok(())
            }
            Event::Lost { host, id, .. } => match host.worker() {
                Some(worker) if self.workers[worker].session == Some(id) => {
                    self.workers[worker].session = None;
                    self.for_process(host, 500, |host, life| Event::Connect { host, life });
                    self.tell_worker(worker, WorkerInput::Disconnected)
                }
                Some(_) | None => Ok(()),
            },
            Event::LoggedIn { id, worker, live, .. } => self.logged_in(id, worker, live),
            Event::Left { id, worker, .. } => self.left(id, worker),
            Event::ToWorker { id, worker, message, .. } => {
                let is_open = self.is_open(id, worker) && self.workers[worker].session == Some(id);
                if is_open { self.hear_scheduler(worker, *message) } else { Ok(()) }
            }
            Event::ToScheduler { id, worker, message, .. } => {
                if self.is_open(id, worker) {
                    self.hear_worker(worker, *message)
                } else {
                    Ok(())
                }
            }
            Event::UploadAsked { life, upload } => self.upload_asked(life, *upload),
            Event::UploadCame { life, upload, terms } => self.upload_came(life, *upload, terms),
            Event::Mine { number } => {
                self.mine(number);
                Ok(())
            }
            Event::Fault => {
                self.fault();
                Ok(())
            }
            Event::Request { place } => {
                self.request(place);
                Ok(())
            }
            Event::Villains => {
                self.be_villainous();
                Ok(())
            }
            Event::FeesFall => {
                self.chain.calm_fees();
                Ok(())
            }
            Event::Reorg => {
                self.reorg();
                Ok(())
            }
            other => unreachable!("{other:?} is of a process"),
        }
    }

    fn tick(&mut self, host: Host) -> Result<(), Died> {
        self.process_mut(host).tick_at = None;
        let next = match host.worker() {
            None => self.next_tick_of_scheduler(),
            Some(worker) => self.next_tick_of_worker(worker),
        };
        let clock = self.process(host).clock(self.now);
        if next.is_none_or(|at| at > clock) {
            self.plan_tick(host);
            return Ok(());
        }
        match host.worker() {
            None => self.tell_scheduler(Input::Timer, None),
            Some(worker) => self.tell_worker(worker, WorkerInput::Timer),
        }
    }

    /// Plans the next tick of a process, unless an earlier one is planned.
    pub(crate) fn plan_tick(&mut self, host: Host) {
        let next = match host.worker() {
            None => self.next_tick_of_scheduler(),
            Some(worker) => self.next_tick_of_worker(worker),
        };
        let Some(next) = next else { return };
        let process = self.process(host);
        // A timer that has rung and changed nothing would ring for ever: a millisecond passes.
        let at = process.world_time(next).max(self.now + 1);
        if process.tick_at.is_some_and(|planned| planned <= at) {
            return;
        }
        let life = process.life;
        self.process_mut(host).tick_at = Some(at);
        self.at(at, Event::Tick { host, life });
    }

    fn start(&mut self, host: Host) -> Result<(), Died> {
        match host.worker() {
            None => self.start_scheduler(),
            Some(worker) => self.start_worker(worker),
        }
    }

    pub(crate) fn take_news(&mut self, host: Host, news: News) -> Result<(), Died> {
        match host.worker() {
            None => self.scheduler_news(news),
            Some(worker) => self.worker_news(worker, news),
        }
    }

    fn mine(&mut self, number: u64) {
        if number != self.mine_number {
            return;
        }
        let left_out = if self.is_troubled() { self.scenario.faults.left_out_percent } else { 0 };
        self.chain.mine(self.now, &mut self.dice, left_out);
        self.on_block();
        self.plan_block(BLOCK_MILLIS_MAX);
        if !self.chain.waiting.is_empty() {
            self.mine_soon();
        }
    }

    /// The next block comes at its time, if something waits.
    pub(crate) fn mine_soon(&mut self) {
        self.plan_block(self.scenario.block_millis);
    }

    fn plan_block(&mut self, pause: Millis) {
        let at = self.now + pause;
        if self.mine_at > self.now && self.mine_at <= at {
            return;
        }
        self.mine_number += 1;
        self.mine_at = at;
        let number = self.mine_number;
        self.at(at, Event::Mine { number });
    }

    pub(crate) fn process(&self, host: Host) -> &Process {
        &self.processes[host.0]
    }

    pub(crate) fn process_mut(&mut self, host: Host) -> &mut Process {
        &mut self.processes[host.0]
    }

    /// Schedules something at a time.
    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        self.last_event += 1;
        self.queue.insert((at.max(self.now), self.last_event), event);
    }

    pub(crate) fn after(&mut self, pause: Millis, event: Event) {
        self.at(self.now + pause, event);
    }

    /// Schedules something for the present life of a process.
    pub(crate) fn for_process(
        &mut self,
        host: Host,
        pause: Millis,
        event: impl FnOnce(Host, u64) -> Event,
    ) {
        let life = self.process(host).life;
        self.after(pause, event(host, life));
    }

    /// How long a message or an answer takes.
    pub(crate) fn delay(&mut self) -> Millis {
        self.dice.of(1..=self.scenario.delay_millis)
    }
}

impl Event {
    /// The process that it is for, and which of its lives.
    fn host(&self) -> Option<(Host, u64)> {
        match self {
            Self::Start { host, life }
            | Self::Tick { host, life }
            | Self::Look { host, life }
            | Self::Follow { host, life }
            | Self::Prepare { host, life, .. }
            | Self::Sent { host, life, .. }
            | Self::Read { host, life, .. }
            | Self::Answer { host, life, .. }
            | Self::Heard { host, life, .. }
            | Self::RunEnds { host, life, .. }
            | Self::Connect { host, life }
            | Self::Lost { host, life, .. } => Some((*host, *life)),
            Self::ToWorker { life, worker, .. } => Some((Host::of_worker(*worker), *life)),
            Self::LoggedIn { life, .. }
            | Self::Left { life, .. }
            | Self::ToScheduler { life, .. }
            | Self::UploadAsked { life, .. }
            | Self::UploadCame { life, .. } => Some((Host::SCHEDULER, *life)),
            Self::Mine { .. }
            | Self::Fault
            | Self::Request { .. }
            | Self::Villains
            | Self::FeesFall
            | Self::Reorg => None,
        }
    }
}
