//! The open orders, sorted and searchable: pure, in memory, rebuilt from the store at start.
//!
//! The book holds what orders are listed and judged by, not the orders themselves; those, and
//! orders that are no longer open, are in the store. It says which other orders a change takes
//! along; it knows neither the chain nor the clock.

mod entry;
mod query;
#[cfg(test)]
mod tests;

pub(crate) use entry::Entry;
use entry::{Key, Rank};
use poco_core::mark::agreement::agree_on_guard;
use poco_core::{Address, OrderHash, OrderKind, Tag, Timestamp, U256};
pub(crate) use query::{Listing, OrderQuery, PAGE_SIZE, PAGE_SIZES, Page, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// All open orders.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<OrderHash, Entry>,
    ranked: BTreeMap<Key, BTreeSet<Rank>>,
    /// Those that stop to match some day, by when.
    expiring: BTreeSet<(Timestamp, OrderHash)>,
    /// The hub takes a marked salt for any other, and so does the book.
    ignores_marks: bool,
}

/// Whether a request finds the offer it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The cheapest that fits costs no more than the request pays.
    Affordable,
    /// The cheapest that fits costs this much, which is more.
    TooDear(U256),
    /// None fits.
    None,
}

impl Book {
    /// An empty book of a hub that heeds marked salts, or does not.
    pub(crate) fn new(heeds_marks: bool) -> Self {
        Self { ignores_marks: !heeds_marks, ..Self::default() }
    }

    /// The open orders that a question asks for, best first.
    pub(crate) fn list(&self, query: &OrderQuery, page: Page) -> Listing {
        let mut items = Vec::new();
        let mut count = 0_u64;
        for entry in self.with(query.key()).filter(|entry| query.takes(entry)) {
            if page.holds(count) {
                items.push(entry.hash);
            }
            count += 1;
        }
        let next_page = page.next(items.len());
        Listing { items, count, next_page }
    }

    /// Adds an open order, in place of an older one of the same hash.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        self.remove(entry.hash);
        if self.ignores_marks {
            entry.mark = None;
        }
        if let Some(expiry) = entry.expiry() {
            self.expiring.insert((expiry, entry.hash));
        }
        for key in entry.keys() {
            self.ranked.entry(key).or_default().insert(entry.rank());
        }
        self.entries.insert(entry.hash, entry);
    }

    /// Takes an order out, whatever the reason.
    pub(crate) fn remove(&mut self, hash: OrderHash) -> Option<Entry> {
        let entry = self.entries.remove(&hash)?;
        if let Some(expiry) = entry.expiry() {
            self.expiring.remove(&(expiry, hash));
        }
        for key in entry.keys() {
            if let Some(ranks) = self.ranked.get_mut(&key) {
                ranks.remove(&entry.rank());
                if ranks.is_empty() {
                    self.ranked.remove(&key);
                }
            }
        }
        Some(entry)
    }

    /// Notes how much of an open order remains.
    pub(crate) fn set_remaining(&mut self, hash: OrderHash, remaining: U256) {
        if let Some(entry) = self.entries.get_mut(&hash) {
            entry.remaining = remaining;
        }
    }

    /// How many orders of all kinds are open.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many orders of a kind are open.
    pub(crate) fn open_count(&self, kind: OrderKind) -> usize {
        self.count(Key::Kind(kind))
    }

    /// How many orders of a kind one wallet has open.
    pub(crate) fn open_count_of(&self, kind: OrderKind, signer: Address) -> usize {
        self.count(Key::Signer(kind, signer))
    }

    /// The open orders of `signer` for one resource (for the requester itself), newest first.
    pub(crate) fn published_by(
        &self,
        kind: OrderKind,
        signer: Address,
        resource: Address,
    ) -> Vec<OrderHash> {
        let mut found: Vec<_> = self
            .with(Key::Signer(kind, signer))
            .filter(|entry| entry.resource() == resource)
            .map(|entry| (entry.published, entry.hash))
            .collect();
        found.sort_unstable_by(|left, right| right.cmp(left));
        found.into_iter().map(|(_, hash)| hash).collect()
    }

    /// The accounts whose free stake some open order stands on, as far as they are in `accounts`.
    pub(crate) fn staking(&self, accounts: &BTreeSet<Address>) -> BTreeSet<Address> {
        let stakes = |account: &&Address| {
            [OrderKind::Workerpool, OrderKind::Request]
                .iter()
                .any(|kind| self.open_count_of(*kind, **account) > 0)
        };
        accounts.iter().filter(stakes).copied().collect()
    }

    /// The open orders of an account that its free stake no longer covers.
    pub(crate) fn uncovered(&self, account: Address, free: U256) -> Vec<OrderHash> {
        [OrderKind::Workerpool, OrderKind::Request]
            .into_iter()
            .flat_map(|kind| self.with(Key::Signer(kind, account)))
            .filter(|entry| entry.stake_needed().is_none_or(|needed| free < needed))
            .map(|entry| entry.hash)
            .collect()
    }

    /// The open orders for a resource that its owner did not sign.
    pub(crate) fn disowned(
        &self,
        kind: OrderKind,
        resource: Address,
        owner: Address,
    ) -> Vec<OrderHash> {
        let key = match kind {
            OrderKind::App => Key::App(kind, resource),
            OrderKind::Dataset => Key::Dataset(kind, resource),
            OrderKind::Workerpool => Key::Workerpool(resource),
            // Nobody can sell a request.
            OrderKind::Request => return Vec::new(),
        };
        self.with(key).filter(|entry| entry.signer != owner).map(|entry| entry.hash).collect()
    }

    /// The open orders that stop to match by `now`.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<OrderHash> {
        let over = self.expiring.iter().take_while(|(expiry, _)| expiry.has_passed(now));
        over.map(|(_, hash)| *hash).collect()
    }

    /// The open orders of an account that it signed in another epoch.
    pub(crate) fn of_other_epoch(&self, account: Address, epoch: u16) -> Vec<OrderHash> {
        [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool, OrderKind::Request]
            .into_iter()
            .flat_map(|kind| self.with(Key::Signer(kind, account)))
            .filter(|entry| entry.mark.is_some_and(|mark| mark.epoch() != epoch))
            .map(|entry| entry.hash)
            .collect()
    }

    /// The open requests that no longer find an offer now that `gone` is no longer open.
    pub(crate) fn dependants(&self, gone: &Entry) -> Vec<OrderHash> {
        let (key, offer): (_, fn(&Self, &Entry) -> Offer) = match gone.kind {
            OrderKind::App => (Key::App(OrderKind::Request, gone.app), Self::app_offer),
            OrderKind::Dataset => {
                (Key::Dataset(OrderKind::Request, gone.dataset), Self::dataset_offer)
            }
            // A request may wait for a pool, and nothing stands on a request.
            OrderKind::Workerpool | OrderKind::Request => return Vec::new(),
        };
        self.with(key)
            .filter(|request| offer(self, request) != Offer::Affordable)
            .map(|request| request.hash)
            .collect()
    }

    /// The cheapest open offer of the app that a request asks for.
    pub(crate) fn app_offer(&self, request: &Entry) -> Offer {
        let wants_enclave = request.tag.contains(Tag::TEE);
        let best = self
            .with(Key::App(OrderKind::App, request.app))
            .find(|offer| {
                let fits = |restriction: Address, with: Address| {
                    restriction.is_zero() || restriction == with
                };
                fits(offer.dataset, request.dataset)
                    && fits(offer.workerpool, request.workerpool)
                    && fits(offer.requester, request.requester)
                    && (!wants_enclave || offer.tag.contains(Tag::TEE))
                    && agree_on_guard(offer.mark, request.mark).is_ok()
            })
            .map(|offer| offer.price);
        judge(best, request.app_price_max)
    }

    /// The cheapest open offer of the dataset that a request asks for; without one, none is needed.
    pub(crate) fn dataset_offer(&self, request: &Entry) -> Offer {
        if request.dataset.is_zero() {
            return Offer::Affordable;
        }
        let best = self
            .with(Key::Dataset(OrderKind::Dataset, request.dataset))
            .find(|offer| {
                let fits = |restriction: Address, with: Address| {
                    restriction.is_zero() || restriction == with
                };
                fits(offer.app, request.app)
                    && fits(offer.workerpool, request.workerpool)
                    && fits(offer.requester, request.requester)
            })
            .map(|offer| offer.price);
        judge(best, request.dataset_price_max)
    }

    /// The open orders with a key, best first.
    fn with(&self, key: Key) -> impl Iterator<Item = &Entry> {
        self.ranked.get(&key).into_iter().flatten().filter_map(|rank| self.entries.get(&rank.hash))
    }

    fn count(&self, key: Key) -> usize {
        self.ranked.get(&key).map_or(0, BTreeSet::len)
    }
}

fn judge(best: Option<U256>, price_max: U256) -> Offer {
    match best {
        None => Offer::None,
        Some(price) if price > price_max => Offer::TooDear(price),
        Some(_) => Offer::Affordable,
    }
}
