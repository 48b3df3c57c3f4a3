//! Turns what a run left into a result: digest, zip and CID.

use std::io;
use std::path::PathBuf;

use poco_result::archive::{self, ArchiveError, Extent, Logs};
use poco_result::cid::cid_of_file;
use poco_result::digest::digest_of_out;
use poco_result::{Cid, Computed, DigestError, Limits};
use thiserror::Error;

use crate::disk;
use crate::engine::EngineError;
use crate::folder::RunFolder;
use crate::logs::{LogError, SavedLogs};
use crate::run::Run;
use crate::sandbox::Sandbox;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The digest to vote with, and what it is of.
    pub computed: Computed,
    /// The result zip, until the run is removed.
    pub zip: PathBuf,
    /// Its length.
    pub zip_bytes: u64,
    /// Its CID.
    pub cid: Cid,
    /// Links and special files in the out directory, which are not in the zip.
    pub skipped: u64,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The app declared no usable result.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// What the app left cannot be put into a zip.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The engine did not give the logs.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run's files cannot be read or written.
    #[error("cannot collect the result: {0}")]
    Io(#[from] io::Error),
}

impl CollectError {
    /// Whether the app is to blame, so that another attempt gives the same: the run failed.
    pub fn is_app_fault(&self) -> bool {
        match self {
            Self::Digest(error) => error.is_maker_fault(),
            Self::Archive(error) => error.is_app_fault(),
            Self::Engine(_) | Self::Io(_) => false,
        }
    }
}

impl From<LogError> for CollectError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Engine(error) => Self::Engine(error),
            LogError::Io(error) => Self::Io(error),
        }
    }
}

impl Sandbox {
    /// Saves what a run printed, whether it succeeded or not.
    pub async fn save_logs(&self, run: &Run) -> Result<SavedLogs, CollectError> {
        Ok(self.save_streams(run).await?)
    }

    /// Makes the result of a run that has ended: saves its logs, computes the digest, writes the
    /// zip of what `extent` says. Whether its exit code permits a result is for the caller. May be
    /// repeated, with the same result.
    pub async fn collect(
        &self,
        run: &Run,
        extent: Extent,
        limits: Limits,
    ) -> Result<Finished, CollectError> {
        let folder = self.folder(run.id);
        disk::mount_again(&folder).await?;
        self.save_streams(run).await?;
        // Hashing and compressing take seconds of processor time for large results.
        let made = tokio::task::spawn_blocking(move || make(&folder, extent, &limits)).await;
        made.map_err(io::Error::other)?
    }
}

fn make(folder: &RunFolder, extent: Extent, limits: &Limits) -> Result<Finished, CollectError> {
    let (out, zip) = (folder.out(), folder.result());
    let (stdout, stderr) = (folder.stdout(), folder.stderr());
    let computed = digest_of_out(&out, limits)?;
    let logs = Logs { stdout: &stdout, stderr: &stderr };
    let archived = archive::write(&out, logs, extent, &zip, limits)?;
    let cid = cid_of_file(&zip)?;
    let (zip_bytes, skipped) = (archived.zip_bytes, archived.skipped);
    Ok(Finished { computed, zip, zip_bytes, cid, skipped })
}
