//! Votes that are honest, and votes that are copied.

use anyhow::{Context, Result, ensure};
use poco_chain::{Chain, FileLedger, SendError, Sender, SenderSettings, Transaction};
use poco_core::call::Contribution;
use poco_core::payout::Share;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Address, Amount, Bytes, Call, ResultDigest, TaskId, U256};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// More than twice the seconds of category XS: the time that winners have to reveal.
const PAST_THE_REVEAL_DEADLINE_SECONDS: u64 = 601;
/// Much more than a reveal takes.
const PLENTY_OF_GAS: &str = "0x7a120";
/// For what honest parties do by themselves, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn of_five_honest_workers_three_are_asked_and_nobody_is_slashed() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: 5, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    let before = Balances::read(&chain, 5).await?;
    let task = bought(&pool, &world)?;
    completed(&chain, task).await.with_context(|| pool.scheduler.tail(60))?;

    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 3, "a liar would have made it five");
    for (worker, share) in &settled.payout.workers {
        assert!(matches!(share, Share::Proved { .. }), "{worker}: {share:?}");
        assert_eq!(chain.score(*worker).await?, U256::ONE);
    }
    for number in 0..5 {
        let worker = wallet(Party::Worker(number))?.address();
        let was_asked = settled.view.contributors.contains(&worker);
        assert_eq!(chain.score(worker).await?, U256::from(was_asked), "{worker}");
    }
    before.assert_paid(&chain, &[settled.payout]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copier_of_anothers_vote_cannot_reveal_and_loses_its_stake() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: 2, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    world.fund(Party::Worker(2), "100RLC")?;
    let before = Balances::read(&chain, 3).await?;
    // With two honest workers, the copier is the third that trust 5 needs.
    let mut copier = Villain::log_in(&pool.url, Arc::new(wallet(Party::Worker(2))?)).await?;
    let task = bought(&pool, &world)?;
    let assignment = copier.assigned().await?;
    let copied = copy_of_a_vote(&chain, task, assignment.authorization.into()).await?;
    let ledger = FileLedger::open(&world.path("copier.json"))?;
    let sender =
        Sender::start(chain.clone(), copier.wallet(), ledger, SenderSettings::default()).await?;
    sender.send("copy", Transaction::hub(&chain, &Call::Contribute(copied))).await?;

    // Once the honest ones have revealed, everybody knows the digest.
    let digest = wait_for("the honest reveals", PATIENCE, async || {
        let view = chain.task(task).await?;
        Ok((view.reveal_count == 2).then_some(view.digest))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))?;
    assert_ne!(digest, ResultDigest::ZERO);
    assert_eq!(chain.task(task).await?.winner_count, 3, "the hub cannot tell a copy yet");
    let reveal = Transaction::hub(&chain, &Call::Reveal { task, digest });
    let refused = sender.send("reveal", reveal.clone()).await;
    ensure!(matches!(refused, Err(SendError::Refused(_))), "a copy was revealed: {refused:?}");
    assert!(mined_and_reverted(&world, copier.address(), &reveal).await?);

    world.anvil.travel(PAST_THE_REVEAL_DEADLINE_SECONDS).await?;
    completed(&chain, task).await.with_context(|| pool.scheduler.tail(60))?;
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), 3);
    for (worker, share) in &settled.payout.workers {
        let is_copier = *worker == copier.address();
        assert_eq!(matches!(share, Share::Faulty { .. }), is_copier, "{worker}: {share:?}");
        assert_eq!(chain.score(*worker).await?, U256::from(!is_copier), "{worker}");
    }
    before.assert_paid(&chain, &[settled.payout]).await
}

/// Buys one task at trust 5.
fn bought(pool: &Pool, world: &World) -> Result<TaskId> {
    let words = ["--args", "echo hello", "--trust", "5", "--detach"];
    let answer = pool.run(world, &words)?.json()?;
    Ok(answer["tasks"][0].as_str().context("a task")?.parse()?)
}

async fn completed(chain: &Chain, task: TaskId) -> Result<()> {
    wait_for("the task to be completed", PATIENCE, async || {
        let status = chain.task(task).await?.status;
        Ok((status == TaskStatus::Completed).then_some(()))
    })
    .await
}

/// The first vote that the chain shows, under another wallet's authorization.
async fn copy_of_a_vote(
    chain: &Chain,
    task: TaskId,
    authorization_sign: Bytes,
) -> Result<Contribution> {
    let victim = wait_for("an honest vote", PATIENCE, async || {
        Ok(chain.task(task).await?.contributors.first().copied())
    })
    .await?;
    let vote = chain.contribution(task, victim).await?;
    ensure!(vote.status == ContributionStatus::Contributed, "too late to copy: {vote:?}");
    Ok(Contribution {
        task,
        hash: vote.hash,
        seal: vote.seal,
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign,
    })
}

/// Sends a transaction that no careful sender would, and answers whether it failed when mined.
async fn mined_and_reverted(world: &World, from: Address, tx: &Transaction) -> Result<bool> {
    let request = json!({ "from": from, "to": tx.to, "data": tx.data, "gas": PLENTY_OF_GAS });
    Ok(world.anvil.transact(request).await?["status"] == "0x0")
}
