//! Transactions of one key, each in the chain exactly as often as it was wanted.
//!
//! A task of its own owns the key's nonces: it prepares what is wanted (dry run, gas, fees), stores
//! it in the ledger, signs, sends, and looks after it until it cannot be undone. What is done when
//! is decided by the ledger of `poco-chain-core`. Which transactions are wanted, and in which
//! batches, is the callers' matter.

mod actor;
mod broadcast;
mod conclude;
mod look;
mod prepare;
mod signing;

use crate::abi::refusal::Refusal;
use crate::chain::Chain;
use crate::transaction::Transaction;
use crate::wallet::Wallet;
use actor::{Actor, Wanted};
use poco_chain_core::BlockRef;
use poco_chain_core::ledger::{Entry, Policy, State};
use poco_core::{Address, B256, Event, U256};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Wanted transactions that wait for the sender's attention; callers beyond wait themselves.
const INBOX_LEN: usize = 64;

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

/// What a stored record of the ledger says of its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRecord {
    /// The hash of each signed form of it.
    pub transactions: Vec<B256>,
    /// Whether one of them is known to be mined.
    pub is_mined: bool,
}

/// Reads a record as [`LedgerStore::put`] is given it; `None` where it is damaged.
#[must_use]
pub fn read_ledger_record(record: &[u8]) -> Option<LedgerRecord> {
    let entry: Entry = serde_json::from_slice(record).ok()?;
    let transactions = entry.attempts.iter().map(|attempt| attempt.transaction).collect();
    let is_mined = matches!(entry.state, State::Mined(_));
    Some(LedgerRecord { transactions, is_mined })
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
            // 500 gwei: above every calm day of the main chain, and small change on others.
            fee_wei_max: 500_000_000_000,
            confirmations: 0,
            watch_blocks: 12,
            resend_millis: 5_000,
            bump_millis: 30_000,
            lost_millis: 10_000,
        }
    }
}

impl SenderSettings {
    fn policy(&self) -> Policy {
        Policy {
            fee_wei_cap: u128::from(self.fee_wei_max),
            resend_millis: self.resend_millis,
            bump_millis: self.bump_millis,
            lost_millis: self.lost_millis,
            confirmations: self.confirmations,
            watch_blocks: self.watch_blocks.max(self.confirmations),
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
    /// What was paid for it.
    pub fee_wei: U256,
    /// The contract that it created.
    pub contract: Option<Address>,
    /// What the hub, the registries and the pools told, in order.
    pub events: Vec<Event>,
}

/// Why a transaction is not in the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The contract refuses, by dry run or when mined. Sent again it is refused again, until
    /// something else changes.
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
    /// Gas costs more than the settings allow. Nothing was sent.
    #[error(
        "gas costs {asked_wei} wei now, above the cap of {cap_wei} wei; wait or raise fee_wei_max"
    )]
    FeeAboveCap {
        /// What the chain asks for.
        asked_wei: u128,
        /// What the settings allow.
        cap_wei: u128,
    },
    /// The sender was stopped: the program ends, or its ledger cannot be written.
    #[error("the sender was stopped")]
    Stopped,
}

/// Sends transactions of one key. Clones share it; it stops when the last one is dropped, and what
/// it has in flight stays in the ledger.
#[derive(Clone, Debug)]
pub struct Sender {
    address: Address,
    inbox: mpsc::Sender<Wanted>,
}

impl Sender {
    /// Starts, and sends again what the ledger holds. There must be one sender per key.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    #[allow(clippy::unused_async, reason = "it must be called on a runtime, as it starts a task")]
    pub async fn start(
        chain: Chain,
        wallet: Arc<Wallet>,
        ledger: impl LedgerStore,
        settings: SenderSettings,
    ) -> anyhow::Result<Self> {
        let address = wallet.address();
        let (inbox, wanted) = mpsc::channel(INBOX_LEN);
        let actor = Actor::recover(chain, wallet, Box::new(ledger), settings)?;
        tokio::spawn(actor.run(wanted));
        Ok(Self { address, inbox })
    }

    /// The wallet that pays and signs.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Sends a transaction and waits until it is mined.
    ///
    /// `intent` names what is wanted. While a transaction of the same intent is in flight, from
    /// before a restart too, this waits for it instead of sending another. A dry run comes first:
    /// what would be refused is not sent. Dropping the future changes nothing but who is told.
    ///
    /// # Errors
    /// [`SendError`]; node trouble is waited out.
    pub async fn send(&self, intent: &str, tx: Transaction) -> Result<Receipt, SendError> {
        let (reply, answer) = oneshot::channel();
        let wanted = Wanted { intent: intent.to_owned(), tx, reply };
        self.inbox.send(wanted).await.map_err(|_| SendError::Stopped)?;
        answer.await.unwrap_or(Err(SendError::Stopped))
    }
}
