//! Starts runs: one container per run, whatever is repeated and however often.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::Address;
use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::container;
use crate::disk::{self, DiskMode};
use crate::engine::{Engine, EngineError};
use crate::folder::RunFolder;
use crate::run::{Run, RunId, RunSpec, RunState};

/// Longest arguments taken: what Linux allows for a single one.
const ARGS_BYTES_MAX: usize = 128 * 1024;

/// What is the same for all runs of a worker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose containers these are. Several workers may share an engine.
    pub worker: Address,
    /// Folder for runs; nothing else may be in it. An absolute path.
    pub root: PathBuf,
    /// How out directories are limited.
    pub disk: DiskMode,
    /// Labels for the containers besides our own, for the operator to find them by.
    pub labels: BTreeMap<String, String>,
}

/// Runs apps of one worker on one engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    /// Held while a run is started, so that two calls for one run make one disk and one container.
    /// The engine starts one container after another anyway.
    starting: Arc<Mutex<()>>,
}

/// Why a run did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The request's arguments cannot be split as a shell does.
    #[error("the arguments cannot be read: {0}")]
    BadArgs(String),
    /// The image is not on this machine; it has to be pulled first.
    #[error("the image {0} is not here")]
    NoImage(String),
    /// The image's program is missing or is not one that runs here.
    #[error("the app cannot be started: {0}")]
    AppUnstartable(String),
    /// The folder or the disk for the run cannot be made.
    #[error("cannot make a place for the run: {0}")]
    Io(#[from] io::Error),
    /// The engine is gone or refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl StartError {
    /// Whether the app or the request is to blame, so that another attempt gives the same.
    pub fn is_app_fault(&self) -> bool {
        match self {
            Self::BadArgs(_) | Self::AppUnstartable(_) => true,
            Self::NoImage(_) | Self::Io(_) | Self::Engine(_) => false,
        }
    }
}

impl Sandbox {
    /// A sandbox on an engine. Does nothing yet.
    pub fn new(engine: Engine, settings: Settings) -> Self {
        Self { engine, settings, starting: Arc::default() }
    }

    /// The engine runs are started on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the files of a run are.
    pub fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::new(&self.settings.root, id)
    }

    /// Makes the folder of a run, so that inputs can be fetched to [`RunFolder::input`].
    pub fn prepare(&self, id: RunId) -> io::Result<RunFolder> {
        let folder = self.folder(id);
        folder.make()?;
        Ok(folder)
    }

    /// Starts a run whose image and inputs are here. A run that was started before, by this
    /// process or an earlier one, is returned as it is and not started again, also when it is
    /// over.
    pub async fn start(&self, spec: &RunSpec) -> Result<Run, StartError> {
        let args = split_args(&spec.args)?;
        let _starting = self.starting.lock().await;
        if let Some(run) = self.find(spec.id).await? {
            return self.start_created(run).await;
        }
        let folder = self.make_folder(spec).await?;
        match self.create(spec, args, &folder).await {
            Ok(()) => {}
            // Another process of this worker was faster; there is one container all the same.
            Err(StartError::Engine(error)) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        match self.find(spec.id).await? {
            Some(run) => self.start_created(run).await,
            None => Err(EngineError::Lost("the container vanished".into()).into()),
        }
    }

    async fn make_folder(&self, spec: &RunSpec) -> io::Result<RunFolder> {
        let folder = self.prepare(spec.id)?;
        if self.settings.disk.is_sized() {
            disk::mount(&folder, spec.limits.out_bytes).await?;
        }
        folder.make_out()?;
        Ok(folder)
    }

    async fn create(
        &self,
        spec: &RunSpec,
        args: Vec<String>,
        folder: &RunFolder,
    ) -> Result<(), StartError> {
        let docker = &self.engine.docker;
        let image = docker.inspect_image(&spec.image.to_string()).await.map_err(EngineError::from);
        let image = image.map_err(|error| {
            if error.is_not_found() {
                StartError::NoImage(spec.image.to_string())
            } else {
                error.into()
            }
        })?;
        let config = image.config.unwrap_or_default();
        let volumes = config.volumes.unwrap_or_default();
        let has_command =
            [config.entrypoint, config.cmd].into_iter().flatten().any(|c| !c.is_empty());
        if !has_command && args.is_empty() {
            let reason = "the image has no command and the request no arguments";
            return Err(StartError::AppUnstartable(reason.into()));
        }
        let worker = self.settings.worker;
        let name = container::name(worker, &spec.id);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let mut body = container::body(spec, args, folder, &volumes, worker);
        let labels = body.labels.get_or_insert_default();
        for (label, value) in &self.settings.labels {
            // Ours say how to go on with the container, so they cannot be replaced.
            labels.entry(label.clone()).or_insert_with(|| value.clone());
        }
        docker.create_container(Some(options), body).await.map_err(EngineError::from)?;
        Ok(())
    }

    async fn start_created(&self, mut run: Run) -> Result<Run, StartError> {
        if run.state != RunState::Created {
            return Ok(run);
        }
        let folder = self.folder(run.id);
        // The machine may have restarted since the container was made.
        disk::mount_again(&folder).await?;
        folder.make_out()?;
        let docker = &self.engine.docker;
        let started = docker.start_container(&run.container, None::<StartContainerOptions>).await;
        started.map_err(|error| start_error(error.into()))?;
        run.state = RunState::Running;
        // Taken after the start, so that the engine's own work does not count as the app's time.
        run.started_here = Some(Instant::now());
        tracing::info!(task = %run.id.task, attempt = run.id.attempt, "container started");
        Ok(run)
    }

    /// The container of a run, if there is one.
    pub async fn find(&self, id: RunId) -> Result<Option<Run>, EngineError> {
        let name = container::name(self.settings.worker, &id);
        let docker = &self.engine.docker;
        let found = docker.inspect_container(&name, None::<InspectContainerOptions>).await;
        let found = match found.map_err(EngineError::from) {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = found.state.and_then(|state| state.status);
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let container = found.id.unwrap_or(name);
        Run::of_labels(container, state_of(status), &labels).map(Some).map_err(|_| {
            let message = format!("a container of this name has foreign labels: {labels:?}");
            EngineError::Refused { status: 409, message }
        })
    }
}

/// Where a container is by the engine's word for it.
pub(crate) fn state_of(status: Option<ContainerStateStatusEnum>) -> RunState {
    use ContainerStateStatusEnum as Status;
    match status {
        None | Some(Status::EMPTY | Status::CREATED) => RunState::Created,
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING) => {
            RunState::Running
        }
        Some(Status::REMOVING | Status::EXITED | Status::DEAD) => RunState::Ended,
    }
}

/// Splits an app's arguments as a shell does.
///
/// # Errors
/// [`StartError::BadArgs`], which is the same on every worker: an open quote, a zero byte, or more
/// text than a program can be given.
pub fn split_args(args: &str) -> Result<Vec<String>, StartError> {
    if args.len() > ARGS_BYTES_MAX {
        return Err(StartError::BadArgs(format!("longer than {ARGS_BYTES_MAX} bytes")));
    }
    if args.contains('\0') {
        return Err(StartError::BadArgs("a zero byte in it".into()));
    }
    shell_words::split(args).map_err(|error| StartError::BadArgs(error.to_string()))
}

/// The runtime's words for a program that is missing, no program, or for another processor.
fn start_error(error: EngineError) -> StartError {
    let EngineError::Refused { message, .. } = &error else { return error.into() };
    // `exec: "name": …` and `exec /name: …`, by the runtime's version; failures of the runtime's
    // own, such as mounting, have neither.
    let is_of_program = message.contains("exec: \"") || message.contains("exec /");
    if is_of_program || message.contains("unable to find user") {
        StartError::AppUnstartable(message.clone())
    } else {
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_cannot_run_is_the_apps_fault() {
        let error_of = |message: &str| {
            start_error(EngineError::Refused { status: 400, message: message.into() })
        };
        let prefix = "OCI runtime create failed: runc create failed: unable to start container";
        for of_app in [
            &format!("{prefix} process: exec: \"x\": executable file not found in $PATH: unknown"),
            &format!("{prefix} process: exec /bin/x: exec format error: unknown"),
            "unable to find user app: no matching entries in passwd file",
        ] {
            assert!(error_of(of_app).is_app_fault(), "{of_app}");
        }
        let mounting =
            format!("{prefix} process: error mounting \"/a\": no such file or directory");
        assert!(!error_of(&mounting).is_app_fault());
    }

    #[test]
    fn arguments_are_split_as_a_shell_does() {
        let args = split_args(r#"--name "a b" 'c d' e\ f"#).unwrap();
        assert_eq!(args, ["--name", "a b", "c d", "e f"]);
        assert!(split_args("").unwrap().is_empty());
        for bad in ["'open", "\"", "a\0b", &"x".repeat(ARGS_BYTES_MAX + 1)] {
            assert!(matches!(split_args(bad), Err(StartError::BadArgs(_))));
        }
    }
}
