//! What runs print: who may read it, what is told of runs, and the routes of other clients.

use crate::chain::{Chainside, eventually};
use crate::scheduler::Process;
use crate::worker::{Output, Worker};
use poco_chain::Wallet;
use poco_core::{Address, DealId, TaskId, U256};
use poco_proto::v1::log_event::Kind;
use poco_proto::v1::logs_part::Body as Part;
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Failure, Heartbeat, LogEvent, LogOutput, LogsRequest, Printed, PrintedPart, Report, Stage,
    WorkerMessage, command, failure,
};
use poco_proto::words;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// Longest wait for the next thing that is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A worker that says what the test wants.
struct Hand {
    wallet: Arc<Wallet>,
    outgoing: mpsc::Sender<WorkerMessage>,
    incoming: Streaming<poco_proto::v1::SchedulerMessage>,
    beat: tokio::task::JoinHandle<()>,
    /// How much of a run the scheduler takes.
    bytes_max: u64,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

impl Hand {
    async fn log_in(chain: &Arc<Chainside>, url: String) -> Self {
        let wallet = Arc::new(Wallet::random());
        chain.fund(&wallet).await;
        let worker = Worker {
            chain: chain.clone(),
            wallet: wallet.clone(),
            url: url.clone(),
            output: Arc::new(Output::make("a result")),
            swap: None,
            gate: None,
            live: BTreeMap::new(),
        };
        let mut client = WorkersClient::connect(url).await.unwrap();
        let (outgoing, messages) = mpsc::channel(64);
        let mut incoming = client.work(ReceiverStream::new(messages)).await.unwrap().into_inner();
        let Some(Heard::Challenge(challenge)) = incoming.message().await.unwrap().unwrap().body
        else {
            panic!("it begins with a challenge")
        };
        let nonce = words::word("nonce", &challenge.nonce).unwrap();
        let login = Told::Login(worker.login(challenge.chain_id, nonce));
        outgoing.send(WorkerMessage { id: 1, body: Some(login) }).await.unwrap();
        let Some(Heard::Welcome(welcome)) = incoming.message().await.unwrap().unwrap().body else {
            panic!("it is welcome")
        };
        let beats = outgoing.clone();
        let beat = tokio::spawn(async move {
            let beat =
                || WorkerMessage { id: 0, body: Some(Told::Heartbeat(Heartbeat::default())) };
            while beats.send(beat()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let bytes_max = welcome.printed_bytes_max;
        Self { wallet, outgoing, incoming, beat, bytes_max }
    }

    async fn until_assigned(&mut self) -> TaskId {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.incoming.message()).await;
            let Some(Heard::Command(command)) = heard.unwrap().unwrap().unwrap().body else {
                continue;
            };
            if let Some(command::Body::Assign(assign)) = command.body {
                return words::task(&assign.task).unwrap();
            }
        }
    }

    async fn say(&self, body: Told) {
        self.outgoing.send(WorkerMessage { id: 7, body: Some(body) }).await.unwrap();
    }

    async fn reaches(&self, task: TaskId, stage: Stage) {
        let task = task.0.to_vec();
        self.say(Told::Report(Report { task, stage: stage.into(), ..Report::default() })).await;
    }

    async fn prints(&self, task: TaskId, is_stderr: bool, (offset, text): (u64, &str)) {
        let part = PrintedPart { is_stderr, offset, data: text.as_bytes().to_vec() };
        let task = task.0.to_vec();
        self.say(Told::Printed(Printed { task, telling: 1, parts: vec![part], is_over: false }))
            .await;
    }

    async fn fails(&self, task: TaskId) {
        let failure = Failure {
            cause: failure::Cause::ExitCode.into(),
            detail: "it broke".into(),
            exit_code: 3,
            stdout_tail: "the last line\n".into(),
            stderr_tail: "the last error\n".into(),
        };
        let (task, stage) = (task.0.to_vec(), Stage::Failed.into());
        let report = Report { task, stage, failure: Some(failure), ..Report::default() };
        self.say(Told::Report(report)).await;
    }
}

/// A pool with one worker that runs one task, and has printed to both streams.
async fn running() -> (Arc<Chainside>, Process, Hand, TaskId) {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let mut hand = Hand::log_in(&chain, process.url()).await;
    let deal: DealId = chain.order(1, 1, Address::ZERO).await;
    let task = hand.until_assigned().await;
    assert_eq!(task, TaskId::of_deal(deal, U256::ZERO));
    hand.reaches(task, Stage::Running).await;
    hand.prints(task, false, (0, "one\n")).await;
    hand.prints(task, true, (0, "oops\n")).await;
    (chain, process, hand, task)
}

/// A wallet's answer to a challenge, as the header has it.
async fn proof(process: &Process, wallet: &Wallet) -> String {
    let path = format!("/tasks/logs/challenge?chainId=31337&address={}", wallet.address());
    let asked: Value = process.get(&path).await.json().await.unwrap();
    wallet.answer_challenge(31337, &asked).unwrap()
}

async fn read(
    process: &Process,
    task: TaskId,
    follow: bool,
    authorization: String,
) -> Result<Streaming<poco_proto::v1::LogsPart>, Status> {
    let mut client = ObserverClient::connect(process.url()).await.unwrap();
    let (task, worker) = (task.0.to_vec(), Vec::new());
    let request = LogsRequest { task, worker, follow, authorization };
    client.read_logs(request).await.map(tonic::Response::into_inner)
}

async fn next(parts: &mut Streaming<poco_proto::v1::LogsPart>) -> Option<Part> {
    let part = tokio::time::timeout(PATIENCE, parts.message()).await.unwrap().unwrap();
    part.map(|part| part.body.unwrap())
}

fn output(is_stderr: bool, text: &str) -> Option<Part> {
    Some(Part::Output(LogOutput { is_stderr, data: text.as_bytes().to_vec(), lost: 0 }))
}

fn kind(part: Option<Part>) -> Option<Kind> {
    match part? {
        Part::Event(event) => Some(event.kind()),
        Part::Output(_) => None,
    }
}

/// What the task's runs printed, once there is something.
async fn until_printed(process: &Process, chain: &Chainside, task: TaskId) {
    eventually("the scheduler has what was printed", async || {
        let proof = proof(process, &chain.requester).await;
        let mut parts = read(process, task, false, proof).await.ok()?;
        let mut texts = 0;
        while let Some(part) = next(&mut parts).await {
            texts += usize::from(matches!(part, Part::Output(_)));
        }
        (texts == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_requester_reads_what_its_runs_print() {
    let (chain, process, hand, task) = running().await;
    assert!(hand.bytes_max > 0);
    until_printed(&process, &chain, task).await;
    // The worker's own task, but not its output: another one of the task would copy a vote.
    for wallet in [&hand.wallet, &chain.owner, &Arc::new(Wallet::random())] {
        let refused = read(&process, task, false, proof(&process, wallet).await).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        let header = proof(&process, wallet).await;
        assert_eq!(logs(&process, task, &header).await.status(), 403);
    }
    let proof = proof(&process, &chain.requester).await;
    let mut parts = read(&process, task, false, proof.clone()).await.unwrap();
    assert_eq!(next(&mut parts).await, output(false, "one\n"));
    assert_eq!(next(&mut parts).await, output(true, "oops\n"));
    assert_eq!(kind(next(&mut parts).await), Some(Kind::Running));
    assert_eq!(next(&mut parts).await, None, "who does not follow is told what there is");
    for header in [proof.as_str(), "", "0x_0x_0x", "garbage"] {
        let refused = read(&process, task, false, header.to_owned()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{header}: a proof is good for once");
        assert_eq!(logs(&process, task, header).await.status(), 401);
    }
    // A failure is told to everybody, what the app printed is not.
    hand.fails(task).await;
    let report = eventually("the failure is known", async || {
        let report = process.task(task).await?;
        report.replicas[0].failure.clone().map(|_| report)
    })
    .await;
    let failure = report.replicas[0].failure.clone().unwrap();
    assert_eq!((failure.stdout_tail.as_str(), failure.stderr_tail.as_str()), ("", ""));
    assert!(!format!("{report:?}").contains("the last"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_only_of_tasks_that_it_was_given() {
    let (chain, process, hand, task) = running().await;
    let other = TaskId::of_deal(DealId::ZERO, U256::ONE);
    hand.prints(other, false, (0, "nonsense\n")).await;
    let short = Printed { task: vec![1; 31], ..Printed::default() };
    hand.say(Told::Printed(short)).await;
    let far = PrintedPart { is_stderr: false, offset: u64::MAX, data: vec![1] };
    let far = Printed { task: task.0.to_vec(), telling: 1, parts: vec![far], is_over: false };
    hand.say(Told::Printed(far)).await;
    eventually("all are counted", async || {
        let metrics = process.get("/metrics").await.text().await.unwrap();
        let counted = |reason: &str, count: u32| {
            metrics.contains(&format!("refused_total{{reason=\"{reason}\"}} {count}\n"))
        };
        (counted("printed-of-no-task", 1) && counted("printed-unreadable", 2)).then_some(())
    })
    .await;
    // The stream goes on, and with it what is right.
    until_printed(&process, &chain, task).await;
    let proof = proof(&process, &chain.requester).await;
    let unknown = read(&process, other, false, proof).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_hears_what_is_printed_and_why_there_is_no_result() {
    let (chain, process, hand, task) = running().await;
    let mut parts =
        read(&process, task, true, proof(&process, &chain.requester).await).await.unwrap();
    // What was printed before, in its order, and the state it is in.
    let mut first = Vec::new();
    while first.len() < 3 {
        first.extend(next(&mut parts).await);
    }
    let outputs: Vec<_> = first.iter().filter(|part| matches!(part, Part::Output(_))).collect();
    let [one, oops] = [output(false, "one\n"), output(true, "oops\n")];
    assert_eq!(outputs, [one.as_ref().unwrap(), oops.as_ref().unwrap()]);
    hand.prints(task, false, (4, "two\n")).await;
    assert_eq!(next(&mut parts).await, output(false, "two\n"));
    // The report overtakes the last words, which are waited for.
    hand.fails(task).await;
    hand.prints(task, true, (5, "broken\n")).await;
    assert_eq!(next(&mut parts).await, output(true, "broken\n"));
    let Some(Part::Event(LogEvent { failure: Some(failure), text, .. })) = next(&mut parts).await
    else {
        panic!("it failed")
    };
    assert_eq!((failure.exit_code, failure.stderr_tail.as_str()), (3, "the last error\n"));
    assert!(text.contains("exit code 3: it broke"), "{text}");
    assert_eq!(kind(next(&mut parts).await), Some(Kind::Over));
    assert_eq!(next(&mut parts).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_lost_in_the_middle_is_told() {
    let (chain, process, hand, task) = running().await;
    until_printed(&process, &chain, task).await;
    let mut parts =
        read(&process, task, true, proof(&process, &chain.requester).await).await.unwrap();
    for _ in 0..3 {
        next(&mut parts).await;
    }
    drop(hand);
    assert_eq!(kind(next(&mut parts).await), Some(Kind::Away));
    assert_eq!(kind(next(&mut parts).await), Some(Kind::Lost));
    let again = proof(&process, &chain.requester).await;
    let mut parts = read(&process, task, false, again).await.unwrap();
    assert_eq!(next(&mut parts).await, output(false, "one\n"), "what it printed is still there");
}

async fn logs(process: &Process, task: TaskId, header: &str) -> reqwest::Response {
    let url = format!("{}/tasks/{task}/logs", process.url());
    let request = reqwest::Client::new().get(url).header("authorization", header);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_protocol_find_tasks_and_logs_where_they_look_for_them() {
    let (chain, process, hand, task) = running().await;
    until_printed(&process, &chain, task).await;
    let requester = chain.requester.address();
    let worker = hand.wallet.address().to_checksum(None);

    let path = format!("/tasks/logs/challenge?chainId=31337&address={requester}");
    let asked: Value = process.get(&path).await.json().await.unwrap();
    let text = asked["message"]["challenge"].as_str().unwrap();
    let random = text.strip_prefix("Sign this message to log into iExec Core: ").unwrap();
    assert_eq!(random.len(), 32);
    let expected = json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
            ],
            "Challenge": [{ "name": "challenge", "type": "string" }],
        },
        "domain": { "name": "iExec Core", "version": "1", "chainId": 31337 },
        "primaryType": "Challenge",
        "message": { "challenge": text },
    });
    assert_eq!(asked, expected);
    for (path, error) in [
        ("/tasks/logs/challenge?chainId=1&address=0x00", "chainId 1 is not supported"),
        ("/tasks/logs/challenge", "chainId is missing"),
        ("/tasks/logs/challenge?chainId=31337&address=me", "address must be an address"),
        ("/tasks/nothing/logs", "this is no task id"),
    ] {
        let response = process.get(path).await;
        assert_eq!(response.status(), 400, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer, json!({ "ok": false, "error": error }));
    }

    let header = proof(&process, &chain.requester).await;
    let response = logs(&process, task, &header).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let answer: Value = response.json().await.unwrap();
    let told = json!({ "walletAddress": worker, "stdout": "one\n", "stderr": "oops\n" });
    assert_eq!(answer, json!({ "computeLogsList": [told] }));

    // A page of somebody else's asks first whether it may send the header.
    let url = format!("{}/tasks/{task}/logs", process.url());
    let preflight = reqwest::Client::new()
        .request(reqwest::Method::OPTIONS, url)
        .header("origin", "https://explorer.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    let preflight = preflight.send().await.unwrap();
    assert!(preflight.status().is_success());
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_protocol_read_where_a_task_stands_in_their_own_words() {
    let (_chain, process, hand, task) = running().await;
    let worker = hand.wallet.address().to_checksum(None);
    eventually("the run is known", async || {
        let shown: Value = process.get(&format!("/tasks/{task}")).await.json().await.ok()?;
        (shown["replicates"][0]["currentStatus"] == "COMPUTING").then_some(())
    })
    .await;
    let shown: Value = process.get(&format!("/tasks/{task}")).await.json().await.unwrap();
    assert_eq!(shown["currentStatus"], "RUNNING");
    let dates = shown["dateStatusList"].as_array().unwrap();
    assert_eq!([&dates[0]["status"], &dates[1]["status"]], ["RECEIVED", "RUNNING"]);
    assert!(dates[0]["date"].as_str().unwrap().ends_with('Z'), "{shown:#}");
    let replica = &shown["replicates"][0];
    assert_eq!(
        (&replica["walletAddress"], &replica["currentStatus"]),
        (&json!(worker), &json!("COMPUTING"))
    );
    assert_eq!(replica.get("appExitCode"), None, "there is none yet");
    hand.fails(task).await;
    let shown = eventually("the failure is shown", async || {
        let shown: Value = process.get(&format!("/tasks/{task}")).await.json().await.unwrap();
        (shown["replicates"][0]["appExitCode"] == 3).then_some(shown)
    })
    .await;
    let replica = &shown["replicates"][0];
    assert_eq!(replica["currentStatus"], "COMPUTE_FAILED");
    let update = &replica["statusUpdateList"][0];
    assert_eq!(update["status"], "COMPUTE_FAILED");
    assert!(update["cause"].as_str().unwrap().contains("it broke"), "{update}");
}
