//! Votes: who may cast one, and what it does to the consensus.

use super::refusal::Refusal;
use super::state::Task;
use super::{Execution, Value};
use crate::call::Contribution;
use crate::category::{Deadlines, STRICT_REVEALS_END_RATIO};
use crate::credibility;
use crate::deal::Deal;
use crate::event::Event;
use crate::mark::Conditions;
use crate::message::{authorization_hash, enclave_hash};
use crate::rules::CONTRIBUTIONS_MAX;
use crate::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use crate::types::{ResultHash, ResultSeal, TaskId, Timestamp};
use alloy_primitives::{Address, B256, Bytes, U256};

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
        let (mut task, deal) = self.task_for_votes(id)?;
        if self.state.rules.are_ours() {
            if task.view.contributors.len() >= CONTRIBUTIONS_MAX {
                return Err(Refusal::TooManyContributions);
            }
            if seal.0 == B256::repeat_byte(0xff) {
                return Err(Refusal::SealReserved);
            }
        }
        let status = self.state.contributions.get(&(id, worker)).status;
        let is_new = status == ContributionStatus::Unset;
        // Ours looks at earlier contributions last, where it counts them.
        if !is_new && !self.state.rules.are_ours() {
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
        if !is_new {
            return Err(Refusal::AlreadyContributed);
        }

        let weight = credibility::weight(self.state.scores.get(&worker));
        let view = ContributionView {
            status: ContributionStatus::Contributed,
            hash,
            seal,
            enclave_challenge,
            weight: U256::from(credibility::log_weight(weight)),
        };
        self.state.contributions.set((id, worker), view);
        self.state.weights.set((id, worker), weight);
        task.view.contributors.push(worker);
        let group = self.state.groups.get(&(id, hash));
        let count = credibility::add(group, task.total, weight)
            .and_then(|it| Some((it, credibility::is_consensus(it.group, it.total, deal.trust)?)))
            .ok_or(Refusal::Overflow);
        if self.state.rules.are_ours() {
            // Ours counts before it locks: the refusal comes first.
            count?;
        }
        self.state.escrow.lock(worker, deal.worker_stake, &mut self.events)?;
        self.events.push(Event::TaskContribute { task: id, worker, hash });

        let (added, is_consensus) = count?;
        self.state.groups.set((id, hash), added.group);
        task.total = added.total;
        if is_consensus {
            let last = self.last_reveal(&task.view, &deal);
            self.agree(id, &mut task, hash, last);
        }
        self.state.tasks.set(id, task);
        Ok(Value::Nothing)
    }

    /// A task that takes votes, with its deal.
    pub(super) fn task_for_votes(&self, id: TaskId) -> Result<(Task, Deal), Refusal> {
        let (task, deal) = self.task(id, TaskStatus::Active)?;
        if task.stage.is_committed() {
            return Err(Refusal::TaskCommitted);
        }
        self.check_before(task.view.contribution_deadline)?;
        Ok((task, deal))
    }

    /// Votes for this hash are the consensus: whoever cast them may reveal.
    /// `last` is when reveals end at the latest.
    pub(super) fn agree(
        &mut self,
        id: TaskId,
        task: &mut Task,
        consensus: ResultHash,
        last: Timestamp,
    ) {
        let votes = self.contributions(id, &task.view);
        let is_winner = |vote: &&ContributionView| {
            vote.hash == consensus && vote.status == ContributionStatus::Contributed
        };
        task.view.status = TaskStatus::Revealing;
        task.view.consensus = consensus;
        let seconds = task.view.work_clock_time_ref_seconds;
        // A consensus that comes late has less time.
        task.view.reveal_deadline = Deadlines::reveal(self.now, seconds).min(last);
        task.view.reveal_count = 0;
        task.view.winner_count = votes.iter().filter(is_winner).count() as u64;
        self.events.push(Event::TaskConsensus { task: id, consensus });
    }

    /// When the reveals of a contribution's consensus end at the latest. In a strict deal whoever votes
    /// anew after a reopening has a whole clock for it.
    fn last_reveal(&self, task: &TaskView, deal: &Deal) -> Timestamp {
        let kept = self.state.conditions_of(task.deal);
        let seconds = task.work_clock_time_ref_seconds;
        let deadlines = deal.deadlines(seconds);
        let was_reopened = task.contribution_deadline != deadlines.contribution;
        if !kept.has(Conditions::STRICT_REVEALS) || was_reopened {
            return task.final_deadline;
        }
        deal.start_time.after(seconds.saturating_mul(STRICT_REVEALS_END_RATIO))
    }

    /// Who authorizes workers: the pool's owner, or of enclaves the broker if there is one.
    pub(super) fn authority(&self, deal: &Deal, enclave_challenge: Address) -> Address {
        let broker = self.state.tee_broker.get();
        let is_brokered = !enclave_challenge.is_zero() && !broker.is_zero();
        if is_brokered { broker } else { deal.workerpool.owner }
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
        let authority = self.authority(deal, challenge);
        let message = authorization_hash(self.sender, task, challenge);
        if !self.state.is_signed(authority, message, leave.authorization_sign)? {
            return Err(Refusal::AuthorizationInvalid);
        }
        self.check_guard(self.state.tasks.get(&task).view.deal, self.sender, challenge)?;
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
