//! Orders as a market lists them.

use poco_core::order::{AppOrder, DatasetOrder, Order, RequestOrder, WorkerpoolOrder};
use poco_core::{Address, OrderHash, OrderKind, Signed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An order as the market lists it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "Signed<O>: DeserializeOwned", serialize = "Signed<O>: Serialize")
)]
pub struct Published<O> {
    /// What the market says its hash is.
    pub order_hash: OrderHash,
    /// The order.
    pub order: Signed<O>,
    /// How many tasks it is still good for, as the market says.
    pub remaining: u64,
    /// `open`, `filled`, `canceled` or `dead`.
    pub status: String,
    /// When it was published, in ISO 8601.
    pub publication_timestamp: String,
    /// Who signed it, as the market says.
    pub signer: Address,
}

/// An order that the market keeps a book of.
pub trait Listed: Order + Clone + Serialize + DeserializeOwned {
    /// First part of the market's path: `apporders`.
    const PATH: &'static str;
}

impl Listed for AppOrder {
    const PATH: &'static str = "apporders";
}
impl Listed for DatasetOrder {
    const PATH: &'static str = "datasetorders";
}
impl Listed for WorkerpoolOrder {
    const PATH: &'static str = "workerpoolorders";
}
impl Listed for RequestOrder {
    const PATH: &'static str = "requestorders";
}

/// The path of an order kind.
#[must_use]
pub fn path(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => AppOrder::PATH,
        OrderKind::Dataset => DatasetOrder::PATH,
        OrderKind::Workerpool => WorkerpoolOrder::PATH,
        OrderKind::Request => RequestOrder::PATH,
    }
}

/// The filter that lists what `who` may use: unrestricted offers and those made for it.
#[must_use]
pub fn open_to(name: &'static str, who: Address) -> (&'static str, String) {
    (name, who.to_checksum(None))
}

/// The filter that lists restricted offers too: the rules decide afterwards, with the groups that the
/// chain knows.
#[must_use]
pub fn any(name: &'static str) -> (&'static str, String) {
    (name, "any".to_owned())
}
