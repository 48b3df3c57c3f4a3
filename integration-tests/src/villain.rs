//! A worker played by the test: it logs in and takes tasks like any other, and then does what the
//! test wants it to do on chain.

use anyhow::{Context, Result, bail, ensure};
use poco_chain::Wallet;
use poco_core::call::Contribution;
use poco_core::lane::{BlindedVote, Nonce, Vote, ballot_hash};
use poco_core::{
    Address, B256, Bytes, Call, ResultDigest, ResultHash, ResultSeal, TaskId, U256, message,
};
use poco_proto::PROTOCOL_VERSION;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Ack, Assign, Ballot, Capacity, Challenge, Disclosure, Heartbeat, Login, Report,
    SchedulerMessage, Stage, WorkerMessage, command, scheduler_message, worker_message,
};
use poco_proto::words;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Streaming;
use url::Url;

/// Messages that may wait to be sent.
const QUEUE: usize = 64;
/// A villain stays connected while the test looks elsewhere.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Longest wait for a message of the scheduler.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A logged-in worker without a machine.
#[derive(Debug)]
pub struct Villain {
    wallet: Arc<Wallet>,
    outbox: Outbox,
    inbox: Streaming<SchedulerMessage>,
}

/// Numbers the messages and sends them.
#[derive(Clone, Debug)]
struct Outbox {
    sender: mpsc::Sender<WorkerMessage>,
}

impl Outbox {
    async fn send(&self, id: u64, body: worker_message::Body) -> Result<()> {
        let message = WorkerMessage { id, body: Some(body) };
        self.sender.send(message).await.context("the stream is closed")
    }
}

impl Villain {
    /// Connects to the pool at `url` and logs in.
    ///
    /// # Errors
    /// Where the pool does not answer or does not welcome the wallet.
    pub async fn log_in(url: &Url, wallet: Arc<Wallet>) -> Result<Self> {
        let mut client = WorkersClient::connect(url.to_string()).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let inbox = client.work(messages).await?.into_inner();
        let mut villain = Self { wallet, outbox: Outbox { sender }, inbox };
        let first = villain.next().await?;
        let scheduler_message::Body::Challenge(challenge) = first else {
            bail!("expected a challenge, got {first:?}");
        };
        villain.answer(&challenge).await?;
        let second = villain.next().await?;
        ensure!(
            matches!(second, scheduler_message::Body::Welcome(_)),
            "expected a welcome, got {second:?}"
        );
        villain.keep_alive();
        Ok(villain)
    }

    /// Who it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Its wallet, to send transactions with.
    #[must_use]
    pub fn wallet(&self) -> Arc<Wallet> {
        self.wallet.clone()
    }

    /// Waits until it is assigned a task, and says that it accepts.
    ///
    /// # Errors
    /// Where none comes in time.
    pub async fn assigned(&mut self) -> Result<Assign> {
        loop {
            if let scheduler_message::Body::Command(command) = self.next().await?
                && let Some(command::Body::Assign(assign)) = command.body
            {
                let task = words::task(&assign.task)?;
                self.report(task, Stage::Accepted).await?;
                return Ok(assign);
            }
        }
    }

    /// A vote for `digest` in the classic lane, as a worker has it that computed this.
    #[must_use]
    pub fn vote(&self, task: TaskId, assignment: Assign, digest: ResultDigest) -> Call {
        Call::Contribute(Contribution {
            task,
            hash: ResultHash::of(task, digest),
            seal: ResultSeal::of(self.address(), task, digest),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: assignment.authorization.into(),
        })
    }

    /// Waits until it is asked for a ballot, and signs one in which it votes for `digest` in every
    /// task, blinded by `nonce`.
    ///
    /// # Errors
    /// Where it is not asked in time.
    pub async fn signs(
        &mut self,
        domain_separator: B256,
        digest: ResultDigest,
        nonce: Nonce,
    ) -> Result<()> {
        loop {
            let scheduler_message::Body::Command(command) = self.next().await? else { continue };
            let Some(command::Body::BallotWanted(wanted)) = command.body else { continue };
            let (deal, first) = (words::deal(&wanted.deal)?, U256::from(wanted.first));
            let entry = |offset: u64| {
                let task = TaskId::of_deal(deal, first + U256::from(offset));
                Vote::of(self.address(), task, digest, nonce).blinded()
            };
            let entries: Vec<BlindedVote> = (0..wanted.count).map(entry).collect();
            let hash = ballot_hash(domain_separator, deal, first, &entries);
            let ballot = Ballot {
                deal: wanted.deal,
                first: wanted.first,
                entries: entries.iter().map(|entry| entry.0.to_vec()).collect(),
                signature: self.wallet.sign_hash(hash).to_vec(),
            };
            return self.outbox.send(1, worker_message::Body::Ballot(ballot)).await;
        }
    }

    /// Tells the scheduler what its vote was.
    ///
    /// # Errors
    /// Where the stream is closed.
    pub async fn discloses(&self, task: TaskId, digest: ResultDigest, nonce: Nonce) -> Result<()> {
        let vote = Vote::of(self.address(), task, digest, nonce);
        let disclosure = Disclosure {
            task: task.0.to_vec(),
            vote: Some(words::row_vote_message(Some(vote))),
            digest: Vec::new(),
        };
        self.outbox.send(1, worker_message::Body::Disclosure(disclosure)).await
    }

    /// Tells the scheduler a stage, true or not.
    ///
    /// # Errors
    /// Where the stream is closed.
    pub async fn report(&self, task: TaskId, stage: Stage) -> Result<()> {
        let report = Report { task: task.0.to_vec(), stage: stage.into(), ..Report::default() };
        self.outbox.send(1, worker_message::Body::Report(report)).await
    }

    /// The next message that is neither a heartbeat nor an acknowledgement; commands are acknowledged.
    async fn next(&mut self) -> Result<scheduler_message::Body> {
        loop {
            let message = tokio::time::timeout(ANSWER_MAX, self.inbox.message()).await;
            let message = message.context("the scheduler is silent")??;
            let message = message.context("the scheduler closed the stream")?;
            let body = message.body.context("an empty message")?;
            let is_chatter = matches!(
                body,
                scheduler_message::Body::Heartbeat(_) | scheduler_message::Body::Ack(_)
            );
            if is_chatter {
                continue;
            }
            // Commands alone are acknowledged: the login must be a worker's first words.
            if matches!(body, scheduler_message::Body::Command(_)) {
                self.outbox.send(0, worker_message::Body::Ack(Ack { id: message.id })).await?;
            }
            return Ok(body);
        }
    }

    async fn answer(&self, challenge: &Challenge) -> Result<()> {
        let workerpool = words::address("workerpool", &challenge.workerpool)?;
        let nonce: B256 = words::word("nonce", &challenge.nonce)?;
        let worker = self.wallet.address();
        let hash = message::login_hash(challenge.chain_id, workerpool, worker, nonce);
        let login = Login {
            worker: worker.to_vec(),
            signature: self.wallet.sign_hash(hash).to_vec(),
            protocol_version: PROTOCOL_VERSION,
            software_version: "villain".to_owned(),
            capacity: Some(Capacity {
                slots: 4,
                cpus: 4,
                memory_bytes: 4 << 30,
                disk_bytes: 4 << 30,
                tag: vec![0; 32],
                ..Capacity::default()
            }),
            live: Vec::new(),
        };
        self.outbox.send(1, worker_message::Body::Login(login)).await
    }

    fn keep_alive(&self) {
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(HEARTBEAT);
            loop {
                ticks.tick().await;
                let beat = worker_message::Body::Heartbeat(Heartbeat::default());
                if outbox.send(0, beat).await.is_err() {
                    return;
                }
            }
        });
    }
}
