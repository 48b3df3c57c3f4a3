//! Who would take a task of an order that is not matched yet.

use super::Explanation;
use crate::core::Core;
use crate::deals::unserved;
use crate::decide::{Decision, Depth, Question};
use crate::hold::{Hold, spell};
use crate::input::DealFacts;
use crate::limits::WINDOW;
use crate::placement::Placement;
use crate::plan::Sight;
use crate::sales::{Sale, SalesPolicy};
use crate::task::{Phase, Task};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::{
    Address, Amount, B256, Deal, DealConditions, DealId, Tag, TaskId, Timestamp, U256,
};

/// The terms of an order that is not matched yet, as far as pool and workers must fit them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderTerms {
    /// Features that its runs need.
    pub tag: Tag,
    /// The trust asked.
    pub trust: U256,
    /// Stake of each contribution.
    pub worker_stake: Amount,
    /// What the request asks of machines; `None` where that cannot be read, and nobody would be
    /// given its tasks.
    pub placement: Option<Placement>,
    /// What deals of it keep.
    pub conditions: DealConditions,
    /// How many tasks; none counts as one.
    pub volume: u64,
    /// The category; `None` where what the pool sells is not asked about.
    pub category: Option<u64>,
    /// What the request pays the pool for a task; `None` where the price is not asked about.
    pub pays: Option<Amount>,
}

/// What would become of an order, matched now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Whether the pool would take it on and workers are there, free or busy, that reach its trust.
    pub is_served: bool,
    /// A guard was asked about workers just now: the answer may be another soon.
    pub is_asking: bool,
    /// What its tasks would wait for, in one line.
    pub waits_for: String,
}

/// What the decision and the gate say of an order.
struct Verdict {
    told: Explanation,
    is_served: bool,
    unasked: Vec<(Address, Address)>,
}

impl Core {
    /// Who of this pool would take a task of an order, matched now, and what of the pool is in the
    /// way: the gate and the limits that a new deal would meet, and, with the `policy` by which the
    /// pool sells, what it sells at which price.
    #[must_use]
    pub fn explain_order(&self, terms: &OrderTerms, policy: Option<&SalesPolicy>) -> Explanation {
        self.verdict(terms, policy).told
    }

    /// Whether an order would be served, matched now; for the pool that thinks of matching it. Asks
    /// the guard about a few workers where it was not asked lately.
    pub fn weigh_order(&mut self, terms: &OrderTerms) -> Weighed {
        let Verdict { told, is_served, unasked } = self.verdict(terms, None);
        let mut is_asking = false;
        for (guard, worker) in unasked.into_iter().take(WINDOW) {
            self.ask_guard(guard, worker);
            is_asking = true;
        }
        Weighed { is_served, is_asking: is_asking && !is_served, waits_for: told.waits_for }
    }

    fn verdict(&self, terms: &OrderTerms, policy: Option<&SalesPolicy>) -> Verdict {
        let facts = self.facts_of(terms);
        let id = TaskId::of_deal(DealId::ZERO, U256::ZERO);
        let mut task = Task::new(id, DealId::ZERO, 0, (Address::ZERO, Timestamp::default()));
        task.phase = Phase::Pending;
        let block = self.clock.head().number.saturating_add(1);
        let sight =
            Sight { seed: (B256::ZERO, block, self.workers.places()), ..self.sight_of(&facts) };
        let question = Question::to_begin(sight, &task);
        let decision = question.decide(Depth::Whole);
        let held_by = self.holds_of_order(terms, policy);
        let is_served = held_by.is_empty() && decision.set.is_some();
        let guard = sight.guard();
        let unasked = decision.unasked.iter().filter_map(|worker| Some((guard?, *worker)));
        let unasked = unasked.collect();
        let mut told = Explanation::new("order".into(), waits_for(&held_by, &decision));
        told.fact("trust", terms.trust);
        told.fact("tag", terms.tag);
        if let Some(placement) = terms.placement.as_ref().filter(|asked| !asked.is_none()) {
            told.fact("placement", placement);
        }
        if terms.conditions != DealConditions::NONE {
            told.fact("conditions", terms.conditions);
        }
        told.show(&question, decision, None, held_by);
        Verdict { told, is_served, unasked }
    }

    /// The deal that an order would make.
    fn facts_of(&self, terms: &OrderTerms) -> DealFacts {
        let deal = Deal {
            tag: terms.tag,
            trust: terms.trust.max(U256::ONE),
            worker_stake: terms.worker_stake,
            bot_size: U256::from(terms.volume.max(1)),
            start_time: self.clock.time(self.now),
            ..Deal::default()
        };
        DealFacts {
            deal,
            // A category that never ends: how long a run takes is no matter of who can take it.
            work_clock_time_ref_seconds: u64::from(u32::MAX),
            conditions: Some(terms.conditions),
            placement: terms.placement.clone(),
        }
    }

    /// What of the pool is in the way of an order: all that would hold a new deal back, and what is
    /// sold at which price.
    fn holds_of_order(&self, terms: &OrderTerms, policy: Option<&SalesPolicy>) -> Vec<Hold> {
        let mut held_by = self.holds();
        let unknown = unserved(terms.conditions);
        if !unknown.is_none() {
            held_by.push(Hold::Unserved { conditions: unknown });
        }
        if let (Some(policy), Some(category)) = (policy, terms.category) {
            let (tag, pays, volume) = (terms.tag, terms.pays, terms.volume.max(1));
            let sale = Sale { category, tag, pays, volume };
            held_by.extend(self.holds_of_sale(&sale, policy));
        }
        held_by
    }
}

fn waits_for(held_by: &[Hold], decision: &Decision) -> String {
    if !held_by.is_empty() {
        return format!("the pool to take it on: {}", spell(held_by));
    }
    match (&decision.set, decision.chosen().count()) {
        (Some(set), 0) => format!("a free slot: {} workers would take a task", set.len()),
        (Some(set), now) if now < set.len() => {
            format!("nothing: of {} workers {now} would begin a task at once", set.len())
        }
        (Some(set), _) => format!("nothing: {} workers would begin a task at once", set.len()),
        (None, _) => "workers: those that fit do not reach the trust".into(),
    }
}
