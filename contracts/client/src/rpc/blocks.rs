//! Blocks, logs and receipts in alloy's types, and what is read of them.
//!
//! The types are those for any network: chains other than Ethereum leave fields of a block out.

use alloy_network::{AnyHeader, AnyReceiptEnvelope};
use alloy_rpc_types_eth::{Header, Log, TransactionReceipt};
use poco_chain_core::BlockRef;
use poco_chain_core::ledger::MinedAt;
use poco_core::{B256, Timestamp};

pub(crate) type RpcHeader = Header<AnyHeader>;
pub(crate) type RpcReceipt = TransactionReceipt<AnyReceiptEnvelope<Log>>;

pub(crate) fn block_of(header: &RpcHeader) -> BlockRef {
    BlockRef { number: header.number, hash: header.hash, timestamp: Timestamp(header.timestamp) }
}

/// Where a transaction was mined; `None` for a receipt in advance, which some nodes give.
pub(crate) fn mined_at(receipt: &RpcReceipt) -> Option<MinedAt> {
    Some(MinedAt {
        transaction: receipt.transaction_hash,
        block: receipt.block_number?,
        block_hash: receipt.block_hash?,
    })
}

/// A log with its place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct MinedLog {
    pub(crate) log: alloy_primitives::Log,
    pub(crate) block: u64,
    pub(crate) block_hash: B256,
    pub(crate) transaction: B256,
    pub(crate) index: u64,
}

impl MinedLog {
    /// `None` for a log that is in no block.
    pub(crate) fn of(log: Log) -> Option<Self> {
        Some(Self {
            block: log.block_number?,
            block_hash: log.block_hash?,
            transaction: log.transaction_hash?,
            index: log.log_index?,
            log: log.inner,
        })
    }
}
