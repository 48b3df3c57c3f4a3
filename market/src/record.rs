//! A published order and where it stands.

use poco_core::order::Order;
use poco_core::{Address, AnyOrder, B256, OrderHash, OrderKind, U256};
use serde::{Deserialize, Serialize};

/// Where a published order stands. Orders that were unpublished have no record at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Can be matched, as far as the market knows.
    Open,
    /// Its whole volume was matched.
    Filled,
    /// Its owner closed it on chain, or raised the epoch that it was signed in.
    Canceled,
    /// Lost what it stood on: the owner, the stake, the offers it needs, or its time. May be
    /// published anew, as far as the rules let it.
    Dead,
}

/// When something was published, in milliseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct PublicationTime(pub(crate) u64);

/// A published order with what the market knows about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The order's name, on chain and here.
    pub(crate) hash: OrderHash,
    /// The order itself.
    pub(crate) order: AnyOrder,
    /// Units that can still be matched.
    pub(crate) remaining: U256,
    /// Where it stands.
    pub(crate) status: Status,
    /// When it was first published.
    pub(crate) published: PublicationTime,
    /// The owner of the resource, or the requester, when it was published.
    pub(crate) signer: Address,
    /// The block of the newest fact from the chain that is in this record.
    pub(crate) known_at: u64,
}

impl Record {
    /// What the record says once `consumed` units of the order are used on chain.
    ///
    /// `None` where that changes nothing. A cancelled order stays cancelled: closing consumes the
    /// whole volume, and the chain does not tell the two apart.
    pub(crate) fn after_consumption(&self, consumed: U256) -> Option<(Status, U256)> {
        let remaining = volume(&self.order).saturating_sub(consumed);
        let status = match (self.status, remaining.is_zero()) {
            (Status::Canceled, _) => return None,
            (Status::Open | Status::Filled | Status::Dead, true) => Status::Filled,
            (Status::Open | Status::Filled, false) => Status::Open,
            (Status::Dead, false) => Status::Dead,
        };
        ((status, remaining) != (self.status, self.remaining)).then_some((status, remaining))
    }
}

/// Whose order it is.
pub(crate) fn kind(order: &AnyOrder) -> OrderKind {
    match order {
        AnyOrder::App(_) => OrderKind::App,
        AnyOrder::Dataset(_) => OrderKind::Dataset,
        AnyOrder::Workerpool(_) => OrderKind::Workerpool,
        AnyOrder::Request(_) => OrderKind::Request,
    }
}

/// How many units the order covers in all.
pub(crate) fn volume(order: &AnyOrder) -> U256 {
    match order {
        AnyOrder::App(signed) => signed.order.volume,
        AnyOrder::Dataset(signed) => signed.order.volume,
        AnyOrder::Workerpool(signed) => signed.order.volume,
        AnyOrder::Request(signed) => signed.order.volume,
    }
}

/// The bytes that tell an order from others, and may say more.
pub(crate) fn salt(order: &AnyOrder) -> B256 {
    match order {
        AnyOrder::App(signed) => signed.order.salt,
        AnyOrder::Dataset(signed) => signed.order.salt,
        AnyOrder::Workerpool(signed) => signed.order.salt,
        AnyOrder::Request(signed) => signed.order.salt,
    }
}

/// The order's hash under a hub's domain.
pub(crate) fn hash(order: &AnyOrder, domain_separator: B256) -> OrderHash {
    match order {
        AnyOrder::App(signed) => signed.order.hash(domain_separator),
        AnyOrder::Dataset(signed) => signed.order.hash(domain_separator),
        AnyOrder::Workerpool(signed) => signed.order.hash(domain_separator),
        AnyOrder::Request(signed) => signed.order.hash(domain_separator),
    }
}

/// The name of a kind in routes and texts: `apporder`, `datasetorder`, …
pub(crate) fn kind_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "apporder",
        OrderKind::Dataset => "datasetorder",
        OrderKind::Workerpool => "workerpoolorder",
        OrderKind::Request => "requestorder",
    }
}
