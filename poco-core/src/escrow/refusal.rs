//! Why the escrow refuses to move money: one variant per reason.

/// Why the escrow refuses a movement. A refused movement may have written; its caller rolls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EscrowRefusal {
    /// Stake of the zero address cannot be locked.
    #[error("the zero address has no stake to lock")]
    LockOfZero,
    /// The zero address cannot be paid.
    #[error("the zero address cannot be paid")]
    PaymentToZero,
    /// A lock exceeds the free stake.
    #[error("the free stake is too low")]
    FreeTooLow,
    /// A seizure or an unlock exceeds the frozen stake; no sequence of calls leads here.
    #[error("the frozen stake is too low")]
    FrozenTooLow,
    /// Free stake cannot come from the zero address.
    #[error("the zero address has no stake to transfer")]
    TransferFromZero,
    /// Free stake cannot go to the zero address.
    #[error("stake cannot be transferred to the zero address")]
    TransferToZero,
    /// Free stake cannot be made for the zero address.
    #[error("stake cannot be deposited for the zero address")]
    MintToZero,
    /// The zero address has nothing to withdraw.
    #[error("the zero address has no stake to withdraw")]
    BurnFromZero,
    /// The zero address cannot allow anything.
    #[error("the zero address cannot allow anything")]
    ApproveFromZero,
    /// The zero address cannot be allowed anything.
    #[error("the zero address cannot be allowed anything")]
    ApproveToZero,
    /// A transfer or withdrawal exceeds the free stake.
    #[error("the account has less free stake than that")]
    BalanceTooLow,
    /// A transfer exceeds what was allowed.
    #[error("the allowance is lower than that")]
    AllowanceTooLow,
    /// A sum exceeds 256 bits.
    #[error("an amount exceeds 256 bits")]
    Overflow,
}

impl EscrowRefusal {
    /// The revert string of the reference; `None` where it reverts without one.
    #[must_use]
    pub const fn reference_text(self) -> Option<&'static str> {
        match self {
            Self::LockOfZero => Some("IexecEscrow: Transfer from empty address"),
            Self::PaymentToZero => Some("IexecEscrow: Transfer to empty address"),
            Self::FreeTooLow => Some("IexecEscrow: Transfer amount exceeds balance"),
            Self::TransferFromZero => Some("ERC20: transfer from the zero address"),
            Self::TransferToZero => Some("ERC20: transfer to the zero address"),
            Self::MintToZero => Some("ERC20: mint to the zero address"),
            Self::BurnFromZero => Some("ERC20: burn from the zero address"),
            Self::ApproveFromZero => Some("ERC20: approve from the zero address"),
            Self::ApproveToZero => Some("ERC20: approve to the zero address"),
            Self::FrozenTooLow | Self::BalanceTooLow | Self::AllowanceTooLow | Self::Overflow => {
                None
            }
        }
    }
}
