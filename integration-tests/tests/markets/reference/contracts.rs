//! Puts the reference's contracts on a chain, from the published bytecode of npm `@iexec/poco`.
//!
//! What belongs together says `contracts/reference/wiring.json`. Its token is of another package and
//! stands behind a proxy; the hub knows it as an ERC-20 only, so ours takes its place.

use alloy_sol_types::{SolCall, SolValue, sol};
use anyhow::{Context, Result, ensure};
use poco_chain::Addresses;
use poco_core::category::INITIAL;
use poco_core::{Address, Bytes, U256};
use poco_integration_tests::anvil::{Anvil, CHAIN_ID};
use poco_integration_tests::world::{Party, wallet};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Gas of every transaction here: the largest part, the diamond, takes a fifth of it.
const GAS: u64 = 25_000_000;
/// Adds functions, in the words of the diamond standard.
const ADD: u8 = 0;

sol! {
    struct FacetCut { address facet; uint8 action; bytes4[] selectors; }
    struct DiamondArgs { address owner; address init; bytes initCalldata; }

    function init();
    function initialize(address previous);
    function configure(address token, string name, string symbol, uint8 decimals, address appregistry, address datasetregistry, address workerpoolregistry, address v3Hub);
    function createCategory(string name, string description, uint256 workClockTimeRef);
}

/// How the diamond is put together.
#[derive(Deserialize)]
struct Wiring {
    library: Library,
    init: String,
    diamond: String,
    facets: Vec<Facet>,
}

/// Code that facets call, and what stands for its address in theirs.
#[derive(Deserialize)]
struct Library {
    artifact: String,
    placeholder: String,
}

#[derive(Deserialize)]
struct Facet {
    artifact: String,
    selectors: Vec<Bytes>,
}

/// Deploys the reference's hub and registries and our token, all of them the owner's.
pub(crate) async fn deploy(anvil: &Anvil) -> Result<Addresses> {
    let owner = wallet(Party::Owner)?.address();
    let deployer = Deployer { anvil, owner };
    let wiring: Wiring = serde_json::from_str(&read("reference/wiring.json")?)?;
    let token = deployer.create(&creation_code("artifacts/RLC.json", None)?, &[]).await?;
    let [app_registry, dataset_registry, workerpool_registry] = [
        deployer.registry("apps/AppRegistry").await?,
        deployer.registry("datasets/DatasetRegistry").await?,
        deployer.registry("workerpools/WorkerpoolRegistry").await?,
    ];
    let hub = deployer.diamond(&wiring).await?;
    let configure = configureCall {
        token,
        name: "Staked RLC".into(),
        symbol: "SRLC".into(),
        decimals: 9,
        appregistry: app_registry,
        datasetregistry: dataset_registry,
        workerpoolregistry: workerpool_registry,
        v3Hub: Address::ZERO,
    };
    deployer.call(hub, &configure).await?;
    for (name, seconds) in INITIAL {
        let category = createCategoryCall {
            name: name.into(),
            description: "{}".into(),
            workClockTimeRef: U256::from(seconds),
        };
        deployer.call(hub, &category).await?;
    }
    Ok(Addresses {
        hub,
        token,
        app_registry,
        dataset_registry,
        workerpool_registry,
        rpc_url: anvil.url().clone(),
        chain_id: CHAIN_ID,
    })
}

/// Sends for an account whose key the chain holds itself.
struct Deployer<'a> {
    anvil: &'a Anvil,
    owner: Address,
}

impl Deployer<'_> {
    async fn diamond(&self, wiring: &Wiring) -> Result<Address> {
        let library = self.create(&creation_code(&wiring.library.artifact, None)?, &[]).await?;
        let link = Some((wiring.library.placeholder.as_str(), library));
        let mut cuts = Vec::new();
        for facet in &wiring.facets {
            let code = creation_code(&facet.artifact, link)?;
            let selectors: Result<Vec<_>, _> =
                facet.selectors.iter().map(|selector| selector.as_ref().try_into()).collect();
            cuts.push(FacetCut {
                facet: self.create(&code, &[]).await?,
                action: ADD,
                selectors: selectors.context("a selector has four bytes")?,
            });
        }
        let arguments = DiamondArgs {
            owner: self.owner,
            init: self.create(&creation_code(&wiring.init, None)?, &[]).await?,
            initCalldata: initCall {}.abi_encode().into(),
        };
        let code = creation_code(&wiring.diamond, None)?;
        self.create(&code, &(cuts, arguments).abi_encode_params()).await
    }

    async fn registry(&self, name: &str) -> Result<Address> {
        let file = Path::new(name).file_name().context("a name")?.display().to_string();
        let path = format!(
            "node_modules/@iexec/poco/artifacts/contracts/registries/{name}.sol/{file}.json"
        );
        let registry = self.create(&creation_code(&path, None)?, &[]).await?;
        self.call(registry, &initializeCall { previous: Address::ZERO }).await?;
        Ok(registry)
    }

    async fn create(&self, code: &Bytes, arguments: &[u8]) -> Result<Address> {
        let data = Bytes::from([code.as_ref(), arguments].concat());
        let receipt = self.send(json!({ "data": data })).await?;
        let address = receipt["contractAddress"].as_str().context("a created contract")?;
        Ok(address.parse()?)
    }

    async fn call(&self, to: Address, call: &impl SolCall) -> Result<()> {
        let data = Bytes::from(call.abi_encode());
        self.send(json!({ "to": to, "data": data })).await.map(drop)
    }

    async fn send(&self, mut request: Value) -> Result<Value> {
        request["from"] = json!(self.owner);
        request["gas"] = json!(format!("{GAS:#x}"));
        let receipt = self.anvil.transact(request).await?;
        ensure!(receipt["status"] == "0x1", "a part of the reference was not built: {receipt}");
        Ok(receipt)
    }
}

/// The code that creates an artifact's contract, with its library linked.
fn creation_code(artifact: &str, link: Option<(&str, Address)>) -> Result<Bytes> {
    #[derive(Deserialize)]
    struct Artifact {
        bytecode: String,
    }
    let artifact: Artifact = serde_json::from_str(&read(artifact)?)?;
    let mut code = artifact.bytecode;
    if let Some((placeholder, library)) = link {
        // Forty hex digits, without 0x.
        code = code.replace(placeholder, format!("{library:x}").trim_start_matches("0x"));
    }
    code.parse().context("not bytecode: is a library missing?")
}

fn read(path: &str) -> Result<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts").join(path);
    std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: run `make setup`", path.display()))
}
