//! The chain of a test: anvil with all contracts, one app and one pool.

use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{
    Addresses, Chain, ChainSettings, FileLedger, NewResource, Receipt, Sender, SenderSettings,
    Transaction, Wallet,
};
use poco_core::call::SignedTerms;
use poco_core::order::Order;
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, Call, DealId, Event, RequestOrder, Signed, TaskId,
    U256, WorkerpoolOrder,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The longest a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Anvil's first account, which has gas.
const DEPLOYER: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

pub(crate) struct Chainside {
    child: Child,
    http: reqwest::Client,
    ledgers: TempDir,
    senders: Mutex<BTreeMap<Address, Sender>>,
    salt: Mutex<u64>,
    deployer: Arc<Wallet>,
    pub(crate) owner: Arc<Wallet>,
    pub(crate) requester: Arc<Wallet>,
    pub(crate) app: Address,
    pub(crate) workerpool: Address,
    pub(crate) addresses: Addresses,
    pub(crate) chain: Chain,
}

impl Drop for Chainside {
    fn drop(&mut self) {
        self.silence(false);
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

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// One task for one worker.
pub(crate) async fn order(chain: &Chainside) -> TaskId {
    TaskId::of_deal(chain.order(1, 1, Address::ZERO).await, U256::ZERO)
}

pub(crate) async fn completed(chain: &Chainside, task: TaskId) {
    eventually("the task is completed", async || {
        let view = chain.chain.task(task).await.ok()?;
        (view.status == TaskStatus::Completed).then_some(())
    })
    .await;
}

impl Chainside {
    pub(crate) async fn start() -> Arc<Self> {
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
        let url: url::Url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let http = reqwest::Client::new();
        eventually("anvil answers", async || http.get(url.clone()).send().await.ok()).await;
        let key: B256 = DEPLOYER.parse().unwrap();
        let deployer = Arc::new(Wallet::from_key(key).unwrap());
        let addresses = deploy(url, deployer.clone(), DeployPlan::default()).await.unwrap();
        let chain = Chain::connect(&ChainSettings::from(&addresses)).await.unwrap();
        let mut world = Self {
            child,
            http,
            ledgers: tempfile::tempdir().unwrap(),
            senders: Mutex::default(),
            salt: Mutex::default(),
            deployer,
            owner: Arc::new(Wallet::random()),
            requester: Arc::new(Wallet::random()),
            app: Address::ZERO,
            workerpool: Address::ZERO,
            addresses,
            chain,
        };
        let (owner, requester) = (world.owner.clone(), world.requester.clone());
        world.fund(&owner).await;
        world.fund(&requester).await;
        let app = NewResource::App {
            name: "app".into(),
            kind: "DOCKER".into(),
            multiaddr: Bytes::from_static(b"registry/app:1"),
            checksum: B256::repeat_byte(3),
            mrenclave: Bytes::new(),
        };
        world.app = world.create(&requester, app).await;
        let pool = NewResource::Workerpool { description: "pool".into() };
        world.workerpool = world.create(&owner, pool).await;
        Arc::new(world)
    }

    /// Lets the node answer nothing, or answer again.
    pub(crate) fn silence(&self, is_silent: bool) {
        let group = format!("-{}", self.child.id());
        let signal = if is_silent { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, "--", &group]).status().unwrap().success());
    }

    pub(crate) async fn set_gas(&self, of: Address, wei: u64) {
        self.ask("anvil_setBalance", json!([of, format!("{wei:#x}")])).await;
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.http.post(self.addresses.rpc_url.clone()).json(&body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Gives a wallet gas and free stake.
    pub(crate) async fn fund(&self, wallet: &Arc<Wallet>) {
        let address = wallet.address();
        self.ask("anvil_setBalance", json!([address, "0xde0b6b3a7640000"])).await;
        let amount = Amount::from_nano(1_000_000);
        let deployer = self.deployer.clone();
        let give = Transaction::token_transfer(&self.chain, address, amount);
        self.send(&deployer, &format!("give {address}"), give).await.unwrap();
        let deposit = Transaction::approve_and_deposit(&self.chain, amount);
        self.send(wallet, "deposit", deposit).await.unwrap();
    }

    pub(crate) async fn send(
        &self,
        by: &Arc<Wallet>,
        intent: &str,
        tx: Transaction,
    ) -> Result<Receipt, poco_chain::SendError> {
        let address = by.address();
        let sender = {
            let mut senders = self.senders.lock().await;
            match senders.get(&address) {
                Some(sender) => sender.clone(),
                None => {
                    let path = self.ledgers.path().join(address.to_string());
                    let ledger = FileLedger::open(&path).unwrap();
                    let settings = SenderSettings::default();
                    let chain = self.chain.clone();
                    let sender = Sender::start(chain, by.clone(), ledger, settings).await.unwrap();
                    senders.insert(address, sender.clone());
                    sender
                }
            }
        };
        sender.send(intent, tx).await
    }

    pub(crate) async fn call(
        &self,
        by: &Arc<Wallet>,
        intent: &str,
        call: Call,
    ) -> Result<Receipt, poco_chain::SendError> {
        self.send(by, intent, Transaction::hub(&self.chain, &call)).await
    }

    async fn create(&self, by: &Arc<Wallet>, resource: NewResource) -> Address {
        let predicted = self.chain.predict(&resource, by.address()).await.unwrap();
        let tx = Transaction::create(&self.chain, &resource, by.address());
        self.send(by, &format!("create {predicted}"), tx).await.unwrap();
        predicted
    }

    fn sign<O: Order>(&self, order: O, by: &Wallet) -> Signed<O> {
        let hash = order.hash(self.chain.domain_separator());
        Signed { sign: by.sign_hash(hash.0), order }
    }

    /// Matches a request for `volume` tasks at `trust`.
    pub(crate) async fn order(&self, trust: u64, volume: u64, beneficiary: Address) -> DealId {
        let salt = {
            let mut salt = self.salt.lock().await;
            *salt += 1;
            B256::from(U256::from(*salt).to_be_bytes::<32>())
        };
        self.order_salted(trust, volume, beneficiary, salt).await
    }

    /// Matches orders that all say the same with `salt`.
    pub(crate) async fn order_salted(
        &self,
        trust: u64,
        volume: u64,
        beneficiary: Address,
        salt: B256,
    ) -> DealId {
        let volume = U256::from(volume);
        let app = AppOrder { app: self.app, volume, salt, ..AppOrder::default() };
        let workerpool = WorkerpoolOrder {
            workerpool: self.workerpool,
            price: Amount::from_nano(100),
            volume,
            trust: U256::from(1000),
            salt,
            ..WorkerpoolOrder::default()
        };
        let request = RequestOrder {
            app: self.app,
            workerpool_price_max: Amount::from_nano(100),
            requester: self.requester.address(),
            volume,
            trust: U256::from(trust),
            beneficiary,
            salt,
            ..RequestOrder::default()
        };
        let terms = SignedTerms {
            app: self.sign(app, &self.requester),
            dataset: Signed::default(),
            workerpool: self.sign(workerpool, &self.owner),
            request: self.sign(request, &self.requester),
        };
        let call = Call::MatchOrders(Box::new(terms));
        let receipt = self.call(&self.requester, &format!("match {salt}"), call).await.unwrap();
        let matched = |event: &Event| match event {
            Event::OrdersMatched { deal, .. } => Some(*deal),
            _ => None,
        };
        receipt.events.iter().find_map(matched).unwrap()
    }
}
