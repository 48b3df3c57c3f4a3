//! The addresses that belong to one hub.

use poco_core::{Address, B256, OrderKind};

/// One hub and what it works with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contracts {
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
    pub(crate) token: Address,
    pub(crate) app_registry: Address,
    pub(crate) dataset_registry: Address,
    pub(crate) workerpool_registry: Address,
    pub(crate) domain_separator: B256,
}

impl Contracts {
    /// The registry of the resources that orders of this kind are about; a request is about none.
    pub(crate) fn registry(&self, kind: OrderKind) -> Option<Address> {
        match kind {
            OrderKind::App => Some(self.app_registry),
            OrderKind::Dataset => Some(self.dataset_registry),
            OrderKind::Workerpool => Some(self.workerpool_registry),
            OrderKind::Request => None,
        }
    }

    pub(crate) fn kind_of_registry(&self, address: Address) -> Option<OrderKind> {
        [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool]
            .into_iter()
            .find(|kind| self.registry(*kind) == Some(address))
    }
}
