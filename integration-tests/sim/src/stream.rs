//! A process follows the chain: the real cursor decides, this asks its node.

use crate::process::{Died, Host};
use crate::world::{Event, World};
use poco_chain_core::cursor::{Comparison, Reading, Step};
use poco_chain_core::pace::Pace;
use poco_chain_core::range::RangeSize;
use poco_chain_core::{BlockRef, Cursor, Header};
use poco_core::Event as ChainEvent;

/// How far a process has read, in this life.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) cursor: Cursor,
    range: RangeSize,
    pace: Pace,
}

/// What a look at the chain gave.
#[derive(Debug)]
pub(crate) enum News {
    Blocks { to: BlockRef, events: Vec<(BlockRef, ChainEvent)> },
    Rollback { to: BlockRef },
}

impl Follower {
    pub(crate) fn new(cursor: Cursor, poll_millis: u64) -> Self {
        Self { cursor, range: RangeSize::default(), pace: Pace::new(poll_millis) }
    }
}

impl World {
    /// Looks at the chain once, and plans the next look.
    pub(crate) fn follow(&mut self, host: Host) -> Result<(), Died> {
        let news = match self.ask_node(host) {
            Some(seen) => self.round(host, seen),
            None => None,
        };
        let pace = &mut self.process_mut(host).follower.pace;
        if news.is_some() {
            pace.quicken();
        }
        let pause = pace.next_wait_millis();
        self.for_process(host, pause, |host, life| Event::Follow { host, life });
        match news {
            Some(news) => self.take_news(host, news),
            None => Ok(()),
        }
    }

    fn round(&mut self, host: Host, seen: u64) -> Option<News> {
        let head = self.chain.block(seen)?.header.block;
        let confirmations = match host.worker() {
            None => self.scenario.confirmations,
            // A worker's core counts them itself.
            Some(_) => 0,
        };
        loop {
            let follower = &self.process(host).follower;
            let reading = Reading { confirmations, range_blocks: follower.range.blocks() };
            match follower.cursor.step(head, reading) {
                Step::Wait => return None,
                Step::Anchor { number } => {
                    let block = self.chain.block(number)?.header.block;
                    self.process_mut(host).follower.cursor.anchor(block);
                }
                Step::Compare => return self.compare(host, seen),
                Step::Read { from, to, by_hash } => {
                    return self.read(host, (from, to), (by_hash, seen));
                }
            }
        }
    }

    fn read(
        &mut self,
        host: Host,
        (from, to): (u64, u64),
        (by_hash, seen): (bool, u64),
    ) -> Option<News> {
        let header = |number: u64| Some(self.chain.block(number)?.header);
        let headers: Option<Vec<Header>> = if by_hash || from == to {
            (from..=to).map(header).collect()
        } else {
            [from, to].into_iter().map(header).collect()
        };
        let headers = headers?;
        if self.process_mut(host).follower.cursor.advance(&headers).is_err() {
            return self.compare(host, seen);
        }
        let mut events = Vec::new();
        for number in from..=to {
            let block = self.chain.block(number)?;
            let at = block.header.block;
            events.extend(block.events.iter().map(|event| (at, event.clone())));
        }
        Some(News::Blocks { to: headers.last()?.block, events })
    }

    fn compare(&mut self, host: Host, seen: u64) -> Option<News> {
        let at = |number: u64| Some((number, self.chain.block(number)?.header.block));
        let known = self.process(host).follower.cursor.known();
        let shown = known.filter(|block| block.number <= seen);
        let shown = shown.filter_map(|block| at(block.number)).collect();
        match self.process_mut(host).follower.cursor.compare(&shown) {
            Comparison::Same => None,
            Comparison::Rollback { to } => {
                self.reached.note("a rewritten chain was noticed");
                Some(News::Rollback { to })
            }
        }
    }
}
