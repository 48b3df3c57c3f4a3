//! How orders are written as JSON: the shape that clients of the market read and send.
//!
//! Binary formats keep the 32 bytes of an integer instead.

use alloc::{format, string::String};
use alloy_primitives::{Address, U256};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod signed;

/// The largest integer that every JSON reader keeps exactly.
const JSON_SAFE_MAX: u64 = (1 << 53) - 1;

/// Integers of up to 256 bits: read from a JSON number or a decimal or 0x string, written as a
/// number up to 2^53 - 1 and as a decimal string above.
pub(crate) mod uint {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return value.to_be_bytes::<32>().serialize(serializer);
        }
        match u64::try_from(*value) {
            Ok(small) if small <= JSON_SAFE_MAX => serializer.serialize_u64(small),
            Ok(_) | Err(_) => serializer.serialize_str(&format!("{value}")),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<U256, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(UintVisitor);
        }
        <[u8; 32]>::deserialize(deserializer).map(U256::from_be_bytes)
    }

    struct UintVisitor;

    impl de::Visitor<'_> for UintVisitor {
        type Value = U256;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a non-negative integer, as a number or a string")
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<U256, E> {
            Ok(U256::from(value))
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<U256, E> {
            u64::try_from(value)
                .map(U256::from)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<U256, E> {
            let (digits, radix) = match text.strip_prefix("0x") {
                Some(hex) => (hex, 16),
                None => (text, 10),
            };
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return Err(E::invalid_value(de::Unexpected::Str(text), &self));
            }
            U256::from_str_radix(digits, u64::from(radix))
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
}

/// Addresses: read in any case (a mixed case must be the checksummed one), written checksummed.
pub(crate) mod address {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Address,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&value.to_checksum(None))
        } else {
            value.0.0.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Address, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 20]>::deserialize(deserializer).map(Address::from);
        }
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or_default();
        let mixed = digits.chars().any(|c| c.is_ascii_lowercase())
            && digits.chars().any(|c| c.is_ascii_uppercase());
        if mixed {
            return Address::parse_checksummed(&text, None)
                .map_err(|_| de::Error::custom(format!("{text} is not a checksummed address")));
        }
        if !text.starts_with("0x") {
            return Err(de::Error::custom(format!("{text} is not an address")));
        }
        text.parse().map_err(|_| de::Error::custom(format!("{text} is not an address")))
    }
}
