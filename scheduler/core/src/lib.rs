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
mod change;
mod checks;
mod clock;
mod commits;
mod consensus;
mod core;
mod deals;
mod decide;
mod explain;
mod few;
mod guards;
mod hold;
mod index;
mod input;
mod intake;
mod late;
mod limits;
mod line;
mod lookup;
mod making;
mod notice;
mod order;
mod pick;
mod placement;
mod plan;
mod rebuild;
mod record;
mod report;
mod review;
mod roster;
mod sales;
mod session;
mod settings;
mod settling;
mod task;
mod trace;
mod transactions;
mod upload;
mod waiting;
mod words;
mod workers;

pub use crate::action::{Action, Command, Intent, Kind};
pub use crate::change::Change;
pub use crate::clock::{Head, Moment};
pub use crate::core::Core;
pub use crate::explain::{Explanation, NearMiss, OrderTerms, Weighed};
pub use crate::hold::Hold;
pub use crate::input::{
    ChainEvent, ContributionFacts, DealFacts, Input, Login, TaskFacts, TransactionFailure,
    TransactionTrouble,
};
pub use crate::intake::{Concern, Funds, Intake, Operation, Unfinished};
pub use crate::lookup::{Lookup, TooMany, Unmade};
pub use crate::notice::{Level, Notice};
pub use crate::order::Draw;
pub use crate::placement::{BadRegion, Placement, REGION_BYTES_MAX, Region};
pub use crate::rebuild::{FoundDeal, FoundTask};
pub use crate::record::{
    CommitKey, CommitRecord, DealRecord, MemberRecord, Record, ReplicaRecord, StoredResult,
    TaskRecord,
};
pub use crate::report::{ReplicaReport, ReportStatus, Stats, TaskReport, WorkerReport};
pub use crate::sales::{CategoryPrice, Offer, SalesPolicy, TaskCost};
pub use crate::settings::Settings;
pub use crate::trace::{Constraint, Trace};
pub use crate::upload::{UploadRefusal, UploadTerms};
pub use crate::waiting::WAITS;
pub use crate::words::{Capacity, Cause, Failure, Lane, ReportBody, Stage};
