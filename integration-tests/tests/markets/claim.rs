//! The pool disappears, and the requester gets its money back.

use anyhow::{Context, Result};
use poco_chain::Chain;
use poco_core::payout::{self, KITTY};
use poco_core::task::TaskStatus;
use poco_core::{Amount, DealId, Rules, TaskId, U256};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, start_scheduler};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Answer, Party, World, wallet};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// More than ten times the seconds of category XS, after which every task of it is too late.
const PAST_THE_FINAL_DEADLINE_SECONDS: u64 = 3_001;
/// Exit code of a command that a rule of the marketplace refuses.
const REFUSED: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_disappears_pays_the_kitty_and_the_requester_is_refunded() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { workers: 1, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    let before = Stakes::read(&chain).await?;

    // One of the three workers that trust 5 needs contributes; the others never do.
    let mut idlers = Vec::new();
    for number in 1..3 {
        world.fund(Party::Worker(number), "100RLC")?;
        let wallet = Arc::new(wallet(Party::Worker(number))?);
        idlers.push(Villain::log_in(&pool.url, wallet).await?);
    }
    let begun = bought(&pool.run(&world, &["--args", "echo a", "--trust", "5", "--detach"])?)?;
    wait_for("a contribution", Duration::from_secs(60), async || {
        Ok((!chain.task(begun.task).await?.contributors.is_empty()).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(60))?;
    pool.scheduler.kill()?;
    // Nobody opens the task of a deal that is made while the pool is gone.
    let unopened = bought(&pool.run(&world, &["--args", "echo b", "--detach"])?)?;
    assert_eq!(chain.task(unopened.task).await?.status, TaskStatus::Unset);
    let locked = Stakes::read(&chain).await?;
    assert!(locked.worker.locked > Amount::ZERO, "the contribution is backed by a stake");

    let early = claim(&world, &begun)?;
    assert_refused(&early, "the final deadline is");
    assert_eq!(Stakes::read(&chain).await?, locked, "nothing was sent");

    world.anvil.travel(PAST_THE_FINAL_DEADLINE_SECONDS).await?;
    let mut pool_stakes = Amount::ZERO;
    for bought in [&begun, &unopened] {
        let answer = claim(&world, bought)?.json()?;
        assert_eq!(answer["claimed"], serde_json::json!([bought.task]));
        assert_eq!(chain.task(bought.task).await?.status, TaskStatus::Failed);
        let deal = chain.deal(bought.deal).await?.context("the deal")?;
        let refund = payout::claim(&deal)?;
        assert_eq!(refund.worker_stake, locked.worker.locked);
        pool_stakes = pool_stakes.checked_add(refund.pool_stake).context("a small sum")?;
    }
    assert!(pool_stakes > Amount::ZERO);
    let after = Stakes::read(&chain).await?;
    assert_eq!(after.requester, before.requester, "refunded to the nRLC");
    assert_eq!(after.worker, before.worker, "no worker pays for its pool");
    assert_eq!(after.scheduler.locked, Amount::ZERO);
    assert_eq!(after.scheduler.free.checked_add(pool_stakes), Some(before.scheduler.free));
    assert_eq!(after.kitty.locked, pool_stakes, "all of the pool's stakes are in the kitty");
    assert_eq!(after.kitty.free, Amount::ZERO);
    assert_eq!(chain.score(wallet(Party::Worker(0))?.address()).await?, U256::ZERO);

    let again = world.poco(Party::Requester, &["claim", &begun.task.to_string()])?;
    assert_refused(&again, "the task was claimed before");
    assert_refused(&claim(&world, &begun)?, "no task of this deal can be claimed");
    assert_eq!(Stakes::read(&chain).await?, after, "claimed once, paid once");
    the_pool_comes_back(&world, &mut pool, &begun, pool_stakes).await
}

/// The tasks of the meantime are over for the pool too, and its next success draws on the kitty.
async fn the_pool_comes_back(
    world: &World,
    pool: &mut Pool,
    begun: &Bought,
    kitty: Amount,
) -> Result<()> {
    let chain = world.chain().await?;
    let before = Balances::read(&chain, 2).await?;
    let (scheduler, url) = start_scheduler(world, &pool.workerpool, &pool.market_url, &[]).await?;
    (pool.scheduler, pool.url) = (scheduler, url);
    pool.workers.clear();
    pool.workers.push(pool.worker(world, 0, &[])?);

    let output = world.path("result").to_string_lossy().into_owned();
    let bought = bought(&pool.run(world, &["--args", "echo c", "--output", &output])?)
        .with_context(|| pool.scheduler.tail(60))?;
    let settled = settled(&chain, bought.task, kitty).await?;
    let price = chain.deal(settled.view.deal).await?.context("the deal")?.workerpool.price;
    assert_eq!(settled.payout.kitty, payout::kitty_share(Rules::Ours, kitty, price)?);
    before.assert_paid(&chain, std::slice::from_ref(&settled.payout)).await?;
    let left = chain.account(KITTY).await?.locked;
    assert_eq!(left.checked_add(settled.payout.kitty), Some(kitty));

    let market = ["--market-url", pool.market_url.as_str(), "--pool-url", pool.url.as_str()];
    let words = ["task", "show", &begun.task.to_string()];
    let shown = world.poco(Party::Requester, &[&market[..], &words].concat())?.json()?;
    assert_eq!(shown["view"]["status"], "Failed", "{shown}");
    assert_eq!(shown["pool"]["waiting_for"], "nothing: refunded", "{shown}");
    Ok(())
}

/// A deal of one task.
struct Bought {
    deal: DealId,
    task: TaskId,
}

fn bought(answer: &Answer) -> Result<Bought> {
    let json: Value = answer.json()?;
    let deal = json["deal"].as_str().context("a deal")?.parse()?;
    let task = json["tasks"][0].as_str().context("a task")?.parse()?;
    Ok(Bought { deal, task })
}

fn claim(world: &World, bought: &Bought) -> Result<Answer> {
    world.poco(Party::Requester, &["claim", &bought.deal.to_string()])
}

fn assert_refused(answer: &Answer, why: &str) {
    assert_eq!(answer.code, REFUSED, "{answer:?}");
    assert!(answer.stderr.contains(why), "{answer:?}");
    assert_eq!(answer.stderr.trim().lines().count(), 1, "one line: {answer:?}");
    assert_eq!(answer.stdout, "");
}

/// The accounts that a claim touches.
#[derive(Debug, PartialEq)]
struct Stakes {
    requester: poco_chain::Account,
    scheduler: poco_chain::Account,
    worker: poco_chain::Account,
    kitty: poco_chain::Account,
}

impl Stakes {
    async fn read(chain: &Chain) -> Result<Self> {
        Ok(Self {
            requester: chain.account(wallet(Party::Requester)?.address()).await?,
            scheduler: chain.account(wallet(Party::Scheduler)?.address()).await?,
            worker: chain.account(wallet(Party::Worker(0))?.address()).await?,
            kitty: chain.account(KITTY).await?,
        })
    }
}
