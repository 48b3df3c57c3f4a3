//! The settlement lane: whether the hub has it, bonds, and where a task was committed.

use super::{Chain, LogSearch};
use crate::abi::{Hub, Lane, events, views};
use crate::rpc::{MinedLog, RpcError};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolEvent;
use poco_chain_core::BlockRef;
use poco_core::lane::{Bond, CommitRange, LaneEvent, Row};
use poco_core::{Address, Amount, B256, DealId, Event, Timestamp, U256};

/// A commit on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCommit {
    /// The block that it is in.
    pub block: BlockRef,
    /// The transaction.
    pub transaction: B256,
    /// The deal.
    pub deal: DealId,
    /// Index of its first task.
    pub first: U256,
    /// The row of each task from there on.
    pub rows: Vec<Row>,
}

impl FoundCommit {
    /// The commit in an event of `block`; `None` where it is another event, or rows that no hub
    /// tells.
    #[must_use]
    pub fn of(event: &Event, block: BlockRef, transaction: B256) -> Option<Self> {
        let Event::Lane(LaneEvent::Committed { deal, first, lengths, rows }) = event else {
            return None;
        };
        let rows = Row::split(lengths, rows)?;
        Some(Self { block, transaction, deal: *deal, first: *first, rows })
    }

    /// The row of the task with `index`, and the range of the commit that is this task alone;
    /// `None` where it is not in this commit.
    #[must_use]
    pub fn task(&self, index: U256) -> Option<(&Row, CommitRange)> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let row = self.rows.get(place)?;
        let (before, rest) = self.rows.split_at(place);
        let range = CommitRange {
            deal: self.deal,
            first: self.first,
            time: self.block.timestamp,
            rows_before: before.iter().map(Row::hash).collect(),
            rows_after: rest.iter().skip(1).map(Row::hash).collect(),
        };
        Some((row, range))
    }
}

impl Chain {
    /// Whether the hub has the settlement lane; iExec's own does not.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn has_lane(&self) -> Result<bool, RpcError> {
        Ok(self.bond(Address::ZERO, Address::ZERO).await?.is_some())
    }

    /// A worker's bond for a pool; `None` where the hub has no settlement lane.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn bond(
        &self,
        worker: Address,
        workerpool: Address,
    ) -> Result<Option<Bond>, RpcError> {
        let call = Lane::viewBondCall { worker, pool: workerpool };
        let Ok(bond) = self.try_view(self.hub(), call).await? else { return Ok(None) };
        let release = views::small("releaseTime", bond.releaseTime)
            .map_err(|error| RpcError::unexpected("viewBond", error))?;
        Ok(Some(Bond {
            total: Amount(bond.total),
            locked: Amount(bond.locked),
            release: Timestamp(release),
        }))
    }

    /// The commit that a task is in, looked for from block `from` to the latest; `None` where
    /// there is none. A task is committed at most once.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn find_commit(
        &self,
        deal: DealId,
        index: U256,
        from: u64,
    ) -> Result<Option<FoundCommit>, RpcError> {
        let filter = Filter::new()
            .address(self.hub())
            .event_signature(Hub::Committed::SIGNATURE_HASH)
            .topic1(deal.0);
        let head = self.latest().await?.number;
        let mut search = LogSearch::new(filter, from, head);
        while let Some(logs) = search.next(self).await? {
            if let Some(found) = self.commit_in(&logs, index).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn commit_in(
        &self,
        logs: &[MinedLog],
        index: U256,
    ) -> Result<Option<FoundCommit>, RpcError> {
        for log in logs {
            let Some(event) = events::decode(self.contracts(), &log.log) else { continue };
            let found = FoundCommit::of(&event, BlockRef::default(), log.transaction);
            let Some(mut found) = found.filter(|found| found.task(index).is_some()) else {
                continue;
            };
            let blocks = self.blocks_of(std::slice::from_ref(log), &[]).await?;
            found.block = blocks.get(&log.block_hash).copied().ok_or_else(|| {
                RpcError::unexpected("eth_getBlockByNumber", "not the block of the log")
            })?;
            return Ok(Some(found));
        }
        Ok(None)
    }
}
