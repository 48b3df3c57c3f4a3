//! The market that the handlers and the follower share.
//!
//! One writer at a time: whoever changes the book holds the desk. Readers look at the book and the
//! store as they are. The book is changed before the store is written, so an answer can show what
//! a crash would still undo; nobody is told that an order is published before it is on disk.

use crate::book::{Book, Entry, Listing, OrderQuery, Page};
use crate::challenge::{Challenges, RANDOM_CHARACTERS};
use crate::draft::{Draft, Notice};
use crate::meters::Meters;
use crate::record::Record;
use crate::store::{Identity, Store};
use anyhow::Context;
use poco_chain::{Chain, Cursor};
use poco_core::{Address, OrderHash};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// News kept for watchers that read slowly; those that fall behind miss the oldest.
const NOTICES_KEPT: usize = 4096;

/// The order book of one hub, with its store and its chain.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) store: Store,
    book: RwLock<Book>,
    desk: tokio::sync::Mutex<Desk>,
    /// The desk's position after the last change.
    position: AtomicU64,
    challenges: Mutex<Challenges>,
    notices: broadcast::Sender<Arc<Notice>>,
    /// Cancelled when the disk failed.
    broken: CancellationToken,
    pub(crate) meters: Meters,
}

/// The right to change the book, with the last block that is in it.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Everything that happened up to this block is in the book.
    pub(crate) position: u64,
}

impl Market {
    /// Opens the data folder and loads the open orders. `heeds_marks`: the hub does.
    pub(crate) fn open(
        chain: Chain,
        folder: &Path,
        start_block: u64,
        heeds_marks: bool,
    ) -> anyhow::Result<Self> {
        let identity = Identity { chain_id: chain.chain_id(), hub: chain.hub() };
        let store = Store::open(folder, identity)?;
        let mut book = Book::new(heeds_marks);
        for record in store.open_orders()? {
            book.insert(Entry::of(&record));
        }
        let cursor = store.cursor()?.unwrap_or_else(|| Cursor::start_at(start_block));
        let position = cursor.next_block().saturating_sub(1);
        let challenges = Mutex::new(Challenges::new(chain.chain_id()));
        let (notices, _) = broadcast::channel(NOTICES_KEPT);
        let meters = Meters::new()?;
        meters.show(&book, position, store.deal_count()?);
        Ok(Self {
            chain,
            store,
            book: RwLock::new(book),
            desk: tokio::sync::Mutex::new(Desk { position }),
            position: AtomicU64::new(position),
            challenges,
            notices,
            broken: CancellationToken::new(),
            meters,
        })
    }

    /// The right to change the book; given to one at a time, in the order of asking.
    pub(crate) async fn desk(&self) -> tokio::sync::MutexGuard<'_, Desk> {
        self.desk.lock().await
    }

    /// Changes the book, writes what changed and tells those who watch.
    ///
    /// # Errors
    /// The disk failed, or what is on it cannot be read. The market is broken then, and the
    /// process must stop: the book may be ahead of the disk, and a restart puts that right.
    pub(crate) fn change(
        &self,
        desk: &Desk,
        block: u64,
        change: impl FnOnce(&mut Draft<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // Waits for the disk: the runtime's other work goes on elsewhere meanwhile.
        tokio::task::block_in_place(|| self.try_change(desk, block, change))
            .inspect_err(|_| self.broken.cancel())
    }

    fn try_change(
        &self,
        desk: &Desk,
        block: u64,
        change: impl FnOnce(&mut Draft<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (batch, notices) = {
            let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
            let mut draft = Draft::new(&mut book, &self.store, block);
            change(&mut draft)?;
            (draft.batch, draft.notices)
        };
        self.store.commit(&batch)?;
        self.position.store(desk.position, Ordering::Release);
        self.meters.show(&self.book(), desk.position, self.store.deal_count()?);
        for notice in notices {
            // Fails only while nobody watches.
            drop(self.notices.send(Arc::new(notice)));
        }
        Ok(())
    }

    /// Done once the disk failed.
    pub(crate) fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// The last block that is in the book, without waiting for the desk.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// The open orders.
    pub(crate) fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of open orders.
    pub(crate) fn list(&self, query: &OrderQuery, page: Page) -> anyhow::Result<Listing<Record>> {
        let Listing { items, count, next_page } = self.book().list(query, page);
        Ok(Listing { items: self.store.orders(&items)?, count, next_page })
    }

    /// An order of any status.
    pub(crate) fn order(&self, hash: OrderHash) -> anyhow::Result<Option<Record>> {
        self.store.order(hash)
    }

    /// The typed data that `address` signs to prove who it is.
    pub(crate) fn challenge(&self, address: Address) -> Value {
        let random: String =
            rand::rng().sample_iter(Alphanumeric).take(RANDOM_CHARACTERS).map(char::from).collect();
        self.challenges().issue(address, &random, now_milliseconds())
    }

    /// Who sent an authorization header; it is valid once.
    pub(crate) fn authorize(&self, header: &str) -> Option<Address> {
        self.challenges().close(header, now_milliseconds())
    }

    /// News from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Arc<Notice>> {
        self.notices.subscribe()
    }

    /// Where to go on reading the chain.
    pub(crate) fn cursor(&self, start_block: u64) -> anyhow::Result<Cursor> {
        let stored = self.store.cursor().context("the position on chain is lost")?;
        Ok(stored.unwrap_or_else(|| Cursor::start_at(start_block)))
    }

    fn challenges(&self) -> MutexGuard<'_, Challenges> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock: for publication times, challenges and counters, never for the chain's deadlines.
pub(crate) fn now_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
