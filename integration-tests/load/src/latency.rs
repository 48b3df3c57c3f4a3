//! From a deal's event to the command at an idle worker.

use crate::fleet::Seen;
use crate::scene::Scene;
use anyhow::Result;
use poco_core::DealId;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// Tasks of each deal: of the settlement lane, which needs two.
const TASKS: u64 = 2;
/// Between two deals that are alone.
const APART: Duration = Duration::from_millis(150);
/// Between two blocks under load.
const BLOCK: Duration = Duration::from_millis(100);

/// Times of many tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }

    fn of(scene: &Scene, deals: &[DealId]) -> Self {
        let wanted: BTreeSet<DealId> = deals.iter().copied().collect();
        let assigned = Seen::all(&scene.fleet.seen);
        let chain = scene.node.chain();
        let since = |(deal, at): &(DealId, Instant)| {
            let told = chain.told.get(deal).filter(|_| wanted.contains(deal))?;
            Some(at.saturating_duration_since(*told))
        };
        let mut times: Vec<Duration> = assigned.iter().filter_map(since).collect();
        times.sort_unstable();
        Self(times)
    }
}

/// Deals one at a time, `count` of them: from the node's answer that tells the deal to the command.
pub(crate) async fn alone(scene: &mut Scene, count: usize) -> Result<Times> {
    let mut deals = Vec::new();
    for _ in 0..count {
        deals.extend(scene.node.chain().match_deals(1, TASKS, 1)?);
        scene.tasks += TASKS as usize;
        tokio::time::sleep(APART).await;
    }
    scene.fleet.until_assigned(scene.tasks).await?;
    Ok(Times::of(scene, &deals))
}

/// Deals of `per_second` tasks a second, in blocks, for `seconds`.
pub(crate) async fn loaded(scene: &mut Scene, per_second: u64, seconds: u64) -> Result<Times> {
    let each = per_second * BLOCK.as_millis() as u64 / 1000 / TASKS;
    let mut block = tokio::time::interval(BLOCK);
    let mut deals = Vec::new();
    for _ in 0..seconds * 1000 / BLOCK.as_millis() as u64 {
        block.tick().await;
        deals.extend(scene.node.chain().match_deals(each, TASKS, 1)?);
        scene.tasks += (each * TASKS) as usize;
    }
    scene.fleet.until_assigned(scene.tasks).await?;
    Ok(Times::of(scene, &deals))
}

/// What it takes to write a page and have it on the disk, in the folder of temporary files, where
/// the scheduler's store lies as well.
pub(crate) fn fsyncs(count: usize) -> Result<Times> {
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        nix::unistd::fdatasync(file.as_fd())?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(Times(times))
}
