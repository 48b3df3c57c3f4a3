//! The market as a process: what it says when it cannot start, how it stops, its pools' profiles
//! and its live news.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

mod common;

use common::chain::{Chainside, POOL_OWNER, PROVIDER, STRANGER, app_order, wallet};
use common::{Market, World, personal_sign, program, run, text};
use poco_core::{Address, B256, Bytes, U256, keccak256};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::process::Command;

/// Runs the program, which must fail; answers the one line that it says.
fn failure(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test]
async fn every_problem_of_the_configuration_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("market.toml");
    std::fs::write(&file, "color = \"red\"\nstart_block = \"one\"\n").unwrap();
    let said = failure(&["--config", file.to_str().unwrap()]);
    assert!(said.contains("color") && said.contains("start_block"), "{said}");
    let said = failure(&["--requests-per-minute", "0"]);
    for expected in ["requests_per_minute", "--rpc-url", "--hub"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn the_configuration_in_force_is_printed_and_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("market.toml");
    std::fs::write(&file, "start_block = 7\n[chain]\nconfirmations = 3\n").unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--print-config", "--trust-proxy"];
    let print = |file: &str| {
        let mut command = program();
        command.env("POCO_MARKET_LISTEN", "127.0.0.1:4000").args(arguments);
        let output = command.args(["--data-dir", file]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = print("/somewhere");
    for line in [
        "listen = \"127.0.0.1:4000\"",
        "data_dir = \"/somewhere\"",
        "start_block = 7",
        "requests_per_minute = 100",
        "trust_proxy = true",
        "confirmations = 3",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(print("/somewhere"), printed);
}

#[tokio::test]
async fn what_keeps_the_market_from_starting_is_said_in_one_line() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let (hub, url) = (text(chain.addresses.hub), chain.addresses.rpc_url.to_string());
    let start = |changed: [&str; 2]| {
        let mut arguments = vec!["--data-dir", &data];
        for (flag, value) in
            [("--rpc-url", url.as_str()), ("--hub", &hub), ("--listen", "127.0.0.1:0")]
        {
            if flag != changed[0] {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(changed);
        let said = failure(&arguments);
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        said
    };
    assert!(start(["--rpc-url", "http://127.0.0.1:1"]).contains("cannot reach the chain"));
    assert!(start(["--chain-id", "1"]).contains("--chain-id"));
    assert!(start(["--hub", &text(Address::repeat_byte(9))]).contains("no contract"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    assert!(start(["--listen", &taken]).contains("--listen"));
    drop(listener);
}

#[tokio::test]
async fn a_second_market_on_the_same_folder_is_refused() {
    let world = World::start().await;
    let data = world.folder.path().join("data").display().to_string();
    let hub = text(world.chain.addresses.hub);
    let url = world.chain.addresses.rpc_url.to_string();
    let said = failure(&[
        "--data-dir",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--rpc-url",
        &url,
        "--hub",
        &hub,
    ]);
    assert!(said.contains("in use by another process"), "{said}");
    world.market.get("/metrics", &[]).await;
}

#[tokio::test]
async fn a_market_that_is_told_to_stop_does_so_cleanly() {
    let mut world = World::start().await;
    let signed = world.chain.sign(app_order(world.chain.app("stats").await), PROVIDER);
    let hash = world.market.published("/apporders", &signed, PROVIDER).await;
    // Somebody who waits for news does not hold the market up.
    let watcher = Watcher::join(&world.market, "orders").await;
    let waiting = tokio::spawn(watcher.request(Method::GET).send());
    let id = world.market.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = world.market.child.wait().unwrap();
    assert!(status.success(), "{status}");
    waiting.await.unwrap().ok();
    world.kill_and_restart().await;
    let order = world.market.get(&format!("/apporders/{hash}"), &[]).await;
    assert_eq!(order["status"], "open");
}

#[tokio::test]
async fn a_caller_behind_the_proxy_gets_a_hundred_requests_a_minute() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let market = Market::start_with(&chain, folder.path(), &["--trust-proxy"]).await;
    let ask = async |caller: &str| {
        // Only the last address is the proxy's word; what is before it anybody can write.
        let header = format!("127.0.0.1, {caller}");
        let request = market.request(Method::GET, "/version").header("x-forwarded-for", header);
        let (status, body) = market.ask(request).await;
        (status.as_u16(), body["error"].clone())
    };
    for number in 0..100 {
        assert_eq!(ask("203.0.113.7").await.0, 200, "request {number}");
    }
    assert_eq!(ask("203.0.113.7").await, (429, json!("Rate limit exceeded")));
    assert_eq!(ask("203.0.113.8").await.0, 200);
    assert_eq!(ask("127.0.0.1").await.0, 200);
}

/// The message of a profile, built from its description alone.
fn profile_message(workerpool: Address, api_url: &str, timestamp: u64) -> B256 {
    let mut bytes = b"PoCo pool profile".to_vec();
    bytes.extend(U256::from(31337).to_be_bytes::<32>());
    bytes.extend(workerpool);
    bytes.extend(api_url.as_bytes());
    bytes.extend(U256::from(timestamp).to_be_bytes::<32>());
    keccak256(bytes)
}

#[tokio::test]
async fn a_pool_s_address_is_what_its_owner_signed_last() {
    let world = World::start().await;
    let market = &world.market;
    let pool = world.chain.workerpool("pool").await;
    let put = async |pool: Address, api_url: &str, timestamp: u64, by: usize| {
        let message = profile_message(pool, api_url, timestamp);
        let sign: Bytes = personal_sign(&wallet(by), message);
        let body = json!({ "apiUrl": api_url, "timestamp": timestamp, "sign": sign });
        let path = format!("/31337/workerpools/{}", text(pool));
        let (status, body) = market.ask(market.request(Method::PUT, &path).json(&body)).await;
        (status.as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
    };
    let path = format!("/31337/workerpools/{}", text(pool).to_lowercase());
    let (status, body) = market.try_get(&path, &[]).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("workerpool not found")));
    let done = (200, String::new());
    assert_eq!(put(pool, "http://one.example", 5, POOL_OWNER).await, done);
    assert_eq!(market.get(&path, &[]).await["apiUrl"], "http://one.example");
    let refused = |text: &str| (403, text.to_owned());
    let older = refused("a profile with timestamp 5 is already published");
    assert_eq!(put(pool, "http://two.example", 5, POOL_OWNER).await, older);
    assert_eq!(put(pool, "http://two.example", 6, STRANGER).await, refused("invalid sign"));
    let nowhere = Address::repeat_byte(9);
    let unknown = refused("Resource not deployed");
    assert_eq!(put(nowhere, "http://two.example", 6, POOL_OWNER).await, unknown);
    assert_eq!(put(pool, "ftp://two.example", 6, POOL_OWNER).await.0, 400);
    assert_eq!(put(pool, "http://two.example", 6, POOL_OWNER).await, done);
    assert_eq!(market.get(&path, &[]).await["apiUrl"], "http://two.example");
    // What the pool promises is signed along, and shown with the signature.
    let (api_url, terms, time) = ("http://two.example", r#"{"workersPercentMin":95}"#, 7_u64);
    let hash = poco_core::message::pool_profile_hash(31337, pool, api_url, Some(terms), time);
    let sign: Bytes = personal_sign(&wallet(POOL_OWNER), hash);
    let body = json!({ "apiUrl": api_url, "timestamp": time, "sign": sign, "terms": terms });
    let put_path = format!("/31337/workerpools/{}", text(pool));
    let (status, _) = market.ask(market.request(Method::PUT, &put_path).json(&body)).await;
    assert_eq!(status, StatusCode::OK);
    let shown = market.get(&path, &[]).await;
    assert_eq!((&shown["terms"], &shown["timestamp"]), (&json!(terms), &json!(time)));
    assert_eq!(shown["sign"], json!(sign));
    let broken = json!({ "apiUrl": api_url, "timestamp": 8, "sign": sign, "terms": "95 %" });
    let (status, _) = market.ask(market.request(Method::PUT, &put_path).json(&broken)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let elsewhere = path.replacen("31337", "1", 1);
    assert_eq!(market.try_get(&elsewhere, &[]).await.0, StatusCode::BAD_REQUEST);
}

/// A Socket.IO client over the polling transport, as far as the tests need one.
struct Watcher<'a> {
    market: &'a Market,
    sid: String,
    received: VecDeque<String>,
}

impl<'a> Watcher<'a> {
    async fn join(market: &'a Market, topic: &str) -> Self {
        let mut watcher = Self { market, sid: String::new(), received: VecDeque::new() };
        let opened = watcher.packet("0").await;
        let opened: Value = serde_json::from_str(&opened).unwrap();
        watcher.sid = opened["sid"].as_str().unwrap().to_owned();
        watcher.send("40").await;
        watcher.packet("40").await;
        let join = json!(["join", { "chainId": "31337", "topic": topic }]);
        watcher.send(&format!("420{join}")).await;
        assert_eq!(watcher.packet("430").await, "[true]");
        watcher
    }

    /// What follows `prefix` in the next packet that has it; answers the pings before.
    async fn packet(&mut self, prefix: &str) -> String {
        loop {
            let Some(packet) = self.received.pop_front() else {
                let answer = self.request(Method::GET).send().await.unwrap();
                let text = answer.error_for_status().unwrap().text().await.unwrap();
                self.received.extend(text.split('\u{1e}').map(str::to_owned));
                continue;
            };
            if packet == "2" {
                self.send("3").await;
                continue;
            }
            let content = packet.strip_prefix(prefix);
            return content.unwrap_or_else(|| panic!("{packet} instead of {prefix}")).to_owned();
        }
    }

    async fn send(&self, packet: &str) {
        let request = self.request(Method::POST).body(packet.to_owned());
        request.send().await.unwrap().error_for_status().unwrap();
    }

    fn request(&self, method: Method) -> reqwest::RequestBuilder {
        let transport = [("EIO", "4"), ("transport", "polling")];
        let request = self.market.request(method, "/ws/").query(&transport);
        if self.sid.is_empty() { request } else { request.query(&[("sid", &self.sid)]) }
    }

    /// The next event, with its content.
    async fn event(&mut self) -> (String, Value) {
        let mut event: Value = serde_json::from_str(&self.packet("42").await).unwrap();
        (event[0].as_str().unwrap().to_owned(), event[1].take())
    }
}

#[tokio::test]
async fn watchers_hear_of_orders_on_their_topic() {
    let world = World::start().await;
    let market = &world.market;
    let mut watcher = Watcher::join(market, "orders").await;
    let signed = world.chain.sign(app_order(world.chain.app("stats").await), PROVIDER);
    let hash = market.published("/apporders", &signed, PROVIDER).await;
    let (event, order) = watcher.event().await;
    assert_eq!(event, "apporder_published");
    assert_eq!((&order["orderHash"], &order["order"]["appprice"]), (&json!(hash), &json!(5)));
    assert!(order.get("chainId").is_none());
    market.unpublish("/apporders", json!({ "orderHash": hash }), PROVIDER).await;
    assert_eq!(watcher.event().await, ("apporder_unpublished".into(), json!(hash)));
}
