//! Follows the chain's events into the loop.

use crate::arrival::{Arrival, Arrivals};
use crate::meters::Meters;
use poco_chain::{EventStream, LocatedEvent, StreamItem};
use poco_core::{Address, Event};
use poco_scheduler_core::{ChainEvent, Head, Input};
use std::sync::Arc;

/// What the events say about money, for statistics. Blocks that are read again are counted again.
pub(crate) struct Books {
    pub(crate) owner: Address,
    pub(crate) meters: Arc<Meters>,
}

impl Books {
    fn enter(&self, event: &Event) {
        if let Event::Reward { owner, amount, .. } = event
            && *owner == self.owner
        {
            self.meters.earned(*amount);
        }
        if let Event::Seize { owner, amount, .. } = event
            && *owner == self.owner
        {
            self.meters.seized(*amount);
        }
    }
}

/// Brings everything to the loop, until it is gone.
pub(crate) async fn follow(mut events: EventStream, arrivals: Arrivals, books: Books) {
    loop {
        let (input, cursor) = match events.next().await {
            StreamItem::Blocks(blocks) => {
                let to = Head { number: blocks.to.number, timestamp: blocks.to.timestamp };
                blocks.events.iter().for_each(|located| books.enter(&located.event));
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
