//! A real chain for the tests: anvil on a free port, ended with the test.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod proxy;

use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{Addresses, Chain, ChainSettings, LedgerStore, Sender, SenderSettings, Wallet};
use poco_core::{Address, B256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use url::Url;

/// Private keys of anvil's first accounts (mnemonic "test test … junk").
const KEYS: [&str; 5] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: Url,
    http: reqwest::Client,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program itself: npm's `.bin/anvil` is a script around it, and ending that would leave the
/// program running.
fn anvil_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("POCO_ANVIL") {
        return path.into();
    }
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules/@foundry-rs");
    let entries = std::fs::read_dir(packages).into_iter().flatten().flatten();
    let binary = entries.map(|entry| entry.path().join("bin/anvil")).find(|path| path.is_file());
    binary.expect("anvil is missing: run `npm ci` in contracts/, or set POCO_ANVIL to its path")
}

impl Anvil {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        poco_chain::install_crypto();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new(anvil_binary())
            .args(["--port", &port.to_string(), "--silent", "--order", "fifo"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let anvil = Self { child, url, http: reqwest::Client::new() };
        let started = Instant::now();
        while anvil.try_ask("eth_chainId", json!([])).await.is_none() {
            assert!(started.elapsed() < Duration::from_secs(30), "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anvil
    }

    async fn try_ask(&self, method: &str, params: Value) -> Option<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let response = self.http.post(self.url.clone()).json(&body).send().await.ok()?;
        response.json().await.ok()
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.try_ask(method, params).await.expect("anvil answers");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    /// From now on a block comes every so often, with whatever waits.
    pub(crate) async fn block_every(&self, seconds: u64) {
        self.ask("evm_setIntervalMining", json!([seconds])).await;
    }

    /// The next block of a chain whose blocks are twelve seconds apart.
    pub(crate) async fn slow_block(&self) {
        self.ask("evm_increaseTime", json!([12])).await;
        self.ask("evm_mine", json!([])).await;
    }

    pub(crate) async fn height(&self) -> u64 {
        let answer = self.ask("eth_blockNumber", json!([])).await;
        u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    pub(crate) async fn automine(&self, is_on: bool) {
        self.ask("evm_setAutomine", json!([is_on])).await;
    }

    pub(crate) async fn nonce(&self, account: Address, tag: &str) -> u64 {
        let answer = self.ask("eth_getTransactionCount", json!([account, tag])).await;
        u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }
}

pub(crate) fn wallet(index: usize) -> Arc<Wallet> {
    let key: B256 = KEYS[index].parse().unwrap();
    Arc::new(Wallet::from_key(key).unwrap())
}

/// A chain with everything deployed by account 0.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) addresses: Addresses,
    pub(crate) chain: Chain,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let anvil = Anvil::start(arguments).await;
        let plan = DeployPlan::default();
        let addresses = deploy(anvil.url.clone(), wallet(0), plan).await.unwrap();
        let chain = Chain::connect(&ChainSettings::from(&addresses)).await.unwrap();
        Self { anvil, addresses, chain }
    }

    pub(crate) async fn sender(&self, index: usize) -> Sender {
        self.sender_over(index, Memory::default()).await
    }

    pub(crate) async fn sender_over(&self, index: usize, ledger: Memory) -> Sender {
        let settings = quick_settings();
        Sender::start(self.chain.clone(), wallet(index), ledger, settings).await.unwrap()
    }
}

pub(crate) fn quick_settings() -> SenderSettings {
    SenderSettings {
        resend_millis: 300,
        bump_millis: 300,
        lost_millis: 500,
        watch_blocks: 5,
        ..SenderSettings::default()
    }
}

/// A ledger that outlives its sender, as a file would.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl LedgerStore for Memory {
    fn load(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        Ok(self.0.lock().unwrap().clone().into_iter().collect())
    }

    fn put(&mut self, nonce: u64, record: &[u8]) -> anyhow::Result<()> {
        self.0.lock().unwrap().insert(nonce, record.to_vec());
        Ok(())
    }

    fn remove(&mut self, nonce: u64) -> anyhow::Result<()> {
        self.0.lock().unwrap().remove(&nonce);
        Ok(())
    }
}
