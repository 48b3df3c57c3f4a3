//! What a task waits for, as the plan that decides it says.

use crate::action::Kind;
use crate::hold::{Hold, spell};
use crate::intake::HELD;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use poco_core::Timestamp;

/// Everything that a task that has not ended may wait for, by name.
pub const WAITS: [&str; 12] = [
    "chain",
    "transaction",
    "rest",
    HELD,
    "workers",
    "votes",
    "ballots",
    "disclosures",
    "digest",
    "reveals",
    "result",
    "claim",
];

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The node's answer.
    Chain,
    /// A transaction of ours.
    Transaction(Kind),
    /// The next try of a transaction.
    Rest { kind: Kind, reason: String },
    /// The pool itself, which has not taken it on: all that is against it.
    Intake(Vec<Hold>),
    /// Workers, beside those under way; who is in question, the decision says.
    Workers { under_way: usize, last: Option<String> },
    /// Votes of replicas.
    Votes { under_way: usize, votes: usize },
    /// Tasks that are committed with this one, and their ballots.
    Ballots { under_way: usize },
    /// Votes of a commit.
    Disclosures { known: usize, of: usize, until: Timestamp },
    /// The digest, from one of those who voted for it.
    Digest { connected: usize },
    /// Winners that have to disclose.
    Reveals { missing: u64, until: Timestamp },
    /// A revealer that stores the result.
    Result { is_running: bool, connected: usize },
    /// The final deadline, since nothing can be done before.
    Claim { reason: String, at: Timestamp },
    /// Nothing: finalized.
    Completed,
    /// Nothing: claimed.
    Claimed { reason: Option<String> },
}

impl Waiting {
    /// What of the pool itself holds the task back.
    pub(crate) fn held_by(&self) -> &[Hold] {
        if let Self::Intake(held_by) = self { held_by } else { &[] }
    }

    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Transaction(_) => "transaction",
            Self::Rest { .. } => "rest",
            Self::Intake(_) => HELD,
            Self::Workers { .. } => "workers",
            Self::Votes { .. } => "votes",
            Self::Ballots { .. } => "ballots",
            Self::Disclosures { .. } => "disclosures",
            Self::Digest { .. } => "digest",
            Self::Reveals { .. } => "reveals",
            Self::Result { .. } => "result",
            Self::Claim { .. } => "claim",
            Self::Completed | Self::Claimed { .. } => "nothing",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("the node, to read the task from the chain"),
            Self::Transaction(kind) => write!(f, "{} to be mined", kind.name()),
            Self::Rest { kind, reason } => {
                write!(f, "the next try to {}: {reason}", kind.name())
            }
            Self::Intake(held_by) => write!(f, "the pool to take it on: {}", spell(held_by)),
            Self::Workers { under_way, last } => {
                write!(f, "workers: {under_way} compute it")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, "; last failure: {last}"))
            }
            Self::Votes { under_way, votes } => {
                write!(f, "contributions: {under_way} under way, {votes} on chain")
            }
            Self::Ballots { under_way } => {
                write!(f, "the ballots of {under_way} workers, for a commit with other tasks")
            }
            Self::Disclosures { known, of, until } => {
                write!(f, "disclosures: {known} of {of} votes are known, at most until {}", until.0)
            }
            Self::Digest { connected } => {
                write!(f, "the digest; {connected} that voted for it are connected")
            }
            Self::Reveals { missing, until } => {
                write!(f, "{missing} winners to reveal, at most until {}", until.0)
            }
            Self::Result { is_running: true, .. } => f.write_str("the upload of the result"),
            Self::Result { is_running: false, connected } => {
                write!(f, "a worker to store the result; {connected} that revealed are connected")
            }
            Self::Claim { reason, at } => {
                write!(f, "{reason}; refunded at the final deadline, {}", at.0)
            }
            Self::Completed => f.write_str("nothing: completed"),
            Self::Claimed { reason: None } => f.write_str("nothing: refunded"),
            Self::Claimed { reason: Some(reason) } => write!(f, "nothing: refunded; {reason}"),
        }
    }
}
