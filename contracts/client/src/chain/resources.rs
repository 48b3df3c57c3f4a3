//! Entries of the registries.

use super::Chain;
use super::read::{decode, yes_or_no};
use crate::abi::{Hub, Registry};
use crate::rpc::RpcError;
use crate::transaction::NewResource;
use alloy_sol_types::SolCall;
use poco_core::{Address, B256, Bytes, OrderKind, U256};
use serde::{Deserialize, Serialize};

/// An app in its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppEntry {
    /// Who owns it now.
    pub owner: Address,
    /// Its name.
    pub name: String,
    /// Its kind, as `DOCKER`.
    pub kind: String,
    /// Where the image is.
    pub multiaddr: Bytes,
    /// The image's registry digest.
    pub checksum: B256,
    /// What enclaves measure; empty without.
    pub mrenclave: Bytes,
}

/// A dataset in its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetEntry {
    /// Who owns it now.
    pub owner: Address,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub multiaddr: Bytes,
    /// sha256 of the file.
    pub checksum: B256,
}

/// A pool in its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerpoolEntry {
    /// Who owns it now.
    pub owner: Address,
    /// Its description.
    pub description: String,
    /// Percentage of the price that a worker stakes, in deals to come.
    pub worker_stake_ratio: U256,
    /// Percentage of the reward that the owner keeps, in deals to come.
    pub scheduler_reward_ratio: U256,
}

impl Chain {
    /// An app; `None` where it is not registered.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn app(&self, app: Address) -> Result<Option<AppEntry>, RpcError> {
        let entry = self.entry(OrderKind::App, app, Hub::viewAppCall { app }).await?;
        Ok(entry.map(|view| AppEntry {
            owner: view.owner,
            name: view.m_appName,
            kind: view.m_appType,
            multiaddr: view.m_appMultiaddr,
            checksum: view.m_appChecksum,
            mrenclave: view.m_appMREnclave,
        }))
    }

    /// A dataset; `None` where it is not registered.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn dataset(&self, dataset: Address) -> Result<Option<DatasetEntry>, RpcError> {
        let call = Hub::viewDatasetCall { dataset };
        let entry = self.entry(OrderKind::Dataset, dataset, call).await?;
        Ok(entry.map(|view| DatasetEntry {
            owner: view.owner,
            name: view.m_datasetName,
            multiaddr: view.m_datasetMultiaddr,
            checksum: view.m_datasetChecksum,
        }))
    }

    /// A pool; `None` where it is not registered.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn workerpool(&self, pool: Address) -> Result<Option<WorkerpoolEntry>, RpcError> {
        let call = Hub::viewWorkerpoolCall { workerpool: pool };
        let entry = self.entry(OrderKind::Workerpool, pool, call).await?;
        Ok(entry.map(|view| WorkerpoolEntry {
            owner: view.owner,
            description: view.m_workerpoolDescription,
            worker_stake_ratio: view.m_workerStakeRatioPolicy,
            scheduler_reward_ratio: view.m_schedulerRewardRatioPolicy,
        }))
    }

    /// Where a resource lies, or will lie once `owner` has created it.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn predict(
        &self,
        resource: &NewResource,
        owner: Address,
    ) -> Result<Address, RpcError> {
        let registry = self.registry(resource.kind());
        match resource.clone() {
            NewResource::App { name, kind, multiaddr, checksum, mrenclave } => {
                let call =
                    Registry::predictAppCall { owner, name, kind, multiaddr, checksum, mrenclave };
                self.view(registry, call).await
            }
            NewResource::Dataset { name, multiaddr, checksum } => {
                let call = Registry::predictDatasetCall { owner, name, multiaddr, checksum };
                self.view(registry, call).await
            }
            NewResource::Workerpool { description } => {
                let call = Registry::predictWorkerpoolCall { owner, description };
                self.view(registry, call).await
            }
        }
    }

    /// A registered entry, as the hub shows it.
    async fn entry<C: SolCall>(
        &self,
        kind: OrderKind,
        entry: Address,
        view: C,
    ) -> Result<Option<C::Return>, RpcError> {
        let registered = self.view_of(self.registry(kind), &Registry::isRegisteredCall { entry });
        let [registered, shown] = self.views([registered, self.view_of(self.hub(), &view)]).await?;
        if !yes_or_no(registered)? {
            return Ok(None);
        }
        match decode::<C>(shown)? {
            Ok(view) => Ok(Some(view)),
            Err(refusal) => Err(RpcError::unexpected(C::SIGNATURE, refusal)),
        }
    }
}
