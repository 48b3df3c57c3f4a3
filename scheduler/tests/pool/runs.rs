//! Tasks from their deal to their result, with kills in between.

use crate::chain::{Chainside, completed, eventually};
use crate::scheduler::Process;
use crate::worker::{Output, Swap, Worker};
use poco_chain::{GroupPurpose, Transaction, Wallet};
use poco_core::{Address, Conditions, DealId, OrderMark, Recorded, TaskId, U256, message};
use poco_proto::v1::explain_request::Subject as Asked;
use poco_proto::v1::scheduler_message::Body as Heard;
use poco_scheduler_core::{Draw, MemberRecord};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn task(deal: DealId) -> TaskId {
    TaskId::of_deal(deal, U256::ZERO)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fast_lane_ends_in_a_result_that_everybody_can_fetch() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    let worker = Worker::spawn(&chain, process.url(), output.clone()).await;
    let id = task(chain.order(1, 1, Address::ZERO).await);
    completed(&chain, id).await;
    let location = format!("/ipfs/{}", output.cid);
    let view = chain.chain.task(id).await.unwrap();
    let expected = format!(r#"{{"storage":"ipfs","location":"{location}"}}"#);
    assert_eq!(view.results.as_ref(), expected.as_bytes());

    let response = process.get(&location).await;
    assert_eq!(response.headers()["content-type"], "application/zip");
    assert_eq!(response.bytes().await.unwrap(), output.bytes);
    let client = reqwest::Client::new();
    let part = client.get(format!("{}{location}", process.url())).header("range", "bytes=2-5");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), output.bytes[2..6]);
    // What is no range, or lies beyond the end, is refused or counts as none.
    for range in ["bytes=9-0", "bytes=-", "bytes=99999999999999999999-", "rubbish"] {
        let asked = client.get(format!("{}{location}", process.url())).header("range", range);
        let answer = asked.send().await.unwrap();
        match answer.status().as_u16() {
            416 => {}
            200 => assert_eq!(answer.bytes().await.unwrap(), output.bytes, "{range}"),
            other => panic!("{range}: {other}"),
        }
    }
    let head = client.head(format!("{}{location}", process.url())).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], output.bytes.len().to_string().as_str());
    assert_eq!(process.get("/ipfs/nonsense").await.status(), 400);

    let report = eventually("the scheduler sees the end", async || {
        let report = process.task(id).await?;
        (report.status() == poco_proto::v1::TaskStatus::Completed).then_some(report)
    })
    .await;
    assert_eq!((report.location, report.replicas.len()), (location.clone(), 1));
    assert_eq!(report.replicas[0].worker, worker.to_vec());
    let shown: serde_json::Value = process.get(&format!("/tasks/{id}")).await.json().await.unwrap();
    assert_eq!(shown["currentStatus"], "COMPLETED");
    let pool = process.pool().await;
    assert_eq!((pool.workers, pool.slots, pool.slots_free), (1, 2, 2));
    let metrics = process.get("/metrics").await.text().await.unwrap();
    let readme = include_str!("../../README.md").split("\n## Metrics\n").nth(1).unwrap();
    let rows = readme.split("\n## ").next().unwrap().lines().filter(|row| row.starts_with("| `"));
    let first = |row: &'static str| row.split(" | ").next().unwrap_or_default();
    let names: Vec<&str> = rows.flat_map(|row| first(row).split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 30, "{names:?}");
    let is_there = |name: &&str| metrics.contains(&format!("\n# TYPE poco_scheduler_{name} "));
    let missing: Vec<&str> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert_eq!(missing, [""; 0], "the README tells of these");
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}")).parse().unwrap()
    };
    let gas = value("poco_scheduler_gas_total");
    assert!(gas > 50_000.0, "{gas} for a task that was opened");
    // Of a few wei at least: nothing is for free here.
    assert!(value("poco_scheduler_fees_gwei_total") > 0.0);
    assert_eq!(value("poco_scheduler_slots"), 2.0);
    assert_eq!(value("poco_scheduler_slots_used"), 0.0);
    assert_eq!(value("poco_scheduler_workers_drained"), 0.0);
    assert_eq!(value("poco_scheduler_tasks_waits{reason=\"workers\"}"), 0.0);
    for line in [
        "poco_scheduler_workers 1",
        "poco_scheduler_tasks{status=\"completed\"} 1",
        "poco_scheduler_transactions_total{kind=\"initialize\",outcome=\"mined\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert!(process.stop().await.success(), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_goes_through_little_memory() {
    // Digits of which none follows from those before: only half of them can be packed away.
    let mut digits = 1u64;
    let mut next = || {
        digits =
            digits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", digits >> 32)
    };
    let text: String = (0..1u32 << 23).map(|_| next()).collect();
    let output = Arc::new(Output::make(&text));
    let size = output.bytes.len() as u64;
    assert!(size > 32 << 20, "{size}");
    let chain = Chainside::start().await;
    let process = Arc::new(Process::start(&chain, &[]).await);
    let before = process.memory();
    let (watched, peak) = (process.clone(), Arc::new(AtomicU64::new(0)));
    let seen = peak.clone();
    let watch = tokio::spawn(async move {
        loop {
            seen.fetch_max(watched.memory(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    Worker::spawn(&chain, process.url(), output.clone()).await;
    let id = task(chain.order(1, 1, Address::ZERO).await);
    completed(&chain, id).await;
    let fetch = async || {
        let answer = process.get(&format!("/ipfs/{}", output.cid)).await;
        assert_eq!(answer.bytes().await.unwrap(), output.bytes);
    };
    tokio::join!(fetch(), fetch(), fetch());
    watch.abort();
    let growth = peak.load(Ordering::Relaxed).saturating_sub(before);
    assert!(growth < 24 << 20, "{growth} bytes more for a result of {size}, fetched by three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_for_one_wallet_is_given_to_nobody_else() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a secret"));
    for _ in 0..2 {
        Worker::spawn(&chain, process.url(), output.clone()).await;
    }
    let (beneficiary, stranger) = (Wallet::random(), Wallet::random());
    let id = task(chain.order(3, 1, beneficiary.address()).await);
    completed(&chain, id).await;
    let url = format!("{}/ipfs/{}", process.url(), output.cid);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 401);
    let client = reqwest::Client::new();
    for (wallet, status) in [(&stranger, 403), (&beneficiary, 200)] {
        let address = wallet.address();
        let asked: serde_json::Value = process
            .get(&format!("/results/{id}/challenge?address={address}"))
            .await
            .json()
            .await
            .unwrap();
        let text = asked["data"]["message"]["challenge"].as_str().unwrap();
        let service = asked["data"]["domain"]["name"].as_str().unwrap();
        let hash = message::challenge_hash(service, 31337, text);
        let header = format!("{hash}_{}_{address}", wallet.sign_hash(hash));
        let response = client.get(&url).header("authorization", &header).send().await.unwrap();
        assert_eq!(response.status(), status, "{address}");
        let again = client.get(&url).header("authorization", header).send().await.unwrap();
        assert_eq!(again.status(), 401, "a challenge is answered once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_of_these_points_the_task_is_completed_all_the_same() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    // One more than needed: it must not be asked in place of one that only lost its stream.
    for _ in 0..3 {
        Worker::spawn(&chain, process.url(), output.clone()).await;
    }
    let mut runs = Vec::new();
    for point in [
        "scheduler.store.deal.before",
        "scheduler.store.deal.after",
        "scheduler.ledger.put.after",
        "scheduler.initialize.before",
        "scheduler.initialize.after",
        "scheduler.assign.before",
        "scheduler.assign.after",
        "scheduler.reveal.before",
        "scheduler.reveal.after",
        "scheduler.upload.before",
        "scheduler.upload.receive.before",
        "scheduler.upload.object.after",
        "scheduler.upload.receipt.before",
        "scheduler.finalize.before",
        "scheduler.finalize.after",
        "scheduler.ended.after",
    ] {
        // Some points are reached at the start already, for what is left of the run before.
        process.kill_and_restart(&chain, point);
        let id = task(chain.order(3, 1, Address::ZERO).await);
        let began = std::time::Instant::now();
        while !process.has_ended() {
            assert!(began.elapsed().as_secs() < 60, "{point} was not reached: {}", process.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        process.kill_and_restart(&chain, "");
        completed(&chain, id).await;
        let view = chain.chain.task(id).await.unwrap();
        // Late in the list one worker may have earned enough weight to do alone.
        assert!(view.contributors.len() <= 2, "{point}: {:?}", view.contributors);
        runs.push(view.contributors.len());
    }
    assert!(runs.iter().filter(|count| **count == 2).count() > 10, "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_for_known_workers_is_done_by_those() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    let group = Transaction::create_group(chain.owner.address());
    let guard = chain.send(&chain.owner, "group", group).await.unwrap().contract.unwrap();
    let stranger = Worker::spawn(&chain, process.url(), output.clone()).await;
    eventually("the stranger is connected", async || {
        (process.pool().await.workers == 1).then_some(())
    })
    .await;
    let kept = Conditions::KNOWN_WORKERS | Conditions::STRICT_REVEALS;
    let salt = OrderMark::new(kept, None, 0, guard).unwrap().to_salt();
    let id = task(chain.order_salted(1, 1, Address::ZERO, salt).await);
    let waiting = eventually("the stranger is passed over", async || {
        let waiting = process.task(id).await?.waiting_for;
        waiting.contains("does not know them").then_some(waiting)
    })
    .await;
    assert!(
        waiting.ends_with(&format!(
            "1 more would fit, but the deal's guard {guard} does not know them"
        ))
    );
    let told = process.explain(Asked::Task(id.0.to_vec())).await.unwrap();
    assert_eq!((told.looked_at, told.free, told.waits_for), (1, 0, waiting));
    assert_eq!(told.nearest[0].misses, ["guard_denies"]);
    let join = format!("the guard {guard} knows {stranger}");
    assert_eq!(told.changes[0].changes, [join]);
    let told = process.explain(Asked::Task(vec![9; 32])).await.unwrap_err();
    assert_eq!(told.code(), tonic::Code::NotFound);
    let shown: serde_json::Value =
        process.get(&format!("/explain/worker/{stranger}")).await.json().await.unwrap();
    assert_eq!(shown["trace"]["removed"]["guard_denies"], 1);
    let shown: serde_json::Value =
        process.get("/explain/order?trust=3").await.json().await.unwrap();
    assert_eq!(shown["changes"][0][0]["change"], "connect");
    let shown: serde_json::Value = process.get("/explain/pool").await.json().await.unwrap();
    assert_eq!(shown["parts"][0]["subject"], format!("task {id}"));
    assert_eq!(process.get("/explain/task/nonsense").await.status(), 400);

    let wallet = Arc::new(Wallet::random());
    let known = wallet.address();
    chain.fund(&wallet).await;
    let add = Transaction::add_to_group(guard, &[known], GroupPurpose::Member);
    chain.send(&chain.owner, "add", add).await.unwrap();
    let (url, live) = (process.url(), BTreeMap::new());
    let mut worker =
        Worker { chain: chain.clone(), wallet, url, output, swap: None, gate: None, live };
    tokio::spawn(async move { worker.session().await });
    completed(&chain, id).await;
    let view = chain.chain.task(id).await.unwrap();
    assert_eq!(view.contributors, [known]);
    assert_ne!(known, stranger);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_which_order_workers_were_tried_can_be_computed_again() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    for _ in 0..6 {
        Worker::spawn(&chain, process.url(), output.clone()).await;
    }
    eventually("all are connected", async || (process.pool().await.workers == 6).then_some(()))
        .await;
    chain.ask("evm_mine", json!([])).await;
    // A place counts for the matches of later blocks.
    let id = task(chain.order(3, 1, Address::ZERO).await);
    completed(&chain, id).await;
    let explained = process.explain(Asked::Task(id.0.to_vec())).await.unwrap();
    let fact = |name: &str| {
        let found = explained.facts.iter().find(|fact| fact.name == name);
        found.map(|fact| fact.value.clone())
    };
    let drawn = fact("order drawn by").expect("it is told what the order was drawn by");
    let words: Vec<&str> = drawn.split(|letter: char| !letter.is_alphanumeric()).collect();
    let ["block", block, hash, "", places, "places"] = words[..] else { panic!("{drawn}") };
    let (block, places): (u64, u32) = (block.parse().unwrap(), places.parse().unwrap());
    let found = chain.ask("eth_getBlockByNumber", json!([format!("{block:#x}"), false])).await;
    assert_eq!(found["hash"], hash, "the chain has that block");
    let members: Vec<MemberRecord> = process.get("/members").await.json().await.unwrap();
    assert_eq!(members.len(), 6);
    let draw = Draw::new(hash.parse().unwrap(), id, places);
    let order: Vec<Address> = (0..places)
        .filter_map(|rank| {
            let place = draw.place(rank)?;
            let member = members.iter().find(|member| member.place == place)?;
            (member.since_block < block).then_some(member.worker)
        })
        .collect();
    assert_eq!(order.len(), 6);
    // All were free and fit: the first two have it, and it says so.
    let view = chain.chain.task(id).await.unwrap();
    assert_eq!(BTreeSet::from_iter(view.contributors), BTreeSet::from_iter(order[..2].to_vec()));
    for (rank, worker) in order.iter().take(2).enumerate() {
        let told = fact(&format!("worker {worker}")).unwrap();
        assert!(told.ends_with(&format!(", rank {rank}")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_bound_results_the_zip_that_was_voted_for_is_taken_and_no_other() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::bound("a result"));
    // The same content in another zip: in any other deal it would do.
    let swap = Swap { output: Output::make("a result"), answer: Mutex::default() };
    let swap = Arc::new(swap);
    for _ in 0..2 {
        let swap = Some(swap.clone());
        Worker::spawn_with(&chain, process.url(), output.clone(), swap).await;
    }
    let salt = OrderMark::new(Conditions::BOUND_RESULTS, None, 0, Address::ZERO).unwrap();
    let id = task(chain.order_salted(3, 1, Address::ZERO, salt.to_salt()).await);
    completed(&chain, id).await;
    let (liar, answer) = swap.answer.lock().unwrap().take().expect("somebody was asked");
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code(), tonic::Code::FailedPrecondition);
    assert_eq!(
        refusal.message(),
        "the results of this deal are bound, and the votes are for another zip than this"
    );
    let view = chain.chain.task(id).await.unwrap();
    assert!(view.contributors.contains(&liar), "it voted as the other did");
    let location = format!("/ipfs/{}", output.cid);
    assert_eq!(view.results, Recorded::BoundLocation.results(&location));
    assert_eq!(Recorded::BoundLocation.is_as_voted(&view), Some(true));
    assert_eq!(process.get(&location).await.bytes().await.unwrap(), output.bytes);
    let of_swap = process.get(&format!("/ipfs/{}", swap.output.cid)).await;
    assert_eq!(of_swap.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stream_of_a_live_wallet_is_refused_and_a_foreign_upload_too() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    let wallet = Arc::new(Wallet::random());
    let worker = || Worker {
        chain: chain.clone(),
        wallet: wallet.clone(),
        url: process.url(),
        output: output.clone(),
        swap: None,
        gate: None,
        live: BTreeMap::new(),
    };
    let mut first = worker();
    tokio::spawn(async move { first.session().await });
    eventually("the worker is connected", async || {
        (process.pool().await.workers == 1).then_some(())
    })
    .await;
    let refused = worker().session().await;
    assert_eq!(refused, Some(poco_proto::v1::refusal::Cause::AlreadyConnected));
    let id = task(DealId::ZERO);
    let status = worker().upload(id, &[7; 32], &output).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_answered_before_anything_else_is_said() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a result"));
    // A heartbeat that came first did so every few times: many wallets at once, many tries.
    let logins = (0..100).map(|_| {
        let worker = Worker {
            chain: chain.clone(),
            wallet: Arc::new(Wallet::random()),
            url: process.url(),
            output: output.clone(),
            swap: None,
            gate: None,
            live: BTreeMap::new(),
        };
        tokio::spawn(async move { worker.first_answer().await })
    });
    let logins: Vec<_> = logins.collect();
    for login in logins {
        let answer = login.await.unwrap();
        assert!(matches!(answer, Some(Heard::Welcome(_))), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_before_a_task_was_known_sees_its_end() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    let id = task(chain.order(1, 1, Address::ZERO).await);
    // Many at once, so that some of them ask just when the task becomes known.
    let watchers = (0..32).map(|_| process.watched(id));
    for last in futures::future::join_all(watchers).await {
        assert_eq!(last.status(), poco_proto::v1::TaskStatus::Completed, "{last:?}");
    }
}
