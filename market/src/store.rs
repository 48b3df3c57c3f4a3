//! What the market keeps on disk: the only module that knows RocksDB.
//!
//! Every change is one synced batch, together with the cursor of what it was derived from, so a
//! killed process goes on where it stopped. Values are postcard behind a byte that names their
//! form. The chain is the journal of deals and categories; the store indexes them.

mod batch;
mod deals;
#[cfg(test)]
mod tests;

use crate::deal::CategoryRecord;
use crate::profile::{Profile, ProfileBefore};
use crate::record::{Record, Status};
use anyhow::{Context, bail, ensure};
pub(crate) use batch::Batch;
use poco_chain::Cursor;
use poco_core::{Address, OrderHash};
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, Options};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The form in which values are written; a folder with another one is refused.
const FORM: u8 = 1;

/// Bytes of changes kept in memory before RocksDB writes them to tables of its own.
const WRITE_BUFFER_BYTES: usize = 16 << 20;

/// Table files kept open: bounds the file descriptors.
const OPEN_FILES_MAX: i32 = 256;

/// Published orders by hash.
const ORDERS: &str = "orders";
/// Hashes of the open ones.
const OPEN: &str = "open";
/// Block of the newest fact in an order, then its hash: what a rollback has to judge again.
const KNOWN: &str = "known";
/// Deals by place, newest first.
const DEALS: &str = "deals";
/// Trait of a deal, then its place.
const DEAL_TRAITS: &str = "deal_traits";
/// Place of a deal by its id.
const DEAL_IDS: &str = "deal_ids";
/// Categories by number.
const CATEGORIES: &str = "categories";
/// Profiles of pools by address.
const PROFILES: &str = "profiles";
/// Single values.
const META: &str = "meta";

const FAMILIES: [&str; 9] =
    [ORDERS, OPEN, KNOWN, DEALS, DEAL_TRAITS, DEAL_IDS, CATEGORIES, PROFILES, META];

const META_IDENTITY: &[u8] = b"identity";
const META_CURSOR: &[u8] = b"cursor";
const META_DEAL_COUNT: &[u8] = b"deal_count";

/// Which hub a store is about; a folder never holds two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
}

/// An open folder. Reading blocks for as long as the disk takes.
#[derive(Debug)]
pub(crate) struct Store {
    db: DB,
}

impl Store {
    /// Opens or creates the folder and locks it against other processes.
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
        let db = match DB::open_cf(&options, folder, FAMILIES) {
            Ok(db) => db,
            Err(error) if error.as_ref().contains("lock") => bail!(
                "the data folder {} is in use by another process: stop it, or choose another --data-dir",
                folder.display()
            ),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot open the data folder {}", folder.display()));
            }
        };
        let store = Self { db };
        store.check_identity(folder, identity)?;
        Ok(store)
    }

    fn check_identity(&self, folder: &Path, identity: Identity) -> anyhow::Result<()> {
        let Some(found) = self.value::<Identity>(META, META_IDENTITY)? else {
            return self.commit(&Batch { identity: Some(identity), ..Batch::default() });
        };
        ensure!(
            found == identity,
            "the data folder {} belongs to hub {} on chain {}, not to hub {} on chain {}: choose another --data-dir",
            folder.display(),
            found.hub,
            found.chain_id,
            identity.hub,
            identity.chain_id
        );
        Ok(())
    }

    /// Where to go on reading the chain; `None` at the first start.
    pub(crate) fn cursor(&self) -> anyhow::Result<Option<Cursor>> {
        self.value(META, META_CURSOR)
    }

    /// A published order of any status.
    pub(crate) fn order(&self, hash: OrderHash) -> anyhow::Result<Option<Record>> {
        self.value(ORDERS, hash.0.as_slice())
    }

    /// The orders with these hashes, in this order; missing ones are left out.
    pub(crate) fn orders(&self, hashes: &[OrderHash]) -> anyhow::Result<Vec<Record>> {
        hashes.iter().filter_map(|hash| self.order(*hash).transpose()).collect()
    }

    /// Every open order.
    pub(crate) fn open_orders(&self) -> anyhow::Result<Vec<Record>> {
        let mut records = Vec::new();
        for item in self.db.iterator_cf(self.family(OPEN), IteratorMode::Start) {
            let (key, _) = item?;
            let hash = hash_at(&key, 0)?;
            let record = self.order(hash)?.with_context(|| format!("open order {hash} is lost"))?;
            ensure!(record.status == Status::Open, "order {hash} is listed as open but is not");
            records.push(record);
        }
        Ok(records)
    }

    /// The orders whose newest fact is from one of these blocks.
    pub(crate) fn orders_known_at(
        &self,
        blocks: std::ops::RangeInclusive<u64>,
    ) -> anyhow::Result<Vec<Record>> {
        let start = blocks.start().to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut hashes = Vec::new();
        for item in self.db.iterator_cf(self.family(KNOWN), mode) {
            let (key, _) = item?;
            let block = key.first_chunk().context("a key of the store is too short")?;
            if u64::from_be_bytes(*block) > *blocks.end() {
                break;
            }
            hashes.push(hash_at(&key, block.len())?);
        }
        self.orders(&hashes)
    }

    /// Every category, by number. There are few: only the hub's owner adds them.
    pub(crate) fn categories(&self) -> anyhow::Result<Vec<CategoryRecord>> {
        self.db
            .iterator_cf(self.family(CATEGORIES), IteratorMode::Start)
            .map(|item| decode(&item?.1))
            .collect()
    }

    /// What a pool's owner published about it.
    pub(crate) fn profile(&self, workerpool: Address) -> anyhow::Result<Option<Profile>> {
        let key = workerpool.as_slice();
        // Those of before have no terms, and end where these begin.
        match self.value::<Profile>(PROFILES, key) {
            Ok(profile) => Ok(profile),
            Err(error) => match self.value::<ProfileBefore>(PROFILES, key) {
                Ok(before) => Ok(before.map(Profile::from)),
                Err(_) => Err(error),
            },
        }
    }

    fn value<T: DeserializeOwned>(&self, family: &str, key: &[u8]) -> anyhow::Result<Option<T>> {
        self.db.get_pinned_cf(self.family(family), key)?.map(|bytes| decode(&bytes)).transpose()
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("the store was opened with every family")
    }
}

fn hash_at(key: &[u8], offset: usize) -> anyhow::Result<OrderHash> {
    let word = key.get(offset..).and_then(|rest| rest.try_into().ok());
    word.map(|word: [u8; 32]| OrderHash(word.into())).context("a key of the store is malformed")
}

fn encode(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![FORM];
    bytes.extend(postcard::to_allocvec(value)?);
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    match bytes.split_first() {
        Some((&FORM, value)) => {
            postcard::from_bytes(value).context("a value of the store cannot be read")
        }
        Some((form, _)) => bail!(
            "the data folder holds form {form}, this program reads {FORM}: use the version that wrote it, or an empty --data-dir"
        ),
        None => bail!("a value of the store is empty"),
    }
}
