//! What the book keeps in memory of an open order: what it is sorted, filtered and judged by.

use crate::record::{self, PublicationTime, Record};
use poco_core::{Address, AnyOrder, OrderHash, OrderKind, OrderMark, Tag, Timestamp, U256};
use std::collections::BTreeSet;

/// A place in a list: best price first, then the older publication, then the smaller hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    price: U256,
    published: PublicationTime,
    pub(crate) hash: OrderHash,
}

/// A property by which open orders can be found without looking at all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Kind(OrderKind),
    Signer(OrderKind, Address),
    Category(OrderKind, U256),
    /// The app offered, or asked for.
    App(OrderKind, Address),
    /// The dataset offered, or asked for.
    Dataset(OrderKind, Address),
    Workerpool(Address),
}

/// An open order as the book sees it.
///
/// `app`, `dataset`, `workerpool` and `requester` hold what the order is about (an app order's
/// app, a request's app, dataset and requester) or else the order's restriction, zero for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: OrderHash,
    pub(crate) kind: OrderKind,
    pub(crate) signer: Address,
    pub(crate) published: PublicationTime,
    pub(crate) remaining: U256,
    /// Asked for; of a request, the most it pays the pool.
    pub(crate) price: U256,
    /// The most a request pays for the app; zero otherwise.
    pub(crate) app_price_max: U256,
    /// The most a request pays for the dataset; zero otherwise.
    pub(crate) dataset_price_max: U256,
    pub(crate) tag: Tag,
    pub(crate) category: U256,
    pub(crate) trust: U256,
    pub(crate) app: Address,
    pub(crate) dataset: Address,
    pub(crate) workerpool: Address,
    pub(crate) requester: Address,
    pub(crate) beneficiary: Address,
    /// What the order says in its salt; a book of a hub that heeds no marks keeps none.
    pub(crate) mark: Option<OrderMark>,
}

/// Percentage of its price that a pool's owner must be able to lock for each task.
const WORKERPOOL_STAKE_PERCENT: u64 = 30;

impl Entry {
    pub(crate) fn of(record: &Record) -> Self {
        let mut entry = Self::of_order(&record.order);
        entry.hash = record.hash;
        entry.signer = record.signer;
        entry.published = record.published;
        entry.remaining = record.remaining;
        entry
    }

    /// The order's own terms; what only a record knows is zero, and the whole volume remains.
    pub(crate) fn of_order(order: &AnyOrder) -> Self {
        let blank = Self {
            hash: OrderHash::ZERO,
            kind: record::kind(order),
            signer: Address::ZERO,
            published: PublicationTime::default(),
            remaining: record::volume(order),
            price: U256::ZERO,
            app_price_max: U256::ZERO,
            dataset_price_max: U256::ZERO,
            tag: Tag::NONE,
            category: U256::ZERO,
            trust: U256::ZERO,
            app: Address::ZERO,
            dataset: Address::ZERO,
            workerpool: Address::ZERO,
            requester: Address::ZERO,
            beneficiary: Address::ZERO,
            mark: OrderMark::of_salt(record::salt(order)),
        };
        match order {
            AnyOrder::App(signed) => Self {
                price: signed.order.price.0,
                tag: signed.order.tag,
                app: signed.order.app,
                dataset: signed.order.dataset_restrict,
                workerpool: signed.order.workerpool_restrict,
                requester: signed.order.requester_restrict,
                ..blank
            },
            AnyOrder::Dataset(signed) => Self {
                price: signed.order.price.0,
                tag: signed.order.tag,
                app: signed.order.app_restrict,
                dataset: signed.order.dataset,
                workerpool: signed.order.workerpool_restrict,
                requester: signed.order.requester_restrict,
                ..blank
            },
            AnyOrder::Workerpool(signed) => Self {
                price: signed.order.price.0,
                tag: signed.order.tag,
                category: signed.order.category,
                trust: signed.order.trust,
                app: signed.order.app_restrict,
                dataset: signed.order.dataset_restrict,
                workerpool: signed.order.workerpool,
                requester: signed.order.requester_restrict,
                ..blank
            },
            AnyOrder::Request(signed) => Self {
                price: signed.order.workerpool_price_max.0,
                app_price_max: signed.order.app_price_max.0,
                dataset_price_max: signed.order.dataset_price_max.0,
                tag: signed.order.tag,
                category: signed.order.category,
                trust: signed.order.trust,
                app: signed.order.app,
                dataset: signed.order.dataset,
                workerpool: signed.order.workerpool,
                requester: signed.order.requester,
                beneficiary: signed.order.beneficiary,
                ..blank
            },
        }
    }

    pub(crate) fn rank(&self) -> Rank {
        let price = match self.kind {
            OrderKind::App | OrderKind::Dataset | OrderKind::Workerpool => self.price,
            // Who pays most stands first.
            OrderKind::Request => U256::MAX - self.price,
        };
        Rank { price, published: self.published, hash: self.hash }
    }

    /// When the order stops to match.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.mark.and_then(OrderMark::expiry)
    }

    /// The resource an offer is about; the requester of a request.
    pub(crate) fn resource(&self) -> Address {
        match self.kind {
            OrderKind::App => self.app,
            OrderKind::Dataset => self.dataset,
            OrderKind::Workerpool => self.workerpool,
            OrderKind::Request => self.requester,
        }
    }

    /// Everything the order is found by.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let kind = self.kind;
        let common = [Key::Kind(kind), Key::Signer(kind, self.signer)];
        let own: &[Key] = match kind {
            OrderKind::App => &[Key::App(kind, self.app)],
            OrderKind::Dataset => &[Key::Dataset(kind, self.dataset)],
            OrderKind::Workerpool => {
                &[Key::Workerpool(self.workerpool), Key::Category(kind, self.category)]
            }
            OrderKind::Request => &[
                Key::App(kind, self.app),
                Key::Dataset(kind, self.dataset),
                Key::Category(kind, self.category),
            ],
        };
        common.into_iter().chain(own.iter().copied()).collect()
    }

    /// The free stake the signer must have for what remains of the order; `None` beyond 256 bits.
    pub(crate) fn stake_needed(&self) -> Option<U256> {
        let per_task = match self.kind {
            OrderKind::App | OrderKind::Dataset => U256::ZERO,
            // The hub floors the stake of one task and multiplies then.
            OrderKind::Workerpool => {
                self.price.checked_mul(U256::from(WORKERPOOL_STAKE_PERCENT))? / U256::from(100)
            }
            OrderKind::Request => {
                self.app_price_max.checked_add(self.dataset_price_max)?.checked_add(self.price)?
            }
        };
        per_task.checked_mul(self.remaining)
    }
}
