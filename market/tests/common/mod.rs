//! A real chain and a real market process for the tests, both ended with the test.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod chain;

use chain::{Chainside, wallet};
use poco_chain::Wallet;
use poco_core::message::eth_signed_message_hash;
use poco_core::{Address, B256};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A market with its own chain and folder.
pub(crate) struct World {
    pub(crate) chain: Chainside,
    pub(crate) folder: TempDir,
    pub(crate) market: Market,
}

impl World {
    pub(crate) async fn start() -> Self {
        let chain = Chainside::start().await;
        let folder = tempfile::tempdir().unwrap();
        let market = Market::start(&chain, folder.path()).await;
        Self { chain, folder, market }
    }

    /// Ends the market as a power cut would, and starts it again on the same folder.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.market.child.kill().unwrap();
        self.market.child.wait().unwrap();
        self.market = Market::start(&self.chain, self.folder.path()).await;
    }

    /// Waits until everything that is on chain now is in the book.
    pub(crate) async fn caught_up(&self) {
        let height = self.chain.height().await;
        eventually("the market catches up", async || {
            let metrics = self.market.get("/metrics", &[]).await;
            (metrics["lastBlock"].as_u64()? >= height).then_some(())
        })
        .await;
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running market process.
pub(crate) struct Market {
    pub(crate) child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Drop for Market {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The market's program with a clean environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poco-market"));
    command.env_clear().env("RUST_LOG", "info");
    command
}

/// Runs the program to its end; it must come by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

impl Market {
    async fn start(chain: &Chainside, folder: &Path) -> Self {
        Self::start_with(chain, folder, &[]).await
    }

    pub(crate) async fn start_with(chain: &Chainside, folder: &Path, more: &[&str]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        drop(listener);
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let child = program()
            .args(["--listen", &listen, "--rpc-url", chain.addresses.rpc_url.as_str()])
            .args(["--hub", &chain.addresses.hub.to_string(), "--chain-id", "31337"])
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let market = Self { child, url: format!("http://{listen}"), http: reqwest::Client::new() };
        eventually("the market answers", async || {
            market.http.get(format!("{}/version", market.url)).send().await.ok()
        })
        .await;
        market
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request for the chain, with its status and JSON.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response = request.query(&[("chainId", "31337")]).send().await.unwrap();
        let status = response.status();
        assert_eq!(response.headers()["content-type"], "application/json");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["ok"], json!(status.is_success()), "{body}");
        (status, body)
    }

    pub(crate) async fn try_get(&self, path: &str, query: &[(&str, &str)]) -> (StatusCode, Value) {
        self.ask(self.request(Method::GET, path).query(query)).await
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let (status, body) = self.try_get(path, query).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The hashes that a list of orders answers.
    pub(crate) async fn hashes(&self, path: &str, query: &[(&str, &str)]) -> Vec<String> {
        let orders = self.get(path, query).await["orders"].take();
        let hash = |order: &Value| order["orderHash"].as_str().unwrap().to_owned();
        orders.as_array().unwrap().iter().map(hash).collect()
    }

    /// The header that proves that `wallet` asks.
    pub(crate) async fn authorization(&self, wallet: &Wallet) -> String {
        let address = wallet.address().to_string();
        let challenge = self.get("/challenge", &[("address", &address)]).await["data"].take();
        let hash = challenge_hash(&challenge);
        format!("{hash}_{}_{address}", wallet.sign_hash(hash))
    }

    /// Publishes an order in the name of a wallet.
    pub(crate) async fn publish(
        &self,
        path: &str,
        order: &impl serde::Serialize,
        by: usize,
    ) -> (StatusCode, Value) {
        let authorization = self.authorization(&wallet(by)).await;
        let request = self
            .request(Method::POST, path)
            .header("authorization", authorization)
            .json(&json!({ "order": order }));
        self.ask(request).await
    }

    /// Publishes an order that every rule lets through; answers its hash.
    pub(crate) async fn published(
        &self,
        path: &str,
        order: &impl serde::Serialize,
        by: usize,
    ) -> String {
        let (status, body) = self.publish(path, order, by).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["published"]["orderHash"].as_str().unwrap().to_owned()
    }

    /// Withdraws orders in the name of a wallet.
    pub(crate) async fn unpublish(
        &self,
        path: &str,
        body: Value,
        by: usize,
    ) -> (StatusCode, Value) {
        let authorization = self.authorization(&wallet(by)).await;
        let request = self.request(Method::PUT, path).header("authorization", authorization);
        self.ask(request.json(&body)).await
    }

    /// Waits until an order has a status.
    pub(crate) async fn until(&self, path: &str, hash: &str, status: &str) -> Value {
        let path = format!("{path}/{hash}");
        eventually(&format!("{path} is {status}"), async || {
            let order = self.get(&path, &[]).await;
            (order["status"] == status).then_some(order)
        })
        .await
    }
}

/// The EIP-712 hash of the market's typed data, computed from the data alone, as a wallet would.
fn challenge_hash(data: &Value) -> B256 {
    use poco_core::eip712::{StructHasher, signing_hash};
    assert_eq!(data["primaryType"], "Challenge");
    assert_eq!(data["types"]["Challenge"], json!([{ "name": "challenge", "type": "string" }]));
    let domain = &data["domain"];
    let domain = StructHasher::new("EIP712Domain(string name,string version,uint256 chainId)")
        .text(domain["name"].as_str().unwrap())
        .text(domain["version"].as_str().unwrap())
        .uint(poco_core::U256::from(domain["chainId"].as_u64().unwrap()))
        .finish();
    let text = data["message"]["challenge"].as_str().unwrap();
    let message = StructHasher::new("Challenge(string challenge)").text(text).finish();
    signing_hash(domain, message)
}

/// A personal signature over 32 bytes.
pub(crate) fn personal_sign(wallet: &Wallet, message: B256) -> poco_core::Bytes {
    wallet.sign_hash(eth_signed_message_hash(message))
}

/// An address as clients write it.
pub(crate) fn text(address: Address) -> String {
    address.to_checksum(None)
}
