//! What the operator has ordered, and who may work: the lists of the configuration with the
//! operator's word on single wallets over them.
//!
//! Orders are stored before they are answered and hold over restarts. What they do to tasks, the
//! core decides.

use poco_core::Address;
use poco_scheduler_core::Operation;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Wallets with a word of the operator's on them: bounds the record, which is stored whole.
const WALLETS_MAX: usize = 10_000;

/// What the operator wants from a running scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
    Drain(Address),
    Undrain(Address),
    Allow(Address),
    Deny(Address),
    Forget(Address),
}

/// The operator's word on a wallet, over the lists of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Allowed,
    Denied,
}

/// Every order that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) is_paused: bool,
    pub(crate) drained: BTreeSet<Address>,
    pub(crate) verdicts: BTreeMap<Address, Verdict>,
}

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderRefusal {
    #[error("there are orders about {WALLETS_MAX} wallets already; undrain or forget some first")]
    TooMany,
}

impl Order {
    /// What the core must know of it.
    pub(crate) fn operation(self) -> Option<Operation> {
        match self {
            Self::Pause => Some(Operation::Pause),
            Self::Resume => Some(Operation::Resume),
            Self::Drain(worker) => Some(Operation::Drain(worker)),
            Self::Undrain(worker) => Some(Operation::Undrain(worker)),
            Self::Allow(_) | Self::Deny(_) | Self::Forget(_) => None,
        }
    }
}

impl Standing {
    /// Takes an order in; `false` where it changes nothing.
    ///
    /// # Errors
    /// [`OrderRefusal`].
    pub(crate) fn apply(&mut self, order: Order) -> Result<bool, OrderRefusal> {
        let is_full = self.drained.len().saturating_add(self.verdicts.len()) >= WALLETS_MAX;
        let is_new = match order {
            Order::Drain(worker) => !self.drained.contains(&worker),
            Order::Allow(worker) | Order::Deny(worker) => !self.verdicts.contains_key(&worker),
            Order::Pause | Order::Resume | Order::Undrain(_) | Order::Forget(_) => false,
        };
        if is_full && is_new {
            return Err(OrderRefusal::TooMany);
        }
        let give = |verdicts: &mut BTreeMap<Address, Verdict>, worker, verdict| {
            verdicts.insert(worker, verdict) != Some(verdict)
        };
        Ok(match order {
            Order::Pause => !std::mem::replace(&mut self.is_paused, true),
            Order::Resume => std::mem::replace(&mut self.is_paused, false),
            Order::Drain(worker) => self.drained.insert(worker),
            Order::Undrain(worker) => self.drained.remove(&worker),
            Order::Allow(worker) => give(&mut self.verdicts, worker, Verdict::Allowed),
            Order::Deny(worker) => give(&mut self.verdicts, worker, Verdict::Denied),
            Order::Forget(worker) => self.verdicts.remove(&worker).is_some(),
        })
    }

    /// The orders that a core must be told at its start.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation> {
        let paused = self.is_paused.then_some(Operation::Pause);
        paused.into_iter().chain(self.drained.iter().copied().map(Operation::Drain))
    }
}

/// Who may work. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Everybody, where it is empty.
    allowed: BTreeSet<Address>,
    denied: BTreeSet<Address>,
    standing: RwLock<Standing>,
}

impl Admission {
    /// The lists of the configuration, and what was stored.
    pub(crate) fn new(
        allowed: BTreeSet<Address>,
        denied: BTreeSet<Address>,
        standing: Standing,
    ) -> Self {
        Self { shared: Arc::new(Shared { allowed, denied, standing: RwLock::new(standing) }) }
    }

    pub(crate) fn admits(&self, worker: Address) -> bool {
        let standing = self.shared.standing.read().unwrap_or_else(PoisonError::into_inner);
        match standing.verdicts.get(&worker) {
            Some(Verdict::Allowed) => true,
            Some(Verdict::Denied) => false,
            None => {
                let is_known =
                    self.shared.allowed.is_empty() || self.shared.allowed.contains(&worker);
                is_known && !self.shared.denied.contains(&worker)
            }
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        // Every change of it is complete by itself.
        self.shared.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, standing: Standing) {
        *self.shared.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    pub(crate) fn configured(&self) -> (&BTreeSet<Address>, &BTreeSet<Address>) {
        (&self.shared.allowed, &self.shared.denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn admission(allowed: &[Address], denied: &[Address], orders: &[Order]) -> Admission {
        let mut standing = Standing::default();
        for order in orders {
            standing.apply(*order).unwrap();
        }
        Admission::new(
            allowed.iter().copied().collect(),
            denied.iter().copied().collect(),
            standing,
        )
    }

    #[test]
    fn the_operators_word_on_a_wallet_is_over_the_lists() {
        let of = |allowed: &[Address], denied: &[Address], orders: &[Order]| {
            let admission = admission(allowed, denied, orders);
            [KNOWN, OTHER].map(|worker| admission.admits(worker))
        };
        assert_eq!(of(&[], &[], &[]), [true, true]);
        assert_eq!(of(&[KNOWN], &[], &[]), [true, false]);
        assert_eq!(of(&[], &[KNOWN], &[]), [false, true]);
        assert_eq!(of(&[KNOWN], &[], &[Order::Allow(OTHER)]), [true, true]);
        assert_eq!(of(&[KNOWN], &[], &[Order::Deny(KNOWN)]), [false, false]);
        assert_eq!(of(&[], &[KNOWN], &[Order::Allow(KNOWN)]), [true, true]);
        let taken_back = [Order::Deny(KNOWN), Order::Forget(KNOWN)];
        assert_eq!(of(&[], &[], &taken_back), [true, true]);
    }

    #[test]
    fn an_order_that_changes_nothing_says_so() {
        let mut standing = Standing::default();
        for order in [Order::Pause, Order::Drain(KNOWN), Order::Deny(KNOWN)] {
            assert_eq!((standing.apply(order), standing.apply(order)), (Ok(true), Ok(false)));
        }
        let operations: Vec<_> = standing.operations().collect();
        assert_eq!(operations, [Operation::Pause, Operation::Drain(KNOWN)]);
        for order in [Order::Resume, Order::Undrain(KNOWN), Order::Forget(KNOWN)] {
            assert_eq!((standing.apply(order), standing.apply(order)), (Ok(true), Ok(false)));
        }
        assert_eq!(standing, Standing::default());
    }

    #[test]
    fn orders_without_end_are_refused() {
        let mut standing = Standing::default();
        let wallet = |number: usize| Address::left_padding_from(&number.to_be_bytes());
        for number in 0..WALLETS_MAX {
            standing.apply(Order::Deny(wallet(number))).unwrap();
        }
        let one_more = wallet(WALLETS_MAX);
        assert_eq!(standing.apply(Order::Deny(one_more)), Err(OrderRefusal::TooMany));
        assert_eq!(standing.apply(Order::Drain(one_more)), Err(OrderRefusal::TooMany));
        assert_eq!(standing.apply(Order::Allow(wallet(0))), Ok(true));
        assert_eq!(standing.apply(Order::Pause), Ok(true));
    }
}
