//! What the event stream and the transaction sender decide.
//!
//! Everything here is pure: which blocks to read next, whether the chain was rewritten below what
//! was read, which nonce a transaction takes, when it is sent again, with which fees, and what
//! became of it. The crate holds no clock, no IO and no key; `poco-chain` asks the node, signs, and
//! tells what came back. It leaves out what events mean and what transactions are for.
#![no_std]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test that overflows or misses fails, as it should"
    )
)]

extern crate alloc;

pub mod block;
pub mod cursor;
pub mod fees;
pub mod ledger;
pub mod pace;
pub mod range;

pub use block::{BlockRef, Header};
pub use cursor::Cursor;
pub use fees::Fees;
pub use ledger::{Entry, Ledger};
