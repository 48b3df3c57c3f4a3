//! The chain's events, in order, confirmed, and taken back when the chain is rewritten.

mod trouble;

use crate::chain::{Chain, locate, parse_logs};
use crate::interest::Interest;
use crate::rpc::{Answer, MinedLog, RpcCall, RpcError, RpcHeader, block_of};
use alloy_rpc_types_eth::Filter;
use poco_chain_core::cursor::{Comparison, Reading, Step, Unlinked};
use poco_chain_core::pace::Pace;
use poco_chain_core::range::RangeSize;
use poco_chain_core::{BlockRef, Cursor, Header};
use poco_core::{B256, Event};
use std::collections::BTreeMap;
use std::time::Duration;
pub(crate) use trouble::Trouble;

/// An event and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedEvent {
    /// What happened.
    pub event: Event,
    /// In which block.
    pub block: BlockRef,
    /// In which transaction.
    pub transaction: B256,
    /// Its place in the block.
    pub log_index: u64,
}

/// What the stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// More of the chain.
    Blocks(Blocks),
    /// Everything after `to` never happened.
    Rollback {
        /// The newest block that still stands.
        to: BlockRef,
        /// To be stored in one batch with what follows from the item.
        cursor: Cursor,
    },
}

/// Everything of interest up to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The last block read.
    pub to: BlockRef,
    /// The events, in order; none where nothing of interest happened.
    pub events: Vec<LocatedEvent>,
    /// To be stored in one batch with what follows from the item.
    pub cursor: Cursor,
}

/// The chain's events from a cursor on.
#[derive(Debug)]
pub struct EventStream {
    chain: Chain,
    interest: Interest,
    filters: Vec<Filter>,
    cursor: Cursor,
    range: RangeSize,
    pace: Pace,
    trouble: Trouble,
}

impl EventStream {
    /// Goes on at `cursor`.
    #[must_use]
    pub fn new(chain: Chain, interest: Interest, cursor: Cursor) -> Self {
        let poll_millis = u64::try_from(chain.poll().as_millis()).unwrap_or(u64::MAX);
        Self {
            filters: interest.filters(chain.contracts()),
            range: RangeSize::default(),
            pace: Pace::new(poll_millis),
            trouble: Trouble::default(),
            chain,
            interest,
            cursor,
        }
    }

    /// How far it has read.
    #[must_use]
    pub const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The next item. Cancel safe: what was not returned is read again. Waits out node failures,
    /// which it tells in the log, and never ends.
    pub async fn next(&mut self) -> StreamItem {
        loop {
            let wait_millis = match self.round().await {
                Ok(Round::Item(item)) => {
                    self.pace.quicken();
                    self.trouble.on_answered();
                    return *item;
                }
                Ok(Round::Again) => continue,
                Ok(Round::Idle) => {
                    self.trouble.on_answered();
                    self.pace.next_wait_millis()
                }
                Err(error) => self.trouble.on_failed(&error),
            };
            tokio::time::sleep(Duration::from_millis(wait_millis)).await;
        }
    }

    /// One look at the chain. Only the last step before an item changes the cursor.
    async fn round(&mut self) -> Result<Round, RpcError> {
        let head = self.chain.unchecked_latest().await?;
        let confirmations = self.chain.confirmations();
        let reading = Reading { confirmations, range_blocks: self.range.blocks() };
        match self.cursor.step(head, reading) {
            Step::Wait => Ok(Round::Idle),
            Step::Anchor { number } => {
                let Some(header) = self.header(number).await? else { return Ok(Round::Idle) };
                self.cursor.anchor(header.block);
                Ok(Round::Again)
            }
            Step::Compare => self.compare(head).await.map(|found| found.unwrap_or(Round::Idle)),
            Step::Read { from, to, by_hash } => {
                let part = if by_hash {
                    self.read_blocks(from, to).await?
                } else {
                    self.read_range(from, to).await?
                };
                match part {
                    Read::Missing => Ok(Round::Idle),
                    Read::TooMuch => Ok(Round::Again),
                    Read::Part(part) => match self.advance(part) {
                        Ok(item) => Ok(Round::Item(Box::new(item))),
                        Err(unlinked) => self
                            .compare(head)
                            .await?
                            .ok_or_else(|| RpcError::unexpected("eth_getBlockByNumber", unlinked)),
                    },
                }
            }
        }
    }

    /// Looks for the newest block that still stands; `None` if all do.
    async fn compare(&mut self, head: BlockRef) -> Result<Option<Round>, RpcError> {
        let known: Vec<u64> = self.cursor.known().map(|block| block.number).collect();
        let headers = self.headers(known).await?;
        let seen = headers.into_iter().flatten().map(|h| (h.block.number, h.block)).collect();
        match self.cursor.compare(&seen) {
            Comparison::Same => Ok(None),
            Comparison::Rollback { to } => {
                tracing::warn!(to = to.number, hash = %to.hash, "the chain was rewritten");
                self.chain.on_rewritten(head.number);
                let cursor = self.cursor.clone();
                Ok(Some(Round::Item(Box::new(StreamItem::Rollback { to, cursor }))))
            }
        }
    }

    /// Reads blocks near the head, each by its hash: a node that lacks one cannot say "no logs".
    async fn read_blocks(&self, from: u64, to: u64) -> Result<Read, RpcError> {
        let headers: Option<Vec<Header>> =
            self.headers((from..=to).collect()).await?.into_iter().collect();
        let Some(headers) = headers else { return Ok(Read::Missing) };
        let call = |header: &Header, filter: &Filter| {
            RpcCall::logs(&filter.clone().at_block_hash(header.block.hash))
        };
        let calls: Vec<RpcCall> = (headers.iter())
            .flat_map(|header| self.filters.iter().map(|filter| call(header, filter)))
            .collect();
        let logs = parse_logs(self.chain.rpc().batch(&calls).await?)?;
        let blocks = headers.iter().map(|header| (header.block.hash, header.block)).collect();
        Ok(Read::Part(Part { headers, logs, blocks }))
    }

    /// Reads a range well below the head, in one batch with the headers of both its ends.
    async fn read_range(&mut self, from: u64, to: u64) -> Result<Read, RpcError> {
        let mut calls = vec![RpcCall::header(from)];
        let logs = |filter: &Filter| RpcCall::logs(&filter.clone().select(from..=to));
        calls.extend(self.filters.iter().map(logs));
        calls.push(RpcCall::header(to));
        let answered = self.chain.rpc().batch(&calls).await;
        let (first, logs, last) = match answered.and_then(split_range) {
            Ok(parts) => parts,
            // Too many blocks or too many logs: nodes have many words for it.
            Err(_) if self.range.on_refused() => return Ok(Read::TooMuch),
            Err(error) => return Err(error),
        };
        let (Some(first), Some(last)) = (first, last) else { return Ok(Read::Missing) };
        let headers = if from == to { vec![last] } else { vec![first, last] };
        let blocks = self.chain.blocks_of(&logs, &[first.block, last.block]).await?;
        self.range.on_answered();
        Ok(Read::Part(Part { headers, logs, blocks }))
    }

    /// Moves the cursor over what was read, if it links to what was read before.
    fn advance(&mut self, part: Part) -> Result<StreamItem, Unlinked> {
        self.cursor.advance(&part.headers)?;
        let to = self.cursor.tip().expect("a cursor that has advanced has a tip");
        let events = locate(&self.chain, &self.interest, part.logs, &part.blocks);
        Ok(StreamItem::Blocks(Blocks { to, events, cursor: self.cursor.clone() }))
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, RpcError> {
        Ok(self.headers(vec![number]).await?.into_iter().next().flatten())
    }

    /// Headers by height; `None` for those that the node does not have.
    async fn headers(&self, numbers: Vec<u64>) -> Result<Vec<Option<Header>>, RpcError> {
        let calls: Vec<RpcCall> = numbers.into_iter().map(RpcCall::header).collect();
        self.chain.rpc().batch(&calls).await?.into_iter().map(parse_header).collect()
    }
}

/// What one look at the chain gave.
enum Round {
    Item(Box<StreamItem>),
    Again,
    Idle,
}

/// What reading some blocks gave.
enum Read {
    Part(Part),
    /// The node does not have all of them.
    Missing,
    /// The node does not answer that many.
    TooMuch,
}

/// Blocks with their logs.
struct Part {
    headers: Vec<Header>,
    logs: Vec<MinedLog>,
    blocks: BTreeMap<B256, BlockRef>,
}

type RangeParts = (Option<Header>, Vec<MinedLog>, Option<Header>);

fn split_range(mut answers: Vec<Answer>) -> Result<RangeParts, RpcError> {
    let missing = || RpcError::unexpected("eth_getLogs", "too few answers");
    let last = parse_header(answers.pop().ok_or_else(missing)?)?;
    if answers.is_empty() {
        return Err(missing());
    }
    let first = parse_header(answers.remove(0))?;
    Ok((first, parse_logs(answers)?, last))
}

fn parse_header(answer: Answer) -> Result<Option<Header>, RpcError> {
    let header: Option<RpcHeader> = answer.parse()?;
    Ok(header.map(|header| Header { block: block_of(&header), parent: header.parent_hash }))
}
