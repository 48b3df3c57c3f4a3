//! The digest a worker votes with, from an out directory or from the zip made of it.
//!
//! A file's digest is its sha256. A directory's is the keccak256 of the sha256 values of its
//! direct children, sorted by path; names and sub-directories do not count. Callback data's is
//! its keccak256. Symbolic links and special files do not count, as the zip leaves them out.
//!
//! At the root of the out directory [`STDOUT_FILE`] and [`STDERR_FILE`] do not count either, so
//! that an app that declares the whole directory has one digest with and without the logs that
//! the worker adds to the zip.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, Keccak256, keccak256};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::Limits;
use crate::archive::{STDERR_FILE, STDOUT_FILE};
use crate::computed::{self, COMPUTED_BYTES_MAX, COMPUTED_FILE, Claim, ClaimError, OutPath};
use crate::zip_source::{ZipRefused, ZipSource};

/// A result as the protocol sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// What is revealed on chain.
    pub digest: B256,
    /// What it is the digest of.
    pub output: Output,
}

/// The kinds of result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file.
    File,
    /// A directory with its direct children.
    Directory,
    /// Bytes for the requester's contract, `resultsCallback` of `finalize`.
    Callback(Vec<u8>),
}

/// Why there is no digest.
#[derive(Debug, Error)]
pub enum DigestError {
    /// The app wrote no `computed.json`.
    #[error("the app wrote no computed.json to /iexec_out")]
    Missing,
    /// `computed.json` is there but declares nothing usable.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The declared path does not exist.
    #[error("computed.json declares /iexec_out/{path}, which does not exist")]
    NotFound {
        /// The path below `/iexec_out`.
        path: String,
    },
    /// The declared path leads through a symbolic link, which may lead anywhere.
    #[error("computed.json declares /iexec_out/{path}, which leads through a symbolic link")]
    Link {
        /// The path below `/iexec_out`.
        path: String,
    },
    /// The declared path is a device, socket or pipe, or `computed.json` itself is no file.
    #[error("/iexec_out/{path} is neither a file nor a directory")]
    Special {
        /// The path below `/iexec_out`.
        path: String,
    },
    /// The declared directory has more children than allowed.
    #[error("the declared directory has more than {entries_max} entries")]
    TooManyEntries {
        /// The limit.
        entries_max: u64,
    },
    /// The zip is refused before its content matters.
    #[error(transparent)]
    Zip(#[from] ZipRefused),
    /// A file cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Io {
        /// The file on this machine.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DigestError {
    /// Whether the maker of the result is to blame, so that another attempt gives the same;
    /// otherwise this machine is.
    pub fn is_maker_fault(&self) -> bool {
        match self {
            Self::Missing
            | Self::Claim(_)
            | Self::NotFound { .. }
            | Self::Link { .. }
            | Self::Special { .. }
            | Self::TooManyEntries { .. } => true,
            Self::Zip(refused) => !matches!(refused, ZipRefused::Io(_)),
            Self::Io { .. } => false,
        }
    }
}

/// The digest of the result in an out directory.
pub fn digest_of_out(out: &Path, limits: &Limits) -> Result<Computed, DigestError> {
    match claim_of_out(out)? {
        Claim::Callback(bytes) => Ok(Computed::callback(bytes)),
        Claim::Path(path) => digest_of_path(out, &path, limits),
    }
}

/// What the app declares in its out directory.
pub(crate) fn claim_of_out(out: &Path) -> Result<Claim, DigestError> {
    Ok(computed::parse(&read_computed(out)?)?)
}

/// The digest of the result in a zip, the same as of the directory it was made of.
pub fn digest_of_zip<R: Read + Seek>(zip: R, limits: &Limits) -> Result<Computed, DigestError> {
    let mut zip = ZipSource::open(zip, limits)?;
    let is_computed = |name: &str| name == COMPUTED_FILE;
    let index = zip.entries().iter().position(|e| !e.is_directory && is_computed(&e.name));
    let mut content = Vec::new();
    zip.read(index.ok_or(DigestError::Missing)?)?
        .take(COMPUTED_BYTES_MAX + 1)
        .read_to_end(&mut content)
        .map_err(ZipRefused::of_content)?;
    match computed::parse(&content)? {
        Claim::Callback(bytes) => Ok(Computed::callback(bytes)),
        Claim::Path(path) => digest_of_entry(&mut zip, &path),
    }
}

impl Computed {
    fn callback(bytes: Vec<u8>) -> Self {
        Self { digest: keccak256(&bytes), output: Output::Callback(bytes) }
    }

    fn directory(files: &BTreeMap<SortKey, B256>) -> Self {
        let mut hasher = Keccak256::new();
        files.values().for_each(|digest| hasher.update(digest));
        Self { digest: hasher.finalize(), output: Output::Directory }
    }
}

/// The reference sorts paths as Java does, by UTF-16 code units; that differs from the order of
/// UTF-8 bytes for characters outside the basic plane.
type SortKey = Vec<u16>;

fn sort_key(name: &str) -> SortKey {
    name.encode_utf16().collect()
}

fn is_log(name: &str) -> bool {
    name == STDOUT_FILE || name == STDERR_FILE
}

fn read_computed(out: &Path) -> Result<Vec<u8>, DigestError> {
    let path = out.join(COMPUTED_FILE);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(DigestError::Missing),
        Err(source) => return Err(DigestError::Io { path, source }),
    };
    // A link would be read outside of the container, a pipe would never end.
    if metadata.is_symlink() {
        return Err(DigestError::Link { path: COMPUTED_FILE.into() });
    }
    if !metadata.is_file() {
        return Err(DigestError::Special { path: COMPUTED_FILE.into() });
    }
    let mut content = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(COMPUTED_BYTES_MAX + 1).read_to_end(&mut content))
        .map_err(|source| DigestError::Io { path, source })?;
    Ok(content)
}

fn digest_of_path(out: &Path, path: &OutPath, limits: &Limits) -> Result<Computed, DigestError> {
    let mut real = out.to_path_buf();
    let mut metadata = metadata_of(&real, path)?;
    for component in path.components() {
        // A file in the middle of the path reads as "not a directory", which is "not found".
        if !metadata.is_dir() {
            return Err(DigestError::NotFound { path: path.entry_name() });
        }
        real.push(component);
        metadata = metadata_of(&real, path)?;
        if metadata.is_symlink() {
            return Err(DigestError::Link { path: path.entry_name() });
        }
    }
    if metadata.is_file() {
        let digest = sha256_of_file(&real)?;
        Ok(Computed { digest, output: Output::File })
    } else if metadata.is_dir() {
        digest_of_directory(&real, path.components().is_empty(), limits)
    } else {
        Err(DigestError::Special { path: path.entry_name() })
    }
}

fn metadata_of(real: &Path, path: &OutPath) -> Result<fs::Metadata, DigestError> {
    fs::symlink_metadata(real).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            DigestError::NotFound { path: path.entry_name() }
        } else {
            DigestError::Io { path: real.into(), source }
        }
    })
}

fn digest_of_directory(
    directory: &Path,
    is_root: bool,
    limits: &Limits,
) -> Result<Computed, DigestError> {
    let failed = |source| DigestError::Io { path: directory.into(), source };
    let entries_max = limits.entries_max;
    let mut files = BTreeMap::new();
    for (visited, child) in fs::read_dir(directory).map_err(failed)?.enumerate() {
        if visited as u64 >= entries_max {
            return Err(DigestError::TooManyEntries { entries_max });
        }
        let child = child.map_err(failed)?;
        let name = child.file_name();
        // A name that is not text has no zip entry; the archive refuses the whole result.
        let name = name.to_string_lossy();
        let is_file = child.file_type().map_err(failed)?.is_file();
        if is_file && !(is_root && is_log(&name)) {
            files.insert(sort_key(&name), sha256_of_file(&child.path())?);
        }
    }
    Ok(Computed::directory(&files))
}

fn digest_of_entry<R: Read + Seek>(
    zip: &mut ZipSource<R>,
    path: &OutPath,
) -> Result<Computed, DigestError> {
    let wanted = path.entry_name();
    let file = zip.entries().iter().position(|entry| !entry.is_directory && entry.name == wanted);
    if let Some(index) = file {
        let digest = sha256_of_entry(zip, index)?;
        return Ok(Computed { digest, output: Output::File });
    }
    let is_root = wanted.is_empty();
    let prefix = if is_root { String::new() } else { format!("{wanted}/") };
    let mut exists = is_root;
    let mut children = Vec::new();
    for (index, entry) in zip.entries().iter().enumerate() {
        exists |= entry.is_directory && entry.name == wanted;
        let Some(name) = entry.name.strip_prefix(&prefix) else { continue };
        exists = true;
        if !(entry.is_directory || name.contains('/') || is_root && is_log(name)) {
            children.push((sort_key(name), index));
        }
    }
    if !exists {
        return Err(DigestError::NotFound { path: wanted });
    }
    let mut files = BTreeMap::new();
    for (key, index) in children {
        files.insert(key, sha256_of_entry(zip, index)?);
    }
    Ok(Computed::directory(&files))
}

fn sha256_of_file(path: &Path) -> Result<B256, DigestError> {
    File::open(path)
        .and_then(sha256_of)
        .map_err(|source| DigestError::Io { path: path.into(), source })
}

fn sha256_of_entry<R: Read + Seek>(
    zip: &mut ZipSource<R>,
    index: usize,
) -> Result<B256, DigestError> {
    let content = zip.read(index)?;
    Ok(sha256_of(content).map_err(ZipRefused::of_content)?)
}

/// The sha256 of everything `reader` gives, streamed. Also the checksum of datasets.
pub fn sha256_of(mut reader: impl Read) -> io::Result<B256> {
    let mut hasher = Sha256::new();
    io::copy(&mut reader, &mut hasher)?;
    Ok(B256::from_slice(&hasher.finalize()))
}
