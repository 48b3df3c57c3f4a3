//! Blocks as far as following a chain needs them.

use poco_core::{B256, Timestamp};
use serde::{Deserialize, Serialize};

/// Names one block for good: a number alone names another block after a reorg.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// The block's own time.
    pub timestamp: Timestamp,
}

/// A block and the hash of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The block.
    pub block: BlockRef,
    /// Hash of its parent.
    pub parent: B256,
}
