//! One key has one scheduler.

use crate::chain::{Chainside, eventually};
use crate::scheduler::{Process, configured, free_address};
use crate::worker::{Output, Worker};
use poco_chain::Transaction;
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, TaskId, U256};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_scheduler_on_the_key_is_refused_on_this_machine() {
    let chain = Chainside::start().await;
    let first = Process::start(&chain, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let second = configured(&chain, &free_address(), folder.path(), &first.keystore)
        .arg("--lock-dir")
        .arg(first.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    let data = first.folder.path().join("data");
    for part in ["another scheduler (pid ", &data.display().to_string(), "stop it"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(!folder.path().join("data").exists(), "it leaves no trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_scheduler_on_another_machine_is_noticed_by_its_transactions() {
    let chain = Chainside::start().await;
    // Each has locks of its own, as on two machines.
    let mut both = [Process::start(&chain, &[]).await, Process::start(&chain, &[]).await];
    // Both may sign the very same `initialize`; only the one with workers can finalize.
    let output = Arc::new(Output::make("a result"));
    for _ in 0..2 {
        Worker::spawn(&chain, both[0].url(), output.clone()).await;
    }
    let id = TaskId::of_deal(chain.order(3, 1, Address::ZERO).await, U256::ZERO);
    eventually("one of the two stops", async || {
        both.iter()
            .any(|process| process.log().contains("another scheduler uses the key"))
            .then_some(())
    })
    .await;
    let stopped = both.iter().position(|one| one.log().contains("another scheduler")).unwrap();
    let status = both[stopped].ended().await;
    let log = both[stopped].log();
    assert!(!status.success() && log.contains("stop one of the two"), "{log}");
    // Started again alone, it goes on.
    both[1 - stopped].kill();
    both[stopped].kill_and_restart(&chain, "");
    for _ in 0..2 {
        Worker::spawn(&chain, both[stopped].url(), output.clone()).await;
    }
    eventually("the task is completed", async || {
        let view = chain.chain.task(id).await.ok()?;
        (view.status == TaskStatus::Completed).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_does_with_the_key_stops_nothing() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    for number in 0..3 {
        let deposit = Transaction::approve_and_deposit(&chain.chain, Amount::ZERO);
        chain.send(&chain.owner, &format!("deposit {number}"), deposit).await.unwrap();
        let id = TaskId::of_deal(chain.order(1, 1, Address::ZERO).await, U256::ZERO);
        eventually("the task is completed", async || {
            let view = chain.chain.task(id).await.ok()?;
            (view.status == TaskStatus::Completed).then_some(())
        })
        .await;
    }
    // Longer than one look at the chain.
    let looked = chain.chain.latest().await.unwrap().number;
    eventually("the key was looked at", async || {
        let status: serde_json::Value = process.get("/status").await.json().await.ok()?;
        (status["chain"]["latest"].as_u64()? >= looked).then_some(())
    })
    .await;
    assert!(!process.has_ended(), "{}", process.log());
}
