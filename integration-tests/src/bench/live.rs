//! Memory with nothing to do and with many tasks live.
//!
//! *Live* means: initialized on chain, open at the scheduler, assigned to a worker, and its
//! container running, which does nothing but wait.

use super::memory::{Held, MemoryReport, ProcessMemory};
use super::scene::Scene;
use crate::process::wait_for;
use anyhow::{Context, Result};
use poco_core::Event;
use std::time::Duration;

/// Tasks that are live at once.
pub const TASKS: usize = 100;
/// What their apps do: longer than it takes to start all of them, shorter than the shortest
/// category allows.
const STEPS: &str = "sleep 290";
/// How long it may take until all are live: the engine starts one container after another.
const LIVE_MAX: Duration = Duration::from_secs(270);
/// Rest before memory is looked at, so that what was freed has been freed.
const REST: Duration = Duration::from_secs(5);

/// How tables call the chain.
const CHAIN: &str = "anvil, for information";

/// What every process holds, by name.
///
/// # Errors
/// Where one has ended.
pub async fn look(scene: &Scene) -> Result<Vec<(String, Held)>> {
    tokio::time::sleep(REST).await;
    let mut processes = vec![
        ("scheduler".to_owned(), scene.pool.scheduler.pid()),
        ("market".to_owned(), scene.pool.market.pid()),
    ];
    let workers = scene.pool.workers.iter().enumerate();
    processes.extend(workers.map(|(number, worker)| (format!("worker {number}"), worker.pid())));
    processes.push((CHAIN.to_owned(), scene.world.anvil.pid()));
    let held = |(name, pid): (String, u32)| {
        let held = Held::by(pid).with_context(|| format!("{name} cannot be looked at"))?;
        Ok((name, held))
    };
    processes.into_iter().map(held).collect()
}

/// Buys a bag of tasks and waits until all are live.
///
/// # Errors
/// Where they are not in time.
pub async fn fill(scene: &Scene) -> Result<()> {
    let volume = TASKS.to_string();
    let bought = scene.buy(&["--args", STEPS, "--trust", "1", "--volume", &volume])?;
    wait_for("all tasks to be live", LIVE_MAX, async || {
        let tasks = &bought.tasks;
        let is_open =
            |event: &Event| matches!(event, Event::TaskInitialize { task, .. } if tasks.contains(task));
        let open = scene.blocks.all(is_open).len();
        let live = scene.watch.pool().await?.tasks_live;
        let is_full = [open as u64, live, scene.engine.running() as u64]
            .into_iter()
            .all(|count| count == TASKS as u64);
        Ok(is_full.then_some(()))
    })
    .await
    .with_context(|| format!("the scheduler said:\n{}", scene.pool.scheduler.tail(30)))
}

/// Both looks side by side.
#[must_use]
pub fn compare(
    scene: &Scene,
    idle: Vec<(String, Held)>,
    live: Vec<(String, Held)>,
) -> MemoryReport {
    let both = idle.into_iter().zip(live);
    let process = |((name, idle), (_, live)): ((String, Held), (String, Held))| {
        let is_ours = name != CHAIN;
        ProcessMemory { name, is_ours, idle, live }
    };
    let processes = both.map(process).collect();
    MemoryReport { tasks: TASKS, workers: scene.pool.workers.len(), processes }
}
