//! Whether four orders fit together, rule by rule, as the hub decides it.
//!
//! The rules that need the chain (registration, signatures, groups, consumption) take what the
//! chain says as [`Facts`]. The hub's contract stops at the first rule that fails; whoever
//! explains a refusal asks for all of them.

use crate::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};
use crate::rules::Rules;
use crate::tag::Tag;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// The four orders of a match. Without a dataset its order is `DatasetOrder::default()`.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The app's offer.
    pub app: &'a AppOrder,
    /// The dataset's offer; by our rules ignored altogether when its dataset is zero.
    pub dataset: &'a DatasetOrder,
    /// The pool's offer.
    pub workerpool: &'a WorkerpoolOrder,
    /// The requester's demand.
    pub request: &'a RequestOrder,
}

/// What the chain says about one of the orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// The resource is in the hub's registry. Always true for a request.
    pub is_registered: bool,
    /// The current owner (the requester, for a request) has signed.
    pub is_signed: bool,
    /// How much of the order's volume was used or cancelled.
    pub consumed: U256,
}

impl OrderFacts {
    /// A registered, signed and unused order.
    pub const FRESH: Self = Self { is_registered: true, is_signed: true, consumed: U256::ZERO };
}

/// What the chain says about a match.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How many categories the hub has.
    pub category_count: u64,
    /// Pairs (group contract, member) for which `keyHasPurpose(member, 4)` holds.
    pub memberships: BTreeSet<(Address, Address)>,
    /// About the app order.
    pub app: OrderFacts,
    /// About the dataset order; ignored without a dataset.
    pub dataset: OrderFacts,
    /// About the pool order.
    pub workerpool: OrderFacts,
    /// About the request order.
    pub request: OrderFacts,
}

/// A rule that two or more of the orders break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mismatch {
    /// Rule 0x00.
    #[error("the request and the pool name different categories")]
    CategoryDiffers,
    /// Rule 0x01.
    #[error("the category does not exist")]
    CategoryUnknown,
    /// Rule 0x02.
    #[error("the request asks for more trust than the pool offers")]
    TrustTooHigh,
    /// Rule 0x03.
    #[error("the app costs more than the request allows")]
    AppPriceTooHigh,
    /// Rule 0x04.
    #[error("the dataset costs more than the request allows")]
    DatasetPriceTooHigh,
    /// Rule 0x05.
    #[error("the pool costs more than the request allows")]
    WorkerpoolPriceTooHigh,
    /// Rule 0x06.
    #[error("the pool lacks a feature that the tags ask for")]
    WorkerpoolLacksTag,
    /// Rule 0x07.
    #[error("an enclave is asked for, and the app is not made for one")]
    AppLacksEnclave,
    /// Rule 0x10.
    #[error("the request is for another app")]
    AppDiffers,
    /// Rule 0x11.
    #[error("the request is for another dataset")]
    DatasetDiffers,
    /// Rule 0x12.
    #[error("the request is restricted to another pool")]
    RequestRestrictsWorkerpool,
    /// Rule 0x13.
    #[error("the app order is restricted to another dataset")]
    AppRestrictsDataset,
    /// Rule 0x14.
    #[error("the app order is restricted to another pool")]
    AppRestrictsWorkerpool,
    /// Rule 0x15.
    #[error("the app order is restricted to another requester")]
    AppRestrictsRequester,
    /// Rule 0x16.
    #[error("the dataset order is restricted to another app")]
    DatasetRestrictsApp,
    /// Rule 0x17.
    #[error("the dataset order is restricted to another pool")]
    DatasetRestrictsWorkerpool,
    /// Rule 0x18.
    #[error("the dataset order is restricted to another requester")]
    DatasetRestrictsRequester,
    /// Rule 0x19.
    #[error("the pool order is restricted to another app")]
    WorkerpoolRestrictsApp,
    /// Rule 0x1a.
    #[error("the pool order is restricted to another dataset")]
    WorkerpoolRestrictsDataset,
    /// Rule 0x1b.
    #[error("the pool order is restricted to another requester")]
    WorkerpoolRestrictsRequester,
    /// Rule 0x20.
    #[error("the app is not in the registry")]
    AppUnknown,
    /// Rule 0x21.
    #[error("the app order is not signed by the app's owner")]
    AppUnsigned,
    /// Rule 0x30.
    #[error("the dataset is not in the registry")]
    DatasetUnknown,
    /// Rule 0x31.
    #[error("the dataset order is not signed by the dataset's owner")]
    DatasetUnsigned,
    /// Rule 0x40.
    #[error("the pool is not in the registry")]
    WorkerpoolUnknown,
    /// Rule 0x41.
    #[error("the pool order is not signed by the pool's owner")]
    WorkerpoolUnsigned,
    /// Rule 0x50.
    #[error("the request order is not signed by the requester")]
    RequestUnsigned,
    /// Rule 0x60.
    #[error("one of the orders is used up or cancelled")]
    NothingLeft,
}

impl Mismatch {
    /// The number at the end of the revert string `iExecV5-matchOrders-0x…`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::CategoryDiffers => 0x00,
            Self::CategoryUnknown => 0x01,
            Self::TrustTooHigh => 0x02,
            Self::AppPriceTooHigh => 0x03,
            Self::DatasetPriceTooHigh => 0x04,
            Self::WorkerpoolPriceTooHigh => 0x05,
            Self::WorkerpoolLacksTag => 0x06,
            Self::AppLacksEnclave => 0x07,
            Self::AppDiffers => 0x10,
            Self::DatasetDiffers => 0x11,
            Self::RequestRestrictsWorkerpool => 0x12,
            Self::AppRestrictsDataset => 0x13,
            Self::AppRestrictsWorkerpool => 0x14,
            Self::AppRestrictsRequester => 0x15,
            Self::DatasetRestrictsApp => 0x16,
            Self::DatasetRestrictsWorkerpool => 0x17,
            Self::DatasetRestrictsRequester => 0x18,
            Self::WorkerpoolRestrictsApp => 0x19,
            Self::WorkerpoolRestrictsDataset => 0x1a,
            Self::WorkerpoolRestrictsRequester => 0x1b,
            Self::AppUnknown => 0x20,
            Self::AppUnsigned => 0x21,
            Self::DatasetUnknown => 0x30,
            Self::DatasetUnsigned => 0x31,
            Self::WorkerpoolUnknown => 0x40,
            Self::WorkerpoolUnsigned => 0x41,
            Self::RequestUnsigned => 0x50,
            Self::NothingLeft => 0x60,
        }
    }
}

/// How many tasks the match makes by our rules, or the first rule that it breaks.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check(terms: &Terms<'_>, facts: &Facts) -> Result<U256, Mismatch> {
    check_by(Rules::Ours, terms, facts)
}

/// How many tasks the match makes, or the first rule that it breaks, in the contract's order.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_by(whose: Rules, terms: &Terms<'_>, facts: &Facts) -> Result<U256, Mismatch> {
    match rules(whose, terms, facts).find(|rule| rule.is_broken) {
        Some(broken) => Err(broken.mismatch),
        None => Ok(volume(terms, facts)),
    }
}

/// Every one of our rules that the match breaks, in the contract's order; empty where it is possible.
#[must_use]
pub fn mismatches(terms: &Terms<'_>, facts: &Facts) -> Vec<Mismatch> {
    rules(Rules::Ours, terms, facts)
        .filter(|rule| rule.is_broken)
        .map(|rule| rule.mismatch)
        .collect()
}

/// The tag of the deal: everything that the app, the dataset and the request ask for.
///
/// By most rules a dataset's wish for one kind of enclave does not bind: its bits 1 to 3 are left out.
#[must_use]
pub fn tag_union(whose: Rules, terms: &Terms<'_>) -> Tag {
    let heeded = if heeds_dataset(whose, terms) { terms.dataset.tag } else { Tag::NONE };
    let dataset =
        if whose.heed_enclave_kind_of_dataset() { heeded } else { heeded.without(Tag::TEE_KINDS) };
    terms.app.tag | dataset | terms.request.tag
}

/// How many units the orders have left in common.
#[must_use]
pub fn volume(terms: &Terms<'_>, facts: &Facts) -> U256 {
    let left = |volume: U256, of: &OrderFacts| volume.saturating_sub(of.consumed);
    let common = left(terms.app.volume, &facts.app)
        .min(left(terms.workerpool.volume, &facts.workerpool))
        .min(left(terms.request.volume, &facts.request));
    if has_dataset(terms) { common.min(left(terms.dataset.volume, &facts.dataset)) } else { common }
}

/// Whether a match is about a dataset at all: the request's and the dataset order's are both zero without one.
fn has_dataset(terms: &Terms<'_>) -> bool {
    !terms.dataset.dataset.is_zero()
}

/// Whether the terms of the dataset order count: the reference reads those of a null order too.
fn heeds_dataset(whose: Rules, terms: &Terms<'_>) -> bool {
    has_dataset(terms) || whose.heed_null_dataset()
}

struct Rule {
    mismatch: Mismatch,
    is_broken: bool,
}

const fn rule(mismatch: Mismatch, is_broken: bool) -> Rule {
    Rule { mismatch, is_broken }
}

/// All rules, in the order in which the contract tries them.
fn rules(whose: Rules, terms: &Terms<'_>, facts: &Facts) -> impl Iterator<Item = Rule> {
    term_rules(whose, terms, facts)
        .into_iter()
        .chain(restriction_rules(whose, terms, facts))
        .chain(standing_rules(terms, facts))
}

fn term_rules(whose: Rules, terms: &Terms<'_>, facts: &Facts) -> [Rule; 10] {
    let Terms { app, dataset, workerpool, request } = *terms;
    let tag = tag_union(whose, terms);
    let dataset_too_dear = heeds_dataset(whose, terms) && request.dataset_price_max < dataset.price;
    [
        rule(Mismatch::CategoryDiffers, request.category != workerpool.category),
        rule(Mismatch::CategoryUnknown, request.category >= U256::from(facts.category_count)),
        rule(Mismatch::TrustTooHigh, request.trust > workerpool.trust),
        rule(Mismatch::AppPriceTooHigh, request.app_price_max < app.price),
        rule(Mismatch::DatasetPriceTooHigh, dataset_too_dear),
        rule(Mismatch::WorkerpoolPriceTooHigh, request.workerpool_price_max < workerpool.price),
        rule(Mismatch::WorkerpoolLacksTag, !workerpool.tag.contains(tag)),
        rule(Mismatch::AppLacksEnclave, tag.contains(Tag::TEE) && !app.tag.contains(Tag::TEE)),
        rule(Mismatch::AppDiffers, request.app != app.app),
        rule(Mismatch::DatasetDiffers, request.dataset != dataset.dataset),
    ]
}

fn restriction_rules(whose: Rules, terms: &Terms<'_>, facts: &Facts) -> [Rule; 10] {
    let Terms { app, dataset, workerpool, request } = *terms;
    let keeps_out = |restriction: Address, counterpart: Address| {
        !restriction.is_zero()
            && restriction != counterpart
            && !facts.memberships.contains(&(restriction, counterpart))
    };
    let dataset_keeps_out = |restriction: Address, counterpart: Address| {
        heeds_dataset(whose, terms) && keeps_out(restriction, counterpart)
    };
    [
        rule(
            Mismatch::RequestRestrictsWorkerpool,
            keeps_out(request.workerpool, workerpool.workerpool),
        ),
        rule(Mismatch::AppRestrictsDataset, keeps_out(app.dataset_restrict, dataset.dataset)),
        rule(
            Mismatch::AppRestrictsWorkerpool,
            keeps_out(app.workerpool_restrict, workerpool.workerpool),
        ),
        rule(Mismatch::AppRestrictsRequester, keeps_out(app.requester_restrict, request.requester)),
        rule(Mismatch::DatasetRestrictsApp, dataset_keeps_out(dataset.app_restrict, app.app)),
        rule(
            Mismatch::DatasetRestrictsWorkerpool,
            dataset_keeps_out(dataset.workerpool_restrict, workerpool.workerpool),
        ),
        rule(
            Mismatch::DatasetRestrictsRequester,
            dataset_keeps_out(dataset.requester_restrict, request.requester),
        ),
        rule(Mismatch::WorkerpoolRestrictsApp, keeps_out(workerpool.app_restrict, app.app)),
        rule(
            Mismatch::WorkerpoolRestrictsDataset,
            keeps_out(workerpool.dataset_restrict, dataset.dataset),
        ),
        rule(
            Mismatch::WorkerpoolRestrictsRequester,
            keeps_out(workerpool.requester_restrict, request.requester),
        ),
    ]
}

fn standing_rules(terms: &Terms<'_>, facts: &Facts) -> [Rule; 8] {
    let with_dataset = has_dataset(terms);
    [
        rule(Mismatch::AppUnknown, !facts.app.is_registered),
        rule(Mismatch::AppUnsigned, !facts.app.is_signed),
        rule(Mismatch::DatasetUnknown, with_dataset && !facts.dataset.is_registered),
        rule(Mismatch::DatasetUnsigned, with_dataset && !facts.dataset.is_signed),
        rule(Mismatch::WorkerpoolUnknown, !facts.workerpool.is_registered),
        rule(Mismatch::WorkerpoolUnsigned, !facts.workerpool.is_signed),
        rule(Mismatch::RequestUnsigned, !facts.request.is_signed),
        rule(Mismatch::NothingLeft, volume(terms, facts).is_zero()),
    ]
}
