//! Everything between the marketplace and an EVM chain.
//!
//! * [`Chain`]: reads of the hub, in the words of `poco-core`.
//! * [`EventStream`]: confirmed events, in order, with a cursor and rollbacks.
//! * [`Sender`]: transactions of one key, each sent exactly as often as needed.
//! * [`Wallet`] and [`keystore`]: signatures and Ethereum V3 files.
//! * [`deploy`]: the contracts themselves.
//! * [`ChainSettings`], [`Addresses`] and [`config`]: what binaries read at start.
//! * [`failpoint`]: where tests let them die.
//!
//! ABI encoding is known in this crate alone. What the stream and the sender decide is decided in
//! `poco-chain-core`; what events mean and when to send is decided by the callers.

mod abi;
mod addresses;
mod body;
mod chain;
pub mod config;
mod contracts;
pub mod deploy;
pub mod failpoint;
mod file;
mod file_ledger;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod interest;
pub mod interface;
pub mod keystore;
mod rpc;
mod sender;
mod settings;
mod statement;
mod stream;
mod transaction;
mod wallet;

pub use abi::refusal::Refusal;
pub use addresses::Addresses;
pub use body::{BodyError, read_body, read_json};
pub use chain::{
    Account, AppEntry, Chain, ConnectError, DatasetEntry, DryRunError, FoundCommit, Purse,
    SentTransaction, WorkerpoolEntry,
};
pub use file_ledger::FileLedger;
pub use interest::Interest;
pub use poco_chain_core::{BlockRef, Cursor};
pub use rpc::RpcError;
pub use sender::{
    LedgerRecord, LedgerStore, Receipt, SendError, Sender, SenderSettings, read_ledger_record,
};
#[cfg(feature = "clap")]
pub use settings::ChainFlags;
pub use settings::{ChainConfig, ChainSettings};
pub use statement::{Party, TaskEnd};
pub use stream::{Blocks, EventStream, LocatedEvent, StreamItem};
pub use transaction::{GroupPurpose, NewResource, Transaction};
pub use wallet::Wallet;

/// Chooses the process's TLS implementation. Call it first in `main`; further calls do nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already, by an earlier call.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
