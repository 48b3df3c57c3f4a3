//! One that sends garbage, floods or opens streams without end harms nobody else: meanwhile a task of an
//! honest worker is served, and the memory of the scheduler stays bounded.
//!
//! The attacker has an address of its own, 127.0.0.66; no address is exempt from the limits.

use crate::chain::{Chainside, eventually};
use crate::scheduler::Process;
use crate::worker::{Output, Worker};
use futures::StreamExt as _;
use poco_chain::Wallet;
use poco_core::task::TaskStatus;
use poco_core::{Address, TaskId, U256};
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Capacity, ExplainPool, ExplainRequest, Failure, Login, Report, Stage, WorkerMessage,
    explain_request,
};
use poco_proto::words;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

/// Where the attacker sits.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
/// What the process may hold more than before, whatever comes: its limits allow each address 64
/// connections of 1 MiB and 16 messages of 4 MiB that are on their way.
const GROWTH_BYTES_MAX: u64 = 160 << 20;

/// A pool with an honest worker, under attack.
struct Siege {
    chain: Arc<Chainside>,
    process: Process,
    memory: u64,
}

impl Siege {
    async fn begin() -> Self {
        let chain = Chainside::start().await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, "[limits]\nunlimited = []\n").unwrap();
        let process = Process::start(&chain, &["--config", config.to_str().unwrap()]).await;
        Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
        let siege = Self { chain, process, memory: 0 };
        siege.serves().await;
        let memory = siege.process.memory();
        Self { memory, ..siege }
    }

    /// A task is completed now.
    async fn serves(&self) {
        let id = TaskId::of_deal(self.chain.order(1, 1, Address::ZERO).await, U256::ZERO);
        eventually("the honest worker's task is completed", async || {
            let view = self.chain.chain.task(id).await.ok()?;
            (view.status == TaskStatus::Completed).then_some(())
        })
        .await;
    }

    fn is_small(&self) {
        let growth = self.process.memory().saturating_sub(self.memory);
        assert!(growth < GROWTH_BYTES_MAX, "it grew by {} MiB", growth >> 20);
    }

    /// How often that was refused.
    async fn refused(&self, reason: &str) -> u64 {
        let text = self.process.get("/metrics").await.text().await.unwrap();
        let name = format!("poco_scheduler_refused_total{{reason=\"{reason}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

/// A connection of the attacker's.
pub(crate) async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(ATTACKER, 0))?;
    socket.connect(to).await
}

fn channel(process: &Process) -> Channel {
    let endpoint = Endpoint::from_shared(process.url()).unwrap();
    endpoint.local_address(Some(ATTACKER)).connect_lazy()
}

/// Repeats `attack` on `count` tasks until dropped; how often it was done.
struct Attackers {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    rounds: Arc<AtomicU64>,
}

impl Attackers {
    fn start<F: Future<Output = ()> + Send>(
        count: usize,
        attack: impl Fn(usize) -> F + Clone + Send + 'static,
    ) -> Self {
        let rounds = Arc::new(AtomicU64::new(0));
        let tasks = (0..count).map(|number| {
            let (attack, rounds) = (attack.clone(), rounds.clone());
            tokio::spawn(async move {
                loop {
                    attack(number).await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                    // One that is refused at once leaves room for the others on this runtime.
                    tokio::task::yield_now().await;
                }
            })
        });
        Self { tasks: tasks.collect(), rounds }
    }

    async fn until(&self, rounds: u64) {
        eventually("the attack goes on", async || {
            (self.rounds.load(Ordering::Relaxed) >= rounds).then_some(())
        })
        .await;
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What a connection may begin with that is no use to anybody.
fn garbage(number: usize) -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    match number % 6 {
        0 => (0..65_536_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        1 => b"GET /status HTTP/1.1\r\nHost: x\r\nX-Long: ".repeat(5_000),
        2 => [preface.as_slice(), &[0xff; 10_000]].concat(),
        // A frame that says it has 16 MiB.
        3 => [preface.as_slice(), &settings, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat(),
        // Headers whose compression makes no sense.
        4 => [preface.as_slice(), &settings, &[0, 0, 4, 1, 5, 0, 0, 0, 1], &[0xff; 4]].concat(),
        _ => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_harms_nobody() {
    let siege = Siege::begin().await;
    let to = siege.process.address();
    let raw = Attackers::start(24, move |number| async move {
        let Ok(mut stream) = connect(to).await else { return };
        // It may be cut while it is sent.
        let _ = stream.write_all(&garbage(number)).await;
        let mut answer = [0; 1024];
        let _ = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut answer)).await;
    });
    // And streams of workers that send what is no message: a worker that logs in with nonsense.
    let channel = channel(&siege.process);
    let streams = Attackers::start(8, move |_| {
        let mut client = WorkersClient::new(channel.clone());
        async move {
            let nonsense = WorkerMessage { id: 1, body: Some(Told::Report(Report::default())) };
            let Ok(answer) = client.work(tokio_stream::iter([nonsense])).await else { return };
            let mut answer = answer.into_inner();
            while let Ok(Some(_)) = answer.message().await {}
        }
    });
    for round in 1..=3 {
        raw.until(round * 200).await;
        streams.until(round * 20).await;
        siege.serves().await;
        siege.is_small();
    }
    assert!(siege.refused("no-login").await > 20);
    assert_eq!(siege.process.health().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_and_of_questions_harms_nobody() {
    let siege = Siege::begin().await;
    let to = siege.process.address();
    // Opened and kept, as many as it can get.
    let held = Arc::new(AtomicU64::new(0));
    let counted = held.clone();
    let idle = Attackers::start(300, move |_| {
        let held = counted.clone();
        async move {
            let Ok(mut stream) = connect(to).await else { return };
            held.fetch_add(1, Ordering::Relaxed);
            // Until it is cut.
            let _ = stream.read(&mut [0; 16]).await;
            held.fetch_sub(1, Ordering::Relaxed);
        }
    });
    idle.until(1_000).await;
    siege.serves().await;
    assert!(siege.refused("limit-address-connections").await > 500);
    drop(idle);
    let channels: Vec<Channel> = (0..16).map(|_| channel(&siege.process)).collect();
    let asking = Attackers::start(400, move |number| {
        let mut client = ObserverClient::new(channels[number % 16].clone());
        async move {
            let subject = Some(explain_request::Subject::Pool(ExplainPool {}));
            let _ = client.explain(ExplainRequest { subject }).await;
        }
    });
    asking.until(1_000).await;
    siege.serves().await;
    siege.is_small();
    let rate = siege.refused("limit-request-rate").await;
    assert!(rate + siege.refused("limit-address-requests").await > 500);
    drop(asking);
    // The flood over, the address is served again.
    eventually("it may ask again", async || {
        let subject = Some(explain_request::Subject::Pool(ExplainPool {}));
        let mut client = ObserverClient::new(channel(&siege.process));
        client.explain(ExplainRequest { subject }).await.ok()
    })
    .await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Opens a stream to `Work`, with headers that are not compressed.
fn open(stream: u32) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &[u8]| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text);
        }
    };
    literal(b":path", b"/poco.v1.Workers/Work");
    literal(b":authority", b"pool");
    literal(b"te", b"trailers");
    literal(b"content-type", b"application/grpc");
    frame(1, 4, stream, &block)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_harm_nobody() {
    let siege = Siege::begin().await;
    let to = siege.process.address();
    // On one connection, by one that heeds no limit: opened, and never a word more.
    let mut streams = connect(to).await.unwrap();
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    all.extend(frame(4, 0, 0, &[]));
    all.extend((0..10_000).flat_map(|number| open(2 * number + 1)));
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = is_cut.clone();
    let flood = tokio::spawn(async move {
        let (mut reader, mut writer) = streams.split();
        let mut answers = Vec::new();
        let (sent, _) = tokio::join!(writer.write_all(&all), async {
            let mut part = [0; 65_536];
            while let Ok(length @ 1..) = reader.read(&mut part).await {
                answers.extend_from_slice(&part[..length]);
                if answers.len() > 1 << 20 {
                    break;
                }
            }
        });
        let _ = sent;
        cut.store(true, Ordering::Relaxed);
    });
    siege.serves().await;
    siege.is_small();
    eventually("its connection is cut", async || is_cut.load(Ordering::Relaxed).then_some(()))
        .await;
    // On many connections, by one that heeds them.
    let channels: Vec<Channel> = (0..60).map(|_| channel(&siege.process)).collect();
    let opened = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let (counted, counted_refused) = (opened.clone(), refused.clone());
    let streams = Attackers::start(10_000, move |number| {
        let mut client = WorkersClient::new(channels[number % 60].clone());
        let (opened, refused) = (counted.clone(), counted_refused.clone());
        async move {
            let (_silent, messages) = mpsc::channel::<WorkerMessage>(1);
            match client.work(ReceiverStream::new(messages)).await {
                Ok(answer) => {
                    opened.fetch_add(1, Ordering::Relaxed);
                    let mut answer = answer.into_inner();
                    while let Ok(Some(_)) = answer.message().await {}
                }
                Err(_) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    eventually("all of them were tried", async || {
        (opened.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed) > 10_000).then_some(())
    })
    .await;
    siege.serves().await;
    siege.is_small();
    assert!(
        siege.refused("limit-logins").await + siege.refused("limit-request-rate").await > 1_000
    );
    drop((streams, flood));
    assert_eq!(siege.process.health().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_floods_holds_up_nobody_but_itself() {
    let siege = Siege::begin().await;
    let wallet = Arc::new(Wallet::random());
    let flooder = Worker {
        chain: siege.chain.clone(),
        wallet,
        url: siege.process.url(),
        output: Arc::new(Output::make("nothing")),
        swap: None,
        gate: None,
        live: BTreeMap::new(),
    };
    let mut client = WorkersClient::new(channel(&siege.process));
    let (sender, messages) = mpsc::channel(64);
    let mut heard = client.work(ReceiverStream::new(messages)).await.unwrap().into_inner();
    let Some(Heard::Challenge(challenge)) = heard.message().await.unwrap().unwrap().body else {
        panic!("a stream begins with a challenge");
    };
    let nonce = words::word("nonce", &challenge.nonce).unwrap();
    let login = flooder.login(challenge.chain_id, nonce);
    // It takes no task, or the one that is to be served could be its own.
    let login = Told::Login(Login { capacity: Some(Capacity::default()), ..login });
    sender.send(WorkerMessage { id: 1, body: Some(login) }).await.unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let flood = tokio::spawn(async move {
        let long = "x".repeat(4096);
        for number in 2_u64.. {
            let failure = Failure {
                stdout_tail: long.clone(),
                stderr_tail: long.clone(),
                ..Failure::default()
            };
            let task = U256::from(number).to_be_bytes::<32>().to_vec();
            let stage = Stage::Failed.into();
            let report = Report { task, stage, failure: Some(failure), transaction: Vec::new() };
            let message = WorkerMessage { id: number, body: Some(Told::Report(report)) };
            if sender.send(message).await.is_err() {
                return;
            }
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    // It reads its acknowledgements, as else it would be cut for that.
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = heard.next().await {} });
    eventually("it has flooded", async || (sent.load(Ordering::Relaxed) > 3_000).then_some(()))
        .await;
    let (before, began) = (sent.load(Ordering::Relaxed), std::time::Instant::now());
    siege.serves().await;
    siege.is_small();
    eventually("it still floods", async || {
        (sent.load(Ordering::Relaxed) > before + 2_000).then_some(())
    })
    .await;
    let rate = (sent.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    // 9 units each, of 5 000 a second.
    assert!(rate < 1_000.0, "{rate} messages a second were taken in");
    assert!(siege.refused("report-of-no-task").await > 3_000);
    flood.abort();
    reading.abort();
}
