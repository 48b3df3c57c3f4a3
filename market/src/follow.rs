//! Keeps the book in step with the chain: one range of blocks after the other, each with the
//! cursor in one batch.
//!
//! Facts are read at the end of the range that raised the question, or at the head where the node
//! may no longer have the state of so old a block; such facts are read once more when the follower
//! gets there. If the node cannot answer, the
//! range is not done: the follower starts again from the stored cursor, so nothing is ever skipped.
//! What a reorganisation undid is judged again from the chain as it then is.

mod digest;

use crate::deal::DealRecord;
use crate::draft::{Draft, Notice};
use crate::market::{Desk, Market};
use crate::record::{self, Record};
use crate::rules::{self, Standing};
use crate::standing;
use digest::{Digest, Match};
use futures::{StreamExt, TryStreamExt, stream};
use poco_chain::{BlockRef, Blocks, Chain, Cursor, EventStream, Interest, RpcError, StreamItem};
use poco_core::{Address, CategoryId, OrderHash, OrderKind, U256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Questions to the node under way at a time while catching up.
const QUESTIONS_AT_A_TIME: usize = 16;

/// Nodes keep the state of the last 128 blocks; half of that leaves time to ask.
const STATE_BLOCKS: u64 = 64;

/// Pause before a range is tried again after the node failed to answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Why a range is not in the book.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    /// The node did not answer: try again.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// An event tells of something that the hub does not know: the block is being replaced.
    #[error("deal {0} of a matched event is not on chain")]
    NoDeal(poco_core::DealId),
    /// The disk failed: stop.
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

/// Follows the chain until told to stop.
///
/// # Errors
/// The disk failed, or what is on it cannot be read.
pub(crate) async fn follow(
    market: &Market,
    start_block: u64,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut stream = open_stream(market, start_block)?;
    loop {
        let item = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            item = stream.next() => item,
        };
        match take_in(market, item).await {
            Ok(()) => {}
            Err(FollowError::Store(error)) => return Err(error),
            Err(error @ (FollowError::Node(_) | FollowError::NoDeal(_))) => {
                tracing::warn!(%error, "blocks are read again");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(RETRY_PAUSE) => {}
                }
                stream = open_stream(market, start_block)?;
            }
        }
    }
}

fn open_stream(market: &Market, start_block: u64) -> anyhow::Result<EventStream> {
    let cursor = market.cursor(start_block)?;
    Ok(EventStream::new(market.chain.clone(), Interest::everything(), cursor))
}

async fn take_in(market: &Market, item: StreamItem) -> Result<(), FollowError> {
    let mut desk = market.desk().await;
    match item {
        StreamItem::Blocks(blocks) => take_in_blocks(market, &mut desk, blocks).await,
        StreamItem::Rollback { to, cursor } => {
            tracing::warn!(to = to.number, "the chain was reorganised");
            market.meters.rolled_back();
            roll_back(market, &mut desk, to, cursor).await
        }
    }
}

/// Facts about a range.
struct Facts {
    /// The block they were read at: the end of the range or later.
    at: u64,
    deals: Vec<DealRecord>,
    consumed: Vec<(OrderHash, U256)>,
    free: Vec<(Address, U256)>,
    /// Orders that were published with facts from this range before the range was read.
    ahead: Vec<(Record, Standing)>,
}

async fn take_in_blocks(
    market: &Market,
    desk: &mut Desk,
    blocks: Blocks,
) -> Result<(), FollowError> {
    let end = blocks.to.number;
    let digest = Digest::of(&blocks.events);
    let facts = read_facts(market, desk, &digest, blocks.to).await?;
    desk.position = end;
    for deal in &facts.deals {
        tracing::info!(deal = %deal.id, workerpool = %deal.deal.workerpool.pointer, "deal made");
    }
    market.change(desk, facts.at, |draft| {
        draft.batch.cursor = Some(blocks.cursor);
        apply(draft, digest, facts)?;
        draft.time_is(blocks.to.timestamp)
    })?;
    Ok(())
}

fn apply(draft: &mut Draft<'_>, digest: Digest, facts: Facts) -> anyhow::Result<()> {
    draft.batch.categories = digest.categories;
    for (hash, consumed) in facts.consumed {
        draft.consumed(hash, consumed)?;
    }
    for hash in digest.closed {
        draft.closed(hash)?;
    }
    for ((kind, resource), owner) in digest.sold {
        draft.owned(kind, resource, owner)?;
    }
    for (account, epoch) in digest.epochs {
        draft.epoch_raised(account, epoch)?;
    }
    for (account, free) in facts.free {
        draft.staked(account, free)?;
    }
    judge_again(draft, facts.ahead)?;
    for deal in facts.deals {
        draft.notices.push(Notice::DealCreated(Box::new(deal.clone())));
        draft.batch.deals.push(deal);
    }
    Ok(())
}

async fn read_facts(
    market: &Market,
    desk: &Desk,
    digest: &Digest,
    end: BlockRef,
) -> Result<Facts, FollowError> {
    // A deal never changes, so it is read at the head.
    let deals = stream::iter(&digest.matches)
        .map(|found| read_deal(&market.chain, found))
        .buffered(QUESTIONS_AT_A_TIME)
        .try_collect()
        .await?;
    let used = published(market, &digest.used)?;
    let staking = market.book().staking(&digest.drained);
    let ahead = market.store.orders_known_at(desk.position.saturating_add(1)..=end.number)?;
    let at = if used.is_empty() && staking.is_empty() && ahead.is_empty() {
        end
    } else {
        readable(&market.chain, end).await?
    };
    let chain = &market.chain.at(at.number);
    let consumed = stream::iter(used)
        .map(|hash| async move { chain.consumed(hash).await.map(|consumed| (hash, consumed)) })
        .buffered(QUESTIONS_AT_A_TIME)
        .try_collect()
        .await?;
    let free = stream::iter(staking)
        .map(|owner| async move { chain.account(owner).await.map(|found| (owner, found.free.0)) })
        .buffered(QUESTIONS_AT_A_TIME)
        .try_collect()
        .await?;
    let ahead = read_standings(&market.chain, ahead, at).await?;
    Ok(Facts { at: at.number, deals, consumed, free, ahead })
}

/// The block whose state to read for what happened up to `end`.
async fn readable(chain: &Chain, end: BlockRef) -> Result<BlockRef, RpcError> {
    let head = chain.latest().await?;
    Ok(if head.number.saturating_sub(end.number) > STATE_BLOCKS { head } else { end })
}

async fn read_deal(chain: &Chain, found: &Match) -> Result<DealRecord, FollowError> {
    let deal = chain.deal(found.deal).await?.ok_or(FollowError::NoDeal(found.deal))?;
    Ok(DealRecord {
        id: found.deal,
        deal,
        app_order: found.app,
        dataset_order: found.dataset,
        workerpool_order: found.workerpool,
        request_order: found.request,
        volume: found.volume,
        place: found.place,
    })
}

/// Most orders that are matched were never published here: the node is not asked about those.
fn published(market: &Market, hashes: &BTreeSet<OrderHash>) -> anyhow::Result<Vec<OrderHash>> {
    let mut found = Vec::new();
    for hash in hashes {
        if market.order(*hash)?.is_some() {
            found.push(*hash);
        }
    }
    Ok(found)
}

async fn read_standings(
    chain: &Chain,
    records: Vec<Record>,
    at: BlockRef,
) -> Result<Vec<(Record, Standing)>, RpcError> {
    stream::iter(records)
        .map(|record| async move {
            let standing = standing::read(chain, record.hash, &record.order, at).await?;
            Ok((record, standing))
        })
        .buffered(QUESTIONS_AT_A_TIME)
        .try_collect()
        .await
}

/// Undoes what was derived from blocks that are gone.
async fn roll_back(
    market: &Market,
    desk: &mut Desk,
    to: BlockRef,
    cursor: Cursor,
) -> Result<(), FollowError> {
    let deals_gone = market.store.deals_after(to.number)?;
    let categories_gone: Vec<CategoryId> = market
        .store
        .categories()?
        .into_iter()
        .filter(|category| category.place.block > to.number)
        .map(|category| category.id)
        .collect();
    let touched = market.store.orders_known_at(to.number.saturating_add(1)..=u64::MAX)?;
    let at = readable(&market.chain, to).await?;
    let touched = read_standings(&market.chain, touched, at).await?;
    desk.position = to.number;
    market.change(desk, at.number, |draft| {
        draft.batch.cursor = Some(cursor);
        draft.batch.deals_gone = deals_gone;
        draft.batch.categories_gone = categories_gone;
        judge_again(draft, touched)
    })?;
    Ok(())
}

/// Judges orders by what the chain says now; offers before the requests that need them.
fn judge_again(draft: &mut Draft<'_>, mut judged: Vec<(Record, Standing)>) -> anyhow::Result<()> {
    judged.sort_by_key(|(record, _)| record::kind(&record.order) == OrderKind::Request);
    for (before, standing) in judged {
        let Some(record) = draft.order(before.hash)? else { continue };
        let (status, remaining) = rules::judge_again(
            &record.order,
            record.signer,
            record.status,
            &standing,
            draft.book(),
        );
        // Written even if nothing changed: the facts in it are no longer those of lost blocks.
        draft.judged(record, status, remaining)?;
    }
    Ok(())
}
