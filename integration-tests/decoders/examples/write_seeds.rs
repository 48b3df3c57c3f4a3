//! Writes the seeds that are made from the protocol into `fuzz/seeds`, over what is there:
//! `cargo run -p poco-decoders --example write_seeds`. The others there are text.
#![allow(clippy::unwrap_used, reason = "whoever runs it sees where")]

use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, Signed, WorkerpoolOrder};
use poco_proto::v1::{
    Abandon, Assign, Ballot, Capacity, Challenge, Command, Disclosure, ExplainOrder,
    ExplainRequest, Failure, LiveTask, Login, Report, Row, RowVote, SchedulerMessage, UploadHeader,
    UploadPart, Welcome, WorkerMessage, command, explain_request, scheduler_message, upload_part,
    worker_message,
};
use prost::Message;
use std::path::Path;

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn main() {
    worker_messages();
    scheduler_messages();
    questions();
    orders();
}

fn word() -> Vec<u8> {
    vec![1; 32]
}

fn address() -> Vec<u8> {
    vec![2; 20]
}

fn vote() -> RowVote {
    RowVote { hash: word(), seal: word(), nonce: vec![3; 16] }
}

fn live() -> Vec<LiveTask> {
    vec![LiveTask { task: word(), stage: 4 }]
}

fn worker_messages() {
    for (name, body) in [
        (
            "login",
            worker_message::Body::Login(Login {
                worker: address(),
                signature: vec![4; 65],
                protocol_version: 2,
                software_version: "0.1.0".into(),
                capacity: Some(Capacity {
                    slots: 2,
                    tag: word(),
                    machine: word(),
                    owner: address(),
                    region: "eu-west".into(),
                    ..Capacity::default()
                }),
                live: live(),
            }),
        ),
        (
            "report",
            worker_message::Body::Report(Report {
                task: word(),
                stage: 9,
                failure: Some(Failure { cause: 7, exit_code: -1, ..Failure::default() }),
                transaction: word(),
            }),
        ),
        (
            "ballot",
            worker_message::Body::Ballot(Ballot {
                deal: word(),
                first: 1,
                entries: vec![word(); 3],
                signature: vec![4; 65],
            }),
        ),
        (
            "disclosure",
            worker_message::Body::Disclosure(Disclosure {
                task: word(),
                vote: Some(vote()),
                digest: word(),
            }),
        ),
    ] {
        let message = WorkerMessage { id: 1, body: Some(body) };
        put("worker_messages", name, &message.encode_to_vec());
    }
}

fn scheduler_messages() {
    let commanded = |body| scheduler_message::Body::Command(Command { body: Some(body) });
    for (name, body) in [
        (
            "challenge",
            scheduler_message::Body::Challenge(Challenge {
                nonce: word(),
                chain_id: 31337,
                hub: address(),
                workerpool: address(),
                protocol_version: 2,
            }),
        ),
        (
            "welcome",
            scheduler_message::Body::Welcome(Welcome {
                printed_bytes_max: 1 << 20,
                session: word(),
                heartbeat_seconds: 5,
                idle_heartbeat_seconds: 120,
                live: live(),
            }),
        ),
        (
            "assign",
            commanded(command::Body::Assign(Assign {
                task: word(),
                deal: word(),
                index: 1,
                authorization: vec![4; 65],
                enclave_challenge: address(),
                lane: 3,
            })),
        ),
        ("row", commanded(command::Body::Row(Row { task: word(), votes: vec![vote(); 2] }))),
        (
            "abandon",
            commanded(command::Body::Abandon(Abandon { task: word(), reason: "replaced".into() })),
        ),
    ] {
        let message = SchedulerMessage { id: 1, body: Some(body) };
        put("scheduler_messages", name, &message.encode_to_vec());
    }
}

const PARAMS: &str = r#"{"iexec_args":"x","poco_placement":{"regions":["eu"],"min_cpus":2}}"#;

fn questions() {
    let order = ExplainOrder {
        tag: word(),
        trust: vec![1, 0],
        worker_stake: vec![1],
        params: PARAMS.into(),
        conditions: 8,
        guard: address(),
        category: Some(1),
        price: vec![1],
        volume: 2,
    };
    for (name, subject) in [
        ("task", explain_request::Subject::Task(word())),
        ("worker", explain_request::Subject::Worker(address())),
        ("order", explain_request::Subject::Order(order)),
    ] {
        let request = ExplainRequest { subject: Some(subject) };
        put("questions", name, &request.encode_to_vec());
    }
    let header = UploadHeader { session: word(), task: word(), size: 9, ..UploadHeader::default() };
    let part = UploadPart { body: Some(upload_part::Body::Header(header)) };
    put("questions", "upload", &part.encode_to_vec());
}

fn orders() {
    put("orders", "app", &serde_json::to_vec(&Signed::<AppOrder>::default()).unwrap());
    put("orders", "dataset", &serde_json::to_vec(&Signed::<DatasetOrder>::default()).unwrap());
    put("orders", "pool", &serde_json::to_vec(&Signed::<WorkerpoolOrder>::default()).unwrap());
    let request = RequestOrder { params: PARAMS.into(), ..RequestOrder::default() };
    let request = Signed { order: request, ..Signed::default() };
    put("orders", "request", &serde_json::to_vec(&request).unwrap());
}
