//! Batches, and what can be wrong with them.

use super::super::tasks::digest;
use super::super::{Director, Steps};
use super::{Cast, Commit, GRACE_PERCENT};
use crate::step::Act;
use alloy_primitives::{Address, B256, Bytes};
use poco_core::hub::Hub as Model;
use poco_core::lane::{Batch, LaneCall, Nonce, OtherVote, Outcome, Vote};
use poco_core::task::TaskStatus;
use poco_core::{Conditions, DealId, ResultDigest, ResultHash, TaskId};
use std::collections::BTreeSet;

/// Different results that workers have.
const RESULTS: u8 = 3;

/// How a batch is to be told.
#[derive(Clone, Copy)]
struct Telling {
    /// Times in a hundred that a vote is not disclosed.
    silent_percent: u64,
    /// By the pool's owner.
    is_owner: bool,
    is_spoiled: bool,
}

impl Director<'_> {
    /// Ends tasks of a commit, or of two.
    pub(super) fn settle(&mut self, model: &Model) -> Steps {
        let Some((commit, _)) = self.find_place(model, TaskStatus::Active) else {
            return Steps::new();
        };
        self.wait_for_grace(model, &commit, GRACE_PERCENT);
        let (grace, last) = commit.deadlines(model);
        let is_over = grace <= self.now;
        let is_spoiled = self.is_spoiled();
        if is_spoiled && self.dice.chance(4) {
            self.travel_to(last);
        }
        let owner = model.deal(commit.deal).map(|deal| deal.workerpool.owner);
        let owner = owner.unwrap_or_default();
        let mut sender = owner;
        if is_over && self.dice.chance(40) {
            sender = self.anybody();
        }
        let silent = if is_over { [0, 15, 60] } else { [0, 0, 5] };
        let silent_percent = *self.dice.pick(&silent);
        let telling = Telling { silent_percent, is_owner: sender == owner, is_spoiled };
        let mut batches = vec![self.batch(model, &commit, telling)];
        if self.dice.chance(20)
            && let Some((other, _)) = self.find_place(model, TaskStatus::Active)
            && model.deal(other.deal).is_some_and(|deal| deal.workerpool.owner == owner)
        {
            batches.push(self.batch(model, &other, telling));
        }
        if is_spoiled {
            self.spoil_settlement(&mut sender, &mut batches);
        }
        vec![self.step(sender, Act::Lane(LaneCall::Settle { batches }))]
    }

    /// All tasks of a commit, or some.
    fn batch(&mut self, model: &Model, commit: &Commit, telling: Telling) -> Batch {
        let length = commit.rows.len();
        let below = |dice: &mut crate::dice::Dice, limit: usize| {
            usize::try_from(dice.below(limit as u64)).expect("below a length")
        };
        let (mut from, mut until) = (0, length);
        if length > 1 && self.dice.chance(30) {
            from = below(&mut self.dice, length);
            until = from + 1 + below(&mut self.dice, length - from);
        }
        let rows = commit.rows.get(from..until).unwrap_or_default();
        let mut workers: BTreeSet<Address> =
            rows.iter().flatten().map(|cast| cast.worker).collect();
        if self.dice.chance(5) {
            // Who is in no row does no harm.
            workers.insert(self.worker());
        }
        let workers: Vec<Address> = workers.into_iter().collect();
        let outcomes = (from..until)
            .map(|offset| self.outcome(model, (commit, offset), &workers, telling))
            .collect();
        Batch { range: commit.range(from, until), workers, outcomes }
    }

    fn outcome(
        &mut self,
        model: &Model,
        (commit, offset): (&Commit, usize),
        workers: &[Address],
        telling: Telling,
    ) -> Outcome {
        let task = commit.task(offset);
        let row = commit.rows.get(offset).map_or(&[][..], Vec::as_slice);
        let which = if self.dice.chance(7) { self.which() } else { favourite(task, row) };
        let digest = digest(task, which);
        let (results, results_callback) = self.told(model, (task, commit.deal), digest, telling);
        let mut outcome = Outcome { digest, results, results_callback, ..Outcome::default() };
        let disclosed = model.disclosed(task).unwrap_or(0);
        for (position, Cast { worker, vote }) in row.iter().enumerate() {
            let Some(place) = workers.iter().position(|other| other == worker) else { continue };
            outcome.present |= 1 << place;
            let is_right = *vote == Vote::of(*worker, task, digest, vote.nonce);
            let is_on_chain = disclosed >> position & 1 == 1 && !self.dice.chance(10);
            if !is_on_chain && self.dice.chance(telling.silent_percent) {
                outcome.others.push(OtherVote::Silent(vote.blinded()));
            } else if is_right && self.dice.chance(93) {
                outcome.agreeing |= 1 << place;
                outcome.nonces.push(vote.nonce);
            } else {
                outcome.others.push(OtherVote::Disclosed(*vote));
            }
        }
        outcome
    }

    /// What is recorded. A stranger says nothing that is bound to nothing.
    fn told(
        &mut self,
        model: &Model,
        (task, deal): (TaskId, DealId),
        digest: ResultDigest,
        telling: Telling,
    ) -> (Bytes, Bytes) {
        let is_bound = model.deal_conditions(deal).has(Conditions::BOUND_RESULTS);
        let is_careless = telling.is_spoiled && self.dice.chance(30);
        let (results, callback) = self.results(model, (task, deal), digest, is_careless);
        let is_silent = !telling.is_owner && !is_bound && !is_careless && !self.dice.chance(5);
        (if is_silent { Bytes::new() } else { results }, callback)
    }

    fn spoil_settlement(&mut self, sender: &mut Address, batches: &mut Vec<Batch>) {
        if self.dice.chance(12) {
            *sender = self.anybody();
            return;
        }
        if self.dice.chance(10) {
            batches.extend(batches.first().cloned());
            return;
        }
        if let Some(gone) = self.gone.clone().filter(|_| self.dice.chance(10)) {
            let workers = gone.rows.iter().flatten().map(|cast| cast.worker);
            let workers: BTreeSet<Address> = workers.collect();
            batches.push(Batch {
                range: gone.range(0, gone.rows.len()),
                workers: workers.into_iter().collect(),
                outcomes: vec![Outcome::default(); gone.rows.len()],
            });
            return;
        }
        let Some(batch) = batches.first_mut() else { return };
        let crowd = self.cast.workers.iter().take(33);
        match self.dice.below(8) {
            0 => batch.workers.reverse(),
            1 => batch.workers.extend(batch.workers.last().copied()),
            2 => batch.workers = crowd.copied().collect(),
            3 => batch.outcomes.clear(),
            4 => batch.outcomes = vec![Outcome::default(); 257],
            5 => self.spoil_range(&mut batch.range),
            _ => {
                let last = batch.outcomes.len() as u64;
                let place = usize::try_from(self.dice.below(last.max(1))).expect("a length");
                if let Some(outcome) = batch.outcomes.get_mut(place) {
                    self.spoil_outcome(outcome);
                }
            }
        }
    }

    fn spoil_outcome(&mut self, outcome: &mut Outcome) {
        match self.dice.below(9) {
            0 | 1 => drop(outcome.nonces.pop()),
            2 | 3 => drop(outcome.others.pop()),
            4 => outcome.present ^= 1 << self.dice.below(6),
            5 => outcome.agreeing |= 1 << self.dice.below(32),
            6 => outcome.digest = ResultDigest(B256::repeat_byte(3)),
            7 => outcome.nonces.push(Nonce(7)),
            _ => {
                if let Some(nonce) = outcome.nonces.first_mut() {
                    nonce.0 ^= 1;
                }
            }
        }
    }
}

/// The result that most votes of a row are for.
fn favourite(task: TaskId, row: &[Cast]) -> u8 {
    let votes = |which: &u8| {
        let hash = ResultHash::of(task, digest(task, *which));
        row.iter().filter(|cast| cast.vote.hash == hash).count()
    };
    (0..RESULTS).rev().max_by_key(votes).unwrap_or_default()
}
