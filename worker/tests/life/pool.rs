//! A scheduler for one worker: assigns, asks for uploads, finalizes, and judges the login.

use crate::market::{Market, PATIENCE};
use poco_chain::{Chain, Sender, Transaction, Wallet};
use poco_core::message::{authorization_hash, login_hash};
use poco_core::{Address, B256, Bytes, Call, DealId, ResultDigest, TaskId, U256, signature};
use poco_proto::v1::scheduler_message::Body as Outgoing;
use poco_proto::v1::worker_message::Body as Incoming;
use poco_proto::v1::workers_server::{Workers, WorkersServer};
use poco_proto::{PROTOCOL_VERSION, v1, words};
use poco_result::{Limits, digest};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

/// What the pool hears of a run while it goes on.
pub(crate) const PRINTED_BYTES_MAX: u64 = 1 << 20;

/// How far the pool goes with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To its end.
    Whole,
    /// It is assigned, and never heard of again.
    AssignOnly,
}

/// What the pool knows of a task.
#[derive(Clone, Debug)]
struct Known {
    wish: Wish,
    index: u64,
    stage: v1::Stage,
    failure: Option<v1::Failure>,
    upload: Option<(String, ResultDigest)>,
    is_finalized: bool,
    printed: Heard,
}

/// What the worker told of what a run printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its number; another one begins anew.
    pub(crate) telling: u64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Bytes that were left out.
    pub(crate) lost: u64,
    pub(crate) is_over: bool,
}

#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    tasks: Mutex<BTreeMap<TaskId, Known>>,
    /// The open stream.
    stream: Mutex<Option<mpsc::Sender<Result<v1::SchedulerMessage, Status>>>>,
    lane: v1::Lane,
    deal: DealId,
    workerpool: Address,
    worker: Address,
    owner: Arc<Wallet>,
    chain: Chain,
    sender: Sender,
}

impl Pool {
    pub(crate) async fn open(market: &Market, lane: v1::Lane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            tasks: Mutex::default(),
            stream: Mutex::default(),
            lane,
            deal: market.deal,
            workerpool: market.workerpool,
            worker: market.worker.address(),
            owner: market.owner.clone(),
            chain: market.chain.clone(),
            sender: market.sender.clone(),
        });
        let server = tonic::transport::Server::builder()
            .add_service(WorkersServer::new(Service(inner.clone())))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { url, inner }
    }

    /// Assigns a task, now or when the worker comes.
    pub(crate) fn wish(&self, task: TaskId, wish: Wish) {
        let index = (0..1000)
            .find(|index| TaskId::of_deal(self.inner.deal, U256::from(*index)) == task)
            .unwrap();
        let stage = v1::Stage::Unspecified;
        let (failure, upload, is_finalized, printed) = (None, None, false, Heard::default());
        let known = Known { wish, index, stage, failure, upload, is_finalized, printed };
        self.inner.tasks.lock().unwrap().insert(task, known);
        self.inner.assign(task);
    }

    pub(crate) async fn until(&self, task: TaskId, stage: v1::Stage) {
        self.wait(task, |known| known.stage == stage).await;
    }

    pub(crate) async fn until_finalized(&self, task: TaskId) {
        self.wait(task, |known| known.is_finalized).await;
    }

    pub(crate) async fn until_failed(&self, task: TaskId) -> v1::Failure {
        self.wait(task, |known| known.failure.is_some()).await.failure.unwrap()
    }

    pub(crate) fn digest_of_upload(&self, task: TaskId) -> ResultDigest {
        self.inner.tasks.lock().unwrap()[&task].upload.clone().unwrap().1
    }

    /// What a run printed, once that is as `is_there` says, and how far the task was then.
    pub(crate) async fn until_printed(
        &self,
        task: TaskId,
        is_there: impl Fn(&Heard) -> bool,
    ) -> (Heard, v1::Stage) {
        let known = self.wait(task, |known| is_there(&known.printed)).await;
        (known.printed, known.stage)
    }

    async fn wait(&self, task: TaskId, is_there: impl Fn(&Known) -> bool) -> Known {
        let started = Instant::now();
        loop {
            let known = self.inner.tasks.lock().unwrap()[&task].clone();
            if is_there(&known) {
                return known;
            }
            assert!(started.elapsed() < PATIENCE, "{task}: {known:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Inner {
    fn command(&self, body: v1::command::Body) {
        let stream = self.stream.lock().unwrap().clone();
        let command = v1::Command { body: Some(body) };
        let message = v1::SchedulerMessage { id: 100, body: Some(Outgoing::Command(command)) };
        if let Some(stream) = stream {
            let _ = stream.try_send(Ok(message));
        }
    }

    fn assign(&self, task: TaskId) {
        let index = self.tasks.lock().unwrap()[&task].index;
        let hash = authorization_hash(self.worker, task, Address::ZERO);
        self.command(v1::command::Body::Assign(v1::Assign {
            task: task.0.to_vec(),
            deal: self.deal.0.to_vec(),
            index,
            authorization: self.owner.sign_hash(hash).to_vec(),
            enclave_challenge: Vec::new(),
            lane: self.lane.into(),
        }));
    }

    /// What a login or a report makes the pool do.
    fn follow(self: &Arc<Self>, task: TaskId) {
        let Some(known) = self.tasks.lock().unwrap().get(&task).cloned() else { return };
        match (known.wish, known.stage) {
            (Wish::Whole, v1::Stage::Revealed) if known.upload.is_none() => {
                self.command(v1::command::Body::Upload(v1::Upload { task: task.0.to_vec() }));
            }
            (Wish::Whole, v1::Stage::Revealed | v1::Stage::Uploaded) => {
                let inner = self.clone();
                tokio::spawn(async move { inner.finalize(task).await });
            }
            _ => {}
        }
    }

    async fn finalize(&self, task: TaskId) {
        let Some((location, _)) = self.tasks.lock().unwrap()[&task].upload.clone() else { return };
        let results = format!(r#"{{"storage":"ipfs","location":"{location}"}}"#);
        let results = Bytes::from(results.into_bytes());
        let call = Call::Finalize { task, results, results_callback: Bytes::new() };
        // A second finalize of the same task is refused, and its first was enough.
        let tx = Transaction::hub(&self.chain, &call);
        if self.sender.send(&format!("finalize {task}"), tx).await.is_ok() {
            self.tasks.lock().unwrap().get_mut(&task).unwrap().is_finalized = true;
        }
    }

    async fn serve(self: Arc<Self>, mut incoming: Streaming<v1::WorkerMessage>) {
        while let Ok(Some(message)) = incoming.message().await {
            match message.body.unwrap() {
                Incoming::Login(login) => self.welcome(login),
                Incoming::Report(report) => {
                    let task = words::task(&report.task).unwrap();
                    if let Some(known) = self.tasks.lock().unwrap().get_mut(&task) {
                        known.stage = report.stage();
                        known.failure = report.failure.or(known.failure.take());
                    }
                    let ack = v1::Ack { id: message.id };
                    self.say(Outgoing::Ack(ack));
                    self.follow(task);
                }
                Incoming::Printed(printed) => self.hear(printed),
                Incoming::Heartbeat(heartbeat) => self.say(Outgoing::Heartbeat(heartbeat)),
                Incoming::Ack(_) | Incoming::Ballot(_) | Incoming::Disclosure(_) => {}
            }
        }
    }

    fn hear(&self, printed: v1::Printed) {
        let task = words::task(&printed.task).unwrap();
        let mut tasks = self.tasks.lock().unwrap();
        let Some(Known { printed: heard, .. }) = tasks.get_mut(&task) else { return };
        if heard.telling != printed.telling {
            *heard = Heard { telling: printed.telling, ..Heard::default() };
        }
        for part in printed.parts {
            let length = heard.stdout.len() as u64 + heard.lost;
            let text = String::from_utf8(part.data).unwrap();
            if part.is_stderr {
                heard.stderr.push_str(&text);
            } else {
                heard.lost += part.offset.checked_sub(length).expect("told once, in order");
                heard.stdout.push_str(&text);
            }
        }
        heard.is_over |= printed.is_over;
    }

    fn welcome(&self, login: v1::Login) {
        let chain_id = self.chain.chain_id();
        let hash = login_hash(chain_id, self.workerpool, self.worker, B256::repeat_byte(7));
        assert_eq!(signature::recover(hash, &login.signature), Some(self.worker));
        let live: Vec<TaskId> =
            login.live.iter().map(|live| words::task(&live.task).unwrap()).collect();
        let welcome = v1::Welcome {
            session: vec![1],
            heartbeat_seconds: 60,
            live: Vec::new(),
            printed_bytes_max: PRINTED_BYTES_MAX,
            idle_heartbeat_seconds: 60,
        };
        self.say(Outgoing::Welcome(welcome));
        let unknown: Vec<TaskId> = {
            let tasks = self.tasks.lock().unwrap();
            let waiting = tasks.iter().filter(|(task, known)| {
                !known.is_finalized && known.failure.is_none() && !live.contains(task)
            });
            waiting.map(|(task, _)| *task).collect()
        };
        unknown.into_iter().for_each(|task| self.assign(task));
    }

    fn say(&self, body: Outgoing) {
        let stream = self.stream.lock().unwrap().clone();
        if let Some(stream) = stream {
            let _ = stream.try_send(Ok(v1::SchedulerMessage { id: 1, body: Some(body) }));
        }
    }
}

struct Service(Arc<Inner>);

#[tonic::async_trait]
impl Workers for Service {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<v1::SchedulerMessage, Status>> + Send>>;

    async fn work(
        &self,
        request: Request<Streaming<v1::WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (sender, messages) = mpsc::channel(64);
        *self.0.stream.lock().unwrap() = Some(sender);
        self.0.say(Outgoing::Challenge(v1::Challenge {
            nonce: vec![7; 32],
            chain_id: self.0.chain.chain_id(),
            hub: self.0.chain.hub().to_vec(),
            workerpool: self.0.workerpool.to_vec(),
            protocol_version: PROTOCOL_VERSION,
        }));
        tokio::spawn(self.0.clone().serve(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn upload_result(
        &self,
        request: Request<Streaming<v1::UploadPart>>,
    ) -> Result<Response<v1::UploadReceipt>, Status> {
        let mut parts = request.into_inner();
        let first = parts.next().await.unwrap()?.body.unwrap();
        let v1::upload_part::Body::Header(header) = first else { panic!("header first") };
        let mut zip = Vec::new();
        while let Some(part) = parts.next().await {
            if let Some(v1::upload_part::Body::Data(data)) = part?.body {
                zip.extend(data);
            }
        }
        assert_eq!(u64::try_from(zip.len()).unwrap(), header.size);
        let digest = digest::digest_of_zip(Cursor::new(zip), &Limits::default()).unwrap().digest;
        let task = words::task(&header.task).unwrap();
        let location = format!("/ipfs/{}", header.cid);
        if let Some(known) = self.0.tasks.lock().unwrap().get_mut(&task) {
            known.upload = Some((location.clone(), ResultDigest(digest)));
        }
        Ok(Response::new(v1::UploadReceipt { location }))
    }
}
