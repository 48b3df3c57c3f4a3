//! Recovering who signed a 32-byte hash.

use alloy_primitives::{Address, B256, Signature, U256};

/// Half the order of secp256k1: signatures with a larger `s` have a twin and are refused.
const S_MAX: U256 = U256::from_limbs([
    0xDFE9_2F46_681B_20A0,
    0x5D57_6E73_57A4_501D,
    0xFFFF_FFFF_FFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
]);

/// The wallet that made a 65-byte (r, s, v) or 64-byte (EIP-2098) signature over `hash`.
///
/// `None` for any other length, a high `s`, a `v` other than 27 and 28 (the precompile knows no
/// others), or a point that is on no curve.
#[must_use]
pub fn recover(hash: B256, signature: &[u8]) -> Option<Address> {
    let (r, s, is_odd) = match signature.len() {
        65 => {
            let (r, rest) = signature.split_at_checked(32)?;
            let (s, v) = rest.split_at_checked(32)?;
            let is_odd = match v.first()? {
                27 => false,
                28 => true,
                _ => return None,
            };
            (U256::try_from_be_slice(r)?, U256::try_from_be_slice(s)?, is_odd)
        }
        64 => {
            let (r, vs) = signature.split_at_checked(32)?;
            let vs = U256::try_from_be_slice(vs)?;
            // The highest bit, which a low s never has, holds the parity.
            let s_mask = U256::MAX.wrapping_shr(1);
            (U256::try_from_be_slice(r)?, vs & s_mask, vs.bit(255))
        }
        _ => return None,
    };
    if s > S_MAX {
        return None;
    }
    let signature = Signature::new(r, s, is_odd);
    signature.recover_address_from_prehash(&hash).ok().filter(|signer| !signer.is_zero())
}
