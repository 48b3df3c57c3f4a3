//! What one input changes: collected here, with the book kept in step, before it is written.

use crate::book::{Book, Entry};
use crate::deal::DealRecord;
use crate::record::{Record, Status};
use crate::store::{Batch, Store};
use poco_core::{Address, OrderHash, OrderKind, Timestamp, U256};

/// News for those who watch the market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// An order is open that was not before.
    Published(Box<Record>),
    /// An open order has another volume left.
    Updated(Box<Record>),
    /// An order is no longer open, for whatever reason.
    Unpublished(OrderKind, OrderHash),
    /// Four orders became a deal.
    DealCreated(Box<DealRecord>),
}

/// Changes that are in the book already and wait to be written.
///
/// Whoever drops a draft without writing it must not go on: the book is then ahead of the disk.
pub(crate) struct Draft<'a> {
    book: &'a mut Book,
    store: &'a Store,
    /// The block whose facts lead to the changes.
    block: u64,
    pub(crate) batch: Batch,
    pub(crate) notices: Vec<Notice>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(book: &'a mut Book, store: &'a Store, block: u64) -> Self {
        Self { book, store, block, batch: Batch::default(), notices: Vec::new() }
    }

    /// The book as it is with the changes.
    pub(crate) fn book(&self) -> &Book {
        self.book
    }

    /// An order as it is with the changes.
    pub(crate) fn order(&self, hash: OrderHash) -> anyhow::Result<Option<Record>> {
        match self.batch.orders.get(&hash) {
            Some(changed) => Ok(changed.clone()),
            None => self.store.order(hash),
        }
    }

    /// Adds an order that passed the rules.
    pub(crate) fn publish(&mut self, record: Record) {
        self.book.insert(Entry::of(&record));
        self.notices.push(Notice::Published(Box::new(record.clone())));
        self.batch.orders.insert(record.hash, Some(record));
    }

    /// Forgets an open order because its signer wants so.
    pub(crate) fn unpublish(&mut self, hash: OrderHash) -> anyhow::Result<()> {
        let Some(entry) = self.book.remove(hash) else { return Ok(()) };
        self.batch.orders.insert(hash, None);
        self.notices.push(Notice::Unpublished(entry.kind, hash));
        self.bury_dependants(&entry)
    }

    /// The chain says how much of an order is used; orders that were never published do not matter.
    pub(crate) fn consumed(&mut self, hash: OrderHash, consumed: U256) -> anyhow::Result<()> {
        let Some(record) = self.order(hash)? else { return Ok(()) };
        match record.after_consumption(consumed) {
            Some((status, remaining)) => self.settle(record, status, remaining),
            None => Ok(()),
        }
    }

    /// An order's owner closed it on chain.
    pub(crate) fn closed(&mut self, hash: OrderHash) -> anyhow::Result<()> {
        match self.order(hash)? {
            Some(record) => self.settle(record, Status::Canceled, U256::ZERO),
            None => Ok(()),
        }
    }

    /// A resource has an owner now; what others signed for it is void.
    pub(crate) fn owned(
        &mut self,
        kind: OrderKind,
        resource: Address,
        owner: Address,
    ) -> anyhow::Result<()> {
        self.bury(self.book.disowned(kind, resource, owner))
    }

    /// An account has this much free stake left.
    pub(crate) fn staked(&mut self, account: Address, free: U256) -> anyhow::Result<()> {
        self.bury(self.book.uncovered(account, free))
    }

    /// An account is in this epoch now: what it signed in others is cancelled, if it is marked.
    pub(crate) fn epoch_raised(&mut self, account: Address, epoch: u16) -> anyhow::Result<()> {
        for hash in self.book.of_other_epoch(account, epoch) {
            self.closed(hash)?;
        }
        Ok(())
    }

    /// The latest block is of this time.
    pub(crate) fn time_is(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.bury(self.book.expired(now))
    }

    /// Every fact in an order was asked for anew, as of this draft's block.
    pub(crate) fn judged(
        &mut self,
        mut record: Record,
        status: Status,
        remaining: U256,
    ) -> anyhow::Result<()> {
        record.known_at = self.block;
        if (status, remaining) == (record.status, record.remaining) {
            self.batch.orders.insert(record.hash, Some(record));
            return Ok(());
        }
        self.settle(record, status, remaining)
    }

    /// Notes where an order stands now, and takes along what depends on it.
    fn settle(
        &mut self,
        mut record: Record,
        status: Status,
        remaining: U256,
    ) -> anyhow::Result<()> {
        let (hash, was) = (record.hash, record.status);
        record.status = status;
        record.remaining = remaining;
        // Facts of a later block than this may be in the record since its publication.
        record.known_at = record.known_at.max(self.block);
        self.batch.orders.insert(hash, Some(record.clone()));
        match status {
            Status::Open if was == Status::Open => {
                self.book.set_remaining(hash, remaining);
                self.notices.push(Notice::Updated(Box::new(record)));
                Ok(())
            }
            Status::Open => {
                self.book.insert(Entry::of(&record));
                self.notices.push(Notice::Published(Box::new(record)));
                Ok(())
            }
            Status::Filled | Status::Canceled | Status::Dead => {
                let Some(entry) = self.book.remove(hash) else { return Ok(()) };
                self.notices.push(Notice::Unpublished(entry.kind, hash));
                self.bury_dependants(&entry)
            }
        }
    }

    /// Nothing depends on what depends on an order, so this goes one step deep.
    fn bury_dependants(&mut self, gone: &Entry) -> anyhow::Result<()> {
        self.bury(self.book.dependants(gone))
    }

    fn bury(&mut self, hashes: Vec<OrderHash>) -> anyhow::Result<()> {
        for hash in hashes {
            if let Some(record) = self.order(hash)? {
                let remaining = record.remaining;
                self.settle(record, Status::Dead, remaining)?;
            }
        }
        Ok(())
    }
}
