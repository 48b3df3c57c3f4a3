//! What a worker sends about a task that it was given, and what is asked about one that there is, may be
//! anything: it is refused with a reason or of no account, and the task ends well.

use crate::bad_input::{Line, refused, worker};
use crate::chain::{Chainside, completed, order};
use crate::scheduler::Process;
use crate::variants::{Variant, variants};
use crate::worker::{Output, Worker};
use poco_chain::Wallet;
use poco_core::TaskId;
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_proto::v1::upload_part::Body as Part;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_client::WorkersClient;
use poco_proto::v1::{
    Ack, Disclosure, Failure, GetTaskRequest, Heartbeat, LogsRequest, Printed, PrintedPart, Report,
    RowVote, Stage, UploadHeader, UploadPart, command,
};
use poco_proto::words;
use std::sync::Arc;
use tonic::Code;

/// A worker with a wallet that has money, which answers nothing by itself.
async fn silent(chain: &Arc<Chainside>, process: &Process) -> Worker {
    let wallet = Arc::new(Wallet::random());
    chain.fund(&wallet).await;
    Worker { wallet, output: Arc::new(Output::make("a result")), ..worker(chain, process) }
}

/// Until it is given a task.
async fn given(line: &mut Line) -> TaskId {
    loop {
        match line.hear().await {
            Some(Heard::Command(command)) => match command.body.unwrap() {
                command::Body::Assign(assign) => return words::task(&assign.task).unwrap(),
                other => panic!("{other:?}"),
            },
            Some(Heard::Ack(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What a worker may say of a task that it runs, each with something wrong in it.
fn wrong_words(task: TaskId) -> Vec<(String, Told)> {
    let id = task.0.to_vec();
    let failure = Failure { cause: 1, exit_code: 1, detail: "no".into(), ..Failure::default() };
    let report = Report {
        task: id.clone(),
        stage: Stage::Running.into(),
        failure: Some(failure),
        transaction: vec![1; 32],
    };
    let vote = RowVote { hash: vec![1; 32], seal: vec![2; 32], nonce: vec![3; 16] };
    let disclosure = Disclosure { task: id.clone(), vote: Some(vote), digest: vec![4; 32] };
    let parts = vec![PrintedPart { is_stderr: true, offset: 1, data: vec![5; 10] }];
    let printed = Printed { task: id, telling: 1, parts, is_over: false };
    let named = |of: &str, name: String| format!("{of}.{name}");
    let heartbeats = variants("Heartbeat", &Heartbeat { next_seconds: 5 }).into_iter();
    // Of messages that were never sent, too.
    let acks = variants("Ack", &Ack { id: 1 }).into_iter();
    let reports = variants("Report", &report).into_iter();
    let disclosures = variants("Disclosure", &disclosure).into_iter();
    let printed = variants("Printed", &printed).into_iter();
    reports
        .map(|one| (named("report", one.name), Told::Report(one.message)))
        .chain(
            disclosures.map(|one| (named("disclosure", one.name), Told::Disclosure(one.message))),
        )
        .chain(printed.map(|one| (named("printed", one.name), Told::Printed(one.message))))
        .chain(heartbeats.map(|one| (named("heartbeat", one.name), Told::Heartbeat(one.message))))
        .chain(acks.map(|one| (named("ack", one.name), Told::Ack(one.message))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_worker_says_of_its_task_the_task_ends_well() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let worker = silent(&chain, &process).await;
    let mut line = Line::logged_in(&process, &worker).await;
    let ordered = order(&chain).await;
    let task = given(&mut line).await;
    assert_eq!(task, ordered);
    let all = wrong_words(task);
    assert!(all.len() > 60, "{}", all.len());
    let (mut cut, before) = (0, refused(&process).await);
    for (name, told) in all {
        line.say(told).await;
        // Acknowledged after what was said before it, unless that ended the stream.
        let (id, stage) = (task.0.to_vec(), Stage::Running.into());
        line.say(Told::Report(Report { task: id, stage, ..Report::default() })).await;
        loop {
            match line.hear().await {
                Some(Heard::Ack(_)) => break,
                // An id that lacks a byte is another task's.
                Some(Heard::Command(command)) => match command.body.unwrap() {
                    command::Body::Abandon(abandon) => assert_ne!(abandon.task, task.0.0, "{name}"),
                    command::Body::Assign(_) => {}
                    other => panic!("{name}: {other:?}"),
                },
                Some(Heard::Refusal(refusal)) => {
                    assert!(!refusal.detail.is_empty(), "{name}");
                    cut += 1;
                    line = Line::logged_in(&process, &worker).await;
                    break;
                }
                None => panic!("{name} ended the stream without a word"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let counted = refused(&process).await - before;
    assert!(counted > 40 && cut < 10, "{counted} were counted, {cut} streams cut");
    assert_eq!(process.health().await.0, 200);
    drop(line);
    worker.keep_working();
    completed(&chain, task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_with_anything_wrong_in_it_is_refused_and_the_right_one_taken() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let worker = silent(&chain, &process).await;
    let mut line = Line::logged_in(&process, &worker).await;
    order(&chain).await;
    let task = given(&mut line).await;
    let mut workers = WorkersClient::connect(process.url()).await.unwrap();
    let output = worker.output.clone();
    let usual = UploadHeader {
        session: line.session.clone(),
        task: task.0.to_vec(),
        size: output.bytes.len() as u64,
        cid: output.cid.clone(),
        callback: Vec::new(),
    };
    let part = |body| UploadPart { body: Some(body) };
    let data = |bytes: &[u8]| part(Part::Data(bytes.to_vec()));
    let header = |header: &UploadHeader| part(Part::Header(header.clone()));
    let (bytes, half) = (&output.bytes[..], output.bytes.len() / 2);
    let mut all = vec![
        ("no data".to_owned(), vec![header(&usual)]),
        ("half of it".to_owned(), vec![header(&usual), data(&bytes[..half])]),
        ("a byte more".to_owned(), vec![header(&usual), data(bytes), data(&[0])]),
        ("a header amid it".to_owned(), vec![header(&usual), data(&bytes[..half]), header(&usual)]),
        ("another's bytes".to_owned(), vec![header(&usual), data(&vec![7; bytes.len()])]),
        ("nothing amid it".to_owned(), vec![header(&usual), UploadPart { body: None }]),
    ];
    for Variant { name, message } in variants("UploadHeader", &usual) {
        all.push((name, vec![header(&message), data(bytes)]));
    }
    let mut taken = Vec::new();
    for (name, parts) in all {
        match workers.upload_result(tokio_stream::iter(parts)).await {
            Ok(_) => taken.push(name),
            Err(status) => {
                let code = status.code();
                let is_refusal = matches!(
                    code,
                    Code::InvalidArgument | Code::Unauthenticated | Code::FailedPrecondition
                );
                assert!(is_refusal && !status.message().is_empty(), "{name}: {status}");
            }
        }
    }
    // What a callback would be is of no account where there is none: the zip says it.
    assert!(taken.iter().all(|name| name.starts_with("callback: ")), "{taken:?}");
    assert_eq!(process.health().await.0, 200);
    drop(line);
    worker.keep_working();
    completed(&chain, task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_a_task_that_make_no_sense_are_refused() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let worker = Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    let task = order(&chain).await;
    completed(&chain, task).await;
    let mut observer = ObserverClient::connect(process.url()).await.unwrap();
    let usual = GetTaskRequest { task: task.0.to_vec() };
    for Variant { name, message } in variants("GetTaskRequest", &usual) {
        let before = refused(&process).await;
        let status = observer.get_statement(message).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
        assert!(refused(&process).await > before, "{name}");
    }
    let usual = LogsRequest {
        task: task.0.to_vec(),
        worker: worker.to_vec(),
        follow: false,
        authorization: format!("0x{}_0x{}_{worker}", "ab".repeat(32), "cd".repeat(65)),
    };
    let mut all = variants("LogsRequest", &usual);
    all.push(Variant { name: "nothing wrong but the answer".into(), message: usual });
    for Variant { name, message } in all {
        let before = refused(&process).await;
        let status = observer.read_logs(message).await.unwrap_err();
        let code = status.code();
        let is_refusal =
            matches!(code, Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied);
        assert!(is_refusal && !status.message().is_empty(), "{name}: {status}");
        assert!(refused(&process).await > before, "{name}");
    }
    assert_eq!(process.health().await.0, 200);
}
