//! What a decision saw: how many workers each constraint removed, and who came nearest.
//!
//! The decision fills it in while it decides. A decision that finds workers stops looking, so its
//! trace is about those that it looked at; one that finds none, or that somebody asks to see, is
//! about all that are connected.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use poco_core::Address;
use serde::{Deserialize, Serialize};

/// What can keep a worker from a task, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// The deal's conditions were not read since the start; nobody gets its tasks before.
    Conditions,
    /// The worker takes no tasks at the moment.
    Slots,
    /// The operator gives it nothing new.
    Drained,
    /// The deal's tag has a feature that the worker does not offer.
    Tag,
    /// What the request asks of the machine cannot be read.
    Placement,
    /// The worker is in none of the regions asked for, or does not tell.
    Region,
    /// Its energy is not as clean as asked for, or it does not tell.
    Energy,
    /// Its runs have fewer processors than asked for.
    Cpus,
    /// Its runs have less memory than asked for.
    Memory,
    /// Its runs have less disk than asked for.
    Disk,
    /// It has fewer GPUs than asked for.
    Gpus,
    /// The worker has voted in this task.
    Voted,
    /// The worker computes it already.
    Replica,
    /// It failed there by its own fault, as it would again.
    OwnFailure,
    /// The worker gave it up a short while ago.
    Resting,
    /// Another replica runs on the same machine.
    Machine,
    /// Another replica is computed by a worker of the same owner.
    Owner,
    /// The deal's guard was not asked about the worker lately.
    GuardUnasked,
    /// The deal's guard does not know the worker: the hub would refuse its vote.
    GuardDenies,
    /// What is left of the worker's bond does not answer for one vote more.
    Bond,
    /// All slots of the worker are taken.
    Busy,
}

impl Constraint {
    /// Every constraint, in the order in which they are looked at.
    pub const ALL: [Self; 21] = [
        Self::Conditions,
        Self::Slots,
        Self::Drained,
        Self::Tag,
        Self::Placement,
        Self::Region,
        Self::Energy,
        Self::Cpus,
        Self::Memory,
        Self::Disk,
        Self::Gpus,
        Self::Voted,
        Self::Replica,
        Self::OwnFailure,
        Self::Resting,
        Self::Machine,
        Self::Owner,
        Self::GuardUnasked,
        Self::GuardDenies,
        Self::Bond,
        Self::Busy,
    ];

    /// Its name in JSON and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Conditions => "conditions",
            Self::Slots => "slots",
            Self::Drained => "drained",
            Self::Tag => "tag",
            Self::Placement => "placement",
            Self::Region => "region",
            Self::Energy => "energy",
            Self::Cpus => "cpus",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Gpus => "gpus",
            Self::Voted => "voted",
            Self::Replica => "replica",
            Self::OwnFailure => "own_failure",
            Self::Resting => "resting",
            Self::Machine => "machine",
            Self::Owner => "owner",
            Self::GuardUnasked => "guard_unasked",
            Self::GuardDenies => "guard_denies",
            Self::Bond => "bond",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for Constraint {
    /// What is true of a worker that it removed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conditions => "wait until the deal is read from the chain",
            Self::Slots => "take no tasks",
            Self::Drained => "are drained by the operator",
            Self::Tag => "do not offer what the tag asks for",
            Self::Placement => "cannot know where the task may run: its params cannot be read",
            Self::Region => "are in none of the regions asked for",
            Self::Energy => "have no energy as clean as asked for",
            Self::Cpus => "have too few processors for a run",
            Self::Memory => "have too little memory for a run",
            Self::Disk => "have too little disk for a run",
            Self::Gpus => "have too few GPUs",
            Self::Voted => "have voted",
            Self::Replica => "compute it already",
            Self::OwnFailure => "failed at it, as they would again",
            Self::Resting => "gave it up a short while ago",
            Self::Machine => "share a machine with another replica",
            Self::Owner => "share an owner with another replica",
            Self::GuardUnasked => "were not asked about at the guard",
            Self::GuardDenies => "are not known to the guard",
            Self::Bond => "have no bond left for it",
            Self::Busy => "have no free slot",
        })
    }
}

/// A worker that was removed, with all that was in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Near {
    pub(crate) worker: Address,
    pub(crate) misses: Vec<Constraint>,
}

/// What a decision saw of the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// How many were looked at.
    pub looked_at: usize,
    /// How many each constraint removed: each worker is counted with the first in its way.
    pub removed: BTreeMap<Constraint, usize>,
}

impl Trace {
    /// Counts a worker with the first constraint in its way, if there is one.
    pub(crate) fn count(&mut self, miss: Option<Constraint>) {
        self.looked_at = self.looked_at.saturating_add(1);
        if let Some(miss) = miss {
            let count = self.removed.entry(miss).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// How many a constraint removed.
    #[must_use]
    pub fn removed_by(&self, constraint: Constraint) -> usize {
        self.removed.get(&constraint).copied().unwrap_or_default()
    }

    /// How many could start now.
    #[must_use]
    pub fn free(&self) -> usize {
        let removed = self.removed.values().fold(0usize, |sum, count| sum.saturating_add(*count));
        self.looked_at.saturating_sub(removed)
    }

    /// How many could take it, were they free.
    #[must_use]
    pub fn fitting(&self) -> usize {
        self.free().saturating_add(self.removed_by(Constraint::Busy))
    }
}
