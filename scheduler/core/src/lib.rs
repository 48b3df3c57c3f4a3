//! What a pool's scheduler decides.
//!
//! [`Core`] takes the time and an [`Input`], and leaves [`Action`]s to be drained: records to
//! store, transactions to send, commands for workers, facts to read. It follows the pool's deals,
//! opens their tasks, picks workers, asks for reveals and the result, finalizes, reopens and
//! claims. The chain is the journal of all that is on chain: a task's place in its life is what
//! the hub's view says, events only say when to look again. Stored are promises and what chain
//! and workers cannot tell again.
//!
//! Left out are clocks, IO, keys, protobuf, RocksDB and ABI: the binary around brings the facts
//! and carries the actions out, each of which may be repeated after a crash without harm.
#![no_std]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, missing_docs)]

extern crate alloc;

mod action;
mod ballots;
mod chain;
mod clock;
mod commits;
mod consensus;
mod core;
mod deals;
mod guards;
mod index;
mod input;
mod intake;
mod limits;
mod notice;
mod pick;
mod plan;
mod record;
mod report;
mod review;
mod sales;
mod session;
mod settings;
mod settling;
mod task;
mod transactions;
mod upload;
mod waiting;
mod words;
mod workers;

pub use crate::action::{Action, Command, Intent, Kind};
pub use crate::clock::{Head, Moment};
pub use crate::core::Core;
pub use crate::input::{
    ChainEvent, ContributionFacts, DealFacts, Input, Login, TaskFacts, TransactionFailure,
    TransactionTrouble,
};
pub use crate::intake::{Concern, Funds, Intake, Operation, Unfinished};
pub use crate::notice::{Level, Notice};
pub use crate::record::{
    CommitKey, CommitRecord, DealRecord, Record, ReplicaRecord, StoredResult, TaskRecord,
};
pub use crate::report::{ReplicaReport, ReportStatus, Stats, TaskReport, WorkerReport};
pub use crate::sales::{CategoryPrice, Offer, SalesPolicy};
pub use crate::settings::Settings;
pub use crate::upload::{UploadRefusal, UploadTerms};
pub use crate::words::{Capacity, Cause, Failure, Lane, ReportBody, Stage};
