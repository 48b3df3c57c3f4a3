//! Why the hub refuses a call: one variant per reason.

use super::boost::BoostRefusal;
use super::lane::LaneRefusal;
use crate::escrow::EscrowRefusal;
use crate::mark::agreement::Disagreement;
use crate::matching::Mismatch;
use crate::payout::Overflow;
use crate::task::{ContributionStatus, TaskStatus};
use crate::types::Timestamp;
use alloc::borrow::Cow;

/// Why the hub (or a registry, or the token) refuses a call. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// The orders do not fit together.
    #[error(transparent)]
    Match(#[from] Mismatch),
    /// The marks of the orders do not agree.
    #[error(transparent)]
    Marks(#[from] Disagreement),
    /// No mark has the bits for another epoch.
    #[error("the sender's epochs are spent")]
    EpochsSpent,
    /// The deal's guard must know who votes.
    #[error("the deal's guard does not know the worker")]
    WorkerNotKnown,
    /// The deal's guard must vouch for enclaves.
    #[error("the deal's guard does not know the enclave")]
    EnclaveNotKnown,
    /// What is recorded must be what was voted for.
    #[error("the results are not what the digest stands for")]
    ResultsUnlikeDigest,
    /// The money is not there.
    #[error(transparent)]
    Escrow(#[from] EscrowRefusal),
    /// The boost lane says no.
    #[error(transparent)]
    Boost(#[from] BoostRefusal),
    /// The settlement lane says no.
    #[error(transparent)]
    Lane(#[from] LaneRefusal),
    /// What is committed is settled, or closed first.
    #[error("the task is or was committed to the settlement lane")]
    TaskCommitted,
    /// A wallet's signature has 65 or 64 bytes.
    #[error("the signature is not 65 or 64 bytes long")]
    SignatureFormat,
    /// An order is managed by its owner or with its owner's signature.
    #[error("the sender does not own the order, and the owner did not sign the operation")]
    SenderOrSignature,
    /// Only the hub's owner may do this.
    #[error("the sender does not own the hub")]
    NotTheHubOwner,
    /// Only the owner that the deal froze may do this.
    #[error("the sender is not the owner of the deal's pool")]
    NotThePoolOwner,
    /// No deal has this id.
    #[error("there is no such deal")]
    DealUnknown,
    /// The deal has no task with this index.
    #[error("the deal has no task with this index")]
    IndexOutsideDeal,
    /// The call does not fit where the task stands.
    #[error("the task is {0:?}")]
    WrongTaskStatus(
        /// Where it stands.
        TaskStatus,
    ),
    /// The deadline has passed.
    #[error("it is too late since {deadline:?}")]
    TooLate {
        /// When it became too late.
        deadline: Timestamp,
    },
    /// The time has not come.
    #[error("it is too early until {deadline:?}")]
    TooEarly {
        /// From when on it is possible.
        deadline: Timestamp,
    },
    /// A wallet contributes to a task once.
    #[error("the worker has contributed already")]
    AlreadyContributed,
    /// Only a contribution that has not been revealed or rejected can be revealed.
    #[error("the contribution is {0:?}")]
    WrongContributionStatus(
        /// Where it stands.
        ContributionStatus,
    ),
    /// The worker voted otherwise.
    #[error("the worker did not vote for the consensus")]
    NotAWinner,
    /// The digest is not the one behind the vote.
    #[error("the digest is not the one behind the vote")]
    DigestMismatch,
    /// The seal is not the worker's own: the vote was copied.
    #[error("the seal is not the worker's: it cannot have known the digest")]
    SealMismatch,
    /// The deal asks for enclaves.
    #[error("the deal asks for an enclave, and the contribution names none")]
    EnclaveChallengeMissing,
    /// The pool's owner (or the enclave broker) did not let the worker contribute.
    #[error("the worker is not authorized to contribute")]
    AuthorizationInvalid,
    /// The enclave did not sign.
    #[error("the enclave did not sign the result")]
    EnclaveSignatureInvalid,
    /// The callback's data must hash to the digest.
    #[error("the data for the callback is not what the digest stands for")]
    CallbackMismatch,
    /// Winners may still reveal.
    #[error("not all winners have revealed, and they still may")]
    RevealsPending,
    /// Somebody revealed, so the task is finalized instead.
    #[error("a winner has revealed: the task can be finalized")]
    RevealsExist,
    /// `contributeAndFinalize` is for tasks without contributions.
    #[error("the task has contributions already")]
    TaskHasContributions,
    /// `contributeAndFinalize` is for deals of trust 1.
    #[error("the deal asks for more trust than one worker gives")]
    TrustAboveOne,
    /// By our rules a task takes [`crate::rules::CONTRIBUTIONS_MAX`] contributions.
    #[error("the task has as many contributions as one can have")]
    TooManyContributions,
    /// By our rules no seal is all ones; no hash is like that.
    #[error("the seal is all ones")]
    SealReserved,
    /// By our rules a deal with its parameters, and results, have the length of a contract's code at most.
    #[error("the parameters or the results are too long")]
    RecordTooLong,
    /// By our rules a category lasts at most eight years and a half.
    #[error("the category's time is too long")]
    WorkClockTooLong,
    /// By our rules a pool's percentage fits 24 bits.
    #[error("the percentage is too large")]
    RatioTooLarge,
    /// By our rules a score of at most 2^63 is imported.
    #[error("the score is too large")]
    ScoreTooLarge,
    /// The earlier score was taken over before.
    #[error("the score was imported before")]
    ScoreImported,
    /// A callback that is granted more gas than there is.
    #[error("there is less gas than the callback is granted")]
    CallbackGasTooLow,
    /// The reference has no such function.
    #[error("the hub has no such function")]
    FunctionUnknown,
    /// By our rules only renouncing leaves a hub without an owner.
    #[error("the zero address cannot own the hub")]
    NewOwnerIsZero,
    /// A hub is configured once.
    #[error("the hub is configured already")]
    Configured,
    /// The hub takes approvals from its own token alone.
    #[error("the token is not the hub's")]
    WrongToken,
    /// The spender does not take the approval.
    #[error("the spender refused the approval")]
    ApprovalRefused,
    /// The spender has no code, or does not understand.
    #[error("the spender does not answer")]
    SpenderSilent,
    /// A match that comes with a deposit is made by the requester.
    #[error("the depositor is not the requester")]
    NotTheRequester,
    /// A number exceeds 256 bits.
    #[error("a number exceeds 256 bits")]
    Overflow,
    /// The token: too little of it.
    #[error("the sender has fewer tokens than that")]
    TokenBalanceTooLow,
    /// The token: the hub was not allowed that much.
    #[error("the hub is allowed fewer tokens than that")]
    TokenAllowanceTooLow,
    /// Nothing is registered at this address.
    #[error("nothing is registered at this address")]
    ResourceUnknown,
    /// The registry has an entry at this address.
    #[error("the registry has an entry at this address already")]
    ResourceExists,
    /// Requests have no registry.
    #[error("requests have no registry")]
    NotAResource,
    /// Only the entry's owner may do this.
    #[error("the sender does not own the entry")]
    NotTheResourceOwner,
    /// Entries need an owner.
    #[error("the zero address cannot own an entry")]
    OwnerIsZero,
    /// A pool's owner keeps at most all of the reward.
    #[error("a ratio above 100 percent")]
    RatioAboveHundred,
}

impl Refusal {
    /// The revert string that clients of the reference see; `None` where it reverts without one.
    #[must_use]
    pub fn reference_text(&self) -> Option<Cow<'static, str>> {
        let text = match self {
            Self::Match(mismatch) => {
                return Some(
                    alloc::format!("iExecV5-matchOrders-0x{:02x}", mismatch.code()).into(),
                );
            }
            Self::Boost(refusal) => {
                return refusal.words().map(|words| alloc::format!("PocoBoost: {words}").into());
            }
            Self::Escrow(refusal) => refusal.reference_text()?,
            Self::SignatureFormat => "invalid-signature-format",
            Self::SenderOrSignature => "invalid-sender-or-signature",
            Self::NotTheHubOwner => "Ownable: caller is not the owner",
            Self::NotTheResourceOwner => "caller is not the owner",
            Self::ScoreImported => "score-already-imported",
            Self::NewOwnerIsZero => "Ownable: new owner is the zero address",
            Self::Configured => "already-configured",
            Self::FunctionUnknown => "fallback-disabled",
            Self::WrongToken => "wrong-token",
            Self::ApprovalRefused => "approval-refused",
            Self::NotTheRequester => "caller-must-be-requester",
            Self::NotThePoolOwner
            | Self::Marks(_)
            | Self::Lane(_)
            | Self::TaskCommitted
            | Self::EpochsSpent
            | Self::WorkerNotKnown
            | Self::EnclaveNotKnown
            | Self::ResultsUnlikeDigest
            | Self::DealUnknown
            | Self::IndexOutsideDeal
            | Self::WrongTaskStatus(_)
            | Self::TooLate { .. }
            | Self::TooEarly { .. }
            | Self::AlreadyContributed
            | Self::WrongContributionStatus(_)
            | Self::NotAWinner
            | Self::DigestMismatch
            | Self::SealMismatch
            | Self::EnclaveChallengeMissing
            | Self::AuthorizationInvalid
            | Self::EnclaveSignatureInvalid
            | Self::CallbackMismatch
            | Self::RevealsPending
            | Self::RevealsExist
            | Self::TaskHasContributions
            | Self::TrustAboveOne
            | Self::TooManyContributions
            | Self::SealReserved
            | Self::RecordTooLong
            | Self::WorkClockTooLong
            | Self::RatioTooLarge
            | Self::ScoreTooLarge
            | Self::CallbackGasTooLow
            | Self::SpenderSilent
            | Self::Overflow
            | Self::TokenBalanceTooLow
            | Self::TokenAllowanceTooLow
            | Self::ResourceUnknown
            | Self::ResourceExists
            | Self::NotAResource
            | Self::OwnerIsZero
            | Self::RatioAboveHundred => return None,
        };
        Some(text.into())
    }
}

impl From<Overflow> for Refusal {
    fn from(Overflow: Overflow) -> Self {
        Self::Overflow
    }
}
