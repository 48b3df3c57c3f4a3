//! Why a command ended without doing what it was asked, and the exit code that says so.

use poco_chain::{RpcError, SendError};

/// One line for people and a number for programs. README lists the numbers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something on this machine: a file, a setting, a bug.
    #[error("{0:#}")]
    Local(#[from] anyhow::Error),
    /// The words of the command are off (clap's own exit code).
    #[error("{0}")]
    Usage(String),
    /// A rule of the marketplace says no; nothing was sent.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The chain, the market or the pool did not answer.
    #[error("{0}")]
    Unreachable(String),
    /// No wallet, an unreadable keystore or a wrong password.
    #[error("{0}")]
    Wallet(String),
    /// A result that is not what the chain says it should be.
    #[error("{0}")]
    Mismatch(String),
    /// The task ended without a result.
    #[error("{0}")]
    TaskFailed(String),
    /// The user said no, or pressed Ctrl-C.
    #[error("{0}")]
    Cancelled(String),
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::NotFound(_) => 4,
            Self::Unreachable(_) => 5,
            Self::Wallet(_) => 6,
            Self::Mismatch(_) => 7,
            Self::TaskFailed(_) => 8,
            Self::Cancelled(_) => 9,
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Unreachable(format!("the chain did not answer: {error}. Check --rpc-url."))
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(refusal) => {
                Self::Refused(format!("the contract refuses: {}", refusal.reason))
            }
            SendError::NoGas { .. } | SendError::FeeAboveCap { .. } | SendError::Stopped => {
                Self::Refused(error.to_string())
            }
        }
    }
}
