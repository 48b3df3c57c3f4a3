//! The boost lane: deals whose tasks end in one call.

use super::tasks::{authority, data, digest};
use super::{Director, Steps};
use crate::cast::WORKERS;
use crate::step::Act;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use poco_core::hub::{BoostCall, Hub as Model, Push};
use poco_core::message::{authorization_hash, boost_enclave_hash};
use poco_core::task::TaskStatus;
use poco_core::{Deal, DealId, ResultDigest, TaskId};

/// Tasks of a deal that the director looks at: deals may have more than it could try.
const TASKS_SEEN: u64 = 12;

/// A task that has no end yet, with its deal.
type Open<'m> = (DealId, U256, &'m Deal);

impl Director<'_> {
    /// A match, a result or a refund.
    pub(super) fn boost(&mut self, model: &Model) -> Steps {
        let steps = match self.dice.below(10) {
            0..4 => self.boosted_deal(model),
            4..9 => self.push(model),
            _ => self.claim_boost(model),
        };
        if steps.is_empty() { self.boosted_deal(model) } else { steps }
    }

    fn boosted_deal(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let is_spoiled = self.is_spoiled();
        let Some(mut draft) = self.draft(model) else { return steps };
        if !is_spoiled || self.dice.chance(90) {
            draft.request.trust = U256::from(self.dice.below(2));
        }
        if self.dice.chance(12) {
            let _ = self.restrict(&mut draft);
        }
        if self.dice.chance(6) {
            steps.extend(self.mark(model, &mut draft));
        }
        if is_spoiled && self.dice.chance(65) {
            self.spoil_draft(&mut draft);
        }
        let mut terms = self.signed(model, draft, &mut steps);
        self.reuse(&mut terms);
        if is_spoiled && self.dice.chance(50) {
            self.spoil_signature(&mut terms);
        }
        self.shown.push(terms.clone());
        let is_sponsored = self.dice.chance(30);
        let sender = if is_sponsored { self.cast.sponsor } else { self.anybody() };
        let call = BoostCall::Match { terms: Box::new(terms), is_sponsored };
        steps.push(self.step(sender, Act::Boost(call)));
        steps
    }

    /// Tasks of the lane that have no end, by whether it is too late for a result.
    fn unfinished<'m>(&self, model: &'m Model) -> (Vec<Open<'m>>, Vec<Open<'m>>) {
        let (mut open, mut late) = (Vec::new(), Vec::new());
        for (id, deal) in model.boosted_deals() {
            let category = model.category(deal.category);
            let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
            let is_late = deal.deadlines(seconds).contribution.0 <= self.now;
            for index in 0..deal.bot_size.saturating_to::<u64>().min(TASKS_SEEN) {
                let index = U256::from(index);
                if model.task(TaskId::of_deal(id, index)).status == TaskStatus::Unset {
                    if is_late { &mut late } else { &mut open }.push((id, index, deal));
                }
            }
        }
        (open, late)
    }

    fn push(&mut self, model: &Model) -> Steps {
        let (open, late) = self.unfinished(model);
        let from = if self.is_late_wanted() && !late.is_empty() { &late } else { &open };
        let Some((id, index, deal)) = self.dice.find(from).copied() else { return Steps::new() };
        let mut steps = Steps::new();
        let task = TaskId::of_deal(id, index);
        let workers = self.cast.workers.get(..WORKERS).unwrap_or(&self.cast.workers);
        let mut sender = *self.dice.pick(workers);
        let results = Bytes::from_static(b"{\"storage\":\"ipfs\",\"location\":\"/ipfs/Qm\"}");
        let has_callback = !deal.callback.is_zero() || self.dice.chance(10);
        let results_callback = if has_callback { data(task, 0) } else { Bytes::new() };
        let wants_enclave = deal.needs_enclave() || self.dice.chance(10);
        let enclave_challenge =
            if wants_enclave { *self.dice.pick(&self.cast.enclaves) } else { Address::ZERO };
        let pushed = if deal.callback.is_zero() { &results } else { &results_callback };
        let message = boost_enclave_hash(sender, task, ResultDigest(keccak256(pushed)));
        let enclave_sign = if wants_enclave {
            self.sign(enclave_challenge, message, &mut steps)
        } else {
            Bytes::new()
        };
        let message = authorization_hash(sender, task, enclave_challenge);
        let authority = authority(model, deal, enclave_challenge);
        let authorization_sign = self.sign(authority, message, &mut steps);
        let mut push = Push {
            deal: id,
            index,
            results,
            results_callback,
            authorization_sign,
            enclave_challenge,
            enclave_sign,
        };
        if self.is_spoiled() {
            self.spoil_push(&mut sender, &mut push);
        }
        steps.push(self.step(sender, Act::Boost(BoostCall::Push(push))));
        steps
    }

    fn spoil_push(&mut self, sender: &mut Address, push: &mut Push) {
        match self.dice.below(11) {
            0 => *sender = self.anybody(),
            1 => push.authorization_sign = self.mangle(&push.authorization_sign.clone()),
            2 => push.enclave_sign = self.mangle(&push.enclave_sign.clone()),
            3 => push.enclave_challenge = self.any_address(),
            4 | 5 => push.enclave_challenge = Address::ZERO,
            6 => push.results_callback = Bytes::new(),
            7 => push.results = Bytes::from_static(b"something else"),
            8 => push.results_callback = digest(TaskId::of_deal(push.deal, push.index), 1).0.into(),
            9 => push.index = push.index.saturating_sub(U256::ONE),
            _ => (push.deal, push.index) = self.spoiled_task((push.deal, push.index)),
        }
    }

    fn spoiled_task(&mut self, (deal, index): (DealId, U256)) -> (DealId, U256) {
        match self.dice.below(3) {
            0 => (DealId(B256::repeat_byte(7)), index),
            1 => (deal, index.saturating_add(U256::from(70_000))),
            _ => (deal, U256::MAX),
        }
    }

    fn claim_boost(&mut self, model: &Model) -> Steps {
        let (open, late) = self.unfinished(model);
        let from = if late.is_empty() || self.dice.chance(15) { &open } else { &late };
        let Some((id, index, _)) = self.dice.find(from).copied() else { return Steps::new() };
        let (deal, index) =
            if self.is_spoiled() { self.spoiled_task((id, index)) } else { (id, index) };
        let sender = self.anybody();
        vec![self.step(sender, Act::Boost(BoostCall::Claim { deal, index }))]
    }
}
