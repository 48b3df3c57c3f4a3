//! Several nodes of one chain: the next one is asked when one fails.
//!
//! JSON-RPC itself is alloy's: requests, answers and their types, batches. Which node is asked is
//! decided here: calls that belong together travel as one batch, so that one node answers all of
//! them from one state, and a node that lags or serves another chain is left. alloy's fallback layer
//! knows neither; it goes by who is quick. What the answers mean is for others.

mod answer;
mod blocks;
mod call;
mod failure;
mod http;

pub(crate) use answer::Answer;
pub(crate) use blocks::{MinedLog, RpcHeader, RpcReceipt, block_of, mined_at};
pub(crate) use call::{RpcCall, request};
pub use failure::RpcError;
#[cfg(feature = "fuzzing")]
pub(crate) use failure::refusal as refusal_of;

use alloy_primitives::U64;
use alloy_rpc_client::RpcClient;
use http::{Http, shown};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// Nodes refuse large batches; a hundred calls pass everywhere.
const BATCH_CALLS_MAX: usize = 100;

/// Nodes of one chain, in order of preference.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    /// The node that answered last.
    current: AtomicUsize,
    /// The only chain that answers are taken from, once known.
    chain_id: OnceLock<u64>,
}

#[derive(Debug)]
struct Node {
    /// What is shown of its url.
    name: String,
    client: RpcClient,
    /// It was asked for its chain id, which was right.
    is_verified: AtomicBool,
}

impl Rpc {
    /// Nodes at `urls`, each with `timeout` for one answer.
    pub(crate) fn new(urls: &[Url], timeout: Duration) -> Result<Self, RpcError> {
        let client = http::client(timeout)
            .map_err(|error| RpcError::Unreachable { detail: failure::one_line(&error) })?;
        let node = |url: &Url| Node {
            name: shown(url),
            // Whether a node is local changes how often alloy polls it, which it does not here.
            client: RpcClient::new(Http::new(client.clone(), url.clone()), false),
            is_verified: AtomicBool::new(false),
        };
        let nodes = urls.iter().map(node).collect();
        let inner = Inner { nodes, current: AtomicUsize::new(0), chain_id: OnceLock::new() };
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
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: RpcCall) -> Result<T, RpcError> {
        let method = call.method;
        match self.batch(&[call]).await?.pop() {
            Some(answer) => answer.parse(),
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
            match node.ask(self.inner.chain_id.get(), calls).await {
                Ok(answers) => {
                    self.inner.current.store(position, Ordering::Relaxed);
                    return Ok(answers);
                }
                Err(failure) => failures.push(format!("{}: {failure}", node.name)),
            }
        }
        Err(RpcError::Unreachable { detail: failures.join("; ") })
    }
}

impl Node {
    /// Answers to calls, if the node serves the chain that is expected.
    async fn ask(&self, chain: Option<&u64>, calls: &[RpcCall]) -> Result<Vec<Answer>, String> {
        if let Some(expected) = chain
            && !self.is_verified.load(Ordering::Relaxed)
        {
            let said = self.one(&RpcCall::chain_id()).await?.parse::<U64>();
            let id = said.ok().map(|id| id.to::<u64>());
            if id != Some(*expected) {
                return Err(format!("it serves chain {id:?}, not {expected}"));
            }
            self.is_verified.store(true, Ordering::Relaxed);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(BATCH_CALLS_MAX) {
            match chunk {
                [call] => answers.push(self.one(call).await?),
                calls => answers.extend(self.several(calls).await?),
            }
        }
        Ok(answers)
    }

    async fn one(&self, call: &RpcCall) -> Result<Answer, String> {
        let answered = self.client.request(call.method, &*call.params).await;
        Answer::of(call.method, answered)
    }

    async fn several(&self, calls: &[RpcCall]) -> Result<Vec<Answer>, String> {
        let mut batch = self.client.new_batch();
        let mut waiting = Vec::with_capacity(calls.len());
        for call in calls {
            let waiter = batch.add_call::<_, Box<RawValue>>(call.method, &call.params);
            waiting.push((call.method, waiter.map_err(|error| failure::described(&error))?));
        }
        batch.send().await.map_err(|error| failure::described(&error))?;
        let mut answers = Vec::with_capacity(waiting.len());
        for (method, waiter) in waiting {
            answers.push(Answer::of(method, waiter.await)?);
        }
        Ok(answers)
    }
}
