//! What an operator sees of a running scheduler, and does with it.

use crate::chain::{Chainside, completed, eventually, order};
use crate::scheduler::{Process, program};
use crate::worker::{Output, Worker};
use poco_chain::Wallet;
use poco_core::task::TaskStatus;
use poco_core::{Address, TaskId};
use poco_proto::v1::refusal::Cause;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A worker that computes only what the gate lets through.
async fn gated(chain: &Arc<Chainside>, process: &Process) -> (Address, Arc<Semaphore>) {
    let wallet = Arc::new(Wallet::random());
    chain.fund(&wallet).await;
    let (address, gate) = (wallet.address(), Arc::new(Semaphore::new(0)));
    let mut worker = Worker {
        chain: chain.clone(),
        wallet,
        url: process.url(),
        output: Arc::new(Output::make("a result")),
        swap: None,
        gate: Some(gate.clone()),
        live: BTreeMap::new(),
    };
    tokio::spawn(async move { worker.session().await });
    eventually("the worker is connected", async || {
        (process.pool().await.workers == 1).then_some(())
    })
    .await;
    (address, gate)
}

async fn given(process: &Process, task: TaskId) {
    eventually("the task is given away", async || {
        (process.task(task).await?.replicas.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_the_operator_are_obeyed_and_hold_over_restarts() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    let worker = Worker::spawn(&chain, process.url(), output.clone()).await;
    completed(&chain, order(&chain).await).await;
    assert_eq!(process.told(&["pause"]), "new deals are paused\n");
    assert_eq!(process.told(&["pause"]), "new deals are paused, as before\n");
    let paused = order(&chain).await;
    process.kill_and_restart(&chain, "");
    process.until_healthy().await;
    eventually("the deal is seen and waits", async || {
        process.told(&["status"]).contains("with 1 tasks not made yet").then_some(())
    })
    .await;
    let (code, health) = process.health().await;
    assert_eq!((code, health["state"].as_str()), (200, Some("degraded")), "{health}");
    assert_eq!(health["reasons"][0], "new deals are paused by the operator");
    let shown = worker.to_checksum(None);
    assert_eq!(process.told(&["drain", &shown]), format!("{shown} gets no new tasks\n"));
    process.told(&["resume"]);
    eventually("the task is open and nobody may take it", async || {
        process.task(paused).await?.waiting_for.contains("0 of the others fit").then_some(())
    })
    .await;
    assert_eq!(process.health().await.1["state"], "ok");
    let metrics = process.get("/metrics").await.text().await.unwrap();
    for number in ["workers_drained 1", "workers 1", "tasks_waits{reason=\"workers\"} 1"] {
        assert!(metrics.contains(&format!("\npoco_scheduler_{number}\n")), "{number}: {metrics}");
    }
    process.told(&["undrain", &shown]);
    completed(&chain, paused).await;

    process.told(&["deny", &shown]);
    let denied = |process: &Process| Worker {
        chain: chain.clone(),
        wallet: Arc::new(Wallet::random()),
        url: process.url(),
        output: output.clone(),
        swap: None,
        gate: None,
        live: BTreeMap::new(),
    };
    eventually("its stream is cut", async || (process.pool().await.workers == 0).then_some(()))
        .await;
    let mut other = denied(&process);
    let wallet = other.wallet.address().to_checksum(None);
    process.told(&["deny", &wallet]);
    process.kill_and_restart(&chain, "");
    process.until_healthy().await;
    assert_eq!(other.session().await, Some(Cause::NotAllowed));
    let list = process.told(&["list"]);
    assert!(list.contains(&format!("{wallet}  denied by order")), "{list}");
    process.told(&["forget", &shown]);
    completed(&chain, order(&chain).await).await;
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("poco_scheduler_refused_total{reason=\"login-not-allowed\"}"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_make_no_sense_are_refused() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    for words in [&["drain"][..], &["drain", "nobody"], &["deny", "0x12"], &["dance"]] {
        let output = process.command(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    let socket = process.folder.path().join("data").join("admin.sock");
    let client = reqwest::Client::builder().unix_socket(socket).build().unwrap();
    let url = |path: &str| format!("http://scheduler{path}");
    let wallet = Address::ZERO;
    for (path, status) in [
        ("/workers/nobody/drain".to_owned(), 400),
        (format!("/workers/{wallet}/dance"), 404),
        (format!("/workers/{wallet}"), 404),
        ("/dance".into(), 404),
        ("/status".into(), 405),
    ] {
        assert_eq!(client.post(url(&path)).send().await.unwrap().status(), status, "{path}");
    }
    assert_eq!(client.get(url("/pause")).send().await.unwrap().status(), 405);
    // What only an operator may do, the public port does not know.
    let public = reqwest::Client::new().post(format!("{}/pause", process.url()));
    assert_eq!(public.send().await.unwrap().status(), 404);
    assert_eq!(process.health().await.1["state"], "ok", "nothing has changed");
    process.kill();
    let dead = process.command(&["status"]);
    let text = String::from_utf8_lossy(&dead.stderr);
    assert!(!dead.status.success() && text.contains("it has ended; start it again"), "{text}");
    let nowhere = program().args(["pause", "--data-dir", "/nowhere"]).output().unwrap();
    let text = String::from_utf8_lossy(&nowhere.stderr);
    assert!(!nowhere.status.success() && text.contains("give its --data-dir"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_opened_without_room_for_results() {
    let chain = Chainside::start().await;
    let may_take = |bytes| ["--results-bytes-max", bytes, "--floor-room-bytes", "1000000"];
    let mut process = Process::start(&chain, &may_take("1000001")).await;
    Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    completed(&chain, order(&chain).await).await;
    let health = eventually("the result takes the room", async || {
        let health: serde_json::Value = process.get("/healthz").await.json().await.unwrap();
        (health["state"] == "degraded").then_some(health)
    })
    .await;
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(reason.contains("bytes are left for results, below the floor of 1000000"), "{reason}");
    let held = order(&chain).await;
    let explained = eventually("the deal is seen", async || {
        let response = process.get(&format!("/explain/task/{held}")).await;
        response
            .json::<serde_json::Value>()
            .await
            .ok()
            .filter(|told| told["held_by"][0].is_object())
    })
    .await
    .to_string();
    assert!(explained.contains("\"until_bytes\":1100000"), "{explained}");
    assert_eq!(chain.chain.task(held).await.unwrap().status, TaskStatus::Unset);
    process.kill_and_restart_with(&chain, &may_take("2000000"));
    completed(&chain, held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_there_is() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let worker = Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    completed(&chain, order(&chain).await).await;
    let status = eventually("the end is seen", async || {
        let status: serde_json::Value =
            serde_json::from_str(&process.told(&["status", "--json"])).unwrap();
        (status["tasks"]["completed"] == 1 && status["spent"]["earnedRlc"] != 0.0).then_some(status)
    })
    .await;
    assert_eq!(status["health"]["state"], "ok");
    assert_eq!(status["workers"][0]["worker"], worker.to_checksum(None).as_str());
    assert_eq!((&status["slots"], &status["slotsUsed"]), (&2.into(), &0.into()));
    assert_eq!(status["spent"]["transactions"]["initialize"]["mined"], 1);
    assert!(status["spent"]["gas"].as_u64().unwrap() > 20_000, "{status}");
    assert!(status["storeBytes"].as_u64().unwrap() > 0);
    assert!(status["resultsBytes"].as_u64().unwrap() > 0);
    assert!(status["roomBytes"].as_u64().unwrap() > 0);
    let mut public: serde_json::Value = process.get("/status").await.json().await.unwrap();
    assert!(public["pool"]["upSeconds"].as_u64() >= status["pool"]["upSeconds"].as_u64());
    public["pool"]["upSeconds"] = status["pool"]["upSeconds"].clone();
    assert_eq!(public["pool"], status["pool"], "the same but for what has passed since");
    let table = process.told(&["status"]);
    for part in ["initialize: 1 mined", "1 connected, 0 of 2 slots used", "1 completed"] {
        assert!(table.contains(part), "{part:?} is missing in\n{table}");
    }
    let page = process.get("/").await;
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'")
    );
    let page = page.text().await.unwrap();
    let parts = [
        ("status.", &status),
        (" pool.", &status["pool"]),
        ("chain.", &status["chain"]),
        ("funds.", &status["funds"]),
        ("spent.", &status["spent"]),
        ("one.", &status["workers"][0]),
        ("health.", &status["health"]),
    ];
    for (of, object) in parts {
        let uses = page.split(of).skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or_default();
            &rest[..end]
        });
        let used: Vec<&str> = uses.collect();
        assert!(!used.is_empty(), "{of}");
        for name in used {
            assert!(object.get(name).is_some(), "the page shows {of}{name}, which is not told");
        }
    }
    let metrics = process.get("/metrics").await.text().await.unwrap();
    for line in [
        "poco_scheduler_chain_up 1",
        "poco_scheduler_concerns{concern=\"gas-low\"} 0",
        "poco_scheduler_task_seconds_count{status=\"pending\"} 1",
        "poco_scheduler_task_seconds_count{status=\"active\"} 1",
        "poco_scheduler_stake_rlc{state=\"free\"}",
        "poco_scheduler_store_bytes",
        "poco_scheduler_output_bytes",
        "poco_scheduler_results_bytes",
        "poco_scheduler_room_bytes",
        "poco_scheduler_chain_lag_blocks 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_run_under_way_and_ends_with_it() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let (_, gate) = gated(&chain, &process).await;
    let id = order(&chain).await;
    given(&process, id).await;
    process.terminate();
    eventually("it says what it waits for", async || {
        process.log().contains("waiting up to 60 s for 1 runs").then_some(())
    })
    .await;
    let late = order(&chain).await;
    gate.add_permits(1);
    completed(&chain, id).await;
    assert!(process.ended().await.success(), "{}", process.log());
    assert_eq!(chain.chain.task(late).await.unwrap().status, TaskStatus::Unset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_the_next_start_goes_on() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let (worker, gate) = gated(&chain, &process).await;
    let id = order(&chain).await;
    given(&process, id).await;
    process.terminate();
    eventually("it waits", async || process.log().contains("waiting up to").then_some(())).await;
    assert!(!process.has_ended());
    assert!(process.stop().await.success(), "{}", process.log());
    process.kill_and_restart(&chain, "");
    gate.add_permits(1);
    process.until_healthy().await;
    let kept = process.task(id).await.unwrap();
    assert_eq!(kept.replicas[0].worker, worker.to_vec(), "the promise is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_nothing_to_wait_for_or_no_patience_is_quick() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &["--stop-seconds", "0"]).await;
    gated(&chain, &process).await;
    given(&process, order(&chain).await).await;
    assert!(process.stop().await.success());
    assert!(process.log().contains("stopping before everything has ended: 1 runs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_of_gas_no_task_is_opened_and_it_is_said() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &["--floor-stake-nano", "2000000"]).await;
    Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    let owner = chain.owner.address();
    let reasons = async |count: usize| {
        eventually("the reasons are told", async || {
            let (code, health) = process.health().await;
            assert_eq!(code, 200);
            let reasons = health["reasons"].as_array()?.clone();
            (reasons.len() == count).then_some(reasons)
        })
        .await
    };
    let stake = reasons(1).await;
    assert!(stake[0].as_str().unwrap().contains("of free stake, below the floor"), "{stake:?}");
    chain.set_gas(owner, 1_000).await;
    let both = reasons(2).await;
    assert!(both[0].as_str().unwrap().contains("has 1000 wei for gas, below"), "{both:?}");
    let id = order(&chain).await;
    eventually("the deal is seen and waits", async || {
        let status: serde_json::Value = process.get("/status").await.json().await.ok()?;
        (status["tasksUnmade"] == 1).then_some(())
    })
    .await;
    assert_eq!(chain.chain.task(id).await.unwrap().status, TaskStatus::Unset);
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("poco_scheduler_concerns{concern=\"gas-low\"} 1"), "{metrics}");
    chain.set_gas(owner, 1_000_000_000_000_000_000).await;
    completed(&chain, id).await;
    let told = process.log().matches("below the floor of").count();
    assert_eq!(told, 2, "each once: {}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_out_of_reach_is_told() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    assert_eq!(process.health().await.0, 200);
    chain.silence(true);
    let health = eventually("it is told", async || {
        let (code, health) = process.health().await;
        (code == 503).then_some(health)
    })
    .await;
    assert_eq!((&health["ok"], &health["state"]), (&false.into(), &"down".into()));
    assert!(health["reasons"][0].as_str().unwrap().starts_with("the chain was not read for"));
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("poco_scheduler_chain_up 0"), "{metrics}");
    chain.silence(false);
    eventually("it is over", async || (process.health().await.0 == 200).then_some(())).await;
}
