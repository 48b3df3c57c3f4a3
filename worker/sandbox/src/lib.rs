//! Runs apps of strangers in containers, under limits, and turns what they leave into results.
//!
//! The one place that knows the container engine. A run goes through
//! [`Sandbox::prepare`] (its folder), [`input::Fetcher::fetch`] (its inputs), [`Engine::pull`]
//! (its image), [`Sandbox::start`], [`Sandbox::wait`], [`Sandbox::collect`] and
//! [`Sandbox::remove`]. Each step is keyed by task and attempt and may be repeated: an app that
//! was started is found again, never run twice.
//!
//! Left out: what to run, when and for whom (the worker decides), uploading, and the chain.
//!
//! The engine client writes request bodies, secrets among them, to its own debug log; a binary
//! that links this crate must cap it with [`LOG_FILTER`].

mod collect;
mod container;
mod disk;
mod engine;
mod facts;
mod folder;
mod image;
pub mod input;
mod leftover;
mod logs;
mod run;
mod sandbox;
mod verdict;
mod wait;
mod watch;

pub use collect::{CollectError, Finished};
pub use disk::DiskMode;
pub use engine::{ConnectError, Engine, EngineError};
pub use facts::Facts;
pub use folder::RunFolder;
pub use image::{BadImageName, Credentials, ImageRef, PullError, PullProgress};
pub use leftover::Swept;
pub use logs::{Printed, Reading, SavedLogs};
pub use run::{NotARun, RootFs, Run, RunId, RunLimits, RunSpec, RunState, Secret};
pub use sandbox::{Sandbox, Settings, StartError, split_args};
pub use wait::{Ended, Outcome, Usage, WaitError};

/// Directive for a log filter that keeps the engine client from logging environments.
pub const LOG_FILTER: &str = "bollard=info";
