//! Deals of the pool, and the making of their tasks.

use crate::action::Action;
use crate::core::Core;
use crate::index::take_out;
use crate::input::DealFacts;
use crate::intake::Intake;
use crate::limits::{
    BATCH_TASKS_MAX, TASKS_AHEAD, TASKS_AHEAD_EACH, TASKS_AT_ONCE_MAX, TASKS_HELD_RATIO,
};
use crate::notice::Notice;
use crate::plan::Sight;
use crate::record::{DealRecord, Record, TaskRecord};
use crate::task::{Phase, Task};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;
use poco_core::{Address, B256, Conditions, DealId, Timestamp, U256};

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
}

impl DealState {
    fn size(&self) -> u64 {
        // A deal of 2^64 tasks cannot be paid for; the bound only keeps the arithmetic simple.
        self.facts.as_ref().map_or(0, |facts| facts.deal.bot_size.saturating_to())
    }

    /// How many of its tasks are not made.
    pub(crate) fn unmade(&self) -> u64 {
        self.size().saturating_sub(self.next)
    }

    /// By what it is found among the deals with tasks that are not made: when it expires, and for
    /// whom it is.
    fn place_unmade(&self) -> Option<(Timestamp, Address)> {
        let facts = self.facts.as_ref()?;
        let last = facts.deal.deadlines(facts.work_clock_time_ref_seconds).last;
        Some((last, facts.deal.requester))
    }
}

impl Core {
    pub(crate) fn restore_deal(&mut self, record: DealRecord) {
        let DealRecord { id, block, block_hash, places, facts, next } = record;
        let deal =
            DealState { block, block_hash, places, facts, next, noticed_in: None, is_asked: false };
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
        let kept = facts.conditions.unwrap_or_default().conditions();
        let unknown = kept.without(Conditions::KNOWN);
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

    /// Makes tasks as far as there is room: of the requester with the fewest that nobody was given,
    /// the deal that expires first. Tasks that were passed over while somebody was free take no
    /// room, or they would keep out what could be served; of a deal with such a task no more are
    /// made.
    pub(crate) fn make_tasks(&mut self) {
        if self.gate.is_stopping() {
            return;
        }
        self.make_past_tasks();
        let room = self.workers.slots().saturating_mul(2).saturating_add(TASKS_AHEAD);
        let live_max = self.settings.tasks_live_max.min(room);
        let intake = self.gate.intake();
        let held_max = self.settings.tasks_live_max.saturating_mul(TASKS_HELD_RATIO);
        // What is passed over stays so while tasks are made.
        let passed_over = self.count_passed_over();
        let live = |core: &Self| core.index.live_len().saturating_sub(passed_over);
        let is_full = |core: &Self| {
            live(core) >= core.settings.tasks_live_max || core.tasks.len() >= held_max
        };
        if is_full(self) {
            return;
        }
        let mut turns: BTreeSet<(usize, Timestamp, DealId, Address)> =
            self.unmade_of.keys().filter_map(|one| self.turn_to_make(*one, None)).collect();
        let mut made = 0usize;
        while !is_full(self)
            && let Some((idle, last, id, requester)) = turns.pop_first()
        {
            if made >= TASKS_AT_ONCE_MAX {
                self.has_more = true;
                break;
            }
            if live(self) >= live_max && idle >= TASKS_AHEAD_EACH {
                // So have all others.
                break;
            }
            let is_begun = self.deals.get(&id).is_some_and(|deal| deal.next > 0);
            let may_make = match intake {
                Intake::Everything => true,
                Intake::BegunDeals => is_begun,
                Intake::BegunTasks | Intake::BegunRuns => false,
            };
            let is_made = may_make && self.make_task(id, false);
            made = made.saturating_add(usize::from(is_made));
            // Of a deal whose task could not be made, none can.
            turns.extend(self.turn_to_make(requester, (!is_made).then_some((last, id))));
        }
    }

    /// How many live tasks were passed over, with the fresh ones of the same deals.
    fn count_passed_over(&self) -> usize {
        let fresh = self.passed_over.iter().map(|id| self.index.fresh_of(*id));
        fresh.fold(self.index.stuck_len(), usize::saturating_add)
    }

    /// How many tasks of a requester wait in the line for a slot.
    fn waiting_of(&self, requester: Address) -> usize {
        let is_of = |id: &&DealId| {
            let facts = self.deals.get(id).and_then(|deal| deal.facts.as_ref());
            facts.is_some_and(|facts| facts.deal.requester == requester)
        };
        let passed_over = self.passed_over.iter().filter(is_of);
        let passed_over = passed_over.map(|id| self.index.fresh_of(*id));
        let passed_over = passed_over.fold(0, usize::saturating_add);
        self.index.fresh_for(requester).saturating_sub(passed_over)
    }

    /// Whose turn it is by the tasks that wait in the line, with the next deal behind `behind`.
    fn turn_to_make(
        &self,
        requester: Address,
        behind: Option<(Timestamp, DealId)>,
    ) -> Option<(usize, Timestamp, DealId, Address)> {
        let begin = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let time = self.clock.time(self.now);
        let is_open = |last: Timestamp| !(self.clock.is_set() && last.has_passed(time));
        let mut deals = self.unmade_of.get(&requester)?.range((begin, Bound::Unbounded));
        let is_served =
            |id: DealId| !self.passed_over.contains(&id) || self.index.fresh_of(id) == 0;
        let (last, id) = deals.find(|(last, id)| is_open(*last) && is_served(*id))?;
        Some((self.waiting_of(requester), *last, *id, requester))
    }

    /// Tasks of deals that are over are made to be claimed: a batch, and the next when it is done.
    fn make_past_tasks(&mut self) {
        if !self.clock.is_set() {
            return;
        }
        let time = self.clock.time(self.now);
        let past = self.unmade.iter().take_while(|(last, _)| last.has_passed(time));
        let past: Vec<DealId> = past.map(|(_, id)| *id).collect();
        for id in past {
            let count = if self.index.live_of(id) == 0 { BATCH_TASKS_MAX } else { 0 };
            let _made = (0..count).take_while(|_| self.make_task(id, true)).count();
        }
    }

    /// Makes the next task of a deal; `false` where there is none.
    fn make_task(&mut self, id: DealId, is_past: bool) -> bool {
        let Some(deal) = self.deals.get_mut(&id) else { return false };
        let (next, unmade) = (deal.next, deal.place_unmade());
        let Some(facts) = deal.facts.as_ref() else { return false };
        let Some(task_id) = facts.deal.task_at(id, next) else { return false };
        let terms = (facts.deal.requester, facts.deal.start_time);
        deal.next = next.saturating_add(1);
        if deal.next >= deal.size() {
            self.forget_unmade(id, unmade);
        }
        self.save_deal(id);
        let mut task = Task::new(task_id, id, next, terms);
        task.is_unsaved = true;
        if !is_past {
            // Whoever opened it before us is found out by the refusal of our own transaction.
            task.phase = Phase::Pending;
            task.phase_since = Some(self.now);
        }
        self.index_as(&mut task);
        self.tasks.insert(task_id, Box::new(task));
        self.dirty.insert(task_id);
        if is_past {
            self.read_task(task_id, 0);
        }
        true
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
            intake: self.gate.intake(),
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
            self.deals.remove(&id);
            self.act(Action::DeleteDeal(id));
        }
    }

    fn drop_deal(&mut self, id: DealId) {
        for task in self.index.tasks_in(id) {
            self.act(Action::DeleteTask(task));
            self.forget_task(task);
        }
        let unmade = self.deals.remove(&id).and_then(|deal| deal.place_unmade());
        self.forget_unmade(id, unmade);
        self.passed_over.remove(&id);
        self.act(Action::DeleteDeal(id));
    }

    fn note_unmade(&mut self, id: DealId, deal: &DealState) {
        if let Some((last, requester)) = deal.place_unmade().filter(|_| deal.next < deal.size()) {
            self.unmade.insert((last, id));
            self.unmade_of.entry(requester).or_default().insert((last, id));
        }
    }

    fn forget_unmade(&mut self, id: DealId, place: Option<(Timestamp, Address)>) {
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

    fn save_deal(&mut self, id: DealId) {
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
