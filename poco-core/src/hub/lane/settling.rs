//! Batches: tasks end, each account is paid once, and whoever is called back is called last.

use super::super::Execution;
use super::super::refusal::Refusal;
use super::{LaneRefusal, Stage};
use crate::credibility::{log_weight, weight};
use crate::deal::Deal;
use crate::event::Event;
use crate::lane::{
    self, Batch, Books, Committed, Ended, LaneEvent, Net, OtherVote, Outcome, Settlement,
    SettlementRefusal,
};
use crate::mark::{Conditions, ConditionsEvent};
use crate::payout::{KITTY, Share};
use crate::task::{ContributionStatus, ContributionView, TaskStatus};
use crate::types::{ResultHash, ResultSeal, TaskId, Timestamp};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// What a worker of a row said, as its outcome tells.
enum Said {
    /// It voted for the digest.
    Agreed,
    /// Something else, or it is told as if.
    Other(OtherVote),
}

impl Execution<'_> {
    pub(super) fn settle(&mut self, batches: &[Batch]) -> Result<(), Refusal> {
        if batches.is_empty() {
            return Err(LaneRefusal::CommitEmpty.into());
        }
        let mut settled = Vec::with_capacity(batches.len());
        for batch in batches {
            settled.push(self.settle_batch(batch)?);
        }
        for (batch, settlement) in batches.iter().zip(settled) {
            let deal = self.state.deals.get(&batch.range.deal);
            for ((task, ended), outcome) in settlement.tasks.iter().zip(&batch.outcomes) {
                if ended.is_ok() {
                    self.call_back(*task, &deal, &outcome.results_callback)?;
                }
            }
        }
        Ok(())
    }

    fn settle_batch(&mut self, batch: &Batch) -> Result<Settlement, Refusal> {
        let range = &batch.range;
        let deadline = Timestamp::default();
        lane::check_size(batch).map_err(|refusal| refusal_of(refusal, deadline))?;
        let deal = self.state.deals.find(&range.deal).cloned().ok_or(Refusal::DealUnknown)?;
        let books = self.books(batch, deal)?;
        let deadline = books.deal.deadlines(books.clock_seconds).last;
        let settlement = lane::settle(&books, batch, self.sender, self.now)
            .map_err(|refusal| refusal_of(refusal, deadline))?;
        let mut has_ended = false;
        for ((task, ended), outcome) in settlement.tasks.iter().zip(&batch.outcomes) {
            match ended {
                Ok(ended) => {
                    self.end(&books, batch, (*task, outcome), ended);
                    has_ended = true;
                }
                Err(reason) => {
                    let (task, reason) = (*task, *reason);
                    self.events.push(Event::Lane(LaneEvent::TaskSkipped { task, reason }));
                }
            }
        }
        if has_ended {
            self.pay_net(&books.deal, &settlement.net)?;
        }
        if settlement.net.is_whole {
            self.state.commits.set((range.deal, range.first, range.time), B256::ZERO);
        }
        Ok(settlement)
    }

    fn books(&self, batch: &Batch, deal: Deal) -> Result<Books, Refusal> {
        let range = &batch.range;
        let scores = batch.workers.iter().map(|worker| (*worker, self.state.scores.get(worker)));
        let mut tasks = alloc::collections::BTreeMap::new();
        for (_, offset) in batch.outcomes.iter().zip(0u64..) {
            // What a number beyond 256 bits is refused for comes later, where the hub computes it.
            let Ok(id) = Self::task_in(range, offset) else { break };
            let task = self.state.tasks.get(&id);
            if let (TaskStatus::Active, Stage::Committed { disclosed }) =
                (task.view.status, task.stage)
            {
                let contributions = u32::try_from(task.view.contributors.len());
                let contributions = contributions.map_err(|_| Refusal::Overflow)?;
                tasks.insert(id, Committed { disclosed, contributions });
            }
        }
        Ok(Books {
            conditions: self.state.conditions_of(range.deal),
            clock_seconds: self.state.clock_seconds(deal.category),
            commit: self.state.commit_of((range.deal, range.first, range.time)),
            kitty: self.kitty(),
            scores: scores.collect(),
            tasks,
            deal,
        })
    }

    /// Tells how a task ended and keeps its votes.
    fn end(
        &mut self,
        books: &Books,
        batch: &Batch,
        (id, outcome): (TaskId, &Outcome),
        ended: &Ended,
    ) {
        let digest = outcome.digest;
        let consensus = ResultHash::of(id, digest);
        let said = said(&batch.workers, outcome);
        let mut winners = Vec::new();
        for ((worker, said), (_, share)) in said.iter().zip(&ended.payout.workers) {
            let is_winner = matches!(share, Share::Proved { .. });
            if is_winner {
                winners.push(*worker);
            }
            let score = books.scores.get(worker).copied().unwrap_or_default();
            let kept = kept(*worker, id, outcome, said, is_winner);
            let view = ContributionView { weight: U256::from(log_weight(weight(score))), ..kept };
            self.state.contributions.set((id, *worker), view);
            if !view.hash.0.is_zero() {
                self.events.push(Event::TaskContribute {
                    task: id,
                    worker: *worker,
                    hash: view.hash,
                });
            }
        }
        self.events.push(Event::TaskConsensus { task: id, consensus });
        for worker in &winners {
            self.events.push(Event::TaskReveal { task: id, worker: *worker, digest });
        }
        self.tell_money(&books.deal, id, ended);
        if books.conditions.has(Conditions::BOUND_RESULTS) {
            let bound = ConditionsEvent::ResultsBound { task: id, digest };
            self.events.push(Event::Conditions(bound));
        }
        self.events.push(Event::TaskFinalize { task: id, results: outcome.results.clone() });

        let mut task = self.state.tasks.get(&id);
        task.stage = Stage::Left;
        task.view.status = TaskStatus::Completed;
        task.view.consensus = consensus;
        task.view.reveal_count = winners.len() as u64;
        task.view.winner_count = winners.len() as u64;
        task.view.contributors = said.iter().map(|(worker, _)| *worker).collect();
        task.view.digest = digest;
        task.view.results = outcome.results.clone();
        task.view.results_callback = outcome.results_callback.clone();
        self.state.tasks.set(id, task);
    }

    /// The money of a task, as `finalize` tells it; it moves at the end of the batch.
    fn tell_money(&mut self, deal: &Deal, task: TaskId, ended: &Ended) {
        let Ended { payout, is_scored } = ended;
        let reference = task.0;
        let (events, pool_owner) = (&mut self.events, deal.workerpool.owner);
        let reward = |events: &mut Vec<Event>, owner: Address, amount| {
            events.push(Event::Reward { owner, amount, reference });
        };
        events.push(Event::Seize { owner: deal.sponsor, amount: payout.payer, reference });
        if !payout.app_owner.is_zero() {
            reward(events, deal.app.owner, payout.app_owner);
        }
        if !payout.dataset_owner.is_zero() {
            reward(events, deal.dataset.owner, payout.dataset_owner);
        }
        if !payout.kitty.is_zero() {
            events.push(Event::Seize { owner: KITTY, amount: payout.kitty, reference });
            reward(events, pool_owner, payout.kitty);
        }
        for (worker, share) in &payout.workers {
            let worker = *worker;
            match share {
                Share::Proved { stake: _, reward: amount } => {
                    reward(events, worker, *amount);
                    if *is_scored {
                        events.push(Event::AccurateContribution { worker, task });
                    }
                }
                Share::Faulty { stake } => {
                    events.push(Event::Seize { owner: worker, amount: *stake, reference });
                    events.push(Event::FaultyContribution { worker, task });
                }
            }
        }
        reward(events, pool_owner, payout.scheduler);
    }

    /// Moves what a batch comes to. What is paid is told once for each account.
    fn pay_net(&mut self, deal: &Deal, net: &Net) -> Result<(), Refusal> {
        let (escrow, log) = (&mut self.state.escrow, &mut self.events);
        escrow.thaw(deal.sponsor, net.payer)?;
        escrow.thaw(KITTY, net.kitty)?;
        for (owner, amount) in
            [(deal.app.owner, net.app_owner), (deal.dataset.owner, net.dataset_owner)]
        {
            if !amount.is_zero() {
                escrow.pay(owner, amount, log)?;
            }
        }
        escrow.unlock(deal.workerpool.owner, net.pool_stake, log)?;
        if !net.pool_owner.is_zero() {
            escrow.pay(deal.workerpool.owner, net.pool_owner, log)?;
        }
        for (worker, own) in &net.workers {
            self.free_bond(*worker, deal.workerpool.pointer, own.bond_unlocked, own.bond_lost)?;
            let (escrow, log) = (&mut self.state.escrow, &mut self.events);
            let lost = own.bond_lost.checked_add(own.stake_lost).ok_or(Refusal::Overflow)?;
            escrow.thaw(*worker, lost)?;
            // The stake of votes on chain comes back; that of the others stays in the bond.
            if !own.stake_unlocked.is_zero() {
                escrow.unlock(*worker, own.stake_unlocked, log)?;
            }
            if !own.reward.is_zero() {
                escrow.pay(*worker, own.reward, log)?;
            }
            self.state.scores.set(*worker, own.score);
        }
        Ok(())
    }
}

/// What is kept of a vote, but for its weight.
fn kept(
    worker: Address,
    task: TaskId,
    outcome: &Outcome,
    said: &Said,
    is_winner: bool,
) -> ContributionView {
    let digest = outcome.digest;
    let kept =
        |status, hash, seal| ContributionView { status, hash, seal, ..ContributionView::default() };
    match said {
        Said::Other(OtherVote::Silent(_)) => {
            kept(ContributionStatus::Rejected, ResultHash::ZERO, ResultSeal::ZERO)
        }
        // A vote that says nothing looks like one that was not disclosed.
        Said::Other(OtherVote::Disclosed(vote)) if !is_winner && vote.seal.0.is_zero() => {
            kept(ContributionStatus::Rejected, vote.hash, vote.seal)
        }
        Said::Other(OtherVote::Disclosed(vote)) if !is_winner => {
            kept(ContributionStatus::Contributed, vote.hash, vote.seal)
        }
        Said::Agreed | Said::Other(OtherVote::Disclosed(_)) => {
            let (hash, seal) = (ResultHash::of(task, digest), ResultSeal::of(worker, task, digest));
            kept(ContributionStatus::Proved, hash, seal)
        }
    }
}

/// Who is in the row of an outcome, and what it said.
fn said(workers: &[Address], outcome: &Outcome) -> Vec<(Address, Said)> {
    let mut others = outcome.others.iter();
    let has = |bits: u32, place: u32| bits.checked_shr(place).is_some_and(|it| it & 1 == 1);
    let present = workers.iter().zip(0u32..).filter(|(_, place)| has(outcome.present, *place));
    let said = present.map(|(worker, place)| {
        let said = if has(outcome.agreeing, place) {
            Said::Agreed
        } else {
            Said::Other(*others.next().expect("the outcome was read: it has all its votes"))
        };
        (*worker, said)
    });
    said.collect()
}

fn refusal_of(refusal: SettlementRefusal, deadline: Timestamp) -> Refusal {
    match refusal {
        SettlementRefusal::RowTooLong(_) => LaneRefusal::RowTooLong.into(),
        SettlementRefusal::Tasks(_) => LaneRefusal::CommitEmpty.into(),
        SettlementRefusal::TooLate => Refusal::TooLate { deadline },
        SettlementRefusal::NotYours => LaneRefusal::NotYours.into(),
        SettlementRefusal::ResultsUnbound => LaneRefusal::ResultsUnbound.into(),
        SettlementRefusal::WorkersUnsorted => LaneRefusal::WorkersUnsorted.into(),
        SettlementRefusal::VotesMissing => LaneRefusal::VotesMissing.into(),
        SettlementRefusal::CommitMismatch => LaneRefusal::CommitMismatch.into(),
        SettlementRefusal::Overflow(_) => Refusal::Overflow,
    }
}
