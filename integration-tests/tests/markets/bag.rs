//! A bag of tasks: many indexes of one deal, spread over few workers.

use anyhow::{Context, Result};
use poco_chain::Chain;
use poco_core::payout::Share;
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, TaskId, U256};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, runs_of};
use poco_integration_tests::process::Process;
use poco_integration_tests::world::{Party, World, wallet};
use std::path::Path;

/// Tasks in the bag.
const TASKS: usize = 20;
/// Workers, fewer than tasks by far.
const WORKERS: usize = 3;
/// Two workers must agree: one alone convinces only with a weight above 3.
const TRUST: &str = "4";
/// From this score on a worker weighs more than 3.
const CONVINCING_SCORE: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn each_index_of_a_bag_runs_once_per_replica_and_all_are_paid() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: WORKERS, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    let before = Balances::read(&chain, WORKERS).await?;

    let output = world.path("results");
    let folder = output.to_string_lossy().into_owned();
    let volume = TASKS.to_string();
    let words = ["--args", "environment", "--trust", TRUST, "--volume", &volume];
    let answer = pool.run(&world, &[&words[..], &["--output", &folder]].concat())?;
    let answer = answer.json().with_context(|| pool.scheduler.tail(60))?;
    let tasks = answer["tasks"].as_array().context("tasks")?;
    assert_eq!(tasks.len(), TASKS);

    let mut payouts = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let task: TaskId = task.as_str().context("a task")?.parse()?;
        assert_result(&output.join(index.to_string()), index, task)?;
        let settled = settled(&chain, task, Amount::ZERO).await?;
        assert_eq!(settled.view.status, TaskStatus::Completed);
        assert_eq!(settled.view.index, U256::from(index));
        for (worker, share) in &settled.payout.workers {
            assert!(matches!(share, Share::Proved { .. }), "{index}, {worker}: {share:?}");
        }
        assert_ran_once_each(&chain, &pool.workers, task, &settled.view.contributors).await?;
        assert_eq!(settled.payout.debits(), settled.payout.credits());
        payouts.push(settled.payout);
    }
    before.assert_paid(&chain, &payouts).await
}

/// The result is that of this index of this bag.
fn assert_result(folder: &Path, index: usize, task: TaskId) -> Result<()> {
    let text = std::fs::read_to_string(folder.join("result.txt"))
        .with_context(|| format!("the result of index {index}"))?;
    for line in [
        format!("IEXEC_TASK_ID={task}"),
        format!("IEXEC_BOT_TASK_INDEX={index}"),
        format!("IEXEC_BOT_SIZE={TASKS}"),
        "IEXEC_BOT_FIRST_INDEX=0".to_owned(),
    ] {
        assert!(text.lines().any(|one| one == line), "index {index} has no {line}:\n{text}");
    }
    Ok(())
}

/// Exactly the contributors ran the task, once each, and they were no more than it needed.
async fn assert_ran_once_each(
    chain: &Chain,
    workers: &[Process],
    task: TaskId,
    contributors: &[Address],
) -> Result<()> {
    for (number, process) in workers.iter().enumerate() {
        let worker = wallet(Party::Worker(number))?.address();
        let runs = usize::from(contributors.contains(&worker));
        assert_eq!(runs_of(process, task), runs, "runs of {task} on worker {number}");
    }
    if let [alone] = contributors {
        assert!(
            chain.score(*alone).await? >= U256::from(CONVINCING_SCORE),
            "{task}: one is enough"
        );
    } else {
        assert_eq!(contributors.len(), 2, "{task}: two are enough");
    }
    Ok(())
}
