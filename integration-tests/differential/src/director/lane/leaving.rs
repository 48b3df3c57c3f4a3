//! Votes disclosed on chain, tasks closed, bonds released.

use super::super::{Director, Steps};
use super::{Cast, Commit};
use crate::step::Act;
use alloy_primitives::{B256, U256};
use poco_core::hub::Hub as Model;
use poco_core::lane::{LaneCall, Row, RowVote};
use poco_core::task::TaskStatus;

impl Director<'_> {
    /// Discloses some votes of a task, or all.
    pub(super) fn disclose(&mut self, model: &Model) -> Steps {
        let Some((commit, offset)) = self.find_place(model, TaskStatus::Active) else {
            return Steps::new();
        };
        let known = commit.rows.get(offset).cloned().unwrap_or_default();
        let disclosed = model.disclosed(commit.task(offset)).unwrap_or(0);
        let is_all = self.dice.chance(50);
        let mut votes = Vec::new();
        for (position, Cast { vote, .. }) in (0u64..).zip(&known) {
            let is_new = disclosed >> position & 1 == 0;
            if is_new && (is_all || self.dice.chance(50)) {
                votes.push(RowVote { position, vote: *vote });
            }
        }
        let (mut range, mut row) = (commit.range(offset, offset + 1), commit.row(offset));
        if self.is_spoiled() {
            match self.dice.below(7) {
                0 => self.spoil_range(&mut range),
                1 => drop(row.0.pop()),
                2 => {
                    let (_, last) = commit.deadlines(model);
                    self.travel_to(last);
                }
                _ => self.spoil_votes(&known, &mut votes),
            }
        }
        let sender = self.anybody();
        let call = LaneCall::Disclose { range, row, votes };
        vec![self.step(sender, Act::Lane(call))]
    }

    fn spoil_votes(&mut self, known: &[Cast], votes: &mut Vec<RowVote>) {
        match self.dice.below(5) {
            0 => votes.extend(votes.first().copied()),
            // One that may be on chain.
            1 => {
                let position = self.dice.below(known.len().max(1) as u64);
                let cast = usize::try_from(position).ok().and_then(|place| known.get(place));
                votes.extend(cast.map(|cast| RowVote { position, vote: cast.vote }));
            }
            2 => {
                if let Some(vote) = votes.first_mut() {
                    vote.position = *self.dice.pick(&[1, 31, 32, 64, u64::MAX]);
                }
            }
            3 => {
                if let Some(vote) = votes.last_mut() {
                    vote.vote.nonce.0 ^= 1;
                }
            }
            _ => {
                if let Some(vote) = votes.last_mut() {
                    vote.vote.hash.0 = B256::ZERO;
                }
            }
        }
    }

    /// Takes a task out of its commit, mostly when its time has come.
    pub(super) fn close(&mut self, model: &Model) -> Steps {
        let now = self.now;
        let is_ready = |commit: &Commit, offset: usize| {
            let disclosed = model.disclosed(commit.task(offset)).unwrap_or(0);
            let length = commit.rows.get(offset).map_or(0, Vec::len);
            let is_told = usize::try_from(disclosed.count_ones()) == Ok(length);
            is_told || commit.deadlines(model).0 <= now
        };
        let mut found = None;
        // The first that is ready of a few, or one that is not.
        for _ in 0..6 {
            found = self.find_place(model, TaskStatus::Active);
            let is_found = found.as_ref().is_some_and(|(it, offset)| is_ready(it, *offset));
            if is_found {
                break;
            }
        }
        let Some((commit, offset)) = found else { return Steps::new() };
        if !is_ready(&commit, offset) {
            match self.dice.below(10) {
                0..3 => {}
                3 => self.wait_for_grace(model, &commit, 100),
                _ => return self.disclose(model),
            }
        }
        let (mut range, mut row) = (commit.range(offset, offset + 1), commit.row(offset));
        if self.is_spoiled() {
            match self.dice.below(4) {
                0 => self.spoil_range(&mut range),
                1 => row = Row::default(),
                2 => {
                    let (_, last) = commit.deadlines(model);
                    self.travel_to(last);
                }
                // One that has left, or was never there.
                _ => (range, row) = self.any_row().unwrap_or((range, row)),
            }
        }
        let sender = self.anybody();
        vec![self.step(sender, Act::Lane(LaneCall::Close { range, row }))]
    }

    /// Any task of a commit, wherever it stands.
    fn any_row(&mut self) -> Option<(poco_core::lane::CommitRange, Row)> {
        let commit = self.dice.find(&self.commits).cloned()?;
        let offset = self.dice.below(commit.rows.len().max(1) as u64);
        let offset = usize::try_from(offset).ok()?;
        Some((commit.range(offset, offset + 1), commit.row(offset)))
    }

    /// Frees the bonds behind tasks that were claimed.
    pub(super) fn release(&mut self, model: &Model) -> Steps {
        let failed = self.find_place(model, TaskStatus::Failed);
        let (commit, offset) = match failed {
            Some(found) => found,
            None if self.dice.chance(20) => match self.find_place(model, TaskStatus::Active) {
                Some(found) => found,
                None => return Steps::new(),
            },
            None => return Steps::new(),
        };
        let length = commit.rows.len();
        let until = match self.dice.below(3) {
            0 => length,
            1 => offset + 1,
            _ => (offset + 2).min(length),
        };
        let mut range = commit.range(offset, until);
        let mut rows: Vec<Row> = (offset..until).map(|offset| commit.row(offset)).collect();
        if self.is_spoiled() {
            match self.dice.below(4) {
                0 => self.spoil_range(&mut range),
                1 => drop(rows.pop()),
                2 => {
                    range = commit.range(length, length);
                    rows.clear();
                }
                _ => range.first = range.first.saturating_sub(U256::ONE),
            }
        }
        let sender = self.anybody();
        vec![self.step(sender, Act::Lane(LaneCall::Release { range, rows }))]
    }
}
