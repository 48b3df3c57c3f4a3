//! Why a task, a worker, an order or the whole pool is where it is: what is waited for, which
//! constraint removed how many, who came nearest, and what would change it.
//!
//! Nothing is judged here. The answers are the traces of the decision itself, made once more and
//! through to its end; what would change a refusal is what makes that decision another.

use crate::change::{Change, change, changes};
use crate::core::Core;
use crate::decide::{Decision, Depth, Question};
use crate::input::DealFacts;
use crate::limits::{DEALS_EXPLAINED_MAX, NEAREST_SHOWN_MAX};
use crate::placement::Placement;
use crate::plan::Sight;
use crate::report::waiting_for;
use crate::task::{Phase, Task};
use crate::trace::{Constraint, Trace};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::{
    Address, Amount, B256, Deal, DealConditions, DealId, Tag, TaskId, Timestamp, U256,
};
use serde::{Deserialize, Serialize};

/// Why something is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What it is about: `task 0x…`, `worker 0x…`, `order` or `pool`.
    pub subject: String,
    /// What is waited for, in one line.
    pub waits_for: String,
    /// What is known of it besides, by name.
    pub facts: Vec<(String, String)>,
    /// How many workers (of a worker: waiting deals) each constraint removed; `None` where nobody
    /// is looked for.
    pub trace: Option<Trace>,
    /// Who came nearest, first; with all that is in the way.
    pub nearest: Vec<NearMiss>,
    /// What would change it: each entry suffices, if all of it is done.
    pub changes: Vec<Vec<Change>>,
    /// Of a pool: its deals that wait for workers, with the first of their tasks.
    pub parts: Vec<Explanation>,
}

/// A worker that does not fit a task, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// The worker.
    pub worker: Address,
    /// The task; `None` for an order.
    pub task: Option<TaskId>,
    /// Everything that is in its way.
    pub misses: Vec<Constraint>,
}

/// The terms of an order, as far as workers must fit them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderTerms {
    /// Features that its runs need.
    pub tag: Tag,
    /// The trust asked.
    pub trust: U256,
    /// Stake of each contribution.
    pub worker_stake: Amount,
    /// What the request asks of machines.
    pub placement: Placement,
    /// What deals of it keep.
    pub conditions: DealConditions,
}

impl Explanation {
    fn new(subject: String, waits_for: String) -> Self {
        Self {
            subject,
            waits_for,
            facts: Vec::new(),
            trace: None,
            nearest: Vec::new(),
            changes: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push((name.into(), value.to_string()));
    }

    /// Takes in what a decision saw.
    fn show(&mut self, question: &Question<'_>, decision: Decision, task: Option<TaskId>) {
        self.changes = changes(question, &decision);
        let mut near = decision.near;
        near.sort_by_key(|near| near.misses.len());
        let near = near.into_iter().take(NEAREST_SHOWN_MAX);
        let miss =
            |near: crate::trace::Near| NearMiss { worker: near.worker, task, misses: near.misses };
        self.nearest = near.map(miss).collect();
        self.trace = Some(decision.trace);
    }
}

impl Core {
    /// Why a task is where it is; `None` where it is not known here.
    #[must_use]
    pub fn explain_task(&self, id: TaskId) -> Option<Explanation> {
        let task = self.tasks.get(&id)?;
        let sight = self.sight(task.deal)?;
        let mut told = Explanation::new(format!("task {id}"), waiting_for(task, sight));
        let (hash, block, places) = sight.seed;
        told.fact("deal", task.deal);
        told.fact("requester", sight.facts.deal.requester);
        told.fact("trust", sight.facts.deal.trust);
        told.fact("tag", sight.facts.deal.tag);
        if let Some(placement) = sight.facts.placement.as_ref().filter(|asked| !asked.is_none()) {
            told.fact("placement", placement);
        }
        told.fact("order drawn by", format!("block {block} {hash}, {places} places"));
        for (worker, replica) in task.replicas.iter() {
            let rank = replica.rank.map_or("late".into(), |rank| format!("rank {rank}"));
            let stage = task.stage_of(*worker).map_or("ended", crate::words::Stage::name);
            told.fact(&format!("worker {worker}"), format!("{stage}, {rank}"));
        }
        if self.wanting.contains(id) {
            let question = Question::new(sight, task);
            let decision = question.decide(Depth::Whole);
            told.show(&question, decision, Some(id));
        }
        Some(told)
    }

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
        let mut trace = Trace::default();
        for task in self.explained() {
            let Some(sight) = self.sight(task.deal) else { continue };
            let question = Question::new(sight, task);
            let misses = question.misses_of(worker, known);
            trace.count(misses.first().copied());
            if misses.is_empty() {
                continue;
            }
            let near = NearMiss { worker, task: Some(task.id), misses };
            told.nearest.push(near);
        }
        told.nearest.sort_by_key(|near| near.misses.len());
        told.nearest.truncate(NEAREST_SHOWN_MAX);
        let first = told.nearest.first().filter(|_| trace.free() == 0);
        told.changes = first.and_then(|near| self.changes_of(near)).into_iter().collect();
        told.waits_for = match (trace.looked_at, trace.free(), trace.fitting()) {
            (0, ..) => "tasks: none waits for workers".into(),
            (waiting, 0, 0) => {
                format!("tasks that it fits: of {waiting} waiting deals it fits none")
            }
            (_, 0, fitting) => format!("a free slot: it fits {fitting} waiting deals"),
            (_, free, _) => {
                format!("other workers: {free} waiting deals that it fits need more than there are")
            }
        };
        told.trace = Some(trace);
        told
    }

    fn changes_of(&self, near: &NearMiss) -> Option<Vec<Change>> {
        let task = self.tasks.get(&near.task?)?;
        let question = Question::new(self.sight(task.deal)?, task);
        let changes = near.misses.iter().map(|miss| change(&question, near.worker, *miss));
        let mut changes: Vec<Change> = changes.collect::<Option<_>>()?;
        changes.dedup();
        Some(changes)
    }

    /// The first waiting tasks of deals: what they wait for, the others of theirs do as well.
    fn explained(&self) -> impl Iterator<Item = &Task> {
        let first = self.wanting.first_of_deals().take(DEALS_EXPLAINED_MAX);
        first.filter_map(|id| self.tasks.get(&id).map(|task| &**task))
    }

    /// Who of this pool would take a task of an order, matched now.
    #[must_use]
    pub fn explain_order(&self, terms: OrderTerms) -> Explanation {
        let OrderTerms { tag, trust, worker_stake, placement, conditions } = terms;
        let deal = Deal {
            tag,
            trust,
            worker_stake,
            bot_size: U256::ONE,
            start_time: self.clock.time(self.now),
            ..Deal::default()
        };
        let conditions = Some(conditions);
        // A category that never ends: how long a run takes is no matter of who can take it.
        let work_clock_time_ref_seconds = u64::from(u32::MAX);
        let placement = Some(placement);
        let facts = DealFacts { deal, work_clock_time_ref_seconds, conditions, placement };
        let id = TaskId::of_deal(DealId::ZERO, U256::ZERO);
        let mut task = Task::new(id, DealId::ZERO, 0, (Address::ZERO, Timestamp::default()));
        task.phase = Phase::Active { votes: Vec::new() };
        let block = self.clock.head().number.saturating_add(1);
        let sight =
            Sight { seed: (B256::ZERO, block, self.workers.places()), ..self.sight_of(&facts) };
        let question = Question::new(sight, &task);
        let decision = question.decide(Depth::Whole);
        let chosen = decision.chosen().count();
        let told = match (&decision.set, chosen) {
            (Some(set), 0) => format!("a free slot: {} workers would take a task", set.len()),
            (Some(set), now) if now < set.len() => {
                format!("nothing: of {} workers {now} would begin a task at once", set.len())
            }
            (Some(set), _) => format!("nothing: {} workers would begin a task at once", set.len()),
            (None, _) => "workers: those that fit do not reach the trust".into(),
        };
        let mut told = Explanation::new("order".into(), told);
        told.fact("trust", trust);
        told.fact("tag", tag);
        told.show(&question, decision, None);
        told
    }

    /// What the pool waits for, with its deals that wait for workers.
    #[must_use]
    pub fn explain_pool(&self) -> Explanation {
        let wanting = self.wanting.len();
        let waits_for = match wanting {
            0 => "nothing: no task waits for workers".into(),
            _ if !self.workers.has_free() => {
                format!("a free slot: {wanting} tasks wait for workers")
            }
            _ => format!("workers that fit: {wanting} tasks wait for workers"),
        };
        let mut told = Explanation::new("pool".into(), waits_for);
        let stats = self.stats();
        told.fact("workers", stats.workers);
        told.fact("slots", format!("{} of {} taken", stats.slots_used, stats.slots));
        told.fact("deals", stats.deals);
        told.fact("tasks that wait for workers", wanting);
        told.fact("tasks given up", stats.tasks_hopeless);
        told.fact("tasks not read yet", self.index.unread.len());
        for (kind, tasks) in &self.index.queued {
            told.fact(&format!("tasks that wait to {}", kind.name()), tasks.len());
        }
        told.fact("tasks with a transaction under way", stats.transactions_in_flight);
        let parts = self.explained().filter_map(|task| self.explain_task(task.id));
        told.parts = parts.collect();
        told
    }
}
