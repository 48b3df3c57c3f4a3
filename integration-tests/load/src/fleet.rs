//! Simulated workers: each a connection of its own, a login with its own wallet's signature, and an
//! answer to each assignment, as a worker whose app runs at once and for long.

use crate::node::chain::POOL;
use anyhow::{Context, Result, bail};
use poco_chain::Wallet;
use poco_core::message::login_hash;
use poco_core::{Address, B256, DealId, TaskId};
use poco_proto::pool_url::PoolUrl;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{Capacity, Heartbeat, LiveTask, Login, Report, Stage, WorkerMessage, command};
use poco_proto::{PROTOCOL_VERSION, words};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_stream::wrappers::ReceiverStream;

/// Messages on their way to the scheduler.
const OUTBOX_LEN: usize = 256;
/// Before a worker whose stream broke comes back.
const COME_BACK: Duration = Duration::from_millis(50);
/// Logins at a time, so that the driver's own sockets do not wait for each other.
const LOGINS_AT_ONCE: usize = 64;
/// The longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks at what has happened.
const LOOK: Duration = Duration::from_millis(2);
/// What a worker says after it took a task in.
const STAGES: [Stage; 2] = [Stage::Accepted, Stage::Running];

/// What all workers together have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When each task was first assigned, with its deal.
    assigned: Mutex<BTreeMap<TaskId, (DealId, Instant)>>,
    /// To whom it was.
    holders: Mutex<BTreeMap<TaskId, Address>>,
    /// Tasks that somebody else was given as well, though who had them first is there.
    doubled: AtomicUsize,
    /// Tasks that somebody was told to leave.
    abandoned: AtomicUsize,
    acknowledged: AtomicUsize,
    connected: AtomicUsize,
}

/// Workers; they leave when it is dropped.
pub(crate) struct Fleet {
    pub(crate) seen: Arc<Seen>,
    url: PoolUrl,
    slots: u32,
    workers: JoinSet<()>,
    logins: Arc<Semaphore>,
}

impl Fleet {
    pub(crate) fn new(url: PoolUrl, slots: u32) -> Self {
        let logins = Arc::new(Semaphore::new(LOGINS_AT_ONCE));
        Self { seen: Arc::default(), url, slots, workers: JoinSet::new(), logins }
    }

    /// Lets workers log in and waits until all are welcome.
    pub(crate) async fn join(&mut self, wallets: &[Arc<Wallet>]) -> Result<()> {
        let wanted = self.seen.connected.load(Ordering::SeqCst) + wallets.len();
        for wallet in wallets {
            let worker = Worker {
                wallet: wallet.clone(),
                url: self.url.clone(),
                slots: self.slots,
                seen: self.seen.clone(),
                logins: self.logins.clone(),
                live: BTreeMap::new(),
            };
            self.workers.spawn(worker.work());
        }
        self.until_connected(wanted).await
    }

    pub(crate) async fn until_connected(&self, count: usize) -> Result<()> {
        until("workers are welcome", || self.seen.connected.load(Ordering::SeqCst) >= count).await
    }

    /// Waits until so many tasks were assigned.
    pub(crate) async fn until_assigned(&self, count: usize) -> Result<()> {
        until("tasks are assigned", || self.seen.assigned().len() >= count).await
    }

    /// Waits until every report is acknowledged, so stored.
    pub(crate) async fn until_acknowledged(&self, tasks: usize) -> Result<()> {
        let reports = tasks * STAGES.len();
        until("reports are acknowledged", || {
            self.seen.acknowledged.load(Ordering::SeqCst) >= reports
        })
        .await
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > PATIENCE {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

impl Seen {
    fn assigned(&self) -> std::sync::MutexGuard<'_, BTreeMap<TaskId, (DealId, Instant)>> {
        self.assigned.lock().expect("no code panics while it holds this lock")
    }

    fn note_assigned(&self, task: TaskId, deal: DealId, worker: Address) {
        self.assigned().entry(task).or_insert_with(|| (deal, Instant::now()));
        let mut holders = self.holders.lock().expect("no code panics while it holds this lock");
        if *holders.entry(task).or_insert(worker) != worker {
            self.doubled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many tasks two workers were given, and how many somebody was told to leave.
    pub(crate) fn mistakes(&self) -> (usize, usize) {
        (self.doubled.load(Ordering::SeqCst), self.abandoned.load(Ordering::SeqCst))
    }

    /// How many tasks were assigned.
    pub(crate) fn assigned_len(&self) -> usize {
        self.assigned().len()
    }

    /// The deal of each task, and when it was assigned.
    pub(crate) fn all(&self) -> Vec<(DealId, Instant)> {
        self.assigned().values().copied().collect()
    }

    /// When tasks of some deals were assigned, the first first.
    pub(crate) fn times_of(&self, deals: &[DealId]) -> Vec<(DealId, Instant)> {
        let assigned = self.assigned();
        let mut times: Vec<(DealId, Instant)> =
            assigned.values().filter(|(deal, _)| deals.contains(deal)).copied().collect();
        times.sort_by_key(|(_, at)| *at);
        times
    }

    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

struct Worker {
    wallet: Arc<Wallet>,
    url: PoolUrl,
    slots: u32,
    seen: Arc<Seen>,
    logins: Arc<Semaphore>,
    /// What its journal would hold.
    live: BTreeMap<TaskId, Stage>,
}

impl Worker {
    async fn work(mut self) {
        loop {
            // It comes back whatever ended its stream.
            let _ = self.session().await;
            tokio::time::sleep(COME_BACK).await;
        }
    }

    async fn session(&mut self) -> Result<()> {
        let turn = self.logins.clone().acquire_owned().await?;
        let mut client = WorkersClient::new(self.url.endpoint()?.connect().await?);
        let (outbox, messages) = mpsc::channel(OUTBOX_LEN);
        let mut incoming = client.work(ReceiverStream::new(messages)).await?.into_inner();
        let mut number = 0;
        let mut say = async |body: Told| {
            number += 1;
            outbox.send(WorkerMessage { id: number, body: Some(body) }).await
        };
        let first = incoming.message().await?.and_then(|message| message.body);
        let Some(Heard::Challenge(challenge)) = first else { bail!("no challenge") };
        let nonce = words::word("nonce", &challenge.nonce)?;
        say(Told::Login(self.login(challenge.chain_id, nonce))).await?;
        let answer = incoming.message().await?.and_then(|message| message.body);
        let Some(Heard::Welcome(welcome)) = answer else { bail!("not welcome: {answer:?}") };
        drop(turn);
        let _connected = Connected::new(&self.seen);
        let next_seconds = welcome.idle_heartbeat_seconds;
        say(Told::Heartbeat(Heartbeat { next_seconds })).await?;
        // From here on spread, as those of machines are that were started one after the other.
        let idle = Duration::from_secs(welcome.idle_heartbeat_seconds.into());
        let mut last_beat = tokio::time::Instant::now() - idle.mul_f64(rand::random());
        loop {
            let (next_seconds, pause) = if self.live.is_empty() {
                (welcome.idle_heartbeat_seconds, idle)
            } else {
                let seconds = welcome.heartbeat_seconds;
                (seconds, Duration::from_secs(seconds.into()) / 2)
            };
            let message = tokio::select! {
                message = incoming.message() => message?.context("the stream ended")?,
                () = sleep_until(last_beat + pause) => {
                    last_beat = tokio::time::Instant::now();
                    say(Told::Heartbeat(Heartbeat { next_seconds })).await?;
                    continue;
                }
            };
            if let Some(Heard::Ack(_)) = message.body {
                self.seen.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            let Some(Heard::Command(command)) = message.body else { continue };
            let assign = match command.body {
                Some(command::Body::Assign(assign)) => assign,
                Some(command::Body::Abandon(_)) => {
                    self.seen.abandoned.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                _ => continue,
            };
            let (task, deal) = (words::task(&assign.task)?, words::deal(&assign.deal)?);
            self.seen.note_assigned(task, deal, self.wallet.address());
            for stage in STAGES {
                say(Told::Report(report(task, stage))).await?;
                self.live.insert(task, stage);
            }
        }
    }

    fn login(&self, chain_id: u64, nonce: B256) -> Login {
        let worker = self.wallet.address();
        let hash = login_hash(chain_id, POOL, worker, nonce);
        let live = |(task, stage): (&TaskId, &Stage)| LiveTask {
            task: task.0.to_vec(),
            stage: (*stage).into(),
        };
        Login {
            worker: worker.to_vec(),
            signature: self.wallet.sign_hash(hash).to_vec(),
            protocol_version: PROTOCOL_VERSION,
            software_version: "load".into(),
            capacity: Some(Capacity { slots: self.slots, tag: vec![0; 32], ..Capacity::default() }),
            live: self.live.iter().map(live).collect(),
        }
    }
}

/// Counts a stream as long as it is there.
struct Connected(Arc<Seen>);

impl Connected {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.connected.fetch_add(1, Ordering::SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::SeqCst);
    }
}

fn report(task: TaskId, stage: Stage) -> Report {
    Report { task: task.0.to_vec(), stage: stage.into(), failure: None, transaction: Vec::new() }
}
