//! What the four salts of a match come to: the same checks as the hub's, in the hub's order.
//!
//! An app and a request ask; a pool offers, since all conditions but the first are at its own or
//! its workers' risk; a dataset's order only expires or is cancelled. What is offered and not asked
//! for has no effect.

use super::{Conditions, DealConditions, OrderMark};
use crate::types::Timestamp;
use alloy_primitives::{Address, B256};

/// An order as far as its mark goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The order's salt, marked or not.
    pub salt: B256,
    /// Whose order it is: the owner of the resource, or the requester.
    pub signer: Address,
    /// The signer's epoch on chain.
    pub epoch: u16,
}

/// The orders of a match, and who would pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The app's order.
    pub app: Marked,
    /// The dataset's order; `None` without a dataset, whose salt nobody has signed.
    pub dataset: Option<Marked>,
    /// The pool's order.
    pub workerpool: Marked,
    /// The request.
    pub request: Marked,
    /// Who pays: the requester, or a sponsor.
    pub payer: Address,
}

/// Why the hub does not match orders that fit otherwise. Named as its errors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Disagreement {
    /// An order says what its kind cannot, or what nobody knows.
    #[error("the order of {signer} says what no order of its kind can: {conditions}")]
    ConditionsUnknown {
        /// Whose order.
        signer: Address,
        /// All that it says.
        conditions: Conditions,
    },
    /// An order's time is over.
    #[error("the order of {signer} expired at second {}", .expiry.0)]
    OrderExpired {
        /// Whose order.
        signer: Address,
        /// When.
        expiry: Timestamp,
    },
    /// An order was signed in another epoch of its signer.
    #[error(
        "the order of {signer} is one of epoch {epoch}, and {signer} is in epoch {current}: it was cancelled"
    )]
    OrderOfOtherEpoch {
        /// Whose order.
        signer: Address,
        /// The order's epoch.
        epoch: u16,
        /// The signer's.
        current: u16,
    },
    /// The request wants a sponsor.
    #[error("{requester} wants a sponsor to pay")]
    SponsorMissing {
        /// Who would pay.
        requester: Address,
    },
    /// The pool does not offer all that the app and the request ask for.
    #[error("{asked} is asked for, and the pool offers {offered}")]
    ConditionsNotOffered {
        /// What app and request ask for, of what a pool offers.
        asked: Conditions,
        /// What the pool's order says.
        offered: Conditions,
    },
    /// The pool offers another guard than the one asked for.
    #[error("{asked} is to be the guard, and the pool offers {offered}")]
    GuardsDiffer {
        /// Whom the app or the request names.
        asked: Address,
        /// Whom the pool names.
        offered: Address,
    },
    /// The boost lane keeps no conditions.
    #[error("the boost lane keeps no conditions, and {conditions} is asked for")]
    ConditionsWithoutLane {
        /// What is asked for.
        conditions: Conditions,
    },
}

/// What a request's salt may ask for: all there is.
const OF_REQUEST: Conditions = Conditions::from_bits(31);

/// The conditions of the deal that the orders would make at `now`.
///
/// # Errors
/// The first [`Disagreement`] that the hub would find.
pub fn agree(parties: &Parties, now: Timestamp) -> Result<DealConditions, Disagreement> {
    if let Some(dataset) = &parties.dataset {
        dataset.read(Conditions::NONE, now)?;
    }
    let app = parties.app.read(Conditions::OFFERED, now)?;
    let workerpool = parties.workerpool.read(Conditions::OFFERED, now)?;
    let request = parties.request.read(OF_REQUEST, now)?;

    let requester = parties.request.signer;
    let asked = conditions(app) | conditions(request);
    if asked.meets(Conditions::SPONSOR_ONLY) && parties.payer == requester {
        return Err(Disagreement::SponsorMissing { requester });
    }
    offers(workerpool, app, request)
}

/// As [`agree`], of the boost lane, which keeps no conditions.
///
/// # Errors
/// The first [`Disagreement`] that the hub would find.
pub fn agree_to_boost(parties: &Parties, now: Timestamp) -> Result<(), Disagreement> {
    let conditions = agree(parties, now)?.conditions();
    if conditions.is_none() {
        return Ok(());
    }
    Err(Disagreement::ConditionsWithoutLane { conditions })
}

/// What app and request ask a pool for, if the pool's mark offers it, guard and all. Who pays and
/// whether the orders are still good is not looked at: this is for whoever searches a book of
/// orders that are.
///
/// # Errors
/// [`Disagreement::ConditionsNotOffered`] or [`Disagreement::GuardsDiffer`].
pub fn offers(
    workerpool: Option<OrderMark>,
    app: Option<OrderMark>,
    request: Option<OrderMark>,
) -> Result<DealConditions, Disagreement> {
    let asked = (conditions(app) | conditions(request)).within(Conditions::OFFERED);
    let offered = conditions(workerpool);
    if !offered.contains(asked) {
        return Err(Disagreement::ConditionsNotOffered { asked, offered });
    }
    let guard = workerpool.map_or(Address::ZERO, OrderMark::tail);
    let named = [app, request].into_iter().flatten().filter_map(OrderMark::guard);
    match named.into_iter().find(|named| *named != guard) {
        Some(asked) => Err(Disagreement::GuardsDiffer { asked, offered: guard }),
        None => Ok(DealConditions::new(asked, guard)),
    }
}

/// Whether any pool could serve both an app's order and a request: they ask for one guard at most.
///
/// # Errors
/// [`Disagreement::GuardsDiffer`].
pub fn agree_on_guard(
    app: Option<OrderMark>,
    request: Option<OrderMark>,
) -> Result<(), Disagreement> {
    let guard = [app, request].into_iter().flatten().find_map(OrderMark::guard);
    let generous = OrderMark {
        conditions: Conditions::OFFERED,
        expiry: Timestamp(0),
        epoch: 0,
        tail: guard.unwrap_or_default(),
    };
    offers(Some(generous), app, request).map(drop)
}

impl Marked {
    /// What the order's mark says, if the order is still good and asks for nothing beyond `known`.
    fn read(&self, known: Conditions, now: Timestamp) -> Result<Option<OrderMark>, Disagreement> {
        let Some(mark) = OrderMark::of_salt(self.salt) else { return Ok(None) };
        check(mark, self.signer, known)?;
        if let Some(expiry) = mark.expiry().filter(|expiry| expiry.has_passed(now)) {
            return Err(Disagreement::OrderExpired { signer: self.signer, expiry });
        }
        if mark.epoch() != self.epoch {
            return Err(Disagreement::OrderOfOtherEpoch {
                signer: self.signer,
                epoch: mark.epoch(),
                current: self.epoch,
            });
        }
        Ok(Some(mark))
    }

    /// Whether the order can be matched by some others at `now`, as far as its own mark goes.
    ///
    /// # Errors
    /// The first [`Disagreement`] that every match of the order would find.
    pub fn check_alone(&self, kind: crate::OrderKind, now: Timestamp) -> Result<(), Disagreement> {
        self.read(sayable(kind), now).map(drop)
    }
}

/// What an order of this kind may say.
#[must_use]
pub const fn sayable(kind: crate::OrderKind) -> Conditions {
    match kind {
        crate::OrderKind::App | crate::OrderKind::Workerpool => Conditions::OFFERED,
        crate::OrderKind::Dataset => Conditions::NONE,
        crate::OrderKind::Request => OF_REQUEST,
    }
}

fn check(mark: OrderMark, signer: Address, known: Conditions) -> Result<(), Disagreement> {
    if known.contains(mark.conditions()) {
        return Ok(());
    }
    Err(Disagreement::ConditionsUnknown { signer, conditions: mark.conditions() })
}

fn conditions(mark: Option<OrderMark>) -> Conditions {
    mark.map_or(Conditions::NONE, OrderMark::conditions)
}
