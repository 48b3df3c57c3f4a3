//! Writes the result zip of an out directory.
//!
//! The same content gives the same bytes: names are sorted, times are fixed, files have mode 644
//! and directories 755. `stdout.txt` and `stderr.txt` are added at the root, unless the app wrote
//! files of those names itself. Symbolic links, devices, sockets and pipes are left out and
//! counted; a hard link to a file outside is refused.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use thiserror::Error;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZIP64_BYTES_THR, ZipWriter};

use crate::Limits;
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

/// What was put into a zip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Files and directories, logs included.
    pub entries: u64,
    /// Bytes of the zip.
    pub zip_bytes: u64,
    /// Links and special files that were left out.
    pub skipped: u64,
}

/// Why there is no zip.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The out directory is refused, or cannot be listed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Reading a file or writing the zip failed.
    #[error("cannot write the result zip: {0}")]
    Io(#[from] io::Error),
}

impl ArchiveError {
    /// Whether the app is to blame, so that running it again gives the same.
    pub fn is_app_fault(&self) -> bool {
        match self {
            Self::Tree(refused) => refused.is_app_fault(),
            Self::Io(_) => false,
        }
    }
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        Self::Io(error.into())
    }
}

/// Writes the zip of `out` and `logs` to `target`, replacing a file that is there. The target
/// appears complete and synced, or not at all.
pub fn write(
    out: &Path,
    logs: Logs<'_>,
    target: &Path,
    limits: &Limits,
) -> Result<Archived, ArchiveError> {
    let mut tree = tree::read(out, limits)?;
    add_log(&mut tree, STDOUT_FILE, logs.stdout)?;
    add_log(&mut tree, STDERR_FILE, logs.stderr)?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut partial = NamedTempFile::new_in(folder)?;
    let mut zip = ZipWriter::new(BufWriter::new(partial.as_file_mut()));
    for (name, entry) in &tree.entries {
        add_entry(&mut zip, name, entry)?;
    }
    zip.finish()?.flush()?;
    partial.as_file().sync_all()?;
    let zip_bytes = partial.as_file().metadata()?.len();
    partial.persist(target).map_err(|failed| failed.error)?;
    Ok(Archived { entries: tree.entries.len() as u64, zip_bytes, skipped: tree.skipped })
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
) -> Result<(), ArchiveError> {
    match entry {
        Entry::Directory => zip.add_directory(name, options().unix_permissions(0o755))?,
        Entry::File { path, bytes } => {
            let large = *bytes >= ZIP64_BYTES_THR;
            let file = options().unix_permissions(0o644).large_file(large);
            zip.start_file(name, file)?;
            // A file that grew since it was listed is cut, so that the limits hold.
            let content = BufReader::new(File::open(path)?).take(*bytes);
            io::copy(&mut { content }, zip)?;
        }
    }
    Ok(())
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(DEFLATE_LEVEL))
        .last_modified_time(DateTime::DEFAULT)
}
