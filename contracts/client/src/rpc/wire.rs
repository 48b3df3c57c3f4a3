//! The JSON of the node's answers.

use super::failure::{Answer, NodeSaid};
use poco_chain_core::{BlockRef, Header};
use poco_core::{Address, B256, Bytes, Timestamp, U256};
use serde::Deserialize;
use serde_json::Value;

/// One answer object: a result or an error.
pub(super) fn answer(object: Value) -> Result<Answer, String> {
    let Value::Object(mut object) = object else { return Err("no JSON-RPC answer".into()) };
    if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
        return Ok(Err(NodeSaid::parse(error)));
    }
    object.remove("result").map(Ok).ok_or_else(|| "neither a result nor an error".into())
}

/// The answers to a batch, which may come in any order.
pub(super) fn in_order(answers: Vec<Value>, count: usize) -> Result<Vec<Answer>, String> {
    let mut ordered: Vec<Option<Answer>> = (0..count).map(|_| None).collect();
    for object in answers {
        let id = object.get("id").and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
        let place = id.and_then(|id| ordered.get_mut(id));
        *place.ok_or("an answer to nothing")? = Some(answer(object)?);
    }
    let all: Option<Vec<Answer>> = ordered.into_iter().collect();
    all.ok_or_else(|| "some calls were not answered".into())
}

/// A hexadecimal quantity.
pub(crate) fn quantity(value: &Value) -> Option<u64> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok()
}

/// A hexadecimal quantity of up to 256 bits.
pub(crate) fn quantity_u256(value: &Value) -> Option<U256> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    U256::from_str_radix(digits, 16).ok()
}

mod hex_u64 {
    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        super::quantity(&value).ok_or_else(|| D::Error::custom(format!("{value} is no quantity")))
    }
}

/// What is read of a block.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderJson {
    #[serde(with = "hex_u64")]
    number: u64,
    hash: B256,
    parent_hash: B256,
    #[serde(with = "hex_u64")]
    timestamp: u64,
    /// Missing on chains before EIP-1559.
    pub(crate) base_fee_per_gas: Option<U256>,
    #[serde(with = "hex_u64")]
    pub(crate) gas_limit: u64,
}

impl HeaderJson {
    pub(crate) fn block(&self) -> BlockRef {
        let timestamp = Timestamp(self.timestamp);
        BlockRef { number: self.number, hash: self.hash, timestamp }
    }

    pub(crate) fn header(&self) -> Header {
        Header { block: self.block(), parent: self.parent_hash }
    }
}

/// What is read of a log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogJson {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
    #[serde(with = "hex_u64")]
    pub(crate) block_number: u64,
    pub(crate) block_hash: B256,
    pub(crate) transaction_hash: B256,
    #[serde(with = "hex_u64")]
    pub(crate) log_index: u64,
}

/// What is read of a receipt.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson {
    pub(crate) transaction_hash: B256,
    pub(crate) block_hash: B256,
    #[serde(with = "hex_u64")]
    pub(crate) block_number: u64,
    #[serde(with = "hex_u64")]
    pub(crate) gas_used: u64,
    #[serde(with = "hex_u64")]
    pub(crate) status: u64,
    pub(crate) contract_address: Option<Address>,
    pub(crate) logs: Vec<LogJson>,
}
