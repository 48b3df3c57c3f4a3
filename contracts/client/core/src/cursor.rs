//! How far a chain was read, and what to read next.
//!
//! A cursor remembers the blocks it read last, and ever fewer of the older ones, so that it notices
//! after a restart too when the chain was rewritten, and finds the newest block that still stands.
//! It never believes a number: what is read must link, by parent hash, to what was read before.

use crate::block::{BlockRef, Header};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Newest blocks that are all remembered: reorgs deeper than this lose some extra blocks, which are
/// then read again.
const DENSE_BLOCKS: usize = 32;

/// Up to this many blocks in one go are read one by one, each named by its hash: a node that does
/// not have the block then says so. Further behind the head a whole range is read, where a node
/// that lacks its end is noticed by the end's header.
pub const NEAR_BLOCKS: u64 = 32;

/// How far a chain was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The first block to read; never 0, as the genesis block holds no transaction.
    start: u64,
    /// The block before `start`, once known. Nothing was derived up to it, so it is the last resort
    /// when everything after it is gone.
    base: Option<BlockRef>,
    /// Blocks read, ascending: the newest all, older ones ever sparser.
    recent: Vec<BlockRef>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for the header of block `number` and give it to [`Cursor::anchor`].
    Anchor {
        /// The block before the first one to read.
        number: u64,
    },
    /// There is nothing to read until the head moves.
    Wait,
    /// What was read may be gone: ask for the headers at [`Cursor::known`] and give them to
    /// [`Cursor::compare`].
    Compare,
    /// Read the blocks `from..=to` and give their headers to [`Cursor::advance`].
    Read {
        /// First block.
        from: u64,
        /// Last block.
        to: u64,
        /// Whether each block must be read by its hash.
        by_hash: bool,
    },
}

/// How to read: settings and what the node lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How many blocks must lie on top of a block before it is read.
    pub confirmations: u64,
    /// The most blocks in one range.
    pub range_blocks: u64,
}

/// Read blocks that do not link to what was read before: something was rewritten meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {number} does not follow the blocks read before")]
pub struct Unlinked {
    /// The first block that does not link.
    pub number: u64,
}

/// What a comparison with the node's chain showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All that the node has of what was read still stands.
    Same,
    /// Everything after `to` never happened; the cursor is back there.
    Rollback {
        /// The newest block that still stands.
        to: BlockRef,
    },
}

impl Cursor {
    /// Nothing was read yet; block `start` comes first.
    #[must_use]
    pub fn start_at(start: u64) -> Self {
        Self { start: start.max(1), base: None, recent: Vec::new() }
    }

    /// The block that was read last, or the one before the first. `None` before any contact.
    #[must_use]
    pub fn tip(&self) -> Option<BlockRef> {
        self.recent.last().copied().or(self.base)
    }

    /// The first block that was not read yet.
    #[must_use]
    pub fn next_block(&self) -> u64 {
        self.recent.last().map_or(self.start, |tip| tip.number.saturating_add(1))
    }

    /// What to do, now that the node's latest block is `head`.
    #[must_use]
    pub fn step(&self, head: BlockRef, reading: Reading) -> Step {
        let Some(tip) = self.tip() else {
            let number = self.start.saturating_sub(1);
            return if head.number < number { Step::Wait } else { Step::Anchor { number } };
        };
        if head.number <= tip.number {
            return self.step_at_or_below_tip(head);
        }
        let target = head.number.saturating_sub(reading.confirmations);
        if target <= tip.number {
            return Step::Wait;
        }
        let from = tip.number.saturating_add(1);
        let near_from = head.number.saturating_sub(NEAR_BLOCKS);
        if from >= near_from {
            let to = target.min(from.saturating_add(NEAR_BLOCKS.saturating_sub(1)));
            return Step::Read { from, to, by_hash: true };
        }
        // Ranges end before the blocks that may still be rewritten any moment.
        let end = from.saturating_add(reading.range_blocks.max(1).saturating_sub(1));
        Step::Read { from, to: end.min(target).min(near_from), by_hash: false }
    }

    /// A head that is not above what was read: a node that lags, a chain that got shorter, or
    /// another chain. Only a block that differs tells.
    fn step_at_or_below_tip(&self, head: BlockRef) -> Step {
        match self.known().find(|block| block.number <= head.number) {
            None => Step::Wait,
            Some(block) if block.number == head.number && block.hash == head.hash => Step::Wait,
            Some(_) => Step::Compare,
        }
    }

    /// Takes in the block before the first one to read. Ignored once there is one.
    pub fn anchor(&mut self, block: BlockRef) {
        if self.base.is_none() && block.number.saturating_add(1) == self.start {
            self.base = Some(block);
        }
    }

    /// Takes in that blocks were read: all of them, ascending, or the first and the last of a range.
    ///
    /// Before anything was read, the block before the first is whichever the first one names: it may have
    /// been rewritten since, and development nodes make up another block 0 when they start again.
    ///
    /// # Errors
    /// [`Unlinked`] where the blocks do not link; the cursor has not moved then.
    pub fn advance(&mut self, headers: &[Header]) -> Result<(), Unlinked> {
        let Some(mut last) = self.tip() else {
            return Err(Unlinked { number: self.start });
        };
        if let (true, Some(first)) = (self.recent.is_empty(), headers.first()) {
            last.hash = first.parent;
        }
        let base = last;
        for (position, header) in headers.iter().enumerate() {
            let number = header.block.number;
            let follows = last.number.checked_add(1) == Some(number);
            let is_linked = if follows {
                header.parent == last.hash
            } else {
                position > 0 && number > last.number
            };
            if !is_linked {
                return Err(Unlinked { number });
            }
            last = header.block;
        }
        if self.recent.is_empty() {
            self.base = Some(base);
        }
        self.recent.extend(headers.iter().map(|header| header.block));
        self.thin();
        Ok(())
    }

    /// Every block that is remembered, newest first.
    pub fn known(&self) -> impl Iterator<Item = BlockRef> + '_ {
        self.recent.iter().rev().copied().chain(self.base)
    }

    /// Takes in what the node has at the heights of [`Cursor::known`]; a height that the node does
    /// not have is left out, and says nothing.
    pub fn compare(&mut self, seen: &BTreeMap<u64, BlockRef>) -> Comparison {
        let mut is_rewritten = false;
        let mut standing = None;
        for block in self.known() {
            match seen.get(&block.number) {
                None => {}
                Some(other) if other.hash == block.hash => {
                    standing = Some(block);
                    break;
                }
                Some(_) => is_rewritten = true,
            }
        }
        if !is_rewritten {
            return Comparison::Same;
        }
        if let Some(to) = standing {
            self.recent.retain(|block| block.number <= to.number);
            return Comparison::Rollback { to };
        }
        // Not even the base stands: this is another chain, as a development chain begun anew.
        let replaced = self.base.and_then(|base| seen.get(&base.number)).copied();
        match replaced {
            Some(to) => {
                self.recent.clear();
                self.base = Some(to);
                Comparison::Rollback { to }
            }
            // The node did not show the base; without it nothing is certain.
            None => Comparison::Same,
        }
    }

    /// Forgets older blocks, keeping one for each power of two of their distance from the tip.
    fn thin(&mut self) {
        let Some(tip) = self.recent.last().map(|block| block.number) else { return };
        let sparse_len = self.recent.len().saturating_sub(DENSE_BLOCKS);
        let mut bucket_before = None;
        let mut position: usize = 0;
        self.recent.retain(|block| {
            let is_dense = position >= sparse_len;
            position = position.saturating_add(1);
            let bucket = tip.saturating_sub(block.number).checked_ilog2();
            let is_first_of_bucket = bucket_before != Some(bucket);
            bucket_before = Some(bucket);
            is_dense || is_first_of_bucket
        });
    }
}

#[cfg(test)]
mod tests;
