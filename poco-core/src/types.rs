//! The words of the protocol as types: ids, digests, amounts, times.

use alloy_primitives::{B256, U256};
use core::fmt;

/// Declares a 32-byte identifier that is shown as 0x-prefixed hex.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(pub B256);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self(B256::ZERO);
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // With an explicit LowerHex: B256's own Display shortens in alternate mode.
                write!(f, "0x{:x}", self.0)
            }
        }

        impl From<B256> for $name {
            fn from(word: B256) -> Self {
                Self(word)
            }
        }

        impl core::str::FromStr for $name {
            type Err = NotAWord;

            fn from_str(text: &str) -> Result<Self, NotAWord> {
                let digits = text.strip_prefix("0x").ok_or(NotAWord)?;
                digits.parse().map(Self).map_err(|_| NotAWord)
            }
        }
    };
}

/// A text that is not 0x and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 0x and 64 hexadecimal digits")]
pub struct NotAWord;

word!(
    /// `keccak256(requestHash ‖ consumed[requestHash])`: names a deal.
    DealId
);
word!(
    /// `keccak256(dealid ‖ index)`: names a task.
    TaskId
);
word!(
    /// The EIP-712 hash of an order, over the hub's domain.
    OrderHash
);
word!(
    /// 32 bytes that stand for what an app produced; computed off chain by every worker.
    ResultDigest
);
word!(
    /// `keccak256(taskid ‖ digest)`: a worker's vote, equal for all who agree.
    ResultHash
);
word!(
    /// `keccak256(worker ‖ taskid ‖ digest)`: binds a vote to the wallet that computed it.
    ResultSeal
);

/// The number of a category; categories are created one after the other from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct CategoryId(pub u64);

impl fmt::Display for CategoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block's time, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time `seconds` later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whether an act with this deadline is too late at `now`: a deadline that equals `now` has passed.
    #[must_use]
    pub const fn has_passed(self, now: Self) -> bool {
        self.0 <= now.0
    }

    /// Seconds from `now` until this time, 0 if it has passed.
    #[must_use]
    pub const fn seconds_from(self, now: Self) -> u64 {
        self.0.saturating_sub(now.0)
    }
}

/// An amount of money in nRLC (1 RLC = 10^9 nRLC).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Amount(#[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))] pub U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// nRLC in one RLC.
    pub const NANO_PER_RLC: u64 = 1_000_000_000;

    /// `nano` nRLC.
    #[must_use]
    pub const fn from_nano(nano: u64) -> Self {
        Self(U256::from_limbs([nano, 0, 0, 0]))
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The sum, or `None` where it exceeds 256 bits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` where it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `count` times this amount, or `None` where it exceeds 256 bits.
    #[must_use]
    pub fn checked_mul(self, count: U256) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// `floor(self * percent / 100)`, or `None` where the product exceeds 256 bits.
    #[must_use]
    pub fn percentage_floor(self, percent: U256) -> Option<Self> {
        let product = self.0.checked_mul(percent)?;
        product.checked_div(U256::from(100)).map(Self)
    }
}

impl fmt::Display for Amount {
    /// Shows RLC with as many decimals as needed, for instance `1.35 RLC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nano = U256::from(Self::NANO_PER_RLC);
        let (whole, rest) = self.0.div_rem(nano);
        if rest.is_zero() {
            return write!(f, "{whole} RLC");
        }
        let decimals = alloc::format!("{:09}", rest.to::<u64>());
        write!(f, "{whole}.{} RLC", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_deadline_that_equals_now_has_passed() {
        assert!(Timestamp(10).has_passed(Timestamp(10)));
        assert!(!Timestamp(11).has_passed(Timestamp(10)));
    }

    #[test]
    fn amounts_are_shown_in_rlc_without_trailing_zeros() {
        assert_eq!(Amount::from_nano(1_350_000_001).to_string(), "1.350000001 RLC");
        assert_eq!(Amount::from_nano(20_000_000_000).to_string(), "20 RLC");
        assert_eq!(Amount::from_nano(1).to_string(), "0.000000001 RLC");
    }

    #[test]
    fn ids_are_read_back_from_what_they_show() {
        let id = TaskId(B256::repeat_byte(0xab));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("abcd".parse::<TaskId>(), Err(NotAWord));
    }
}
