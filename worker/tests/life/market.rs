//! A chain with a deal on it: anvil, the contracts, four orders.

use crate::engine::App;
use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{
    Addresses, Chain, ChainSettings, LedgerStore, NewResource, Sender, SenderSettings, Transaction,
    Wallet,
};
use poco_core::call::SignedTerms;
use poco_core::order::Order;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, Call, DealId, RequestOrder, Signed, TaskId, U256,
    WorkerpoolOrder,
};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Longest wait for any step; each takes a second or two on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What every party deposits, and what a task costs, in nRLC.
pub(crate) const DEPOSIT: u64 = 1_000_000;
pub(crate) const PRICE: u64 = 100;

/// What the app runs: it writes a line that depends on nothing.
pub(crate) const SCRIPT: &str = "echo forty-two > /iexec_out/result.txt; \
     echo '{\"deterministic-output-path\":\"/iexec_out/result.txt\"}' > /iexec_out/computed.json";

/// Private keys of anvil's first accounts (mnemonic "test test … junk").
const KEYS: [&str; 4] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

/// A chain with a deal.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) addresses: Addresses,
    pub(crate) workerpool: Address,
    pub(crate) deal: DealId,
    pub(crate) worker: Arc<Wallet>,
    /// Owns the pool, and the app, and pays.
    pub(crate) owner: Arc<Wallet>,
    pub(crate) sender: Sender,
    _anvil: Anvil,
}

impl Market {
    /// A deal of `tasks` tasks at `trust` that run [`SCRIPT`].
    pub(crate) async fn open(app: &App, tasks: u64, trust: u64) -> Self {
        Self::open_with(app, tasks, (trust, SCRIPT)).await
    }

    pub(crate) async fn open_with(app: &App, tasks: u64, (trust, script): (u64, &str)) -> Self {
        Self::open_reading(app, (tasks, trust), script, &[]).await
    }

    /// The same, whose runs get files.
    pub(crate) async fn open_reading(
        app: &App,
        (tasks, trust): (u64, u64),
        script: &str,
        files: &[&str],
    ) -> Self {
        let args = format!("'{}'", script.replace('\'', r"'\''"));
        let params = serde_json::json!({ "iexec_args": args, "iexec_input_files": files });
        let anvil = Anvil::start().await;
        let bank = wallet(0);
        let addresses =
            deploy(anvil.url.clone(), bank.clone(), DeployPlan::default()).await.unwrap();
        let chain = Chain::connect(&ChainSettings::from(&addresses)).await.unwrap();
        let (owner, worker) = (wallet(1), wallet(2));
        let bank = sender(&chain, bank).await;
        let owner_sender = sender(&chain, owner.clone()).await;
        fund(&chain, &bank, &owner_sender, &owner).await;
        fund(&chain, &bank, &sender(&chain, worker.clone()).await, &worker).await;
        let (deal, workerpool) =
            deal(&chain, (&owner, &owner_sender), (app, params.to_string()), (tasks, trust)).await;
        let sender = owner_sender;
        Self { chain, addresses, workerpool, deal, worker, owner, sender, _anvil: anvil }
    }

    /// Opens a task.
    pub(crate) async fn initialize(&self, index: u64) -> TaskId {
        let index = U256::from(index);
        let call = Call::Initialize { deal: self.deal, index };
        self.send("initialize", &call).await;
        TaskId::of_deal(self.deal, index)
    }

    pub(crate) async fn send(&self, intent: &str, call: &Call) {
        self.sender.send(intent, Transaction::hub(&self.chain, call)).await.unwrap();
    }

    /// Waits until the worker has disclosed its digest on chain.
    pub(crate) async fn until_revealed(&self, task: TaskId) {
        let worker = self.worker.address();
        self.until(async || {
            let contribution = self.chain.contribution(task, worker).await.unwrap();
            contribution.status == ContributionStatus::Proved
        })
        .await;
    }

    /// Waits until the task is paid.
    pub(crate) async fn until_completed(&self, task: TaskId) {
        self.until(async || self.chain.task(task).await.unwrap().status == TaskStatus::Completed)
            .await;
    }

    async fn until(&self, is_so: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !is_so().await {
            assert!(started.elapsed() < PATIENCE, "the chain stands still");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn deal(
    chain: &Chain,
    (owner, sender): (&Wallet, &Sender),
    (app, params): (&App, String),
    (tasks, trust): (u64, u64),
) -> (DealId, Address) {
    let resource = NewResource::App {
        name: "test".into(),
        kind: "DOCKER".into(),
        multiaddr: Bytes::from(app.multiaddr.clone().into_bytes()),
        checksum: app.checksum,
        mrenclave: Bytes::new(),
    };
    let app = create(chain, sender, owner, resource).await;
    let pool = NewResource::Workerpool { description: "test".into() };
    let workerpool = create(chain, sender, owner, pool).await;
    let (volume, trust) = (U256::from(tasks), U256::from(trust));
    let price = Amount::from_nano(PRICE);
    let request = RequestOrder {
        app,
        workerpool,
        workerpool_price_max: price,
        requester: owner.address(),
        volume,
        trust,
        params,
        ..RequestOrder::default()
    };
    let pool_order = WorkerpoolOrder { workerpool, price, volume, trust, ..Default::default() };
    let domain = chain.domain_separator();
    let deal = DealId::of_match(request.hash(domain), U256::ZERO);
    let terms = SignedTerms {
        app: sign(domain, owner, AppOrder { app, volume, ..AppOrder::default() }),
        dataset: Signed::default(),
        workerpool: sign(domain, owner, pool_order),
        request: sign(domain, owner, request),
    };
    let call = Call::MatchOrders(Box::new(terms));
    sender.send("match", Transaction::hub(chain, &call)).await.unwrap();
    (deal, workerpool)
}

fn sign<O: Order>(domain: B256, owner: &Wallet, order: O) -> Signed<O> {
    Signed { sign: owner.sign_hash(order.hash(domain).0), order }
}

async fn create(chain: &Chain, sender: &Sender, owner: &Wallet, new: NewResource) -> Address {
    let address = chain.predict(&new, owner.address()).await.unwrap();
    let tx = Transaction::create(chain, &new, owner.address());
    sender.send("create", tx).await.unwrap();
    address
}

async fn fund(chain: &Chain, bank: &Sender, sender: &Sender, wallet: &Wallet) {
    let amount = Amount::from_nano(DEPOSIT);
    let tx = Transaction::token_transfer(chain, wallet.address(), amount);
    bank.send(&format!("fund {}", wallet.address()), tx).await.unwrap();
    let tx = Transaction::approve_and_deposit(chain, amount);
    sender.send("deposit", tx).await.unwrap();
}

fn wallet(index: usize) -> Arc<Wallet> {
    Arc::new(Wallet::from_key(KEYS[index].parse().unwrap()).unwrap())
}

async fn sender(chain: &Chain, wallet: Arc<Wallet>) -> Sender {
    Sender::start(chain.clone(), wallet, Forgetful, SenderSettings::default()).await.unwrap()
}

/// The test's own transactions need not outlive it.
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

struct Anvil {
    child: Child,
    url: Url,
}

impl Anvil {
    async fn start() -> Self {
        poco_chain::install_crypto();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new(binary())
            .args(["--port", &port.to_string(), "--silent", "--order", "fifo"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program itself: npm's `.bin/anvil` is a script around it.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("POCO_ANVIL") {
        return path.into();
    }
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/node_modules/@foundry-rs");
    let entries = std::fs::read_dir(packages).into_iter().flatten().flatten();
    let binary = entries.map(|entry| entry.path().join("bin/anvil")).find(|path| path.is_file());
    binary.expect("anvil is missing: run `npm ci` in contracts/, or set POCO_ANVIL to its path")
}
