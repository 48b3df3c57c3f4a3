//! Scheduler and workers die at each step that only the settlement lane has.

use crate::kill::fleet::{Fleet, Role};
use crate::kill::points::{around, of_lane};
use anyhow::{Context, Result};
use poco_chain::Transaction;
use poco_core::lane::{LaneCall, Nonce};
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, B256, ResultDigest};
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, wallet};
use poco_proto::v1::Stage;
use std::collections::VecDeque;
use std::sync::Arc;

/// Workers that a task at trust 5 needs; one more is there to take a place.
const VOTERS: usize = 3;
/// Steps of a worker in a task that is settled.
const OF_WORKERS: [&str; 5] = [
    "worker.lane.store.balloted",
    "worker.lane.ballot",
    "worker.lane.store.committed",
    "worker.lane.tell-vote",
    "worker.lane.store.handed",
];
/// Steps of the scheduler in a task that is settled.
const OF_SCHEDULER: [&str; 6] = [
    "scheduler.lane.ballot",
    "scheduler.lane.commit",
    "scheduler.lane.store.commit",
    "scheduler.lane.row",
    "scheduler.lane.settle",
    "scheduler.lane.store.uncommit",
];
/// Steps of the scheduler in a task whose votes reach no consensus.
const CLOSING: [&str; 3] =
    ["scheduler.lane.disclose", "scheduler.lane.close", "scheduler.lane.store.closed"];
/// Deaths of the scheduler in one task.
const CHAIN: usize = 4;
/// The worker that lies.
const VILLAIN: usize = VOTERS + 2;
/// T of category XS, with a second to spare.
const CLOCK_SECONDS: u64 = 301;
/// From a deal until its tasks may be claimed, with a second to spare.
const CLAIM_SECONDS: u64 = 3_001;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_in_the_settlement_lane_goes_on_and_loses_nothing() -> Result<()> {
    let points = [of_lane("poco-scheduler")?, of_lane("poco-worker")?].concat();
    let mut fleet = Fleet::start().await?;
    fleet.is_settling = true;
    fleet.raise(Role::Scheduler, [])?;
    bonded(&mut fleet).await?;
    silent_pool(&mut fleet).await?;
    disagreed(&mut fleet).await?;
    claimed(&mut fleet).await?;
    settled(&mut fleet).await?;
    fleet.assert_nothing_left()?;
    fleet.assert_reached(&points);
    Ok(())
}

/// A worker bonds its stake once, whenever it dies.
async fn bonded(fleet: &mut Fleet) -> Result<()> {
    fleet.raise(Role::Worker(0), around(&["worker.lane.bond"]))?;
    for number in 1..=VOTERS {
        fleet.raise(Role::Worker(number), [])?;
    }
    fleet.until_dead_everywhere(Role::Worker(0)).await?;
    until_free(fleet).await?;
    fleet.kill(Role::Worker(VOTERS))?;
    let account = fleet.chain.account(wallet(Party::Worker(0))?.address()).await?;
    assert_eq!((account.free, account.locked), (half(), half()), "it is bonded once");
    Ok(())
}

fn half() -> Amount {
    Amount::from_nano(50 * Amount::NANO_PER_RLC)
}

/// Waits until every worker has a bond of which nothing is locked.
async fn until_free(fleet: &mut Fleet) -> Result<()> {
    let pool: Address = fleet.pool.workerpool.parse()?;
    fleet
        .until("free bonds", async |fleet| {
            for number in 0..=VOTERS {
                let worker = wallet(Party::Worker(number))?.address();
                let bond = fleet.chain.bond(worker, pool).await?.context("the lane")?;
                if bond.total.is_zero() || bond.free() != bond.total {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
}

fn raise_voters(fleet: &mut Fleet) -> Result<()> {
    for number in 0..VOTERS {
        fleet.raise(Role::Worker(number), [])?;
    }
    Ok(())
}

/// The scheduler stays away after the commit. The workers disclose and close on chain, and die on
/// the way; when it is back there is a classic task to finalize.
async fn silent_pool(fleet: &mut Fleet) -> Result<()> {
    let own = around(&["worker.lane.disclose", "worker.lane.close"]);
    fleet.raise(Role::Worker(0), own)?;
    fleet.raise_to_die(Role::Scheduler, vec!["scheduler.lane.row.before".into()])?;
    let submitted = fleet.submit("echo hello", "5").await?;
    fleet.until("the silence", async |fleet| Ok(!fleet.is_up(Role::Scheduler))).await?;
    fleet.world.anvil.travel(CLOCK_SECONDS).await?;
    let task = submitted.task;
    fleet
        .until("disclosures", async |fleet| {
            Ok(fleet.chain.task(task).await?.contributors.len() == VOTERS)
        })
        .await?;
    // The one that is to die there must be the one that closes.
    for number in 1..VOTERS {
        fleet.kill(Role::Worker(number))?;
    }
    fleet.world.anvil.travel(CLOCK_SECONDS).await?;
    fleet.until_dead_everywhere(Role::Worker(0)).await?;
    for number in 1..VOTERS {
        fleet.raise(Role::Worker(number), [])?;
    }
    fleet.raise(Role::Scheduler, [])?;
    fleet.until_paid(&submitted).await?;
    Ok(())
}

/// A liar is in the row: the scheduler puts all votes on chain and closes the task, dying on the
/// way, and two more workers outweigh the lie.
async fn disagreed(fleet: &mut Fleet) -> Result<()> {
    let spare = Role::Worker(VOTERS - 1);
    fleet.kill(spare)?;
    bond_villain(fleet).await?;
    fleet.raise(Role::Scheduler, around(&CLOSING))?;
    fleet.until_healthy().await?;
    for number in 0..VOTERS - 1 {
        fleet.raise(Role::Worker(number), [])?;
    }
    let mut villain = log_in(fleet).await?;
    let submitted = fleet.submit("echo hello", "5").await?;
    let (lie, nonce) = (ResultDigest(B256::repeat_byte(0x11)), Nonce(7));
    villain.assigned().await?;
    villain.report(submitted.task, Stage::Computed).await?;
    villain.signs(fleet.chain.domain_separator(), lie, nonce).await?;
    let task = submitted.task;
    fleet
        .until("the commit", async |fleet| {
            Ok(fleet.chain.task(task).await?.status == TaskStatus::Active)
        })
        .await?;
    // Whoever was not heard since the last death is heard again.
    while !fleet.chain_of(Role::Scheduler).is_empty() {
        let left = fleet.chain_of(Role::Scheduler).len();
        // A death between two of these words is met by the next turn.
        if let Ok(again) = log_in(fleet).await {
            villain = again;
        }
        let _ = villain.discloses(task, lie, nonce).await;
        fleet
            .until("the next death", async |fleet| Ok(fleet.chain_of(Role::Scheduler).len() < left))
            .await?;
        fleet.until_healthy().await?;
    }
    fleet.raise(spare, [])?;
    fleet.raise(Role::Worker(VOTERS), [])?;
    fleet.until_paid(&submitted).await?;
    fleet.kill(Role::Worker(VOTERS))
}

async fn bond_villain(fleet: &mut Fleet) -> Result<()> {
    fleet.world.fund(Party::Worker(VILLAIN), "100RLC")?;
    let wallet = Arc::new(wallet(Party::Worker(VILLAIN))?);
    let workerpool = fleet.pool.workerpool.parse()?;
    let call = LaneCall::Bond { workerpool, amount: half() };
    fleet.world.send(wallet, Transaction::lane(&fleet.chain, &call)).await
}

async fn log_in(fleet: &Fleet) -> Result<Villain> {
    Villain::log_in(&fleet.pool.url, Arc::new(wallet(Party::Worker(VILLAIN))?)).await
}

/// Everybody stays away after the commit until the task is claimed: the bonds are freed.
async fn claimed(fleet: &mut Fleet) -> Result<()> {
    fleet.raise_to_die(Role::Scheduler, vec!["scheduler.lane.row.before".into()])?;
    let submitted = fleet.submit("echo hello", "5").await?;
    fleet.until("the silence", async |fleet| Ok(!fleet.is_up(Role::Scheduler))).await?;
    for number in 0..VOTERS {
        fleet.kill(Role::Worker(number))?;
    }
    fleet.world.anvil.travel(CLAIM_SECONDS).await?;
    fleet.raise(Role::Scheduler, [])?;
    fleet.until_status(submitted.task, TaskStatus::Failed).await?;
    fleet.raise(Role::Worker(0), around(&["worker.lane.release"]))?;
    fleet.until_dead_everywhere(Role::Worker(0)).await?;
    for number in 1..VOTERS {
        fleet.raise(Role::Worker(number), [])?;
    }
    until_free(fleet).await?;
    fleet.until_cleared(submitted.task).await
}

/// Tasks are settled, with everybody dying at different steps of each.
async fn settled(fleet: &mut Fleet) -> Result<()> {
    let mut of_workers = VecDeque::from(around(&OF_WORKERS));
    let mut of_scheduler = VecDeque::from(around(&OF_SCHEDULER));
    raise_voters(fleet)?;
    while !of_workers.is_empty() || !of_scheduler.is_empty() {
        let chain: Vec<String> = of_scheduler.drain(..CHAIN.min(of_scheduler.len())).collect();
        fleet.raise(Role::Scheduler, chain)?;
        for number in 0..VOTERS {
            fleet.raise(Role::Worker(number), Vec::from_iter(of_workers.pop_front()))?;
        }
        fleet.until_healthy().await?;
        let submitted = fleet.submit("echo hello", "5").await?;
        fleet.until_paid(&submitted).await?;
        let starts = fleet.containers.starts_of(submitted.task);
        assert_eq!(starts, VOTERS, "every run became a vote");
        // What was not come by, because another death was quicker, has another task.
        of_scheduler.extend(fleet.until_dead(&[Role::Scheduler]).await?);
        for number in 0..VOTERS {
            of_workers.extend(fleet.until_dead(&[Role::Worker(number)]).await?);
        }
    }
    Ok(())
}
