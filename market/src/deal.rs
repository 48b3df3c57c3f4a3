//! Deals and categories as the market records them.

use poco_core::category::Category;
use poco_core::{Address, B256, CategoryId, Deal, DealId, OrderHash, Timestamp, U256};
use serde::{Deserialize, Serialize};

/// Where on chain something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) timestamp: Timestamp,
    pub(crate) transaction: B256,
    pub(crate) log_index: u64,
}

/// A deal, the orders that made it, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DealRecord {
    pub(crate) id: DealId,
    pub(crate) deal: Deal,
    pub(crate) app_order: OrderHash,
    pub(crate) dataset_order: OrderHash,
    pub(crate) workerpool_order: OrderHash,
    pub(crate) request_order: OrderHash,
    /// Number of tasks.
    pub(crate) volume: U256,
    pub(crate) place: Place,
}

/// A category and where it was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CategoryRecord {
    pub(crate) id: CategoryId,
    pub(crate) category: Category,
    pub(crate) place: Place,
}

/// A property of deals by which they can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trait {
    RequestOrder(OrderHash),
    AppOrder(OrderHash),
    DatasetOrder(OrderHash),
    WorkerpoolOrder(OrderHash),
    Requester(Address),
    Beneficiary(Address),
    App(Address),
    Dataset(Address),
    Workerpool(Address),
    AppOwner(Address),
    DatasetOwner(Address),
    WorkerpoolOwner(Address),
    Category(CategoryId),
}

impl DealRecord {
    /// Everything the deal is found by.
    pub(crate) fn traits(&self) -> [Trait; 13] {
        let deal = &self.deal;
        [
            Trait::RequestOrder(self.request_order),
            Trait::AppOrder(self.app_order),
            Trait::DatasetOrder(self.dataset_order),
            Trait::WorkerpoolOrder(self.workerpool_order),
            Trait::Requester(deal.requester),
            Trait::Beneficiary(deal.beneficiary),
            Trait::App(deal.app.pointer),
            Trait::Dataset(deal.dataset.pointer),
            Trait::Workerpool(deal.workerpool.pointer),
            Trait::AppOwner(deal.app.owner),
            Trait::DatasetOwner(deal.dataset.owner),
            Trait::WorkerpoolOwner(deal.workerpool.owner),
            Trait::Category(deal.category),
        ]
    }
}
