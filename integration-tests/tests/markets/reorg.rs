//! The chain is rewritten under a running task, at every stage of its life, and nobody notices but
//! in the logs.

use anyhow::{Context, Result, bail, ensure};
use poco_chain::{Chain, Interest};
use poco_core::payout::Share;
use poco_core::task::TaskStatus;
use poco_core::{Amount, DealId, Event, TaskId, U256};
use poco_integration_tests::anvil::Anvil;
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, runs_of};
use poco_integration_tests::process::Process;
use poco_integration_tests::world::{Party, World, wallet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Workers, all of whom trust 5 needs.
const WORKERS: usize = 3;
/// To get anywhere under reorgs: senders look after mined transactions every two seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// Chains go on when nobody sends anything; fees are raised only while they do.
const EMPTY_BLOCK_AFTER: Duration = Duration::from_secs(1);
/// Pause between two looks at the chain.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How far a task has come on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Unmatched,
    Matched,
    Opened,
    Voted,
    Agreed,
    Revealed,
    Completed,
}

/// What becomes of the transactions of the blocks that are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// They are nowhere.
    Vanish,
    /// They are in other blocks, later than before.
    Move,
}

/// Rewrites the last `depth` blocks once a stage is reached.
#[derive(Clone, Copy, Debug)]
struct Reorg {
    after: Stage,
    depth: u64,
    fate: Fate,
}

const fn vanish(after: Stage, depth: u64) -> Reorg {
    Reorg { after, depth, fate: Fate::Vanish }
}

const fn moving(after: Stage, depth: u64) -> Reorg {
    Reorg { after, depth, fate: Fate::Move }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_the_same_whatever_the_chain_forgets() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: WORKERS, ..Plan::default() }).await?;
    // From here on every block is ours to make, and to take back.
    world.anvil.set_automine(false).await?;
    let forgotten = [
        vanish(Stage::Matched, 1),
        vanish(Stage::Opened, 2),
        vanish(Stage::Voted, 1),
        vanish(Stage::Agreed, 2),
        vanish(Stage::Revealed, 1),
        vanish(Stage::Revealed, 4),
        // Workers keep what they may owe while a reorg may still bring the task back.
        vanish(Stage::Completed, 3),
    ];
    same_outcome(&world, &pool, "forgotten", &forgotten).await?;
    let moved = [
        moving(Stage::Matched, 1),
        moving(Stage::Opened, 2),
        moving(Stage::Agreed, 3),
        moving(Stage::Completed, 2),
    ];
    same_outcome(&world, &pool, "moved", &moved).await
}

/// Buys a task, rewrites the chain under it, and looks whether it ends as if nothing had happened.
async fn same_outcome(world: &World, pool: &Pool, name: &str, reorgs: &[Reorg]) -> Result<()> {
    let chain = world.chain().await?;
    let before = Balances::read(&chain, WORKERS).await?;
    let scores = read_scores(&chain).await?;
    let output = world.path(&format!("result-{name}"));
    let head = world.anvil.height().await?;
    let buyer = buy(world, pool, name, &output)?;
    let mut life = Life { anvil: &world.anvil, chain: &chain, buyer, before: head, deal: None };
    let task = life.through(reorgs).await.with_context(|| {
        let workers = pool.workers.iter().map(|worker| worker.tail(40));
        let workers = workers.collect::<Vec<_>>().join("\n--\n");
        format!("{}\n--\n{}\n--\n{workers}", life.buyer.tail(40), pool.scheduler.tail(80))
    })?;

    assert!(output.join("result.txt").exists());
    let settled = settled(&chain, task, Amount::ZERO).await?;
    assert_eq!(settled.view.contributors.len(), WORKERS);
    for (worker, share) in &settled.payout.workers {
        assert!(matches!(share, Share::Proved { .. }), "{worker}: {share:?}");
    }
    before.assert_paid(&chain, &[settled.payout]).await?;
    let scored_once: Vec<U256> = scores.iter().map(|score| score + U256::ONE).collect();
    assert_eq!(read_scores(&chain).await?, scored_once);
    for (number, worker) in pool.workers.iter().enumerate() {
        assert_eq!(runs_of(worker, task), 1, "a reorg is no reason to compute again ({number})");
    }
    Ok(())
}

/// Starts `poco run`, which needs blocks that we make to go on.
fn buy(world: &World, pool: &Pool, name: &str, output: &Path) -> Result<Process> {
    let wallet = wallet(Party::Requester)?.address().to_string();
    let mut command = world.command()?;
    command
        .args(["--yes", "--wallet", &wallet, "--market-url", pool.market_url.as_str()])
        .args(["run", &pool.app, "--args", "echo hello", "--trust", "5"])
        .args([Path::new("--output"), output]);
    Process::start(command, &world.path(""), &format!("buyer-{name}"))
}

/// A task with the chain in our hands.
struct Life<'a> {
    anvil: &'a Anvil,
    chain: &'a Chain,
    buyer: Process,
    /// No deal of ours is in or below this block.
    before: u64,
    /// Its id is the same wherever the match lands.
    deal: Option<DealId>,
}

impl Life<'_> {
    /// Lives through all reorgs and on to the end; the task, which the chain shows as completed.
    async fn through(&mut self, reorgs: &[Reorg]) -> Result<TaskId> {
        for reorg in reorgs {
            self.reach(reorg.after).await.with_context(|| format!("before {reorg:?}"))?;
            match reorg.fate {
                Fate::Vanish => {
                    self.anvil.reorg(reorg.depth).await?;
                    let (left, _) = self.look().await?;
                    assert!(left < reorg.after, "{reorg:?} took nothing back: {left:?}");
                }
                Fate::Move => {
                    self.anvil.reorg_moving(reorg.depth).await?;
                    let (left, _) = self.look().await?;
                    assert!(left >= reorg.after, "{reorg:?} lost something: {left:?}");
                }
            }
            self.reach(reorg.after).await.with_context(|| format!("after {reorg:?}"))?;
        }
        self.reach(Stage::Completed).await?;
        let status = self.buyer.wait(PATIENCE).await?;
        ensure!(status.success(), "poco run: {status}");
        self.look().await?.1.context("a completed task")
    }

    /// Makes blocks of what the others send until the task has come this far.
    async fn reach(&mut self, stage: Stage) -> Result<()> {
        let start = Instant::now();
        let mut last_block = start;
        loop {
            let (reached, _) = self.look().await?;
            if reached >= stage {
                return Ok(());
            }
            if self.anvil.waiting().await? > 0 || last_block.elapsed() > EMPTY_BLOCK_AFTER {
                self.anvil.mine(1).await?;
                last_block = Instant::now();
            }
            if start.elapsed() > PATIENCE {
                let pool = self.anvil.call("txpool_inspect", serde_json::json!([])).await?;
                bail!("stuck at {reached:?} on the way to {stage:?}; transactions: {pool:#}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How far the task has come.
    async fn look(&mut self) -> Result<(Stage, Option<TaskId>)> {
        if self.deal.is_none() {
            let head = self.anvil.height().await?;
            let from = (self.before + 1).min(head);
            let events = self.chain.events(&Interest::everything(), from, head).await?;
            // The range has one block too many while there is no new one.
            let new = events.into_iter().filter(|located| located.block.number > self.before);
            for located in new {
                if let Event::OrdersMatched { deal, .. } = located.event {
                    self.deal = Some(deal);
                }
            }
        }
        let Some(id) = self.deal else { return Ok((Stage::Unmatched, None)) };
        let Some(deal) = self.chain.deal(id).await? else { return Ok((Stage::Unmatched, None)) };
        let task = deal.task_at(id, 0).context("the first task")?;
        let view = self.chain.task(task).await?;
        let stage = match view.status {
            TaskStatus::Unset => Stage::Matched,
            TaskStatus::Active if view.contributors.is_empty() => Stage::Opened,
            TaskStatus::Active => Stage::Voted,
            TaskStatus::Revealing if view.reveal_count == 0 => Stage::Agreed,
            TaskStatus::Revealing => Stage::Revealed,
            TaskStatus::Completed => Stage::Completed,
            TaskStatus::Failed => bail!("the task was claimed"),
        };
        Ok((stage, Some(task)))
    }
}

async fn read_scores(chain: &Chain) -> Result<Vec<U256>> {
    let mut scores = Vec::new();
    for number in 0..WORKERS {
        scores.push(chain.score(wallet(Party::Worker(number))?.address()).await?);
    }
    Ok(scores)
}
