//! A worker that speaks the protocol and the contracts, and computes the same for every task.

use crate::chain::Chainside;
use poco_chain::Wallet;
use poco_core::call::{Contribution, WholeContribution};
use poco_core::message::login_hash;
use poco_core::{
    Address, B256, Bytes, Call, Recorded, ResultDigest, ResultHash, ResultSeal, TaskId,
};
use poco_proto::pool_url::PoolUrl;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::upload_part::Body as Part;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Assign, Capacity, Heartbeat, Lane, LiveTask, Login, Report, Stage, UploadHeader, UploadPart,
    WorkerMessage, command, refusal,
};
use poco_proto::{PROTOCOL_VERSION, words};
use poco_result::Limits;
use poco_result::archive::{Extent, Logs, write};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// What the apps of these tests leave, as a zip.
pub(crate) struct Output {
    _folder: TempDir,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: ResultDigest,
    pub(crate) cid: String,
}

impl Output {
    pub(crate) fn make(text: &str) -> Self {
        Self::made(text, Extent::Whole, Recorded::Location)
    }

    /// For a deal with bound results.
    pub(crate) fn bound(text: &str) -> Self {
        Self::made(text, Extent::Declared, Recorded::BoundLocation)
    }

    fn made(text: &str, extent: Extent, recorded: Recorded) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("result.txt"), text).unwrap();
        let computed = r#"{"deterministic-output-path": "/iexec_out/result.txt"}"#;
        std::fs::write(out.join("computed.json"), computed).unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        let zip = folder.path().join("result.zip");
        let logs = Logs { stdout: &log, stderr: &log };
        write(&out, logs, extent, &zip, &Limits::default()).unwrap();
        let bytes = std::fs::read(&zip).unwrap();
        let digest = poco_result::digest::digest_of_out(&out, &Limits::default()).unwrap().digest;
        let cid = poco_result::cid::cid_of_file(&zip).unwrap();
        let digest = recorded.digest(ResultDigest(digest), &cid.location());
        Self { _folder: folder, bytes, digest, cid: cid.to_string() }
    }
}

/// What the first worker that is asked for its result sends in place of it.
pub(crate) struct Swap {
    pub(crate) output: Output,
    /// Who sent it, and what it was told.
    pub(crate) answer: Mutex<Option<(Address, Result<String, tonic::Status>)>>,
}

pub(crate) struct Worker {
    pub(crate) chain: Arc<Chainside>,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) url: String,
    pub(crate) output: Arc<Output>,
    pub(crate) swap: Option<Arc<Swap>>,
    /// Nothing is computed before this is open.
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// What its journal would hold.
    pub(crate) live: BTreeMap<TaskId, Stage>,
}

impl Worker {
    /// Works until the test ends, coming back whenever the stream breaks.
    pub(crate) async fn spawn(chain: &Arc<Chainside>, url: String, output: Arc<Output>) -> Address {
        Self::spawn_with(chain, url, output, None).await
    }

    pub(crate) async fn spawn_with(
        chain: &Arc<Chainside>,
        url: String,
        output: Arc<Output>,
        swap: Option<Arc<Swap>>,
    ) -> Address {
        let wallet = Arc::new(Wallet::random());
        chain.fund(&wallet).await;
        let address = wallet.address();
        let live = BTreeMap::new();
        let gate = None;
        Self { chain: chain.clone(), wallet, url, output, swap, gate, live }.keep_working();
        address
    }

    /// Comes back whenever the stream breaks.
    pub(crate) fn keep_working(mut self) {
        tokio::spawn(async move {
            loop {
                let _ = self.session().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// One stream; answers why it was refused, if it was.
    pub(crate) async fn session(&mut self) -> Option<refusal::Cause> {
        let mut client = self.client();
        let (sender, messages) = mpsc::channel(64);
        let mut incoming = client.work(ReceiverStream::new(messages)).await.ok()?.into_inner();
        let mut number = 0;
        let mut session = Vec::new();
        let mut say = async |body: Told| {
            number += 1;
            sender.send(WorkerMessage { id: number, body: Some(body) }).await.ok()
        };
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            let message = tokio::select! {
                message = incoming.message() => message.ok()??,
                _ = beat.tick(), if !session.is_empty() => {
                    say(Told::Heartbeat(Heartbeat::default())).await?;
                    continue;
                }
            };
            match message.body? {
                Heard::Challenge(challenge) => {
                    let nonce = words::word("nonce", &challenge.nonce).unwrap();
                    say(Told::Login(self.login(challenge.chain_id, nonce))).await?;
                }
                Heard::Welcome(welcome) => session = welcome.session,
                Heard::Refusal(refusal) => return Some(refusal.cause()),
                Heard::Heartbeat(_) | Heard::Ack(_) => {}
                Heard::Command(command) => {
                    for (task, stage) in self.obey(command.body?, &session).await {
                        self.live.insert(task, stage);
                        say(Told::Report(report(task, stage))).await?;
                    }
                }
            }
        }
    }

    /// What the scheduler says first after a login.
    pub(crate) async fn first_answer(&self) -> Option<Heard> {
        let mut client = self.client();
        let (sender, messages) = mpsc::channel(1);
        let mut incoming = client.work(ReceiverStream::new(messages)).await.ok()?.into_inner();
        let Heard::Challenge(challenge) = incoming.message().await.ok()??.body? else {
            return None;
        };
        let nonce = words::word("nonce", &challenge.nonce).unwrap();
        let login = Told::Login(self.login(challenge.chain_id, nonce));
        sender.send(WorkerMessage { id: 1, body: Some(login) }).await.ok()?;
        incoming.message().await.ok()??.body
    }

    fn client(&self) -> WorkersClient<Channel> {
        let url = PoolUrl::try_from(self.url.parse::<url::Url>().unwrap()).unwrap();
        WorkersClient::new(url.endpoint().unwrap().connect_lazy())
    }

    pub(crate) fn login(&self, chain_id: u64, nonce: B256) -> Login {
        let worker = self.wallet.address();
        let hash = login_hash(chain_id, self.chain.workerpool, worker, nonce);
        let live = |(task, stage): (&TaskId, &Stage)| LiveTask {
            task: task.0.to_vec(),
            stage: (*stage).into(),
        };
        Login {
            worker: worker.to_vec(),
            signature: self.wallet.sign_hash(hash).to_vec(),
            protocol_version: PROTOCOL_VERSION,
            software_version: "test".into(),
            capacity: Some(Capacity { slots: 2, tag: vec![0; 32], ..Capacity::default() }),
            live: self.live.iter().map(live).collect(),
        }
    }

    async fn obey(&mut self, command: command::Body, session: &[u8]) -> Vec<(TaskId, Stage)> {
        match command {
            command::Body::Assign(assign) => {
                let task = words::task(&assign.task).unwrap();
                if let Some(gate) = &self.gate {
                    gate.acquire().await.unwrap().forget();
                }
                match assign.lane() {
                    Lane::Fast => self.finish_at_once(task, &assign, session).await,
                    Lane::Classic | Lane::Settlement | Lane::Unspecified => {
                        self.contribute(task, &assign).await
                    }
                }
                vec![(task, Stage::Accepted), (task, Stage::Contributed)]
            }
            command::Body::Reveal(reveal) => {
                let task = words::task(&reveal.task).unwrap();
                let call = Call::Reveal { task, digest: self.output.digest };
                // Refused where it was done before.
                let _ = self.chain.call(&self.wallet, &format!("reveal {task}"), call).await;
                vec![(task, Stage::Revealed)]
            }
            command::Body::Upload(upload) => {
                let task = words::task(&upload.task).unwrap();
                if let Some(swap) = self.swap.take() {
                    let is_first = swap.answer.lock().unwrap().is_none();
                    if is_first {
                        let answer = self.upload(task, session, &swap.output).await;
                        *swap.answer.lock().unwrap() = Some((self.wallet.address(), answer));
                        return Vec::new();
                    }
                }
                match self.upload(task, session, &self.output).await {
                    Ok(_) => vec![(task, Stage::Uploaded)],
                    Err(_) => Vec::new(),
                }
            }
            command::Body::Abandon(_) | command::Body::BallotWanted(_) | command::Body::Row(_) => {
                Vec::new()
            }
            command::Body::Ended(ended) => {
                self.live.remove(&words::task(&ended.task).unwrap());
                Vec::new()
            }
        }
    }

    async fn contribute(&self, task: TaskId, assign: &Assign) {
        let (worker, digest) = (self.wallet.address(), self.output.digest);
        let call = Call::Contribute(Contribution {
            task,
            hash: ResultHash::of(task, digest),
            seal: ResultSeal::of(worker, task, digest),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: assign.authorization.clone().into(),
        });
        // Refused where it was done before.
        let _ = self.chain.call(&self.wallet, &format!("contribute {task}"), call).await;
    }

    async fn finish_at_once(&self, task: TaskId, assign: &Assign, session: &[u8]) {
        let Ok(location) = self.upload(task, session, &self.output).await else { return };
        let results = format!(r#"{{"storage":"ipfs","location":"{location}"}}"#);
        let call = Call::ContributeAndFinalize(WholeContribution {
            task,
            digest: self.output.digest,
            results: results.into_bytes().into(),
            results_callback: Bytes::new(),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: assign.authorization.clone().into(),
        });
        let _ = self.chain.call(&self.wallet, &format!("whole {task}"), call).await;
    }

    /// Uploads `output`; the location, or why not.
    pub(crate) async fn upload(
        &self,
        task: TaskId,
        session: &[u8],
        output: &Output,
    ) -> Result<String, tonic::Status> {
        let header = UploadHeader {
            session: session.to_vec(),
            task: task.0.to_vec(),
            size: output.bytes.len() as u64,
            cid: output.cid.clone(),
            callback: Vec::new(),
        };
        let header = UploadPart { body: Some(Part::Header(header)) };
        // Many, and each of a size that a message may have.
        let parts = output
            .bytes
            .chunks(100.max(output.bytes.len() / 500))
            .map(|part| Part::Data(part.to_vec()));
        let parts = parts.map(|part| UploadPart { body: Some(part) });
        let all: Vec<UploadPart> = std::iter::once(header).chain(parts).collect();
        let receipt = self.client().upload_result(tokio_stream::iter(all)).await?;
        Ok(receipt.into_inner().location)
    }
}

fn report(task: TaskId, stage: Stage) -> Report {
    Report { task: task.0.to_vec(), stage: stage.into(), failure: None, transaction: Vec::new() }
}
