//! Logs: which ones are wanted, and as events with their place in the chain.

use super::Chain;
use super::read::{header_call, number_tag, parse};
use crate::abi::events;
use crate::interest::{Filter, Interest};
use crate::rpc::{Answer, HeaderJson, LogJson, RpcCall, RpcError};
use crate::stream::LocatedEvent;
use poco_chain_core::BlockRef;
use poco_core::B256;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Chain {
    /// The events of interest in the blocks `from_block..=to_block`, in order.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered, or the range is too large for it.
    pub async fn events(
        &self,
        interest: &Interest,
        from_block: u64,
        to_block: u64,
    ) -> Result<Vec<LocatedEvent>, RpcError> {
        let range = json!({"fromBlock": number_tag(from_block), "toBlock": number_tag(to_block)});
        let filters = interest.filters(self.contracts());
        let mut calls = vec![header_call(number_tag(to_block))];
        calls.extend(filters.iter().map(|filter| logs_call(filter, range.clone())));
        let mut answers = self.read(calls).await?;
        // The end of the range must be there, or an empty answer would only mean that it is not.
        let end: Option<HeaderJson> = parse("eth_getBlockByNumber", answers.remove(0))?;
        let end =
            end.ok_or_else(|| RpcError::unexpected("eth_getBlockByNumber", "no such block"))?;
        let logs = parse_logs(answers)?;
        let blocks = self.blocks_of(&logs, &[end.block()]).await?;
        Ok(locate(self, interest, logs, &blocks))
    }

    /// The blocks of some logs: those given, and others fetched.
    pub(crate) async fn blocks_of(
        &self,
        logs: &[LogJson],
        known: &[BlockRef],
    ) -> Result<BTreeMap<B256, BlockRef>, RpcError> {
        let mut blocks: BTreeMap<B256, BlockRef> =
            known.iter().map(|block| (block.hash, *block)).collect();
        let missing: BTreeSet<u64> = (logs.iter())
            .filter(|log| !blocks.contains_key(&log.block_hash))
            .map(|log| log.block_number)
            .collect();
        let calls = missing.into_iter().map(|number| header_call(number_tag(number))).collect();
        for answer in self.read(calls).await? {
            let header: Option<HeaderJson> = parse("eth_getBlockByNumber", answer)?;
            if let Some(header) = header {
                blocks.insert(header.block().hash, header.block());
            }
        }
        let is_unknown = |log: &&LogJson| !blocks.contains_key(&log.block_hash);
        match logs.iter().find(is_unknown) {
            None => Ok(blocks),
            // Rewritten between the two questions: whoever asks again sees one chain.
            Some(log) => Err(RpcError::unexpected(
                "eth_getLogs",
                format!("block {} was replaced meanwhile", log.block_number),
            )),
        }
    }
}

/// `eth_getLogs` over a range, or over one block by its hash.
pub(crate) fn logs_call(filter: &Filter, blocks: Value) -> RpcCall {
    let mut params = blocks;
    if !filter.emitters.is_empty() {
        params["address"] = json!(filter.emitters);
    }
    params["topics"] = json!([filter.topics]);
    RpcCall::new("eth_getLogs", json!([params]))
}

pub(crate) fn parse_logs(answers: Vec<Answer>) -> Result<Vec<LogJson>, RpcError> {
    let mut logs = Vec::new();
    for answer in answers {
        let some: Vec<LogJson> = parse("eth_getLogs", answer)?;
        logs.extend(some);
    }
    Ok(logs)
}

/// Logs as events, in the order of the chain. Each log comes once, though two filters may find it.
pub(crate) fn locate(
    chain: &Chain,
    interest: &Interest,
    mut logs: Vec<LogJson>,
    blocks: &BTreeMap<B256, BlockRef>,
) -> Vec<LocatedEvent> {
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    logs.dedup_by_key(|log| (log.block_number, log.log_index));
    let located = logs.iter().filter_map(|log| {
        let block = *blocks.get(&log.block_hash)?;
        let event = events::decode(chain.contracts(), log.address, &log.topics, &log.data);
        if event.is_none() {
            tracing::debug!(emitter = %log.address, transaction = %log.transaction_hash, "a log that is not understood");
        }
        let event = event.filter(|event| interest.wants(event))?;
        Some(LocatedEvent {
            event,
            block,
            transaction: log.transaction_hash,
            log_index: log.log_index,
        })
    });
    located.collect()
}
