//! Deploying the contracts: token, registries, hub, configuration, categories.
//!
//! The bytecode is that of `contracts/artifacts`, built into the program. Which chain, which key and
//! where the addresses are kept is the callers' matter. The contracts of others are deployed by
//! others; any hub with the same interface can be connected to.

use crate::abi::{Hub, Registry, Token};
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
use poco_core::{Address, Bytes, Call, CategoryId, OrderKind};
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
    /// A token that exists; without it that of `previous`, or else a test token is deployed, whose whole
    /// supply the deployer gets.
    pub token: Option<Address>,
    /// A hub that the new one comes after: every entry of its registries stays valid, scores can be
    /// brought along (`importScore`), and its categories keep their numbers. Stake does not move: its
    /// owners withdraw it there and deposit it here.
    pub previous: Option<Address>,
    /// The categories, in order, behind those of `previous`.
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
        Self { token: None, previous: None, categories, chain_id: None }
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
    let old = match plan.previous {
        Some(hub) => Some(Predecessor::read(&ChainSettings::new(rpc_url.clone(), hub)).await?),
        None => None,
    };
    let settings = SenderSettings::default();
    let chain = Chain::without_hub(rpc, chain_id);
    if let Some(token) = plan.token {
        let call = Token::balanceOfCall { account: owner };
        chain.view(token, call).await.with_context(|| format!("no token is at {token}"))?;
    }
    let sender = Sender::start(chain, wallet, Forgetful, settings).await?;

    let token = match plan.token.or(old.as_ref().map(|old| old.token)) {
        Some(token) => token,
        None => create(&sender, "token", code(TOKEN)?).await?,
    };
    let before = old.as_ref().map_or([Address::ZERO; 3], |old| old.registries);
    let [apps, datasets, workerpools] = before;
    let app_registry = registry(&sender, "registry of apps", APP_REGISTRY, apps).await?;
    let dataset_registry =
        registry(&sender, "registry of datasets", DATASET_REGISTRY, datasets).await?;
    let workerpool_registry =
        registry(&sender, "registry of pools", WORKERPOOL_REGISTRY, workerpools).await?;
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
    configure(&sender, &addresses, plan.previous.unwrap_or_default()).await?;

    let chain = Chain::connect(&ChainSettings::from(&addresses)).await?;
    let mut categories = old.map(|old| old.categories).unwrap_or_default();
    categories.extend(plan.categories);
    for category in &categories {
        let call = Call::CreateCategory {
            name: category.name.clone(),
            description: category.description.clone(),
            work_clock_time_ref_seconds: category.work_clock_time_ref_seconds,
        };
        let what = format!("category {}", category.name);
        send(&sender, &what, Transaction::hub(&chain, &call)).await?;
    }
    verify(&chain, &addresses, owner, &categories).await?;
    Ok(addresses)
}

/// What a new hub has of the one before it.
struct Predecessor {
    token: Address,
    /// Of apps, datasets and pools.
    registries: [Address; 3],
    categories: Vec<Category>,
}

impl Predecessor {
    async fn read(settings: &ChainSettings) -> anyhow::Result<Self> {
        let chain = Chain::connect(settings).await.context("the hub before cannot be read")?;
        let mut categories = Vec::new();
        for id in 0..chain.category_count().await? {
            let category = chain.category(CategoryId(id)).await?;
            categories.push(category.with_context(|| format!("category {id} is missing"))?);
        }
        let registries = KINDS.map(|kind| chain.registry(kind));
        Ok(Self { token: chain.token(), registries, categories })
    }
}

/// In the order of the hub's arguments.
const KINDS: [OrderKind; 3] = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool];

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

async fn registry(
    sender: &Sender,
    what: &str,
    artifact: &str,
    previous: Address,
) -> anyhow::Result<Address> {
    let registry = create(sender, what, code(artifact)?).await?;
    let call = Registry::initializeCall { previous };
    let tx = Transaction { to: Some(registry), data: call.abi_encode().into() };
    send(sender, &format!("start of the {what}"), tx).await?;
    Ok(registry)
}

async fn configure(
    sender: &Sender,
    addresses: &Addresses,
    previous: Address,
) -> anyhow::Result<()> {
    let call = Hub::configureCall {
        token: addresses.token,
        name: "Staked RLC".into(),
        symbol: "SRLC".into(),
        decimals: 9,
        appregistry: addresses.app_registry,
        datasetregistry: addresses.dataset_registry,
        workerpoolregistry: addresses.workerpool_registry,
        v3Hub: previous,
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
    ensure!(chain.token() == addresses.token, "the hub names another token");
    ensure!(KINDS.map(|kind| chain.registry(kind)) == registries, "the hub names other registries");
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
