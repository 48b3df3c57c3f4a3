//! Why a command ended without doing what it was asked, and the exit code that says so.

use poco_chain::{RpcError, SendError};
use poco_market_client::MarketError;

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
    /// The chain, the market or the pool did not answer, or is another than the one meant.
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

    /// The same failure, with what its user must know besides.
    pub(crate) fn and(self, more: &str) -> Self {
        let longer = |text: String| format!("{text}; {more}");
        match self {
            Self::Local(error) => Self::Local(anyhow::anyhow!(longer(format!("{error:#}")))),
            Self::Usage(text) => Self::Usage(longer(text)),
            Self::Refused(text) => Self::Refused(longer(text)),
            Self::NotFound(text) => Self::NotFound(longer(text)),
            Self::Unreachable(text) => Self::Unreachable(longer(text)),
            Self::Wallet(text) => Self::Wallet(longer(text)),
            Self::Mismatch(text) => Self::Mismatch(longer(text)),
            Self::TaskFailed(text) => Self::TaskFailed(longer(text)),
            Self::Cancelled(text) => Self::Cancelled(longer(text)),
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Unreachable(format!(
            "the chain cannot be read: {error}; is the node running, and is --rpc-url right?"
        ))
    }
}

impl From<MarketError> for Failure {
    fn from(error: MarketError) -> Self {
        let text = error.to_string();
        match error {
            MarketError::Silent(_) | MarketError::Foreign(_) => {
                Self::Unreachable(format!("{text}: check --market-url"))
            }
            MarketError::Unreadable(_) | MarketError::Failed { .. } => Self::Unreachable(text),
            MarketError::NotFound(_) => Self::NotFound(text),
            MarketError::Refused(_) => Self::Refused(text),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(refusal) => {
                Self::Refused(format!("the contract refuses: {}", refusal.reason))
            }
            SendError::NoGas { .. } | SendError::FeeAboveCap { .. } => {
                Self::Refused(error.to_string())
            }
            // The one reason in a process that sends a single transaction.
            SendError::Stopped => Self::Local(anyhow::anyhow!(
                "the nonce ledger cannot be written: free some space, or choose another POCO_STATE_DIR"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_the_number_that_the_readme_lists() {
        let text = || "why".to_owned();
        let all = [
            (Failure::Local(anyhow::anyhow!("why")), 1),
            (Failure::Usage(text()), 2),
            (Failure::Refused(text()), 3),
            (Failure::NotFound(text()), 4),
            (Failure::Unreachable(text()), 5),
            (Failure::Wallet(text()), 6),
            (Failure::Mismatch(text()), 7),
            (Failure::TaskFailed(text()), 8),
            (Failure::Cancelled(text()), 9),
        ];
        let readme = include_str!("../../README.md");
        for (failure, code) in all {
            assert!(readme.contains(&format!("\n| {code} | ")), "README lists {code}");
            assert_eq!(failure.exit_code(), code);
            let longer = failure.and("what now");
            assert_eq!((longer.exit_code(), longer.to_string().as_str()), (code, "why; what now"));
        }
    }
}
