//! How scheduler and workers speak about a replica, without the wire format.

use crate::placement::Region;
use alloc::string::String;
use core::fmt;
use poco_core::{Address, B256, Tag};
use serde::{Deserialize, Serialize};

/// By which calls a replica brings its result on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    /// `contribute`, `reveal`, and the scheduler finalizes.
    Classic,
    /// Upload, then `contributeAndFinalize`.
    Fast,
    /// A signed ballot, which the scheduler commits and settles.
    Settlement,
}

/// Where a replica stands at its worker. Later stages are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The assignment was sent; the worker has not answered.
    Promised,
    /// The worker has stored the assignment.
    Accepted,
    /// The image is on its way.
    Pulling,
    /// The inputs are on their way.
    Fetching,
    /// The app runs.
    Running,
    /// The digest is known to the worker.
    Computed,
    /// The vote is signed for a commit.
    Balloted,
    /// The vote is committed, and the worker has told it.
    Committed,
    /// The vote is on chain.
    Contributed,
    /// The digest is on chain, or told to us.
    Revealed,
    /// The result is stored.
    Uploaded,
}

impl Stage {
    /// Whether a replica at this stage takes one of its worker's slots.
    #[must_use]
    pub fn takes_slot(self) -> bool {
        self < Self::Computed
    }

    /// One word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promised => "assigned",
            Self::Accepted => "accepted",
            Self::Pulling => "pulling the image",
            Self::Fetching => "fetching inputs",
            Self::Running => "running",
            Self::Computed => "computed",
            Self::Balloted => "signed its ballot",
            Self::Committed => "disclosed its vote",
            Self::Contributed => "contributed",
            Self::Revealed => "revealed",
            Self::Uploaded => "uploaded",
        }
    }
}

/// Why a replica gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// The worker will not.
    Declined,
    /// The worker finds the chain in disagreement with the assignment.
    Chain,
    /// The image cannot be pulled.
    ImageMissing,
    /// The image is not the one that the app's owner registered.
    ImageDigest,
    /// An input cannot be had.
    Input,
    /// The dataset cannot be had.
    Dataset,
    /// The app ended with another exit code than 0.
    ExitCode,
    /// The app ran longer than its category allows.
    TimeLimit,
    /// The app wanted more memory than offered.
    OutOfMemory,
    /// The app wrote more than allowed.
    OutOfDisk,
    /// The app left no computed.json, or one that names nothing.
    NoResult,
    /// The worker's container engine or machine failed.
    Engine,
    /// The hub refused the vote.
    Refused,
    /// The worker was asked to stop.
    Abandoned,
    /// The worker was reached but made no progress in time.
    Slow,
}

impl Cause {
    /// Whether another worker would most likely meet the same: the fault lies in what was ordered.
    #[must_use]
    pub fn is_of_the_task(self) -> bool {
        match self {
            Self::ImageMissing
            | Self::ImageDigest
            | Self::Input
            | Self::Dataset
            | Self::ExitCode
            | Self::TimeLimit
            | Self::OutOfMemory
            | Self::OutOfDisk
            | Self::NoResult => true,
            Self::Declined
            | Self::Chain
            | Self::Engine
            | Self::Refused
            | Self::Abandoned
            | Self::Slow => false,
        }
    }

    /// A few words for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Declined => "the worker declined",
            Self::Chain => "the chain does not agree with the assignment",
            Self::ImageMissing => "the image cannot be pulled",
            Self::ImageDigest => "the image is not the one that the app registered",
            Self::Input => "an input file cannot be fetched",
            Self::Dataset => "the dataset cannot be fetched",
            Self::ExitCode => "the app failed",
            Self::TimeLimit => "the app ran longer than its category allows",
            Self::OutOfMemory => "the app ran out of memory",
            Self::OutOfDisk => "the app wrote more than allowed",
            Self::NoResult => "the app left no result",
            Self::Engine => "the worker's container engine failed",
            Self::Refused => "the hub refused the contribution",
            Self::Abandoned => "the worker was asked to stop",
            Self::Slow => "the worker made no progress",
        }
    }
}

/// A replica's failure as its worker tells it. Texts are cut by whoever takes them in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub cause: Cause,
    /// One line for people.
    pub detail: String,
    /// With [`Cause::ExitCode`].
    pub exit_code: Option<i32>,
    /// The last lines of the app's output.
    pub stdout_tail: String,
    /// The last lines of the app's errors.
    pub stderr_tail: String,
}

impl Failure {
    /// A failure without output.
    #[must_use]
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            exit_code: None,
            stdout_tail: String::new(),
            stderr_tail: String::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.name())?;
        if let Some(code) = self.exit_code {
            write!(f, " with exit code {code}")?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportBody {
    /// The replica reached a stage.
    Reached(Stage),
    /// Nothing more will come.
    Failed(Failure),
}

/// What a worker offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Tasks that may run at the same time.
    pub slots: u32,
    /// Features that its runs may need.
    pub tag: Tag,
    /// Processors that all slots share, as all that follows; 0 for what is not told.
    pub cpus: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Disk for outputs.
    pub disk_bytes: u64,
    /// GPUs.
    pub gpus: u32,
    /// Where the machine stands.
    pub region: Option<Region>,
    /// Carbon dioxide that a kWh makes there, in grams.
    pub carbon_g_per_kwh: Option<u32>,
    /// Names the machine, where the worker tells: no task runs twice on one.
    pub machine: Option<B256>,
    /// Who runs it, where the worker tells: no task is computed twice for one.
    pub owner: Option<Address>,
}
