//! One change of the store: everything that one input leads to, written and synced together.

use super::deals::{place_key, trait_key};
use super::{
    CATEGORIES, DEAL_IDS, DEAL_TRAITS, DEALS, Identity, KNOWN, META, META_CURSOR, META_DEAL_COUNT,
    META_IDENTITY, OPEN, ORDERS, PROFILES, Store, encode,
};
use crate::deal::{CategoryRecord, DealRecord};
use crate::profile::Profile;
use crate::record::{Record, Status};
use anyhow::Context;
use poco_chain::Cursor;
use poco_core::{Address, CategoryId, OrderHash};
use rocksdb::{WriteBatch, WriteOptions};
use std::collections::BTreeMap;

/// What to write. Writing the same batch twice is the same as once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) identity: Option<Identity>,
    pub(crate) cursor: Option<Cursor>,
    /// Orders as they are now; `None` for one that was unpublished.
    pub(crate) orders: BTreeMap<OrderHash, Option<Record>>,
    pub(crate) deals_gone: Vec<DealRecord>,
    pub(crate) deals: Vec<DealRecord>,
    pub(crate) categories_gone: Vec<CategoryId>,
    pub(crate) categories: Vec<CategoryRecord>,
    pub(crate) profile: Option<(Address, Profile)>,
}

impl Store {
    /// Writes the batch and waits until it is on the disk. All of it, or nothing after an error.
    pub(crate) fn commit(&self, batch: &Batch) -> anyhow::Result<()> {
        let mut writes = WriteBatch::default();
        let meta = self.family(META);
        if let Some(identity) = &batch.identity {
            writes.put_cf(meta, META_IDENTITY, encode(identity)?);
        }
        if let Some(cursor) = &batch.cursor {
            writes.put_cf(meta, META_CURSOR, encode(cursor)?);
        }
        for (hash, record) in &batch.orders {
            self.put_order(&mut writes, *hash, record.as_ref())?;
        }
        self.put_deals(&mut writes, batch)?;
        let categories = self.family(CATEGORIES);
        for id in &batch.categories_gone {
            writes.delete_cf(categories, id.0.to_be_bytes());
        }
        for category in &batch.categories {
            writes.put_cf(categories, category.id.0.to_be_bytes(), encode(category)?);
        }
        if let Some((workerpool, profile)) = &batch.profile {
            writes.put_cf(self.family(PROFILES), workerpool, encode(profile)?);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(writes, &options).context("the data folder cannot be written")
    }

    fn put_order(
        &self,
        writes: &mut WriteBatch,
        hash: OrderHash,
        record: Option<&Record>,
    ) -> anyhow::Result<()> {
        if let Some(old) = self.order(hash)? {
            writes.delete_cf(self.family(KNOWN), known_key(&old));
        }
        let Some(record) = record else {
            writes.delete_cf(self.family(ORDERS), hash.0);
            writes.delete_cf(self.family(OPEN), hash.0);
            return Ok(());
        };
        writes.put_cf(self.family(ORDERS), hash.0, encode(record)?);
        writes.put_cf(self.family(KNOWN), known_key(record), []);
        match record.status {
            Status::Open => writes.put_cf(self.family(OPEN), hash.0, []),
            Status::Filled | Status::Canceled | Status::Dead => {
                writes.delete_cf(self.family(OPEN), hash.0);
            }
        }
        Ok(())
    }

    fn put_deals(&self, writes: &mut WriteBatch, batch: &Batch) -> anyhow::Result<()> {
        if batch.deals.is_empty() && batch.deals_gone.is_empty() {
            return Ok(());
        }
        let mut count = self.deal_count()?;
        for deal in &batch.deals_gone {
            let key = place_key(deal.place);
            count = count.saturating_sub(u64::from(self.has_deal_at(key)?));
            writes.delete_cf(self.family(DEALS), key);
            writes.delete_cf(self.family(DEAL_IDS), deal.id.0);
            for of in deal.traits() {
                writes.delete_cf(self.family(DEAL_TRAITS), trait_key(of, Some(deal.place)));
            }
        }
        for deal in &batch.deals {
            let key = place_key(deal.place);
            count = count.saturating_add(u64::from(!self.has_deal_at(key)?));
            writes.put_cf(self.family(DEALS), key, encode(deal)?);
            writes.put_cf(self.family(DEAL_IDS), deal.id.0, key);
            for of in deal.traits() {
                writes.put_cf(self.family(DEAL_TRAITS), trait_key(of, Some(deal.place)), []);
            }
        }
        writes.put_cf(self.family(META), META_DEAL_COUNT, encode(&count)?);
        Ok(())
    }
}

fn known_key(record: &Record) -> Vec<u8> {
    [record.known_at.to_be_bytes().as_slice(), record.hash.0.as_slice()].concat()
}
