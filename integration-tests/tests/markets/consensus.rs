//! The life of a task on real parts: chain, market, scheduler, workers, containers.

use anyhow::{Context, Result};
use poco_chain::Transaction;
use poco_core::payout::Share;
use poco_core::task::TaskStatus;
use poco_core::{Amount, B256, ResultDigest, TaskId, U256};
use poco_integration_tests::payments::{Balances, Settled, settled};
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, World, wallet};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_at_trust_5_agree_and_are_paid_to_the_nano_rlc() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan::default()).await?;
    let chain = world.chain().await?;
    let before = Balances::read(&chain, 3).await?;
    let output = world.path("result");
    let words = ["--args", "echo hello", "--trust", "5", "--output"];
    let folder = output.to_string_lossy().into_owned();
    let answer = pool.run(&world, &[&words[..], &[&folder]].concat())?;
    let answer = answer.json().with_context(|| pool.scheduler.tail(60))?;
    let task = answer["tasks"][0].as_str().context("a task")?.parse()?;
    assert!(output.join("result.txt").exists());

    let Settled { view, payout } = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(view.contributors.len(), 3, "three fresh workers reach trust 5");
    for (worker, share) in &payout.workers {
        assert!(matches!(share, Share::Proved { .. }), "{worker} was right");
        assert_eq!(chain.score(*worker).await?, U256::ONE);
    }
    before.assert_paid(&chain, &[payout]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lies_is_outvoted_and_its_stake_is_shared_out() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { workers: 2, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    for number in 2..5 {
        world.fund(Party::Worker(number), "100RLC")?;
    }
    let before = Balances::read(&chain, 5).await?;
    // With two honest workers, the liar is the third that trust 5 needs.
    let mut liar = Villain::log_in(&pool.url, Arc::new(wallet(Party::Worker(4))?)).await?;
    let words = ["--args", "echo hello", "--trust", "5", "--detach"];
    let answer = pool.run(&world, &words)?.json()?;
    let task: TaskId = answer["tasks"][0].as_str().context("a task")?.parse()?;
    let assignment = liar.assigned().await?;
    let lie = ResultDigest(B256::repeat_byte(0x11));
    let vote = liar.vote(task, assignment, lie);
    world.send(liar.wallet(), Transaction::hub(&chain, &vote)).await?;
    // Two more honest workers, and the group of four outweighs the lie.
    for number in 2..4 {
        let worker = pool.worker(&world, number, &[])?;
        pool.workers.push(worker);
    }
    wait_for("the task to be completed", Duration::from_secs(60), async || {
        let status = chain.task(task).await?.status;
        Ok((status == TaskStatus::Completed).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))?;

    let Settled { view, payout } = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(view.contributors.len(), 5, "four must agree where one lies");
    for (worker, share) in &payout.workers {
        let is_liar = *worker == liar.address();
        assert_eq!(matches!(share, Share::Faulty { .. }), is_liar, "{worker}: {share:?}");
    }
    assert_eq!(chain.score(liar.address()).await?, U256::ZERO);
    before.assert_paid(&chain, &[payout]).await
}
