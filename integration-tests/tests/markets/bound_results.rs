//! Deals with bound results on real parts: what is recorded is what the workers voted for, in every
//! lane, and whoever votes for another zip is found out.

use anyhow::{Context, Result};
use poco_chain::{Chain, Interest, LocatedEvent, Transaction};
use poco_core::lane::LaneEvent;
use poco_core::mark::ConditionsEvent;
use poco_core::payout::Share;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Amount, Bytes, Event, Recorded, ResultDigest, TaskId};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, SETTLEMENT};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for something that must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// A zip that nobody has: the CID of an empty file.
const NOWHERE: &str = "/ipfs/QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH";

fn plan(workers: usize) -> Plan {
    Plan { workers, offer: Some("bound-results"), ..Plan::default() }
}

/// Buys runs of the app with these arguments under bound results, and the answer when all have ended.
fn buy(pool: &Pool, world: &World, args: &str, words: &[&str]) -> Result<Value> {
    let common = ["--args", args, "--require", "bound-results"];
    let answer = pool.run(world, &[&common[..], words].concat())?;
    answer.json().with_context(|| pool.scheduler.tail(60))
}

fn task_of(answer: &Value) -> Result<TaskId> {
    Ok(answer["tasks"][0].as_str().context("a task")?.parse()?)
}

/// The digests that the hub says it bound results to, by task.
async fn bound(chain: &Chain) -> Result<Vec<(TaskId, ResultDigest)>> {
    let head = chain.latest().await?.number;
    let all = chain.events(&Interest::everything(), 1, head).await?;
    let mut told = Vec::new();
    for LocatedEvent { event, .. } in all {
        if let Event::Conditions(ConditionsEvent::ResultsBound { task, digest }) = event {
            told.push((task, digest));
        }
    }
    Ok(told)
}

/// A completed task whose results are those that were voted for.
async fn as_voted(chain: &Chain, task: TaskId) -> Result<TaskView> {
    let view = chain.task(task).await?;
    assert_eq!(view.status, TaskStatus::Completed);
    assert_eq!(Recorded::BoundLocation.is_as_voted(&view), Some(true), "{view:?}");
    Ok(view)
}

/// What `poco task show` says of a task.
fn shown(pool: &Pool, world: &World, task: TaskId) -> Result<Value> {
    let words = ["--market-url", pool.market_url.as_str(), "task", "show"];
    world.poco(Party::Requester, &[&words[..], &[&task.to_string()]].concat())?.json()
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let names = entries.collect::<Result<Vec<_>>>()?;
    let mut names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Votes for results that name a zip nobody has.
async fn votes_for_nowhere(world: &World, liar: &mut Villain, task: TaskId) -> Result<()> {
    let assignment = liar.assigned().await?;
    let lie = Recorded::BoundLocation.digest(ResultDigest::ZERO, NOWHERE);
    let vote = liar.vote(task, assignment, lie);
    world.send(liar.wallet(), Transaction::hub(&world.chain().await?, &vote)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_what_was_voted_for_and_another_zip_is_outvoted() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &plan(1)).await?;
    let chain = world.chain().await?;

    // Trust 1: the only worker computes what it records.
    let output = world.path("alone").display().to_string();
    let answer = buy(&pool, &world, "echo hello", &["--output", &output])?;
    let alone = task_of(&answer)?;
    assert_eq!(answer["results"][0]["bound"], "results");
    let view = as_voted(&chain, alone).await?;
    // What the app printed is not in what is voted for.
    assert_eq!(names_in(&world.path("alone"))?, ["computed.json", "result.txt"]);
    let about = shown(&pool, &world, alone)?;
    assert_eq!((&about["bound"], &about["pool"]["lane"]), (&json!("results"), &json!("fast")));
    assert_eq!(bound(&chain).await?, [(alone, view.digest)]);

    // Trust 3: of the first two one names a zip that there is not; three agree on the real one.
    for number in [1, 2, 4] {
        world.fund(Party::Worker(number), "100RLC")?;
    }
    let before = Balances::read(&chain, 5).await?;
    let mut liar = Villain::log_in(&pool.url, Arc::new(wallet(Party::Worker(4))?)).await?;
    let task = task_of(&buy(&pool, &world, "echo hello", &["--trust", "3", "--detach"])?)?;
    votes_for_nowhere(&world, &mut liar, task).await?;
    for number in 1..3 {
        let worker = pool.worker(&world, number, &[])?;
        pool.workers.push(worker);
    }
    wait_for("the task to be completed", PATIENCE, async || {
        let status = chain.task(task).await?.status;
        Ok((status == TaskStatus::Completed).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))?;
    let voted = as_voted(&chain, task).await?;
    assert_eq!(bound(&chain).await?, [(alone, view.digest), (task, voted.digest)]);
    assert_eq!(voted.results, view.results, "the same content is the same zip");
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 4);
    for (worker, share) in &settled.payout.workers {
        let is_liar = *worker == liar.address();
        assert_eq!(matches!(share, Share::Faulty { .. }), is_liar, "{worker}: {share:?}");
    }
    before.assert_paid(&chain, &[settled.payout]).await?;
    let output = world.path("fetched").display().to_string();
    let words = ["--market-url", pool.market_url.as_str(), "result", "download", "--output"];
    let id = task.to_string();
    let fetched = world.poco(Party::Requester, &[&words[..], &[&output, &id]].concat())?.json()?;
    assert_eq!((&fetched["bound"], &fetched["files"]), (&json!("results"), &json!(2)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_bag_is_settled_and_a_bound_callback_recorded_alone() -> Result<()> {
    let world = World::start().await?;
    let [scheduler_environment, worker_environment] = SETTLEMENT;
    let plan = Plan { scheduler_environment, worker_environment, ..plan(2) };
    let pool = Pool::start(&world, &plan).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 2).await?;
    let output = world.path("bag").display().to_string();
    let words = ["--trust", "3", "--volume", "3", "--output", &output];
    let answer = buy(&pool, &world, "environment", &words)?;
    let tasks = answer["tasks"].as_array().context("tasks")?;
    let mut expected = Vec::new();
    for task in tasks {
        let task: TaskId = task.as_str().context("a task")?.parse()?;
        let view = as_voted(&chain, task).await?;
        assert_eq!(view.contributors.len(), 2);
        assert_eq!(shown(&pool, &world, task)?["pool"]["lane"], "settlement");
        expected.push((task, view.digest));
    }
    assert_eq!(expected.len(), 3);
    assert_ne!(expected[0].1, expected[1].1, "each task has its own result");
    let mut told = bound(&chain).await?;
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
    let head = chain.latest().await?.number;
    let events = chain.events(&Interest::everything(), 1, head).await?;
    let is_commit =
        |one: &&LocatedEvent| matches!(one.event, Event::Lane(LaneEvent::Committed { .. }));
    assert!(events.iter().filter(is_commit).count() > 0);

    let (output, callback) =
        (world.path("called").display().to_string(), wallet(Party::Requester)?.address());
    let callback = callback.to_string();
    let words = ["--callback", &callback, "--output", &output];
    let answer = buy(&pool, &world, "callback 0xc0ffee", &words)?;
    let view = chain.task(task_of(&answer)?).await?;
    assert_eq!(Recorded::BoundCallback.is_as_voted(&view), Some(true));
    assert_eq!(view.results_callback, Bytes::from_static(&[0xc0, 0xff, 0xee]));
    assert_eq!(answer["results"][0]["bound"], "callback");
    assert!(names_in(&world.path("called"))?.contains(&"stdout.txt".to_owned()));
    Ok(())
}
