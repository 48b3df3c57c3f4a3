//! A whole marketplace of real processes on this machine, for tests and benchmarks.
//!
//! Every world has its own chain, folders and ports, and takes everything it started down with it.
//! The tests run the binaries; nothing of theirs is linked.

pub mod anvil;
pub mod bench;
pub mod binaries;
pub mod clients;
pub mod images;
pub mod leftovers;
pub mod payments;
pub mod pool;
pub mod process;
pub mod soak;
pub mod villain;
pub mod world;
