//! A node that answers JSON-RPC from the model of the hub, quickly enough that it is the scheduler
//! that is measured: anvil takes some hundred microseconds for a view and forgets nothing.
//!
//! It tells deals and answers views. It takes no transactions: what is measured are tasks until they
//! are assigned and run, for which the settlement lane sends none.

mod abi;
pub(crate) mod chain;

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use chain::{Block, Chain};
use poco_core::{B256, DealId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Between two blocks of a chain on which nothing happens.
const BEAT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    chain: Arc<Mutex<Chain>>,
    /// Calls that were answered.
    calls: Arc<AtomicU64>,
}

impl Node {
    pub(crate) async fn start(chain: Chain) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let node = Self { address, chain: Arc::new(Mutex::new(chain)), calls: Arc::default() };
        let routes = axum::Router::new()
            .route("/", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let beating = node.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                beating.chain().beat();
            }
        });
        Ok(node)
    }

    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().expect("no code panics while it holds this lock")
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

async fn answer(State(node): State<Node>, body: Bytes) -> String {
    let told = |request: Request<'_>| -> String {
        node.calls.fetch_add(1, Ordering::Relaxed);
        let params = request.params.map_or("[]", RawValue::get);
        match node.result(request.method, params) {
            Some(result) => format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, request.id),
            None => format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":3,"message":"execution reverted: {}","data":"0x"}}}}"#,
                request.id, request.method
            ),
        }
    };
    if body.first() == Some(&b'[') {
        let requests: Vec<Request<'_>> = serde_json::from_slice(&body).unwrap_or_default();
        let answers: Vec<String> = requests.into_iter().map(told).collect();
        return format!("[{}]", answers.join(","));
    }
    serde_json::from_slice(&body).map_or_else(|_| "{}".into(), told)
}

impl Node {
    /// The result in JSON; `None` where the call is refused.
    fn result(&self, method: &str, params: &str) -> Option<String> {
        Some(match method {
            "eth_chainId" => quantity(chain::CHAIN_ID),
            "eth_blockNumber" => quantity(self.chain().latest().number),
            "eth_getCode" => r#""0x00""#.into(),
            "eth_getBalance" => r#""0xde0b6b3a7640000""#.into(),
            "eth_gasPrice" | "eth_maxPriorityFeePerGas" => quantity(1),
            "eth_getTransactionCount" => quantity(0),
            "eth_call" => {
                let params: Vec<Value> = serde_json::from_str(params).ok()?;
                let data = params.first()?.get("data")?.as_str()?;
                let data: poco_core::Bytes = data.parse().ok()?;
                format!("\"{}\"", poco_core::Bytes::from(self.chain().view(&data)?))
            }
            "eth_getBlockByNumber" => {
                let params: Vec<Value> = serde_json::from_str(params).ok()?;
                self.block(params.first()?.as_str()?)
            }
            "eth_getLogs" => {
                let params: Vec<Value> = serde_json::from_str(params).ok()?;
                self.logs(params.first()?)?
            }
            _ => return None,
        })
    }

    fn block(&self, tag: &str) -> String {
        let chain = self.chain();
        let block = match tag {
            "latest" | "pending" => Some(chain.latest()),
            number => number_of(number).and_then(|number| chain.blocks.get(number)),
        };
        block.map_or_else(|| "null".into(), |block| header(block).to_string())
    }

    fn logs(&self, filter: &Value) -> Option<String> {
        // A pool asks for logs of the hub, of the registry and of itself: only the hub has any.
        let hub = chain::HUB.to_string().to_lowercase();
        let is_hub = filter.get("address")?.to_string().to_lowercase().contains(&hub);
        if !is_hub {
            return Some("[]".into());
        }
        let mut chain = self.chain();
        let blocks: Vec<&Block> = match filter.get("blockHash").and_then(Value::as_str) {
            Some(hash) => chain.by_hash(hash.parse().ok()?).into_iter().collect(),
            None => {
                let from = number_of(filter.get("fromBlock")?.as_str()?)?;
                let to = number_of(filter.get("toBlock")?.as_str()?)?;
                chain.blocks.get(from..=to.min(chain.blocks.len() - 1))?.iter().collect()
            }
        };
        let logs: Vec<Value> = blocks.iter().flat_map(|block| logs_of(block)).collect();
        let deals: Vec<DealId> = blocks
            .iter()
            .flat_map(|block| block.logs.iter().filter_map(|(_, deal)| *deal))
            .collect();
        chain.tell(&deals);
        drop(chain);
        Some(Value::Array(logs).to_string())
    }
}

fn quantity(number: u64) -> String {
    format!("\"{number:#x}\"")
}

fn number_of(text: &str) -> Option<usize> {
    usize::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn header(block: &Block) -> Value {
    let zero = B256::ZERO;
    json!({
        "number": format!("{:#x}", block.number),
        "hash": block.hash,
        "parentHash": block.parent,
        "timestamp": format!("{:#x}", block.timestamp),
        "sha3Uncles": zero,
        "miner": "0x0000000000000000000000000000000000000000",
        "stateRoot": zero,
        "transactionsRoot": zero,
        "receiptsRoot": zero,
        "logsBloom": format!("0x{}", "0".repeat(512)),
        "difficulty": "0x0",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "extraData": "0x",
        "mixHash": zero,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x1",
        "transactions": [],
        "uncles": [],
    })
}

fn logs_of(block: &Block) -> impl Iterator<Item = Value> {
    block.logs.iter().enumerate().map(|(index, (body, _))| {
        json!({
            "address": chain::HUB,
            "topics": body.topics,
            "data": poco_core::Bytes::from(body.data.clone()),
            "blockNumber": format!("{:#x}", block.number),
            "blockHash": block.hash,
            "transactionHash": block.hash,
            "transactionIndex": "0x0",
            "logIndex": format!("{index:#x}"),
            "removed": false,
        })
    })
}
