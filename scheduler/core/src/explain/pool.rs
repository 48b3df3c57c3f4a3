//! Why a worker has what it has, and what the whole pool waits for.

use super::{Explanation, NearMiss};
use crate::change::{Change, change};
use crate::core::Core;
use crate::decide::{Depth, Question};
use crate::hold::{Hold, spell, ways};
use crate::intake::{HELD, Intake};
use crate::limits::{DEALS_EXPLAINED_MAX, NEAREST_SHOWN_MAX};
use crate::plan::plan;
use crate::task::Task;
use crate::trace::Trace;
use crate::workers::Worker;
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::{Address, DealId};

/// The first task of a deal that waits for workers, or for the pool to take it on: what it waits for,
/// the others of its deal do as well.
struct Waiter<'a> {
    task: Cow<'a, Task>,
    held_by: Vec<Hold>,
}

/// What a waiter makes of a worker.
struct Seen<'a> {
    waiter: &'a Waiter<'a>,
    near: NearMiss,
}

impl Core {
    /// Why a worker has what it has. A wallet that is not connected is told so.
    #[must_use]
    pub fn explain_worker(&self, worker: Address) -> Explanation {
        let subject = format!("worker {worker}");
        let used = self.index.slots_used(worker);
        let Some(known) = self.workers.get(worker) else {
            let mut told = Explanation::new(subject, "it to log in".into());
            told.fact("tasks it is held to", self.index.tasks_len(worker));
            return told;
        };
        let mut told = Explanation::new(subject, String::new());
        told.fact("slots", format!("{used} of {} taken", known.capacity.slots));
        told.fact("weight", known.weight);
        told.fact("bond", known.bond);
        told.fact("tag", known.capacity.tag);
        told.fact(
            "place",
            format!("{}, since block {}", known.place.number, known.place.since_block),
        );
        let waiters = self.waiters();
        let seen = waiters.iter().filter_map(|waiter| self.see(worker, known, waiter));
        self.tell_worker(&mut told, seen.collect());
        told
    }

    /// What is in a worker's way to a task that waits.
    fn see<'a>(&self, worker: Address, known: &Worker, waiter: &'a Waiter<'a>) -> Option<Seen<'a>> {
        let question = waiter.question(self)?;
        let misses = question.misses_of(worker, known);
        Some(Seen { waiter, near: NearMiss { worker, task: Some(waiter.task.id), misses } })
    }

    fn tell_worker(&self, told: &mut Explanation, mut seen: Vec<Seen<'_>>) {
        let mut trace = Trace::default();
        for one in &seen {
            trace.count(one.near.misses.first().copied());
        }
        // The nearest first; of those that fit, what the pool does not hold back.
        seen.sort_by_key(|one| (one.near.misses.len(), !one.waiter.held_by.is_empty()));
        let held = seen.iter().filter(|one| one.is_held()).count();
        told.waits_for = match (seen.first(), trace.looked_at, trace.free(), trace.fitting()) {
            (None, ..) => "tasks: none waits for workers".into(),
            (Some(first), waiting, free, _) if free > 0 && first.is_held() => format!(
                "the pool to take on what it fits: {}; {waiting} deals wait, {held} for that",
                spell(&first.waiter.held_by)
            ),
            (_, waiting, 0, 0) => {
                format!("tasks that it fits: of {waiting} waiting deals it fits none")
            }
            (_, _, 0, fitting) => format!("a free slot: it fits {fitting} waiting deals"),
            (_, _, free, _) => {
                format!("other workers: {free} waiting deals that it fits need more than there are")
            }
        };
        if let Some(first) = seen.first() {
            told.held_by = first.waiter.held_by.clone();
            told.changes = self.changes_of(first);
        }
        told.trace = Some(trace);
        let near = seen.into_iter().map(|one| one.near).filter(|near| !near.misses.is_empty());
        told.nearest = near.take(NEAREST_SHOWN_MAX).collect();
    }

    /// What would give a worker the task, or the task others that it needs beside the worker.
    fn changes_of(&self, seen: &Seen<'_>) -> Vec<Vec<Change>> {
        let Some(question) = seen.waiter.question(self) else { return Vec::new() };
        let NearMiss { worker, misses, .. } = &seen.near;
        if misses.is_empty() {
            let decision = question.decide(Depth::Whole);
            if decision.set.is_some() {
                return ways(&seen.waiter.held_by, Vec::from([Vec::new()]));
            }
            return ways(&seen.waiter.held_by, crate::change::changes(&question, &decision));
        }
        let changes = misses.iter().map(|miss| change(&question, *worker, *miss));
        let Some(mut changes) = changes.collect::<Option<Vec<Change>>>() else {
            return Vec::new();
        };
        // Several sides of one machine.
        changes.dedup();
        ways(&seen.waiter.held_by, Vec::from([changes]))
    }

    /// The first waiting tasks of deals, then those that the pool holds back.
    fn waiters(&self) -> Vec<Waiter<'_>> {
        let first = self.wanting.first_of_deals().take(DEALS_EXPLAINED_MAX);
        let waiting = first
            .filter_map(|id| self.tasks.get(&id))
            .map(|task| Waiter { task: Cow::Borrowed(&**task), held_by: Vec::new() });
        let mut waiters: Vec<Waiter<'_>> = waiting.collect();
        waiters.extend(self.held(DEALS_EXPLAINED_MAX.saturating_sub(waiters.len())));
        waiters
    }

    /// The first tasks of deals that the pool holds back, and of which none waits for workers: up to
    /// `most`. Goes through the tasks where the pool opens none, and through the deals with tasks
    /// that are not made.
    fn held(&self, most: usize) -> Vec<Waiter<'_>> {
        let in_line = self.wanting.first_of_deals().filter_map(|id| self.tasks.get(&id));
        let mut seen: BTreeSet<DealId> = in_line.map(|task| task.deal).collect();
        let mut held: Vec<Waiter<'_>> = Vec::new();
        if self.gate.intake() >= Intake::BegunTasks {
            for task in self.tasks.values().filter(|task| task.waits_for == HELD) {
                let Some(sight) = self.sight(task.deal) else { continue };
                let held_by = plan(task, sight).waiting.held_by().to_vec();
                if held.len() < most && !held_by.is_empty() && seen.insert(task.deal) {
                    held.push(Waiter { task: Cow::Borrowed(&**task), held_by });
                }
            }
        }
        for (_, id) in &self.unmade {
            let next = self.deals.get(id).map_or(0, |deal| deal.next);
            let task = self.unmade_task(*id, next);
            let (Some(task), Some(sight)) = (task, self.sight(*id)) else { continue };
            if held.len() >= most {
                break;
            }
            if seen.contains(id) {
                continue;
            }
            let held_by = self.waiting_unmade(&task, sight).held_by().to_vec();
            if !held_by.is_empty() {
                held.push(Waiter { task: Cow::Owned(task), held_by });
            }
        }
        held
    }

    /// What the pool waits for, with its deals that wait for workers or are held back.
    #[must_use]
    pub fn explain_pool(&self) -> Explanation {
        let (wanting, stats) = (self.wanting.len(), self.stats());
        let waiters = self.waiters();
        let held_back = stats.waits.get(HELD).copied().unwrap_or_default() as u64;
        let held_back = held_back.saturating_add(stats.tasks_unmade);
        let mut reasons: Vec<String> = Vec::new();
        if wanting > 0 {
            let lacks = if self.workers.has_free() { "workers that fit" } else { "a free slot" };
            reasons.push(format!("{lacks}: {wanting} tasks wait for workers"));
        }
        if let Some(first) = waiters.iter().find(|waiter| !waiter.held_by.is_empty()) {
            let why = spell(&first.held_by);
            reasons.push(format!("itself to take on {held_back} tasks: {why}"));
        }
        if reasons.is_empty() {
            reasons.push("nothing: no task waits for workers".into());
        }
        let mut told = Explanation::new("pool".into(), reasons.join("; and "));
        told.fact("workers", stats.workers);
        told.fact("slots", format!("{} of {} taken", stats.slots_used, stats.slots));
        told.fact("deals", stats.deals);
        told.fact("tasks that wait for workers", wanting);
        told.fact("tasks not made yet", stats.tasks_unmade);
        told.fact("tasks given up", stats.tasks_hopeless);
        told.fact("tasks not read yet", self.index.unread.len());
        for (kind, tasks) in &self.index.queued {
            told.fact(&format!("tasks that wait to {}", kind.name()), tasks.len());
        }
        told.fact("tasks with a transaction under way", stats.transactions_in_flight);
        // A limit that is reached is in nobody's way where nobody waits for it.
        let is_waited_for = waiters.iter().any(|waiter| !waiter.held_by.is_empty());
        let holds = self.holds().into_iter();
        let holds = holds.filter(|hold| is_waited_for || matches!(hold, Hold::Intake(_)));
        told.held_by = holds.collect();
        told.changes = ways(&told.held_by, Vec::from([Vec::new()]));
        let explain = |waiter: &Waiter<'_>| {
            let (deal, offset) = (waiter.task.deal, waiter.task.offset);
            self.explain_task_at(deal, offset)
        };
        told.parts = waiters.iter().filter_map(explain).collect();
        told
    }
}

impl Seen<'_> {
    fn is_held(&self) -> bool {
        !self.waiter.held_by.is_empty()
    }
}

impl Waiter<'_> {
    /// Who takes it, or would if the pool took it on.
    fn question<'a>(&'a self, core: &'a Core) -> Option<Question<'a>> {
        let sight = core.sight(self.task.deal)?;
        if self.held_by.is_empty() {
            return Some(Question::new(sight, &self.task));
        }
        Some(Question::to_begin(sight, core.asked_about(&self.task, &self.held_by)))
    }
}
