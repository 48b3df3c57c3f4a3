//! The making of a deal's tasks, as room allows; and why one is not made yet.
//!
//! A task that is not made costs nothing: a bag of a million is one record. What holds the next one
//! back is asked of the same functions by whoever makes tasks and by whoever explains.

use crate::action::Kind;
use crate::core::Core;
use crate::deals::DealState;
use crate::hold::Hold;
use crate::intake::Intake;
use crate::limits::{
    BATCH_TASKS_MAX, OPENED_EARLY_MAX, TASKS_AHEAD, TASKS_AHEAD_EACH, TASKS_AT_ONCE_MAX,
    TASKS_HELD_RATIO,
};
use crate::lookup::Unmade;
use crate::plan::{Sight, plan};
use crate::task::{Phase, Task};
use crate::waiting::Waiting;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;
use poco_core::{Address, DealId, TaskId, Timestamp};

/// The turn of a requester: how many of its tasks wait in the line, and its next deal.
type MakingTurn = (usize, Timestamp, DealId, Address);

/// How many tasks come before one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// Of its deal.
    pub(crate) of_deal: usize,
    /// Of other deals of its requester, which expire first.
    pub(crate) of_requester: usize,
    /// Of other requesters, as things stand.
    pub(crate) of_others: usize,
}

impl Before {
    fn own(self) -> usize {
        self.of_deal.saturating_add(self.of_requester)
    }

    fn all(self) -> usize {
        self.own().saturating_add(self.of_others)
    }
}

impl Core {
    /// Makes tasks as far as there is room: of the requester with the fewest that nobody was given,
    /// the deal that expires first. Tasks that were passed over while somebody was free take no
    /// room, or they would keep out what could be served; of a deal with such a task no more are
    /// made.
    pub(crate) fn make_tasks(&mut self) {
        if self.gate.is_stopping() {
            return;
        }
        self.make_past_tasks();
        // What is passed over stays so while tasks are made.
        let passed_over = self.count_passed_over();
        if self.full(passed_over, 0).next().is_some() {
            return;
        }
        let mut turns: BTreeSet<MakingTurn> =
            self.unmade_of.keys().filter_map(|one| self.turn_to_make(*one, None)).collect();
        let mut made = 0usize;
        while self.full(passed_over, 0).next().is_none()
            && let Some((idle, last, id, requester)) = turns.pop_first()
        {
            if made >= TASKS_AT_ONCE_MAX {
                self.has_more = true;
                break;
            }
            if self.crowded(passed_over, idle, 0).is_some() {
                // So it is for all others.
                break;
            }
            let may_make = self.gate.against(self.level_of(id)).next().is_none();
            let is_made = may_make && self.make_task(id, false);
            made = made.saturating_add(usize::from(is_made));
            // Of a deal whose task could not be made, none can.
            turns.extend(self.turn_to_make(requester, (!is_made).then_some((last, id))));
        }
    }

    /// Everything that keeps a task of a deal from being made.
    ///
    /// What comes before it is counted as things stand: goes through the deals with tasks that are
    /// not made, for somebody who asks.
    fn holds_of(&self, task: &Task) -> Vec<Hold> {
        let mut held_by: Vec<Hold> = self.gate.against(self.level_of(task.deal)).collect();
        let passed_over = self.count_passed_over();
        let passed = self.wanting.fresh_in(task.requester, task.deal);
        if let Some(first) = passed.filter(|_| self.is_passed_over(task.deal)) {
            // Its deal has no turn before, however many come before it there.
            held_by.extend(self.full(passed_over, 0));
            held_by.push(Hold::PassedOver { task: first });
            return held_by;
        }
        let before = self.before(task);
        let idle = self.waiting_of(task.requester).saturating_add(before.own());
        let known = held_by.len();
        held_by.extend(self.full(passed_over, before.all()));
        if held_by.len() == known {
            held_by.extend(self.crowded(passed_over, idle, before.all()));
        }
        held_by
    }

    /// What keeps tasks of new deals from being made, whosesoever they are.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        let all = self.gate.concerns().map(Hold::Intake);
        all.chain(self.full(self.count_passed_over(), 0)).collect()
    }

    /// What a task that is not made waits for.
    pub(crate) fn waiting_unmade(&self, task: &Task, sight: Sight<'_>) -> Waiting {
        let waiting = plan(task, sight).waiting;
        let is_past = matches!(
            waiting,
            Waiting::Claim { .. } | Waiting::Transaction(Kind::InitializeAndClaim)
        );
        if is_past { waiting } else { Waiting::Intake(self.holds_of(task)) }
    }

    /// The task at `offset` of a deal as it would be made; `None` where it is made already, or the
    /// deal has no such task or is not read yet.
    pub(crate) fn unmade_task(&self, id: DealId, offset: u64) -> Option<Task> {
        let deal = self.deals.get(&id).filter(|deal| offset >= deal.next)?;
        let terms = &deal.facts.as_ref()?.deal;
        let task = terms.task_at(id, offset)?;
        let mut task = Task::new(task, id, offset, (terms.requester, terms.start_time));
        // Who opens it from now on is found out by the refusal of our own transaction.
        task.phase = Phase::Pending;
        Some(task)
    }

    /// The id of a task by its place in its deal; `None` where there is no such place.
    pub(crate) fn task_at(&self, id: DealId, offset: u64) -> Option<TaskId> {
        self.deals.get(&id)?.facts.as_ref()?.deal.task_at(id, offset)
    }

    /// Every deal with tasks that are not made, and which of them are not. Takes a word for each such
    /// deal, whatever the size of its bag.
    #[must_use]
    pub fn unmade(&self) -> Vec<Unmade> {
        let of = |(_, id): &(Timestamp, DealId)| {
            let deal = self.deals.get(id)?;
            let first = deal.facts.as_ref()?.deal.bot_first;
            Some(Unmade { deal: *id, first, offsets: deal.next..deal.size() })
        };
        self.unmade.iter().filter_map(of).collect()
    }

    /// What would be left out first of what makes the next task of a deal.
    fn level_of(&self, id: DealId) -> Intake {
        let is_begun = self.deals.get(&id).is_some_and(|deal| deal.next > 0);
        if is_begun { Intake::BegunTasks } else { Intake::BegunDeals }
    }

    /// The limits that keep every task from being made, were `more` made before.
    fn full(&self, passed_over: usize, more: usize) -> impl Iterator<Item = Hold> {
        let live = self.index.live_len().saturating_sub(passed_over);
        let most = self.settings.tasks_live_max;
        let is_full = live.saturating_add(more) >= most;
        let live = || Hold::LiveLimit { live, before: more, most, room: self.room() };
        let live = is_full.then(live);
        let (held, most) = (self.tasks.len(), most.saturating_mul(TASKS_HELD_RATIO));
        let is_full = held.saturating_add(more) >= most;
        let held = is_full.then_some(Hold::HeldLimit { held, before: more, most });
        live.into_iter().chain(held)
    }

    /// The same of the room that slots leave, for a requester of whom `idle` tasks wait.
    fn crowded(&self, passed_over: usize, idle: usize, more: usize) -> Option<Hold> {
        let (room, live) = (self.room(), self.index.live_len().saturating_sub(passed_over));
        let is_crowded = live.saturating_add(more) >= room && idle >= TASKS_AHEAD_EACH;
        is_crowded.then_some(Hold::Slots { live, before: more, room })
    }

    /// How many tasks are kept open for the slots there are.
    fn room(&self) -> usize {
        self.workers.slots().saturating_mul(2).saturating_add(TASKS_AHEAD)
    }

    /// How many live tasks were passed over, with the fresh ones of the same deals.
    fn count_passed_over(&self) -> usize {
        let fresh = self.passed_over.iter().map(|id| self.index.fresh_of(*id));
        fresh.fold(self.index.stuck_len(), usize::saturating_add)
    }

    /// Whether a fresh task of a deal waits that found nobody.
    fn is_passed_over(&self, id: DealId) -> bool {
        self.passed_over.contains(&id) && self.index.fresh_of(id) > 0
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

    /// The deals of a requester of which tasks can be made, behind `behind`, in their order.
    fn to_make(
        &self,
        requester: Address,
        behind: Option<(Timestamp, DealId)>,
    ) -> impl Iterator<Item = (Timestamp, DealId)> {
        let begin = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let time = self.clock.time(self.now);
        let is_open = move |last: Timestamp| !(self.clock.is_set() && last.has_passed(time));
        let deals = self.unmade_of.get(&requester).into_iter();
        let deals = deals.flat_map(move |deals| deals.range((begin, Bound::Unbounded))).copied();
        deals.filter(move |(last, id)| is_open(*last) && !self.is_passed_over(*id))
    }

    /// Whose turn it is by the tasks that wait in the line, with the next deal behind `behind`.
    fn turn_to_make(
        &self,
        requester: Address,
        behind: Option<(Timestamp, DealId)>,
    ) -> Option<MakingTurn> {
        let (last, id) = self.to_make(requester, behind).next()?;
        Some((self.waiting_of(requester), last, id, requester))
    }

    /// How many tasks are made before one that is not: those of its requester that come first, and
    /// of each other requester as many as it takes until more of its tasks wait.
    pub(crate) fn before(&self, task: &Task) -> Before {
        let unmade = |id: DealId| self.deals.get(&id).map_or(0, DealState::unmade);
        let sum = |deals: &mut dyn Iterator<Item = (Timestamp, DealId)>| {
            let sum = deals.map(|(_, id)| unmade(id)).fold(0, u64::saturating_add);
            usize::try_from(sum).unwrap_or(usize::MAX)
        };
        let next = self.deals.get(&task.deal).map_or(0, |deal| deal.next);
        let of_deal = usize::try_from(task.offset.saturating_sub(next)).unwrap_or(usize::MAX);
        let place = self.deals.get(&task.deal).and_then(DealState::place_unmade);
        let place = place.map(|(last, _)| (last, task.deal)).unwrap_or_default();
        let mut first = self.to_make(task.requester, None).take_while(|other| *other < place);
        let of_requester = sum(&mut first);
        let own = of_deal.saturating_add(of_requester);
        let waiting = self.waiting_of(task.requester).saturating_add(own);
        let others = self.unmade_of.keys().filter(|one| **one != task.requester);
        let ahead = others.map(|other| {
            // One more at the same number, in case its deal expires first.
            let turns = waiting.saturating_add(1).saturating_sub(self.waiting_of(*other));
            sum(&mut self.to_make(*other, None)).min(turns)
        });
        let of_others = ahead.fold(0, usize::saturating_add);
        Before { of_deal, of_requester, of_others }
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
        let next = self.deals.get(&id).map_or(0, |deal| deal.next);
        let Some(mut task) = self.unmade_task(id, next) else { return false };
        let Some(deal) = self.deals.get_mut(&id) else { return false };
        let (unmade, is_restored) = (deal.place_unmade(), deal.is_restored);
        deal.next = next.saturating_add(1);
        if deal.next >= deal.size() {
            self.forget_unmade(id, unmade);
        }
        self.save_deal(id);
        task.is_unsaved = true;
        let opened_in = self.opened.remove(&task.id);
        let read_from = opened_in.or((is_past || is_restored).then_some(0));
        if read_from.is_some() {
            task.phase = Phase::Unread;
        } else {
            task.phase_since = Some(self.now);
        }
        self.index_as(&mut task);
        let id = task.id;
        self.tasks.insert(id, Box::new(task));
        self.dirty.insert(id);
        if let Some(block) = read_from {
            self.read_task(id, block);
        }
        true
    }

    /// A task was opened; one that is not made yet is read when it is.
    pub(crate) fn note_opened(&mut self, id: TaskId, block: u64) {
        let is_new = !self.tasks.contains_key(&id);
        if is_new && self.opened.len() < OPENED_EARLY_MAX {
            self.opened.insert(id, block);
        }
    }
}
