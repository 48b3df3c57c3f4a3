//! Marked orders in the model: epochs, what the salts of a match come to, and what the conditions of
//! a deal change in the life of its tasks. The reference takes a mark for any other salt.

use super::matching::Prepared;
use super::refusal::Refusal;
use super::state::State;
use super::{Execution, Value};
use crate::call::SignedTerms;
use crate::category::REOPENED_DEADLINE_RATIO;
use crate::deal::Deal;
use crate::event::Event;
use crate::mark::agreement::{self, Marked, Parties};
use crate::mark::{Conditions, ConditionsEvent, DealConditions};
use crate::task::{ContributionStatus, TaskStatus, TaskView};
use crate::types::{DealId, ResultDigest, TaskId, Timestamp};
use alloy_primitives::{Address, B256, Bytes, keccak256};

impl State {
    /// The orders of a match as far as their marks go.
    pub(super) fn parties(
        &self,
        terms: &SignedTerms,
        prepared: &Prepared,
        payer: Address,
    ) -> Parties {
        let marked =
            |salt: B256, signer: Address| Marked { salt, signer, epoch: self.epochs.get(&signer) };
        let SignedTerms { app, dataset, workerpool, request } = terms;
        let has_dataset = !dataset.order.dataset.is_zero();
        Parties {
            app: marked(app.order.salt, prepared.app_owner),
            dataset: has_dataset.then(|| marked(dataset.order.salt, prepared.dataset_owner)),
            workerpool: marked(workerpool.order.salt, prepared.workerpool.owner),
            request: marked(request.order.salt, request.order.requester),
            payer,
        }
    }

    /// What a deal keeps.
    pub(super) fn conditions_of(&self, deal: DealId) -> DealConditions {
        self.conditions.get(&deal)
    }
}

impl Execution<'_> {
    pub(super) fn raise_epoch(&mut self) -> Result<Value, Refusal> {
        if !self.state.rules.heed_marks() {
            return Err(Refusal::FunctionUnknown);
        }
        let account = self.sender;
        let epoch = self.state.epochs.get(&account).checked_add(1).ok_or(Refusal::EpochsSpent)?;
        self.state.epochs.set(account, epoch);
        self.events.push(Event::Conditions(ConditionsEvent::EpochRaised { account, epoch }));
        Ok(Value::Epoch(epoch))
    }

    /// The conditions of the deal that the orders make.
    pub(super) fn agree_on_conditions(
        &self,
        terms: &SignedTerms,
        prepared: &Prepared,
        payer: Address,
    ) -> Result<DealConditions, Refusal> {
        if !self.state.rules.heed_marks() {
            return Ok(DealConditions::NONE);
        }
        let parties = self.state.parties(terms, prepared, payer);
        Ok(agreement::agree(&parties, self.now)?)
    }

    /// Whether the deal's guard knows the worker, and the enclave's key, where it is asked.
    pub(super) fn check_guard(
        &self,
        deal: DealId,
        worker: Address,
        challenge: Address,
    ) -> Result<(), Refusal> {
        let kept = self.state.conditions_of(deal);
        let Some(guard) = kept.guard() else { return Ok(()) };
        let contracts = &self.state.contracts;
        if kept.has(Conditions::KNOWN_WORKERS) && !contracts.is_member(guard, worker) {
            return Err(Refusal::WorkerNotKnown);
        }
        let is_asked = !challenge.is_zero() && kept.has(Conditions::KNOWN_ENCLAVES);
        if is_asked && !contracts.is_enclave_of(guard, challenge) {
            return Err(Refusal::EnclaveNotKnown);
        }
        Ok(())
    }

    /// What is recorded of a bound deal is what was voted for: callback bytes alone, which were
    /// checked, or the results.
    pub(super) fn bind_results(
        &mut self,
        (task, deal): (TaskId, DealId),
        digest: ResultDigest,
        results: &Bytes,
        results_callback: &Bytes,
    ) -> Result<(), Refusal> {
        if !self.state.conditions_of(deal).has(Conditions::BOUND_RESULTS) {
            return Ok(());
        }
        let is_bound = match results_callback.is_empty() {
            true => keccak256(results) == digest.0,
            false => results.is_empty(),
        };
        if !is_bound {
            return Err(Refusal::ResultsUnlikeDigest);
        }
        self.events.push(Event::Conditions(ConditionsEvent::ResultsBound { task, digest }));
        Ok(())
    }

    /// When a task that is reopened stops to take contributions.
    pub(super) fn deadline_if_reopened(&self, view: &TaskView, deal: &Deal) -> Timestamp {
        if !self.state.conditions_of(view.deal).has(Conditions::STRICT_REVEALS) {
            return view.contribution_deadline;
        }
        let seconds = view.work_clock_time_ref_seconds.saturating_mul(REOPENED_DEADLINE_RATIO);
        deal.start_time.after(seconds)
    }

    /// Whether `worker` pays although the task is claimed: it came to a consensus of a strict deal, at
    /// the end or before the task was reopened, and did not reveal.
    pub(super) fn has_withheld(&self, id: TaskId, task: &TaskView, worker: Address) -> bool {
        if !self.state.conditions_of(task.deal).has(Conditions::STRICT_REVEALS) {
            return false;
        }
        let vote = self.state.contributions.get(&(id, worker));
        match vote.status {
            ContributionStatus::Rejected => true,
            ContributionStatus::Contributed => {
                task.status == TaskStatus::Revealing && vote.hash == task.consensus
            }
            ContributionStatus::Unset | ContributionStatus::Proved => false,
        }
    }
}
