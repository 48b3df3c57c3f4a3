//! Why a run was stopped, on disk before it is stopped.
//!
//! The engine remembers that a container was killed but not why. A later process, or the same
//! one asked again, must come to the same outcome.

use std::fs::{self, File};
use std::io::{self, Write as _};

use tempfile::NamedTempFile;

use crate::folder::RunFolder;

/// The reasons to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    TimedOut,
    OutOfDisk,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timed-out",
            Self::OutOfDisk => "out-of-disk",
        }
    }
}

/// Writes the verdict unless there is one: the first reason is the reason.
pub(crate) fn write(folder: &RunFolder, verdict: Verdict) -> io::Result<()> {
    if read(folder)?.is_some() {
        return Ok(());
    }
    let mut partial = NamedTempFile::new_in(folder.path())?;
    partial.write_all(verdict.word().as_bytes())?;
    partial.as_file().sync_all()?;
    partial.persist(folder.verdict()).map_err(|failed| failed.error)?;
    File::open(folder.path())?.sync_all()
}

/// The verdict, if the run was stopped.
pub(crate) fn read(folder: &RunFolder) -> io::Result<Option<Verdict>> {
    let text = match fs::read_to_string(folder.verdict()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let verdicts = [Verdict::TimedOut, Verdict::OutOfDisk];
    let found = verdicts.into_iter().find(|verdict| verdict.word() == text);
    found.map(Some).ok_or_else(|| io::Error::other(format!("unknown verdict {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::spec;

    #[test]
    fn the_first_reason_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(root.path(), spec().id);
        folder.make().unwrap();
        assert_eq!(read(&folder).unwrap(), None);
        write(&folder, Verdict::OutOfDisk).unwrap();
        write(&folder, Verdict::TimedOut).unwrap();
        assert_eq!(read(&folder).unwrap(), Some(Verdict::OutOfDisk));
    }
}
