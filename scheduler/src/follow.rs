//! Follows the chain's events into the loop.

use crate::arrival::{Arrival, Arrivals};
use poco_chain::{EventStream, LocatedEvent, StreamItem};
use poco_scheduler_core::{ChainEvent, Head, Input};

/// Brings everything to the loop, until it is gone.
pub(crate) async fn follow(mut events: EventStream, arrivals: Arrivals) {
    loop {
        let (input, cursor) = match events.next().await {
            StreamItem::Blocks(blocks) => {
                let to = Head { number: blocks.to.number, timestamp: blocks.to.timestamp };
                let located = |LocatedEvent { event, block, .. }| ChainEvent {
                    block: block.number,
                    block_hash: block.hash,
                    time: block.timestamp,
                    event,
                };
                let events = blocks.events.into_iter().map(located).collect();
                (Input::Events { to, events }, blocks.cursor)
            }
            StreamItem::Rollback { to, cursor } => {
                tracing::warn!(block = to.number, "the chain was rewritten after this block");
                (Input::Rollback { to: to.number }, cursor)
            }
        };
        if arrivals.send(Arrival::Chain { input, cursor }).await.is_err() {
            return;
        }
    }
}
