//! Deals of the pool, and the making of their tasks.

use crate::action::Action;
use crate::core::Core;
use crate::input::DealFacts;
use crate::intake::Intake;
use crate::limits::{BATCH_TASKS_MAX, TASKS_AHEAD, TASKS_HELD_RATIO};
use crate::notice::Notice;
use crate::plan::Sight;
use crate::record::{DealRecord, Record, TaskRecord};
use crate::task::{Phase, Task};
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::{Conditions, DealId, Timestamp, U256};

/// A deal and how far its tasks are made.
#[derive(Clone, Debug)]
pub(crate) struct DealState {
    pub(crate) block: u64,
    pub(crate) facts: Option<DealFacts>,
    pub(crate) next: u64,
    /// The epoch in which its notice was heard last; not stored.
    pub(crate) noticed_in: Option<u64>,
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

    fn last(&self) -> Option<Timestamp> {
        let facts = self.facts.as_ref()?;
        Some(facts.deal.deadlines(facts.work_clock_time_ref_seconds).last)
    }
}

impl Core {
    pub(crate) fn restore_deal(&mut self, record: DealRecord) {
        let DealRecord { id, block, facts, next } = record;
        let deal = DealState { block, facts, next, noticed_in: None };
        self.note_unmade(id, &deal);
        self.deals.insert(id, deal);
        // A rollback may have been stored and what it did to the deal not.
        self.read_deal(id, block);
    }

    pub(crate) fn restore_task(&mut self, record: TaskRecord) {
        let facts = self.deals.get(&record.deal).and_then(|deal| deal.facts.as_ref());
        let start = facts.map(|facts| facts.deal.start_time).unwrap_or_default();
        let task = Task::restored(record, start, self.now);
        let id = task.id;
        self.index.update(&task);
        self.tasks.insert(id, task);
        self.read_task(id, 0);
    }

    pub(crate) fn on_deal_noticed(&mut self, id: DealId, block: u64) {
        let epoch = self.epoch;
        let fresh = DealState { block, facts: None, next: 0, noticed_in: None };
        let deal = self.deals.entry(id).or_insert(fresh);
        let is_moved = deal.block != block || deal.noticed_in != Some(epoch);
        (deal.block, deal.noticed_in) = (block, Some(epoch));
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
        if let Some(last) = deal.last() {
            self.unmade.remove(&(last, id));
        }
        deal.facts = Some(*facts);
        let known = deal.clone();
        self.note_unmade(id, &known);
        self.save_deal(id);
        if is_new {
            self.note(Notice::DealSeen { deal: id, tasks, trust });
        }
        let tasks = self.index.by_deal.get(&id).cloned().unwrap_or_default();
        self.dirty.extend(tasks);
    }

    /// Asks again about deals from blocks after `to`: they may be gone or have another start.
    pub(crate) fn reread_deals(&mut self, to: u64) {
        let is_meant = |deal: &DealState| deal.block > to || deal.facts.is_none();
        let meant: Vec<DealId> =
            self.deals.iter().filter(|(_, deal)| is_meant(deal)).map(|(id, _)| *id).collect();
        for id in meant {
            self.read_deal(id, to);
        }
    }

    /// Makes tasks as far as there is room: the deal that expires first comes first.
    pub(crate) fn make_tasks(&mut self) {
        let room = self.workers.slots().saturating_mul(2).saturating_add(TASKS_AHEAD);
        let live_max = self.settings.tasks_live_max.min(room);
        let intake = self.gate.intake();
        let held_max = self.settings.tasks_live_max.saturating_mul(TASKS_HELD_RATIO);
        let open: Vec<(Timestamp, DealId)> = self.unmade.iter().copied().collect();
        let mut open = open.into_iter().peekable();
        while let Some((last, id)) = open.peek().copied() {
            let is_past = self.clock.is_set() && last.has_passed(self.clock.time(self.now));
            if self.gate.is_stopping() {
                return;
            }
            if is_past {
                // They are made to be claimed: a batch, and the next when it is done.
                let count = if self.open_tasks(id) == 0 { BATCH_TASKS_MAX } else { 0 };
                let _made = (0..count).take_while(|_| self.make_task(id, true)).count();
                open.next();
                continue;
            }
            let has_room = self.index.live.len() < live_max && self.tasks.len() < held_max;
            let is_begun = self.deals.get(&id).is_some_and(|deal| deal.next > 0);
            let may_make = match intake {
                Intake::Everything => true,
                Intake::BegunDeals => is_begun,
                Intake::BegunTasks | Intake::BegunRuns => false,
            };
            if !(may_make && has_room && self.make_task(id, false)) {
                open.next();
            }
        }
    }

    /// How many of a deal's tasks are made and have not ended.
    fn open_tasks(&self, id: DealId) -> usize {
        let tasks = self.index.by_deal.get(&id).into_iter().flatten();
        tasks.filter(|task| self.index.live.contains(*task)).count()
    }

    /// Makes the next task of a deal; `false` where there is none.
    fn make_task(&mut self, id: DealId, is_past: bool) -> bool {
        let Some(deal) = self.deals.get_mut(&id) else { return false };
        let (next, last) = (deal.next, deal.last());
        let Some(facts) = deal.facts.as_ref() else { return false };
        let Some(task_id) = facts.deal.task_at(id, next) else { return false };
        let start = facts.deal.start_time;
        deal.next = next.saturating_add(1);
        if deal.next >= deal.size()
            && let Some(last) = last
        {
            self.unmade.remove(&(last, id));
        }
        self.save_deal(id);
        let mut task = Task::new(task_id, id, next, start);
        task.is_unsaved = true;
        if !is_past {
            // Whoever opened it before us is found out by the refusal of our own transaction.
            task.phase = Phase::Pending;
            task.phase_since = Some(self.now);
        }
        self.index.update(&task);
        self.tasks.insert(task_id, task);
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
        let facts = self.deals.get(&id)?.facts.as_ref()?;
        Some(Sight {
            now: self.now,
            clock: &self.clock,
            workers: &self.workers,
            index: &self.index,
            guards: &self.guards,
            intake: self.gate.intake(),
            facts,
            deals: &self.deals,
            commits: &self.commits,
            has_settlement: self.settings.settlement,
        })
    }

    /// Forgets a deal whose tasks are all made and forgotten.
    pub(crate) fn close_deal(&mut self, id: DealId) {
        let is_done = self.deals.get(&id).is_some_and(|deal| {
            deal.facts.is_some()
                && deal.next >= deal.size()
                && !self.index.by_deal.contains_key(&id)
        });
        if is_done {
            self.deals.remove(&id);
            self.act(Action::DeleteDeal(id));
        }
    }

    fn drop_deal(&mut self, id: DealId) {
        for task in self.index.by_deal.get(&id).cloned().unwrap_or_default() {
            self.act(Action::DeleteTask(task));
            self.forget_task(task);
        }
        if let Some(last) = self.deals.remove(&id).and_then(|deal| deal.last()) {
            self.unmade.remove(&(last, id));
        }
        self.act(Action::DeleteDeal(id));
    }

    fn note_unmade(&mut self, id: DealId, deal: &DealState) {
        if let Some(last) = deal.last().filter(|_| deal.next < deal.size()) {
            self.unmade.insert((last, id));
        }
    }

    fn read_deal(&mut self, deal: DealId, at_least: u64) {
        let epoch = self.epoch;
        self.act(Action::ReadDeal { deal, epoch, at_least });
    }

    fn save_deal(&mut self, id: DealId) {
        if let Some(deal) = self.deals.get(&id) {
            let DealState { block, facts, next, .. } = deal.clone();
            self.act(Action::Put(Record::Deal(Box::new(DealRecord { id, block, facts, next }))));
        }
    }
}
