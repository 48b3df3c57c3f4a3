//! Whatever is wrong with a message is refused with a reason, counted, and does no harm.

use crate::chain::Chainside;
use crate::scheduler::Process;
use crate::variants::{Variant, variants};
use crate::worker::{Output, Worker};
use poco_chain::Wallet;
use poco_core::lane::ballot_hash;
use poco_core::{Address, B256, DealId, U256};
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::upload_part::Body as Part;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Ballot, Capacity, Disclosure, ExplainOrder, ExplainPool, ExplainRequest, Failure,
    GetTaskRequest, Heartbeat, LiveTask, Login, Refusal, Report, RowVote, SchedulerMessage, Stage,
    UploadHeader, UploadPart, WorkerMessage, command, explain_request, refusal,
};
use poco_proto::words;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

/// What of a login may be anything: it is believed, or of no account. Everything else is refused.
const FREE_IN_LOGIN: [&str; 11] = [
    "login.software_version: ",
    "login.live: ",
    "login.live.task: ",
    "login.live.stage: ",
    "login.capacity.cpus: ",
    "login.capacity.memory_bytes: ",
    "login.capacity.disk_bytes: ",
    "login.capacity.gpus: ",
    "login.capacity.carbon_g_per_kwh: ",
    // Not told, which is allowed.
    "login.capacity.slots: absent",
    "login.capacity.tag: absent",
];
/// And these of what is optional.
const OPTIONAL_IN_LOGIN: [&str; 3] = [
    "login.capacity.machine: absent",
    "login.capacity.owner: absent",
    "login.capacity.region: absent",
];

/// A stream of a worker, which says anything.
pub(crate) struct Line {
    sender: mpsc::Sender<WorkerMessage>,
    heard: Streaming<SchedulerMessage>,
    /// Of the last login.
    pub(crate) session: Vec<u8>,
}

impl Line {
    async fn open(process: &Process) -> (Self, B256, u64) {
        let mut client = WorkersClient::connect(process.url()).await.unwrap();
        let (sender, messages) = mpsc::channel(64);
        let heard = client.work(ReceiverStream::new(messages)).await.unwrap().into_inner();
        let mut line = Self { sender, heard, session: Vec::new() };
        let Some(Heard::Challenge(challenge)) = line.hear().await else {
            panic!("a stream begins with a challenge");
        };
        (line, words::word("nonce", &challenge.nonce).unwrap(), challenge.chain_id)
    }

    /// A stream of `worker`, logged in.
    pub(crate) async fn logged_in(process: &Process, worker: &Worker) -> Self {
        // The stream before may still be about to end.
        loop {
            let (mut line, nonce, chain_id) = Self::open(process).await;
            line.say(Told::Login(worker.login(chain_id, nonce))).await;
            match line.hear().await {
                Some(Heard::Welcome(welcome)) => {
                    line.session = welcome.session;
                    return line;
                }
                Some(Heard::Refusal(refusal)) => {
                    assert_eq!(refusal.cause(), refusal::Cause::AlreadyConnected, "{refusal:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn say(&self, body: Told) {
        // A stream that was cut is noticed by what is heard of it.
        let _ = self.sender.send(WorkerMessage { id: 1, body: Some(body) }).await;
    }

    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        loop {
            match self.heard.message().await.ok()??.body {
                Some(Heard::Heartbeat(_)) => {}
                body => return body,
            }
        }
    }
}

pub(crate) fn worker(chain: &Arc<Chainside>, process: &Process) -> Worker {
    Worker {
        chain: chain.clone(),
        wallet: Arc::new(Wallet::random()),
        url: process.url(),
        output: Arc::new(Output::make("nothing")),
        swap: None,
        gate: None,
        live: BTreeMap::new(),
    }
}

/// All refusals together.
pub(crate) async fn refused(process: &Process) -> u64 {
    let text = process.get("/metrics").await.text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("poco_scheduler_refused_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_anything_wrong_in_it_is_refused_with_a_reason() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let whole = |chain_id, nonce| {
        let worker = worker(&chain, &process);
        let usual = worker.login(chain_id, nonce);
        let capacity = Capacity {
            slots: 1,
            cpus: 1,
            memory_bytes: 1,
            disk_bytes: 1,
            tag: vec![0; 32],
            machine: vec![1; 32],
            owner: vec![2; 20],
            gpus: 1,
            region: "eu-west".into(),
            carbon_g_per_kwh: Some(1),
        };
        let live = vec![LiveTask { task: vec![3; 32], stage: Stage::Running.into() }];
        Login { capacity: Some(capacity), live, ..usual }
    };
    let names: Vec<String> = variants("Login", &whole(1, B256::ZERO))
        .into_iter()
        .map(|variant: Variant<Login>| variant.name)
        .collect();
    assert!(names.len() > 60, "{names:?}");
    let mut count = [0, 0];
    for name in names {
        let (mut line, nonce, chain_id) = Line::open(&process).await;
        let all = variants("Login", &whole(chain_id, nonce));
        let variant = all.into_iter().find(|variant| variant.name == name).unwrap();
        let before = refused(&process).await;
        line.say(Told::Login(variant.message)).await;
        let path = format!("login.{name}");
        let is_free =
            FREE_IN_LOGIN.iter().chain(&OPTIONAL_IN_LOGIN).any(|free| path.starts_with(free));
        match line.hear().await {
            Some(Heard::Welcome(_)) => {
                assert!(is_free, "{path} was accepted");
                count[0] += 1;
            }
            Some(Heard::Refusal(Refusal { cause, detail })) => {
                assert!(!is_free && !detail.is_empty(), "{path} was refused: {detail}");
                let is_version = cause == i32::from(refusal::Cause::ProtocolVersion);
                assert_eq!(is_version, name.starts_with("protocol_version"), "{path}: {detail}");
                assert!(refused(&process).await > before, "{path} was not counted");
                count[1] += 1;
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    assert!(count[0] > 15 && count[1] > 30, "{count:?}");
    assert_eq!(process.health().await.0, 200);
}

/// Sends every variant on streams of one worker; what the stream ended with, where it did.
async fn tell_all(
    chain: &Arc<Chainside>,
    process: &Process,
    all: Vec<(String, Told)>,
) -> Vec<Refusal> {
    let worker = worker(chain, process);
    let mut line = Line::logged_in(process, &worker).await;
    let mut refusals = Vec::new();
    for (name, told) in all {
        let before = refused(process).await;
        line.say(told).await;
        // Acknowledged after what was said before it.
        let sound = Report { task: vec![8; 32], stage: Stage::Running.into(), ..Report::default() };
        line.say(Told::Report(sound)).await;
        let mut acknowledged = false;
        while !acknowledged {
            match line.hear().await {
                Some(Heard::Command(command)) => match command.body.unwrap() {
                    command::Body::Abandon(abandon) => {
                        acknowledged = abandon.task == [8; 32];
                        assert!(abandon.reason.contains("has not given you this task"));
                    }
                    other => panic!("{name}: {other:?}"),
                },
                Some(Heard::Ack(_)) => {}
                Some(Heard::Refusal(refusal)) => {
                    assert!(!refusal.detail.is_empty(), "{name}");
                    refusals.push(refusal);
                    line = Line::logged_in(process, &worker).await;
                    acknowledged = true;
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        let after = refused(process).await;
        // The sound one is refused as well: the worker has no task.
        assert!(after >= before + 2 || refusals.len() as u64 > 0 && after > before, "{name}");
    }
    refusals
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_votes_that_make_no_sense_are_refused_and_counted() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let failure = Failure { cause: 1, exit_code: 1, detail: "no".into(), ..Failure::default() };
    let report = Report {
        task: vec![9; 32],
        stage: Stage::Failed.into(),
        failure: Some(failure),
        transaction: vec![1; 32],
    };
    let vote = RowVote { hash: vec![1; 32], seal: vec![2; 32], nonce: vec![3; 16] };
    let disclosure = Disclosure { task: vec![9; 32], vote: Some(vote), digest: vec![4; 32] };
    let (signer, separator) = (Wallet::random(), chain.chain.domain_separator());
    let (deal, entry) = (DealId(B256::repeat_byte(5)), B256::repeat_byte(6));
    let entries = [poco_core::lane::BlindedVote(entry)];
    let sign = signer.sign_hash(ballot_hash(separator, deal, U256::ZERO, &entries));
    let ballot = Ballot {
        deal: deal.0.to_vec(),
        first: 0,
        entries: vec![entry.to_vec()],
        // Another wallet's.
        signature: sign.to_vec(),
    };
    let of = |name: &str, told: Told| (name.to_owned(), told);
    let mut all = vec![
        of("report", Told::Report(report.clone())),
        of("disclosure", Told::Disclosure(disclosure.clone())),
        of("ballot", Told::Ballot(ballot.clone())),
    ];
    let named = |part: &str, name: String| format!("{part}.{name}");
    all.extend(
        variants("Report", &report)
            .into_iter()
            .map(|one| (named("report", one.name), Told::Report(one.message))),
    );
    all.extend(
        variants("Disclosure", &disclosure)
            .into_iter()
            .map(|one| (named("disclosure", one.name), Told::Disclosure(one.message))),
    );
    all.extend(
        variants("Ballot", &ballot)
            .into_iter()
            .map(|one| (named("ballot", one.name), Told::Ballot(one.message))),
    );
    assert!(all.len() > 60, "{}", all.len());
    let refusals = tell_all(&chain, &process, all).await;
    // One that goes on like this is cut.
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0].cause(), refusal::Cause::Unreadable);
    assert!(refusals[0].detail.contains("could not be read"), "{refusals:?}");
    assert_eq!(process.health().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_into_a_stream_ends_it_with_a_reason() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let worker = worker(&chain, &process);
    let first = async |told: Option<Told>| {
        let (mut line, ..) = Line::open(&process).await;
        line.sender.send(WorkerMessage { id: u64::MAX, body: told }).await.unwrap();
        line.hear().await
    };
    for told in
        [None, Some(Told::Heartbeat(Heartbeat::default())), Some(Told::Report(Report::default()))]
    {
        match first(told.clone()).await {
            Some(Heard::Refusal(refusal)) => assert_eq!(refusal.detail, "a login was expected"),
            other => panic!("{told:?}: {other:?}"),
        }
    }
    for told in [None, Some(Told::Login(worker.login(31337, B256::ZERO)))] {
        let mut line = Line::logged_in(&process, &worker).await;
        line.sender.send(WorkerMessage { id: 0, body: told }).await.unwrap();
        match line.hear().await {
            Some(Heard::Refusal(refusal)) => {
                assert_eq!(refusal.cause(), refusal::Cause::Unreadable);
                assert!(refusal.detail.contains("a login comes once"), "{refusal:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(line.hear().await, None);
    }
    // More tasks than any worker has.
    let (mut line, nonce, chain_id) = Line::open(&process).await;
    let live = vec![LiveTask { task: vec![3; 32], stage: 1 }; 6_001];
    line.say(Told::Login(Login { live, ..worker.login(chain_id, nonce) })).await;
    match line.hear().await {
        Some(Heard::Refusal(refusal)) => assert!(refusal.detail.contains("6000"), "{refusal:?}"),
        other => panic!("{other:?}"),
    }
    // Larger than any message.
    let mut line = Line::logged_in(&process, &worker).await;
    let detail = "x".repeat(5 << 20);
    let failure = Some(Failure { detail, ..Failure::default() });
    line.say(Told::Report(Report { failure, ..Report::default() })).await;
    match line.hear().await {
        Some(Heard::Refusal(refusal)) => {
            assert!(refusal.detail.contains("too large"), "{refusal:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(refused(&process).await >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_make_no_sense_are_refused() {
    use explain_request::Subject;
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let mut observer = ObserverClient::connect(process.url()).await.unwrap();
    let usual = GetTaskRequest { task: vec![9; 32] };
    for Variant { name, message } in variants("GetTaskRequest", &usual) {
        let before = refused(&process).await;
        let status = observer.get_task(message.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
        assert!(status.message().contains("task"), "{name}: {status}");
        assert_eq!(observer.watch_task(message).await.unwrap_err().code(), Code::InvalidArgument);
        assert!(refused(&process).await >= before + 2, "{name}");
    }
    let order = ExplainOrder {
        tag: vec![0; 32],
        trust: vec![1],
        worker_stake: vec![1],
        params: "{}".into(),
        conditions: 8,
        guard: vec![9; 20],
        category: Some(1),
        price: vec![1],
        volume: 1,
    };
    let mut count = 0;
    for subject in [
        Subject::Task(vec![9; 32]),
        Subject::Worker(vec![9; 20]),
        Subject::Order(order),
        Subject::Pool(ExplainPool {}),
    ] {
        let request = ExplainRequest { subject: Some(subject) };
        for Variant { name, message } in variants("ExplainRequest", &request) {
            // What is not asked for is nothing; numbers of up to 32 bytes are numbers, and params are
            // free text but for their size.
            let is_free = name.starts_with("order.") && name.ends_with(": absent")
                || ["trust", "worker_stake", "price"].iter().any(|number| {
                    let numbers = ["1 byte", "19 bytes", "31 bytes"];
                    numbers.iter().any(|size| name == format!("order.{number}: {size}"))
                })
                || ["params: odd", "category: huge", "volume: huge"]
                    .iter()
                    .any(|what| name == format!("order.{what}"));
            match observer.explain(message).await {
                Ok(_) => assert!(is_free, "{name} was answered"),
                Err(status) => {
                    assert!(!is_free, "{name}: {status}");
                    let code = status.code();
                    assert!(
                        matches!(code, Code::InvalidArgument | Code::OutOfRange),
                        "{name}: {status}"
                    );
                    assert!(!status.message().is_empty(), "{name}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 20, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_make_no_sense_are_refused() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let mut workers = WorkersClient::connect(process.url()).await.unwrap();
    let header = UploadHeader {
        session: vec![1; 32],
        task: vec![9; 32],
        size: 1,
        cid: "bafy".into(),
        callback: vec![1],
    };
    let part = |body| UploadPart { body };
    let mut all = vec![
        ("nothing".to_owned(), vec![]),
        ("empty".to_owned(), vec![part(None)]),
        ("data".to_owned(), vec![part(Some(Part::Data(vec![0; 1 << 20])))]),
    ];
    for Variant { name, message } in variants("UploadHeader", &header) {
        all.push((name, vec![part(Some(Part::Header(message)))]));
    }
    for (name, parts) in all {
        let before = refused(&process).await;
        let status = workers.upload_result(tokio_stream::iter(parts)).await.unwrap_err();
        let code = status.code();
        assert!(matches!(code, Code::InvalidArgument | Code::Unauthenticated), "{name}: {status}");
        assert!(!status.message().is_empty(), "{name}");
        assert!(refused(&process).await > before, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_http_that_make_no_sense_are_refused() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let (long, word) = ("9".repeat(20_000), format!("0x{}", "ab".repeat(32)));
    let (short, minus) = (format!("0x{}", "ab".repeat(31)), "-1");
    let bad = [
        format!("/tasks/{short}"),
        format!("/tasks/{minus}"),
        format!("/tasks/{word}00"),
        format!("/tasks/{long}"),
        "/tasks/%00%ff".into(),
        format!("/ipfs/{minus}"),
        format!("/ipfs/{long}"),
        "/ipfs/..%2f..%2fetc%2fpasswd".into(),
        format!("/results/{word}/challenge"),
        format!("/results/{short}/challenge?address={}", Address::ZERO),
        format!("/results/{word}/challenge?address={word}"),
        format!("/results/{word}/challenge?address={minus}"),
        format!("/explain/task/{short}"),
        format!("/explain/worker/{word}"),
        format!("/explain/order?trust={minus}"),
        format!("/explain/order?trust={long}"),
        format!("/explain/order?tag={short}"),
        "/explain/order?params=%7B%22poco_placement%22%3A5%7D".into(),
        format!("/explain/order?category={minus}"),
        format!("/explain/order?category={long}"),
        format!("/explain/order?price={minus}"),
        format!("/explain/order?price={long}"),
        format!("/explain/order?volume={minus}"),
        format!("/explain/order?volume={long}"),
        format!("/explain/order?worker_stake={minus}"),
        format!("/explain/order?worker_stake={long}"),
        "/explain/order?conditions=no-such-condition".into(),
        format!("/explain/order?guard={word}"),
        format!("/explain/order?guard={short}"),
    ];
    for path in &bad {
        let before = refused(&process).await;
        let answer = process.get(path).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert!(!answer.text().await.unwrap().is_empty(), "{path}");
        assert!(refused(&process).await > before, "{path}");
    }
    let too_long = "9".repeat(50_000);
    let answer = process.get(&format!("/tasks/{too_long}")).await;
    assert!(matches!(answer.status().as_u16(), 414 | 431), "{}", answer.status());
    let client = reqwest::Client::new();
    for (path, status) in [("/tasks", 404), ("/explain/", 404), ("/nowhere", 404), ("/status", 405)]
    {
        let answer =
            client.post(format!("{}{path}", process.url())).body("x").send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    assert_eq!(process.health().await.0, 200);
}
