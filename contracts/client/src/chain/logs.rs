//! Logs: which ones are wanted, and as events with their place in the chain.

use super::Chain;
use crate::abi::events;
use crate::interest::Interest;
use crate::rpc::{Answer, MinedLog, RpcCall, RpcError, RpcHeader, block_of};
use crate::stream::LocatedEvent;
use alloy_rpc_types_eth::Log;
use poco_chain_core::BlockRef;
use poco_core::B256;
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
        let mut calls = vec![RpcCall::header(to_block)];
        for filter in interest.filters(self.contracts()) {
            calls.push(RpcCall::logs(&filter.select(from_block..=to_block)));
        }
        let mut answers = self.read(calls).await?;
        // The end of the range must be there, or an empty answer would only mean that it is not.
        let end: Option<RpcHeader> = answers.remove(0).parse()?;
        let end =
            end.ok_or_else(|| RpcError::unexpected("eth_getBlockByNumber", "no such block"))?;
        let logs = parse_logs(answers)?;
        let blocks = self.blocks_of(&logs, &[block_of(&end)]).await?;
        Ok(locate(self, interest, logs, &blocks))
    }

    /// The blocks of some logs: those given, and others fetched.
    pub(crate) async fn blocks_of(
        &self,
        logs: &[MinedLog],
        known: &[BlockRef],
    ) -> Result<BTreeMap<B256, BlockRef>, RpcError> {
        let mut blocks: BTreeMap<B256, BlockRef> =
            known.iter().map(|block| (block.hash, *block)).collect();
        let missing: BTreeSet<u64> = (logs.iter())
            .filter(|log| !blocks.contains_key(&log.block_hash))
            .map(|log| log.block)
            .collect();
        let calls = missing.into_iter().map(RpcCall::header).collect();
        for answer in self.read(calls).await? {
            if let Some(header) = answer.parse::<Option<RpcHeader>>()? {
                blocks.insert(header.hash, block_of(&header));
            }
        }
        let is_unknown = |log: &&MinedLog| !blocks.contains_key(&log.block_hash);
        match logs.iter().find(is_unknown) {
            None => Ok(blocks),
            // Rewritten between the two questions: whoever asks again sees one chain.
            Some(log) => Err(RpcError::unexpected(
                "eth_getLogs",
                format!("block {} was replaced meanwhile", log.block),
            )),
        }
    }
}

/// The logs of several answers.
pub(crate) fn parse_logs(answers: Vec<Answer>) -> Result<Vec<MinedLog>, RpcError> {
    let mut logs = Vec::new();
    for answer in answers {
        for log in answer.parse::<Vec<Log>>()? {
            let mined = MinedLog::of(log);
            let placeless = || RpcError::unexpected("eth_getLogs", "a log that is in no block");
            logs.push(mined.ok_or_else(placeless)?);
        }
    }
    Ok(logs)
}

/// Logs as events, in the order of the chain. Each log comes once, though two filters may find it.
pub(crate) fn locate(
    chain: &Chain,
    interest: &Interest,
    mut logs: Vec<MinedLog>,
    blocks: &BTreeMap<B256, BlockRef>,
) -> Vec<LocatedEvent> {
    logs.sort_by_key(|log| (log.block, log.index));
    logs.dedup_by_key(|log| (log.block, log.index));
    let located = logs.iter().filter_map(|log| {
        let block = *blocks.get(&log.block_hash)?;
        let event = events::decode(chain.contracts(), &log.log);
        if event.is_none() {
            tracing::debug!(emitter = %log.log.address, transaction = %log.transaction, "a log that is not understood");
        }
        let event = event.filter(|event| interest.wants(event))?;
        Some(LocatedEvent { event, block, transaction: log.transaction, log_index: log.index })
    });
    located.collect()
}
