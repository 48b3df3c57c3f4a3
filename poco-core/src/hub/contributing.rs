//! Votes: who may cast one, and what it does to the consensus.

use super::refusal::Refusal;
use super::state::Task;
use super::{Execution, Value};
use crate::call::Contribution;
use crate::category::Deadlines;
use crate::credibility;
use crate::deal::Deal;
use crate::event::Event;
use crate::message::{authorization_hash, enclave_hash};
use crate::task::{ContributionStatus, ContributionView, TaskStatus};
use crate::types::{ResultHash, ResultSeal, TaskId};
use alloy_primitives::{Address, Bytes, U256};

/// What of a vote is signed by others: the pool (or the enclave broker) and the enclave.
pub(super) struct Leave<'a> {
    pub(super) hash: ResultHash,
    pub(super) seal: ResultSeal,
    pub(super) enclave_challenge: Address,
    pub(super) enclave_sign: &'a Bytes,
    pub(super) authorization_sign: &'a Bytes,
}

impl Execution<'_> {
    pub(super) fn contribute(&mut self, contribution: &Contribution) -> Result<Value, Refusal> {
        let Contribution { task: id, hash, seal, enclave_challenge, .. } = *contribution;
        let worker = self.sender;
        let (mut task, deal) = self.task(id, TaskStatus::Active)?;
        self.check_before(task.view.contribution_deadline)?;
        if self.state.contributions.get(&(id, worker)).status != ContributionStatus::Unset {
            return Err(Refusal::AlreadyContributed);
        }
        let leave = Leave {
            hash,
            seal,
            enclave_challenge,
            enclave_sign: &contribution.enclave_sign,
            authorization_sign: &contribution.authorization_sign,
        };
        self.check_leave(id, &deal, &leave)?;

        let weight = credibility::weight(self.state.scores.get(&worker));
        let view = ContributionView {
            status: ContributionStatus::Contributed,
            hash,
            seal,
            enclave_challenge,
            weight: U256::from(credibility::log_weight(weight)),
        };
        self.state.contributions.set((id, worker), view);
        task.view.contributors.push(worker);
        self.state.escrow.lock(worker, deal.worker_stake, &mut self.events)?;
        self.events.push(Event::TaskContribute { task: id, worker, hash });

        let group = self.state.groups.get(&(id, hash));
        let added = credibility::add(group, task.total, weight).ok_or(Refusal::Overflow)?;
        self.state.groups.set((id, hash), added.group);
        task.total = added.total;
        let is_consensus = credibility::is_consensus(added.group, added.total, deal.trust);
        if is_consensus.ok_or(Refusal::Overflow)? {
            self.agree(id, &mut task, hash);
        }
        self.state.tasks.set(id, task);
        Ok(Value::Nothing)
    }

    /// The hash just contributed is the consensus: its contributors may reveal.
    fn agree(&mut self, id: TaskId, task: &mut Task, consensus: ResultHash) {
        let votes = self.contributions(id, &task.view);
        let is_winner = |vote: &&ContributionView| {
            vote.hash == consensus && vote.status == ContributionStatus::Contributed
        };
        task.view.status = TaskStatus::Revealing;
        task.view.consensus = consensus;
        task.view.reveal_deadline =
            Deadlines::reveal(self.now, task.view.work_clock_time_ref_seconds);
        task.view.reveal_count = 0;
        task.view.winner_count = votes.iter().filter(is_winner).count() as u64;
        self.events.push(Event::TaskConsensus { task: id, consensus });
    }

    /// Whether the sender may contribute: an enclave where the deal asks for one, the pool's (with
    /// an enclave, the broker's if there is one) authorization, the enclave's own signature.
    pub(super) fn check_leave(
        &self,
        task: TaskId,
        deal: &Deal,
        leave: &Leave<'_>,
    ) -> Result<(), Refusal> {
        let challenge = leave.enclave_challenge;
        if challenge.is_zero() && deal.needs_enclave() {
            return Err(Refusal::EnclaveChallengeMissing);
        }
        let broker = self.state.tee_broker.get();
        let is_brokered = !challenge.is_zero() && !broker.is_zero();
        let authority = if is_brokered { broker } else { deal.workerpool.owner };
        let message = authorization_hash(self.sender, task, challenge);
        if !self.state.is_signed(authority, message, leave.authorization_sign)? {
            return Err(Refusal::AuthorizationInvalid);
        }
        if challenge.is_zero() {
            return Ok(());
        }
        let message = enclave_hash(leave.hash, leave.seal);
        if self.state.is_signed(challenge, message, leave.enclave_sign)? {
            Ok(())
        } else {
            Err(Refusal::EnclaveSignatureInvalid)
        }
    }
}
