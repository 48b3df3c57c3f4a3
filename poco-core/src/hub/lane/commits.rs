//! Commits of blinded votes.

use super::super::Execution;
use super::super::refusal::Refusal;
use super::{LaneRefusal, Stage};
use crate::deal::Deal;
use crate::event::Event;
use crate::lane::{
    Ballot, BlindedVote, Bond, Entry, LaneEvent, ROW_MAX, Row, TASKS_MAX, ballot_hash, commit_hash,
};
use crate::signature::recover;
use crate::task::TaskStatus;
use crate::types::{DealId, TaskId};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256};

impl Execution<'_> {
    pub(super) fn commit_votes(
        &mut self,
        id: DealId,
        first: U256,
        count: u64,
        ballots: &[Ballot],
    ) -> Result<(), Refusal> {
        let deal = self.commit_tasks(id, first, count)?;
        self.check_ballots(id, &deal, (first, count), ballots)?;
        let mut rows = Vec::new();
        let mut lengths = Vec::new();
        for offset in 0..count {
            let index = first.checked_add(U256::from(offset)).ok_or(Refusal::Overflow)?;
            let row = row_of(index, ballots);
            let length = u8::try_from(row.0.len()).ok().filter(|it| usize::from(*it) <= ROW_MAX);
            lengths.push(length.ok_or(LaneRefusal::RowTooLong)?);
            // A worker has one vote in a task, on chain or in the row, and all of them fit on chain.
            let contributors = self.state.tasks.get(&TaskId::of_deal(id, index)).view.contributors;
            if !contributors.is_empty() && contributors.len().saturating_add(row.0.len()) > ROW_MAX
            {
                return Err(LaneRefusal::RowTooLong.into());
            }
            if row.0.iter().any(|entry| contributors.contains(&entry.worker)) {
                return Err(Refusal::AlreadyContributed);
            }
            rows.push(row);
        }
        self.state.commits.set((id, first, self.now), commit_hash(rows.iter().map(Row::hash)));
        let bytes: Vec<u8> = rows.iter().flat_map(Row::to_bytes).collect();
        let (lengths, rows) = (lengths.into(), Bytes::from(bytes));
        self.events.push(Event::Lane(LaneEvent::Committed { deal: id, first, lengths, rows }));
        Ok(())
    }

    /// Opens those tasks that nobody has opened, and marks all as committed.
    fn commit_tasks(&mut self, id: DealId, first: U256, count: u64) -> Result<Deal, Refusal> {
        let deal = self.state.deals.find(&id).cloned().ok_or(Refusal::DealUnknown)?;
        if self.sender != deal.workerpool.owner {
            return Err(Refusal::NotThePoolOwner);
        }
        if deal.needs_enclave() {
            return Err(LaneRefusal::EnclaveLaneMissing.into());
        }
        let clock_seconds = self.state.clock_seconds(deal.category);
        self.check_before(deal.deadlines(clock_seconds).contribution)?;
        let left = first
            .checked_sub(deal.bot_first)
            .and_then(|skipped| deal.bot_size.checked_sub(skipped).filter(|left| !left.is_zero()));
        if left.is_none_or(|left| U256::from(count) > left) {
            return Err(Refusal::IndexOutsideDeal);
        }
        for offset in 0..count {
            let index = first.checked_add(U256::from(offset)).ok_or(Refusal::Overflow)?;
            let task_id = TaskId::of_deal(id, index);
            let task = self.state.tasks.get(&task_id);
            match task.view.status {
                TaskStatus::Unset => {
                    self.initialize(id, index)?;
                }
                TaskStatus::Active if task.stage == Stage::Apart => {}
                TaskStatus::Active => return Err(Refusal::TaskCommitted),
                status @ (TaskStatus::Revealing | TaskStatus::Completed | TaskStatus::Failed) => {
                    return Err(Refusal::WrongTaskStatus(status));
                }
            }
            let mut task = self.state.tasks.get(&task_id);
            task.stage = Stage::Committed { disclosed: 0 };
            self.state.tasks.set(task_id, task);
        }
        Ok(deal)
    }

    /// Checks order, range and signature of each ballot, asks the guard about each worker, and locks
    /// the bonds.
    fn check_ballots(
        &mut self,
        id: DealId,
        deal: &Deal,
        (first, count): (U256, u64),
        ballots: &[Ballot],
    ) -> Result<(), Refusal> {
        let is_sized = count > 0 && usize::try_from(count).is_ok_and(|count| count <= TASKS_MAX);
        if !is_sized || ballots.is_empty() {
            return Err(LaneRefusal::CommitEmpty.into());
        }
        let end = first.checked_add(U256::from(count)).ok_or(Refusal::Overflow)?;
        // Nobody comes first, and has no vote.
        let (mut worker, mut from, mut votes) = (Address::ZERO, U256::ZERO, 0u64);
        for ballot in ballots {
            if ballot.worker != worker {
                if ballot.worker < worker {
                    return Err(LaneRefusal::BallotUnsorted.into());
                }
                self.lock_votes(deal, worker, votes)?;
                (worker, from, votes) = (ballot.worker, first, 0);
                self.check_guard(id, worker, Address::ZERO)?;
            }
            if ballot.first < from {
                return Err(LaneRefusal::BallotUnsorted.into());
            }
            votes = votes.saturating_add(self.check_ballot(id, ballot)?);
            let length = U256::from(ballot.entries.len());
            from = ballot.first.checked_add(length).ok_or(Refusal::Overflow)?;
            if from > end {
                return Err(LaneRefusal::BallotOutsideCommit.into());
            }
        }
        self.lock_votes(deal, worker, votes)
    }

    /// How many votes a ballot has; a key's signature is needed where there are any.
    fn check_ballot(&self, id: DealId, ballot: &Ballot) -> Result<u64, Refusal> {
        let votes = ballot.entries.iter().filter(|entry| **entry != BlindedVote::ABSENT).count();
        if votes > 0 {
            let separator = self.state.domain_separator;
            let hash = ballot_hash(separator, id, ballot.first, &ballot.entries);
            if recover(hash, &ballot.sign) != Some(ballot.worker) {
                return Err(LaneRefusal::BallotSignatureInvalid.into());
            }
        }
        Ok(votes as u64)
    }

    fn lock_votes(&mut self, deal: &Deal, worker: Address, votes: u64) -> Result<(), Refusal> {
        if votes == 0 {
            return Ok(());
        }
        let needed = deal.worker_stake.checked_mul(U256::from(votes)).ok_or(Refusal::Overflow)?;
        let key = (worker, deal.workerpool.pointer);
        let bond = self.state.bonds.get(&key);
        if bond.is_ending() {
            return Err(LaneRefusal::BondEnding.into());
        }
        if bond.free() < needed {
            return Err(LaneRefusal::BondTooLow.into());
        }
        let locked = bond.locked.checked_add(needed).ok_or(Refusal::Overflow)?;
        self.state.bonds.set(key, Bond { locked, ..bond });
        Ok(())
    }
}

/// The votes that ballots have for a task, in their order.
fn row_of(index: U256, ballots: &[Ballot]) -> Row {
    let entry = |ballot: &Ballot| {
        let offset = index.checked_sub(ballot.first)?;
        let vote = ballot.entries.get(usize::try_from(offset).ok()?).copied()?;
        (vote != BlindedVote::ABSENT).then_some(Entry { worker: ballot.worker, vote })
    };
    Row(ballots.iter().filter_map(entry).collect())
}
