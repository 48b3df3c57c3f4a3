//! Transactions of one key.

use crate::abi::refusal::Refusal;
use crate::chain::Chain;
use crate::transaction::Transaction;
use crate::wallet::Wallet;
use poco_chain_core::BlockRef;
use poco_core::{Address, B256, Event, U256};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a sender keeps its nonce ledger.
pub trait LedgerStore: Send + 'static {
    /// Every record, with its nonce.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>>;
    /// Stores a record, replacing the one of the same nonce. It is durable when this returns.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn put(&mut self, nonce: u64, record: &[u8]) -> anyhow::Result<()>;
    /// Removes a record, if there is one.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn remove(&mut self, nonce: u64) -> anyhow::Result<()>;
}

/// How a sender behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SenderSettings {
    /// The highest fee per gas, in wei.
    pub fee_wei_max: u64,
    /// Blocks on top of a transaction before its sender is told.
    pub confirmations: u64,
    /// Blocks on top of a transaction before it is no longer watched for reorgs.
    pub watch_blocks: u64,
    /// A transaction that is not mined is sent again after this long.
    pub resend_millis: u64,
    /// The fee of the first one in line is raised after this long.
    pub bump_millis: u64,
    /// A nonce that somebody else used is believed lost after this long.
    pub lost_millis: u64,
}

impl Default for SenderSettings {
    fn default() -> Self {
        Self {
            fee_wei_max: 500_000_000_000,
            confirmations: 0,
            watch_blocks: 12,
            resend_millis: 5_000,
            bump_millis: 30_000,
            lost_millis: 10_000,
        }
    }
}

/// A mined transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its hash.
    pub transaction: B256,
    /// Its block.
    pub block: BlockRef,
    /// Gas used.
    pub gas_used: u64,
    /// What the hub and the registries told, in order.
    pub events: Vec<Event>,
}

/// Why a transaction is not in the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The contract refuses, by dry run or when mined.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The wallet cannot pay for gas.
    #[error("{wallet} has {balance} wei and needs up to {needed} wei for gas; send it some")]
    NoGas {
        /// The wallet.
        wallet: Address,
        /// What it has.
        balance: U256,
        /// What the transaction may cost.
        needed: U256,
    },
    /// Gas costs more than the settings allow.
    #[error(
        "gas costs {asked_wei} wei now, above the cap of {cap_wei} wei; wait or raise fee_wei_max"
    )]
    FeeAboveCap {
        /// What the chain asks for.
        asked_wei: u128,
        /// What the settings allow.
        cap_wei: u128,
    },
    /// The sender was stopped.
    #[error("the sender was stopped")]
    Stopped,
}

/// Sends transactions of one key. Clones share it; it stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Sender {
    wallet: Arc<Wallet>,
}

impl Sender {
    /// Starts, and sends again what the ledger holds.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    #[allow(clippy::unused_async, reason = "the body is being written")]
    pub async fn start(
        chain: Chain,
        wallet: Arc<Wallet>,
        ledger: impl LedgerStore,
        settings: SenderSettings,
    ) -> anyhow::Result<Self> {
        drop((chain, ledger, settings));
        Ok(Self { wallet })
    }

    /// The wallet that pays and signs.
    #[must_use]
    pub fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Sends a transaction and waits until it is mined.
    ///
    /// # Errors
    /// [`SendError`]; node trouble is waited out.
    #[allow(clippy::unused_async, reason = "the body is being written")]
    pub async fn send(&self, intent: &str, tx: Transaction) -> Result<Receipt, SendError> {
        let _ = (intent, tx);
        Err(SendError::Stopped)
    }
}
