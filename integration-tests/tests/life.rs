//! The life of a task on real parts: chain, market, scheduler, workers, containers.

use anyhow::{Context, Result};
use poco_core::payout::{Ballot, Share, finalize};
use poco_core::task::ContributionStatus;
use poco_core::{Amount, U256};
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::world::{Party, World, wallet};

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_at_trust_5_agree_and_are_paid_to_the_nano_rlc() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan::default()).await?;
    let chain = world.chain().await?;
    let mut before = Vec::new();
    for number in 0..3 {
        before.push(chain.account(wallet(Party::Worker(number))?.address()).await?);
    }
    let scheduler = wallet(Party::Scheduler)?.address();
    let scheduler_before = chain.account(scheduler).await?;
    let output = world.path("result");
    let words = ["--args", "echo hello", "--trust", "5", "--output"];
    let folder = output.to_string_lossy().into_owned();
    let answer = pool.run(&world, &[&words[..], &[&folder]].concat())?;
    let answer = answer.json().with_context(|| pool.scheduler.tail(60))?;
    let task = answer["tasks"][0].as_str().context("a task")?.parse()?;
    assert!(output.join("result.txt").exists());

    let view = chain.task(task).await?;
    let deal = chain.deal(view.deal).await?.context("the deal")?;
    assert_eq!(view.contributors.len(), 3, "three fresh workers reach trust 5");
    let mut ballots = Vec::new();
    for worker in &view.contributors {
        let contribution = chain.contribution(task, *worker).await?;
        let is_proved = contribution.status == ContributionStatus::Proved;
        let log_weight = contribution.weight.to::<u64>();
        ballots.push(Ballot { worker: *worker, is_proved, log_weight });
    }
    let payout = finalize(&deal, Amount::ZERO, &ballots)?;
    for (worker, share) in &payout.workers {
        let number = (0..3).find(|number| {
            wallet(Party::Worker(*number)).is_ok_and(|wallet| wallet.address() == *worker)
        });
        let before = before[number.context("a known worker")?];
        let after = chain.account(*worker).await?;
        let Share::Proved { reward, .. } = share else { panic!("{worker} was not right") };
        assert_eq!(after.free, before.free.checked_add(*reward).expect("no overflow"));
        assert_eq!(after.locked, Amount::ZERO);
        assert_eq!(chain.score(*worker).await?, U256::ONE);
    }
    let after = chain.account(scheduler).await?;
    let expected = scheduler_before.free.checked_add(payout.scheduler).expect("no overflow");
    assert_eq!(after.free, expected);
    Ok(())
}
