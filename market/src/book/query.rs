//! What can be asked of the book, and pages of what it answers.

use super::entry::{Entry, Key};
use poco_core::{Address, OrderHash, OrderKind, Tag, U256};

/// Results of a page unless the question says otherwise.
pub(crate) const PAGE_SIZE: u64 = 20;
/// Smallest and largest page that can be asked for; the largest bounds the work of one answer.
pub(crate) const PAGE_SIZES: std::ops::RangeInclusive<u64> = 10..=1000;

/// Which addresses a filter lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Every one.
    Any,
    /// This one alone.
    Exactly(Address),
    /// Only zero: no restriction.
    Unrestricted,
    /// Zero or this one.
    Admitting(Address),
}

impl Selector {
    fn takes(self, address: Address) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(only) => address == only,
            Self::Unrestricted => address.is_zero(),
            Self::Admitting(guest) => address.is_zero() || address == guest,
        }
    }

    fn exact(self) -> Option<Address> {
        match self {
            Self::Exactly(address) => Some(address),
            Self::Any | Self::Unrestricted | Self::Admitting(_) => None,
        }
    }
}

/// A question for open orders of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderQuery {
    pub(crate) kind: OrderKind,
    pub(crate) app: Selector,
    pub(crate) dataset: Selector,
    pub(crate) workerpool: Selector,
    pub(crate) requester: Selector,
    pub(crate) beneficiary: Selector,
    pub(crate) signer: Option<Address>,
    pub(crate) category: Option<U256>,
    /// All of these bits.
    pub(crate) tag_min: Tag,
    /// No bit outside these.
    pub(crate) tag_max: Option<Tag>,
    pub(crate) trust_min: U256,
    pub(crate) trust_max: Option<U256>,
    pub(crate) volume_min: U256,
}

impl OrderQuery {
    /// Every open order of a kind.
    pub(crate) fn all(kind: OrderKind) -> Self {
        Self {
            kind,
            app: Selector::Any,
            dataset: Selector::Any,
            workerpool: Selector::Any,
            requester: Selector::Any,
            beneficiary: Selector::Any,
            signer: None,
            category: None,
            tag_min: Tag::NONE,
            tag_max: None,
            trust_min: U256::ZERO,
            trust_max: None,
            volume_min: U256::ZERO,
        }
    }

    /// A key that every order asked for has: the most selective that the question names.
    pub(crate) fn key(&self) -> Key {
        let kind = self.kind;
        let requester = match kind {
            OrderKind::Request => self.requester.exact(),
            OrderKind::App | OrderKind::Dataset | OrderKind::Workerpool => None,
        };
        let category = match kind {
            OrderKind::Workerpool | OrderKind::Request => self.category,
            // Offers of apps and datasets have no category, so none is found by it.
            OrderKind::App | OrderKind::Dataset => None,
        };
        let resource = match kind {
            OrderKind::App => self.app.exact().map(|app| Key::App(kind, app)),
            OrderKind::Dataset => self.dataset.exact().map(|dataset| Key::Dataset(kind, dataset)),
            OrderKind::Workerpool => self.workerpool.exact().map(Key::Workerpool),
            OrderKind::Request => self.app.exact().map(|app| Key::App(kind, app)),
        };
        self.signer
            .or(requester)
            .map(|signer| Key::Signer(kind, signer))
            .or(resource)
            .or(category.map(|category| Key::Category(kind, category)))
            .unwrap_or(Key::Kind(kind))
    }

    /// Whether an entry of the right kind fits.
    pub(crate) fn takes(&self, entry: &Entry) -> bool {
        self.app.takes(entry.app)
            && self.dataset.takes(entry.dataset)
            && self.workerpool.takes(entry.workerpool)
            && self.requester.takes(entry.requester)
            && self.beneficiary.takes(entry.beneficiary)
            && self.signer.is_none_or(|signer| entry.signer == signer)
            && self.category.is_none_or(|category| entry.category == category)
            && entry.tag.contains(self.tag_min)
            && self.tag_max.is_none_or(|tag_max| tag_max.contains(entry.tag))
            && entry.trust >= self.trust_min
            && self.trust_max.is_none_or(|trust_max| entry.trust <= trust_max)
            && entry.remaining >= self.volume_min
    }
}

/// Which part of the results to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Results left out before the first.
    pub(crate) skip: u64,
    /// Results answered at most.
    pub(crate) size: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self { skip: 0, size: PAGE_SIZE }
    }
}

impl Page {
    /// Whether the result with this number, counted from 0, is on the page.
    pub(crate) fn holds(self, number: u64) -> bool {
        number.checked_sub(self.skip).is_some_and(|offset| offset < self.size)
    }

    /// What a client is told to ask for next: the results seen so far, if the page is full.
    pub(crate) fn next(self, answered: usize) -> Option<u64> {
        (u64::try_from(answered) == Ok(self.size)).then(|| self.skip.saturating_add(self.size))
    }
}

/// One page of results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing<T = OrderHash> {
    pub(crate) items: Vec<T>,
    /// All results, on whatever page.
    pub(crate) count: u64,
    pub(crate) next_page: Option<u64>,
}
