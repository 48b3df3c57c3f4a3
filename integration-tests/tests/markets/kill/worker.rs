//! A worker dies at each of its steps.

use crate::kill::fleet::{Fleet, PATIENT_SECONDS, Role, WORKERS};
use crate::kill::points::{around, chains, of_binary};
use anyhow::{Result, ensure};
use poco_core::Amount;
use poco_core::task::TaskStatus;
use poco_integration_tests::world::{Party, wallet};
use std::collections::{BTreeSet, VecDeque};

/// Steps of a worker's very first start.
const FIRST_START: [&str; 2] = ["worker.store.owner", "worker.deposit"];
/// Steps of the one winner that is asked for the result.
const UPLOAD: [&str; 2] = ["worker.upload", "worker.store.uploaded"];
/// Steps of the fast lane alone.
const FAST: [&str; 2] = ["worker.store.computed", "worker.contribute-and-finalize"];
/// Steps of an app that fails.
const FAILED: [&str; 1] = ["worker.store.failed"];
/// Steps of a start that finds something left behind.
const SWEEP: [&str; 1] = ["worker.sweep"];
/// Steps of every start.
const LOGIN: [&str; 1] = ["worker.login"];
/// Here a start finds something left behind.
const LEAVES_A_RUN: &str = "worker.discard.before";
/// Deaths of one worker in one task.
const CHAIN: usize = 4;
/// From a deal until its tasks may be claimed, with a second to spare: 10 T of category XS.
const CLAIM_SECONDS: u64 = 3_001;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_step_goes_on_and_its_app_runs_once() -> Result<()> {
    let points = of_binary("poco-worker")?;
    let mut fleet = Fleet::start().await?;
    first_start(&mut fleet).await?;
    // Score makes fewer workers enough: these need three that are new.
    replaced(&mut fleet).await?;
    fleet.raise(Role::Scheduler, [])?;
    failing_app(&mut fleet).await?;
    walk(&mut fleet, good_points(&points)).await?;
    alone(&mut fleet, &UPLOAD, "2").await?;
    alone(&mut fleet, &FAST, "1").await?;
    fleet.assert_nothing_left()?;
    fleet.assert_reached(&points);
    Ok(())
}

/// The chains that good tasks go by. A login comes in the middle of a task; what is left behind
/// is found by the start after that.
fn good_points(points: &[String]) -> Vec<Vec<String>> {
    let others = [&FIRST_START[..], &UPLOAD, &FAST, &FAILED, &SWEEP, &LOGIN].concat();
    let others = around(&others);
    let good: Vec<String> =
        points.iter().filter(|point| !others.contains(point)).cloned().collect();
    let mut chains = chains(&good, CHAIN);
    for (chain, login) in chains.iter_mut().zip(around(&LOGIN)) {
        chain.insert(1, login);
    }
    for chain in &mut chains {
        if chain.last().is_some_and(|last| last == LEAVES_A_RUN) {
            chain.extend(around(&SWEEP));
        }
    }
    chains
}

/// Before it has done anything, a worker makes its journal and deposits its stake: once.
async fn first_start(fleet: &mut Fleet) -> Result<()> {
    let (number, party) = (WORKERS, Party::Worker(WORKERS));
    let address = wallet(party)?.address();
    let words = ["account", "send", &address.to_string(), "5RLC"];
    fleet.world.poco(Party::Owner, &words)?.json()?;
    fleet.raise(Role::Worker(number), around(&FIRST_START))?;
    fleet
        .until("the deposit", async |fleet| {
            let is_over = fleet.chain_of(Role::Worker(number)).is_empty();
            Ok(is_over && fleet.chain.account(address).await?.free > Amount::ZERO)
        })
        .await?;
    fleet.kill(Role::Worker(number))?;
    let stake = fleet.chain.account(address).await?.free;
    assert_eq!(stake, Amount::from_nano(1_000_000_000), "one deposit");
    Ok(())
}

/// One task after the other, with three of four workers dying at different steps of each.
async fn walk(fleet: &mut Fleet, chains: Vec<Vec<String>>) -> Result<()> {
    let mut queue = VecDeque::from(chains);
    let mut alone = BTreeSet::new();
    loop {
        let mut is_any_armed = false;
        for role in (0..WORKERS).map(Role::Worker) {
            if fleet.chain_of(role).is_empty()
                && let Some(chain) = queue.pop_front()
            {
                fleet.raise(role, chain)?;
            }
            if !fleet.is_up(role) {
                fleet.raise(role, [])?;
            }
            is_any_armed |= !fleet.chain_of(role).is_empty();
        }
        if !is_any_armed {
            return Ok(());
        }
        let submitted = fleet.submit("echo hello", "5").await?;
        let contributors = fleet.until_paid(&submitted).await?;
        for point in fleet.until_dead(&contributors).await? {
            ensure!(alone.insert(point.clone()), "{point} was never reached");
            queue.push_back(vec![point]);
        }
        for role in &contributors {
            if !fleet.chain_of(*role).is_empty() {
                fleet.raise(*role, [])?;
            }
        }
        fleet.containers.assert_once(submitted.task, contributors.len());
    }
}

/// At this trust one worker does it all: one task for each point, whoever gets it.
async fn alone(fleet: &mut Fleet, steps: &[&str], trust: &str) -> Result<()> {
    for point in around(steps) {
        for role in (0..WORKERS).map(Role::Worker) {
            fleet.raise(role, [point.clone()])?;
        }
        let submitted = fleet.submit("echo hello", trust).await?;
        let contributors = fleet.until_paid(&submitted).await?;
        assert_eq!(contributors.len(), 1, "{point}");
        assert_eq!(fleet.until_dead(&contributors).await?, [""; 0]);
        fleet.containers.assert_once(submitted.task, 1);
    }
    Ok(())
}

/// An app that fails does so once on each of some workers, and nobody's stake is touched.
async fn failing_app(fleet: &mut Fleet) -> Result<()> {
    for (number, point) in (0..WORKERS).zip(around(&FAILED).into_iter().cycle()) {
        fleet.raise(Role::Worker(number), [point])?;
    }
    let before = fleet.free_of_workers().await?;
    let submitted = fleet.submit("exit 7", "5").await?;
    let task = submitted.task;
    fleet
        .until("three failures", async |fleet| {
            let armed =
                (0..WORKERS).filter(|number| !fleet.chain_of(Role::Worker(*number)).is_empty());
            Ok(armed.count() <= 1)
        })
        .await?;
    fleet.until_status(task, TaskStatus::Active).await?;
    fleet.until_cleared(task).await?;
    fleet.world.anvil.travel(CLAIM_SECONDS).await?;
    fleet.until_status(task, TaskStatus::Failed).await?;
    assert!(!fleet.containers.is_repeated(task), "no worker ran it twice");
    assert_eq!(fleet.free_of_workers().await?, before);
    Ok(())
}

/// A worker that dies with its run and stays away is replaced by the spare one; when it comes
/// back it has lost nothing but its run.
async fn replaced(fleet: &mut Fleet) -> Result<()> {
    fleet.lost_after_seconds = 1;
    fleet.raise(Role::Scheduler, [])?;
    let (absent, spare) = (Role::Worker(0), Role::Worker(WORKERS - 1));
    fleet.kill(spare)?;
    for role in (1..WORKERS - 1).map(Role::Worker) {
        fleet.raise(role, [])?;
    }
    fleet.raise_to_die(absent, vec!["worker.container.end.before".into()])?;
    let submitted = fleet.submit("echo hello", "5").await?;
    fleet.until("the death", async |fleet| Ok(!fleet.is_up(absent))).await?;
    fleet.raise(spare, [])?;
    let contributors = fleet.until_paid(&submitted).await?;
    assert!(contributors.contains(&spare) && !contributors.contains(&absent), "{contributors:?}");
    assert_eq!(fleet.containers.starts_of(submitted.task), 4, "one run was lost");

    let Role::Worker(number) = absent else { unreachable!("it is a worker") };
    let run = fleet.run(number, submitted.task);
    ensure!(run.exists(), "what the absent worker left is still there");
    fleet.raise(absent, [])?;
    fleet.until("the return", async |_| Ok(!run.exists())).await?;
    let account = fleet.chain.account(wallet(Party::Worker(number))?.address()).await?;
    assert_eq!(account.locked, Amount::ZERO);
    fleet.lost_after_seconds = PATIENT_SECONDS;
    Ok(())
}
