//! Connecting: the chain and the hub are what the settings say, or one line says what they are.

use super::read::HeadSeen;
use super::{Chain, Inner};
use crate::abi::Hub;
use crate::contracts::Contracts;
use crate::rpc::{Answer, Rpc, RpcCall, RpcError, request};
use crate::settings::ChainSettings;
use alloy_primitives::U64;
use alloy_rpc_types_eth::BlockNumberOrTag::Latest;
use alloy_sol_types::SolCall;
use poco_core::{Address, Bytes};
use std::sync::Arc;
use std::time::Duration;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The settings name no node.
    #[error("no RPC url is set; give one with --rpc-url or POCO_RPC_URL")]
    NoUrl,
    /// No node answered.
    #[error("cannot reach the chain: {0}; is the node running, and is --rpc-url right?")]
    Unreachable(RpcError),
    /// Another chain.
    #[error(
        "{url} serves chain {found}, but chain {expected} is wanted; correct --rpc-url, --addresses or --chain-id"
    )]
    WrongChain {
        /// The node.
        url: String,
        /// What the settings say.
        expected: u64,
        /// What the node says.
        found: u64,
    },
    /// Nothing lies at the hub's address.
    #[error("there is no contract at {hub} on chain {chain_id}; correct --hub or --addresses")]
    NoHub {
        /// The address.
        hub: Address,
        /// The chain.
        chain_id: u64,
    },
    /// Something else lies at the hub's address.
    #[error("the contract at {hub} is no hub ({detail}); correct --hub or --addresses")]
    NotAHub {
        /// The address.
        hub: Address,
        /// What it did not answer.
        detail: String,
    },
}

impl Chain {
    /// Connects to the hub in the settings.
    ///
    /// # Errors
    /// [`ConnectError`], one line that says what to correct.
    pub async fn connect(settings: &ChainSettings) -> Result<Self, ConnectError> {
        let first = settings.rpc_urls.first().ok_or(ConnectError::NoUrl)?;
        let timeout = Duration::from_secs(settings.call_timeout_seconds.max(1));
        let rpc = Rpc::new(&settings.rpc_urls, timeout).map_err(ConnectError::Unreachable)?;
        let chain_id = chain_id(&rpc).await.map_err(ConnectError::Unreachable)?;
        if let Some(expected) = settings.chain_id.filter(|expected| *expected != chain_id) {
            let url = first.origin().ascii_serialization();
            return Err(ConnectError::WrongChain { url, expected, found: chain_id });
        }
        rpc.expect_chain(chain_id);
        let contracts = contracts(&rpc, chain_id, settings.hub).await?;
        let inner = Inner {
            rpc,
            contracts,
            confirmations: settings.confirmations,
            poll: Duration::from_millis(settings.poll_millis.max(1)),
            head: HeadSeen::default(),
        };
        Ok(Self { inner: Arc::new(inner), at: None })
    }
}

pub(crate) async fn chain_id(rpc: &Rpc) -> Result<u64, RpcError> {
    rpc.call::<U64>(RpcCall::chain_id()).await.map(|id| id.to())
}

/// Asks everything in one batch, so that a node far away costs one round trip.
async fn contracts(rpc: &Rpc, chain_id: u64, hub: Address) -> Result<Contracts, ConnectError> {
    let calls = [
        RpcCall::code(hub, Latest),
        ask(hub, &Hub::tokenCall {}),
        ask(hub, &Hub::appregistryCall {}),
        ask(hub, &Hub::datasetregistryCall {}),
        ask(hub, &Hub::workerpoolregistryCall {}),
        ask(hub, &Hub::eip712domain_separatorCall {}),
    ];
    let answers = rpc.batch(&calls).await.map_err(ConnectError::Unreachable)?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_else(Answer::missing);
    let code: Bytes = next().parse().map_err(ConnectError::Unreachable)?;
    if code.is_empty() {
        return Err(ConnectError::NoHub { hub, chain_id });
    }
    Ok(Contracts {
        chain_id,
        hub,
        token: told::<Hub::tokenCall>(hub, next())?,
        app_registry: told::<Hub::appregistryCall>(hub, next())?,
        dataset_registry: told::<Hub::datasetregistryCall>(hub, next())?,
        workerpool_registry: told::<Hub::workerpoolregistryCall>(hub, next())?,
        domain_separator: told::<Hub::eip712domain_separatorCall>(hub, next())?,
    })
}

fn ask(hub: Address, call: &impl SolCall) -> RpcCall {
    RpcCall::dry_run(&request(None, Some(hub), &call.abi_encode().into()), Latest)
}

fn told<C: SolCall>(hub: Address, answer: Answer) -> Result<C::Return, ConnectError> {
    let not_a_hub = |detail: String| ConnectError::NotAHub { hub, detail };
    match super::read::decode::<C>(answer) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(refusal)) => Err(not_a_hub(format!("{} gives: {refusal}", C::SIGNATURE))),
        Err(RpcError::Unexpected { .. }) => {
            Err(not_a_hub(format!("no answer to {}", C::SIGNATURE)))
        }
        Err(
            error
            @ (RpcError::Unreachable { .. } | RpcError::Behind { .. } | RpcError::Node { .. }),
        ) => Err(ConnectError::Unreachable(error)),
    }
}
