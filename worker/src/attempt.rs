//! From an order to its result or failure: one attempt, and more where the engine or the network, not the
//! app, is at fault. A server that breaks off once costs no task, since a failure to fetch what a task
//! needs takes its worker out of it for good. An engine that is away for some seconds costs no task; nor does one that ends its containers
//! when it comes back.

use crate::causes;
use crate::config::SandboxConfig;
use crate::params;
use crate::runs::{Order, Tools, run_id};
use poco_chain::failpoint;
use poco_core::{Address, Bytes, TaskId};
use poco_result::archive::Extent;
use poco_result::{Limits, Output};
use poco_sandbox::input::{Dataset, FetchError, Inputs, Source};
use poco_sandbox::{ImageRef, PullError, RootFs, Run, RunSpec};
use poco_worker_core::{Cause, Computation, Failure, Step, Work};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long an engine may be away before a run is given up: longer than a restart takes.
const ENGINE_AWAY_MAX: Duration = Duration::from_secs(120);
/// Pause before an engine is asked again.
const ENGINE_PAUSE: Duration = Duration::from_secs(2);
/// Attempts at one run: an engine that answers and fails every time is not away.
const ATTEMPTS_MAX: u32 = 4;

/// Pauses before a registry or a server is asked again.
const NETWORK_PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Why an attempt brought no result.
enum Trouble {
    /// The failure to tell.
    Final(Failure),
    /// The app ended as one does that the engine or the machine ended; or as some do by themselves,
    /// who do so again.
    MaybeHost(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// How often the network is tried again.
struct Patience(std::array::IntoIter<Duration, { NETWORK_PAUSES.len() }>);

impl Patience {
    fn new() -> Self {
        Self(NETWORK_PAUSES.into_iter())
    }

    /// Waits before the next try; the failure, if there is none.
    async fn wait<E: Display>(&mut self, error: E) -> Result<(), E> {
        let Some(pause) = self.0.next() else { return Err(error) };
        tracing::warn!(%error, again_in = ?pause, "trying again");
        sleep(pause).await;
        Ok(())
    }
}

impl Tools {
    /// Adopts or starts a run and brings it to its end.
    pub(crate) async fn run(&self, order: &Order) -> Result<Computation, Failure> {
        let task = order.task;
        let mut was_doubted = false;
        let mut attempts = 1;
        loop {
            let failure = match self.attempt(order).await {
                Ok(computation) => return Ok(computation),
                Err(Trouble::MaybeHost(failure)) if !was_doubted => {
                    was_doubted = true;
                    tracing::warn!(%task, why = failure.detail, "ended from outside, it seems; running it again");
                    self.clear(task).await;
                    continue;
                }
                Err(Trouble::MaybeHost(failure) | Trouble::Final(failure)) => failure,
            };
            if failure.cause != Cause::Engine || attempts >= ATTEMPTS_MAX {
                return Err(failure);
            }
            attempts += 1;
            tracing::warn!(%task, why = failure.detail, "waiting for the container engine");
            if !self.engine_is_back().await {
                return Err(failure);
            }
        }
    }

    /// Waits a moment, and until the engine answers; `false` where it does not in time.
    async fn engine_is_back(&self) -> bool {
        let since = Instant::now();
        while since.elapsed() < ENGINE_AWAY_MAX {
            sleep(ENGINE_PAUSE).await;
            if self.sandbox.engine().facts().await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn attempt(&self, order: &Order) -> Result<Computation, Trouble> {
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

    async fn start(&self, order: &Order) -> Result<Run, Failure> {
        let task = order.task;
        let spec = spec(&self.config, order)?;
        let dataset = spec.inputs.dataset.as_ref().map(|dataset| dataset.source.to_string());
        self.step(task, Step::Pulling).await;
        failpoint::hit("worker.pull.before");
        let limit = Duration::from_secs(self.config.pull_seconds);
        let engine = self.sandbox.engine();
        let mut patience = Patience::new();
        loop {
            match engine.pull(&spec.image, None, limit, &mut |_| {}).await {
                Ok(_) => break,
                Err(error @ PullError::Unreachable { .. }) => patience.wait(error).await,
                Err(error) => Err(error),
            }
            .map_err(|error| causes::of_pull(&error))?;
        }
        failpoint::hit("worker.pull.after");

        self.step(task, Step::Fetching).await;
        failpoint::hit("worker.fetch.before");
        let folder = self.sandbox.prepare(spec.id).map_err(|error| {
            Failure::new(Cause::Engine, format!("cannot make the run's folder: {error}"))
        })?;
        // What has come stays: only what is missing is fetched again.
        let mut patience = Patience::new();
        loop {
            match self.fetcher.fetch(&spec.inputs, &folder.input()).await {
                Ok(_) => break,
                Err(error @ FetchError::Network { .. }) => patience.wait(error).await,
                Err(error) => Err(error),
            }
            .map_err(|error| causes::of_fetch(&error, dataset.as_deref()))?;
        }
        failpoint::hit("worker.fetch.after");

        failpoint::hit("worker.container.start.before");
        let run = self.sandbox.start(&spec).await.map_err(|error| causes::of_start(&error))?;
        failpoint::hit("worker.container.start.after");
        Ok(run)
    }

    async fn finish(&self, task: TaskId, run: Run, extent: Extent) -> Result<Computation, Trouble> {
        failpoint::hit("worker.container.end.before");
        let ended = self.sandbox.wait(&run).await.map_err(|error| causes::of_wait(&error))?;
        failpoint::hit("worker.container.end.after");
        self.teller.hurry(task);
        tracing::info!(%task, outcome = ?ended.outcome, "the container ended");
        if let Some(failure) = causes::of_ended(&ended) {
            let failure = causes::with_tails(failure, &ended);
            let is_doubtful = ended.outcome.may_be_host_fault();
            return Err(if is_doubtful { Trouble::MaybeHost(failure) } else { failure.into() });
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
fn spec(config: &SandboxConfig, order: &Order) -> Result<RunSpec, Failure> {
    let Order { task, deal, index, work } = order;
    let (task, index) = (*task, *index);
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
        inputs: Inputs { dataset: dataset(work)?, files: params.files },
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
