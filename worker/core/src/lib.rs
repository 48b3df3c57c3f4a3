//! What a worker decides: which work it takes, when it votes, discloses, uploads and forgets.
//!
//! [`Core`] takes inputs with the time they came and leaves actions to be drained; it has no
//! clock, no IO, no randomness and no keys. Whoever drives it
//!
//! 1. calls [`Core::handle`] with one input,
//! 2. drains [`Core::poll_action`] until it is empty,
//! 3. writes every [`Action::Persist`] and [`Action::Forget`] of the batch and syncs,
//! 4. starts the other actions, whose answers come back as inputs,
//! 5. sends [`Input::Timer`] when [`Core::next_timer`] is due.
//!
//! The order of 3 and 4 is what makes a promise durable before it is made. Every action may be
//! repeated after a crash. The crate leaves out how an app runs (`poco-sandbox`), how calls are
//! encoded and sent (`poco-chain`) and how messages travel (`poco-proto`).
#![no_std]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, missing_docs)]

extern crate alloc;

mod action;
mod core;
mod facts;
mod failure;
mod input;
mod lane;
mod scheduler;
mod stages;
mod task;
mod time;
mod transcript;
mod upload;
mod verify;
mod votes;

pub use action::{Action, Intent, Stored};
pub use core::{Config, Core};
pub use facts::{CommitView, Facts, Program, View};
pub use failure::{Cause, DETAIL_BYTES_MAX, Failure, TAIL_BYTES_MAX};
pub use input::{Input, Outcome, Step, UploadOutcome};
pub use task::{
    Assignment, Commit, Computation, Lane, Promise, Record, Sealed, Stage, State, Terms, Work,
};
pub use time::{Millis, Now};
pub use transcript::{Channel, PART_BYTES_MAX, Part, Transcript};
