//! The same binaries on the reference's own contracts, those that the live marketplace runs on.

mod contracts;

use alloy_sol_types::{SolCall, sol};
use anyhow::{Context, Result};
use poco_chain::{Addresses, Chain, ChainSettings};
use poco_core::Amount;
use poco_core::payout::Share;
use poco_core::task::TaskStatus;
use poco_core::{Address, Bytes, TaskId, U256};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, SETTLEMENT};
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::{Value, json};

sol! {
    function importScore(address worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_complete_on_the_reference_contracts() -> Result<()> {
    let world = World::start_with(contracts::deploy).await?;
    // As they come: they find out by themselves that this hub has no settlement lane.
    let [scheduler_environment, worker_environment] = SETTLEMENT;
    let plan = Plan { scheduler_environment, worker_environment, ..Plan::default() };
    let pool = Pool::start(&world, &plan).await?;
    let chain = world.chain().await?;

    // Three fresh workers, each call a transaction of its own.
    let before = Balances::read(&chain, 3).await?;
    let task = run(&world, &pool, "classic", &["--args", "echo hello", "--trust", "5"])?;
    let classic = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(classic.view.status, TaskStatus::Completed);
    assert_eq!(classic.view.contributors.len(), 3);
    for (worker, share) in &classic.payout.workers {
        assert!(matches!(share, Share::Proved { .. }), "{worker}: {share:?}");
        assert_eq!(chain.score(*worker).await?, U256::ONE);
    }
    before.assert_paid(&chain, &[classic.payout]).await?;

    // One worker that contributes and finalizes in one.
    let before = Balances::read(&chain, 3).await?;
    let task = run(&world, &pool, "fast", &["--args", "echo again"])?;
    let fast = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(fast.view.status, TaskStatus::Completed);
    assert_eq!(fast.view.contributors.len(), 1);
    before.assert_paid(&chain, &[fast.payout]).await?;

    // What only hubs of this project have is refused by name.
    let bond = ["account", "bond", &pool.workerpool, "1RLC"];
    let refused = world.poco(Party::Worker(0), &bond)?;
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("the hub has no settlement lane, so no bonds"), "{refused:?}");
    takes_over(&world, &chain, pool.app.parse()?, classic.view.contributors[0]).await
}

/// A hub of this project comes after it: with its token, its categories, the entries of its registries, and
/// the scores of its workers.
async fn takes_over(world: &World, old: &Chain, app: Address, worker: Address) -> Result<()> {
    let file = world.path("after.toml");
    let (url, hub) = (world.anvil.url().as_str(), old.hub().to_string());
    let path = file.to_string_lossy();
    let words = ["--rpc-url", url, "admin", "deploy", "--previous", &hub, "--write", &path];
    world.poco(Party::Owner, &words)?.json()?;
    let addresses = Addresses::read(&file)?;
    assert_ne!(addresses.hub, old.hub());
    let new = Chain::connect(&ChainSettings::from(&addresses)).await?;
    assert_eq!(new.token(), old.token());
    assert_eq!(new.category_count().await?, old.category_count().await?);
    let entry = new.app(app).await?.context("the app of the hub before")?;
    assert_eq!(entry, old.app(app).await?.context("an app")?);

    assert_eq!(new.score(worker).await?, U256::ZERO);
    let import = importScoreCall { worker };
    let data = Bytes::from(import.abi_encode());
    let anybody = wallet(Party::Requester)?.address();
    let request = json!({ "from": anybody, "to": addresses.hub, "data": data });
    world.anvil.transact(request).await?;
    assert_eq!(new.score(worker).await?, old.score(worker).await?);
    assert_eq!(new.score(worker).await?, U256::ONE);
    Ok(())
}

/// Runs `poco run` to its checked result.
fn run(world: &World, pool: &Pool, name: &str, words: &[&str]) -> Result<TaskId> {
    let output = world.path(name);
    let folder = output.to_string_lossy().into_owned();
    let answer = pool.run(world, &[words, &["--output", &folder]].concat())?;
    let answer: Value = answer.json().with_context(|| pool.scheduler.tail(60))?;
    assert!(output.join("result.txt").exists());
    Ok(answer["tasks"][0].as_str().context("a task")?.parse()?)
}
