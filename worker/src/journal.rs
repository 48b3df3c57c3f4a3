//! What must survive a crash, in RocksDB: the tasks' records and the sender's nonce ledger.
//!
//! The only place that knows RocksDB. Every write is synced before it returns. Values start with
//! a byte that says how they are encoded.

use anyhow::{Context as _, bail};
use poco_chain::{LedgerStore, failpoint};
use poco_core::{Address, TaskId};
use poco_worker_core::{Record, Stage, State};
use rocksdb::{ColumnFamily, DB, IteratorMode, Options, WriteBatch, WriteOptions};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Encoding of the values written here.
const VERSION: u8 = 3;

const TASKS: &str = "tasks";
const LEDGER: &str = "ledger";
const META: &str = "meta";
const OWNER_KEY: &[u8] = b"owner";

/// Whose journal it is. Records of one wallet mean nothing to another, nor on another chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) worker: Address,
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
}

/// The journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Journal {
    db: Arc<DB>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Write a record over the task's last one.
    Put(Box<Record>),
    /// Remove a task's record.
    Remove(TaskId),
}

impl Journal {
    /// Opens the journal in `folder`, or begins one for `owner`.
    ///
    /// # Errors
    /// One line: another process holds it, it belongs to another wallet or chain, or the disk.
    pub(crate) fn open(folder: &Path, owner: &Owner) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot make the folder {}: choose another --data-dir", folder.display())
        })?;
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // A journal of some thousand small records: the defaults would keep a thousand files.
        options.set_max_open_files(64);
        options.set_keep_log_file_num(2);
        let db = match DB::open_cf(&options, folder, [TASKS, LEDGER, META]) {
            Ok(db) => db,
            Err(error) if error.as_ref().contains("lock") => bail!(
                "the journal {} is in use by another process: stop it, or choose another --data-dir",
                folder.display()
            ),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot open the journal {}", folder.display()));
            }
        };
        let journal = Self { db: Arc::new(db) };
        journal.claim(owner, folder)?;
        Ok(journal)
    }

    fn claim(&self, owner: &Owner, folder: &Path) -> anyhow::Result<()> {
        let meta = self.family(META);
        let Some(bytes) = self.db.get_cf(meta, OWNER_KEY)? else {
            failpoint::hit("worker.store.owner.before");
            self.db.put_cf_opt(meta, OWNER_KEY, encode(owner)?, &synced())?;
            failpoint::hit("worker.store.owner.after");
            return Ok(());
        };
        let known: Owner = decode(&bytes)?;
        if known != *owner {
            bail!(
                "the journal {} belongs to worker {} on chain {} with hub {}; choose another --data-dir",
                folder.display(),
                known.worker,
                known.chain_id,
                known.hub
            );
        }
        Ok(())
    }

    /// Every task's record.
    ///
    /// # Errors
    /// Where the disk fails or a record is of another version.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        let entries = self.db.iterator_cf(self.family(TASKS), IteratorMode::Start);
        entries.map(|entry| decode(&entry?.1).context("a task's record is damaged")).collect()
    }

    /// Writes all changes or none, and syncs.
    ///
    /// # Errors
    /// Where the disk fails.
    pub(crate) fn write(&self, changes: &[Change]) -> anyhow::Result<()> {
        let tasks = self.family(TASKS);
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put(record) => {
                    let key = record.assignment.task.0;
                    batch.put_cf(tasks, key, encode(record)?);
                }
                Change::Remove(task) => batch.delete_cf(tasks, task.0),
            }
        }
        changes.iter().for_each(|change| failpoint::hit(point(change, Side::Before)));
        self.db
            .write_opt(batch, &synced())
            .context("cannot write the journal; is the disk full?")?;
        changes.iter().for_each(|change| failpoint::hit(point(change, Side::After)));
        Ok(())
    }

    /// The sender's nonce ledger.
    pub(crate) fn ledger(&self) -> impl LedgerStore + use<> {
        Ledger { journal: self.clone() }
    }

    fn family(&self, name: &'static str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("open_cf created or found every family")
    }
}

struct Ledger {
    journal: Journal,
}

impl LedgerStore for Ledger {
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        let db = &self.journal.db;
        let entries = db.iterator_cf(self.journal.family(LEDGER), IteratorMode::Start);
        entries
            .map(|entry| {
                let (key, value) = entry?;
                let nonce = <[u8; 8]>::try_from(&*key).context("a nonce is damaged")?;
                Ok((u64::from_be_bytes(nonce), decode(&value)?))
            })
            .collect()
    }

    fn put(&mut self, nonce: u64, record: &[u8]) -> anyhow::Result<()> {
        failpoint::hit("worker.ledger.put.before");
        let family = self.journal.family(LEDGER);
        self.journal.db.put_cf_opt(family, nonce.to_be_bytes(), encode(&record)?, &synced())?;
        failpoint::hit("worker.ledger.put.after");
        Ok(())
    }

    fn remove(&mut self, nonce: u64) -> anyhow::Result<()> {
        failpoint::hit("worker.ledger.remove.before");
        let family = self.journal.family(LEDGER);
        self.journal.db.delete_cf_opt(family, nonce.to_be_bytes(), &synced())?;
        failpoint::hit("worker.ledger.remove.after");
        Ok(())
    }
}

enum Side {
    Before,
    After,
}

/// The failpoint beside the writing of a change.
fn point(change: &Change, side: Side) -> &'static str {
    let [before, after] = match change {
        Change::Remove(_) => ["worker.store.forget.before", "worker.store.forget.after"],
        Change::Put(record) => match (&record.state, record.state.stage()) {
            (State::Contributing { .. }, _) => {
                ["worker.store.contributing.before", "worker.store.contributing.after"]
            }
            (State::Revealing { .. }, _) => {
                ["worker.store.revealing.before", "worker.store.revealing.after"]
            }
            (_, Stage::Accepted) => ["worker.store.accepted.before", "worker.store.accepted.after"],
            (_, Stage::Pulling) => ["worker.store.pulling.before", "worker.store.pulling.after"],
            (_, Stage::Fetching) => ["worker.store.fetching.before", "worker.store.fetching.after"],
            (_, Stage::Running) => ["worker.store.running.before", "worker.store.running.after"],
            (_, Stage::Computed) => ["worker.store.computed.before", "worker.store.computed.after"],
            (_, Stage::Balloted) => {
                ["worker.lane.store.balloted.before", "worker.lane.store.balloted.after"]
            }
            (_, Stage::Committed) => {
                ["worker.lane.store.committed.before", "worker.lane.store.committed.after"]
            }
            (State::Handed { location: None, .. }, _) => {
                ["worker.lane.store.handed.before", "worker.lane.store.handed.after"]
            }
            (_, Stage::Contributed) => {
                ["worker.store.contributed.before", "worker.store.contributed.after"]
            }
            (_, Stage::Revealed) => ["worker.store.revealed.before", "worker.store.revealed.after"],
            (_, Stage::Uploaded) => ["worker.store.uploaded.before", "worker.store.uploaded.after"],
            (_, Stage::Failed) => ["worker.store.failed.before", "worker.store.failed.after"],
        },
    };
    match side {
        Side::Before => before,
        Side::After => after,
    }
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn encode(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![VERSION];
    bytes.extend(postcard::to_allocvec(value)?);
    Ok(bytes)
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    match bytes.split_first() {
        Some((&VERSION, value)) => Ok(postcard::from_bytes(value)?),
        Some((version, _)) => {
            bail!(
                "it is of version {version}; this program knows {VERSION}: use the one that wrote it"
            )
        }
        None => bail!("it is empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{B256, Bytes, DealId};
    use poco_worker_core::{Assignment, Lane};

    fn owner() -> Owner {
        Owner { worker: Address::repeat_byte(1), chain_id: 31337, hub: Address::repeat_byte(2) }
    }

    fn record(byte: u8) -> Record {
        let assignment = Assignment {
            task: TaskId(B256::repeat_byte(byte)),
            deal: DealId::ZERO,
            index: 3,
            authorization: Bytes::from_static(&[9; 65]),
            enclave_challenge: Address::ZERO,
            lane: Lane::Fast,
        };
        Record { assignment, state: State::Accepted, sealed: None }
    }

    #[test]
    fn records_and_ledger_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), &owner()).unwrap();
        let put = |byte| Change::Put(Box::new(record(byte)));
        journal.write(&[put(1), put(2)]).unwrap();
        journal.write(&[Change::Remove(TaskId(B256::repeat_byte(1)))]).unwrap();
        let mut ledger = journal.ledger();
        ledger.put(256, b"later").unwrap();
        ledger.put(2, b"sooner").unwrap();
        ledger.put(3, b"gone").unwrap();
        ledger.remove(3).unwrap();
        drop((ledger, journal));
        let journal = Journal::open(folder.path(), &owner()).unwrap();
        assert_eq!(journal.records().unwrap(), [record(2)]);
        let entries = journal.ledger().load().unwrap();
        assert_eq!(entries, [(2, b"sooner".to_vec()), (256, b"later".to_vec())]);
    }

    #[test]
    fn a_journal_serves_one_process_and_one_wallet() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), &owner()).unwrap();
        let second = Journal::open(folder.path(), &owner()).err().unwrap();
        assert!(second.to_string().contains("in use by another process"), "{second}");
        drop(journal);
        let other = Owner { worker: Address::ZERO, ..owner() };
        let refused = Journal::open(folder.path(), &other).err().unwrap();
        assert!(refused.to_string().contains("another --data-dir"), "{refused}");
    }

    #[test]
    fn a_record_of_another_version_is_not_guessed_at() {
        let mut bytes = encode(&record(1)).unwrap();
        bytes[0] = 9;
        assert!(decode::<Record>(&bytes).unwrap_err().to_string().contains("version 9"));
        assert!(decode::<Record>(&[]).is_err());
    }
}
