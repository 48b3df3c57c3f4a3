//! One transaction in the ledger, as it is stored.

use super::observe::MinedAt;
use crate::fees::Fees;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the account's order.
    pub nonce: u64,
    /// What it is for, in the caller's words: two of the same intent are never in flight.
    pub intent: String,
    /// What it does.
    pub payload: Payload,
    /// The gas it may use.
    pub gas_limit: u64,
    /// How often it was prepared anew after it failed when mined.
    pub repeats: u8,
    /// Every signed form of it, oldest first; at least one.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub state: State,
}

/// What a transaction does. It never carries value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The contract called; `None` creates one.
    pub to: Option<Address>,
    /// Calldata, or the code that creates.
    pub data: Bytes,
}

/// One signed form of a transaction. Signatures are deterministic, so that fees are enough to sign
/// the very same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it offers.
    pub fees: Fees,
    /// Its hash.
    pub transaction: B256,
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not in the chain, as far as is known.
    Pending,
    /// In the chain, and watched for reorgs.
    Mined(MinedAt),
    /// Deep in the chain; kept only so that its nonce is never used again.
    Done,
}
