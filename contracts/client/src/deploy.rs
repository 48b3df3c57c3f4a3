//! Deploying the contracts: token, registries, hub, configuration, categories.
//!
//! The bytecode is that of `contracts/artifacts`, built into the program. Which chain, which key and
//! where the addresses are kept is the callers' matter. The contracts of others are deployed by
//! others; any hub with the same interface can be connected to.

use crate::abi::{Hub, Registry};
use crate::addresses::Addresses;
use crate::chain::{Chain, ConnectError, chain_id};
use crate::rpc::Rpc;
use crate::sender::{LedgerStore, Receipt, Sender, SenderSettings};
use crate::settings::ChainSettings;
use crate::transaction::Transaction;
use crate::wallet::Wallet;
use alloy_sol_types::{SolCall, SolValue};
use anyhow::{Context, bail, ensure};
use poco_core::category::{self, Category};
use poco_core::eip712::Domain;
use poco_core::{Address, Bytes, Call, CategoryId};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// For one answer of the node while contracts are deployed.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

const TOKEN: &str = include_str!("../../artifacts/RLC.json");
const APP_REGISTRY: &str = include_str!("../../artifacts/AppRegistry.json");
const DATASET_REGISTRY: &str = include_str!("../../artifacts/DatasetRegistry.json");
const WORKERPOOL_REGISTRY: &str = include_str!("../../artifacts/WorkerpoolRegistry.json");
const HUB_EXTENSION: &str = include_str!("../../artifacts/HubExtension.json");
const HUB_VIEWS: &str = include_str!("../../artifacts/HubViews.json");
const HUB_BOOST: &str = include_str!("../../artifacts/HubBoost.json");
const HUB_LANE: &str = include_str!("../../artifacts/HubLane.json");
const HUB: &str = include_str!("../../artifacts/Hub.json");
const GROUP: &str = include_str!("../../artifacts/Group.json");

/// What to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployPlan {
    /// A token that exists; without it a test token is deployed, whose whole supply the deployer gets.
    pub token: Option<Address>,
    /// The categories, in order.
    pub categories: Vec<Category>,
    /// EIP-155 id that the chain must have; `None` for whichever it has.
    pub chain_id: Option<u64>,
}

impl Default for DeployPlan {
    /// A test token and the categories that a hub starts with.
    fn default() -> Self {
        let category = |(name, seconds): &(&str, u64)| Category {
            name: (*name).into(),
            description: "{}".into(),
            work_clock_time_ref_seconds: *seconds,
        };
        let categories = category::INITIAL.iter().map(category).collect();
        Self { token: None, categories, chain_id: None }
    }
}

/// Deploys everything from `wallet`, which then owns the hub, and checks the outcome on the chain.
///
/// # Errors
/// One line that says which step failed and why.
pub async fn deploy(
    rpc_url: Url,
    wallet: Arc<Wallet>,
    plan: DeployPlan,
) -> anyhow::Result<Addresses> {
    let rpc = Rpc::new(std::slice::from_ref(&rpc_url), CALL_TIMEOUT)?;
    let chain_id = chain_id(&rpc).await.map_err(ConnectError::Unreachable)?;
    if let Some(expected) = plan.chain_id.filter(|expected| *expected != chain_id) {
        let url = rpc_url.origin().ascii_serialization();
        return Err(ConnectError::WrongChain { url, expected, found: chain_id }.into());
    }
    let owner = wallet.address();
    let settings = SenderSettings::default();
    let chain = Chain::without_hub(rpc, chain_id);
    let sender = Sender::start(chain, wallet, Forgetful, settings).await?;

    let token = match plan.token {
        Some(token) => token,
        None => create(&sender, "token", code(TOKEN)?).await?,
    };
    let app_registry = registry(&sender, "registry of apps", APP_REGISTRY).await?;
    let dataset_registry = registry(&sender, "registry of datasets", DATASET_REGISTRY).await?;
    let workerpool_registry = registry(&sender, "registry of pools", WORKERPOOL_REGISTRY).await?;
    let hub = hub(&sender).await?;
    let addresses = Addresses {
        hub,
        token,
        app_registry,
        dataset_registry,
        workerpool_registry,
        rpc_url,
        chain_id,
    };
    configure(&sender, &addresses).await?;

    let chain = Chain::connect(&ChainSettings::from(&addresses)).await?;
    for category in &plan.categories {
        let call = Call::CreateCategory {
            name: category.name.clone(),
            description: category.description.clone(),
            work_clock_time_ref_seconds: category.work_clock_time_ref_seconds,
        };
        let what = format!("category {}", category.name);
        send(&sender, &what, Transaction::hub(&chain, &call)).await?;
    }
    verify(&chain, &addresses, owner, &plan.categories).await?;
    Ok(addresses)
}

async fn hub(sender: &Sender) -> anyhow::Result<Address> {
    let views = create(sender, "views of the hub", code(HUB_VIEWS)?).await?;
    let mut bytes = code(HUB_EXTENSION)?.to_vec();
    bytes.extend((views,).abi_encode());
    let extension = create(sender, "extension of the hub", bytes.into()).await?;
    let boost = create(sender, "boost lane of the hub", code(HUB_BOOST)?).await?;
    let lane = create(sender, "settlement lane of the hub", code(HUB_LANE)?).await?;
    let mut bytes = code(HUB)?.to_vec();
    bytes.extend((extension, boost, lane).abi_encode());
    create(sender, "hub", bytes.into()).await
}

async fn registry(sender: &Sender, what: &str, artifact: &str) -> anyhow::Result<Address> {
    let registry = create(sender, what, code(artifact)?).await?;
    let call = Registry::initializeCall { previous: Address::ZERO };
    let tx = Transaction { to: Some(registry), data: call.abi_encode().into() };
    send(sender, &format!("start of the {what}"), tx).await?;
    Ok(registry)
}

async fn configure(sender: &Sender, addresses: &Addresses) -> anyhow::Result<()> {
    let call = Hub::configureCall {
        token: addresses.token,
        name: "Staked RLC".into(),
        symbol: "SRLC".into(),
        decimals: 9,
        appregistry: addresses.app_registry,
        datasetregistry: addresses.dataset_registry,
        workerpoolregistry: addresses.workerpool_registry,
        v3Hub: Address::ZERO,
    };
    let tx = Transaction { to: Some(addresses.hub), data: call.abi_encode().into() };
    send(sender, "configuration of the hub", tx).await.map(drop)
}

async fn create(sender: &Sender, what: &str, code: Bytes) -> anyhow::Result<Address> {
    let receipt = send(sender, what, Transaction { to: None, data: code }).await?;
    receipt.contract.with_context(|| format!("the node names no address for the {what}"))
}

async fn send(sender: &Sender, what: &str, tx: Transaction) -> anyhow::Result<Receipt> {
    let intent = format!("deploy {what}");
    sender.send(&intent, tx).await.with_context(|| format!("cannot deploy: {what}"))
}

/// Reads back what was deployed: a hub that is wrong here would be wrong for everybody.
async fn verify(
    chain: &Chain,
    addresses: &Addresses,
    owner: Address,
    categories: &[Category],
) -> anyhow::Result<()> {
    let registries =
        [addresses.app_registry, addresses.dataset_registry, addresses.workerpool_registry];
    let kinds = [
        poco_core::OrderKind::App,
        poco_core::OrderKind::Dataset,
        poco_core::OrderKind::Workerpool,
    ];
    ensure!(chain.token() == addresses.token, "the hub names another token");
    ensure!(kinds.map(|kind| chain.registry(kind)) == registries, "the hub names other registries");
    let domain = Domain::of_hub(chain.chain_id(), chain.hub()).separator();
    ensure!(chain.domain_separator() == domain, "the hub signs under another domain");
    let named = chain.view(chain.hub(), Hub::ownerCall {}).await?;
    ensure!(named == owner, "the hub belongs to {named}");
    let count = u64::try_from(categories.len())?;
    ensure!(chain.category_count().await? == count, "the hub has other categories");
    for (id, category) in (0..count).zip(categories) {
        if chain.category(CategoryId(id)).await?.as_ref() != Some(category) {
            bail!("category {id} is not {}", category.name);
        }
    }
    Ok(())
}

/// The code that creates a group, without its argument.
pub(crate) fn group_code() -> Bytes {
    code(GROUP).expect("the artifact is part of the program, and a test creates a group of it")
}

/// The code of an artifact that creates its contract.
fn code(artifact: &str) -> anyhow::Result<Bytes> {
    #[derive(Deserialize)]
    struct Artifact {
        bytecode: Bytes,
    }
    let artifact: Artifact = serde_json::from_str(artifact).context("a built-in artifact")?;
    Ok(artifact.bytecode)
}

/// A ledger for the length of a deployment: one that breaks off is begun anew, with new contracts.
struct Forgetful;

impl LedgerStore for Forgetful {
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        Ok(Vec::new())
    }

    fn put(&mut self, _nonce: u64, _record: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn remove(&mut self, _nonce: u64) -> anyhow::Result<()> {
        Ok(())
    }
}
