//! The settlement lane with real processes: workers sign, the pool commits and settles, and no
//! silence costs a stake.

use anyhow::{Context, Result};
use poco_chain::{Chain, Interest, LocatedEvent, Transaction};
use poco_core::lane::{LaneCall, LaneEvent, Nonce};
use poco_core::payout::Share;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Amount, B256, Event, ResultDigest, TaskId};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, SETTLEMENT};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, World, wallet};
use poco_proto::v1::Stage;
use std::sync::Arc;
use std::time::Duration;

/// T of the category of these tasks, with a second to spare.
const CLOCK_SECONDS: u64 = 301;
/// Longest wait for something that must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn plan(workers: usize) -> Plan {
    let [scheduler_environment, worker_environment] = SETTLEMENT;
    Plan { workers, scheduler_environment, worker_environment, ..Plan::default() }
}

/// Every event of the lane so far.
async fn lane_events(chain: &Chain) -> Result<Vec<LaneEvent>> {
    let head = chain.latest().await?.number;
    let all = chain.events(&Interest::everything(), 1, head).await?;
    let mut events = Vec::new();
    for LocatedEvent { event, .. } in all {
        if let Event::Lane(event) = event {
            events.push(event);
        }
    }
    Ok(events)
}

async fn commits(chain: &Chain) -> Result<usize> {
    let events = lane_events(chain).await?;
    Ok(events.iter().filter(|event| matches!(event, LaneEvent::Committed { .. })).count())
}

async fn until_status(pool: &Pool, chain: &Chain, task: TaskId, wanted: TaskStatus) -> Result<()> {
    wait_for(&format!("{wanted:?}"), PATIENCE, async || {
        Ok((chain.task(task).await?.status == wanted).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))
}

fn detached(pool: &Pool, world: &World, trust: &str) -> Result<TaskId> {
    let words = ["--args", "echo hello", "--trust", trust, "--detach"];
    let answer = pool.run(world, &words)?.json()?;
    Ok(answer["tasks"][0].as_str().context("a task")?.parse()?)
}

/// The lane in which the pool says that a task went, as the CLI shows it.
fn lane_shown(pool: &Pool, world: &World, task: TaskId) -> Result<String> {
    let market = ["--market-url", pool.market_url.as_str(), "task", "show"];
    let task = task.to_string();
    let shown = world.poco(Party::Requester, &[&market[..], &[&task]].concat())?.json()?;
    Ok(shown["pool"]["lane"].as_str().with_context(|| shown.to_string())?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_sign_and_are_paid_by_one_settlement() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &plan(3)).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 3).await?;
    let before = Balances::read(&chain, 3).await?;
    let output = world.path("result").to_string_lossy().into_owned();
    let words = ["--args", "echo hello", "--trust", "5", "--output", &output];
    let answer = pool.run(&world, &words)?.json().with_context(|| pool.scheduler.tail(60))?;
    let task: TaskId = answer["tasks"][0].as_str().context("a task")?.parse()?;
    assert!(world.path("result").join("result.txt").exists());

    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 3);
    assert_eq!(commits(&chain).await?, 1);
    assert_eq!(lane_shown(&pool, &world, task)?, "settlement");
    for number in 0..3 {
        let worker = wallet(Party::Worker(number))?.address();
        let bond = chain.bond(worker, pool.workerpool.parse()?).await?.context("the lane")?;
        assert_eq!(bond.locked, Amount::ZERO);
        assert_eq!(chain.score(worker).await?, poco_core::U256::ONE);
    }
    before.assert_paid_beside_bonds(&chain, &[settled.payout], pool.workerpool.parse()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_is_settled_in_batches() -> Result<()> {
    const TASKS: usize = 20;
    let world = World::start().await?;
    let pool = Pool::start(&world, &plan(3)).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 3).await?;
    let before = Balances::read(&chain, 3).await?;
    let output = world.path("results").to_string_lossy().into_owned();
    let words = ["--args", "environment", "--trust", "4", "--volume", "20", "--output", &output];
    let answer = pool.run(&world, &words)?.json().with_context(|| pool.scheduler.tail(60))?;
    let tasks = answer["tasks"].as_array().context("tasks")?;
    assert_eq!(tasks.len(), TASKS);
    let mut payouts = Vec::new();
    for task in tasks {
        let task: TaskId = task.as_str().context("a task")?.parse()?;
        let settled = settled(&chain, task, Amount::ZERO).await?;
        assert_eq!(settled.view.status, TaskStatus::Completed);
        payouts.push(settled.payout);
    }
    let commits = commits(&chain).await?;
    assert!(commits < TASKS / 2, "{commits} commits of {TASKS} tasks");
    before.assert_paid_beside_bonds(&chain, &payouts, pool.workerpool.parse()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bond_a_task_takes_the_classic_lane() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &plan(2)).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 2).await?;
    world.fund(Party::Worker(2), "100RLC")?;
    let unbonded = pool.worker(&world, 2, &[])?;
    pool.workers.push(unbonded);
    let task = detached(&pool, &world, "5")?;
    until_status(&pool, &chain, task, TaskStatus::Completed).await?;
    assert_eq!(commits(&chain).await?, 0);
    assert_eq!(lane_shown(&pool, &world, task)?, "classic");
    Ok(())
}

/// The scheduler dies when it would tell the votes of the row.
const DYING: &[(&str, &str)] =
    &[("POCO_SCHEDULER_LANE", "auto"), ("POCO_FAILPOINTS", "scheduler.lane.row.before")];

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_falls_silent_costs_its_workers_nothing() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { scheduler_environment: DYING, ..plan(3) }).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 3).await?;
    let task = detached(&pool, &world, "5")?;
    wait_for("the scheduler's death", PATIENCE, async || Ok(pool.scheduler.ended()?.map(|_| ())))
        .await
        .with_context(|| pool.scheduler.tail(60))?;
    assert_eq!(commits(&chain).await?, 1);

    world.anvil.travel(CLOCK_SECONDS).await?;
    wait_for("three disclosures", PATIENCE, async || {
        Ok((chain.task(task).await?.contributors.len() == 3).then_some(()))
    })
    .await
    .with_context(|| pool.workers[0].tail(60))?;
    world.anvil.travel(CLOCK_SECONDS).await?;
    wait_for("three reveals", PATIENCE, async || {
        Ok((chain.task(task).await?.reveal_count == 3).then_some(()))
    })
    .await
    .with_context(|| pool.workers[0].tail(60))?;
    for number in 0..3 {
        let worker = wallet(Party::Worker(number))?.address();
        let view = chain.contribution(task, worker).await?;
        assert_eq!(view.status, ContributionStatus::Proved);
    }
    // What they earn waits for a pool to finalize; what they staked is as it was.
    for number in 0..3 {
        let account = chain.account(wallet(Party::Worker(number))?.address()).await?;
        let all = account.free.checked_add(account.locked);
        assert_eq!(all, Some(Amount::from_nano(100 * Amount::NANO_PER_RLC)));
    }
    Ok(())
}

/// A villain with a bond for the pool.
async fn bonded_villain(world: &World, pool: &Pool, number: usize) -> Result<Villain> {
    world.fund(Party::Worker(number), "100RLC")?;
    let wallet = Arc::new(wallet(Party::Worker(number))?);
    let chain = world.chain().await?;
    let workerpool = pool.workerpool.parse()?;
    let call = LaneCall::Bond { workerpool, amount: Amount::from_nano(50_000_000_000) };
    world.send(wallet.clone(), Transaction::lane(&chain, &call)).await?;
    Villain::log_in(&pool.url, wallet).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_in_the_lane_is_outvoted_and_loses_its_stake() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &plan(2)).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 2).await?;
    let mut liar = bonded_villain(&world, &pool, 4).await?;
    for number in 2..4 {
        world.fund(Party::Worker(number), "100RLC")?;
    }
    let before = Balances::read(&chain, 5).await?;
    let task = detached(&pool, &world, "5")?;
    let (lie, nonce) = (ResultDigest(B256::repeat_byte(0x11)), Nonce(7));
    liar.assigned().await?;
    liar.report(task, Stage::Computed).await?;
    liar.signs(chain.domain_separator(), lie, nonce).await?;
    wait_for("the commit", PATIENCE, async || Ok((commits(&chain).await? == 1).then_some(())))
        .await
        .with_context(|| pool.scheduler.tail(60))?;
    liar.discloses(task, lie, nonce).await?;
    // Its vote is on chain for all to see; two more honest workers outweigh it.
    for number in 2..4 {
        let worker = pool.worker(&world, number, &[])?;
        pool.workers.push(worker);
    }
    until_status(&pool, &chain, task, TaskStatus::Completed).await?;
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 5);
    for (worker, share) in &settled.payout.workers {
        let is_liar = *worker == liar.address();
        assert_eq!(matches!(share, Share::Faulty { .. }), is_liar, "{worker}: {share:?}");
    }
    before.assert_paid_beside_bonds(&chain, &[settled.payout], pool.workerpool.parse()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_silent_after_the_commit_loses_its_stake() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &plan(2)).await?;
    let chain = world.chain().await?;
    pool.until_bonded(&chain, 2).await?;
    let mut silent = bonded_villain(&world, &pool, 4).await?;
    world.fund(Party::Worker(2), "100RLC")?;
    let before = Balances::read(&chain, 5).await?;
    let task = detached(&pool, &world, "5")?;
    silent.assigned().await?;
    silent.report(task, Stage::Computed).await?;
    let digest = ResultDigest(B256::repeat_byte(0x22));
    silent.signs(chain.domain_separator(), digest, Nonce(7)).await?;
    wait_for("the commit", PATIENCE, async || Ok((commits(&chain).await? == 1).then_some(())))
        .await
        .with_context(|| pool.scheduler.tail(60))?;
    // The two honest ones disclose; then the time is over.
    for worker in &pool.workers {
        wait_for("a disclosure", PATIENCE, async || {
            Ok(worker.output().contains("telling the committed vote").then_some(()))
        })
        .await
        .with_context(|| worker.tail(40))?;
    }
    let third = pool.worker(&world, 2, &[])?;
    pool.workers.push(third);
    world.anvil.travel(2 * CLOCK_SECONDS).await?;
    until_status(&pool, &chain, task, TaskStatus::Completed).await?;
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 4);
    for (worker, share) in &settled.payout.workers {
        let is_silent = *worker == silent.address();
        assert_eq!(matches!(share, Share::Faulty { .. }), is_silent, "{worker}: {share:?}");
    }
    before.assert_paid_beside_bonds(&chain, &[settled.payout], pool.workerpool.parse()?).await
}
