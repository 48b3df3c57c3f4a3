//! Opens a zip that a stranger made, trusting nothing in it.
//!
//! Refused are names that could leave a folder, links, encryption, two entries of one name,
//! overlapping entries (the trick of zip bombs) and more entries or bytes than allowed. What is
//! left can be listed and read.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

use crate::Limits;
use crate::tree::is_safe;

/// Bytes of the listing allowed per entry: a header, a long name and extra fields.
const LISTING_BYTES_PER_ENTRY: u64 = 1024;
/// Bytes read besides the listing: the end record may be preceded by a comment of 64 KiB.
const LISTING_BYTES_BASE: u64 = 1024 * 1024;

/// A zip whose listing has been checked.
pub(crate) struct ZipSource<R: Read + Seek> {
    archive: ZipArchive<Metered<R>>,
    entries: Vec<ZipEntry>,
}

/// An entry of a zip, in the order of the listing.
#[derive(Clone, Debug)]
pub(crate) struct ZipEntry {
    /// Components joined by `/`, without a `/` at the end.
    pub(crate) name: String,
    pub(crate) is_directory: bool,
    pub(crate) bytes: u64,
}

/// Why a result zip is refused.
#[derive(Debug, Error)]
pub enum ZipRefused {
    /// Not a zip, damaged, or compressed in a way results never are.
    #[error("the result is not a readable zip: {0}")]
    Malformed(String),
    /// An entry's name is absolute, climbs, or is not text.
    #[error("the result zip has an entry with the unsafe name {0:?}")]
    UnsafeName(String),
    /// An entry is a symbolic link.
    #[error("the result zip has the symbolic link {0:?}")]
    Link(String),
    /// An entry is encrypted with a zip password.
    #[error("the result zip has the encrypted entry {0:?}")]
    Encrypted(String),
    /// Two entries have one name or share their bytes.
    #[error("the result zip has entries that overlap or have the same name")]
    Overlap,
    /// More entries than allowed.
    #[error("the result zip has more than {entries_max} entries")]
    TooManyEntries {
        /// The limit.
        entries_max: u64,
    },
    /// More content than allowed.
    #[error("the result is larger than {bytes_max} bytes when unpacked")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The zip cannot be read, which says nothing about its content.
    #[error("cannot read the result zip: {0}")]
    Io(#[from] io::Error),
}

impl From<ZipError> for ZipRefused {
    fn from(error: ZipError) -> Self {
        // The errors of a real disk have an operating system code, those of the format do not.
        match io::Error::from(error) {
            error if error.raw_os_error().is_some() => Self::Io(error),
            error => Self::Malformed(error.to_string()),
        }
    }
}

impl ZipRefused {
    pub(crate) fn of_content(error: io::Error) -> Self {
        Self::from(ZipError::from(error))
    }
}

impl<R: Read + Seek> ZipSource<R> {
    pub(crate) fn open(reader: R, limits: &Limits) -> Result<Self, ZipRefused> {
        let entries_max = limits.entries_max;
        let listing_bytes = entries_max.saturating_mul(LISTING_BYTES_PER_ENTRY);
        let left = Arc::new(AtomicU64::new(listing_bytes.saturating_add(LISTING_BYTES_BASE)));
        let metered = Metered { reader, left: Arc::clone(&left) };
        // The listing is kept in memory, so what may be read for it is limited beforehand.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut archive = ZipArchive::with_config(config, metered).map_err(|error| {
            if left.load(Ordering::Relaxed) == 0 {
                ZipRefused::TooManyEntries { entries_max }
            } else {
                error.into()
            }
        })?;
        left.store(u64::MAX, Ordering::Relaxed);
        if archive.len() as u64 > entries_max {
            return Err(ZipRefused::TooManyEntries { entries_max });
        }
        if archive.has_duplicate_names() || archive.has_overlapping_entries()? {
            return Err(ZipRefused::Overlap);
        }
        let entries = list(&mut archive)?;
        let bytes = entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.bytes));
        if bytes > limits.bytes_max {
            return Err(ZipRefused::TooLarge { bytes_max: limits.bytes_max });
        }
        Ok(Self { archive, entries })
    }

    pub(crate) fn entries(&self) -> &[ZipEntry] {
        &self.entries
    }

    /// Reads the entry at `index` of [`Self::entries`]. No more is read than the listing says it
    /// holds; the reader fails at the end if length or checksum differ.
    pub(crate) fn read(&mut self, index: usize) -> Result<impl Read, ZipRefused> {
        let bytes = self.entries.get(index).map_or(0, |entry| entry.bytes);
        let content = self.archive.by_index(index)?;
        Ok(Declared { content, left: bytes })
    }
}

fn list<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<ZipEntry>, ZipRefused> {
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index)?;
        let shown = || String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.is_symlink() {
            return Err(ZipRefused::Link(shown()));
        }
        if entry.encrypted() {
            return Err(ZipRefused::Encrypted(shown()));
        }
        let raw = std::str::from_utf8(entry.name_raw());
        let text = raw.map_err(|_| ZipRefused::UnsafeName(shown()))?;
        let (name, is_directory) = match text.strip_suffix('/') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if !is_safe(name) {
            return Err(ZipRefused::UnsafeName(shown()));
        }
        entries.push(ZipEntry { name: name.into(), is_directory, bytes: entry.size() });
    }
    Ok(entries)
}

/// The content of an entry, held to the length the listing gives.
struct Declared<R> {
    content: R,
    left: u64,
}

impl<R: Read> Read for Declared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        let mismatch = || io::Error::other("an entry's length differs from the listing");
        self.left = self.left.checked_sub(count as u64).ok_or_else(mismatch)?;
        if count == 0 && !buffer.is_empty() && self.left > 0 {
            return Err(mismatch());
        }
        Ok(count)
    }
}

/// A reader that gives up after a number of bytes.
struct Metered<R> {
    reader: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        if count as u64 > left {
            return Err(io::Error::other("the listing is too long"));
        }
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.reader.seek(position)
    }
}
