//! Deals on disk: by place, newest first, and by every trait they can be asked for.

use super::{DEAL_IDS, DEAL_TRAITS, DEALS, META, META_DEAL_COUNT, Store, decode};
use crate::book::{Listing, Page};
use crate::deal::{DealRecord, Place, Trait};
use anyhow::Context;
use poco_core::{Address, DealId, OrderHash};
use rocksdb::{Direction, IteratorMode};

/// Deals looked at to answer one question: bounds the time it takes. A count stops here.
const DEALS_SEEN_MAX: u64 = 100_000;

/// Bytes of a place in keys: block and log index.
const PLACE_BYTES: usize = 16;

impl Store {
    /// How many deals there are.
    pub(crate) fn deal_count(&self) -> anyhow::Result<u64> {
        Ok(self.value(META, META_DEAL_COUNT)?.unwrap_or(0))
    }

    /// A deal by its id.
    pub(crate) fn deal(&self, id: DealId) -> anyhow::Result<Option<DealRecord>> {
        match self.db.get_pinned_cf(self.family(DEAL_IDS), id.0)? {
            Some(place) => self.value(DEALS, &place),
            None => Ok(None),
        }
    }

    /// The deals that have all these traits, newest first.
    pub(crate) fn deals(
        &self,
        traits: &[Trait],
        page: Page,
    ) -> anyhow::Result<Listing<DealRecord>> {
        let Some((first, others)) = traits.split_first() else {
            return self.all_deals(page);
        };
        let prefix = trait_key(*first, None);
        let mode = IteratorMode::From(&prefix, Direction::Forward);
        let mut items = Vec::new();
        let mut count = 0;
        let mut seen = 0;
        for item in self.db.iterator_cf(self.family(DEAL_TRAITS), mode) {
            let (key, _) = item?;
            let Some(place) = key.strip_prefix(prefix.as_slice()) else { break };
            seen += 1;
            if seen > DEALS_SEEN_MAX {
                break;
            }
            let is_on_page = page.holds(count);
            if !is_on_page && others.is_empty() {
                count += 1;
                continue;
            }
            let deal: DealRecord = self.value(DEALS, place)?.context("an indexed deal is lost")?;
            let own = deal.traits();
            if others.iter().all(|wanted| own.contains(wanted)) {
                if is_on_page {
                    items.push(deal);
                }
                count += 1;
            }
        }
        let next_page = page.next(items.len());
        Ok(Listing { items, count, next_page })
    }

    /// The deals in blocks after `block`, newest first.
    pub(crate) fn deals_after(&self, block: u64) -> anyhow::Result<Vec<DealRecord>> {
        let mut deals = Vec::new();
        for item in self.db.iterator_cf(self.family(DEALS), IteratorMode::Start) {
            let deal: DealRecord = decode(&item?.1)?;
            if deal.place.block <= block {
                break;
            }
            deals.push(deal);
        }
        Ok(deals)
    }

    pub(super) fn has_deal_at(&self, key: [u8; PLACE_BYTES]) -> anyhow::Result<bool> {
        Ok(self.db.get_pinned_cf(self.family(DEALS), key)?.is_some())
    }

    fn all_deals(&self, page: Page) -> anyhow::Result<Listing<DealRecord>> {
        let skip = usize::try_from(page.skip.min(DEALS_SEEN_MAX))?;
        let size = usize::try_from(page.size)?;
        let items = self
            .db
            .iterator_cf(self.family(DEALS), IteratorMode::Start)
            .skip(skip)
            .take(if page.skip > DEALS_SEEN_MAX { 0 } else { size })
            .map(|item| decode(&item?.1))
            .collect::<anyhow::Result<Vec<DealRecord>>>()?;
        let next_page = page.next(items.len());
        Ok(Listing { items, count: self.deal_count()?, next_page })
    }
}

/// Sorts later places first.
pub(super) fn place_key(place: Place) -> [u8; PLACE_BYTES] {
    let number = (u128::from(place.block) << 64) | u128::from(place.log_index);
    (!number).to_be_bytes()
}

/// The trait's tag and value, then the place of one deal that has it.
pub(super) fn trait_key(of: Trait, place: Option<Place>) -> Vec<u8> {
    let (tag, word) = match of {
        Trait::RequestOrder(OrderHash(word)) => (0, word),
        Trait::AppOrder(OrderHash(word)) => (1, word),
        Trait::DatasetOrder(OrderHash(word)) => (2, word),
        Trait::WorkerpoolOrder(OrderHash(word)) => (3, word),
        Trait::Requester(address) => (4, word(address)),
        Trait::Beneficiary(address) => (5, word(address)),
        Trait::App(address) => (6, word(address)),
        Trait::Dataset(address) => (7, word(address)),
        Trait::Workerpool(address) => (8, word(address)),
        Trait::AppOwner(address) => (9, word(address)),
        Trait::DatasetOwner(address) => (10, word(address)),
        Trait::WorkerpoolOwner(address) => (11, word(address)),
        Trait::Category(category) => (12, poco_core::U256::from(category.0).into()),
    };
    let mut key = vec![tag];
    key.extend_from_slice(word.as_slice());
    key.extend(place.into_iter().flat_map(place_key));
    key
}

fn word(address: Address) -> poco_core::B256 {
    address.into_word()
}
