//! Plays random calls three ways and compares after each: on our bytecode, on the reference's, and
//! on the model that `poco-core` has of both.
//!
//! A sequence follows from its seed. Its steps are chosen by what the model knows, so that they lead
//! deep, and often spoiled; once chosen they stand on their own, so that a failing sequence can be
//! made shorter by leaving steps out. Left out: gas, and the reference's own registries, whose
//! entries have other addresses (its hub runs here with registries of ours): [`registries`] plays
//! those by themselves. What ours alone has, marked orders and the settlement lane, is compared
//! between our bytecode and its model; the reference refuses the calls of the lane, and goes on
//! without them.

pub mod abi;
pub mod artifacts;
pub mod cast;
pub mod chain;
pub mod dice;
pub mod director;
pub mod encode;
pub mod expect;
pub mod goals;
pub mod play;
pub mod prelude;
mod recovery;
pub mod refusals;
pub mod registries;
pub mod sequence;
pub mod stage;
pub mod step;
pub mod story;
pub mod strangers;
pub mod tally;
pub mod views;
