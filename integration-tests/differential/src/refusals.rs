//! Refusals in the words of the model, and how each contract words them.

use alloy_primitives::{Bytes, keccak256};
use alloy_sol_types::{Revert, SolError};
use poco_core::hub::{BoostRefusal, LaneRefusal, Refusal};
use poco_core::mark::agreement::Disagreement;
use poco_core::matching::Mismatch;

/// The name of a refusal, without what it holds.
#[must_use]
pub fn name(refusal: &Refusal) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the name of a variant is its own")]
    match refusal {
        Refusal::Match(mismatch) => format!("Match 0x{:02x} {mismatch:?}", mismatch.code()),
        Refusal::Escrow(escrow) => format!("Escrow {escrow:?}"),
        Refusal::Marks(disagreement) => {
            let text = format!("Marks {disagreement:?}");
            text.split(" {").next().unwrap_or(&text).to_owned()
        }
        Refusal::Boost(BoostRefusal::Match(mismatch)) => format!("Boost {mismatch:?}"),
        Refusal::Boost(boost) => format!("Boost {boost:?}"),
        Refusal::Lane(lane) => format!("Lane {lane:?}"),
        other => {
            let text = format!("{other:?}");
            text.split(['(', ' ', '{']).next().unwrap_or(&text).to_owned()
        }
    }
}

/// The words in the bytes of a revert, if it has any.
#[must_use]
pub fn words(data: &Bytes) -> Option<String> {
    Revert::abi_decode(data).ok().map(|revert| revert.reason)
}

/// The bytes of a revert for people.
#[must_use]
pub fn shown(data: &Bytes) -> String {
    if let Some(words) = words(data) {
        return format!("\"{words}\"");
    }
    let Some(selector) = data.get(..4) else { return "nothing".into() };
    let known = ERRORS.iter().find(|signature| keccak256(signature)[..4] == *selector);
    known.map_or_else(|| data.to_string(), |signature| format!("{signature} {data}"))
}

/// The name of the error, or the words, without arguments.
#[must_use]
pub fn shown_short(data: &Bytes) -> String {
    let shown = shown(data);
    shown.split(['(', '[']).next().unwrap_or(&shown).to_owned()
}

const ERRORS: [&str; 61] = [
    PANIC,
    "AllowanceTooLow(address,uint256,uint256)",
    "AlreadyContributed(bytes32,address)",
    "ArrayLengthsDiffer(uint256,uint256)",
    "AuthorizationInvalid(address,bytes32,address)",
    "CallbackGasTooLow(uint256,uint256)",
    "CallbackMismatch()",
    "DigestMismatch(bytes32)",
    "EnclaveChallengeMissing(bytes32)",
    "EnclaveSignatureInvalid(address)",
    "FreeStakeTooLow(address,uint256,uint256)",
    "IncompatibleDatasetOrder(string)",
    "IndexOutsideDeal(uint256,uint256,uint256)",
    "NoContribution(bytes32,address)",
    "NotAWinner(address)",
    "NotThePoolOwner(address,address)",
    "RevealsExist(uint256)",
    "RevealsPending(uint256,uint256)",
    "SafeCastOverflowedUintDowncast(uint8,uint256)",
    "ScoreTooLarge(uint256)",
    "SupplyTooLarge(uint256)",
    "TaskHasContributions(bytes32)",
    "TokenTransferFailed()",
    "TooEarly(uint256,uint256)",
    "TooLate(uint256,uint256)",
    "TooManyContributors(bytes32)",
    "TrustAboveOne(uint256)",
    "UnknownDeal(bytes32)",
    "WorkClockTooLong(uint256,uint256)",
    "WrongContributionStatus(address,uint8)",
    "WrongTaskStatus(bytes32,uint8)",
    "FrozenStakeTooLow(uint256,uint256)",
    "RecordExists(bytes32)",
    "RecordTooLong(uint256,uint256)",
    "InsufficientBalance()",
    "InsufficientAllowance()",
    "ZeroAddress()",
    "UnknownToken(uint256)",
    "WrongOwner(address,uint256)",
    "NotAllowed(address,uint256)",
    "PolicyTooLarge(uint256,uint256)",
    "TaskCommitted(bytes32)",
    "BondTooLow(address,uint256,uint256)",
    "BondEnding(address,uint256)",
    "BondStillNeeded(address,uint256,uint256)",
    "EnclaveLaneMissing(bytes32)",
    "CommitEmpty(uint256,uint256)",
    "BallotUnsorted(uint256)",
    "BallotOutsideCommit(uint256)",
    "BallotSignatureInvalid(address)",
    "RowTooLong(uint256,uint256)",
    "WorkersUnsorted(uint256)",
    "VotesMissing(uint256)",
    "CommitMismatch(bytes32,uint256)",
    "NotYours(address,uint256)",
    "ResultsUnbound(address)",
    "CommitExists(bytes32,uint256)",
    "TaskNotCommitted(bytes32)",
    "TaskNotClaimed(bytes32)",
    "VoteMismatch(uint256)",
    "VoteDisclosed(uint256)",
];

const PANIC: &str = "Panic(uint256)";

/// The errors with which our contracts make a refusal that the reference has no words for; an empty
/// one for a refusal without any bytes.
fn errors_of_ours(refusal: &Refusal) -> &'static [&'static str] {
    use poco_core::escrow::EscrowRefusal as E;
    match refusal {
        Refusal::Escrow(E::BalanceTooLow) => &["FreeStakeTooLow(address,uint256,uint256)"],
        Refusal::Escrow(E::AllowanceTooLow) => &["AllowanceTooLow(address,uint256,uint256)"],
        Refusal::Marks(disagreement) => errors_of_marks(disagreement),
        Refusal::Lane(refusal) => errors_of_lane(*refusal),
        Refusal::TaskCommitted => &["TaskCommitted(bytes32)"],
        Refusal::EpochsSpent => &["EpochsSpent(address)"],
        Refusal::WorkerNotKnown => &["WorkerNotKnown(address,address)"],
        Refusal::EnclaveNotKnown => &["EnclaveNotKnown(address,address)"],
        Refusal::ResultsUnlikeDigest => &["ResultsUnlikeDigest(bytes32,bytes32)"],
        Refusal::NotThePoolOwner => &["NotThePoolOwner(address,address)"],
        Refusal::DealUnknown => &["UnknownDeal(bytes32)"],
        Refusal::IndexOutsideDeal => &["IndexOutsideDeal(uint256,uint256,uint256)"],
        Refusal::WrongTaskStatus(_) => &["WrongTaskStatus(bytes32,uint8)"],
        Refusal::TooLate { .. } => &["TooLate(uint256,uint256)"],
        Refusal::TooEarly { .. } => &["TooEarly(uint256,uint256)"],
        Refusal::AlreadyContributed => &["AlreadyContributed(bytes32,address)"],
        Refusal::WrongContributionStatus(_) => {
            &["WrongContributionStatus(address,uint8)", "NoContribution(bytes32,address)"]
        }
        Refusal::NotAWinner => &["NotAWinner(address)"],
        Refusal::DigestMismatch | Refusal::SealMismatch | Refusal::SealReserved => {
            &["DigestMismatch(bytes32)"]
        }
        Refusal::EnclaveChallengeMissing => &["EnclaveChallengeMissing(bytes32)"],
        Refusal::AuthorizationInvalid => &["AuthorizationInvalid(address,bytes32,address)"],
        Refusal::EnclaveSignatureInvalid => &["EnclaveSignatureInvalid(address)"],
        Refusal::CallbackMismatch => &["CallbackMismatch()"],
        Refusal::RevealsPending => &["RevealsPending(uint256,uint256)"],
        Refusal::RevealsExist => &["RevealsExist(uint256)"],
        Refusal::TaskHasContributions => &["TaskHasContributions(bytes32)"],
        Refusal::TrustAboveOne => &["TrustAboveOne(uint256)"],
        Refusal::TooManyContributions => &["TooManyContributors(bytes32)"],
        Refusal::RecordTooLong => &["RecordTooLong(uint256,uint256)"],
        Refusal::WorkClockTooLong => &["WorkClockTooLong(uint256,uint256)"],
        Refusal::RatioTooLarge => &["PolicyTooLarge(uint256,uint256)"],
        Refusal::ScoreTooLarge => &["ScoreTooLarge(uint256)"],
        Refusal::CallbackGasTooLow => &["CallbackGasTooLow(uint256,uint256)"],
        Refusal::TokenBalanceTooLow => &["InsufficientBalance()"],
        Refusal::TokenAllowanceTooLow => &["InsufficientAllowance()"],
        Refusal::ResourceExists => &["RecordExists(bytes32)"],
        Refusal::OwnerIsZero => &["ZeroAddress()"],
        Refusal::NotTheResourceOwner => &["NotAllowed(address,uint256)"],
        Refusal::RatioAboveHundred => &["words: scheduler reward ratio above 100"],
        // The worker's stake is computed before the prices are looked at.
        Refusal::Boost(BoostRefusal::NumberTooLarge) => {
            &["SafeCastOverflowedUintDowncast(uint8,uint256)", PANIC]
        }
        Refusal::Overflow | Refusal::Escrow(E::Overflow) => &[PANIC],
        // Nothing is deployed there: the call itself fails.
        Refusal::ResourceUnknown => &["", "UnknownToken(uint256)"],
        Refusal::SpenderSilent => &[""],
        Refusal::Match(_)
        | Refusal::Escrow(_)
        | Refusal::Boost(_)
        | Refusal::SignatureFormat
        | Refusal::SenderOrSignature
        | Refusal::NotTheHubOwner
        | Refusal::FunctionUnknown
        | Refusal::NewOwnerIsZero
        | Refusal::Configured
        | Refusal::WrongToken
        | Refusal::ApprovalRefused
        | Refusal::ScoreImported
        | Refusal::NotTheRequester
        | Refusal::NotAResource => &[],
    }
}

/// The error with which our hub says that marks do not agree.
fn errors_of_marks(disagreement: &Disagreement) -> &'static [&'static str] {
    match disagreement {
        Disagreement::ConditionsUnknown { .. } => &["ConditionsUnknown(address,uint256)"],
        Disagreement::OrderExpired { .. } => &["OrderExpired(address,uint256)"],
        Disagreement::OrderOfOtherEpoch { .. } => &["OrderOfOtherEpoch(address,uint256,uint256)"],
        Disagreement::SponsorMissing { .. } => &["SponsorMissing(address)"],
        Disagreement::ConditionsNotOffered { .. } => &["ConditionsNotOffered(uint256,uint256)"],
        Disagreement::GuardsDiffer { .. } => &["GuardsDiffer(address,address)"],
        Disagreement::ConditionsWithoutLane { .. } => &["ConditionsWithoutLane(uint256)"],
    }
}

/// The error with which our hub refuses a call of the settlement lane.
fn errors_of_lane(refusal: LaneRefusal) -> &'static [&'static str] {
    match refusal {
        LaneRefusal::BondTooLow => &["BondTooLow(address,uint256,uint256)"],
        LaneRefusal::BondEnding => &["BondEnding(address,uint256)"],
        LaneRefusal::BondStillNeeded => &["BondStillNeeded(address,uint256,uint256)"],
        LaneRefusal::EnclaveLaneMissing => &["EnclaveLaneMissing(bytes32)"],
        LaneRefusal::CommitEmpty => &["CommitEmpty(uint256,uint256)"],
        LaneRefusal::BallotUnsorted => &["BallotUnsorted(uint256)"],
        LaneRefusal::BallotOutsideCommit => &["BallotOutsideCommit(uint256)"],
        LaneRefusal::BallotSignatureInvalid => &["BallotSignatureInvalid(address)"],
        LaneRefusal::RowTooLong => &["RowTooLong(uint256,uint256)"],
        LaneRefusal::WorkersUnsorted => &["WorkersUnsorted(uint256)"],
        LaneRefusal::VotesMissing => &["VotesMissing(uint256)"],
        LaneRefusal::CommitMismatch => &["CommitMismatch(bytes32,uint256)"],
        LaneRefusal::NotYours => &["NotYours(address,uint256)"],
        LaneRefusal::ResultsUnbound => &["ResultsUnbound(address)"],
        LaneRefusal::TaskNotCommitted => &["TaskNotCommitted(bytes32)"],
        LaneRefusal::TaskNotClaimed => &["TaskNotClaimed(bytes32)"],
        LaneRefusal::VoteMismatch => &["VoteMismatch(uint256)"],
        LaneRefusal::VoteDisclosed => &["VoteDisclosed(uint256)"],
    }
}

/// Who refused, and whether it asked somebody who does not answer in clean words.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Our hub.
    pub is_ours: bool,
    /// One of the contracts in the call answers with nothing or with dirt, which the reference's
    /// compiler refuses without words.
    pub is_garbled: bool,
}

/// Whether the bytes with which a contract refused are those of the refusal.
#[must_use]
pub fn fits(refusal: &Refusal, data: &Bytes, circumstances: Circumstances) -> bool {
    let Circumstances { is_ours, is_garbled } = circumstances;
    if is_garbled && !is_ours && data.is_empty() {
        return true;
    }
    let given = words(data);
    let wanted = refusal.reference_text();
    if given.is_some() && given.as_deref() == wanted.as_deref() {
        return true;
    }
    if is_ours { fits_ours(refusal, data, given) } else { fits_reference(refusal, given) }
}

fn fits_ours(refusal: &Refusal, data: &Bytes, given: Option<String>) -> bool {
    let selector = data.get(..4);
    let is_one_of = |errors: &[&str]| {
        errors.iter().any(|error| match error.strip_prefix("words: ") {
            Some(words) => given.as_deref() == Some(words),
            None if error.is_empty() => data.is_empty(),
            None => selector == Some(&keccak256(error)[..4]),
        })
    };
    // A pool's stake that overflows is found before the request is looked at.
    let is_late = matches!(
        refusal,
        Refusal::Match(Mismatch::RequestUnsigned | Mismatch::NothingLeft)
            | Refusal::Boost(BoostRefusal::Match(
                Mismatch::RequestUnsigned | Mismatch::NothingLeft
            ))
            | Refusal::SignatureFormat
    );
    is_one_of(errors_of_ours(refusal)) || (is_late && is_one_of(&[PANIC]))
}

fn fits_reference(refusal: &Refusal, given: Option<String>) -> bool {
    let Some(given) = given else {
        // Where the reference has words, others may come first: those of nothing at all where a
        // resource is not deployed, or of a diamond's own ownership.
        let is_silent = matches!(
            refusal,
            Refusal::Match(
                Mismatch::AppUnknown | Mismatch::DatasetUnknown | Mismatch::WorkerpoolUnknown
            ) | Refusal::NotTheHubOwner
                | Refusal::NotTheResourceOwner
        );
        return is_silent || refusal.reference_text().is_none();
    };
    // The registries are ours on both chains.
    let ours = errors_of_ours(refusal);
    ours.iter().any(|error| error.strip_prefix("words: ") == Some(given.as_str()))
}
