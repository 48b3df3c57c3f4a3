//! Statements of tasks that have ended, from a chain's events and views.

use crate::abi::{Hub, events};
use crate::chain::{Chain, LogSearch};
use crate::interest::Interest;
use crate::rpc::{Answer, MinedLog, RpcCall, RpcError, RpcHeader, RpcReceipt};
use crate::stream::{EventStream, LocatedEvent, StreamItem};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolEvent as _;
use poco_chain_core::{BlockRef, Cursor};
use poco_core::statement::{Disagreement, Move, Moves, Statement, statement};
use poco_core::{Address, B256, Event, TaskId, Timestamp, U256};
use std::collections::{BTreeMap, BTreeSet};

/// How often events are read from the start again, where the chain is rewritten meanwhile.
const READS_MAX: u32 = 3;
/// Transactions of one worker for one task: a vote and a reveal, and as many again behind a reopening.
const TRANSACTIONS_MAX: usize = 8;

/// Whose statements are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Of tasks for which this wallet voted.
    Worker(Address),
    /// Of all tasks of this pool.
    Workerpool(Address),
}

/// The end of a task, as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    /// The task.
    pub task: TaskId,
    /// The block.
    pub block: BlockRef,
    /// What it moved.
    pub moves: Moves,
    /// The transactions in which the party voted and revealed, where it is a worker: its own, or a
    /// batch of the pool's.
    pub transactions: Vec<B256>,
}

/// Finds the ends of a party's tasks among events, given in their order.
#[derive(Debug)]
struct Ends {
    party: Party,
    /// The transaction that is being read, and what it has moved so far for each reference.
    transaction: B256,
    moves: BTreeMap<B256, Moves>,
    /// Tasks of the party that have not ended.
    open: BTreeMap<TaskId, BTreeSet<B256>>,
}

impl Ends {
    fn new(party: Party) -> Self {
        Self { party, transaction: B256::ZERO, moves: BTreeMap::new(), open: BTreeMap::new() }
    }

    fn take(&mut self, located: &LocatedEvent) -> Option<TaskEnd> {
        let LocatedEvent { event, block, transaction, .. } = located;
        if *transaction != self.transaction {
            // What an end moves, it moves in its own transaction.
            self.transaction = *transaction;
            self.moves.clear();
        }
        let ended = if let Event::TaskFinalize { task, .. } | Event::TaskClaimed { task } = event {
            *task
        } else {
            self.note(event, *transaction);
            return None;
        };
        let moves = self.moves.remove(&ended.0).unwrap_or_default();
        let transactions = self.open.remove(&ended).or_else(|| {
            // A vote of the settlement lane that was not disclosed has no event of its own.
            let Party::Worker(worker) = self.party else { return None };
            (moves.of(worker) != Move::default()).then(BTreeSet::new)
        })?;
        let transactions = transactions.into_iter().collect();
        Some(TaskEnd { task: ended, block: *block, moves, transactions })
    }

    fn note(&mut self, event: &Event, transaction: B256) {
        if let Event::Reward { reference, .. } | Event::Seize { reference, .. } = event {
            self.moves.entry(*reference).or_default().add(*reference, event);
        } else if let Event::TaskInitialize { task, workerpool } = event {
            if self.party == Party::Workerpool(*workerpool) {
                self.open.entry(*task).or_default();
            }
        } else if let Event::TaskContribute { task, worker, .. }
        | Event::TaskReveal { task, worker, .. } = event
            && self.party == Party::Worker(*worker)
        {
            let transactions = self.open.entry(*task).or_default();
            if transactions.len() < TRANSACTIONS_MAX {
                transactions.insert(transaction);
            }
        }
    }
}

impl Chain {
    /// The ends of a party's tasks from a block on, in order, up to the last block that is deep enough.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered, or the chain is rewritten again and again.
    pub async fn ends(&self, party: Party, from_block: u64) -> Result<Vec<TaskEnd>, RpcError> {
        let head = self.latest().await?.number.saturating_sub(self.confirmations());
        'reads: for _ in 0..READS_MAX {
            let cursor = Cursor::start_at(from_block);
            let mut events = EventStream::new(self.clone(), Interest::ends(), cursor);
            let (mut ends, mut found) = (Ends::new(party), Vec::new());
            let mut read = 0;
            while read < head {
                match events.next().await {
                    StreamItem::Blocks(blocks) => {
                        read = blocks.to.number;
                        found.extend(blocks.events.iter().filter_map(|event| ends.take(event)));
                    }
                    StreamItem::Rollback { .. } => continue 'reads,
                }
            }
            return Ok(found);
        }
        Err(RpcError::unexpected("eth_getLogs", "the chain is rewritten again and again"))
    }

    /// The end of one task, looked for from a block on; `None` where it has not ended there.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn end_of(&self, task: TaskId, from: u64) -> Result<Option<TaskEnd>, RpcError> {
        match self.find_end(task, from).await? {
            Some(log) => self.end_in(task, &log).await.map(Some),
            None => Ok(None),
        }
    }

    /// The block in which a task ended, looked for from a block on; `None` where it has not ended there.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn ended_in(&self, task: TaskId, from: u64) -> Result<Option<u64>, RpcError> {
        Ok(self.find_end(task, from).await?.map(|log| log.block))
    }

    async fn find_end(&self, task: TaskId, from: u64) -> Result<Option<MinedLog>, RpcError> {
        let topics = vec![Hub::TaskFinalize::SIGNATURE_HASH, Hub::TaskClaimed::SIGNATURE_HASH];
        let filter = Filter::new().address(self.hub()).event_signature(topics).topic1(task.0);
        let head = self.latest().await?.number;
        let mut search = LogSearch::new(filter, from, head);
        while let Some(logs) = search.next(self).await? {
            if let Some(log) = logs.into_iter().next() {
                return Ok(Some(log));
            }
        }
        Ok(None)
    }

    /// What the transaction moved in which a task ended.
    async fn end_in(&self, task: TaskId, log: &MinedLog) -> Result<TaskEnd, RpcError> {
        let blocks = self.blocks_of(std::slice::from_ref(log), &[]).await?;
        let block = blocks.get(&log.block_hash).copied();
        let receipt = self.read(vec![RpcCall::receipt(log.transaction)]).await?.pop();
        let receipt: Option<RpcReceipt> = receipt.map(Answer::parse).transpose()?.flatten();
        let (Some(block), Some(receipt)) = (block, receipt) else {
            return Err(RpcError::unexpected("eth_getTransactionReceipt", "not that of its log"));
        };
        let mut moves = Moves::default();
        for log in receipt.inner.logs() {
            if let Some(event) = events::decode(self.contracts(), &log.inner) {
                moves.add(task.0, &event);
            }
        }
        Ok(TaskEnd { task, block, moves, transactions: Vec::new() })
    }

    /// The first block whose time is at least `time`; one behind the latest where there is none.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn first_block_at(&self, time: Timestamp) -> Result<u64, RpcError> {
        let head = self.latest().await?.number;
        let (mut low, mut high) = (0, head.saturating_add(1));
        // Halves what is left: at most 64 rounds.
        while low < high {
            let middle = low.midpoint(high);
            let header = self.read(vec![RpcCall::header(middle)]).await?.pop();
            let header: Option<RpcHeader> = header.map(Answer::parse).transpose()?.flatten();
            let header = header
                .ok_or_else(|| RpcError::unexpected("eth_getBlockByNumber", "no such block"))?;
            if header.timestamp >= time.0 {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Ok(low)
    }

    /// The statement of a task that has ended.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered; inside, why events and views do not agree.
    pub async fn statement(
        &self,
        end: &TaskEnd,
    ) -> Result<Result<Statement, Disagreement>, RpcError> {
        let view = self.task(end.task).await?;
        let Some(deal) = self.deal(view.deal).await? else {
            return Ok(Err(Disagreement::NotEnded));
        };
        let mut votes = Vec::with_capacity(view.contributors.len());
        for worker in &view.contributors {
            votes.push((*worker, self.contribution(end.task, *worker).await?));
        }
        Ok(statement(&deal, (end.task, &view), &votes, &end.moves))
    }

    /// What a wallet paid for the gas of those of these transactions that it sent itself, in wei.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn fees_paid(&self, by: Address, transactions: &[B256]) -> Result<U256, RpcError> {
        let calls = transactions.iter().copied().map(RpcCall::receipt).collect();
        let mut paid = U256::ZERO;
        for answer in self.read(calls).await? {
            let receipt: Option<RpcReceipt> = answer.parse()?;
            if let Some(receipt) = receipt.filter(|receipt| receipt.from == by) {
                let price = U256::from(receipt.effective_gas_price);
                paid = paid.saturating_add(U256::from(receipt.gas_used).saturating_mul(price));
            }
        }
        Ok(paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{Amount, ResultHash};

    const WORKER: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);
    const POOL: Address = Address::repeat_byte(3);

    fn task(byte: u8) -> TaskId {
        TaskId(B256::repeat_byte(byte))
    }

    fn at(transaction: u8, event: Event) -> LocatedEvent {
        let hash = B256::repeat_byte(transaction);
        let block = BlockRef { number: transaction.into(), hash, timestamp: Timestamp(0) };
        LocatedEvent { event, block, transaction: hash, log_index: 0 }
    }

    fn reward(owner: Address, of: TaskId) -> Event {
        Event::Reward { owner, amount: Amount::from_nano(5), reference: of.0 }
    }

    fn voted(of: TaskId, worker: Address) -> Event {
        Event::TaskContribute { task: of, worker, hash: ResultHash::default() }
    }

    fn finalized(task: TaskId) -> Event {
        Event::TaskFinalize { task, results: Default::default() }
    }

    #[test]
    fn a_worker_finds_its_tasks_with_its_transactions_and_nobody_elses() {
        let events = [
            at(1, voted(task(1), WORKER)),
            at(2, voted(task(2), OTHER)),
            at(3, Event::TaskReveal { task: task(1), worker: WORKER, digest: Default::default() }),
            // Of another transaction, and so of no end.
            at(4, reward(WORKER, task(3))),
            at(5, reward(WORKER, task(1))),
            at(5, reward(OTHER, task(2))),
            at(5, finalized(task(1))),
            at(5, finalized(task(2))),
            at(6, finalized(task(3))),
            at(7, reward(WORKER, task(4))),
            at(7, finalized(task(4))),
        ];
        let mut ends = Ends::new(Party::Worker(WORKER));
        let found: Vec<TaskEnd> = events.iter().filter_map(|event| ends.take(event)).collect();
        let tasks: Vec<TaskId> = found.iter().map(|end| end.task).collect();
        assert_eq!(tasks, [task(1), task(4)]);
        assert_eq!(found[0].transactions, [B256::repeat_byte(1), B256::repeat_byte(3)]);
        assert_eq!(found[0].moves.of(WORKER).rewarded, Amount::from_nano(5));
        assert_eq!(found[0].moves.of(OTHER), Default::default());
        assert!(ends.open.is_empty());
    }

    #[test]
    fn a_pool_finds_the_tasks_that_were_opened_for_it() {
        let opened = |task, workerpool| Event::TaskInitialize { task, workerpool };
        let events = [
            at(1, opened(task(1), POOL)),
            at(1, opened(task(2), OTHER)),
            at(2, finalized(task(2))),
            at(3, Event::TaskClaimed { task: task(1) }),
        ];
        let mut ends = Ends::new(Party::Workerpool(POOL));
        let found: Vec<TaskEnd> = events.iter().filter_map(|event| ends.take(event)).collect();
        assert_eq!(found.iter().map(|end| end.task).collect::<Vec<_>>(), [task(1)]);
        assert_eq!(found[0].block.number, 3);
    }
}
