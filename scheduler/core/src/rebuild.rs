//! What a store holds that is made anew from the chain alone.

use crate::input::DealFacts;
use crate::record::{DealRecord, Record, StoredResult, TaskRecord};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use poco_core::{B256, DealId, TaskId};

/// A deal as the chain shows it, with those of its tasks that were opened.
#[derive(Clone, Debug)]
pub struct FoundDeal {
    /// Names it.
    pub id: DealId,
    /// The block of its match.
    pub block: u64,
    /// The hash of that block.
    pub block_hash: B256,
    /// Its terms.
    pub facts: DealFacts,
    /// By their place in the deal, from 0.
    pub tasks: BTreeMap<u64, FoundTask>,
}

/// A task that was opened.
#[derive(Clone, Debug)]
pub struct FoundTask {
    /// The block in which it ended.
    pub ended: Option<u64>,
    /// Its result, if it is completed and the chain says where that lies.
    pub result: Option<StoredResult>,
}

impl FoundDeal {
    /// The block up to which no reorg is expected to change anything, when `head` was read last.
    #[must_use]
    pub fn deep(head: u64, prune_depth_blocks: u64) -> u64 {
        head.saturating_sub(prune_depth_blocks)
    }

    /// Whether a task of it had not ended by block `deep`: of what ended later, a reorg may undo it.
    #[must_use]
    pub fn is_open(&self, deep: u64) -> bool {
        let has_ended = |task: &&FoundTask| task.ended.is_some_and(|at| at <= deep);
        let ended = u64::try_from(self.tasks.values().filter(has_ended).count());
        ended.unwrap_or(u64::MAX) < self.facts.deal.bot_size.saturating_to()
    }

    /// From which block on events are read again, where these are all `deals`: what only they tell of open tasks,
    /// as their commits, comes again, and so does what a reorg may have put elsewhere.
    #[must_use]
    pub fn first_block(deals: &[Self], deep: u64) -> u64 {
        let open = deals.iter().filter(|deal| deal.is_open(deep));
        let blocks = open.map(|deal| deal.block);
        blocks.fold(deep.saturating_add(1), u64::min)
    }

    /// Its records: all of an open deal, and of one whose notice is read again because events are read from
    /// block `from` on; of others the tasks whose results are kept.
    #[must_use]
    pub fn records(
        self,
        (from, deep): (u64, u64),
        is_kept: impl Fn(TaskId) -> bool,
    ) -> Vec<Record> {
        let is_whole = self.is_open(deep) || self.block >= from;
        let Self { id, block, block_hash, facts, mut tasks } = self;
        let made = tasks.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let mut records = Vec::new();
        for offset in 0..made {
            let Some(task) = facts.deal.task_at(id, offset) else { continue };
            if !is_whole && !is_kept(task) {
                continue;
            }
            let result = tasks.remove(&offset).and_then(|found| found.result);
            records.push(Record::Task(Box::new(task_record(task, id, offset, result))));
        }
        if is_whole || !records.is_empty() {
            // Which places workers had before it nobody knows any more.
            let (places, facts) = (0, Some(facts));
            let record = DealRecord { id, block, block_hash, places, facts, next: made };
            records.push(Record::Deal(Box::new(record)));
        }
        records
    }
}

fn task_record(id: TaskId, deal: DealId, offset: u64, result: Option<StoredResult>) -> TaskRecord {
    TaskRecord {
        id,
        deal,
        offset,
        replicas: Vec::new(),
        assignments: 0,
        hopeless: None,
        weights: Vec::new(),
        result,
        is_classic: false,
        closed: None,
    }
}
