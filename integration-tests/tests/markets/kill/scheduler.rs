//! The scheduler dies at each of its steps.

use crate::kill::fleet::{Fleet, PATIENT_SECONDS, RESULT_SECONDS, Role, Submitted, WORKERS};
use crate::kill::points::{around, chains, of_binary};
use anyhow::{Result, ensure};
use poco_chain::Transaction;
use poco_core::task::TaskStatus;
use poco_core::{B256, ResultDigest};
use poco_integration_tests::villain::Villain;
use poco_integration_tests::world::{Party, wallet};
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Steps of the very first start, and of workers that log in for the first time.
const FIRST_START: [&str; 2] = ["scheduler.store.open", "scheduler.store.member"];
/// Steps of an app that fails everywhere.
const FAILING: [&str; 2] = ["scheduler.store.failure", "scheduler.store.hopeless"];
/// Steps of a task that comes too late.
const CLAIM: [&str; 1] = ["scheduler.claim"];
/// Steps of a task that nobody ever opened.
const NEVER_OPENED: [&str; 1] = ["scheduler.initialize-and-claim"];
/// Steps of a replica that comes back when others have taken its place.
const ABANDON: [&str; 1] = ["scheduler.abandon"];
/// Steps of a winner that does not see by itself that it has won.
const REVEAL: [&str; 1] = ["scheduler.reveal"];
/// Steps of a task whose winners are silent.
const REOPEN: [&str; 1] = ["scheduler.reopen"];
/// Steps of a deal that a reorg took back.
const DROP: [&str; 1] = ["scheduler.store.drop"];
/// Steps that forget old results, in their order.
const SWEEP: [&str; 6] = [
    "scheduler.sweep.before",
    "scheduler.sweep.object.before",
    "scheduler.sweep.object.after",
    "scheduler.sweep.forget.before",
    "scheduler.sweep.forget.after",
    "scheduler.sweep.after",
];
/// Deaths in one task.
const CHAIN: usize = 7;
/// The worker that lies and is silent.
const VILLAIN: usize = WORKERS + 1;
/// From a consensus until a reveal comes too late, with a second to spare: 2 T of category XS.
const REVEAL_SECONDS: u64 = 601;
/// From a deal until its tasks may be claimed, with a second to spare: 10 T of category XS.
const CLAIM_SECONDS: u64 = 3_001;

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_killed_at_any_step_goes_on_and_no_app_runs_twice() -> Result<()> {
    let points = of_binary("poco-scheduler")?;
    let mut fleet = Fleet::start().await?;
    fleet.raise(Role::Scheduler, around(&FIRST_START))?;
    raise_workers(&mut fleet)?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    // Score makes fewer workers enough: these need three that are new.
    abandoned(&mut fleet).await?;
    failing_app(&mut fleet).await?;
    walk(&mut fleet, chains(&good_points(&points), CHAIN)).await?;
    sweep(&mut fleet).await?;
    reopened(&mut fleet).await?;
    never_opened(&mut fleet).await?;
    taken_back(&mut fleet).await?;
    fleet.assert_nothing_left()?;
    fleet.assert_reached(&points);
    Ok(())
}

/// The points that good tasks go by.
fn good_points(points: &[String]) -> Vec<String> {
    let others =
        [&FIRST_START[..], &FAILING, &CLAIM, &NEVER_OPENED, &ABANDON, &REVEAL, &REOPEN, &DROP]
            .concat();
    let others = around(&others);
    let is_good = |point: &&String| !others.contains(point) && !SWEEP.contains(&point.as_str());
    points.iter().filter(is_good).cloned().collect()
}

fn raise_workers(fleet: &mut Fleet) -> Result<()> {
    (0..WORKERS).try_for_each(|number| fleet.raise(Role::Worker(number), []))
}

/// One task after the other, with the scheduler dying at several steps of each.
async fn walk(fleet: &mut Fleet, chains: Vec<Vec<String>>) -> Result<()> {
    let mut queue = VecDeque::from(chains);
    let mut alone = BTreeSet::new();
    while let Some(chain) = queue.pop_front() {
        fleet.raise(Role::Scheduler, chain)?;
        let submitted = fleet.submit("echo hello", "5").await?;
        assert_good(fleet, &submitted).await?;
        for point in fleet.until_dead(&[Role::Scheduler]).await? {
            ensure!(alone.insert(point.clone()), "{point} was never reached");
            queue.push_back(vec![point]);
        }
    }
    Ok(())
}

/// A task ends as it should, and every run of its app became a vote.
async fn assert_good(fleet: &mut Fleet, submitted: &Submitted) -> Result<()> {
    let contributors = fleet.until_paid(submitted).await?;
    fleet.containers.assert_once(submitted.task, contributors.len());
    Ok(())
}

/// A start forgets the results whose time is over.
async fn sweep(fleet: &mut Fleet) -> Result<()> {
    fleet.raise(Role::Scheduler, [])?;
    // The next deal to be closed is to be the one below.
    fleet.until_forgotten().await?;
    fleet.raise_to_die(Role::Scheduler, vec!["scheduler.store.close.after".into()])?;
    let submitted = fleet.submit("echo hello", "5").await?;
    assert_good(fleet, &submitted).await?;
    fleet.until("the end of the deal", async |fleet| Ok(!fleet.is_up(Role::Scheduler))).await?;
    fleet.world.anvil.travel(RESULT_SECONDS + 1).await?;
    fleet.raise(Role::Scheduler, SWEEP.map(str::to_owned))?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    fleet.until_healthy().await?;
    let results = std::fs::read_dir(fleet.world.path("scheduler-data/results"))?;
    let left: Vec<_> = results.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(left, [""; 0], "every old result is gone");
    Ok(())
}

/// A worker comes back when the spare one has done its work. One of the others keeps its digest to
/// itself meanwhile, so that the task is still under way; it is told to reveal when it is back.
async fn abandoned(fleet: &mut Fleet) -> Result<()> {
    fleet.lost_after_seconds = 1;
    fleet.raise(Role::Scheduler, [])?;
    let [absent, silent, spare] = [0, 1, WORKERS - 1].map(Role::Worker);
    fleet.kill(spare)?;
    fleet.raise_to_die(absent, vec!["worker.container.end.before".into()])?;
    fleet.raise_to_die(silent, vec!["worker.reveal.before".into()])?;
    let submitted = fleet.submit("echo hello", "5").await?;
    fleet.until("the death", async |fleet| Ok(!fleet.is_up(absent))).await?;
    fleet.raise(spare, [])?;
    fleet.until_status(submitted.task, TaskStatus::Revealing).await?;
    fleet.until("the silence", async |fleet| Ok(!fleet.is_up(silent))).await?;
    fleet.raise(Role::Scheduler, around(&ABANDON))?;
    fleet.raise(absent, [])?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    // While nothing is mined, the digest stays undisclosed whatever the worker does by itself.
    fleet.world.anvil.call("evm_setAutomine", json!([false])).await?;
    fleet.raise(Role::Scheduler, around(&REVEAL))?;
    fleet.raise(silent, [])?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    fleet.world.anvil.call("evm_setAutomine", json!([true])).await?;
    fleet.world.anvil.mine(1).await?;
    let contributors = fleet.until_paid(&submitted).await?;
    assert!(!contributors.contains(&absent), "{contributors:?}");
    assert_eq!(fleet.containers.starts_of(submitted.task), 4, "one run was lost");
    fleet.lost_after_seconds = PATIENT_SECONDS;
    Ok(())
}

/// The one voter is silent; the task is opened again and another worker brings it to its end.
async fn reopened(fleet: &mut Fleet) -> Result<()> {
    (0..WORKERS).try_for_each(|number| fleet.kill(Role::Worker(number)))?;
    fleet.world.fund(Party::Worker(VILLAIN), "100RLC")?;
    fleet.raise(Role::Scheduler, around(&REOPEN))?;
    fleet.until_healthy().await?;
    let mut villain =
        Villain::log_in(&fleet.pool.url, Arc::new(wallet(Party::Worker(VILLAIN))?)).await?;
    let submitted = fleet.submit("echo hello", "2").await?;
    let task = submitted.task;
    let assignment = villain.assigned().await?;
    let lie = ResultDigest(B256::repeat_byte(0x11));
    let vote = villain.vote(task, assignment, lie);
    fleet.world.send(villain.wallet(), Transaction::hub(&fleet.chain, &vote)).await?;
    drop(villain);
    fleet.world.anvil.travel(REVEAL_SECONDS).await?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    raise_workers(fleet)?;
    let contributors = fleet.until_paid(&submitted).await?;
    assert_eq!(contributors.len(), 2, "the silent one, and who took its place");
    assert_eq!(fleet.containers.starts_of(task), 1);
    Ok(())
}

/// A task that fails on every worker is given up and claimed.
async fn failing_app(fleet: &mut Fleet) -> Result<()> {
    fleet.raise(Role::Scheduler, around(&FAILING))?;
    let before = fleet.free_of_workers().await?;
    let submitted = fleet.submit("exit 7", "5").await?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    fleet.raise(Role::Scheduler, around(&CLAIM))?;
    fleet.world.anvil.travel(CLAIM_SECONDS).await?;
    fleet.until_status(submitted.task, TaskStatus::Failed).await?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    fleet.until_cleared(submitted.task).await?;
    assert!(!fleet.containers.is_repeated(submitted.task), "no worker ran it twice");
    assert_eq!(fleet.free_of_workers().await?, before);
    Ok(())
}

/// The scheduler was away all the time: what nobody opened is opened and claimed in one.
async fn never_opened(fleet: &mut Fleet) -> Result<()> {
    fleet.kill(Role::Scheduler)?;
    let before = fleet.free_of_workers().await?;
    let submitted = fleet.submit("echo hello", "5").await?;
    fleet.world.anvil.travel(CLAIM_SECONDS).await?;
    fleet.raise(Role::Scheduler, around(&NEVER_OPENED))?;
    fleet.until_status(submitted.task, TaskStatus::Failed).await?;
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    assert_eq!(fleet.containers.starts_of(submitted.task), 0);
    assert_eq!(fleet.free_of_workers().await?, before);
    Ok(())
}

/// A reorg takes a deal back with its opened task. It comes again with the requester's next
/// command, which brings another: both are served as ever.
async fn taken_back(fleet: &mut Fleet) -> Result<()> {
    (0..WORKERS).try_for_each(|number| fleet.kill(Role::Worker(number)))?;
    fleet.raise(Role::Scheduler, around(&DROP))?;
    let first = fleet.submit("echo hello", "5").await?;
    fleet.until_status(first.task, TaskStatus::Active).await?;
    let deal = fleet.chain.task(first.task).await?.deal;
    fleet.world.anvil.reorg(2).await?;
    ensure!(fleet.chain.deal(deal).await?.is_none(), "the deal is still there");
    fleet.until_dead_everywhere(Role::Scheduler).await?;
    let second = fleet.submit("echo again", "5").await?;
    raise_workers(fleet)?;
    let both = [first, second];
    let contributors = fleet.until_all_paid(&both).await?;
    let starts: usize = both.iter().map(|one| fleet.containers.starts_of(one.task)).sum();
    // Either task raises the scores of those who may be at work on the other, which then needs fewer.
    assert!(starts >= contributors.len(), "{starts} runs, {contributors:?}");
    for one in &both {
        assert!(!fleet.containers.is_repeated(one.task), "no worker ran it twice");
    }
    Ok(())
}
