//! The calls that are made: method and parameters.

use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, TransactionInput, TransactionRequest};
use poco_core::{Address, B256, Bytes};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct RpcCall {
    pub(super) method: &'static str,
    pub(super) params: Box<RawValue>,
}

const NO_PARAMS: [(); 0] = [];

impl RpcCall {
    fn new(method: &'static str, params: &impl Serialize) -> Self {
        let params = to_raw_value(params).expect("addresses, words and bytes are strings in JSON");
        Self { method, params }
    }

    pub(crate) fn chain_id() -> Self {
        Self::new("eth_chainId", &NO_PARAMS)
    }

    pub(crate) fn block_number() -> Self {
        Self::new("eth_blockNumber", &NO_PARAMS)
    }

    /// A block without its transactions.
    pub(crate) fn header(block: impl Into<BlockNumberOrTag>) -> Self {
        Self::new("eth_getBlockByNumber", &(block.into(), false))
    }

    /// A block with its transactions.
    pub(crate) fn full_block(number: u64) -> Self {
        Self::new("eth_getBlockByNumber", &(BlockNumberOrTag::from(number), true))
    }

    pub(crate) fn logs(filter: &Filter) -> Self {
        Self::new("eth_getLogs", &[filter])
    }

    pub(crate) fn receipt(transaction: B256) -> Self {
        Self::new("eth_getTransactionReceipt", &[transaction])
    }

    pub(crate) fn code(contract: Address, block: BlockNumberOrTag) -> Self {
        Self::new("eth_getCode", &(contract, block))
    }

    pub(crate) fn balance(account: Address, block: BlockNumberOrTag) -> Self {
        Self::new("eth_getBalance", &(account, block))
    }

    /// How many nonces of an account are used.
    pub(crate) fn nonce(account: Address, block: BlockNumberOrTag) -> Self {
        Self::new("eth_getTransactionCount", &(account, block))
    }

    pub(crate) fn dry_run(request: &TransactionRequest, block: BlockNumberOrTag) -> Self {
        Self::new("eth_call", &(request, block))
    }

    pub(crate) fn gas(request: &TransactionRequest) -> Self {
        Self::new("eth_estimateGas", &(request, BlockNumberOrTag::Latest))
    }

    pub(crate) fn gas_price() -> Self {
        Self::new("eth_gasPrice", &NO_PARAMS)
    }

    pub(crate) fn tip() -> Self {
        Self::new("eth_maxPriorityFeePerGas", &NO_PARAMS)
    }

    pub(crate) fn send(signed: &Bytes) -> Self {
        Self::new("eth_sendRawTransaction", &[signed])
    }
}

/// What a contract is asked, or would be told by a transaction. `to` is `None` for code that creates
/// one.
pub(crate) fn request(
    from: Option<Address>,
    to: Option<Address>,
    data: &Bytes,
) -> TransactionRequest {
    // Every node understands `data`; `input` came later.
    let input = TransactionInput { input: None, data: Some(data.clone()) };
    TransactionRequest { from, to: to.map(Into::into), input, ..TransactionRequest::default() }
}
