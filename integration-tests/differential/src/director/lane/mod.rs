//! The settlement lane: bonds, commits, settlements, and the ways back into the classic lane.
//!
//! The director remembers what the workers of its commits know, their votes and nonces; whether a
//! commit stands is the model's word.

mod commits;
mod leaving;
mod settling;

use super::{Director, Steps};
use crate::step::Act;
use alloy_primitives::{Address, B256, U256};
use poco_core::hub::Hub as Model;
use poco_core::lane::{CommitRange, Entry, LaneCall, Row, Vote, commit_hash};
use poco_core::task::TaskStatus;
use poco_core::{Amount, Call, Deal, DealId, Tag, TaskId, Timestamp};

/// Commits that a director remembers: the oldest of more is forgotten.
const COMMITS_MAX: usize = 24;
/// Times in a hundred that time goes to where silence is over.
const GRACE_PERCENT: u64 = 4;

/// A vote of a commit, as its worker knows it.
#[derive(Clone, Copy)]
struct Cast {
    worker: Address,
    vote: Vote,
}

/// What was committed, in the eyes of everybody in it.
#[derive(Clone)]
pub(super) struct Commit {
    deal: DealId,
    first: U256,
    time: u64,
    rows: Vec<Vec<Cast>>,
}

/// One task of a commit.
#[derive(Clone, Copy)]
struct Place<'c> {
    commit: &'c Commit,
    offset: usize,
    task: TaskId,
}

impl Commit {
    fn row(&self, offset: usize) -> Row {
        let row = self.rows.get(offset).map_or(&[][..], Vec::as_slice);
        let entry = |cast: &Cast| Entry { worker: cast.worker, vote: cast.vote.blinded() };
        Row(row.iter().map(entry).collect())
    }

    /// The tasks from one offset to another, as a range.
    fn range(&self, from: usize, until: usize) -> CommitRange {
        let hash = |offset| self.row(offset).hash();
        CommitRange {
            deal: self.deal,
            first: self.first,
            time: Timestamp(self.time),
            rows_before: (0..from).map(hash).collect(),
            rows_after: (until..self.rows.len()).map(hash).collect(),
        }
    }

    fn stands(&self, model: &Model) -> bool {
        let rows = (0..self.rows.len()).map(|offset| self.row(offset).hash());
        model.commit(self.deal, self.first, Timestamp(self.time)) == Some(commit_hash(rows))
    }

    fn task(&self, offset: usize) -> TaskId {
        TaskId::of_deal(self.deal, self.first.saturating_add(U256::from(offset)))
    }

    /// Its tasks that are still in it and stand where asked.
    fn places(&self, model: &Model, wanted: TaskStatus) -> Vec<Place<'_>> {
        let place = |offset| Place { commit: self, offset, task: self.task(offset) };
        let is_wanted = |place: &Place<'_>| {
            model.disclosed(place.task).is_some() && model.task(place.task).status == wanted
        };
        (0..self.rows.len()).map(place).filter(is_wanted).collect()
    }

    /// When the silence of its workers is over, and when its tasks are.
    fn deadlines(&self, model: &Model) -> (u64, u64) {
        let deal = model.deal(self.deal).cloned().unwrap_or_default();
        let category = model.category(deal.category);
        let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
        (self.time + 2 * seconds, deal.deadlines(seconds).last.0)
    }
}

impl Director<'_> {
    /// A step in the lane.
    pub(super) fn lane(&mut self, model: &Model) -> Steps {
        self.forget(model);
        let steps = match self.dice.below(100) {
            0..6 => self.bonds(model),
            6..15 => self.lane_deal(model),
            15..40 => self.commit(model),
            40..68 => self.settle(model),
            68..79 => self.disclose(model),
            79..90 => self.close(model),
            90..94 => self.release(model),
            94..97 => self.reopening(model),
            _ => self.claim(model),
        };
        if !steps.is_empty() {
            return steps;
        }
        let steps = self.commit(model);
        if steps.is_empty() { self.lane_deal(model) } else { steps }
    }

    /// Drops the commits that were refused, or are settled; one of those is kept to be tried again.
    fn forget(&mut self, model: &Model) {
        let (standing, gone): (Vec<Commit>, Vec<Commit>) =
            self.commits.drain(..).partition(|commit| commit.stands(model));
        self.commits = standing;
        if self.commits.len() > COMMITS_MAX {
            self.commits.remove(0);
        }
        self.gone = gone.into_iter().next_back().or(self.gone.take());
    }

    /// Orders of few tasks without enclaves, mostly.
    fn lane_deal(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let Some(mut draft) = self.draft(model) else { return steps };
        let trust = U256::from(*self.dice.pick(&[0u64, 1, 1, 2, 2, 3, 4, 8]));
        (draft.request.trust, draft.workerpool.trust) = (trust, trust);
        if draft.request.volume < U256::from(100) {
            let volume = U256::from(*self.dice.pick(&[1u64, 2, 3, 5, 12, 40]));
            draft.request.volume = volume;
            (draft.app.volume, draft.workerpool.volume) = (volume, volume);
            draft.dataset.volume = volume;
        }
        if self.dice.chance(90) {
            (draft.app.tag, draft.workerpool.tag) = (Tag::default(), Tag::default());
            (draft.dataset.tag, draft.request.tag) = (Tag::default(), Tag::default());
        }
        if self.dice.chance(25) {
            steps.extend(self.mark(model, &mut draft));
        }
        let terms = self.signed(model, draft, &mut steps);
        self.shown.push(terms.clone());
        let sponsor = self.cast.sponsor;
        let call = Call::SponsorMatchOrders(Box::new(terms));
        steps.push(self.step(sponsor, Act::Hub(call)));
        steps
    }

    /// Reopens a task that can still be committed then, with votes on chain that are rejected.
    fn reopening(&mut self, model: &Model) -> Steps {
        let withheld = self.tasks_that(model, |task| {
            let is_early = task.reveal_deadline.0 < task.contribution_deadline.0;
            task.status == TaskStatus::Revealing && task.reveal_count == 0 && is_early
        });
        let new = withheld.into_iter().filter(|(id, _)| !model.was_committed(*id));
        let new: Vec<_> = new.map(|(id, view)| (id, view.reveal_deadline.0, view.deal)).collect();
        let Some((task, deadline, deal)) = self.dice.find(&new).copied() else {
            return Steps::new();
        };
        self.travel_to(deadline);
        let owner = model.deal(deal).map(|deal| deal.workerpool.owner).unwrap_or_default();
        vec![self.step(owner, Act::Hub(Call::Reopen { task }))]
    }

    /// Bonds that begin, grow and end.
    fn bonds(&mut self, model: &Model) -> Steps {
        let bonds: Vec<_> = model.bonds().filter(|(_, _, bond)| bond.is_ending()).collect();
        let pools = self.entries(model, poco_core::OrderKind::Workerpool);
        let pool = match self.dice.find(&pools) {
            Some((pool, _)) if self.dice.chance(90) => *pool,
            Some(_) | None => self.any_address(),
        };
        let ending = self.dice.find(&bonds).copied();
        let (sender, call) = match self.dice.below(10) {
            0..4 => {
                let worker = if self.is_spoiled() { self.anybody() } else { self.worker() };
                (worker, LaneCall::Bond { workerpool: pool, amount: self.amount() })
            }
            4..6 => (self.worker(), LaneCall::Unbond { workerpool: pool }),
            _ => {
                let (worker, workerpool) = match ending {
                    Some((worker, workerpool, bond)) => {
                        // The longest category lasts longer than all deals of a sequence.
                        if self.dice.chance(20) {
                            self.travel_to(bond.release.0);
                        }
                        (worker, workerpool)
                    }
                    None => (self.worker(), pool),
                };
                (worker, LaneCall::WithdrawBond { workerpool })
            }
        };
        vec![self.step(sender, Act::Lane(call))]
    }

    /// A commit that stands, with a task of it that stands where asked; mostly one whose time is not
    /// over.
    fn find_place(&mut self, model: &Model, wanted: TaskStatus) -> Option<(Commit, usize)> {
        let now = self.now;
        let is_late_wanted = wanted == TaskStatus::Failed || self.is_late_wanted();
        let in_time = |commit: &&Commit| is_late_wanted || commit.deadlines(model).1 > now;
        let commits = self.commits.iter().filter(in_time);
        let places: Vec<(Commit, usize)> = commits
            .flat_map(|commit| commit.places(model, wanted))
            .map(|place| (place.commit.clone(), place.offset))
            .collect();
        self.dice.find(&places).cloned()
    }

    /// At times waits until the silence of a commit's workers is over.
    fn wait_for_grace(&mut self, model: &Model, commit: &Commit, percent: u64) {
        if self.dice.chance(percent) {
            let (grace, _) = commit.deadlines(model);
            self.travel_to(grace);
        }
    }

    /// A range that is not the one of its commit.
    fn spoil_range(&mut self, range: &mut CommitRange) {
        match self.dice.below(8) {
            0 => range.time = Timestamp(range.time.0 + 1),
            1 => range.first = range.first.saturating_add(U256::ONE),
            2 => range.deal = DealId(B256::repeat_byte(7)),
            3 => range.rows_before.push(B256::repeat_byte(1)),
            4 => range.rows_after.push(B256::repeat_byte(1)),
            5 => range.first = U256::MAX,
            6 => {
                let all: Vec<B256> =
                    range.rows_before.drain(..).chain(range.rows_after.drain(..)).collect();
                range.rows_after = all;
            }
            _ => range.time = Timestamp(u64::MAX),
        }
    }
}

/// What a worker must add to its bond for so many votes.
fn missing(model: &Model, worker: Address, deal: &Deal, votes: usize) -> Amount {
    let needed = deal.worker_stake.checked_mul(U256::from(votes)).unwrap_or_default();
    let bond = model.bond(worker, deal.workerpool.pointer);
    let unlocked = bond.total.checked_sub(bond.locked).unwrap_or_default();
    needed.checked_sub(unlocked).unwrap_or_default()
}
