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
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

/// Something that an app printed: a line, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Whether to its standard error.
    pub is_stderr: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Some of the stream before it was thrown away before it could be read.
    pub is_behind_gap: bool,
}

/// How far a run's log was read. An engine that turns a log over may end a reading early, so what
/// runs print takes several readings, of which each goes on where the last one ended.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    stdout: Mark,
    stderr: Mark,
}

/// The last that was read of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The engine's time of it; none before the first.
    last: Option<OffsetDateTime>,
    /// How many in a row had this very time, and how many of them this reading has met again.
    count: usize,
    met: usize,
    /// This reading is beyond it: all that comes is new, whatever a clock that was set says.
    is_passed: bool,
}

impl Reading {
    /// Where to begin: whole seconds, of which some is read again.
    fn since(&mut self) -> i32 {
        let marks = [&mut self.stdout, &mut self.stderr];
        let seconds = marks.map(|mark| {
            (mark.met, mark.is_passed) = (0, mark.last.is_none());
            mark.last.map_or(0, OffsetDateTime::unix_timestamp)
        });
        let first = seconds.into_iter().filter(|seconds| *seconds > 0).min().unwrap_or_default();
        i32::try_from(first).unwrap_or_default()
    }

    /// What is new of a part of the log.
    fn take(&mut self, part: LogOutput) -> Option<Printed> {
        let is_stderr = matches!(part, LogOutput::StdErr { .. });
        let bytes = part.into_bytes();
        let mark = if is_stderr { &mut self.stderr } else { &mut self.stdout };
        let (time, bytes) = split_time(&bytes);
        let is_behind_gap = mark.advance(time)?;
        Some(Printed { is_stderr, bytes: bytes.to_vec(), is_behind_gap })
    }
}

impl Mark {
    /// Whether there is a gap before what has this time; `None` where it was read before.
    fn advance(&mut self, time: Option<OffsetDateTime>) -> Option<bool> {
        // The engine names a time for everything.
        let Some(time) = time else { return Some(false) };
        let is_last = self.last == Some(time);
        let mut is_behind_gap = false;
        if !self.is_passed {
            if self.last.is_some_and(|last| time < last) {
                return None;
            }
            if is_last && self.met < self.count {
                self.met += 1;
                return None;
            }
            is_behind_gap = self.met == 0;
            self.is_passed = true;
        }
        self.count = if is_last { self.count + 1 } else { 1 };
        self.last = Some(time);
        Some(is_behind_gap)
    }
}

/// The time that the engine puts before each part, and the part.
fn split_time(bytes: &[u8]) -> (Option<OffsetDateTime>, &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b' ') else { return (None, bytes) };
    let (time, rest) = bytes.split_at(end);
    let time = std::str::from_utf8(time).ok();
    match time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok()) {
        Some(time) => (Some(time), &rest[1..]),
        None => (None, bytes),
    }
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

    /// What a run prints and was not read before: as it comes, or of what there is `last_lines` at the
    /// most. The engine writes to its log whether or not somebody reads here, so a slow reader does
    /// not slow the app. Its end says nothing of the run's.
    pub fn printed(
        &self,
        run: &Run,
        reading: &mut Reading,
        last_lines: Option<u32>,
    ) -> impl Stream<Item = Result<Printed, EngineError>> {
        let since = reading.since();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
        let options = match last_lines {
            None => options.since(since).follow(true).build(),
            Some(lines) => options.since(since).tail(&lines.to_string()).build(),
        };
        let parts = self.engine.docker.logs(&run.container, Some(options));
        parts.filter_map(|part| {
            let taken = match part {
                Ok(part) => reading.take(part).map(Ok),
                Err(error) => Some(Err(EngineError::from(error))),
            };
            std::future::ready(taken)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn part(is_stderr: bool, second: u32, text: &str) -> LogOutput {
        let message = format!("2026-01-01T00:00:{second:02}.500000000Z {text}").into();
        match is_stderr {
            true => LogOutput::StdErr { message },
            false => LogOutput::StdOut { message },
        }
    }

    fn read(reading: &mut Reading, parts: Vec<LogOutput>) -> Vec<(String, bool)> {
        reading.since();
        let text =
            |printed: Printed| (String::from_utf8(printed.bytes).unwrap(), printed.is_behind_gap);
        parts.into_iter().filter_map(|part| reading.take(part)).map(text).collect()
    }

    #[test]
    fn a_reading_goes_on_where_the_last_one_ended() {
        let mut reading = Reading::default();
        assert_eq!(reading.since(), 0);
        let log =
            |texts: &[(u32, &str)]| texts.iter().map(|(at, text)| part(false, *at, text)).collect();
        let whole = |text: &str| (text.to_owned(), false);
        let first = read(&mut reading, log(&[(1, "a"), (2, "b"), (2, "c")]));
        assert_eq!(first, [whole("a"), whole("b"), whole("c")]);
        assert_eq!(reading.since(), 1_767_225_602);
        let second = read(&mut reading, log(&[(2, "b"), (2, "c"), (2, "d"), (3, "e")]));
        assert_eq!(second, [whole("d"), whole("e")], "what has one time is counted");
        assert!(read(&mut reading, log(&[(3, "e")])).is_empty());
        // What was read last is gone, and with it perhaps more.
        let behind = read(&mut reading, log(&[(5, "g"), (6, "h")]));
        assert_eq!(behind, [("g".to_owned(), true), whole("h")]);
        let set_back = read(&mut reading, log(&[(6, "h"), (7, "i"), (2, "j"), (3, "k")]));
        assert_eq!(set_back, [whole("i"), whole("j"), whole("k")], "the clock was set back");
    }

    #[test]
    fn each_stream_is_read_on_its_own() {
        let mut reading = Reading::default();
        read(&mut reading, vec![part(false, 5, "out"), part(true, 3, "err")]);
        let again = vec![part(true, 3, "err"), part(true, 4, "more"), part(false, 5, "out")];
        assert_eq!(read(&mut reading, again), [("more".to_owned(), false)]);
        assert_eq!(split_time(b"no time"), (None, &b"no time"[..]));
        assert_eq!(split_time(b"notime"), (None, &b"notime"[..]));
    }
}
