//! JSON-RPC over HTTP to several nodes: the next one is asked when one fails.
//!
//! Calls that belong together travel as one batch, so that one node answers all of them from one
//! state. Whatever a node says is bounded in size and time. What the answers mean is for others.

mod failure;
mod wire;

pub(crate) use failure::Answer;
pub use failure::RpcError;
pub(crate) use wire::{HeaderJson, LogJson, ReceiptJson, quantity, quantity_u256};

use reqwest::Client;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use url::Url;

/// Nodes refuse large batches; a hundred calls pass everywhere.
const BATCH_CALLS_MAX: usize = 100;
/// The largest answer that is read: 10 000 logs, the most that public nodes give, take a tenth.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct RpcCall {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

impl RpcCall {
    pub(crate) const fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }
}

/// Nodes of one chain, in order of preference.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: Client,
    nodes: Vec<Node>,
    /// The node that answered last.
    current: AtomicUsize,
    /// The only chain that answers are taken from, once known.
    chain_id: std::sync::OnceLock<u64>,
}

#[derive(Debug)]
struct Node {
    url: Url,
    /// It was asked for its chain id, which was right.
    is_verified: AtomicBool,
}

impl Rpc {
    /// Nodes at `urls`, each with `timeout` for one answer.
    pub(crate) fn new(urls: &[Url], timeout: Duration) -> Result<Self, RpcError> {
        crate::install_crypto();
        let http = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .build()
            .map_err(|error| RpcError::Unreachable { detail: failure::one_line(&error) })?;
        let node = |url: &Url| Node { url: url.clone(), is_verified: AtomicBool::new(false) };
        let nodes = urls.iter().map(node).collect();
        let current = AtomicUsize::new(0);
        let inner = Inner { http, nodes, current, chain_id: std::sync::OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From now on a node that names another chain id counts as failed.
    pub(crate) fn expect_chain(&self, chain_id: u64) {
        // A second call changes nothing: the chain of a connection never changes.
        let _ = self.inner.chain_id.set(chain_id);
    }

    /// Leaves the present node for the next one, as one that lags.
    pub(crate) fn prefer_next(&self) {
        let count = self.inner.nodes.len().max(1);
        let next = (self.inner.current.load(Ordering::Relaxed) + 1) % count;
        self.inner.current.store(next, Ordering::Relaxed);
    }

    /// One call.
    pub(crate) async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        let method = call.method;
        let mut answers = self.batch(&[call]).await?;
        match answers.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(said)) => Err(said.into_error(method)),
            None => Err(RpcError::unexpected(method, "no answer")),
        }
    }

    /// Several calls to one node, answered in their order.
    pub(crate) async fn batch(&self, calls: &[RpcCall]) -> Result<Vec<Answer>, RpcError> {
        let first = self.inner.current.load(Ordering::Relaxed);
        let count = self.inner.nodes.len();
        let mut failures = Vec::new();
        for position in (0..count).map(|offset| (first + offset) % count) {
            let Some(node) = self.inner.nodes.get(position) else { continue };
            match self.ask(node, calls).await {
                Ok(answers) => {
                    self.inner.current.store(position, Ordering::Relaxed);
                    return Ok(answers);
                }
                Err(failure) => failures.push(format!("{}: {failure}", shown(&node.url))),
            }
        }
        Err(RpcError::Unreachable { detail: failures.join("; ") })
    }

    async fn ask(&self, node: &Node, calls: &[RpcCall]) -> Result<Vec<Answer>, String> {
        if let Some(expected) = self.inner.chain_id.get()
            && !node.is_verified.load(Ordering::Relaxed)
        {
            let call = RpcCall::new("eth_chainId", json!([]));
            let said = self.post(node, &[call]).await?;
            let id = said.first().and_then(|answer| answer.as_ref().ok()).and_then(wire::quantity);
            if id != Some(*expected) {
                return Err(format!("it serves chain {id:?}, not {expected}"));
            }
            node.is_verified.store(true, Ordering::Relaxed);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(BATCH_CALLS_MAX) {
            answers.extend(self.post(node, chunk).await?);
        }
        Ok(answers)
    }

    async fn post(&self, node: &Node, calls: &[RpcCall]) -> Result<Vec<Answer>, String> {
        let request = |(id, call): (usize, &RpcCall)| json!({"jsonrpc": "2.0", "id": id, "method": call.method, "params": call.params});
        if let [call] = calls {
            let answer = self.exchange(node, &request((0, call))).await?;
            return wire::answer(answer).map(|answer| vec![answer]);
        }
        let batch: Vec<Value> = calls.iter().enumerate().map(request).collect();
        match self.exchange(node, &Value::Array(batch)).await? {
            Value::Array(answers) => wire::in_order(answers, calls.len()),
            // A node that takes no batches says so in one object: its calls go one by one.
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => {
                let mut answers = Vec::with_capacity(calls.len());
                for call in calls {
                    let answer = self.exchange(node, &request((0, call))).await?;
                    answers.push(wire::answer(answer)?);
                }
                Ok(answers)
            }
        }
    }

    async fn exchange(&self, node: &Node, body: &Value) -> Result<Value, String> {
        let sent = self.inner.http.post(node.url.clone()).json(body).send().await;
        let mut response = sent.map_err(|error| failure::one_line(&error.without_url()))?;
        let status = response.status();
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|e| failure::one_line(&e.without_url()))? else {
                break;
            };
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|_| format!("no JSON, HTTP status {status}"))
    }
}

/// A url without what may be a secret in it: user, password, path and query.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}
