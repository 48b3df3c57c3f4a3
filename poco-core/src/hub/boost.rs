//! The boost lane: deals of one worker's trust, whose tasks are not opened; one call by the worker
//! ends each. Of a task the hub keeps its status alone.
//!
//! The record of such a deal on chain is shorter than [`Deal`]; what it lacks is in the event of
//! the match.

mod refusal;

pub use refusal::BoostRefusal;

use super::matching::plain;
use super::refusal::Refusal;
use super::state::Task;
use super::{Execution, Value};
use crate::call::SignedTerms;
use crate::deal::Deal;
use crate::event::Event;
use crate::mark::agreement::Disagreement;
use crate::matching::{self, Terms};
use crate::message::{authorization_hash, boost_enclave_hash};
use crate::order::WorkerpoolOrder;
use crate::payout::{self, Overflow};
use crate::task::TaskStatus;
use crate::types::{Amount, DealId, ResultDigest, TaskId};
use alloc::boxed::Box;
use alloy_primitives::{Address, Bytes, U256, keccak256};

/// Bits of a price in a deal's record.
const PRICE_BITS: usize = 96;
/// Bits of a volume or an index in a deal's record.
const VOLUME_BITS: usize = 16;

/// A transaction of the boost lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BoostCall {
    /// Makes a deal.
    Match {
        /// The orders.
        terms: Box<SignedTerms>,
        /// Whether the sender pays, and not the requester.
        is_sponsored: bool,
    },
    /// Ends a task with a result.
    Push(Push),
    /// Refunds a task that has no result at the deal's deadline.
    Claim {
        /// The deal.
        deal: DealId,
        /// Which of its tasks, from 0.
        index: U256,
    },
}

/// The end of a task of the boost lane, sent by its worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Push {
    /// The deal.
    pub deal: DealId,
    /// Which of its tasks, from 0.
    pub index: U256,
    /// Where the result lies.
    pub results: Bytes,
    /// What the callback receives.
    pub results_callback: Bytes,
    /// The signature of the pool's owner, or of the enclave broker.
    pub authorization_sign: Bytes,
    /// The enclave's key; zero outside enclaves.
    pub enclave_challenge: Address,
    /// The enclave's signature.
    pub enclave_sign: Bytes,
}

impl Execution<'_> {
    pub(super) fn boost(&mut self, call: &BoostCall) -> Result<Value, Refusal> {
        match call {
            BoostCall::Match { terms, is_sponsored: false } => {
                self.match_boost(terms, terms.request.order.requester).map(Value::Deal)
            }
            BoostCall::Match { terms, is_sponsored: true } => {
                let sponsor = self.sender;
                let deal = self.match_boost(terms, sponsor)?;
                self.events.push(Event::DealSponsoredBoost { deal, sponsor });
                Ok(Value::Deal(deal))
            }
            BoostCall::Push(push) => self.push(push),
            BoostCall::Claim { deal, index } => self.claim_boost(*deal, *index),
        }
    }

    fn match_boost(&mut self, terms: &SignedTerms, payer: Address) -> Result<DealId, Refusal> {
        if terms.request.order.trust > U256::ONE {
            return Err(BoostRefusal::TrustTooHigh.into());
        }
        let prepared = self.state.prepare(terms);
        // Whatever trust the pool offers: one worker's is enough here.
        let pool = WorkerpoolOrder { trust: U256::MAX, ..terms.workerpool.order.clone() };
        let fitting = Terms { workerpool: &pool, ..plain(terms) };
        let volume = matching::check_by(self.state.rules, &fitting, &prepared.facts).map_err(
            |mismatch| match prepared.malformed.contains(&mismatch) {
                true => Refusal::SignatureFormat,
                false => BoostRefusal::Match(mismatch).into(),
            },
        )?;
        if self.state.rules.heed_marks() {
            // Both lanes make the same checks, this one among them, before they read marks.
            let (price, policy) = (terms.workerpool.order.price, prepared.workerpool.policy);
            payout::worker_stake(price, policy.worker_stake_ratio)?;
        }
        let conditions = self.agree_on_conditions(terms, &prepared, payer)?.conditions();
        if !conditions.is_none() {
            return Err(Disagreement::ConditionsWithoutLane { conditions }.into());
        }
        check_widths(terms, prepared.facts.request.consumed, volume)?;
        let deal = self.deal(terms, &prepared, volume, payer)?;
        let id = DealId::of_match(prepared.hashes.request, deal.bot_first);
        self.consume(prepared.hashes, volume)?;

        let price = self.price_locked(terms, &deal).ok_or(Overflow)?;
        let locked = price.checked_mul(volume).ok_or(Overflow)?;
        self.state.escrow.lock(payer, locked, &mut self.events)?;
        let stake = payout::deal_locks(&deal)?.workerpool_owner;
        self.state.escrow.lock(deal.workerpool.owner, stake, &mut self.events)?;
        let workerpool = deal.workerpool.pointer;
        self.events.push(Event::SchedulerNoticeBoost { workerpool, deal: id });
        self.events.push(prepared.hashes.matched(id, volume));
        self.state.boosted.set(id, deal);
        Ok(id)
    }

    /// What the payer locks for one task. By the reference's rules the price of a null dataset order
    /// too, which no end of the task gives back.
    fn price_locked(&self, terms: &SignedTerms, deal: &Deal) -> Option<Amount> {
        let price = deal.task_price()?;
        let is_null = terms.dataset.order.dataset.is_zero();
        if is_null && self.state.rules.heed_null_dataset() {
            return price.checked_add(terms.dataset.order.price);
        }
        Some(price)
    }

    fn push(&mut self, push: &Push) -> Result<Value, Refusal> {
        let (task, deal) = self.open_task(push.deal, push.index)?;
        if self.boost_deadline_has_passed(&deal) {
            return Err(BoostRefusal::TooLate.into());
        }
        self.check_push(task, &deal, push)?;
        self.end_boosted(task, TaskStatus::Completed);
        self.pay_boost(task, &deal)?;
        self.events.push(Event::ResultPushedBoost {
            deal: push.deal,
            index: push.index,
            results: push.results.clone(),
        });
        if !deal.callback.is_zero() && push.results_callback.is_empty() {
            return Err(BoostRefusal::CallbackEmpty.into());
        }
        // Gas is all that a callback can lack.
        self.call_back(task, &deal, &push.results_callback)
            .map_err(|_| BoostRefusal::CallbackGasTooLow)?;
        Ok(Value::Nothing)
    }

    fn claim_boost(&mut self, id: DealId, index: U256) -> Result<Value, Refusal> {
        let (task, deal) = self.open_task(id, index)?;
        if !self.boost_deadline_has_passed(&deal) {
            return Err(BoostRefusal::TooEarly.into());
        }
        self.end_boosted(task, TaskStatus::Failed);
        let refund = payout::claim(&deal)?;
        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        escrow.unlock(deal.sponsor, refund.payer, log)?;
        escrow.seize(deal.workerpool.owner, refund.pool_stake, task.0, log)?;
        escrow.reward_frozen(payout::KITTY, refund.pool_stake, task.0, log)?;
        log.push(Event::TaskClaimed { task });
        Ok(Value::Nothing)
    }

    /// A task of a deal of this lane that has no end yet.
    fn open_task(&self, id: DealId, index: U256) -> Result<(TaskId, Deal), BoostRefusal> {
        let deal = self.state.boosted.get(&id);
        if index >= deal.bot_size {
            return Err(BoostRefusal::TaskUnknown);
        }
        let task = TaskId::of_deal(id, index);
        match self.state.tasks.get(&task).view.status {
            TaskStatus::Unset => Ok((task, deal)),
            TaskStatus::Active
            | TaskStatus::Revealing
            | TaskStatus::Completed
            | TaskStatus::Failed => Err(BoostRefusal::TaskEnded),
        }
    }

    fn boost_deadline_has_passed(&self, deal: &Deal) -> bool {
        let category = self.state.categories.find(&deal.category.0);
        let category = category.expect("a match is refused in an unknown category");
        deal.deadlines(category.work_clock_time_ref_seconds).contribution.has_passed(self.now)
    }

    /// Whether the sender may end the task: as for a contribution, but the enclave signs the digest
    /// of what is pushed.
    fn check_push(&self, task: TaskId, deal: &Deal, push: &Push) -> Result<(), Refusal> {
        let challenge = push.enclave_challenge;
        if challenge.is_zero() && deal.needs_enclave() {
            return Err(BoostRefusal::EnclaveChallengeMissing.into());
        }
        let authority = self.authority(deal, challenge);
        let message = authorization_hash(self.sender, task, challenge);
        if !self.state.is_signed(authority, message, &push.authorization_sign)? {
            return Err(BoostRefusal::AuthorizationInvalid.into());
        }
        if challenge.is_zero() {
            return Ok(());
        }
        let pushed = if deal.callback.is_zero() { &push.results } else { &push.results_callback };
        let message = boost_enclave_hash(self.sender, task, ResultDigest(keccak256(pushed)));
        if self.state.is_signed(challenge, message, &push.enclave_sign)? {
            Ok(())
        } else {
            Err(BoostRefusal::EnclaveSignatureInvalid.into())
        }
    }

    fn end_boosted(&mut self, id: TaskId, status: TaskStatus) {
        let mut task = Task::default();
        task.view.status = status;
        self.state.tasks.set(id, task);
    }

    fn pay_boost(&mut self, task: TaskId, deal: &Deal) -> Result<(), Refusal> {
        let rules = self.state.rules;
        let pool_price = deal.workerpool.price;
        let worker_reward = payout::workers_reward(pool_price, deal.scheduler_reward_ratio)?;
        let kitty = payout::kitty_share(rules, self.kitty(), pool_price)?;
        let pool_reward = pool_price.checked_sub(worker_reward).ok_or(Overflow)?;
        let pool_reward = pool_reward.checked_add(kitty).ok_or(Overflow)?;
        let payer = if rules.charge_sponsor_of_boost() { deal.sponsor } else { deal.requester };
        let price = deal.task_price().ok_or(Overflow)?;
        let stake = payout::pool_stake(pool_price)?;

        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        escrow.seize(payer, price, task.0, log)?;
        escrow.reward(self.sender, worker_reward, task.0, log)?;
        for resource in [deal.app, deal.dataset] {
            if !resource.price.is_zero() {
                escrow.reward(resource.owner, resource.price, task.0, log)?;
            }
        }
        escrow.unlock(deal.workerpool.owner, stake, log)?;
        if !kitty.is_zero() {
            escrow.seize(payout::KITTY, kitty, task.0, log)?;
        }
        escrow.reward(deal.workerpool.owner, pool_reward, task.0, log)?;
        Ok(())
    }
}

/// Refuses numbers that the lane's records have no room for.
fn check_widths(terms: &SignedTerms, first: U256, volume: U256) -> Result<(), BoostRefusal> {
    let SignedTerms { app, dataset, workerpool, request: _ } = terms;
    // That of a null dataset order is not kept.
    let dataset_price =
        if dataset.order.dataset.is_zero() { Amount::ZERO } else { dataset.order.price };
    let prices = [app.order.price, workerpool.order.price, dataset_price];
    let is_too_dear = prices.into_iter().any(|price| price.0.bit_len() > PRICE_BITS);
    let is_too_large = [first, volume].into_iter().any(|number| number.bit_len() > VOLUME_BITS);
    if is_too_dear || is_too_large { Err(BoostRefusal::NumberTooLarge) } else { Ok(()) }
}
