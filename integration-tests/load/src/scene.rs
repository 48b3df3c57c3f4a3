//! A scheduler with its node and its workers, and tasks brought to the point where they run.

use crate::fleet::Fleet;
use crate::node::Node;
use crate::node::chain::Chain;
use crate::scheduler::{Line, Scheduler, Usage};
use anyhow::Result;
use poco_chain::Wallet;
use poco_core::DealId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tasks of one deal: larger bags are several.
const BAG: u64 = 10_000;
/// Before memory is looked at: allocators give back late, and timers end.
const REST: Duration = Duration::from_secs(3);

pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) scheduler: Scheduler,
    pub(crate) fleet: Fleet,
    /// Before anybody was connected.
    pub(crate) empty: Usage,
    /// With everybody connected and nothing to do.
    pub(crate) idle: Usage,
    pub(crate) tasks: usize,
}

/// What it took to assign some tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    pub(crate) tasks: usize,
    pub(crate) workers: usize,
    /// From the block of the match until the last was assigned.
    pub(crate) since_match: Duration,
    /// From the first assignment to the last.
    pub(crate) spread: Duration,
    /// Of the scheduler, until the last report was acknowledged.
    pub(crate) cpu: Duration,
    /// Of the driver, in the same time.
    pub(crate) driver_cpu: Duration,
    /// Until the last report was acknowledged.
    pub(crate) whole: Duration,
    /// Of the scheduler, more than before, per task.
    pub(crate) bytes_each: u64,
    pub(crate) calls: u64,
}

impl Scene {
    /// Starts a scheduler and lets `workers` log in, with `slots` slots each.
    pub(crate) async fn start(program: PathBuf, workers: usize, slots: u32) -> Result<Self> {
        Self::start_over(Line::Plain, program, workers, slots).await
    }

    /// The same over a line of some kind.
    pub(crate) async fn start_over(
        line: Line,
        program: PathBuf,
        workers: usize,
        slots: u32,
    ) -> Result<Self> {
        let owner = Wallet::random();
        let wallets: Vec<Arc<Wallet>> = (0..workers).map(|_| Arc::new(Wallet::random())).collect();
        let addresses: Vec<_> = wallets.iter().map(|wallet| wallet.address()).collect();
        let node = Node::start(Chain::new(owner.address(), &addresses)?).await?;
        let scheduler = Scheduler::start(program, &node, &owner, line).await?;
        tokio::time::sleep(REST).await;
        let empty = scheduler.usage()?;
        let mut fleet = Fleet::new(scheduler.url()?, slots);
        fleet.join(&wallets).await?;
        // A place counts for matches in later blocks than that of its login.
        node.chain().beat();
        tokio::time::sleep(REST).await;
        let idle = scheduler.usage()?;
        Ok(Self { node, scheduler, fleet, empty, idle, tasks: 0 })
    }

    /// What an idle worker's connection takes, in bytes.
    pub(crate) fn worker_bytes(&self, workers: usize) -> f64 {
        self.idle.rss_bytes.saturating_sub(self.empty.rss_bytes) as f64 / workers as f64
    }

    /// Matches bags of `tasks` tasks together and waits until all are assigned and run.
    pub(crate) async fn fill(&mut self, tasks: usize) -> Result<Filled> {
        let before = self.scheduler.usage()?;
        let (driver, calls) = (Usage::of("self")?, self.node.calls());
        let started = Instant::now();
        let deals = self.match_bags(tasks as u64)?;
        self.tasks += tasks;
        self.fleet.until_assigned(self.tasks).await?;
        let since_match = started.elapsed();
        self.fleet.until_acknowledged(self.tasks).await?;
        let whole = started.elapsed();
        let after = self.scheduler.usage()?;
        let driver_cpu = Usage::of("self")?.cpu.saturating_sub(driver.cpu);
        let calls = self.node.calls() - calls;
        let times = self.fleet.seen.times_of(&deals);
        let spread = match (times.first(), times.last()) {
            (Some((_, first)), Some((_, last))) => *last - *first,
            _ => Duration::ZERO,
        };
        tokio::time::sleep(REST).await;
        let grown = self.scheduler.usage()?.rss_bytes.saturating_sub(before.rss_bytes);
        Ok(Filled {
            tasks,
            workers: self.fleet.seen.connected(),
            since_match,
            spread,
            cpu: after.cpu.saturating_sub(before.cpu),
            driver_cpu,
            whole,
            bytes_each: grown / tasks.max(1) as u64,
            calls,
        })
    }

    pub(crate) fn match_bags(&self, tasks: u64) -> Result<Vec<DealId>> {
        let mut chain = self.node.chain();
        let mut deals = Vec::new();
        if tasks >= BAG {
            deals.extend(chain.match_deals(tasks / BAG, BAG, 1)?);
        }
        if !tasks.is_multiple_of(BAG) {
            deals.extend(chain.match_deals(1, tasks % BAG, 1)?);
        }
        Ok(deals)
    }
}

impl Filled {
    pub(crate) fn per_second(&self) -> f64 {
        self.tasks as f64 / self.spread.as_secs_f64().max(1e-9)
    }

    pub(crate) fn cpu_each(&self) -> Duration {
        self.cpu / u32::try_from(self.tasks).unwrap_or(u32::MAX)
    }
}
