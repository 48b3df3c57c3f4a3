//! Writes the result zip of an out directory.
//!
//! The same content gives the same bytes: names are sorted, times are fixed, files have mode 644
//! and directories 755. `stdout.txt` and `stderr.txt` are added at the root, unless the app wrote
//! files of those names itself. Symbolic links, devices, sockets and pipes are left out and
//! counted; a hard link to a file outside is refused.
//!
//! A zip that workers vote for has no more in it than the app says that all of them compute alike,
//! and is not compressed: [`Extent::Declared`].

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use thiserror::Error;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZIP64_BYTES_THR, ZipWriter};

use crate::Limits;
use crate::computed::{COMPUTED_FILE, Claim};
use crate::digest::{DigestError, claim_of_out};
pub use crate::tree::TreeError;
use crate::tree::{self, Entry, Tree};

/// Where the zip has what the app printed.
pub const STDOUT_FILE: &str = "stdout.txt";
/// Where the zip has the errors the app printed.
pub const STDERR_FILE: &str = "stderr.txt";

/// Zlib's own default: more costs much time for little space.
const DEFLATE_LEVEL: i64 = 6;

/// The logs of a run, as files outside of its out directory.
#[derive(Clone, Copy, Debug)]
pub struct Logs<'a> {
    /// What the app printed.
    pub stdout: &'a Path,
    /// The errors it printed.
    pub stderr: &'a Path,
}

/// How much of a run goes into its zip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything in the out directory, and the logs.
    Whole,
    /// `computed.json` and the file or directory that it declares, names and all below it: neither
    /// the logs nor anything else in the out directory, which may differ where the result does
    /// not. Stored as it is, since the bytes that a compressor makes are its version's business.
    Declared,
}

/// What was put into a zip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Files and directories, logs included.
    pub entries: u64,
    /// Bytes of the zip.
    pub zip_bytes: u64,
    /// Links and special files in the out directory, which are in no zip.
    pub skipped: u64,
}

/// Why there is no zip.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The out directory is refused, or cannot be listed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What the app declares cannot be read.
    #[error(transparent)]
    Declared(#[from] DigestError),
    /// Reading a file or writing the zip failed.
    #[error("cannot write the result zip: {0}")]
    Io(#[from] io::Error),
}

impl ArchiveError {
    /// Whether the app is to blame, so that running it again gives the same.
    pub fn is_app_fault(&self) -> bool {
        match self {
            Self::Tree(refused) => refused.is_app_fault(),
            Self::Declared(refused) => refused.is_maker_fault(),
            Self::Io(_) => false,
        }
    }
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        Self::Io(error.into())
    }
}

/// Writes the zip of `out` and `logs`, as much of them as `extent` says, to `target`, replacing a
/// file that is there. The target appears complete and synced, or not at all.
pub fn write(
    out: &Path,
    logs: Logs<'_>,
    extent: Extent,
    target: &Path,
    limits: &Limits,
) -> Result<Archived, ArchiveError> {
    let mut tree = tree::read(out, limits)?;
    let method = match extent {
        Extent::Whole => {
            add_log(&mut tree, STDOUT_FILE, logs.stdout)?;
            add_log(&mut tree, STDERR_FILE, logs.stderr)?;
            CompressionMethod::Deflated
        }
        Extent::Declared => {
            let claim = claim_of_out(out)?;
            tree.entries.retain(|name, _| is_declared(name, &claim));
            CompressionMethod::Stored
        }
    };
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut partial = NamedTempFile::new_in(folder)?;
    let mut zip = ZipWriter::new(BufWriter::new(partial.as_file_mut()));
    for (name, entry) in &tree.entries {
        add_entry(&mut zip, name, entry, options(method))?;
    }
    zip.finish()?.flush()?;
    partial.as_file().sync_all()?;
    let zip_bytes = partial.as_file().metadata()?.len();
    partial.persist(target).map_err(|failed| failed.error)?;
    Ok(Archived { entries: tree.entries.len() as u64, zip_bytes, skipped: tree.skipped })
}

/// Whether an entry, with a `/` at the end of a directory's name, belongs to what the app declares.
fn is_declared(name: &str, claim: &Claim) -> bool {
    let path = match claim {
        Claim::Path(path) => path.entry_name(),
        Claim::Callback(_) => return name == COMPUTED_FILE,
    };
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    name == COMPUTED_FILE || path.is_empty() || name.strip_prefix(&path).is_some_and(is_below)
}

fn add_log(tree: &mut Tree, name: &str, path: &Path) -> io::Result<()> {
    let bytes = path.metadata()?.len();
    // An app may declare a file of this name as its result, so the app's own file stays. A
    // directory of this name cannot stand beside a file of the same name either.
    if !tree.entries.contains_key(&format!("{name}/")) {
        tree.entries.entry(name.into()).or_insert(Entry::File { path: path.into(), bytes });
    }
    Ok(())
}

fn add_entry<W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    name: &str,
    entry: &Entry,
    options: SimpleFileOptions,
) -> Result<(), ArchiveError> {
    match entry {
        Entry::Directory => zip.add_directory(name, options.unix_permissions(0o755))?,
        Entry::File { path, bytes } => {
            let large = *bytes >= ZIP64_BYTES_THR;
            zip.start_file(name, options.unix_permissions(0o644).large_file(large))?;
            // A file that grew since it was listed is cut, so that the limits hold.
            let content = BufReader::new(File::open(path)?).take(*bytes);
            io::copy(&mut { content }, zip)?;
        }
    }
    Ok(())
}

fn options(method: CompressionMethod) -> SimpleFileOptions {
    let level = (method == CompressionMethod::Deflated).then_some(DEFLATE_LEVEL);
    SimpleFileOptions::default()
        .compression_method(method)
        .compression_level(level)
        .last_modified_time(DateTime::DEFAULT)
}
