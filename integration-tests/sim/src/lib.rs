//! A whole market in one thread, from one seed.
//!
//! The decisions are the real ones: `poco-scheduler-core`, `poco-worker-core` and
//! `poco-chain-core`, with the model of the hub in `poco-core` as the chain. Around them is what the
//! binaries are around them, without disks, sockets and containers: records that are synced or lost
//! with their process, streams that break, uploads, engines, nodes. The seed draws who takes part,
//! and what goes wrong: see `scenario`, `faults` and `villains`. What must hold is in `checks`.
//!
//! Left out are bytes: wire formats, ABI, RocksDB, images. Tests of the binaries have those.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the shell around the cores looks at few of many actions and events"
)]

mod batch;
mod chain;
mod checks;
mod dice;
mod disk;
mod faults;
mod link;
mod process;
mod reached;
mod repair;
mod requests;
mod sandbox;
mod scenario;
mod scheduler;
mod sender;
mod story;
mod stream;
mod villains;
mod worker;
mod world;

pub use batch::{Batch, Failure, play_many};
pub use reached::Reached;

use story::Story;
use world::World;

/// Plays the world of a seed to its end and returns what it reached. `is_told`: on standard output.
///
/// # Panics
/// Where something does not hold that must.
#[must_use]
pub fn play(seed: u64, is_told: bool) -> Reached {
    World::new(seed, Story { is_told }).play()
}
