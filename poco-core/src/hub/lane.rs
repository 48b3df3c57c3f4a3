//! The settlement lane: bonds over time, and what the calls of the lane share. Commits, batches and
//! the ways back into the classic lane have files of their own.

mod commits;
mod disclosures;
mod refusal;
mod settling;

pub use refusal::LaneRefusal;

use super::refusal::Refusal;
use super::{Execution, Hub, Value};
use crate::category::FINAL_DEADLINE_RATIO;
use crate::escrow::EscrowRefusal;
use crate::event::Event;
use crate::lane::{Bond, CommitRange, LaneCall, LaneEvent, commit_hash};
use crate::types::{Amount, DealId, TaskId, Timestamp};
use alloy_primitives::{Address, B256, U256};

/// Deal, first task and time of a commit.
pub(super) type CommitKey = (DealId, U256, Timestamp);

/// Where a task stands in the lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was never committed.
    #[default]
    Apart,
    /// Its row is part of a commit, whether the task is open or was claimed.
    Committed {
        /// Which votes of the row were disclosed on chain, the first in the lowest bit.
        disclosed: u32,
    },
    /// It was settled, closed or released, and is never committed again.
    Left,
}

impl Stage {
    pub(super) fn is_committed(self) -> bool {
        match self {
            Self::Committed { .. } => true,
            Self::Apart | Self::Left => false,
        }
    }
}

impl Hub {
    /// `viewBond`; zeros where there is none.
    #[must_use]
    pub fn bond(&self, worker: Address, workerpool: Address) -> Bond {
        self.state.bonds.get(&(worker, workerpool))
    }

    /// Every bond there ever was, by worker and pool.
    pub fn bonds(&self) -> impl Iterator<Item = (Address, Address, Bond)> {
        self.state.bonds.iter().map(|((worker, pool), bond)| (*worker, *pool, *bond))
    }

    /// The hash over the rows of a commit; `None` where there is none, or all of it was settled.
    #[must_use]
    pub fn commit(&self, deal: DealId, first: U256, time: Timestamp) -> Option<B256> {
        self.state.commit_of((deal, first, time))
    }

    /// Which votes of the row of a committed task were disclosed on chain, the first in the lowest
    /// bit; `None` where the task is in no commit, or has left it.
    #[must_use]
    pub fn disclosed(&self, task: TaskId) -> Option<u32> {
        match self.state.tasks.get(&task).stage {
            Stage::Committed { disclosed } => Some(disclosed),
            Stage::Apart | Stage::Left => None,
        }
    }

    /// Whether a task can be committed no more: it is in a commit, or was.
    #[must_use]
    pub fn was_committed(&self, task: TaskId) -> bool {
        self.state.tasks.get(&task).stage != Stage::Apart
    }
}

impl super::state::State {
    fn commit_of(&self, key: CommitKey) -> Option<B256> {
        self.commits.find(&key).copied().filter(|hash| !hash.is_zero())
    }

    /// T of a deal's category, in seconds.
    fn clock_seconds(&self, category: crate::types::CategoryId) -> u64 {
        let category = self.categories.find(&category.0);
        let category = category.expect("a deal's category exists, and is never removed");
        category.work_clock_time_ref_seconds
    }
}

impl Execution<'_> {
    pub(super) fn lane(&mut self, call: &LaneCall) -> Result<Value, Refusal> {
        if !self.state.rules.have_settlement_lane() {
            return Err(Refusal::FunctionUnknown);
        }
        match call {
            LaneCall::Bond { workerpool, amount } => self.bond(*workerpool, *amount),
            LaneCall::Unbond { workerpool } => {
                self.unbond(*workerpool);
                Ok(())
            }
            LaneCall::WithdrawBond { workerpool } => self.withdraw_bond(*workerpool),
            LaneCall::Commit { deal, first, count, ballots } => {
                self.commit_votes(*deal, *first, *count, ballots)
            }
            LaneCall::Settle { batches } => self.settle(batches),
            LaneCall::Disclose { range, row, votes } => self.disclose(range, row, votes),
            LaneCall::Close { range, row } => self.close(range, row),
            LaneCall::Release { range, rows } => self.release(range, rows),
        }?;
        Ok(Value::Nothing)
    }

    fn bond(&mut self, workerpool: Address, amount: Amount) -> Result<(), Refusal> {
        let worker = self.sender;
        self.state.escrow.lock(worker, amount, &mut self.events)?;
        let bond = self.state.bonds.get(&(worker, workerpool));
        let total = bond.total.checked_add(amount).ok_or(Refusal::Overflow)?;
        // One that was ending serves again.
        let bond = Bond { total, release: Timestamp::default(), ..bond };
        self.state.bonds.set((worker, workerpool), bond);
        self.events.push(Event::Lane(LaneEvent::Bonded { worker, workerpool, amount }));
        Ok(())
    }

    fn unbond(&mut self, workerpool: Address) {
        let worker = self.sender;
        let clocks = self.state.categories.iter().map(|(_, it)| it.work_clock_time_ref_seconds);
        let longest = clocks.max().unwrap_or_default();
        let release = self.now.after(longest.saturating_mul(FINAL_DEADLINE_RATIO));
        let bond = Bond { release, ..self.state.bonds.get(&(worker, workerpool)) };
        self.state.bonds.set((worker, workerpool), bond);
        self.events.push(Event::Lane(LaneEvent::Unbonding { worker, workerpool, release }));
    }

    fn withdraw_bond(&mut self, workerpool: Address) -> Result<(), Refusal> {
        let worker = self.sender;
        let Bond { total: amount, locked, release } = self.state.bonds.get(&(worker, workerpool));
        let is_over = release != Timestamp::default() && release.has_passed(self.now);
        if !is_over || !locked.is_zero() {
            return Err(LaneRefusal::BondStillNeeded.into());
        }
        self.state.bonds.set((worker, workerpool), Bond::default());
        self.state.escrow.unlock(worker, amount, &mut self.events)?;
        self.events.push(Event::Lane(LaneEvent::BondWithdrawn { worker, workerpool, amount }));
        Ok(())
    }

    /// Of a bond `kept` no longer answers for votes, and `lost` is gone: seized, or the stake of a
    /// contribution now.
    fn free_bond(
        &mut self,
        worker: Address,
        workerpool: Address,
        kept: Amount,
        lost: Amount,
    ) -> Result<(), Refusal> {
        let bond = self.state.bonds.get(&(worker, workerpool));
        let locked = bond.locked.checked_sub(kept).and_then(|left| left.checked_sub(lost));
        let total = bond.total.checked_sub(lost);
        let (Some(locked), Some(total)) = (locked, total) else {
            return Err(EscrowRefusal::FrozenTooLow.into());
        };
        self.state.bonds.set((worker, workerpool), Bond { total, locked, ..bond });
        Ok(())
    }

    /// Checks that the rows between those of `range` are those of its commit.
    fn check_rows(
        &self,
        range: &CommitRange,
        rows: impl Iterator<Item = B256>,
    ) -> Result<(), Refusal> {
        let before = range.rows_before.iter().copied();
        let found = commit_hash(before.chain(rows).chain(range.rows_after.iter().copied()));
        match self.state.commit_of((range.deal, range.first, range.time)) {
            Some(kept) if kept == found => Ok(()),
            Some(_) | None => Err(LaneRefusal::CommitMismatch.into()),
        }
    }

    /// The task at `offset` in a range.
    fn task_in(range: &CommitRange, offset: u64) -> Result<TaskId, Refusal> {
        let before = U256::from(range.rows_before.len());
        let index = range.first.checked_add(before);
        let index = index.and_then(|index| index.checked_add(U256::from(offset)));
        Ok(TaskId::of_deal(range.deal, index.ok_or(Refusal::Overflow)?))
    }
}
