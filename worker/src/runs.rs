//! Drives the sandbox: one job per task, from the image to the result, or clearing it all away.
//!
//! Jobs of one task follow each other, never overlap. A job that is dropped leaves its container
//! running, for the next process to adopt.

use crate::arrival::Arrival;
use crate::causes;
use crate::config::SandboxConfig;
use crate::params;
use crate::telling::Teller;
use poco_chain::failpoint;
use poco_core::{Address, Bytes, DealId, TaskId};
use poco_result::archive::Extent;
use poco_result::{Limits, Output};
use poco_sandbox::input::{Dataset, Fetcher, Inputs, Source};
use poco_sandbox::{ImageRef, RootFs, Run, RunId, RunSpec, Sandbox};
use poco_worker_core::{Cause, Computation, Failure, Input, Step, Work};
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
            let outcome = tools.run(order).await;
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

fn run_id(task: TaskId) -> RunId {
    // A wallet gets one try at a task: another replica is another worker.
    RunId { task: task.0, attempt: 0 }
}

impl Tools {
    async fn tell(&self, input: Input) {
        // A closed queue: the process ends, and the next one asks again.
        let _ = self.arrivals.send(input.into()).await;
    }

    async fn step(&self, task: TaskId, step: Step) {
        self.tell(Input::Progress { task, step }).await;
    }

    async fn run(&self, order: Order) -> Result<Computation, Failure> {
        let task = order.task;
        let found = self.sandbox.find(run_id(task)).await;
        let found = found.map_err(|error| Failure::new(Cause::Engine, error.to_string()))?;
        let extent = match order.work.terms.recorded.binds_zip() {
            true => Extent::Declared,
            false => Extent::Whole,
        };
        let run = match found {
            Some(run) if run.state != poco_sandbox::RunState::Created => {
                tracing::info!(%task, container = run.container, "adopting a container");
                run
            }
            Some(_) | None => self.start(order).await?,
        };
        self.step(task, Step::Running { container: run.container.clone() }).await;
        self.teller.begin(&self.sandbox, task, &run);
        self.finish(task, run, extent).await
    }

    async fn start(&self, order: Order) -> Result<Run, Failure> {
        let task = order.task;
        let spec = spec(&self.config, order)?;
        let dataset = spec.inputs.dataset.as_ref().map(|dataset| dataset.source.to_string());
        self.step(task, Step::Pulling).await;
        failpoint::hit("worker.pull.before");
        let limit = Duration::from_secs(self.config.pull_seconds);
        let engine = self.sandbox.engine();
        let pulled = engine.pull(&spec.image, None, limit, &mut |_| {}).await;
        pulled.map_err(|error| causes::of_pull(&error))?;
        failpoint::hit("worker.pull.after");

        self.step(task, Step::Fetching).await;
        failpoint::hit("worker.fetch.before");
        let folder = self.sandbox.prepare(spec.id).map_err(|error| {
            Failure::new(Cause::Engine, format!("cannot make the run's folder: {error}"))
        })?;
        let fetched = self.fetcher.fetch(&spec.inputs, &folder.input()).await;
        fetched.map_err(|error| causes::of_fetch(&error, dataset.as_deref()))?;
        failpoint::hit("worker.fetch.after");

        failpoint::hit("worker.container.start.before");
        let run = self.sandbox.start(&spec).await.map_err(|error| causes::of_start(&error))?;
        failpoint::hit("worker.container.start.after");
        Ok(run)
    }

    async fn finish(&self, task: TaskId, run: Run, extent: Extent) -> Result<Computation, Failure> {
        failpoint::hit("worker.container.end.before");
        let ended = self.sandbox.wait(&run).await.map_err(|error| causes::of_wait(&error))?;
        failpoint::hit("worker.container.end.after");
        self.teller.hurry(task);
        tracing::info!(%task, outcome = ?ended.outcome, "the container ended");
        if let Some(failure) = causes::of_ended(&ended) {
            return Err(causes::with_tails(failure, &ended));
        }
        failpoint::hit("worker.collect.before");
        // Output and logs together: each was limited while the app ran.
        let bytes_max = self.config.out_bytes.saturating_add(self.config.log_bytes);
        let limits = Limits { bytes_max, ..Limits::default() };
        let finished = self.sandbox.collect(&run, extent, limits).await;
        let finished =
            finished.map_err(|error| causes::with_tails(causes::of_collect(&error), &ended))?;
        sync_folder(self.sandbox.folder(run.id).path().to_owned()).await?;
        failpoint::hit("worker.collect.after");
        let callback = match finished.computed.output {
            Output::Callback(bytes) => Bytes::from(bytes),
            Output::File | Output::Directory => Bytes::new(),
        };
        Ok(Computation {
            digest: poco_core::ResultDigest(finished.computed.digest),
            cid: finished.cid.to_string(),
            size: finished.zip_bytes,
            callback,
        })
    }

    async fn discard(&self, task: TaskId) {
        failpoint::hit("worker.discard.before");
        for attempt in 1..=DISCARD_TRIES_MAX {
            match self.sandbox.remove(run_id(task)).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%task, attempt, %error, "cannot clear a run away");
                    tokio::time::sleep(DISCARD_PAUSE).await;
                }
            }
        }
        failpoint::hit("worker.discard.after");
    }
}

/// Makes the result's name durable, not only its content: a vote will be backed by it.
async fn sync_folder(path: PathBuf) -> Result<(), Failure> {
    let synced = tokio::task::spawn_blocking(move || std::fs::File::open(path)?.sync_all()).await;
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Cause::Engine, format!("cannot store the result: {error}"))
    };
    synced.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// All there is to say about a run, or why it cannot be run here.
fn spec(config: &SandboxConfig, order: Order) -> Result<RunSpec, Failure> {
    let Order { task, deal, index, work } = order;
    let params = params::parse(&work.params).map_err(|error| match error {
        params::ParamsError::Unsupported(_) => Failure::new(Cause::Declined, error.to_string()),
        params::ParamsError::Unreadable(_) | params::ParamsError::BadInput(_) => {
            Failure::new(Cause::Input, error.to_string())
        }
    })?;
    let image = ImageRef::from_multiaddr(&work.app.multiaddr, work.app.checksum)
        .map_err(|error| Failure::new(Cause::ImageMissing, error.to_string()))?;
    let small = |what: &str, value: poco_core::U256| {
        u64::try_from(value).map_err(|_| {
            Failure::new(Cause::Declined, format!("the deal's {what} exceeds 64 bits"))
        })
    };
    Ok(RunSpec {
        id: run_id(task),
        deal: deal.0,
        task_index: index,
        bot_first: small("first index", work.bot_first)?,
        bot_size: small("size", work.bot_size)?,
        image,
        args: params.args,
        inputs: Inputs { dataset: dataset(&work)?, files: params.files },
        secrets: BTreeMap::new(),
        limits: config.limits(Duration::from_secs(work.time_limit_seconds)),
        root: match params.wants_writable_root {
            true => RootFs::Writable { bytes_max: config.root_bytes },
            false => RootFs::ReadOnly,
        },
        runtime: config.runtime.clone(),
    })
}

fn dataset(work: &Work) -> Result<Option<Dataset>, Failure> {
    let Some(program) = &work.dataset else { return Ok(None) };
    let source = Source::from_multiaddr(&program.multiaddr)
        .map_err(|error| Failure::new(Cause::Dataset, error.to_string()))?;
    let address: Address = work.dataset_address;
    Ok(Some(Dataset { address, source, checksum: program.checksum }))
}
