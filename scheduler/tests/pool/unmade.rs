//! Tasks that are not made yet, asked for by their ids.

use crate::chain::{Chainside, eventually};
use crate::scheduler::Process;
use poco_core::{Address, DealId, TaskId, U256};
use poco_proto::v1::explain_request::Subject as Asked;
use poco_proto::v1::{GetTaskRequest, TaskStatus, observer_client::ObserverClient};
use serde_json::Value;

fn task(deal: DealId, index: u64) -> TaskId {
    TaskId::of_deal(deal, U256::from(index))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_made_yet_is_known_and_says_why() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    process.told(&["pause"]);
    let deal = chain.order(1, 40, Address::ZERO).await;
    let report = eventually("the deal is seen", async || process.task(task(deal, 39)).await).await;
    let paused = "new deals are paused by the operator";
    assert_eq!(report.status(), TaskStatus::Pending);
    assert_eq!((&report.task, &report.deal), (&task(deal, 39).0.to_vec(), &deal.0.to_vec()));
    assert!(report.waiting_for.contains(paused), "{}", report.waiting_for);
    let shown: Value =
        process.get(&format!("/tasks/{}", task(deal, 39))).await.json().await.unwrap();
    assert_eq!(shown["chainTaskId"], task(deal, 39).to_string());
    let told = process.explain(Asked::Task(task(deal, 39).0.to_vec())).await.unwrap();
    let holds: Vec<&str> = told.held_by.iter().map(|hold| hold.name.as_str()).collect();
    assert_eq!(holds, ["paused", "slots"], "{told:#?}");
    assert!(told.changes.iter().all(|way| way.changes[0] == "the operator resumes new deals"));
    let told: Value = process.get("/explain/pool").await.json().await.unwrap();
    assert!(told["waits_for"].as_str().unwrap().contains(paused), "{told:#}");
    let missing = process.explain(Asked::Task(task(deal, 40).0.to_vec())).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);

    // Who watches it hears when it is made.
    let mut client = ObserverClient::connect(process.url()).await.unwrap();
    let request = GetTaskRequest { task: task(deal, 0).0.to_vec() };
    let mut reports = client.watch_task(request).await.unwrap().into_inner();
    let first = reports.message().await.unwrap().unwrap();
    assert!(first.waiting_for.contains(paused), "{}", first.waiting_for);
    process.told(&["resume"]);
    let next = reports.message().await.unwrap().unwrap();
    assert!(!next.waiting_for.contains(paused), "{}", next.waiting_for);
    // Without workers there is room for eight; the last says how many come first.
    let told = process.explain(Asked::Task(task(deal, 39).0.to_vec())).await.unwrap();
    assert_eq!(told.held_by.len(), 1, "{told:#?}");
    assert!(told.waits_for.contains("31 more come before it"), "{}", told.waits_for);
}
