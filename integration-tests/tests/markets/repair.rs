//! A store made anew from the chain, amidst a task: what the workers have voted for comes to its end.

use anyhow::{Context, Result, ensure};
use poco_core::task::TaskStatus;
use poco_core::{Amount, TaskId};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, SETTLEMENT, scheduler_command};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::world::{Party, World};
use std::time::Duration;

/// Longest wait for something that must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const WORKERS: usize = 3;
/// All votes are committed, and told to the pool.
const COMMITTED: [(&str, &str); 2] =
    [("POCO_SCHEDULER_LANE", "auto"), ("POCO_FAILPOINTS", "scheduler.lane.settle.before")];
/// All votes are revealed, and the result is stored.
const REVEALED: [(&str, &str); 1] = [("POCO_FAILPOINTS", "scheduler.finalize.before")];

/// Lets the scheduler die where `plan` says amidst a task, spoils its store, and repairs it.
async fn repaired(plan: &Plan, at_death: TaskStatus) -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, plan).await?;
    let chain = world.chain().await?;
    let has_bonds = plan.worker_environment == SETTLEMENT[1];
    if has_bonds {
        pool.until_bonded(&chain, WORKERS).await?;
    }
    let before = Balances::read(&chain, WORKERS).await?;
    let words = ["--args", "echo hello", "--trust", "5", "--detach"];
    let answer = pool.run(&world, &words)?.json()?;
    let task: TaskId = answer["tasks"][0].as_str().context("a task")?.parse()?;
    wait_for("the scheduler to die", PATIENCE, async || Ok(pool.scheduler.ended()?))
        .await
        .with_context(|| pool.scheduler.tail(60))?;
    assert_eq!(chain.task(task).await?.status, at_death);

    std::fs::write(world.path("scheduler").join("store/CURRENT"), "this is no store")?;
    let place = (pool.workerpool.as_str(), &pool.url);
    let mut command = scheduler_command(&world, place, &pool.market_url, "scheduler")?;
    command.envs(SETTLEMENT[0].iter().copied().filter(|_| has_bonds));
    let output = command.args(["repair", "--from-chain"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.contains("1 deals with 1 tasks"), "{said}");

    let lane: &[_] = if has_bonds { SETTLEMENT[0] } else { &[] };
    pool.scheduler = pool.raise_scheduler(&world, "scheduler", lane)?;
    wait_for("the end", PATIENCE, async || {
        Ok((chain.task(task).await?.status == TaskStatus::Completed).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))?;
    // The result can be fetched and is what the chain says; everybody was paid and nobody slashed.
    let output = world.path("result").display().to_string();
    let fetch = ["--market-url", pool.market_url.as_str(), "result", "download"];
    let id = task.to_string();
    let words = [&fetch[..], &[&id, "--output", &output]].concat();
    world.poco(Party::Requester, &words)?.json()?;
    assert!(world.path("result").join("result.txt").exists());
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), WORKERS);
    let payouts = [settled.payout];
    if has_bonds {
        return before.assert_paid_beside_bonds(&chain, &payouts, pool.workerpool.parse()?).await;
    }
    before.assert_paid(&chain, &payouts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_votes_are_committed_outlives_the_store() -> Result<()> {
    let worker_environment = SETTLEMENT[1];
    let plan = Plan {
        workers: WORKERS,
        scheduler_environment: &COMMITTED,
        worker_environment,
        ..Plan::default()
    };
    repaired(&plan, TaskStatus::Active).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_votes_are_revealed_outlives_the_store() -> Result<()> {
    let plan = Plan { workers: WORKERS, scheduler_environment: &REVEALED, ..Plan::default() };
    repaired(&plan, TaskStatus::Revealing).await
}
