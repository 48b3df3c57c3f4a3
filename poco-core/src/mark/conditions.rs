//! Sets of conditions, by name and by bit.

use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::Address;
use core::fmt;
use core::ops::BitOr;

/// A set of conditions, one bit each. It holds whatever bits a salt has, known or not.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Conditions(u8);

impl Conditions {
    /// Nothing beyond what holds for every order.
    pub const NONE: Self = Self(0);
    /// Of a request: whoever matches it pays, never the requester.
    pub const SPONSOR_ONLY: Self = Self(1);
    /// What is recorded as the result is what was voted for: its keccak256 is the digest.
    pub const BOUND_RESULTS: Self = Self(2);
    /// Who withholds a reveal pays for it though the task ends in a claim; a task that was reopened
    /// takes contributions until 9T.
    pub const STRICT_REVEALS: Self = Self(4);
    /// Only workers that the guard knows may vote.
    pub const KNOWN_WORKERS: Self = Self(8);
    /// Only keys that the guard knows pass as enclaves.
    pub const KNOWN_ENCLAVES: Self = Self(16);

    /// Those that a pool must offer before an app or a request gets them.
    pub const OFFERED: Self = Self(2 | 4 | 8 | 16);
    /// All that have a name.
    pub const KNOWN: Self = Self(1 | 2 | 4 | 8 | 16);
    /// Those that name a guard.
    pub const GUARDED: Self = Self(8 | 16);
    /// Every condition with its name, lowest bit first.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("sponsor-only", Self::SPONSOR_ONLY),
        ("bound-results", Self::BOUND_RESULTS),
        ("strict-reveals", Self::STRICT_REVEALS),
        ("known-workers", Self::KNOWN_WORKERS),
        ("known-enclaves", Self::KNOWN_ENCLAVES),
    ];

    /// The set with these bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The condition of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let named = Self::NAMED.into_iter().find(|(known, _)| *known == name);
        named.map(|(_, condition)| condition)
    }

    /// The names of the set's conditions; bits without a name are left out.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let held = Self::NAMED.into_iter().filter(|(_, condition)| self.contains(*condition));
        held.map(|(name, _)| name).collect()
    }

    /// Whether every condition of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        other.without(self).is_none()
    }

    /// Whether the two have a condition in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// This set without the conditions of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Conditions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Conditions {
    /// The names, joined by commas; `none` for the empty set, and bits without a name as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.names().into_iter().map(String::from).collect();
        let unnamed = self.without(Self::KNOWN);
        if !unnamed.is_none() {
            words.push(alloc::format!("0x{:02x}", unnamed.0));
        }
        if words.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&words.join(","))
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conditions({self})")
    }
}

/// The conditions that a deal keeps, and who guards it where one of them asks for a guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DealConditions {
    conditions: Conditions,
    guard: Address,
}

impl DealConditions {
    /// Those of a deal without any.
    pub const NONE: Self = Self { conditions: Conditions::NONE, guard: Address::ZERO };

    /// `conditions` under `guard`, which counts only where one of them asks for a guard.
    #[must_use]
    pub fn new(conditions: Conditions, guard: Address) -> Self {
        let is_guarded = conditions.meets(Conditions::GUARDED);
        Self { conditions, guard: if is_guarded { guard } else { Address::ZERO } }
    }

    /// The conditions alone.
    #[must_use]
    pub const fn conditions(self) -> Conditions {
        self.conditions
    }

    /// Whether the deal keeps all of these conditions.
    #[must_use]
    pub const fn has(self, condition: Conditions) -> bool {
        self.conditions.contains(condition)
    }

    /// The group that says who may vote, or whose key is an enclave's.
    #[must_use]
    pub fn guard(self) -> Option<Address> {
        self.conditions.meets(Conditions::GUARDED).then_some(self.guard)
    }

    /// The group that knows who may vote; `None` where everybody may whom the pool authorizes.
    #[must_use]
    pub fn guard_of_workers(self) -> Option<Address> {
        self.has(Conditions::KNOWN_WORKERS).then_some(self.guard)
    }
}

impl fmt::Display for DealConditions {
    /// As `known-workers (guard 0x…)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.guard() {
            None => self.conditions.fmt(f),
            Some(guard) => write!(f, "{} (guard {guard})", self.conditions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_condition_is_found_by_the_name_it_shows() {
        let mut all = Conditions::NONE;
        for (name, condition) in Conditions::NAMED {
            assert_eq!(Conditions::find(name), Some(condition));
            assert_eq!(condition.to_string(), name);
            assert!(!all.meets(condition));
            all = all | condition;
        }
        assert_eq!(all, Conditions::KNOWN);
        assert_eq!(all, Conditions::OFFERED | Conditions::SPONSOR_ONLY);
        assert_eq!(Conditions::find("none"), None);
    }

    #[test]
    fn bits_without_a_name_are_shown_and_not_lost() {
        let odd = Conditions::from_bits(0xe2);
        assert_eq!(odd.to_string(), "bound-results,0xe0");
        assert_eq!(odd.names(), ["bound-results"]);
        assert_eq!(Conditions::NONE.to_string(), "none");
    }

    #[test]
    fn a_deal_has_a_guard_where_a_condition_asks_for_one() {
        let group = Address::repeat_byte(7);
        let strict = DealConditions::new(Conditions::STRICT_REVEALS, group);
        assert_eq!((strict.guard(), strict.to_string().as_str()), (None, "strict-reveals"));
        let enclaves = DealConditions::new(Conditions::KNOWN_ENCLAVES, group);
        assert_eq!((enclaves.guard(), enclaves.guard_of_workers()), (Some(group), None));
        let workers = DealConditions::new(Conditions::KNOWN_WORKERS, group);
        assert_eq!(workers.guard_of_workers(), Some(group));
        assert_eq!(workers.to_string(), alloc::format!("known-workers (guard {group})"));
    }
}
