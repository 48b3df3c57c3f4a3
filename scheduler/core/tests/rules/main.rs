//! The scheduler's rules, played against the model of the contract.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks at a few of many actions")]

mod batches;
mod bound;
mod chance;
mod conditions;
mod ending;
mod explain;
mod failing;
mod held;
mod intake;
mod lane;
mod lane_again;
mod lane_chain;
mod lane_left;
mod life;
mod order;
mod orders;
mod proving;
mod reorg;
mod sales;
mod scenes;
mod selling;
mod world;
