//! What the scheduler keeps on disk: the only module that knows RocksDB.
//!
//! Everything that one turn of the loop leads to is one synced batch, together with the cursor of
//! what it was derived from, so a killed process goes on where it stopped. Values are postcard
//! behind a byte that names their form; records of the form before are read as well.

mod before;
mod expiry;

#[cfg(test)]
mod tests;

use crate::admission::Standing;
use crate::points;
use crate::pricing::Prices;
use crate::rival::OwnTransactions;
use anyhow::{Context as _, bail, ensure};
use poco_chain::{Cursor, LedgerStore, failpoint};
use poco_core::{Address, DealId, OrderHash, TaskId, Timestamp};
use poco_scheduler_core::{CommitKey, Record, StoredResult, TaskReport};
use rocksdb::{
    ColumnFamily, DB, DBRecoveryMode, Direction, IteratorMode, LogLevel, Options, WriteBatch,
    WriteOptions,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The form in which values are written; of others only records of the one before are read.
const FORM: u8 = 3;
/// Form 2 differs in records of deals and tasks alone.
const FORM_BEFORE: u8 = 2;
/// Bytes of changes kept in memory before RocksDB writes them to tables of its own.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// How RocksDB says that a folder is in use, by another process and by this one.
const HELD: [&str; 2] = ["While lock file", "lock hold by"];
/// Table files kept open: bounds the file descriptors.
const OPEN_FILES_MAX: i32 = 256;

/// Live deals by id.
const DEALS: &str = "deals";
/// Live tasks by id.
const TASKS: &str = "tasks";
/// Commits of live tasks by deal, first index and time.
const COMMITS: &str = "commits";
/// Places of workers by their number.
const MEMBERS: &str = "members";
/// Reports of ended tasks by id, with the time until which they are kept.
const RETIRED: &str = "retired";
/// That time (big-endian), then the task's id.
const EXPIRY: &str = "expiry";
/// Length and text of a location, then a task's id: who may read what is there.
const RESULTS: &str = "results";
/// A task's id, then a location of a result stored for it.
const TASK_RESULTS: &str = "task_results";
/// The sender's ledger by nonce.
const LEDGER: &str = "ledger";
/// Single values.
const META: &str = "meta";
const FAMILIES: [&str; 10] =
    [DEALS, TASKS, COMMITS, MEMBERS, RETIRED, EXPIRY, RESULTS, TASK_RESULTS, LEDGER, META];

const META_IDENTITY: &[u8] = b"identity";
const META_CURSOR: &[u8] = b"cursor";
const META_STANDING: &[u8] = b"standing";
const META_ORDERS: &[u8] = b"orders";
const META_PRICES: &[u8] = b"prices";

/// Which pool a store is about; a folder never holds two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
    pub(crate) workerpool: Address,
}

/// A key with its value.
type Entry = (Box<[u8]>, Box<[u8]>);

/// An open folder. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Arc<DB>,
    /// A write has failed: none is tried after it.
    has_failed: Arc<AtomicBool>,
    /// What the ledger was told.
    pub(crate) own: OwnTransactions,
}

/// What one turn of the loop changes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) cursor: Option<Cursor>,
}

/// One change.
#[derive(Debug)]
pub(crate) enum Change {
    Put(Record),
    /// A stored result becomes readable: for `beneficiary` alone, or everybody where it is zero.
    Result {
        task: TaskId,
        result: StoredResult,
        beneficiary: Address,
    },
    /// What the operator has ordered.
    Standing(Standing),
    /// What the operator has ordered about prices.
    Prices(Prices),
    DeleteDeal(DealId),
    DeleteTask(TaskId),
    DeleteCommit(CommitKey),
    Retire {
        task: TaskId,
        report: Box<TaskReport>,
        keep_until: Timestamp,
    },
}

impl Store {
    /// Opens or creates the folder and locks it against other processes.
    ///
    /// # Errors
    /// One line that says what is wrong with the folder and what to do.
    pub(crate) fn open(folder: &Path, identity: Identity) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| {
            let shown = folder.display();
            format!("cannot create the data folder {shown}: choose another --data-dir")
        })?;
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_db_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_keep_log_file_num(2);
        // Its own log would be the first to meet a full disk, and then ends the process.
        options.set_log_level(LogLevel::Fatal);
        // What a power cut leaves at the end of the log is no promise; damage before it is, and would
        // else be cut off in silence with everything behind it.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        let db = match DB::open_cf(&options, folder, FAMILIES) {
            Ok(db) => db,
            Err(error) if HELD.iter().any(|said| error.as_ref().contains(said)) => bail!(
                "the data folder {} is in use by another process: stop it, or choose another --data-dir",
                folder.display()
            ),
            Err(error) => return Err(unusable(folder, error.into())),
        };
        let (has_failed, own) = (Arc::default(), OwnTransactions::default());
        let store = Self { db: Arc::new(db), has_failed, own };
        let known = store.get::<Identity>(META, META_IDENTITY);
        match known.map_err(|error| unusable(folder, error))? {
            None => {
                let mut writes = WriteBatch::default();
                writes.put_cf(store.family(META), META_IDENTITY, encode(&identity)?);
                failpoint::hit("scheduler.store.open.before");
                store.write(writes)?;
                failpoint::hit("scheduler.store.open.after");
            }
            Some(known) => ensure!(
                known == identity,
                "the data folder {} belongs to pool {} of hub {} on chain {}: choose another --data-dir",
                folder.display(),
                known.workerpool,
                known.hub,
                known.chain_id
            ),
        }
        Ok(store)
    }

    /// Every live deal and task, and how far the chain was read.
    pub(crate) fn load(&self) -> anyhow::Result<(Vec<Record>, Option<Cursor>)> {
        self.read().map_err(|error| unusable(self.db.path(), error))
    }

    fn read(&self) -> anyhow::Result<(Vec<Record>, Option<Cursor>)> {
        let mut records = Vec::new();
        for name in [DEALS, TASKS, COMMITS, MEMBERS] {
            for entry in self.db.iterator_cf(self.family(name), IteratorMode::Start) {
                records.push(decode_record(&entry?.1)?);
            }
        }
        Ok((records, self.get(META, META_CURSOR)?))
    }

    /// Writes a batch and waits until it is on the disk. All of it, or nothing after an error.
    pub(crate) fn commit(&self, batch: &Batch) -> anyhow::Result<()> {
        if batch.changes.is_empty() && batch.cursor.is_none() {
            return Ok(());
        }
        let mut writes = WriteBatch::default();
        for change in &batch.changes {
            self.add(&mut writes, change)?;
        }
        if let Some(cursor) = &batch.cursor {
            writes.put_cf(self.family(META), META_CURSOR, encode(cursor)?);
        }
        let only_cursor = batch.changes.is_empty().then_some(points::CURSOR);
        let points = || batch.changes.iter().filter_map(points::of_change).chain(only_cursor);
        points().for_each(|[before, _]| failpoint::hit(before));
        self.write(writes)?;
        points().for_each(|[_, after]| failpoint::hit(after));
        Ok(())
    }

    fn add(&self, writes: &mut WriteBatch, change: &Change) -> anyhow::Result<()> {
        match change {
            Change::Put(record) => {
                let (family, key) = match record {
                    Record::Deal(deal) => (DEALS, deal.id.0.to_vec()),
                    Record::Task(task) => (TASKS, task.id.0.to_vec()),
                    Record::Commit(commit) => (COMMITS, commit_key(&commit.key)),
                    Record::Member(member) => (MEMBERS, member.place.to_be_bytes().to_vec()),
                };
                writes.put_cf(self.family(family), key, encode(record)?);
            }
            Change::Result { task, result, beneficiary } => {
                let location = &result.location;
                let key = [location_prefix(location).as_slice(), task.0.as_slice()].concat();
                writes.put_cf(self.family(RESULTS), key, encode(beneficiary)?);
                let key = [task.0.as_slice(), location.as_bytes()].concat();
                writes.put_cf(self.family(TASK_RESULTS), key, []);
            }
            Change::Standing(standing) => {
                writes.put_cf(self.family(META), META_STANDING, encode(standing)?);
            }
            Change::Prices(prices) => {
                writes.put_cf(self.family(META), META_PRICES, encode(prices)?);
            }
            Change::DeleteDeal(deal) => writes.delete_cf(self.family(DEALS), deal.0),
            Change::DeleteCommit(key) => writes.delete_cf(self.family(COMMITS), commit_key(key)),
            Change::DeleteTask(task) => writes.delete_cf(self.family(TASKS), task.0),
            Change::Retire { task, report, keep_until } => {
                writes.delete_cf(self.family(TASKS), task.0);
                writes.put_cf(self.family(RETIRED), task.0, encode(report)?);
                writes.put_cf(self.family(EXPIRY), expiry_key(*keep_until, *task), []);
            }
        }
        Ok(())
    }

    /// What the operator has ordered.
    pub(crate) fn standing(&self) -> anyhow::Result<Standing> {
        Ok(self.get(META, META_STANDING)?.unwrap_or_default())
    }

    /// What the operator has ordered about prices.
    pub(crate) fn prices(&self) -> anyhow::Result<Prices> {
        Ok(self.get(META, META_PRICES)?.unwrap_or_default())
    }

    /// The orders that may be listed in the market.
    pub(crate) fn orders(&self) -> anyhow::Result<Vec<OrderHash>> {
        Ok(self.get(META, META_ORDERS)?.unwrap_or_default())
    }

    /// Replaces them.
    pub(crate) fn put_orders(&self, orders: &[OrderHash]) -> anyhow::Result<()> {
        let mut writes = WriteBatch::default();
        writes.put_cf(self.family(META), META_ORDERS, encode(&orders)?);
        // RocksDB waits for the disk.
        tokio::task::block_in_place(|| self.write(writes))
    }

    /// What the folder takes on disk, as far as it can be told.
    pub(crate) fn size_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.db.path()).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    /// The report of a task that has ended and was forgotten by the core.
    pub(crate) fn retired(&self, task: TaskId) -> anyhow::Result<Option<TaskReport>> {
        self.get(RETIRED, task.0.as_slice())
    }

    /// Who may read what is stored at `location`: the beneficiaries of its tasks. Empty where
    /// nothing is stored there.
    pub(crate) fn readers(&self, location: &str) -> anyhow::Result<Vec<Address>> {
        let prefix = location_prefix(location);
        self.under(RESULTS, &prefix)?.into_iter().map(|(_, value)| decode(&value)).collect()
    }

    fn under(&self, family: &str, prefix: &[u8]) -> anyhow::Result<Vec<Entry>> {
        let mode = IteratorMode::From(prefix, Direction::Forward);
        let mut found = Vec::new();
        for entry in self.db.iterator_cf(self.family(family), mode) {
            let (key, value) = entry?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key, value));
        }
        Ok(found)
    }

    fn get<T: DeserializeOwned>(&self, family: &str, key: &[u8]) -> anyhow::Result<Option<T>> {
        self.db.get_cf(self.family(family), key)?.map(|bytes| decode(&bytes)).transpose()
    }

    fn write(&self, writes: WriteBatch) -> anyhow::Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        ensure!(
            !self.has_failed.load(Ordering::SeqCst),
            "the store {} could not be written before",
            self.db.path().display()
        );
        self.db.write_opt(writes, &options).map_err(|error| {
            self.has_failed.store(true, Ordering::SeqCst);
            // Closed or written again, RocksDB ends the process over a log that it could not write,
            // before anybody is told why. So this one is never closed; the process ends soon.
            std::mem::forget(self.db.clone());
            unusable(self.db.path(), error.into())
        })
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family of FAMILIES was opened")
    }
}

impl LedgerStore for Store {
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        let mut records = Vec::new();
        for entry in self.db.iterator_cf(self.family(LEDGER), IteratorMode::Start) {
            let (key, value) = entry?;
            let nonce = <[u8; 8]>::try_from(key.as_ref()).context("a nonce has not 8 bytes")?;
            let nonce = u64::from_be_bytes(nonce);
            self.own.enter(nonce, &value);
            records.push((nonce, value.into_vec()));
        }
        Ok(records)
    }

    fn put(&mut self, nonce: u64, record: &[u8]) -> anyhow::Result<()> {
        self.own.enter(nonce, record);
        failpoint::hit("scheduler.ledger.put.before");
        let mut writes = WriteBatch::default();
        writes.put_cf(self.family(LEDGER), nonce.to_be_bytes(), record);
        self.write(writes)?;
        failpoint::hit("scheduler.ledger.put.after");
        Ok(())
    }

    fn remove(&mut self, nonce: u64) -> anyhow::Result<()> {
        failpoint::hit("scheduler.ledger.remove.before");
        let mut writes = WriteBatch::default();
        writes.delete_cf(self.family(LEDGER), nonce.to_be_bytes());
        self.write(writes)?;
        failpoint::hit("scheduler.ledger.remove.after");
        Ok(())
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    //! Stored values, open to those who put their decoding to the test.

    use super::*;

    /// Reads the bytes as each of what is stored; what is read and written is read again as the same.
    pub(crate) fn read_all(bytes: &[u8]) {
        if let Ok(record) = decode_record(bytes) {
            let written = encode(&record).expect("a record can be written");
            let again = decode_record(&written).expect("what is written can be read");
            assert_eq!(again, record);
        }
        let _ = decode::<Standing>(bytes);
        let _ = decode::<Prices>(bytes);
        let _ = decode::<TaskReport>(bytes);
        let _ = decode::<Cursor>(bytes);
        let _ = decode::<Identity>(bytes);
        let _ = decode::<Vec<OrderHash>>(bytes);
        let _ = poco_chain::read_ledger_record(bytes);
    }
}

/// What an operator can do about a store that cannot be used.
fn unusable(folder: &Path, error: anyhow::Error) -> anyhow::Error {
    let (shown, text) = (folder.display(), format!("{error:#}"));
    let is_full =
        ["No space left", "Disk quota", "out of space"].iter().any(|said| text.contains(said));
    let is_ours = text.starts_with("IO error: While") && !text.contains("No such file");
    let advice = if is_full {
        format!(
            "the disk of {shown} is full: free some space and start again; nothing was promised that \
             is not stored"
        )
    } else if is_ours {
        format!("the store {shown} cannot be used: check its disk and its permissions")
    } else {
        format!(
            "the store {shown} is damaged: put a copy of it back, or rebuild it from the chain with \
             `poco-scheduler repair --from-chain`"
        )
    };
    error.context(advice)
}

fn encode<T: Serialize>(value: &T) -> anyhow::Result<Vec<u8>> {
    Ok(postcard::to_extend(value, vec![FORM])?)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    match bytes.split_first() {
        Some((&(FORM | FORM_BEFORE), value)) => {
            postcard::from_bytes(value).context("a stored value is damaged")
        }
        Some((form, _)) => {
            bail!(
                "a stored value has form {form}; this version reads {FORM_BEFORE} and {FORM} only"
            )
        }
        None => bail!("a stored value is empty"),
    }
}

fn decode_record(bytes: &[u8]) -> anyhow::Result<Record> {
    match bytes.first() {
        Some(&FORM_BEFORE) => Ok(decode::<before::Record>(bytes)?.into()),
        Some(_) | None => decode(bytes),
    }
}

fn commit_key(key: &CommitKey) -> Vec<u8> {
    let (first, time) = (key.first.to_be_bytes::<32>(), key.time.0.to_be_bytes());
    [key.deal.0.as_slice(), first.as_slice(), time.as_slice()].concat()
}

fn expiry_key(keep_until: Timestamp, task: TaskId) -> Vec<u8> {
    [keep_until.0.to_be_bytes().as_slice(), task.0.as_slice()].concat()
}

/// Its length comes first, so that no location begins another.
fn location_prefix(location: &str) -> Vec<u8> {
    let length = u32::try_from(location.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), location.as_bytes()].concat()
}
