//! Drives the sandbox: one job per task, from the image to the result, or clearing it all away.
//!
//! Jobs of one task follow each other, never overlap. A job that is dropped leaves its container
//! running, for the next process to adopt.

use crate::arrival::Arrival;
use crate::config::SandboxConfig;
use crate::telling::Teller;
use poco_chain::failpoint;
use poco_core::{DealId, TaskId};
use poco_sandbox::input::Fetcher;
use poco_sandbox::{RunId, Sandbox};
use poco_worker_core::{Input, Step, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often clearing away is tried; the rest is swept at the next start.
const DISCARD_TRIES_MAX: u32 = 5;
/// The pause between two tries.
const DISCARD_PAUSE: Duration = Duration::from_secs(2);

/// All runs of this process.
pub(crate) struct Runs {
    tools: Tools,
    jobs: BTreeMap<TaskId, JoinHandle<()>>,
}

/// What a job works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) sandbox: Sandbox,
    pub(crate) fetcher: Fetcher,
    pub(crate) config: SandboxConfig,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) teller: Teller,
}

/// What to run.
pub(crate) struct Order {
    pub(crate) task: TaskId,
    pub(crate) deal: DealId,
    pub(crate) index: u64,
    pub(crate) work: Box<Work>,
}

impl Runs {
    pub(crate) fn new(tools: Tools) -> Self {
        Self { tools, jobs: BTreeMap::new() }
    }

    /// Clears away the runs below `root` that no task of the journal needs. Only those: the same
    /// wallet may serve another chain from another folder on this machine.
    pub(crate) async fn sweep(&self, root: &Path, tasks: impl IntoIterator<Item = TaskId>) {
        let keep: BTreeSet<RunId> = tasks.into_iter().map(run_id).collect();
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let found: Vec<RunId> = names.filter_map(|name| name.parse().ok()).collect();
        for id in found.into_iter().filter(|id| !keep.contains(id)) {
            failpoint::hit("worker.sweep.before");
            let removed = self.tools.sandbox.remove(id).await;
            failpoint::hit("worker.sweep.after");
            match removed {
                Ok(()) => tracing::info!(run = %id, "cleared away what an earlier process left"),
                Err(error) => tracing::warn!(run = %id, %error, "cannot clear a run away"),
            }
        }
    }

    /// Where a task's result lies.
    pub(crate) fn zip(&self, task: TaskId) -> PathBuf {
        self.tools.sandbox.folder(run_id(task)).result()
    }

    /// Adopts or starts a run; its outcome arrives in the loop.
    pub(crate) fn run(&mut self, order: Order) {
        let task = order.task;
        let tools = self.tools.clone();
        self.follow(task, false, async move {
            let outcome = tools.run(&order).await;
            tools.tell(Input::Finished { task, outcome }).await;
        });
    }

    /// Stops a run and deletes all it left.
    pub(crate) fn discard(&mut self, task: TaskId) {
        self.tools.teller.end(task);
        let tools = self.tools.clone();
        self.follow(task, true, async move { tools.discard(task).await });
    }

    /// Leaves containers running and ends the jobs that watch them. A container being cleared
    /// away is swept at the next start.
    pub(crate) fn let_go(&mut self) {
        self.jobs.values().for_each(JoinHandle::abort);
        self.tools.teller.end_all();
    }

    fn follow(
        &mut self,
        task: TaskId,
        ends_last: bool,
        job: impl Future<Output = ()> + Send + 'static,
    ) {
        self.jobs.retain(|_, job| !job.is_finished());
        let last = self.jobs.remove(&task);
        let next = tokio::spawn(async move {
            if let Some(last) = last {
                if ends_last {
                    last.abort();
                }
                // It was aborted, or ended in its own time; either way it has told what it had to.
                let _ = last.await;
            }
            job.await;
        });
        self.jobs.insert(task, next);
    }
}

pub(crate) fn run_id(task: TaskId) -> RunId {
    // A wallet gets one try at a task: another replica is another worker.
    RunId { task: task.0, attempt: 0 }
}

impl Tools {
    async fn tell(&self, input: Input) {
        // A closed queue: the process ends, and the next one asks again.
        let _ = self.arrivals.send(input.into()).await;
    }

    pub(crate) async fn step(&self, task: TaskId, step: Step) {
        self.tell(Input::Progress { task, step }).await;
    }

    async fn discard(&self, task: TaskId) {
        failpoint::hit("worker.discard.before");
        self.clear(task).await;
        failpoint::hit("worker.discard.after");
    }

    /// Removes all that is left of a run.
    pub(crate) async fn clear(&self, task: TaskId) {
        for attempt in 1..=DISCARD_TRIES_MAX {
            match self.sandbox.remove(run_id(task)).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%task, attempt, %error, "cannot clear a run away");
                    tokio::time::sleep(DISCARD_PAUSE).await;
                }
            }
        }
    }
}
