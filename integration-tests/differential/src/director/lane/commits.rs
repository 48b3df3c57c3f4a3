//! Commits, and what can be wrong with them.

use super::super::tasks::digest;
use super::super::{Director, Steps};
use super::{Cast, Commit, missing};
use crate::cast::WORKERS;
use crate::step::Act;
use alloy_primitives::{Address, B256, U256};
use poco_core::hub::Hub as Model;
use poco_core::lane::{Ballot, BlindedVote, LaneCall, Nonce, Vote, ballot_hash};
use poco_core::task::TaskStatus;
use poco_core::{Amount, Deal, DealId, ResultHash, ResultSeal, TaskId};

/// Tasks of a deal that the director looks at.
const TASKS_SEEN: u64 = 48;
/// Offset in a large deal from which on a task's slot does not number it any more, but for a few.
const FAR: u64 = 65_530;
/// Votes of a row in excess: one more than it holds.
const CROWDED_ROW: usize = 33;

/// A commit before it is sent.
struct Draft {
    sender: Address,
    deal: DealId,
    first: U256,
    count: u64,
    ballots: Vec<Ballot>,
}

impl Director<'_> {
    /// Commits some tasks of a deal, with what its workers must do before.
    pub(super) fn commit(&mut self, model: &Model) -> Steps {
        let Some((id, first, count)) = self.open_range(model) else { return Steps::new() };
        let Some(deal) = model.deal(id) else { return Steps::new() };
        let mut steps = Steps::new();
        let is_spoiled = self.is_spoiled();
        let workers = self.voters(deal, is_spoiled);
        let commit = self.votes(model, (id, first, count), &workers);
        let mut ballots = Vec::new();
        for worker in workers {
            let votes = commit.rows.iter().flatten().filter(|cast| cast.worker == worker).count();
            self.fill_bond(model, deal, (worker, votes), &mut steps);
            if self.dice.chance(95) {
                self.introduce(model, id, (worker, Address::ZERO), &mut steps);
            }
            ballots.extend(self.ballots(model, &commit, worker, &mut steps));
        }
        let mut draft = Draft { sender: deal.workerpool.owner, deal: id, first, count, ballots };
        if is_spoiled {
            self.spoil_commit(model, &mut draft, &mut steps);
        }
        let Draft { sender, deal, first, count, ballots } = draft;
        let mut commit = commit;
        commit.time = self.now;
        self.commits.push(commit);
        let call = LaneCall::Commit { deal, first, count, ballots };
        steps.push(self.step(sender, Act::Lane(call)));
        steps
    }

    /// Tasks one behind the other that can be committed, of a deal that takes contributions.
    fn open_range(&mut self, model: &Model) -> Option<(DealId, U256, u64)> {
        let is_late_wanted = self.is_late_wanted();
        let mut ranges = Vec::new();
        for (id, deal) in model.deals() {
            let category = model.category(deal.category);
            let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
            let is_late = deal.deadlines(seconds).contribution.0 <= self.now;
            if (is_late && !is_late_wanted) || (deal.needs_enclave() && !self.dice.chance(10)) {
                continue;
            }
            let size = deal.bot_size.saturating_to::<u64>();
            let base = if size > FAR + TASKS_SEEN && self.dice.chance(50) { FAR } else { 0 };
            let index = |offset: u64| deal.bot_first.saturating_add(U256::from(offset));
            let open: Vec<u64> = (base..size.min(base + TASKS_SEEN))
                .filter(|offset| is_open(model, TaskId::of_deal(id, index(*offset))))
                .collect();
            // Tasks that somebody voted for on chain are few.
            let has_votes = |offset: &&u64| {
                !model.task(TaskId::of_deal(id, index(**offset))).contributors.is_empty()
            };
            let begun: Vec<u64> = open.iter().filter(has_votes).copied().collect();
            let from = if begun.is_empty() || self.dice.chance(40) { &open } else { &begun };
            let Some(start) = self.dice.find(from).copied() else { continue };
            let most = *self.dice.pick(&[1u64, 1, 2, 3, 5, 8]);
            let run = (start..start + most).take_while(|offset| open.contains(offset)).count();
            ranges.push((id, index(start), run as u64));
        }
        self.dice.find(&ranges).copied()
    }

    /// Who is in a commit, ascending: a few, or where it costs nothing too many.
    fn voters(&mut self, deal: &Deal, is_spoiled: bool) -> Vec<Address> {
        let count = match deal.worker_stake.is_zero() && is_spoiled && self.dice.chance(25) {
            true => CROWDED_ROW - usize::from(self.dice.chance(40)),
            false => *self.dice.pick(&[1usize, 2, 3, 3, 4, 4, 5, 6]),
        };
        let mut pool: Vec<Address> = if count > WORKERS {
            self.cast.workers.clone()
        } else {
            self.cast.workers.iter().take(WORKERS).copied().collect()
        };
        let mut workers = Vec::new();
        while workers.len() < count && !pool.is_empty() {
            let place = self.dice.below(pool.len() as u64);
            workers.push(pool.swap_remove(usize::try_from(place).expect("below a length")));
        }
        workers.sort();
        workers
    }

    /// What each worker votes for in each task.
    fn votes(
        &mut self,
        model: &Model,
        (deal, first, count): (DealId, U256, u64),
        workers: &[Address],
    ) -> Commit {
        let mut rows = Vec::new();
        let is_crowd = workers.len() > WORKERS;
        for offset in 0..count {
            let task = TaskId::of_deal(deal, first.saturating_add(U256::from(offset)));
            let contributors = model.task(task).contributors;
            let mut row = Vec::new();
            for worker in workers {
                let is_there = contributors.contains(worker) && self.dice.chance(90);
                if is_there || (self.dice.chance(10) && !is_crowd) {
                    continue;
                }
                // Where somebody voted on chain before, opinions differ.
                let which = match contributors.is_empty() {
                    true => self.which(),
                    false => *self.dice.pick(&[0, 1]),
                };
                let vote = self.lane_vote((*worker, which), task, workers);
                row.push(Cast { worker: *worker, vote });
            }
            rows.push(row);
        }
        Commit { deal, first, time: self.now, rows }
    }

    /// Mostly an honest vote; else one that was copied, or is no vote at all.
    fn lane_vote(
        &mut self,
        (worker, which): (Address, u8),
        task: TaskId,
        workers: &[Address],
    ) -> Vote {
        let nonce = Nonce(u128::from(self.dice.throw()));
        let mut vote = Vote::of(worker, task, digest(task, which), nonce);
        match self.dice.below(60) {
            0..3 => {
                let other = self.dice.find(workers).copied().unwrap_or(worker);
                vote.seal = ResultSeal::of(other, task, digest(task, which));
            }
            3 => (vote.hash, vote.seal) = (ResultHash::ZERO, ResultSeal::ZERO),
            4 => vote.seal = ResultSeal::ZERO,
            5 => vote.seal = ResultSeal(B256::repeat_byte(0xff)),
            6 => vote.hash = ResultHash::ZERO,
            _ => {}
        }
        vote
    }

    /// Lets a worker bond what its votes need, mostly.
    fn fill_bond(
        &mut self,
        model: &Model,
        deal: &Deal,
        (worker, votes): (Address, usize),
        steps: &mut Steps,
    ) {
        let workerpool = deal.workerpool.pointer;
        let amount = missing(model, worker, deal, votes);
        let is_needed = !amount.is_zero() || model.bond(worker, workerpool).is_ending();
        if votes == 0 || !is_needed || !self.dice.chance(96) {
            return;
        }
        let more = if self.dice.chance(60) { amount } else { Amount::ZERO };
        let amount = amount.checked_add(more).unwrap_or(amount);
        let bond = LaneCall::Bond { workerpool, amount };
        steps.push(self.step(worker, Act::Lane(bond)));
    }

    /// The votes of a worker as it signs them: in one ballot, or in two.
    fn ballots(
        &mut self,
        model: &Model,
        commit: &Commit,
        worker: Address,
        steps: &mut Steps,
    ) -> Vec<Ballot> {
        let entry = |row: &Vec<Cast>| {
            let cast = row.iter().find(|cast| cast.worker == worker);
            cast.map_or(BlindedVote::ABSENT, |cast| cast.vote.blinded())
        };
        let entries: Vec<BlindedVote> = commit.rows.iter().map(entry).collect();
        let split = match self.dice.chance(15) {
            true => usize::try_from(self.dice.below(entries.len() as u64 + 1)).expect("a length"),
            false => 0,
        };
        let (one, other) = entries.split_at(split);
        let mut ballots = Vec::new();
        for (first, entries) in [(0, one), (split, other)] {
            if entries.is_empty() {
                continue;
            }
            let first = commit.first.saturating_add(U256::from(first));
            let ballot = Ballot { worker, first, entries: entries.to_vec(), sign: [].into() };
            ballots.push(self.sign_ballot(model, commit.deal, ballot, steps));
        }
        ballots
    }

    /// With the signature of its worker, where it has a vote; the others need none.
    fn sign_ballot(
        &mut self,
        model: &Model,
        deal: DealId,
        mut ballot: Ballot,
        steps: &mut Steps,
    ) -> Ballot {
        let has_vote = ballot.entries.iter().any(|entry| *entry != BlindedVote::ABSENT);
        if has_vote || self.dice.chance(20) {
            let separator = model.domain_separator();
            let hash = ballot_hash(separator, deal, ballot.first, &ballot.entries);
            ballot.sign = self.sign(ballot.worker, hash, steps);
        }
        ballot
    }

    fn spoil_commit(&mut self, model: &Model, draft: &mut Draft, steps: &mut Steps) {
        match self.dice.below(17) {
            0 => draft.sender = self.anybody(),
            1 => draft.count = 0,
            2 => draft.count = 257,
            3 => draft.first = U256::MAX,
            4 => draft.first = draft.first.saturating_sub(U256::from(100)),
            5 => draft.ballots.clear(),
            6 => draft.ballots.reverse(),
            7 => draft.ballots.extend(draft.ballots.last().cloned()),
            8 | 9 => self.spoil_ballot(model, draft, steps),
            10 => {
                let deals: Vec<DealId> = model.deals().map(|(id, _)| id).collect();
                draft.deal = self.dice.find(&deals).copied().unwrap_or_default();
                let deal = model.deal(draft.deal).cloned().unwrap_or_default();
                (draft.sender, draft.first) = (deal.workerpool.owner, deal.bot_first);
                if self.dice.chance(15) {
                    draft.deal = DealId(B256::repeat_byte(7));
                }
            }
            11 => {
                let deal = model.deal(draft.deal).cloned().unwrap_or_default();
                let category = model.category(deal.category);
                let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
                self.travel_to(deal.deadlines(seconds).contribution.0);
            }
            12 | 13 => {
                let workerpool = model.deal(draft.deal).map(|deal| deal.workerpool.pointer);
                if let (Some(ballot), Some(workerpool)) = (draft.ballots.last(), workerpool) {
                    let call = LaneCall::Unbond { workerpool };
                    steps.push(self.step(ballot.worker, Act::Lane(call)));
                }
            }
            14 => {
                let entries = vec![BlindedVote::ABSENT; 2];
                let worker = Address::ZERO;
                let nobody = Ballot { worker, first: U256::ZERO, entries, sign: [].into() };
                draft.ballots.insert(0, nobody);
            }
            15 => {
                // What is committed already.
                if let Some(commit) = self.dice.find(&self.commits).cloned() {
                    let deal = model.deal(commit.deal).cloned().unwrap_or_default();
                    draft.sender = deal.workerpool.owner;
                    (draft.deal, draft.first) = (commit.deal, commit.first);
                }
            }
            _ => draft.count = draft.count.saturating_add(1),
        }
    }

    /// One ballot that is not as it must be.
    fn spoil_ballot(&mut self, model: &Model, draft: &mut Draft, steps: &mut Steps) {
        let Some(mut ballot) = draft.ballots.pop() else { return };
        match self.dice.below(6) {
            0 => ballot.sign = self.mangle(&ballot.sign.clone()),
            1 => {
                let separator = model.domain_separator();
                let hash = ballot_hash(separator, draft.deal, ballot.first, &ballot.entries);
                ballot.sign = self.cast.sign(self.cast.thief, hash).unwrap_or_default();
            }
            2 => ballot.entries.push(BlindedVote(B256::repeat_byte(1))),
            3 => ballot.worker = Address::ZERO,
            4 => ballot.first = ballot.first.saturating_sub(U256::ONE),
            _ => {
                ballot.entries.extend([BlindedVote(B256::repeat_byte(1)), BlindedVote::ABSENT]);
                ballot = self.sign_ballot(model, draft.deal, ballot, steps);
            }
        }
        draft.ballots.push(ballot);
    }
}

fn is_open(model: &Model, task: TaskId) -> bool {
    let status = model.task(task).status;
    let is_open = matches!(status, TaskStatus::Unset | TaskStatus::Active);
    is_open && !model.was_committed(task)
}
