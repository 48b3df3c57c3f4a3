//! Tags: 256 bits that say what a run needs and what a pool offers.

use alloy_primitives::B256;
use core::fmt;
use core::ops::BitOr;

/// A set of feature bits; the lowest bit is that of the last byte.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Tag(pub B256);

/// The bits that have a name, lowest first.
pub const NAMED_BITS: [(&str, Tag); 5] = [
    ("tee", Tag::TEE),
    ("scone", Tag::SCONE),
    ("gramine", Tag::GRAMINE),
    ("tdx", Tag::TDX),
    ("gpu", Tag::GPU),
];

impl Tag {
    /// Needs nothing.
    pub const NONE: Self = Self(B256::ZERO);
    /// The run must happen in a trusted execution environment.
    pub const TEE: Self = Self::low(0x1);
    /// Scone enclaves.
    pub const SCONE: Self = Self::low(0x2);
    /// Gramine enclaves.
    pub const GRAMINE: Self = Self::low(0x4);
    /// Intel TDX.
    pub const TDX: Self = Self::low(0x8);
    /// A GPU.
    pub const GPU: Self = Self::low(0x100);
    /// The kinds of enclave: a dataset's wish for one of them does not bind the pool.
    pub const TEE_KINDS: Self = Self::low(0xe);

    const fn low(bits: u16) -> Self {
        let mut word = [0u8; 32];
        let [high, low] = bits.to_be_bytes();
        word[30] = high;
        word[31] = low;
        Self(B256::new(word))
    }

    /// Whether every bit of `other` is in this tag.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        other.without(self).is_none()
    }

    /// Whether the two have a bit in common.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        !(self.0 & other.0).is_zero()
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0.is_zero()
    }

    /// This tag without the bits of `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Tag {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl fmt::Display for Tag {
    /// The names of the bits, joined by commas; hex where a bit has no name; `none` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let mut rest = *self;
        let mut separator = "";
        for (name, bit) in NAMED_BITS {
            if self.contains(bit) {
                write!(f, "{separator}{name}")?;
                separator = ",";
                rest = rest.without(bit);
            }
        }
        if rest.is_none() { Ok(()) } else { write!(f, "{separator}0x{:x}", rest.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn bits_are_counted_from_the_last_byte() {
        let tdx = Tag::TEE | Tag::TDX;
        assert!(tdx.0.as_slice().ends_with(&[0x09]));
        assert!(Tag::GPU.0.as_slice().ends_with(&[0x01, 0x00]));
        assert_eq!(tdx.to_string(), "tee,tdx");
    }

    #[test]
    fn contains_asks_for_every_bit() {
        assert!((Tag::TEE | Tag::GPU).contains(Tag::GPU));
        assert!(!Tag::TEE.contains(Tag::TEE | Tag::GPU));
        assert!(Tag::NONE.contains(Tag::NONE));
    }
}
