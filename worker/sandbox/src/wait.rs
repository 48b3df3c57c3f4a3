//! Waits for runs to end, and ends those that go beyond their limits.
//!
//! The time limit counts from the start of the container, whoever started it and however often
//! waiting was interrupted. A reason to stop is written to disk before the container is stopped.

use std::time::{Duration, SystemTime};

use bollard::errors::Error as DockerError;
use bollard::models::{ContainerInspectResponse, ContainerStatsResponse};
use bollard::query_parameters::{
    InspectContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures::StreamExt as _;
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep, sleep_until};

use crate::disk;
use crate::engine::EngineError;
use crate::run::{Run, RunState};
use crate::sandbox::{Sandbox, state_of};
use crate::verdict::{self, Verdict};
use crate::watch;

/// Between SIGTERM and SIGKILL. An app that is out of time has no claim to more.
const STOP_GRACE_SECONDS: i32 = 2;
/// Between two looks at how much has been written, at the least.
const WATCH_PAUSE: Duration = Duration::from_millis(500);
/// Looking takes at most this share of the time, however many files there are.
const WATCH_SHARE: u32 = 10;
/// How often a lost engine is asked again, and how long it gets in between: together two
/// minutes, enough for a restart of the engine, after which containers may be running on.
const ENGINE_ATTEMPTS_MAX: u32 = 60;
const ENGINE_PAUSE: Duration = Duration::from_secs(2);
/// 128 + SIGKILL.
const EXIT_CODE_KILLED: i64 = 137;
/// How long the engine may take to hear why the kernel killed a container.
const MEMORY_NEWS_TIME: Duration = Duration::from_millis(250);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app ended by itself. Only code 0 promises a result.
    Exited {
        /// Its exit code; 128 + n if signal n ended it.
        code: i64,
    },
    /// It was stopped at its time limit.
    TimedOut,
    /// It was killed for using more memory than it may.
    OutOfMemory,
    /// It filled `/iexec_out` or wrote more than it may.
    OutOfDisk,
}

impl Outcome {
    /// Whether the exit code is one that a restart of the engine or the machine leaves, besides
    /// apps that fail in just this way. Another attempt tells which.
    pub fn may_be_host_fault(&self) -> bool {
        // 128 + SIGKILL, 128 + SIGTERM, and what the engine notes for a container it finds dead.
        matches!(self, Self::Exited { code: 137 | 143 | 255 })
    }
}

/// What a run used, as the engine saw it about once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its processes.
    pub cpu: Duration,
    /// The most memory it had at once.
    pub memory_bytes_max: u64,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// When the container started, by the engine's clock.
    pub started_at: SystemTime,
    /// When it ended, by the same clock.
    pub finished_at: SystemTime,
    /// The last lines it printed.
    pub stdout_tail: String,
    /// The last lines of errors it printed.
    pub stderr_tail: String,
    /// What it used; none for a run too short to be seen, or one that ended unwatched.
    pub usage: Option<Usage>,
}

/// Why it is not known how a run ended.
#[derive(Debug, Error)]
pub enum WaitError {
    /// The engine did not come back. The container may be running or over; wait again.
    #[error("the container engine was lost while the app ran: {0}")]
    EngineLost(EngineError),
    /// The container is gone: somebody removed it.
    #[error("the container was removed by somebody else")]
    Vanished,
    /// The container was made but never started.
    #[error("the container was not started")]
    NotStarted,
    /// The folder of the run cannot be used.
    #[error("cannot keep the run's record: {0}")]
    Io(#[from] std::io::Error),
}

impl From<EngineError> for WaitError {
    fn from(error: EngineError) -> Self {
        if error.is_not_found() { Self::Vanished } else { Self::EngineLost(error) }
    }
}

impl Sandbox {
    /// Waits until a run is over, holding its limits. May be dropped and called again, also by a
    /// later process; once the run is over every call gives the same outcome.
    pub async fn wait(&self, run: &Run) -> Result<Ended, WaitError> {
        let mut usage = None;
        let mut attempts = 0;
        loop {
            match self.wait_once(run, &mut usage).await {
                Err(WaitError::EngineLost(error)) if attempts < ENGINE_ATTEMPTS_MAX => {
                    attempts += 1;
                    tracing::warn!(container = %run.container, attempts, %error, "engine lost");
                    sleep(ENGINE_PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    async fn wait_once(&self, run: &Run, usage: &mut Option<Usage>) -> Result<Ended, WaitError> {
        let found = self.inspect(run, false).await?;
        let status = found.state.as_ref().and_then(|state| state.status);
        match state_of(status) {
            RunState::Created => return Err(WaitError::NotStarted),
            RunState::Ended => {}
            RunState::Running => {
                let deadline = self.deadline(run, &found);
                if let Some(verdict) = self.watch(run, deadline, usage).await? {
                    verdict::write(&self.folder(run.id), verdict)?;
                    tracing::info!(container = %run.container, ?verdict, "stopping the app");
                    self.stop(run).await?;
                }
            }
        }
        let found = self.inspect_ended(run).await?;
        self.ended(run, &found, *usage).await
    }

    async fn inspect_ended(&self, run: &Run) -> Result<ContainerInspectResponse, WaitError> {
        let size = run.watched.root_bytes_max.is_some();
        let found = self.inspect(run, size).await?;
        let state = found.state.as_ref();
        let was_killed = state.is_some_and(|state| {
            state.exit_code == Some(EXIT_CODE_KILLED) && state.oom_killed != Some(true)
        });
        if !was_killed {
            return Ok(found);
        }
        // It may have been killed for its memory, which the engine hears of on another path.
        sleep(MEMORY_NEWS_TIME).await;
        self.inspect(run, size).await
    }

    async fn inspect(&self, run: &Run, size: bool) -> Result<ContainerInspectResponse, WaitError> {
        let options = InspectContainerOptionsBuilder::new().size(size).build();
        let found = self.engine.docker.inspect_container(&run.container, Some(options)).await;
        Ok(found.map_err(EngineError::from)?)
    }

    /// For a container of this process by the monotonic clock, which cannot jump; for an adopted
    /// one by the engine's.
    fn deadline(&self, run: &Run, found: &ContainerInspectResponse) -> Instant {
        if let Some(started) = run.started_here {
            return started + run.watched.time;
        }
        let age = SystemTime::now().duration_since(started_at(found)).unwrap_or_default();
        Instant::now() + run.watched.time.saturating_sub(age)
    }

    /// Returns when the container has ended, or why it has to be stopped.
    async fn watch(
        &self,
        run: &Run,
        deadline: Instant,
        usage: &mut Option<Usage>,
    ) -> Result<Option<Verdict>, WaitError> {
        if verdict::read(&self.folder(run.id))?.is_some() {
            // An earlier process decided to stop it and did not live to do so.
            self.stop(run).await?;
            return Ok(None);
        }
        let docker = &self.engine.docker;
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut end = std::pin::pin!(docker.wait_container(&run.container, Some(options)));
        let options = StatsOptionsBuilder::new().stream(true).build();
        let mut stats = std::pin::pin!(docker.stats(&run.container, Some(options)).fuse());
        let mut over = std::pin::pin!(self.watch_disk(run));
        loop {
            tokio::select! {
                biased;
                ended = end.next() => return match ended {
                    // The client reports an exit code other than 0 as an error.
                    Some(Ok(_) | Err(DockerError::DockerContainerWaitError { .. })) => Ok(None),
                    Some(Err(error)) => Err(EngineError::from(error).into()),
                    None => Err(EngineError::Lost("it closed the connection".into()).into()),
                },
                () = sleep_until(deadline) => return Ok(Some(Verdict::TimedOut)),
                result = &mut over => return result.map(|()| Some(Verdict::OutOfDisk)),
                Some(Ok(sample)) = stats.next() => note(usage, &sample),
            }
        }
    }

    /// Returns once the run has written more than it may.
    async fn watch_disk(&self, run: &Run) -> Result<(), WaitError> {
        let folder = self.folder(run.id);
        let has_disk = folder.disk().exists();
        if has_disk && run.watched.root_bytes_max.is_none() {
            return std::future::pending().await;
        }
        loop {
            let began = Instant::now();
            if !has_disk && self.is_out_over(run).await? {
                return Ok(());
            }
            if run.watched.root_bytes_max.is_some() {
                // A look that fails is made up for by the next one.
                if let Ok(found) = self.inspect(run, true).await
                    && is_root_over(run, &found)
                {
                    return Ok(());
                }
            }
            sleep(WATCH_PAUSE.max(began.elapsed() * WATCH_SHARE)).await;
        }
    }

    async fn is_out_over(&self, run: &Run) -> Result<bool, WaitError> {
        let (out, bytes_max) = (self.folder(run.id).out(), run.watched.out_bytes_max);
        let looked = tokio::task::spawn_blocking(move || watch::is_over(&out, bytes_max)).await;
        Ok(looked.map_err(std::io::Error::other)?)
    }

    pub(crate) async fn stop(&self, run: &Run) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::new().t(STOP_GRACE_SECONDS).build();
        let stopped = self.engine.docker.stop_container(&run.container, Some(options)).await;
        stopped.map_err(EngineError::from)
    }

    async fn ended(
        &self,
        run: &Run,
        found: &ContainerInspectResponse,
        usage: Option<Usage>,
    ) -> Result<Ended, WaitError> {
        let started_at = started_at(found);
        // The engine notes the start of a very short run a moment after its end.
        let finished_at = finished_at(found).max(started_at);
        let ran = finished_at.duration_since(started_at).unwrap_or_default();
        let state = found.state.clone().unwrap_or_default();
        let code = state.exit_code.unwrap_or_default();
        let folder = self.folder(run.id);
        // Nobody stopped a run that ended while no process of ours was there; it is late all
        // the same. For our own, the monotonic clock has decided.
        let is_late = run.started_here.is_none() && ran >= run.watched.time;
        let outcome = match verdict::read(&folder)? {
            Some(Verdict::TimedOut) => Outcome::TimedOut,
            Some(Verdict::OutOfDisk) => Outcome::OutOfDisk,
            None if is_late => Outcome::TimedOut,
            None if state.oom_killed == Some(true) && code != 0 => Outcome::OutOfMemory,
            None if self.is_out_of_disk(run, found, code).await? => Outcome::OutOfDisk,
            None => Outcome::Exited { code },
        };
        let (stdout_tail, stderr_tail) = self.log_tails(run).await?;
        Ok(Ended { outcome, started_at, finished_at, stdout_tail, stderr_tail, usage })
    }

    /// A run is out of disk if it failed on a full disk, or wrote too much between two looks.
    async fn is_out_of_disk(
        &self,
        run: &Run,
        found: &ContainerInspectResponse,
        code: i64,
    ) -> Result<bool, WaitError> {
        let folder = self.folder(run.id);
        let is_out_over = if folder.disk().exists() {
            disk::mount_again(&folder).await?;
            code != 0 && disk::is_full(&folder)?
        } else {
            self.is_out_over(run).await?
        };
        Ok(is_out_over || is_root_over(run, found))
    }
}

fn is_root_over(run: &Run, found: &ContainerInspectResponse) -> bool {
    let written = found.size_rw.and_then(|bytes| u64::try_from(bytes).ok());
    match (run.watched.root_bytes_max, written) {
        (Some(bytes_max), Some(written)) => written > bytes_max,
        (None, _) | (_, None) => false,
    }
}

fn note(usage: &mut Option<Usage>, sample: &ContainerStatsResponse) {
    let memory = sample.memory_stats.as_ref();
    // cgroup v1 knows the peak itself, v2 only the present.
    let memory = memory.and_then(|memory| memory.max_usage.max(memory.usage));
    let cpu = sample.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    // After the end the engine sends samples without content.
    if let (Some(memory), Some(cpu)) = (memory, cpu) {
        let seen = usage.get_or_insert_default();
        seen.cpu = seen.cpu.max(Duration::from_nanos(cpu));
        seen.memory_bytes_max = seen.memory_bytes_max.max(memory);
    }
}

fn started_at(found: &ContainerInspectResponse) -> SystemTime {
    moment(found.state.as_ref().and_then(|state| state.started_at.as_deref()))
}

fn finished_at(found: &ContainerInspectResponse) -> SystemTime {
    moment(found.state.as_ref().and_then(|state| state.finished_at.as_deref()))
}

/// The engine's times are RFC 3339 with nanoseconds; the year 1 means never, as does no time.
fn moment(text: Option<&str>) -> SystemTime {
    let parsed = text.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    parsed.map_or(SystemTime::UNIX_EPOCH, |time| time.max(OffsetDateTime::UNIX_EPOCH).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_times_are_understood() {
        let second = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(moment(Some("1970-01-01T00:00:01.500000000Z")), second);
        assert_eq!(moment(Some("1970-01-01T02:00:01.5+02:00")), second);
        assert_eq!(moment(Some("0001-01-01T00:00:00Z")), SystemTime::UNIX_EPOCH);
        assert_eq!(moment(None), SystemTime::UNIX_EPOCH);
    }
}
