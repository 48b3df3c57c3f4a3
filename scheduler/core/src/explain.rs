//! Why a task, a worker, an order or the whole pool is where it is: what is waited for, what of the
//! pool itself holds it back, which constraint removed how many, who came nearest, and what would
//! change it.
//!
//! Nothing is judged here. The answers are the traces of the decision itself, made once more and
//! through to its end, and what the gate and the making of tasks say; what would change a refusal is
//! what makes that decision another.

mod order;
mod pool;

pub use order::{OrderTerms, Weighed};

use crate::change::{Change, changes};
use crate::core::Core;
use crate::decide::{Decision, Depth, Question};
use crate::hold::{Hold, ways};
use crate::limits::NEAREST_SHOWN_MAX;
use crate::plan::{Sight, plan};
use crate::report::spell;
use crate::task::Task;
use crate::trace::{Constraint, Near, Trace};
use crate::waiting::Waiting;
use crate::words::Stage;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use poco_core::{Address, DealId, TaskId};
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
    /// What of the pool itself is in the way, whoever could compute it.
    pub held_by: Vec<Hold>,
    /// How many workers (of a worker: waiting deals) each constraint removed; `None` where nobody
    /// is looked for.
    pub trace: Option<Trace>,
    /// Who came nearest, first; with all that is in the way.
    pub nearest: Vec<NearMiss>,
    /// What would change it: each entry suffices, if all of it is done.
    pub changes: Vec<Vec<Change>>,
    /// Of a pool: its deals that wait for workers or are held back, with the first of their tasks.
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

impl Explanation {
    fn new(subject: String, waits_for: String) -> Self {
        Self {
            subject,
            waits_for,
            facts: Vec::new(),
            held_by: Vec::new(),
            trace: None,
            nearest: Vec::new(),
            changes: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push((name.into(), value.to_string()));
    }

    /// Takes in what a decision saw, about something that `held_by` holds back.
    fn show(
        &mut self,
        question: &Question<'_>,
        decision: Decision,
        task: Option<TaskId>,
        held_by: Vec<Hold>,
    ) {
        // Once the pool takes it on it stands in the line, and whoever is busy comes to it.
        let is_held = held_by.iter().any(Hold::is_of_pool);
        let has_workers =
            if is_held { decision.set.is_some() } else { decision.chosen().next().is_some() };
        let needed =
            if has_workers { Vec::from([Vec::new()]) } else { changes(question, &decision) };
        self.changes = ways(&held_by, needed);
        self.held_by = held_by;
        let mut near = decision.near;
        near.sort_by_key(|near| near.misses.len());
        let near = near.into_iter().take(NEAREST_SHOWN_MAX);
        let miss = |near: Near| NearMiss { worker: near.worker, task, misses: near.misses };
        self.nearest = near.map(miss).collect();
        self.trace = Some(decision.trace);
    }
}

impl Core {
    /// Why a task is where it is; `None` where it is not known here or not made yet.
    #[must_use]
    pub fn explain_task(&self, id: TaskId) -> Option<Explanation> {
        let task = self.tasks.get(&id)?;
        let waiting = plan(task, self.sight(task.deal)?).waiting;
        self.explain_waiting(task, waiting)
    }

    /// The same of the task that is `offset` away from the first of its deal, made or not; `None`
    /// where the deal is not known here or has no such task, or the task has ended and is forgotten.
    #[must_use]
    pub fn explain_task_at(&self, deal: DealId, offset: u64) -> Option<Explanation> {
        let Some(task) = self.unmade_task(deal, offset) else {
            return self.explain_task(self.task_at(deal, offset)?);
        };
        let waiting = self.waiting_unmade(&task, self.sight(deal)?);
        let mut told = self.explain_waiting(&task, waiting)?;
        let before = self.before(&task);
        told.fact("made before it, of its deal", before.of_deal);
        told.fact("made before it, of its requester's other deals", before.of_requester);
        told.fact("made before it, of other requesters", before.of_others);
        Some(told)
    }

    /// Why a task waits for what it waits for.
    fn explain_waiting(&self, task: &Task, waiting: Waiting) -> Option<Explanation> {
        let sight = self.sight(task.deal)?;
        let held_by = waiting.held_by().to_vec();
        let is_unread = matches!(waiting, Waiting::Chain);
        let waits_for = spell(waiting, task, sight);
        let mut told = Explanation::new(format!("task {}", task.id), waits_for);
        told_of_task(&mut told, task, sight);
        if is_unread && sight.facts.conditions.is_none() {
            told.changes = Vec::from([Vec::from([Change::ReadDeal])]);
        }
        if self.wanting.contains(task.id) {
            let question = Question::new(sight, task);
            let decision = question.decide(Depth::Whole);
            told.show(&question, decision, Some(task.id), held_by);
        } else if !held_by.is_empty() {
            let asked = self.asked_about(task, &held_by);
            let question = Question::to_begin(sight, asked);
            let decision = question.decide(Depth::Whole);
            told.show(&question, decision, Some(asked.id), held_by);
        }
        Some(told)
    }

    /// For which task workers are looked for before one that is held back: another of its deal,
    /// where that found nobody.
    fn asked_about<'a>(&'a self, task: &'a Task, held_by: &[Hold]) -> &'a Task {
        let other = held_by.iter().find_map(Hold::passed_over);
        other.and_then(|id| self.tasks.get(&id)).map_or(task, |other| other)
    }
}

fn told_of_task(told: &mut Explanation, task: &Task, sight: Sight<'_>) {
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
        let stage = task.stage_of(*worker).map_or("ended", Stage::name);
        told.fact(&format!("worker {worker}"), format!("{stage}, {rank}"));
    }
}
