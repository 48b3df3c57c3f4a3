//! The chain of a test: anvil with all contracts, resources and orders.

use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{
    Addresses, Chain, ChainSettings, FileLedger, NewResource, Sender, SenderSettings, Transaction,
    Wallet,
};
use poco_core::call::SignedTerms;
use poco_core::order::Order;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, Call, DatasetOrder, RequestOrder, Signed, U256,
    WorkerpoolOrder,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::Mutex;
use url::Url;

/// Who is who: the deployer, then the owner of apps and datasets, of pools, and two requesters.
pub(crate) const PROVIDER: usize = 1;
pub(crate) const POOL_OWNER: usize = 2;
pub(crate) const REQUESTER: usize = 3;
pub(crate) const STRANGER: usize = 4;

/// Private keys of anvil's first accounts (mnemonic "test test … junk").
const KEYS: [&str; 5] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

pub(crate) fn wallet(index: usize) -> Arc<Wallet> {
    let key: B256 = KEYS[index].parse().unwrap();
    Arc::new(Wallet::from_key(key).unwrap())
}

/// A chain with everything deployed, and the resources that the tests trade.
pub(crate) struct Chainside {
    child: Child,
    http: reqwest::Client,
    ledgers: TempDir,
    senders: Mutex<BTreeMap<usize, Sender>>,
    pub(crate) addresses: Addresses,
    pub(crate) chain: Chain,
}

impl Drop for Chainside {
    fn drop(&mut self) {
        // What npm installs starts the real anvil as a child of its own: the group is ended.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

fn anvil_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("POCO_ANVIL") {
        return path.into();
    }
    let installed =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/node_modules/.bin/anvil"));
    assert!(
        installed.exists(),
        "anvil is missing: run `npm ci` in contracts/, or set POCO_ANVIL to its path"
    );
    installed
}

impl Chainside {
    pub(crate) async fn start() -> Self {
        poco_chain::install_crypto();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new(anvil_binary())
            .args(["--port", &port.to_string(), "--silent", "--order", "fifo"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let url: Url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let http = reqwest::Client::new();
        super::eventually("anvil answers", async || http.get(url.clone()).send().await.ok()).await;
        let addresses = deploy(url, wallet(0), DeployPlan::default()).await.unwrap();
        let chain = Chain::connect(&ChainSettings::from(&addresses)).await.unwrap();
        let (ledgers, senders) = (tempfile::tempdir().unwrap(), Mutex::default());
        Self { child, http, ledgers, senders, addresses, chain }
    }

    /// A JSON-RPC call of the node.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.http.post(self.addresses.rpc_url.clone()).json(&body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    pub(crate) async fn height(&self) -> u64 {
        let answer = self.ask("eth_blockNumber", json!([])).await;
        u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// Sends a transaction of an account and waits until it is mined.
    pub(crate) async fn send(&self, by: usize, tx: Transaction) -> poco_chain::Receipt {
        let sender = self.sender(by).await;
        sender.send(&format!("{tx:?}"), tx).await.unwrap()
    }

    async fn sender(&self, by: usize) -> Sender {
        let mut senders = self.senders.lock().await;
        if let Some(sender) = senders.get(&by) {
            return sender.clone();
        }
        let ledger = FileLedger::open(&self.ledgers.path().join(by.to_string())).unwrap();
        let settings = SenderSettings::default();
        let sender = Sender::start(self.chain.clone(), wallet(by), ledger, settings).await.unwrap();
        senders.insert(by, sender.clone());
        sender
    }

    /// Calls the hub.
    pub(crate) async fn call(&self, by: usize, call: Call) -> poco_chain::Receipt {
        self.send(by, Transaction::hub(&self.chain, &call)).await
    }

    /// Gives an account free stake, in nRLC.
    pub(crate) async fn fund(&self, who: usize, amount: u64) {
        let amount = Amount::from_nano(amount);
        let to = wallet(who).address();
        self.send(0, Transaction::token_transfer(&self.chain, to, amount)).await;
        self.send(who, Transaction::approve_and_deposit(&self.chain, amount)).await;
    }

    async fn create(&self, by: usize, resource: NewResource) -> Address {
        let owner = wallet(by).address();
        let predicted = self.chain.predict(&resource, owner).await.unwrap();
        self.send(by, Transaction::create(&self.chain, &resource, owner)).await;
        predicted
    }

    pub(crate) async fn app(&self, name: &str) -> Address {
        let resource = NewResource::App {
            name: name.into(),
            kind: "DOCKER".into(),
            multiaddr: Bytes::from_static(b"registry/app:1"),
            checksum: B256::repeat_byte(3),
            mrenclave: Bytes::new(),
        };
        self.create(PROVIDER, resource).await
    }

    pub(crate) async fn dataset(&self, name: &str) -> Address {
        let resource = NewResource::Dataset {
            name: name.into(),
            multiaddr: Bytes::from_static(b"http://data"),
            checksum: B256::repeat_byte(4),
        };
        self.create(PROVIDER, resource).await
    }

    pub(crate) async fn workerpool(&self, description: &str) -> Address {
        let resource = NewResource::Workerpool { description: description.into() };
        self.create(POOL_OWNER, resource).await
    }

    pub(crate) fn sign<O: Order>(&self, order: O, by: usize) -> Signed<O> {
        let hash = order.hash(self.chain.domain_separator());
        Signed { sign: wallet(by).sign_hash(hash.0), order }
    }

    pub(crate) fn hash<O: Order>(&self, signed: &Signed<O>) -> String {
        signed.order.hash(self.chain.domain_separator()).to_string()
    }

    /// Matches four orders; answers the deal's id.
    pub(crate) async fn make_deal(&self, terms: SignedTerms) -> String {
        let receipt = self.call(STRANGER, Call::MatchOrders(Box::new(terms))).await;
        let deal = receipt.events.iter().find_map(|event| {
            let poco_core::Event::OrdersMatched { deal, .. } = event else { return None };
            Some(deal.to_string())
        });
        deal.expect("a match tells its deal")
    }
}

/// The terms that most tests trade on: prices 5, 3 and 100 nRLC, each order for ten tasks.
pub(crate) fn app_order(app: Address) -> AppOrder {
    AppOrder {
        app,
        price: Amount::from_nano(5),
        volume: U256::from(10),
        salt: B256::repeat_byte(1),
        ..AppOrder::default()
    }
}

pub(crate) fn dataset_order(dataset: Address) -> DatasetOrder {
    DatasetOrder {
        dataset,
        price: Amount::from_nano(3),
        volume: U256::from(10),
        salt: B256::repeat_byte(1),
        ..DatasetOrder::default()
    }
}

pub(crate) fn workerpool_order(workerpool: Address) -> WorkerpoolOrder {
    WorkerpoolOrder {
        workerpool,
        price: Amount::from_nano(100),
        volume: U256::from(10),
        trust: U256::from(5),
        salt: B256::repeat_byte(1),
        ..WorkerpoolOrder::default()
    }
}

pub(crate) fn request_order(app: Address) -> RequestOrder {
    RequestOrder {
        app,
        app_price_max: Amount::from_nano(5),
        workerpool_price_max: Amount::from_nano(100),
        requester: wallet(REQUESTER).address(),
        volume: U256::from(4),
        trust: U256::from(5),
        params: "--fast".into(),
        salt: B256::repeat_byte(1),
        ..RequestOrder::default()
    }
}
