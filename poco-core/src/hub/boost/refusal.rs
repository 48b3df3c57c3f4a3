//! Why the hub refuses a call of the boost lane: one variant per reason, each with its own words.

use crate::matching::Mismatch;

/// Why the hub refuses a call of the boost lane. What both lanes refuse alike (a signature's format,
/// money that is not there) is a [`super::super::Refusal`] of the classic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BoostRefusal {
    /// One worker alone ends a task of this lane.
    #[error("the request asks for more trust than one worker gives")]
    TrustTooHigh,
    /// The orders do not fit together.
    #[error(transparent)]
    Match(Mismatch),
    /// A price has more than 96 bits, a volume or an index more than 16.
    #[error("a price, a volume or an index is too large for this lane")]
    NumberTooLarge,
    /// No deal of this lane has this task.
    #[error("there is no such task")]
    TaskUnknown,
    /// A task ends once.
    #[error("the task has ended")]
    TaskEnded,
    /// The deal's deadline has passed.
    #[error("it is too late for a result")]
    TooLate,
    /// The deal's deadline has not come.
    #[error("it is too early for a refund")]
    TooEarly,
    /// The deal asks for enclaves.
    #[error("the deal asks for an enclave, and the result names none")]
    EnclaveChallengeMissing,
    /// The pool's owner (or the enclave broker) did not let the worker end the task.
    #[error("the worker is not authorized to end the task")]
    AuthorizationInvalid,
    /// The enclave did not sign.
    #[error("the enclave did not sign the result")]
    EnclaveSignatureInvalid,
    /// A callback receives something.
    #[error("there is no data for the callback")]
    CallbackEmpty,
    /// A callback that is granted more gas than there is.
    #[error("there is less gas than the callback is granted")]
    CallbackGasTooLow,
}

impl BoostRefusal {
    /// The revert string, without the `PocoBoost: ` before it; `None` where it is a custom error.
    #[must_use]
    pub const fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::TrustTooHigh => "Bad trust level",
            Self::Match(mismatch) => words_of(mismatch),
            Self::NumberTooLarge => return None,
            Self::TaskUnknown => "Unknown task",
            Self::TaskEnded => "Task status not unset",
            Self::TooLate => "Deadline reached",
            Self::TooEarly => "Deadline not reached",
            Self::EnclaveChallengeMissing => "Tag requires enclave challenge",
            Self::AuthorizationInvalid => "Invalid contribution authorization signature",
            Self::EnclaveSignatureInvalid => "Invalid enclave signature",
            Self::CallbackEmpty => "Callback requires data",
            Self::CallbackGasTooLow => "Not enough gas after callback",
        })
    }
}

const fn words_of(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::CategoryDiffers => "Category mismatch",
        Mismatch::CategoryUnknown => "Unknown category",
        Mismatch::TrustTooHigh => "Bad trust level",
        Mismatch::AppPriceTooHigh => "Overpriced app",
        Mismatch::DatasetPriceTooHigh => "Overpriced dataset",
        Mismatch::WorkerpoolPriceTooHigh => "Overpriced workerpool",
        Mismatch::WorkerpoolLacksTag => "Workerpool tag does not match demand",
        Mismatch::AppLacksEnclave => "App tag does not match demand",
        Mismatch::AppDiffers => "App mismatch",
        Mismatch::DatasetDiffers => "Dataset mismatch",
        Mismatch::RequestRestrictsWorkerpool => "Workerpool restricted by request order",
        Mismatch::AppRestrictsDataset => "Dataset restricted by app order",
        Mismatch::AppRestrictsWorkerpool => "Workerpool restricted by app order",
        Mismatch::AppRestrictsRequester => "Requester restricted by app order",
        Mismatch::DatasetRestrictsApp => "App restricted by dataset order",
        Mismatch::DatasetRestrictsWorkerpool => "Workerpool restricted by dataset order",
        Mismatch::DatasetRestrictsRequester => "Requester restricted by dataset order",
        Mismatch::WorkerpoolRestrictsApp => "App restricted by workerpool order",
        Mismatch::WorkerpoolRestrictsDataset => "Dataset restricted by workerpool order",
        Mismatch::WorkerpoolRestrictsRequester => "Requester restricted by workerpool order",
        Mismatch::AppUnknown => "App not registered",
        Mismatch::AppUnsigned => "Invalid app order signature",
        Mismatch::DatasetUnknown => "Dataset not registered",
        Mismatch::DatasetUnsigned => "Invalid dataset order signature",
        Mismatch::WorkerpoolUnknown => "Workerpool not registered",
        Mismatch::WorkerpoolUnsigned => "Invalid workerpool order signature",
        Mismatch::RequestUnsigned => "Invalid request order signature",
        Mismatch::NothingLeft => "One or more orders consumed",
    }
}
