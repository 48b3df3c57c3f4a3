//! Marked salts: what an order says beyond its typed data.
//!
//! Typed data have no room for more and stay as every client knows them, so a signer says it in
//! the salt, which is the signer's to choose. A salt that begins with `poco` is a mark:
//!
//! ```text
//! "poco" 4 bytes | conditions 1 | expiry 5, seconds | epoch 2 | guard 20, or anything
//! ```
//!
//! Any other salt says nothing. Only our own hub heeds marks; iExec's takes them for what every
//! other salt is. What the four salts of a match come to is in [`agreement`]; what conditions
//! change in the life of a task is the hub's matter.

pub mod agreement;
mod conditions;
mod event;

pub use conditions::{Conditions, DealConditions};
pub use event::ConditionsEvent;

use crate::types::Timestamp;
use alloy_primitives::{Address, B256};

/// The first bytes of a marked salt.
pub const PREFIX: [u8; 4] = *b"poco";

/// The last second that an expiry can name: it has 40 bits.
pub const EXPIRY_MAX: Timestamp = Timestamp((1 << 40) - 1);

/// What a marked salt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderMark {
    conditions: Conditions,
    expiry: Timestamp,
    epoch: u16,
    tail: Address,
}

/// An expiry that a mark has no bits for, or that would say "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order cannot expire at second {}: a mark names 1 to {}", .0.0, EXPIRY_MAX.0)]
pub struct ExpiryOutOfRange(
    /// The expiry.
    pub Timestamp,
);

impl OrderMark {
    /// The mark of an order that asks for (a pool's: offers) `conditions`, matches before `expiry`
    /// and as long as its signer's epoch is `epoch`. `tail` is the guard where a condition names
    /// one; else any bytes that tell this order from others.
    ///
    /// # Errors
    /// An `expiry` of zero or above [`EXPIRY_MAX`].
    pub fn new(
        conditions: Conditions,
        expiry: Option<Timestamp>,
        epoch: u16,
        tail: Address,
    ) -> Result<Self, ExpiryOutOfRange> {
        let expiry = match expiry {
            None => Timestamp(0),
            Some(expiry) if expiry == Timestamp(0) || expiry > EXPIRY_MAX => {
                return Err(ExpiryOutOfRange(expiry));
            }
            Some(expiry) => expiry,
        };
        Ok(Self { conditions, expiry, epoch, tail })
    }

    /// What a salt says; `None` for one that is not marked.
    #[must_use]
    pub fn of_salt(salt: B256) -> Option<Self> {
        let [p0, p1, p2, p3, conditions, t0, t1, t2, t3, t4, e0, e1, tail @ ..] = salt.0;
        ([p0, p1, p2, p3] == PREFIX).then_some(Self {
            conditions: Conditions::from_bits(conditions),
            expiry: Timestamp(u64::from_be_bytes([0, 0, 0, t0, t1, t2, t3, t4])),
            epoch: u16::from_be_bytes([e0, e1]),
            tail: Address::new(tail),
        })
    }

    /// The salt that says this.
    #[must_use]
    pub fn to_salt(self) -> B256 {
        let [p0, p1, p2, p3] = PREFIX;
        let [_, _, _, t0, t1, t2, t3, t4] = self.expiry.0.to_be_bytes();
        let [e0, e1] = self.epoch.to_be_bytes();
        let head = [p0, p1, p2, p3, self.conditions.bits(), t0, t1, t2, t3, t4, e0, e1];
        let mut salt = B256::ZERO;
        for (byte, said) in salt.0.iter_mut().zip(head.into_iter().chain(self.tail.into_array())) {
            *byte = said;
        }
        salt
    }

    /// What the order asks for, or a pool's order offers.
    #[must_use]
    pub const fn conditions(self) -> Conditions {
        self.conditions
    }

    /// From when on the order matches no more; `None` where it never expires.
    #[must_use]
    pub fn expiry(self) -> Option<Timestamp> {
        (self.expiry != Timestamp(0)).then_some(self.expiry)
    }

    /// Whether the order matches no more at `now`.
    #[must_use]
    pub fn has_expired(self, now: Timestamp) -> bool {
        self.expiry().is_some_and(|expiry| expiry.has_passed(now))
    }

    /// The signer's epoch in which the order is good; whoever raises its epoch cancels it.
    #[must_use]
    pub const fn epoch(self) -> u16 {
        self.epoch
    }

    /// The last twenty bytes, whatever they stand for.
    #[must_use]
    pub const fn tail(self) -> Address {
        self.tail
    }

    /// The group that the conditions name; `None` where none of them names one.
    #[must_use]
    pub fn guard(self) -> Option<Address> {
        self.conditions.meets(Conditions::GUARDED).then_some(self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloy_primitives::b256;

    const TAIL: Address = Address::repeat_byte(0xab);

    #[test]
    fn each_field_has_its_bytes() {
        let conditions = Conditions::BOUND_RESULTS | Conditions::KNOWN_WORKERS;
        let mark =
            OrderMark::new(conditions, Some(Timestamp(0x01_0203_0405)), 0x0607, TAIL).unwrap();
        let salt = b256!("706f636f0a01020304050607abababababababababababababababababababab");
        assert_eq!(mark.to_salt(), salt);
        assert_eq!(OrderMark::of_salt(salt), Some(mark));
        assert_eq!(mark.guard(), Some(TAIL));
    }

    #[test]
    fn a_salt_without_the_prefix_says_nothing() {
        for salt in [B256::ZERO, B256::repeat_byte(0x70), B256::repeat_byte(0xff)] {
            assert_eq!(OrderMark::of_salt(salt), None);
        }
        let mut almost = OrderMark::new(Conditions::NONE, None, 0, TAIL).unwrap().to_salt();
        almost.0[3] ^= 1;
        assert_eq!(OrderMark::of_salt(almost), None);
    }

    #[test]
    fn without_a_guarded_condition_the_tail_is_no_guard() {
        for conditions in [Conditions::NONE, Conditions::SPONSOR_ONLY, Conditions::STRICT_REVEALS] {
            let mark = OrderMark::new(conditions, None, 0, TAIL).unwrap();
            assert_eq!((mark.guard(), mark.tail()), (None, TAIL));
        }
        let enclaves = OrderMark::new(Conditions::KNOWN_ENCLAVES, None, 0, TAIL).unwrap();
        assert_eq!(enclaves.guard(), Some(TAIL));
    }

    #[test]
    fn an_order_is_good_until_the_second_before_its_expiry() {
        let mark = OrderMark::new(Conditions::NONE, Some(Timestamp(100)), 0, TAIL).unwrap();
        assert!(!mark.has_expired(Timestamp(99)));
        assert!(mark.has_expired(Timestamp(100)));
        let never = OrderMark::new(Conditions::NONE, None, 0, TAIL).unwrap();
        assert!(!never.has_expired(Timestamp(u64::MAX)));
    }

    #[test]
    fn an_expiry_that_a_mark_cannot_say_is_refused() {
        for expiry in [Timestamp(0), Timestamp(1 << 40), Timestamp(u64::MAX)] {
            let refused = OrderMark::new(Conditions::NONE, Some(expiry), 0, TAIL);
            assert_eq!(refused, Err(ExpiryOutOfRange(expiry)));
        }
        assert_eq!(
            ExpiryOutOfRange(Timestamp(0)).to_string(),
            "an order cannot expire at second 0: a mark names 1 to 1099511627775"
        );
        let last = OrderMark::new(Conditions::NONE, Some(EXPIRY_MAX), u16::MAX, TAIL).unwrap();
        assert_eq!(OrderMark::of_salt(last.to_salt()), Some(last));
    }
}
