//! The ends of a task and the money that moves then: finalize, contributeAndFinalize, claim.

use super::contributing::Leave;
use super::limits::ResultForm;
use super::refusal::Refusal;
use super::{Callback, Execution, Value};
use crate::call::WholeContribution;
use crate::category::Deadlines;
use crate::deal::Deal;
use crate::event::Event;
use crate::mark::Conditions;
use crate::payout::{self, Ballot, KITTY, Payout, Share};
use crate::score;
use crate::task::{ContributionStatus, ContributionView, TaskStatus};
use crate::types::{Amount, ResultDigest, ResultHash, ResultSeal, TaskId};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256, keccak256};

/// More gas than any block has: a callback that is granted this much never gets it.
const CALLBACK_GAS_MAX: u64 = 1 << 40;

impl Execution<'_> {
    pub(super) fn finalize(
        &mut self,
        id: TaskId,
        results: &Bytes,
        results_callback: &Bytes,
    ) -> Result<Value, Refusal> {
        let (mut task, deal) = self.task_of_sender(id, Conditions::BOUND_RESULTS)?;
        let is_over = task.view.reveal_count > 0 && task.view.reveal_deadline.has_passed(self.now);
        if task.view.reveal_count != task.view.winner_count && !is_over {
            return Err(Refusal::RevealsPending);
        }
        let digest = task.view.digest;
        check_callback(&deal, digest, results_callback)?;
        self.bind_results((id, task.view.deal), digest, results, results_callback)?;
        let ballots = self.ballots(id, &task.view.contributors);
        let payout = payout::finalize(self.state.rules, &deal, self.kitty(), &ballots)?;
        self.state.check_result_record(ResultForm::Classic, results, results_callback)?;

        task.view.status = TaskStatus::Completed;
        task.view.results = results.clone();
        task.view.results_callback = results_callback.clone();
        self.state.tasks.set(id, task);
        self.pay_prices(id, &deal, &payout)?;
        let is_scored = self.state.rules.raise_score(payout.workers.len(), deal.worker_stake);
        for (worker, share) in &payout.workers {
            self.pay_worker(id, *worker, *share, is_scored)?;
        }
        let pool_owner = deal.workerpool.owner;
        self.state.escrow.reward(pool_owner, payout.scheduler, id.0, &mut self.events)?;
        self.events.push(Event::TaskFinalize { task: id, results: results.clone() });
        self.call_back(id, &deal, results_callback)?;
        Ok(Value::Nothing)
    }

    pub(super) fn contribute_and_finalize(
        &mut self,
        whole: &WholeContribution,
    ) -> Result<Value, Refusal> {
        let WholeContribution { task: id, digest, enclave_challenge, .. } = *whole;
        let worker = self.sender;
        let (mut task, deal) = self.task_for_votes(id)?;
        if !task.view.contributors.is_empty() {
            return Err(Refusal::TaskHasContributions);
        }
        if deal.trust != U256::ONE {
            return Err(Refusal::TrustAboveOne);
        }
        check_callback(&deal, digest, &whole.results_callback)?;
        let names = (id, task.view.deal);
        self.bind_results(names, digest, &whole.results, &whole.results_callback)?;
        let hash = ResultHash::of(id, digest);
        let seal = ResultSeal::of(worker, id, digest);
        let leave = Leave {
            hash,
            seal,
            enclave_challenge,
            enclave_sign: &whole.enclave_sign,
            authorization_sign: &whole.authorization_sign,
        };
        self.check_leave(id, &deal, &leave)?;
        let form = ResultForm::Fast(enclave_challenge);
        self.state.check_result_record(form, &whole.results, &whole.results_callback)?;

        let status = ContributionStatus::Proved;
        let view = ContributionView { status, hash, seal, enclave_challenge, weight: U256::ZERO };
        self.state.contributions.set((id, worker), view);
        task.view.status = TaskStatus::Completed;
        task.view.consensus = hash;
        task.view.reveal_deadline =
            Deadlines::reveal(self.now, task.view.work_clock_time_ref_seconds);
        task.view.reveal_count = 1;
        task.view.winner_count = 1;
        task.view.digest = digest;
        task.view.results = whole.results.clone();
        task.view.results_callback = whole.results_callback.clone();
        task.view.contributors.push(worker);
        self.state.tasks.set(id, task);

        self.pay_alone(id, &deal, worker)?;
        self.events.push(Event::TaskContribute { task: id, worker, hash });
        self.events.push(Event::TaskConsensus { task: id, consensus: hash });
        self.events.push(Event::TaskReveal { task: id, worker, digest });
        self.events.push(Event::TaskFinalize { task: id, results: whole.results.clone() });
        self.call_back(id, &deal, &whole.results_callback)?;
        Ok(Value::Nothing)
    }

    pub(super) fn claim(&mut self, id: TaskId) -> Result<(), Refusal> {
        let mut task = self.state.tasks.get(&id);
        match task.view.status {
            TaskStatus::Active | TaskStatus::Revealing => {}
            status @ (TaskStatus::Unset | TaskStatus::Completed | TaskStatus::Failed) => {
                return Err(Refusal::WrongTaskStatus(status));
            }
        }
        let deadline = task.view.final_deadline;
        if !deadline.has_passed(self.now) {
            return Err(Refusal::TooEarly { deadline });
        }
        let deal = self.state.deals.get(&task.view.deal);
        let refund = payout::claim(&deal)?;
        let withheld = |worker: &Address| (*worker, self.has_withheld(id, &task.view, *worker));
        let workers: Vec<_> = task.view.contributors.iter().map(withheld).collect();
        task.view.status = TaskStatus::Failed;
        self.state.tasks.set(id, task);

        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        escrow.unlock(deal.sponsor, refund.payer, log)?;
        escrow.seize(deal.workerpool.owner, refund.pool_stake, id.0, log)?;
        escrow.reward_frozen(KITTY, refund.pool_stake, id.0, log)?;
        for (worker, has_withheld) in workers {
            if has_withheld {
                self.pay_worker(id, worker, Share::Faulty { stake: refund.worker_stake }, false)?;
                let (escrow, log) = (&mut self.state.escrow, &mut self.events);
                escrow.reward_frozen(KITTY, refund.worker_stake, id.0, log)?;
            } else {
                self.state.escrow.unlock(worker, refund.worker_stake, &mut self.events)?;
            }
        }
        self.events.push(Event::TaskClaimed { task: id });
        Ok(())
    }

    /// What every success moves, whoever did the work.
    fn pay_prices(&mut self, id: TaskId, deal: &Deal, payout: &Payout) -> Result<(), Refusal> {
        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        escrow.seize(deal.sponsor, payout.payer, id.0, log)?;
        if !payout.app_owner.is_zero() {
            escrow.reward(deal.app.owner, payout.app_owner, id.0, log)?;
        }
        if !payout.dataset_owner.is_zero() {
            escrow.reward(deal.dataset.owner, payout.dataset_owner, id.0, log)?;
        }
        escrow.unlock(deal.workerpool.owner, payout.pool_stake, log)?;
        // By the reference's rules a kitty with anything in it gives at least 1 nRLC.
        if !payout.kitty.is_zero() {
            escrow.seize(KITTY, payout.kitty, id.0, log)?;
            escrow.reward(deal.workerpool.owner, payout.kitty, id.0, log)?;
        }
        Ok(())
    }

    fn pay_worker(
        &mut self,
        id: TaskId,
        worker: Address,
        share: Share,
        is_scored: bool,
    ) -> Result<(), Refusal> {
        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        let score = self.state.scores.get(&worker);
        match share {
            Share::Proved { stake, reward } => {
                escrow.unlock(worker, stake, log)?;
                escrow.reward(worker, reward, id.0, log)?;
                if is_scored {
                    self.state.scores.set(worker, score::raised(score));
                    log.push(Event::AccurateContribution { worker, task: id });
                }
            }
            Share::Faulty { stake } => {
                escrow.seize(worker, stake, id.0, log)?;
                self.state.scores.set(worker, score::lowered(score));
                log.push(Event::FaultyContribution { worker, task: id });
            }
        }
        Ok(())
    }

    /// The payments of a task with one worker that staked nothing and whose score stays.
    fn pay_alone(&mut self, id: TaskId, deal: &Deal, worker: Address) -> Result<(), Refusal> {
        let payout = payout::contribute_and_finalize(self.state.rules, deal, self.kitty(), worker)?;
        self.pay_prices(id, deal, &payout)?;
        for (worker, share) in payout.workers {
            match share {
                Share::Proved { stake: _, reward } => {
                    self.state.escrow.reward(worker, reward, id.0, &mut self.events)?;
                }
                Share::Faulty { .. } => unreachable!("the only worker has proved its result"),
            }
        }
        let pool_owner = deal.workerpool.owner;
        self.state.escrow.reward(pool_owner, payout.scheduler, id.0, &mut self.events)?;
        Ok(())
    }

    fn ballots(&self, id: TaskId, contributors: &[Address]) -> Vec<Ballot> {
        let ballot = |worker: &Address| {
            let contribution = self.state.contributions.get(&(id, *worker));
            Ballot {
                worker: *worker,
                is_proved: contribution.status == ContributionStatus::Proved,
                // The view holds a logarithm of at most 255.
                log_weight: contribution.weight.saturating_to(),
            }
        };
        contributors.iter().map(ballot).collect()
    }

    pub(super) fn kitty(&self) -> Amount {
        self.state.escrow.account(KITTY).frozen
    }

    pub(super) fn call_back(
        &mut self,
        task: TaskId,
        deal: &Deal,
        data: &Bytes,
    ) -> Result<(), Refusal> {
        if !deal.callback.is_zero() {
            if self.state.callback_gas.get() > U256::from(CALLBACK_GAS_MAX) {
                return Err(Refusal::CallbackGasTooLow);
            }
            self.callbacks.push(Callback { contract: deal.callback, task, data: data.clone() });
        }
        Ok(())
    }
}

/// Data for a callback is what the digest stands for; without a callback there may be none.
fn check_callback(
    deal: &Deal,
    digest: ResultDigest,
    results_callback: &Bytes,
) -> Result<(), Refusal> {
    let is_absent = deal.callback.is_zero() && results_callback.is_empty();
    if is_absent || keccak256(results_callback) == digest.0 {
        Ok(())
    } else {
        Err(Refusal::CallbackMismatch)
    }
}
