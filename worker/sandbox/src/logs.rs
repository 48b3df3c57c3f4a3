//! What an app printed: the end of it for people, all that was kept for the result; and what it
//! prints, as it comes.
//!
//! The engine keeps the last part of long logs, at most what the run's limit says, so what is
//! copied here is limited twice.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::{Stream, StreamExt as _};
use tempfile::NamedTempFile;

use crate::engine::EngineError;
use crate::run::Run;
use crate::sandbox::Sandbox;

/// Lines shown of each stream, and their bytes: enough for a stack trace.
const TAIL_LINES: u32 = 40;
const TAIL_BYTES_MAX: usize = 8 * 1024;

/// The logs of a run on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLogs {
    /// What it printed.
    pub stdout: PathBuf,
    /// The errors it printed.
    pub stderr: PathBuf,
}

/// Something that an app printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Whether to its standard error.
    pub is_stderr: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Failures that are either the engine's or the disk's.
pub(crate) enum LogError {
    Engine(EngineError),
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Sandbox {
    /// Writes both logs next to the run's other files, replacing what is there. Each appears
    /// complete or not at all.
    pub(crate) async fn save_streams(&self, run: &Run) -> Result<SavedLogs, LogError> {
        let folder = self.folder(run.id);
        let mut stdout = LogFile::new(folder.path(), run.watched.log_bytes_max)?;
        let mut stderr = LogFile::new(folder.path(), run.watched.log_bytes_max)?;
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let mut logs = self.engine.docker.logs(&run.container, Some(options));
        while let Some(part) = logs.next().await {
            match part.map_err(|error| LogError::Engine(error.into()))? {
                LogOutput::StdErr { message } => stderr.write(&message)?,
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => stdout.write(&message)?,
            }
        }
        stdout.finish(&folder.stdout())?;
        stderr.finish(&folder.stderr())?;
        Ok(SavedLogs { stdout: folder.stdout(), stderr: folder.stderr() })
    }

    /// What a run prints, from the first that the engine keeps of it to its end. The engine writes
    /// to its log whether or not somebody reads here, so a slow reader does not slow the app.
    pub fn printed(&self, run: &Run) -> impl Stream<Item = Result<Printed, EngineError>> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
        let parts = self.engine.docker.logs(&run.container, Some(options));
        parts.map(|part| {
            let part = part.map_err(EngineError::from)?;
            let is_stderr = matches!(part, LogOutput::StdErr { .. });
            Ok(Printed { is_stderr, bytes: part.into_bytes().to_vec() })
        })
    }

    /// The last lines of stdout and stderr.
    pub(crate) async fn log_tails(&self, run: &Run) -> Result<(String, String), EngineError> {
        Ok((self.log_tail(run, false).await?, self.log_tail(run, true).await?))
    }

    async fn log_tail(&self, run: &Run, is_stderr: bool) -> Result<String, EngineError> {
        let lines = TAIL_LINES.to_string();
        let options = LogsOptionsBuilder::new().stdout(!is_stderr).stderr(is_stderr).tail(&lines);
        let mut logs = self.engine.docker.logs(&run.container, Some(options.build()));
        let mut tail = Vec::new();
        while let Some(part) = logs.next().await {
            tail.extend_from_slice(&part?.into_bytes());
            let surplus = tail.len().saturating_sub(TAIL_BYTES_MAX);
            tail.drain(..surplus);
        }
        Ok(String::from_utf8_lossy(&tail).into_owned())
    }
}

struct LogFile {
    file: NamedTempFile,
    bytes_left: u64,
}

impl LogFile {
    fn new(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        Ok(Self { file: NamedTempFile::new_in(folder)?, bytes_left: bytes_max })
    }

    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let taken = usize::try_from(self.bytes_left).unwrap_or(usize::MAX).min(message.len());
        self.bytes_left -= taken as u64;
        self.file.write_all(&message[..taken])
    }

    fn finish(self, path: &Path) -> io::Result<File> {
        Ok(self.file.persist(path)?)
    }
}
