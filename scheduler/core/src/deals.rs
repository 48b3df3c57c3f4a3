//! Deals of the pool, as the chain tells of them. Their tasks are made in `making.rs`.

use crate::action::Action;
use crate::core::Core;
use crate::index::take_out;
use crate::input::DealFacts;
use crate::notice::Notice;
use crate::plan::Sight;
use crate::record::{DealRecord, Record, TaskRecord};
use crate::task::Task;
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::{Address, B256, Conditions, DealConditions, DealId, Timestamp, U256};

/// A deal and how far its tasks are made.
#[derive(Clone, Debug)]
pub(crate) struct DealState {
    pub(crate) block: u64,
    pub(crate) block_hash: B256,
    /// Places of workers before that block.
    pub(crate) places: u32,
    pub(crate) facts: Option<DealFacts>,
    pub(crate) next: u64,
    /// The epoch in which its notice was heard last; not stored.
    pub(crate) noticed_in: Option<u64>,
    /// It was asked for, and the answer has not come. Nor is this stored.
    is_asked: bool,
    /// It is of an earlier life: who opened tasks of it that are not made is not remembered.
    pub(crate) is_restored: bool,
}

impl DealState {
    pub(crate) fn size(&self) -> u64 {
        // A deal of 2^64 tasks cannot be paid for; the bound only keeps the arithmetic simple.
        self.facts.as_ref().map_or(0, |facts| facts.deal.bot_size.saturating_to())
    }

    /// How many of its tasks are not made.
    pub(crate) fn unmade(&self) -> u64 {
        self.size().saturating_sub(self.next)
    }

    /// By what it is found among the deals with tasks that are not made: when it expires, and for
    /// whom it is.
    pub(crate) fn place_unmade(&self) -> Option<(Timestamp, Address)> {
        let facts = self.facts.as_ref()?;
        let last = facts.deal.deadlines(facts.work_clock_time_ref_seconds).last;
        Some((last, facts.deal.requester))
    }
}

impl Core {
    pub(crate) fn restore_deal(&mut self, record: DealRecord) {
        let DealRecord { id, block, block_hash, places, facts, next } = record;
        let (noticed_in, is_asked, is_restored) = (None, false, true);
        let deal =
            DealState { block, block_hash, places, facts, next, noticed_in, is_asked, is_restored };
        self.note_unmade(id, &deal);
        self.deals.insert(id, deal);
        // A rollback may have been stored and what it did to the deal not.
        self.read_deal(id, block);
    }

    pub(crate) fn restore_task(&mut self, record: TaskRecord) {
        let facts = self.deals.get(&record.deal).and_then(|deal| deal.facts.as_ref());
        let terms = facts.map(|facts| (facts.deal.requester, facts.deal.start_time));
        let mut task = Task::restored(record, terms.unwrap_or_default(), self.now);
        let id = task.id;
        self.index_as(&mut task);
        self.tasks.insert(id, Box::new(task));
        self.read_task(id, 0);
    }

    pub(crate) fn on_deal_noticed(&mut self, id: DealId, block: u64, block_hash: B256) {
        let (epoch, places) = (self.epoch, self.workers.places_before(block));
        let new = DealState {
            block,
            block_hash,
            places,
            facts: None,
            next: 0,
            noticed_in: None,
            is_asked: false,
            is_restored: false,
        };
        let deal = self.deals.entry(id).or_insert(new);
        let is_elsewhere = (deal.block, deal.block_hash) != (block, block_hash);
        if is_elsewhere {
            (deal.block, deal.block_hash, deal.places) = (block, block_hash, places);
        }
        let is_moved = is_elsewhere || deal.noticed_in != Some(epoch);
        deal.noticed_in = Some(epoch);
        if deal.facts.is_none() || is_moved {
            self.save_deal(id);
            self.read_deal(id, block);
        }
    }

    pub(crate) fn on_deal_read(&mut self, id: DealId, epoch: u64, facts: Option<Box<DealFacts>>) {
        if epoch != self.epoch {
            return;
        }
        let Some(deal) = self.deals.get_mut(&id) else { return };
        deal.is_asked = false;
        let Some(facts) = facts else {
            if deal.noticed_in == Some(epoch) {
                // The question is older than the notice. Were the deal gone since, a rollback
                // would say so, and it be asked for again.
                return;
            }
            self.note(Notice::DealGone { deal: id });
            self.drop_deal(id);
            return;
        };
        let owner = facts.deal.workerpool.owner;
        let is_ours = facts.deal.workerpool.pointer == self.settings.workerpool
            && owner == self.settings.owner;
        if !is_ours {
            self.note(Notice::DealForeign { deal: id, owner });
            self.drop_deal(id);
            return;
        }
        // What has no name here was thought of later than this scheduler.
        let unknown = unserved(facts.conditions.unwrap_or_default());
        if !unknown.is_none() {
            self.note(Notice::DealUnserved { deal: id, conditions: unknown });
            self.drop_deal(id);
            return;
        }
        if deal.facts.as_ref() == Some(&*facts) {
            return;
        }
        let is_new = deal.facts.is_none();
        let (tasks, trust) = (facts.deal.bot_size, facts.deal.trust);
        let before = deal.place_unmade();
        deal.facts = Some(*facts);
        let known = deal.clone();
        self.forget_unmade(id, before);
        self.note_unmade(id, &known);
        self.save_deal(id);
        if is_new {
            self.note(Notice::DealSeen { deal: id, tasks, trust });
        }
        self.dirty.extend(self.index.tasks_in(id));
    }

    /// Asks again about deals from blocks after `to`: they may be gone or have another start. And about
    /// those that are being asked for: that answer is not believed any more.
    pub(crate) fn reread_deals(&mut self, to: u64) {
        let is_meant = |deal: &DealState| deal.block > to || deal.is_asked;
        let meant: Vec<DealId> =
            self.deals.iter().filter(|(_, deal)| is_meant(deal)).map(|(id, _)| *id).collect();
        for id in meant {
            self.read_deal(id, to);
        }
    }

    pub(crate) fn trust_of(&self, id: DealId) -> Option<U256> {
        self.deals.get(&id)?.facts.as_ref().map(|facts| facts.deal.trust)
    }

    /// What a plan of a task of this deal is made from; `None` until the deal was read.
    pub(crate) fn sight(&self, id: DealId) -> Option<Sight<'_>> {
        let deal = self.deals.get(&id)?;
        let seed = (deal.block_hash, deal.block, deal.places);
        Some(Sight { seed, ..self.sight_of(deal.facts.as_ref()?) })
    }

    /// The same with the terms of a deal, without the block of its match.
    pub(crate) fn sight_of<'a>(&'a self, facts: &'a DealFacts) -> Sight<'a> {
        Sight {
            seed: (B256::ZERO, 0, 0),
            now: self.now,
            clock: &self.clock,
            workers: &self.workers,
            index: &self.index,
            guards: &self.guards,
            gate: &self.gate,
            facts,
            commits: &self.commits,
            has_settlement: self.settings.settlement,
        }
    }

    /// Forgets a deal whose tasks are all made and forgotten.
    pub(crate) fn close_deal(&mut self, id: DealId) {
        let is_done = self.deals.get(&id).is_some_and(|deal| {
            deal.facts.is_some() && deal.next >= deal.size() && !self.index.has_tasks_in(id)
        });
        if is_done {
            self.forget_deal(id);
        }
    }

    fn drop_deal(&mut self, id: DealId) {
        for task in self.index.tasks_in(id) {
            self.act(Action::DeleteTask(task));
            self.forget_task(task);
        }
        self.forget_deal(id);
    }

    fn forget_deal(&mut self, id: DealId) {
        // With the last of its tasks it may have gone already.
        let Some(deal) = self.deals.remove(&id) else { return };
        self.forget_unmade(id, deal.place_unmade());
        self.passed_over.remove(&id);
        // Its commit may be under way. Should the deal come back, it is made anew.
        self.bundles.remove(&id);
        self.act(Action::DeleteDeal(id));
    }

    fn note_unmade(&mut self, id: DealId, deal: &DealState) {
        if let Some((last, requester)) = deal.place_unmade().filter(|_| deal.next < deal.size()) {
            self.unmade.insert((last, id));
            self.unmade_of.entry(requester).or_default().insert((last, id));
        }
    }

    pub(crate) fn forget_unmade(&mut self, id: DealId, place: Option<(Timestamp, Address)>) {
        let Some((last, requester)) = place else { return };
        self.unmade.remove(&(last, id));
        take_out(&mut self.unmade_of, &requester, &(last, id));
    }

    fn read_deal(&mut self, deal: DealId, at_least: u64) {
        if let Some(known) = self.deals.get_mut(&deal) {
            known.is_asked = true;
        }
        let epoch = self.epoch;
        self.act(Action::ReadDeal { deal, epoch, at_least });
    }

    pub(crate) fn save_deal(&mut self, id: DealId) {
        self.unsaved_deals.insert(id);
    }

    /// Stores what has become of deals.
    pub(crate) fn save_deals(&mut self) {
        for id in core::mem::take(&mut self.unsaved_deals) {
            // It may have gone meanwhile.
            let Some(deal) = self.deals.get(&id) else { continue };
            let DealState { block, block_hash, places, facts, next, .. } = deal.clone();
            let record = DealRecord { id, block, block_hash, places, facts, next };
            self.act(Action::Put(Record::Deal(Box::new(record))));
        }
    }
}

/// What a deal would keep that has no name here: such deals are not served.
pub(crate) fn unserved(kept: DealConditions) -> Conditions {
    kept.conditions().without(Conditions::KNOWN)
}
