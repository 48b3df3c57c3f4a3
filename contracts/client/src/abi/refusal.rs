//! Why a contract refused, in words.

use alloy_sol_types::{Panic, Revert, SolError, SolInterface};
use poco_core::{Address, Bytes};

/// A call that a contract refused: it would revert, or did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The revert string, or the contract's own error with its arguments.
    pub reason: String,
    /// The revert data.
    pub data: Bytes,
}

#[allow(missing_docs, unreachable_pub, reason = "generated from the interface")]
pub(crate) mod errors {
    alloy_sol_types::sol! {
        /// Errors of the hub, the registries, their entries and the token.
        #[derive(Debug)]
        interface Errors {
            error FreeStakeTooLow(address account, uint256 free, uint256 needed);
            error FrozenStakeTooLow(uint256 frozen, uint256 needed);
            error AllowanceTooLow(address spender, uint256 allowance, uint256 needed);
            error SupplyTooLarge(uint256 supply);
            error TokenTransferFailed();
            error WorkClockTooLong(uint256 seconds_, uint256 most);
            error ScoreTooLarge(uint256 score);
            error IncompatibleDatasetOrder(string reason);
            error UnknownDeal(bytes32 dealid);
            error IndexOutsideDeal(uint256 index, uint256 first, uint256 size);
            error WrongTaskStatus(bytes32 taskid, uint8 status);
            error TooLate(uint256 deadline, uint256 time);
            error TooEarly(uint256 deadline, uint256 time);
            error AlreadyContributed(bytes32 taskid, address worker);
            error NoContribution(bytes32 taskid, address worker);
            error TooManyContributors(bytes32 taskid);
            error EnclaveChallengeMissing(bytes32 taskid);
            error AuthorizationInvalid(address worker, bytes32 taskid, address challenge);
            error EnclaveSignatureInvalid(address challenge);
            error WrongContributionStatus(address worker, uint8 status);
            error NotAWinner(address worker);
            error DigestMismatch(bytes32 digest);
            error NotThePoolOwner(address caller, address poolOwner);
            error RevealsPending(uint256 revealed, uint256 winners);
            error RevealsExist(uint256 revealed);
            error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);
            error TaskCommitted(bytes32 taskid);
            error BondTooLow(address worker, uint256 unlocked, uint256 needed);
            error BondEnding(address worker, uint256 releaseTime);
            error BondStillNeeded(address worker, uint256 locked, uint256 releaseTime);
            error EnclaveLaneMissing(bytes32 dealid);
            error CommitEmpty(uint256 tasks, uint256 ballots);
            error BallotUnsorted(uint256 ballot);
            error BallotOutsideCommit(uint256 ballot);
            error BallotSignatureInvalid(address worker);
            error RowTooLong(uint256 entries, uint256 most);
            error WorkersUnsorted(uint256 position);
            error VotesMissing(uint256 outcome);
            error CommitMismatch(bytes32 dealid, uint256 first);
            error NotYours(address caller, uint256 time);
            error ResultsUnbound(address caller);
            error CommitExists(bytes32 dealid, uint256 first);
            error TaskNotCommitted(bytes32 taskid);
            error TaskNotClaimed(bytes32 taskid);
            error VoteMismatch(uint256 position);
            error VoteDisclosed(uint256 position);
            error OrderExpired(address signer, uint256 expiry);
            error OrderOfOtherEpoch(address signer, uint256 epoch, uint256 current);
            error EpochsSpent(address signer);
            error ConditionsUnknown(address signer, uint256 conditions);
            error ConditionsNotOffered(uint256 asked, uint256 offered);
            error GuardsDiffer(address asked, address offered);
            error SponsorMissing(address requester);
            error ConditionsWithoutLane(uint256 conditions);
            error WorkerNotKnown(address worker, address guard);
            error EnclaveNotKnown(address enclaveChallenge, address guard);
            error ResultsUnlikeDigest(bytes32 taskid, bytes32 digest);
            error NotTheOwner(address caller, address owner);
            error OwnerMissing();
            error CallbackMismatch();
            error TrustAboveOne(uint256 trust);
            error TaskHasContributions(bytes32 taskid);
            error CallbackGasTooLow(uint256 left, uint256 needed);
            error ArrayLengthsDiffer(uint256 dealIds, uint256 indexes);
            error RecordExists(bytes32 salt);
            error RecordTooLong(uint256 length, uint256 most);
            error FieldTooLong(uint256 length);
            error IndexOutOfBounds(uint256 index);
            error NotAllowed(address caller, uint256 tokenId);
            error NotAnEntry(address caller);
            error PolicyTooLarge(uint256 workerStakeRatio, uint256 schedulerRewardRatio);
            error ReceiverRefused(address receiver);
            error UnknownToken(uint256 tokenId);
            error WrongOwner(address from, uint256 tokenId);
            error ZeroAddress();
            error AllowanceOverflow();
            error AllowanceUnderflow();
            error InsufficientAllowance();
            error InsufficientBalance();
            error InvalidPermit();
            error Permit2AllowanceIsFixedAtInfinity();
            error PermitExpired();
            error TotalSupplyOverflow();
        }
    }
}

/// Bytes of an unknown error that are shown; more would hide the rest of the line.
const SHOWN_BYTES: usize = 68;

impl Refusal {
    /// Decodes revert data; `fallback` is what the node said, for reverts without data.
    pub(crate) fn decode(data: Bytes, fallback: &str) -> Self {
        let reason = reason(&data).unwrap_or_else(|| {
            let said = fallback.trim();
            if said.is_empty() { "refused without a reason".into() } else { said.into() }
        });
        Self { reason, data }
    }

    /// The worker for whose ballot the hub refused a commit, where that was the reason.
    #[must_use]
    pub fn worker_at_fault(&self) -> Option<Address> {
        use errors::Errors::{BallotSignatureInvalid, BondEnding, BondTooLow, WorkerNotKnown};
        let data = &self.data;
        let too_low = BondTooLow::abi_decode(data).ok().map(|error| error.worker);
        too_low
            .or_else(|| Some(BondEnding::abi_decode(data).ok()?.worker))
            .or_else(|| Some(BallotSignatureInvalid::abi_decode(data).ok()?.worker))
            .or_else(|| Some(WorkerNotKnown::abi_decode(data).ok()?.worker))
    }
}

fn reason(data: &Bytes) -> Option<String> {
    if data.is_empty() {
        return None;
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return Some(revert.reason);
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return Some(format!("the contract panicked: {panic}"));
    }
    if let Ok(error) = errors::Errors::ErrorsErrors::abi_decode(data) {
        return Some(shown(&format!("{error:?}")));
    }
    let head = data.get(..SHOWN_BYTES.min(data.len())).unwrap_or_default();
    let dots = if data.len() > SHOWN_BYTES { "…" } else { "" };
    Some(format!("unknown error 0x{}{dots}", hex::encode(head)))
}

/// `TooLate(TooLate { deadline: 1, time: 2 })` as `TooLate { deadline: 1, time: 2 }`.
fn shown(debug: &str) -> String {
    let inner = debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(debug).into()
}
