//! A store that is damaged: the operator has it made anew from the chain, as `poco-scheduler repair` does.

use crate::process::Host;
use crate::scenario::T;
use crate::scheduler::Disk;
use crate::world::World;
use poco_chain_core::Cursor;
use poco_core::Event;
use poco_scheduler_core::{DealFacts, FoundDeal, FoundTask, Placement};
use std::collections::BTreeMap;

impl World {
    /// Reads every block that is deep enough below `seen`.
    pub(crate) fn repair(&mut self, seen: u64) {
        let head = seen.saturating_sub(self.scenario.confirmations);
        let pool = self.scheduler.settings.workerpool;
        let mut found = BTreeMap::new();
        let mut opened = BTreeMap::new();
        for number in 1..=head {
            let block = self.chain.block(number).expect("it is below the head");
            for event in &block.events {
                match event {
                    Event::SchedulerNotice { workerpool, deal } if *workerpool == pool => {
                        found.insert(*deal, block.header.block);
                    }
                    Event::TaskInitialize { task, .. } => {
                        opened.insert(*task, None);
                    }
                    Event::TaskFinalize { task, .. } | Event::TaskClaimed { task } => {
                        opened.insert(*task, Some(number));
                    }
                    _ => {}
                }
            }
        }
        let hub = &self.chain.block(head).expect("it is below the head").hub;
        let deals: Vec<FoundDeal> = found
            .into_iter()
            .map(|(id, block)| {
                let deal = hub.deal(id).expect("its notice was found").clone();
                let found = |offset| {
                    let ended = *opened.get(&deal.task_at(id, offset)?)?;
                    // Where a result lies is nobody's business here.
                    Some((offset, FoundTask { ended, result: None }))
                };
                let tasks = (0..deal.bot_size.saturating_to()).filter_map(found).collect();
                let facts = DealFacts {
                    deal,
                    work_clock_time_ref_seconds: T,
                    conditions: Some(hub.deal_conditions(id)),
                    placement: Some(Placement::default()),
                };
                FoundDeal { id, block: block.number, block_hash: block.hash, facts, tasks }
            })
            .collect();
        let deep = FoundDeal::deep(head, self.scheduler.settings.prune_depth_blocks);
        let from = FoundDeal::first_block(&deals, deep);
        let records = |deal: FoundDeal| deal.records((from, deep), |_| false);
        let records = deals.into_iter().flat_map(records).collect();
        self.scheduler.replace(Disk::of(records, Cursor::start_at(from)));
        self.process_mut(Host::SCHEDULER).sender.disk.clear();
        self.reached.note("a store was made anew from the chain");
    }
}
