//! Whole markets: the real binaries, contracts on anvil, apps in docker.
//!
//! One program, because each test waits most of its time: so several run at once, and the registry of images is
//! started once. Each test has a market, ports and folders of its own.

mod bag;
mod bound_results;
mod claim;
mod consensus;
mod copier;
mod failing;
mod files;
mod kill;
mod logs;
mod price_feed;
mod reference;
mod reorg;
mod repair;
mod sales;
mod settlement;
mod statement;
mod tls;
