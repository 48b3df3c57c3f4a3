//! The rules of the marketplace, as iExec's PoCo contracts 6.2.0 define them.
//!
//! Everything here is pure: orders and their hashes, matching, the messages that parties sign,
//! credibility, payouts and the whole contract as a model. The crate holds no clock, no
//! randomness, no IO and no private key; whoever uses it brings the facts. It leaves out ABI
//! encoding (`poco-chain`), what an app sees (`poco-sandbox`) and what a scheduler or worker
//! decides (`poco-scheduler-core`, `poco-worker-core`).
#![no_std]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, missing_docs)]

extern crate alloc;

pub mod call;
pub mod category;
pub mod credibility;
pub mod deal;
pub mod eip712;
pub mod escrow;
pub mod event;
pub mod hub;
pub mod lane;
pub mod mark;
pub mod matching;
pub mod message;
pub mod order;
pub mod payout;
pub mod promise;
pub mod recorded;
pub mod rules;
pub mod score;
pub mod signature;
pub mod statement;
pub mod tag;
pub mod task;
pub mod types;

mod table;

#[cfg(feature = "serde")]
mod text;

pub use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
pub use call::Call;
pub use deal::{Deal, Resource};
pub use event::{AnyOrder, Event};
pub use mark::{Conditions, DealConditions, OrderMark};
pub use order::{AppOrder, DatasetOrder, OrderKind, RequestOrder, Signed, WorkerpoolOrder};
pub use recorded::Recorded;
pub use rules::{CALLBACK_BYTES_MAX, CONTRIBUTIONS_MAX, RECORD_BYTES_MAX, Release, Rules};
pub use tag::Tag;
pub use types::{
    Amount, CategoryId, DealId, OrderHash, ResultDigest, ResultHash, ResultSeal, TaskId, Timestamp,
};
