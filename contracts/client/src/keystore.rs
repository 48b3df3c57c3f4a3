//! Ethereum V3 keystores: the files of `~/.ethereum/keystore`.
//!
//! A file is somebody else's word: every length, cost and name in it is checked before it is used,
//! so that a broken one is told from a wrong password and cannot exhaust the machine.
//!
//! What is put together here are the ciphers of RustCrypto. The one crate that has them put together,
//! `eth-keystore` 0.5 (which alloy's signer uses too), is not fit: it writes scrypt with n = 2^13,
//! 32 times easier to try passwords on than geth's files, with no way to ask for more, unsynced and
//! readable by whom the umask lets; it panics on a `dklen` below 32 and on an `iv` below 16 bytes, takes
//! any `n`, `r` and `p`, and reads the file by its path, so that what was checked need not be what is
//! opened; and it needs older `scrypt`, `pbkdf2`, `uuid` and `thiserror`.

mod cipher;
mod config;
mod format;

pub use cipher::KdfCost;
pub use config::KeystoreConfig;

use crate::file;
use crate::wallet::Wallet;
use format::Keystore;
use poco_core::Address;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::macros::format_description;

/// A keystore has about 500 bytes; what is far larger is another file.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Files looked at in a folder of keystores.
const LISTED_FILES_MAX: usize = 10_000;

/// Why a key could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("cannot read the keystore {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is no keystore, or not all of one.
    #[error("{} is no complete Ethereum V3 keystore: {detail}; restore it from a backup", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file wants what this program does not have.
    #[error("the keystore {} cannot be opened here: {detail}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it wants.
        detail: String,
    },
    /// The file is fine, and another password opens it.
    #[error("wrong password for the keystore {}", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// The number is no private key.
    #[error("a private key is 64 hexadecimal digits, not zero and below the curve's order")]
    NotAKey,
    /// The file cannot be written.
    #[error("cannot write a keystore to {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// A keystore in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeystoreFile {
    /// The file.
    pub path: PathBuf,
    /// Whose key it says it holds; `None` where it does not say.
    pub address: Option<Address>,
}

/// The keystores in a folder, ordered by file name, oldest first. Other files are passed over.
///
/// # Errors
/// [`KeystoreError::Read`] where the folder cannot be read; a folder that is not there is empty.
pub fn list_keystores(dir: &Path) -> Result<Vec<KeystoreFile>, KeystoreError> {
    let failed = |cause| KeystoreError::Read { path: dir.to_owned(), cause };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries.take(LISTED_FILES_MAX) {
        let path = entry.map_err(failed)?.path();
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && let Ok(keystore) = read(&path) {
            found.push(KeystoreFile { address: keystore.address(), path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The keystore of `address` in a folder, where there is one.
///
/// # Errors
/// [`KeystoreError::Read`] where the folder cannot be read.
pub fn find_keystore(dir: &Path, address: Address) -> Result<Option<PathBuf>, KeystoreError> {
    let files = list_keystores(dir)?;
    Ok(files.into_iter().find(|file| file.address == Some(address)).map(|file| file.path))
}

/// Whether others than the owner may read the file: worth a warning.
#[must_use]
pub fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
}

pub(crate) fn open(path: &Path, password: &str) -> Result<Wallet, KeystoreError> {
    let keystore = read(path)?;
    if is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "others can read this keystore; chmod 600 it");
    }
    let broken =
        |detail: &str| KeystoreError::Broken { path: path.to_owned(), detail: detail.into() };
    let secret = keystore.decrypt(password).map_err(|error| error.at(path))?;
    let wallet = Wallet::from_key(secret).map_err(|_| broken("it holds no private key"))?;
    if keystore.address().is_some_and(|address| address != wallet.address()) {
        return Err(broken("its key belongs to another address than it says"));
    }
    Ok(wallet)
}

/// Stores a key in the folder `dir`, encrypted at the given cost, readable by its owner alone, under
/// the name that geth would give it.
///
/// # Errors
/// [`KeystoreError::Write`]; nothing is left behind then.
pub fn store(
    dir: &Path,
    wallet: &Wallet,
    password: &str,
    cost: KdfCost,
) -> Result<PathBuf, KeystoreError> {
    let keystore = Keystore::encrypt(wallet, password, cost);
    let path = dir.join(file_name(OffsetDateTime::now_utc(), wallet.address()));
    file::write_whole(&path, keystore.to_json().as_bytes(), file::PRIVATE)
        .map_err(|cause| KeystoreError::Write { path: path.clone(), cause })?;
    Ok(path)
}

fn file_name(now: OffsetDateTime, address: Address) -> String {
    let format = format_description!(
        "UTC--[year]-[month]-[day]T[hour]-[minute]-[second].[subsecond digits:9]Z--"
    );
    let time = now.format(format).expect("a time has every component that the format names");
    format!("{time}{}", hex::encode(address))
}

fn read(path: &Path) -> Result<Keystore, KeystoreError> {
    let failed = |cause| KeystoreError::Read { path: path.to_owned(), cause };
    let data = std::fs::metadata(path).map_err(failed)?;
    if !data.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    if data.len() > FILE_BYTES_MAX {
        let detail = format!("it has {} bytes", data.len());
        return Err(KeystoreError::Broken { path: path.to_owned(), detail });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    Keystore::parse(&bytes).map_err(|error| error.at(path))
}

#[cfg(test)]
mod tests;
