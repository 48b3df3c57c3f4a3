//! A connection to one hub: what can be read there, in our words.
//!
//! An answer comes from a node that knows at least as much as any node knew before, or there is no
//! answer: a node that lags is never believed to say "no". Sending is [`crate::Sender`]'s, and
//! following is [`crate::EventStream`]'s.

mod conditions;
mod connect;
mod facts;
mod lane;
mod logs;
mod purse;
mod read;
mod resources;
mod search;
mod views;

pub use connect::ConnectError;
pub(crate) use connect::chain_id;
pub use lane::FoundCommit;
pub(crate) use logs::{locate, parse_logs};
pub use purse::{Purse, SentTransaction};
pub use read::DryRunError;
pub use resources::{AppEntry, DatasetEntry, WorkerpoolEntry};
pub(crate) use search::LogSearch;
pub use views::Account;

use crate::contracts::Contracts;
use crate::rpc::Rpc;
use poco_core::{Address, B256, OrderKind};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks while contracts are deployed: a person waits for it.
const DEPLOY_POLL_MILLIS: u64 = 250;

/// A connection to one hub. Clones share it.
#[derive(Clone, Debug)]
pub struct Chain {
    inner: Arc<Inner>,
    /// Reads are pinned to this block; the latest otherwise.
    at: Option<u64>,
}

#[derive(Debug)]
struct Inner {
    rpc: Rpc,
    contracts: Contracts,
    confirmations: u64,
    poll: Duration,
    head: read::HeadSeen,
}

impl Chain {
    /// EIP-155 id of the chain.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.inner.contracts.chain_id
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> Address {
        self.inner.contracts.hub
    }

    /// The token that the hub takes.
    #[must_use]
    pub fn token(&self) -> Address {
        self.inner.contracts.token
    }

    /// The registry of apps, datasets or pools; zero for requests, which are about no resource.
    #[must_use]
    pub fn registry(&self, kind: OrderKind) -> Address {
        self.inner.contracts.registry(kind).unwrap_or_default()
    }

    /// The EIP-712 domain separator under which orders are signed.
    #[must_use]
    pub fn domain_separator(&self) -> B256 {
        self.inner.contracts.domain_separator
    }

    /// The same connection, reading the state after block `number` instead of the latest.
    #[must_use]
    pub fn at(&self, number: u64) -> Self {
        Self { inner: self.inner.clone(), at: Some(number) }
    }

    /// How many blocks must lie on top of a block before its events are told.
    #[must_use]
    pub fn confirmations(&self) -> u64 {
        self.inner.confirmations
    }

    /// A connection to a chain on which there is no hub yet.
    pub(crate) fn without_hub(rpc: Rpc, chain_id: u64) -> Self {
        let contracts = Contracts { chain_id, ..Contracts::default() };
        let poll = Duration::from_millis(DEPLOY_POLL_MILLIS);
        let head = read::HeadSeen::default();
        let inner = Inner { rpc, contracts, confirmations: 0, poll, head };
        Self { inner: Arc::new(inner), at: None }
    }

    pub(crate) fn rpc(&self) -> &Rpc {
        &self.inner.rpc
    }

    pub(crate) fn contracts(&self) -> &Contracts {
        &self.inner.contracts
    }

    pub(crate) fn poll(&self) -> Duration {
        self.inner.poll
    }
}
