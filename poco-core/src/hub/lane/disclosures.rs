//! The ways back into the classic lane: votes disclosed on chain, a task closed, bonds released.

use super::super::Execution;
use super::super::refusal::Refusal;
use super::super::state::Task;
use super::{LaneRefusal, Stage};
use crate::category::Deadlines;
use crate::credibility::{self, Total};
use crate::deal::Deal;
use crate::event::Event;
use crate::lane::{CommitRange, LaneEvent, Row, RowVote};
use crate::rules::CONTRIBUTIONS_MAX;
use crate::task::{ContributionStatus, ContributionView, TaskStatus};
use crate::types::{Amount, ResultHash, TaskId};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// A committed task on its way out, with the votes of its row that are on chain.
struct Leaving {
    id: TaskId,
    task: Task,
    deal: Deal,
    disclosed: u32,
}

impl Execution<'_> {
    pub(super) fn disclose(
        &mut self,
        range: &CommitRange,
        row: &Row,
        votes: &[RowVote],
    ) -> Result<(), Refusal> {
        let mut leaving = self.load_committed(range, row)?;
        for vote in votes {
            self.disclose_vote(&mut leaving, row, vote)?;
        }
        let Leaving { id, mut task, disclosed, .. } = leaving;
        task.stage = Stage::Committed { disclosed };
        self.state.tasks.set(id, task);
        Ok(())
    }

    pub(super) fn close(&mut self, range: &CommitRange, row: &Row) -> Result<(), Refusal> {
        let mut leaving = self.load_committed(range, row)?;
        let is_silent = |place: u32| leaving.disclosed.checked_shr(place).unwrap_or(0) & 1 == 0;
        let silent: Vec<Address> = (row.0.iter().zip(0u32..))
            .filter(|(_, place)| is_silent(*place))
            .map(|(entry, _)| entry.worker)
            .collect();
        if !silent.is_empty() {
            let seconds = self.state.clock_seconds(leaving.deal.category);
            let deadline = Deadlines::reveal(range.time, seconds);
            if !deadline.has_passed(self.now) {
                return Err(Refusal::TooEarly { deadline });
            }
        }
        for worker in silent {
            let status = ContributionStatus::Rejected;
            let vote = ContributionView { status, ..ContributionView::default() };
            self.add_contribution(&mut leaving, worker, vote)?;
        }
        let Leaving { id, mut task, deal, .. } = leaving;
        task.stage = Stage::Left;
        if let Some(consensus) = self.recount(id, &mut task, &deal)? {
            let last = task.view.final_deadline;
            self.agree(id, &mut task, consensus, last);
        }
        self.state.tasks.set(id, task);
        self.events.push(Event::Lane(LaneEvent::Closed { task: id }));
        Ok(())
    }

    pub(super) fn release(&mut self, range: &CommitRange, rows: &[Row]) -> Result<(), Refusal> {
        self.check_rows(range, rows.iter().map(Row::hash))?;
        let deal = self.state.deals.get(&range.deal);
        for (row, offset) in rows.iter().zip(0u64..) {
            let id = Self::task_in(range, offset)?;
            let mut task = self.state.tasks.get(&id);
            let (TaskStatus::Failed, Stage::Committed { disclosed }) =
                (task.view.status, task.stage)
            else {
                return Err(LaneRefusal::TaskNotClaimed.into());
            };
            for (entry, place) in row.0.iter().zip(0u32..) {
                if disclosed.checked_shr(place).unwrap_or(0) & 1 == 0 {
                    let (pool, stake) = (deal.workerpool.pointer, deal.worker_stake);
                    self.free_bond(entry.worker, pool, stake, Amount::ZERO)?;
                }
            }
            task.stage = Stage::Left;
            self.state.tasks.set(id, task);
        }
        Ok(())
    }

    /// The one task of a range, which must be open and committed.
    fn load_committed(&self, range: &CommitRange, row: &Row) -> Result<Leaving, Refusal> {
        self.check_rows(range, core::iter::once(row.hash()))?;
        let id = Self::task_in(range, 0)?;
        let task = self.state.tasks.get(&id);
        let (TaskStatus::Active, Stage::Committed { disclosed }) = (task.view.status, task.stage)
        else {
            return Err(LaneRefusal::TaskNotCommitted.into());
        };
        let deal = self.state.deals.get(&range.deal);
        self.check_before(task.view.final_deadline)?;
        Ok(Leaving { id, task, deal, disclosed })
    }

    fn disclose_vote(
        &mut self,
        leaving: &mut Leaving,
        row: &Row,
        RowVote { position, vote }: &RowVote,
    ) -> Result<(), Refusal> {
        let entry = usize::try_from(*position).ok().and_then(|place| row.0.get(place));
        let Some(entry) = entry.filter(|entry| entry.vote == vote.blinded()) else {
            return Err(LaneRefusal::VoteMismatch.into());
        };
        // A row has as many entries as the word has bits.
        let place = u32::try_from(*position).map_err(|_| LaneRefusal::VoteMismatch)?;
        let bit = 1u32.checked_shl(place).ok_or(LaneRefusal::VoteMismatch)?;
        if leaving.disclosed & bit != 0 {
            return Err(LaneRefusal::VoteDisclosed.into());
        }
        if vote.seal.0 == B256::repeat_byte(0xff) {
            return Err(Refusal::SealReserved);
        }
        let (worker, hash) = (entry.worker, vote.hash);
        let status = ContributionStatus::Contributed;
        let view =
            ContributionView { status, hash, seal: vote.seal, ..ContributionView::default() };
        self.events.push(Event::TaskContribute { task: leaving.id, worker, hash });
        self.add_contribution(leaving, worker, view)?;
        leaving.disclosed |= bit;
        Ok(())
    }

    /// Keeps a vote with the weight of now; its stake leaves the bond and stays frozen.
    fn add_contribution(
        &mut self,
        leaving: &mut Leaving,
        worker: Address,
        vote: ContributionView,
    ) -> Result<(), Refusal> {
        let Leaving { id, task, deal, .. } = leaving;
        if task.view.contributors.len() >= CONTRIBUTIONS_MAX {
            return Err(Refusal::TooManyContributions);
        }
        let weight = credibility::weight(self.state.scores.get(&worker));
        let view = ContributionView { weight: U256::from(credibility::log_weight(weight)), ..vote };
        self.state.contributions.set((*id, worker), view);
        self.state.weights.set((*id, worker), weight);
        task.view.contributors.push(worker);
        let (pool, stake) = (deal.workerpool.pointer, deal.worker_stake);
        self.free_bond(worker, pool, Amount::ZERO, stake)
    }

    /// Counts all votes of a task that leaves its commit; gives the hash that they agree on, the
    /// first that somebody voted for where more than one would do.
    fn recount(
        &mut self,
        id: TaskId,
        task: &mut Task,
        deal: &Deal,
    ) -> Result<Option<ResultHash>, Refusal> {
        let mut groups: Vec<(ResultHash, U256)> = Vec::new();
        for worker in &task.view.contributors {
            let vote = self.state.contributions.get(&(id, *worker));
            let weight = match vote.status {
                ContributionStatus::Contributed => self.state.weights.get(&(id, *worker)),
                // A rejected vote weighs nothing, and keeps its group's place.
                ContributionStatus::Rejected
                | ContributionStatus::Unset
                | ContributionStatus::Proved => U256::ZERO,
            };
            let place = groups.iter().position(|(hash, _)| *hash == vote.hash);
            let group = match place.and_then(|place| groups.get_mut(place)) {
                Some((_, group)) => group,
                None => {
                    groups.push((vote.hash, U256::ZERO));
                    groups.last_mut().map(|(_, group)| group).expect("it was just pushed")
                }
            };
            if !weight.is_zero() {
                let grown = (*group).max(U256::ONE).checked_mul(weight);
                *group = grown.ok_or(Refusal::Overflow)?;
            }
        }
        let sum = |sum: U256, (_, group): &(ResultHash, U256)| sum.checked_add(*group);
        let total = groups.iter().try_fold(U256::ONE, sum).map(Total).ok_or(Refusal::Overflow)?;
        for (hash, group) in &groups {
            self.state.groups.set((id, *hash), *group);
        }
        task.total = total;
        for (hash, group) in groups.into_iter().filter(|(_, group)| !group.is_zero()) {
            if credibility::is_consensus(group, total, deal.trust).ok_or(Refusal::Overflow)? {
                return Ok(Some(hash));
            }
        }
        Ok(None)
    }
}
