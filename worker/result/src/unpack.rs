//! Unpacks a result zip for the requester.
//!
//! The zip comes from a stranger: names that leave the folder, links, bombs and entries beyond
//! the limits are refused before a byte is written. Files appear with mode 644, so nothing in a
//! result can be run by accident.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Limits;
pub use crate::zip_source::ZipRefused;
use crate::zip_source::ZipSource;

/// What was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why nothing was unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// The zip is not one that is safe to unpack.
    #[error(transparent)]
    Refused(#[from] ZipRefused),
    /// Something of that name is there already.
    #[error("{0:?} already exists; choose another folder or remove it")]
    TargetExists(PathBuf),
    /// Writing failed.
    #[error("cannot unpack to {path:?}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Unpacks `zip` as the folder `target`, which must not exist; its parent must. The folder
/// appears complete or not at all: everything is written to a sibling that is then renamed.
pub fn unpack<R: Read + Seek>(
    zip: R,
    target: &Path,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let failed = |source| UnpackError::Io { path: target.into(), source };
    if fs::symlink_metadata(target).is_ok() {
        return Err(UnpackError::TargetExists(target.into()));
    }
    let mut zip = ZipSource::open(zip, limits)?;
    let parent = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let partial =
        tempfile::Builder::new().prefix(".poco-unpack-").tempdir_in(parent).map_err(failed)?;
    let unpacked = write_entries(&mut zip, partial.path())?;
    fs::set_permissions(partial.path(), Permissions::from_mode(0o755)).map_err(failed)?;
    // A folder that appeared in between is not replaced: renaming onto one that has files fails.
    fs::rename(partial.path(), target).map_err(failed)?;
    // What was the temporary folder now is the target; nothing is left to remove.
    let _gone = partial.keep();
    Ok(unpacked)
}

fn write_entries<R: Read + Seek>(
    zip: &mut ZipSource<R>,
    folder: &Path,
) -> Result<Unpacked, UnpackError> {
    let mut unpacked = Unpacked { files: 0, bytes: 0 };
    let entries = zip.entries().to_vec();
    for (index, entry) in entries.iter().enumerate() {
        let path = folder.join(&entry.name);
        let failed = |source| UnpackError::Io { path: path.clone(), source };
        if entry.is_directory {
            fs::create_dir_all(&path).map_err(failed)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = File::create_new(&path).map_err(failed)?;
        let mut content = zip.read(index)?;
        unpacked.bytes += copy(&mut content, &mut file, &path)?;
        unpacked.files += 1;
        file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    }
    Ok(unpacked)
}

/// Copies as `io::copy` does, but keeps apart whether the zip or the disk is to blame.
fn copy(content: &mut impl Read, file: &mut File, path: &Path) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = content.read(&mut buffer).map_err(ZipRefused::of_content)?;
        if count == 0 {
            return Ok(bytes);
        }
        io::Write::write_all(file, &buffer[..count])
            .map_err(|source| UnpackError::Io { path: path.into(), source })?;
        bytes += count as u64;
    }
}
