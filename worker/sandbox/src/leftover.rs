//! What earlier processes left: runs to go on with, and everything else to clear away.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;

use bollard::models::{ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use crate::collect::CollectError;
use crate::disk;
use crate::engine::EngineError;
use crate::folder::RunFolder;
use crate::run::{LABEL_WORKER, Run, RunId};
use crate::sandbox::{Sandbox, state_of};

/// What a sweep cleared away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers removed.
    pub containers: usize,
    /// Disks unmounted.
    pub disks: usize,
    /// Folders deleted.
    pub folders: usize,
}

impl Sandbox {
    /// All containers of this worker, whichever process started them. Wait for each: a container
    /// goes on running while its worker is away.
    pub async fn adopt(&self) -> Result<Vec<Run>, EngineError> {
        let mut runs = Vec::new();
        for container in self.list().await? {
            let id = container.id.unwrap_or_default();
            let labels = container.labels.unwrap_or_default();
            // The two lists of words for a container's state are the same but for their type.
            let status = container.state.map(|state| state.to_string());
            let status = status.and_then(|state| state.parse::<ContainerStateStatusEnum>().ok());
            match Run::of_labels(id, state_of(status), &labels) {
                Ok(run) => runs.push(run),
                Err(_) => tracing::warn!(?labels, "a container has unreadable labels; ignored"),
            }
        }
        runs.sort_by_key(|run| run.id);
        Ok(runs)
    }

    /// Removes a run with all its files: container, disk and folder. It may be running, or be
    /// partly removed already.
    pub async fn remove(&self, id: RunId) -> Result<(), CollectError> {
        if let Some(run) = self.find(id).await? {
            self.remove_container(&run.container).await?;
        }
        self.remove_files(id).await?;
        Ok(())
    }

    /// Removes all runs but those in `keep`, and everything half-made.
    pub async fn sweep(&self, keep: &BTreeSet<RunId>) -> Result<Swept, CollectError> {
        let mut swept = Swept::default();
        for container in self.list().await? {
            let id = container.id.unwrap_or_default();
            let labels = container.labels.unwrap_or_default();
            let run = Run::of_labels(id.clone(), state_of(None), &labels);
            if !run.is_ok_and(|run| keep.contains(&run.id)) {
                self.remove_container(&id).await?;
                swept.containers += 1;
            }
        }
        for id in RunFolder::list(&self.settings.root)? {
            if !keep.contains(&id) {
                swept.disks += usize::from(self.remove_files(id).await?);
                swept.folders += 1;
            }
        }
        Ok(swept)
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let label = format!("{LABEL_WORKER}={:#x}", self.settings.worker);
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        Ok(self.engine.docker.list_containers(Some(options)).await?)
    }

    async fn remove_container(&self, container: &str) -> Result<(), EngineError> {
        // Volumes go as well; images may declare more than were replaced.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.engine.docker.remove_container(container, Some(options)).await;
        match removed.map_err(EngineError::from) {
            Ok(()) => Ok(()),
            // Gone, or on its way: somebody else's removal is as good.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns whether a disk was unmounted. Deleting may take long, so it has a thread to itself.
    async fn remove_files(&self, id: RunId) -> io::Result<bool> {
        let folder = self.folder(id);
        let removed = tokio::task::spawn_blocking(move || {
            let unmounted = disk::unmount(&folder)?;
            match fs::remove_dir_all(folder.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(unmounted),
            }
        });
        removed.await.map_err(io::Error::other)?
    }
}
