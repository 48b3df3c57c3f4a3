//! A nonce ledger in one file: for programs that send now and then and have no database.

use crate::file;
use crate::sender::LedgerStore;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A nonce ledger in one file, with a lock beside it so that two processes do not use one key.
#[derive(Debug)]
pub struct FileLedger {
    path: PathBuf,
    records: BTreeMap<u64, Vec<u8>>,
    /// Held as long as the ledger is; the system frees it when the process ends, however it ends.
    _lock: File,
}

impl FileLedger {
    /// Opens the ledger at `path`, or begins one there.
    ///
    /// # Errors
    /// One line that names the file: another process holds it, or it cannot be read or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let lock_path = path.with_extension("lock");
        let failed = || format!("cannot open the nonce ledger {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        let lock = File::create(&lock_path).with_context(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another program is sending with this wallet now (it holds {}); wait for it",
                lock_path.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let records = match std::fs::read(path) {
            Ok(bytes) => parse(&bytes)
                .with_context(|| format!("the nonce ledger {} is damaged: once none of this wallet's transactions is under way, remove it", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(failed),
        };
        Ok(Self { path: path.to_owned(), records, _lock: lock })
    }

    fn write(&self) -> anyhow::Result<()> {
        let shown: BTreeMap<u64, String> =
            self.records.iter().map(|(nonce, record)| (*nonce, hex::encode(record))).collect();
        file::write_whole(&self.path, &serde_json::to_vec(&shown)?, file::PRIVATE)
            .with_context(|| format!("cannot write the nonce ledger {}", self.path.display()))
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
    let shown: BTreeMap<u64, String> = serde_json::from_slice(bytes)?;
    shown.into_iter().map(|(nonce, record)| Ok((nonce, hex::decode(record)?))).collect()
}

impl LedgerStore for FileLedger {
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        Ok(self.records.iter().map(|(nonce, record)| (*nonce, record.clone())).collect())
    }

    fn put(&mut self, nonce: u64, record: &[u8]) -> anyhow::Result<()> {
        self.records.insert(nonce, record.to_vec());
        self.write()
    }

    fn remove(&mut self, nonce: u64) -> anyhow::Result<()> {
        self.records.remove(&nonce);
        self.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_a_second_holder_is_told_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger/31337.json");
        let mut ledger = FileLedger::open(&path).unwrap();
        ledger.put(7, b"seven").unwrap();
        ledger.put(8, b"eight").unwrap();
        ledger.remove(7).unwrap();
        let refused = FileLedger::open(&path).unwrap_err().to_string();
        assert!(refused.contains("another program is sending"), "{refused}");
        drop(ledger);
        let mut ledger = FileLedger::open(&path).unwrap();
        assert_eq!(ledger.load().unwrap(), [(8, b"eight".to_vec())]);
    }

    #[test]
    fn a_truncated_ledger_is_told_and_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        std::fs::write(&path, "{\"7\":\"73").unwrap();
        let error = FileLedger::open(&path).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}
