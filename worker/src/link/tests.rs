//! The link against a scheduler of the tests' own, over a real socket.

use super::*;
use poco_core::message::login_hash;
use poco_core::{B256, Bytes, ResultDigest, signature};
use poco_proto::v1::workers_server::{Workers, WorkersServer};
use poco_proto::{PROTOCOL_VERSION, UPLOAD_PART_BYTES};
use poco_worker_core::{Cause, Computation, Failure, Stored};
use std::pin::Pin;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use v1::scheduler_message::Body as FromScheduler;
use v1::worker_message::Body as FromWorker;

/// Longest wait for anything; everything takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

const NONCE: B256 = B256::repeat_byte(0x4e);
const POOL: Address = Address::repeat_byte(0x22);
const HUB: Address = Address::repeat_byte(0x33);
const CHAIN: u64 = 31337;
const PRINTED_BYTES: u64 = 1000;

type Outgoing = Pin<Box<dyn Stream<Item = Result<v1::SchedulerMessage, Status>> + Send>>;

/// One accepted stream, in the test's hands.
struct Served {
    incoming: Streaming<v1::WorkerMessage>,
    outgoing: mpsc::Sender<Result<v1::SchedulerMessage, Status>>,
}

impl Served {
    async fn say(&self, id: u64, body: FromScheduler) {
        let message = v1::SchedulerMessage { id, body: Some(body) };
        self.outgoing.send(Ok(message)).await.unwrap();
    }

    async fn next(&mut self) -> FromWorker {
        self.incoming.message().await.unwrap().unwrap().body.unwrap()
    }

    /// The next message that is no heartbeat.
    async fn hear(&mut self) -> (u64, FromWorker) {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.incoming.message()).await;
            let message = heard.unwrap().unwrap().unwrap();
            match message.body.unwrap() {
                FromWorker::Heartbeat(_) => {}
                body @ (FromWorker::Login(_)
                | FromWorker::Ack(_)
                | FromWorker::Report(_)
                | FromWorker::Ballot(_)
                | FromWorker::Printed(_)
                | FromWorker::Disclosure(_)) => {
                    return (message.id, body);
                }
            }
        }
    }

    async fn challenge(&self, workerpool: Address) {
        let challenge = v1::Challenge {
            nonce: NONCE.to_vec(),
            chain_id: CHAIN,
            hub: HUB.to_vec(),
            workerpool: workerpool.to_vec(),
            protocol_version: PROTOCOL_VERSION,
        };
        self.say(1, FromScheduler::Challenge(challenge)).await;
    }

    async fn log_in(&mut self, heartbeat_seconds: u32) -> v1::Login {
        self.log_in_with((heartbeat_seconds, 0)).await
    }

    /// With the times of a worker with tasks, and of one without.
    async fn log_in_with(&mut self, (heartbeat_seconds, idle): (u32, u32)) -> v1::Login {
        self.challenge(POOL).await;
        let (1, FromWorker::Login(login)) = self.hear().await else { panic!("it logs in") };
        let live = vec![v1::LiveTask { task: vec![7; 32], stage: v1::Stage::Running.into() }];
        let session = b"session".to_vec();
        let welcome = v1::Welcome {
            session,
            heartbeat_seconds,
            live,
            printed_bytes_max: PRINTED_BYTES,
            idle_heartbeat_seconds: idle,
        };
        self.say(2, FromScheduler::Welcome(welcome)).await;
        login
    }
}

/// A scheduler that hands its streams to the test and keeps uploads as they come.
struct Scheduler {
    streams: mpsc::Sender<Served>,
    uploads: mpsc::Sender<Vec<v1::UploadPart>>,
}

#[tonic::async_trait]
impl Workers for Scheduler {
    type WorkStream = Outgoing;

    async fn work(
        &self,
        request: Request<Streaming<v1::WorkerMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let (outgoing, messages) = mpsc::channel(16);
        let served = Served { incoming: request.into_inner(), outgoing };
        self.streams.send(served).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn upload_result(
        &self,
        request: Request<Streaming<v1::UploadPart>>,
    ) -> Result<Response<v1::UploadReceipt>, Status> {
        let parts: Vec<v1::UploadPart> = request.into_inner().collect::<Result<_, _>>().await?;
        let Some(Body::Header(header)) = parts[0].body.clone() else { panic!("header first") };
        self.uploads.send(parts).await.unwrap();
        if header.session != b"session" {
            return Err(Status::permission_denied("no such session"));
        }
        Ok(Response::new(v1::UploadReceipt { location: format!("/ipfs/{}", header.cid) }))
    }
}

use v1::upload_part::Body;

struct Rig {
    arrivals: mpsc::Receiver<Arrival>,
    streams: mpsc::Receiver<Served>,
    uploads: mpsc::Receiver<Vec<v1::UploadPart>>,
    live: watch::Sender<Vec<(TaskId, Stage)>>,
    audience: watch::Receiver<Option<Audience>>,
    worker: Address,
    stop: CancellationToken,
    link: tokio::task::JoinHandle<()>,
}

impl Rig {
    async fn new() -> Self {
        poco_chain::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = pool_url(&format!("http://{}", listener.local_addr().unwrap()));
        let (streams_in, streams) = mpsc::channel(4);
        let (uploads_in, uploads) = mpsc::channel(4);
        let scheduler = Scheduler { streams: streams_in, uploads: uploads_in };
        let server = tonic::transport::Server::builder()
            .add_service(WorkersServer::new(scheduler))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let wallet = Arc::new(Wallet::from_key(B256::repeat_byte(1)).unwrap());
        let worker = wallet.address();
        let (live, live_seen) = watch::channel(vec![(task(), Stage::Contributed)]);
        let (arrivals_in, arrivals) = mpsc::channel(64);
        let (audience_in, audience) = watch::channel(None);
        let link = Link {
            url,
            identity: Identity { wallet, workerpool: POOL, chain_id: CHAIN, hub: HUB },
            capacity: v1::Capacity { slots: 2, ..v1::Capacity::default() },
            live: live_seen,
            arrivals: arrivals_in,
            audience: audience_in,
        };
        let stop = CancellationToken::new();
        let link = tokio::spawn(link.run(stop.clone()));
        Self { arrivals, streams, uploads, live, audience, worker, stop, link }
    }

    async fn stream(&mut self) -> Served {
        tokio::time::timeout(PATIENCE, self.streams.recv()).await.unwrap().unwrap()
    }

    async fn arrival(&mut self) -> Arrival {
        tokio::time::timeout(PATIENCE, self.arrivals.recv()).await.unwrap().unwrap()
    }

    async fn connected(&mut self) -> Connection {
        match self.arrival().await {
            Arrival::Connected { connection, .. } => connection,
            other @ (Arrival::Input(_) | Arrival::Command { .. } | Arrival::Head { .. }) => {
                panic!("{other:?}")
            }
        }
    }
}

fn task() -> TaskId {
    TaskId(B256::repeat_byte(5))
}

fn reveal(task: TaskId) -> v1::Command {
    let body = v1::command::Body::Reveal(v1::Reveal { task: task.0.to_vec() });
    v1::Command { body: Some(body) }
}

#[tokio::test]
async fn a_login_is_signed_for_this_pool_and_lists_what_is_held() {
    let mut rig = Rig::new().await;
    let login = rig.stream().await.log_in(60).await;
    let signed = login_hash(CHAIN, POOL, rig.worker, NONCE);
    assert_eq!(signature::recover(signed, &login.signature), Some(rig.worker));
    assert_eq!(login.worker, rig.worker.to_vec());
    assert_eq!(login.protocol_version, PROTOCOL_VERSION);
    assert_eq!(login.capacity.unwrap().slots, 2);
    assert_eq!(login.live, [messages::live_message(&(task(), Stage::Contributed))]);
    let Arrival::Connected { live, connection } = rig.arrival().await else { panic!() };
    assert_eq!(live, [(TaskId(B256::repeat_byte(7)), Stage::Running)]);
    assert_eq!(connection.session, b"session");
}

#[tokio::test]
async fn commands_come_in_with_their_number_and_acknowledgements_name_the_report() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(60).await;
    let connection = rig.connected().await;

    served.say(7, FromScheduler::Command(reveal(task()))).await;
    let Arrival::Command { input, id, outbox } = rig.arrival().await else { panic!() };
    assert_eq!((input, id), (Some(Input::Reveal(task())), 7));
    outbox.send(FromWorker::Ack(v1::Ack { id })).await.unwrap();
    assert_eq!(served.hear().await.1, FromWorker::Ack(v1::Ack { id: 7 }));

    let failure = Failure { exit_code: Some(3), ..Failure::new(Cause::ExitCode, "it broke") };
    let report = report_message(task(), Stage::Failed, Some(failure), None);
    connection.outbox.send(FromWorker::Report(report)).await.unwrap();
    let (id, FromWorker::Report(heard)) = served.hear().await else { panic!() };
    let heard_failure = heard.failure.unwrap();
    assert_eq!(heard_failure.cause(), v1::failure::Cause::ExitCode);
    assert_eq!(heard_failure.exit_code, 3);
    served.say(8, FromScheduler::Ack(v1::Ack { id: 9999 })).await;
    served.say(9, FromScheduler::Ack(v1::Ack { id })).await;
    let Arrival::Input(input) = rig.arrival().await else { panic!() };
    assert_eq!(input, Input::Acknowledged { task: task(), stage: Stage::Failed });
}

#[tokio::test]
async fn an_unreadable_command_is_acknowledged_and_does_nothing() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(60).await;
    rig.connected().await;
    served.say(3, FromScheduler::Command(v1::Command { body: None })).await;
    let Arrival::Command { input: None, id: 3, .. } = rig.arrival().await else { panic!() };
}

#[tokio::test]
async fn nobody_logs_in_to_another_pool() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.challenge(Address::repeat_byte(0x99)).await;
    let heard = tokio::time::timeout(PATIENCE, served.incoming.message()).await.unwrap();
    assert!(!matches!(heard, Ok(Some(_))), "{heard:?}");
    // It tries again: the operator of the pool may correct it.
    let mut served = rig.stream().await;
    served.log_in(60).await;
    rig.connected().await;
}

#[tokio::test]
async fn a_broken_stream_is_told_and_opened_again_with_what_is_held_then() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(60).await;
    rig.connected().await;
    drop(served);
    let Arrival::Input(Input::Disconnected) = rig.arrival().await else { panic!() };
    rig.live.send(Vec::new()).unwrap();
    let login = rig.stream().await.log_in(60).await;
    assert!(login.live.is_empty());
    rig.connected().await;
    rig.stop.cancel();
    tokio::time::timeout(PATIENCE, rig.link).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_beats_and_a_scheduler_that_stops_beating_is_left() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(1).await;
    rig.connected().await;
    for _ in 0..3 {
        let message = served.incoming.message().await.unwrap().unwrap();
        assert!(matches!(message.body, Some(FromWorker::Heartbeat(_))));
    }
    served.say(3, FromScheduler::Heartbeat(v1::Heartbeat::default())).await;
    let Arrival::Input(Input::Disconnected) = rig.arrival().await else { panic!() };
}

#[tokio::test]
async fn a_worker_without_tasks_beats_rarely_and_says_so() {
    let mut rig = Rig::new().await;
    rig.live.send(Vec::new()).unwrap();
    let mut served = rig.stream().await;
    served.log_in_with((1, 60)).await;
    rig.connected().await;
    let beat = |next_seconds| FromWorker::Heartbeat(v1::Heartbeat { next_seconds });
    assert_eq!(served.next().await, beat(60));
    served.say(3, FromScheduler::Heartbeat(v1::Heartbeat::default())).await;
    let next = tokio::time::timeout(Duration::from_secs(2), served.next()).await;
    assert!(next.is_err(), "{next:?}");
    rig.live.send(vec![(TaskId(B256::repeat_byte(7)), Stage::Running)]).unwrap();
    for _ in 0..3 {
        assert_eq!(served.next().await, beat(1));
    }
}

#[tokio::test]
async fn a_refusal_is_heard_and_tried_again() {
    let mut rig = Rig::new().await;
    let served = rig.stream().await;
    let cause = v1::refusal::Cause::Full.into();
    served.say(1, FromScheduler::Refusal(v1::Refusal { cause, detail: "full".into() })).await;
    rig.stream().await.log_in(60).await;
    rig.connected().await;
}

fn stored(size: usize) -> Stored {
    let computation = Computation {
        digest: ResultDigest(B256::repeat_byte(1)),
        cid: "bafyresult".into(),
        size: u64::try_from(size).unwrap(),
        callback: Bytes::new(),
    };
    Stored { computation, callback: Bytes::from_static(&[1, 2, 3]) }
}

#[tokio::test]
async fn a_result_streams_from_disk_in_parts() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(60).await;
    let connection = rig.connected().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.zip");
    let bytes: Vec<u8> = (0..UPLOAD_PART_BYTES * 2 + 5).map(|byte| byte as u8).collect();
    std::fs::write(&path, &bytes).unwrap();

    let sent = upload(connection.clone(), task(), path.clone(), stored(bytes.len())).await;
    assert_eq!(sent.unwrap(), "/ipfs/bafyresult");
    let parts = rig.uploads.recv().await.unwrap();
    let mut heard = Vec::new();
    for part in &parts[1..] {
        let Some(Body::Data(data)) = &part.body else { panic!() };
        assert!(data.len() <= UPLOAD_PART_BYTES);
        heard.extend_from_slice(data);
    }
    assert_eq!(heard, bytes);
    let Some(Body::Header(header)) = &parts[0].body else { panic!() };
    assert_eq!((header.size, header.callback.as_slice()), (bytes.len() as u64, &[1, 2, 3][..]));

    let stale = Connection { session: b"old".to_vec(), ..connection.clone() };
    let refused = upload(stale, task(), path.clone(), stored(bytes.len())).await.unwrap_err();
    assert!(refused.to_string().contains("no such session"), "{refused}");
    let changed = upload(connection.clone(), task(), path, stored(4)).await.unwrap_err();
    assert!(changed.to_string().contains("not 4"), "{changed}");
    let missing = upload(connection, task(), folder.path().join("x"), stored(4)).await.unwrap_err();
    assert!(missing.to_string().contains("cannot read"), "{missing}");
}

#[tokio::test]
async fn a_scheduler_that_is_not_there_is_named_plainly() {
    let error = challenge(&pool_url("http://127.0.0.1:1"), None).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn what_runs_print_is_wanted_by_the_scheduler_and_told_when_nothing_else_is() {
    let mut rig = Rig::new().await;
    assert!(rig.audience.borrow().is_none(), "nobody listens yet");
    let mut served = rig.stream().await;
    served.log_in(60).await;
    let connection = rig.connected().await;
    rig.audience.wait_for(Option::is_some).await.unwrap();
    let audience = rig.audience.borrow().clone().unwrap();
    assert_eq!(audience.bytes_max, PRINTED_BYTES);
    let printed = |offset| {
        let part = v1::PrintedPart { is_stderr: false, offset, data: vec![b'x'; 16 << 10] };
        v1::Printed { task: task().0.to_vec(), telling: 1, parts: vec![part], is_over: false }
    };
    // An app that prints as fast as it can does not hold a report up.
    let outbox = audience.outbox.clone();
    let flood = tokio::spawn(async move {
        let mut offset = 0;
        while outbox.send(printed(offset)).await.is_ok() {
            offset += 16 << 10;
        }
    });
    let FromWorker::Printed(first) = served.hear().await.1 else { panic!("it prints") };
    assert_eq!(first, printed(0));
    // Nothing is read for a while: the stream is full of what was printed.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = report_message(task(), Stage::Revealed, None, None);
    connection.outbox.send(FromWorker::Report(report)).await.unwrap();
    let mut before = 0;
    loop {
        match served.hear().await.1 {
            FromWorker::Printed(_) => before += 1,
            FromWorker::Report(report) => break assert_eq!(report.stage(), v1::Stage::Revealed),
            other @ (FromWorker::Login(_)
            | FromWorker::Heartbeat(_)
            | FromWorker::Ack(_)
            | FromWorker::Ballot(_)
            | FromWorker::Disclosure(_)) => panic!("{other:?}"),
        }
    }
    // What the transport holds on its way, and nothing that waited here.
    assert!(before < 200, "{before}");
    drop(served);
    rig.audience.wait_for(Option::is_none).await.unwrap();
    flood.await.unwrap();
}

/// The stream was busy when nothing was printed yet: that it is free again is noticed all the same.
#[tokio::test]
async fn what_is_printed_right_behind_a_report_waits_for_nothing_else() {
    let mut rig = Rig::new().await;
    let mut served = rig.stream().await;
    served.log_in(60).await;
    let connection = rig.connected().await;
    rig.audience.wait_for(Option::is_some).await.unwrap();
    let audience = rig.audience.borrow().clone().unwrap();
    let printed =
        v1::Printed { task: task().0.to_vec(), telling: 1, parts: Vec::new(), is_over: true };
    for _ in 0..200 {
        let report = report_message(task(), Stage::Revealed, None, None);
        connection.outbox.send(FromWorker::Report(report)).await.unwrap();
        tokio::task::yield_now().await;
        audience.outbox.send(printed.clone()).await.unwrap();
        let FromWorker::Report(_) = served.hear().await.1 else { panic!("the report is first") };
        let next = tokio::time::timeout(Duration::from_secs(5), served.hear()).await;
        assert_eq!(next.unwrap().1, FromWorker::Printed(printed.clone()));
    }
}

fn pool_url(text: &str) -> PoolUrl {
    PoolUrl::try_from(text.parse::<url::Url>().unwrap()).unwrap()
}
