//! The settlement lane of the model chain: commits and batches as `poco_core::lane` has them.

use crate::world::{OWNER, T, World, worker};
use poco_core::credibility::weight;
use poco_core::lane::{
    Ballot, Batch, BlindedVote, Bond, Books, CommitRange, Committed, Entry, LaneCall, LaneEvent,
    Member, Row, RowVote, Vote, commit_hash, leader, settle,
};
use poco_core::payout::Share;
use poco_core::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use poco_core::{Address, Amount, B256, Bytes, DealId, Event, ResultHash, TaskId, Timestamp, U256};
use poco_scheduler_core::{
    CommitKey, ContributionFacts, Input, Intent, Record, TransactionFailure, TransactionTrouble,
};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct LaneChain {
    bonds: BTreeMap<Address, Bond>,
    commits: BTreeMap<CommitKey, Vec<Row>>,
    /// The tasks that the lane changed, as the hub would show them.
    pub(crate) tasks: BTreeMap<TaskId, (TaskView, Vec<ContributionFacts>)>,
    /// What the core stored of commits.
    pub(crate) stored: BTreeMap<CommitKey, Record>,
    /// The batches that were settled.
    pub(crate) batches: Vec<Batch>,
    /// Every commit is refused.
    pub(crate) refuses_commits: bool,
    /// A commit is mined, and its block is gone before anybody follows it.
    pub(crate) loses_commits: bool,
    /// Commits are under way, and nobody hears what becomes of them.
    pub(crate) holds_commits: bool,
    /// For whose bond the last commit was refused.
    blamed: Option<Address>,
}

impl LaneChain {
    pub(crate) fn bond_of(&self, worker: Address) -> Option<Bond> {
        Some(self.bonds.get(&worker).copied().unwrap_or_default())
    }

    /// A worker takes its bond back, or gives it again, in the moment before a commit.
    pub(crate) fn end_bond(&mut self, name: u8, is_ending: bool) {
        let release = if is_ending { Timestamp(u64::MAX) } else { Timestamp::default() };
        self.bonds.entry(worker(name)).or_default().release = release;
    }

    fn add(&mut self, worker: Address, amount: u64) {
        let bond = self.bonds.entry(worker).or_default();
        bond.total = bond.total.checked_add(Amount::from_nano(amount)).unwrap();
    }
}

impl World {
    pub(crate) fn bond(&mut self, name: u8, amount: u64) {
        self.lane.add(worker(name), amount);
        let (worker, workerpool) = (worker(name), crate::world::POOL);
        let amount = Amount::from_nano(amount);
        self.block += 1;
        self.report(vec![Event::Lane(LaneEvent::Bonded { worker, workerpool, amount })]);
    }

    pub(crate) fn transact_lane(&mut self, intent: Intent, call: LaneCall) {
        if self.lane.holds_commits && matches!(call, LaneCall::Commit { .. }) {
            self.sent.push((intent, Ok(())));
            return;
        }
        let done = match call {
            LaneCall::Commit { deal, first, count, ballots } => {
                self.commit(deal, first, count, ballots)
            }
            LaneCall::Settle { batches } => {
                batches.into_iter().try_for_each(|batch| self.settle(batch))
            }
            LaneCall::Disclose { range, row, votes } => self.disclose(&range, &row, &votes),
            LaneCall::Close { range, row } => self.close(&range, &row),
            other => panic!("the scheduler sent {other:?}"),
        };
        let refusal = |reason: &str| {
            let trouble = match self.lane.blamed {
                Some(worker) if reason == "BondEnding" => TransactionTrouble::Worker(worker),
                Some(_) | None => TransactionTrouble::Refused,
            };
            TransactionFailure { trouble, reason: reason.into() }
        };
        let sent = done.map_err(|_| poco_core::hub::Refusal::Overflow);
        self.sent.push((intent.clone(), sent));
        let result = done.map(|()| self.block).map_err(refusal);
        self.tell(Input::Outcome { intent, result });
    }

    fn mine(&mut self, events: Vec<Event>) {
        self.block += 1;
        self.report(events);
    }

    fn commit(
        &mut self,
        deal: DealId,
        first: U256,
        count: u64,
        ballots: Vec<Ballot>,
    ) -> Result<(), &'static str> {
        if self.lane.refuses_commits {
            return Err("refused by the test");
        }
        if self.lane.loses_commits {
            self.block += 1;
            return Ok(());
        }
        assert!(ballots.is_sorted_by_key(|ballot| ballot.worker), "ballots are sorted");
        let stake = self.hub.deal(deal).unwrap().worker_stake;
        let is_ending =
            |ballot: &&Ballot| self.lane.bonds.get(&ballot.worker).is_some_and(Bond::is_ending);
        self.lane.blamed = ballots.iter().find(is_ending).map(|ballot| ballot.worker);
        if self.lane.blamed.is_some() {
            return Err("BondEnding");
        }
        for ballot in &ballots {
            let votes = ballot.entries.iter().filter(|entry| **entry != BlindedVote::ABSENT);
            let needed = stake.checked_mul(U256::from(votes.count())).unwrap();
            let bond = self.lane.bonds.entry(ballot.worker).or_default();
            if bond.free() < needed {
                return Err("BondTooLow");
            }
            bond.locked = bond.locked.checked_add(needed).unwrap();
        }
        let row = |place: usize| {
            let of = |ballot: &Ballot| {
                let vote = ballot.entries[place];
                (vote != BlindedVote::ABSENT).then_some(Entry { worker: ballot.worker, vote })
            };
            Row(ballots.iter().filter_map(of).collect())
        };
        let rows: Vec<Row> = (0..usize::try_from(count).unwrap()).map(row).collect();
        for place in 0..count {
            let id = TaskId::of_deal(deal, first + U256::from(place));
            let mut view = self.hub.task(id);
            assert!(!self.lane.tasks.contains_key(&id), "a task is committed once");
            view.status = TaskStatus::Active;
            view.deal = deal;
            self.lane.tasks.insert(id, (view, Vec::new()));
        }
        let key = CommitKey { deal, first, time: self.time };
        let lengths: Bytes = rows.iter().map(|row| row.0.len() as u8).collect::<Vec<_>>().into();
        let bytes: Bytes = rows.iter().flat_map(Row::to_bytes).collect::<Vec<_>>().into();
        self.lane.commits.insert(key, rows);
        let committed = LaneEvent::Committed { deal, first, lengths, rows: bytes };
        self.mine(vec![Event::Lane(committed)]);
        Ok(())
    }

    fn commit_of(&self, range: &CommitRange) -> Option<B256> {
        let key = CommitKey { deal: range.deal, first: range.first, time: range.time };
        Some(commit_hash(self.lane.commits.get(&key)?.iter().map(Row::hash)))
    }

    fn settle(&mut self, batch: Batch) -> Result<(), &'static str> {
        let open =
            self.lane.tasks.iter().filter(|(_, (view, _))| view.status == TaskStatus::Active);
        let committed = |contributions: &Vec<ContributionFacts>| {
            let count = contributions.len() as u32;
            Committed { disclosed: (1 << count) - 1, contributions: count }
        };
        let books = Books {
            deal: self.hub.deal(batch.range.deal).unwrap().clone(),
            conditions: poco_core::DealConditions::NONE,
            clock_seconds: T,
            commit: self.commit_of(&batch.range),
            kitty: Amount::ZERO,
            scores: (batch.workers.iter())
                .map(|worker| (*worker, self.hub.score(*worker)))
                .collect(),
            tasks: open.map(|(id, (_, votes))| (*id, committed(votes))).collect(),
        };
        let settled = settle(&books, &batch, OWNER, self.time).map_err(|_| "refused batch")?;
        let mut events = Vec::new();
        for ((id, ended), outcome) in settled.tasks.iter().zip(&batch.outcomes) {
            let Ok(ended) = ended else {
                let reason = ended.as_ref().unwrap_err();
                events.push(Event::Lane(LaneEvent::TaskSkipped { task: *id, reason: *reason }));
                continue;
            };
            let vote = |(worker, share): &(Address, Share)| ContributionFacts {
                worker: *worker,
                view: ContributionView {
                    status: match share {
                        Share::Proved { .. } => ContributionStatus::Proved,
                        Share::Faulty { .. } => ContributionStatus::Contributed,
                    },
                    hash: ResultHash::of(*id, outcome.digest),
                    weight: U256::ONE,
                    ..ContributionView::default()
                },
                score: U256::ZERO,
            };
            let votes: Vec<ContributionFacts> = ended.payout.workers.iter().map(vote).collect();
            let (view, known) = self.lane.tasks.get_mut(id).unwrap();
            view.status = TaskStatus::Completed;
            view.digest = outcome.digest;
            view.results = outcome.results.clone();
            view.contributors = votes.iter().map(|vote| vote.worker).collect();
            *known = votes;
            events.push(Event::TaskFinalize { task: *id, results: outcome.results.clone() });
        }
        for (worker, net) in &settled.net.workers {
            let bond = self.lane.bonds.get_mut(worker).unwrap();
            let gone = net.bond_unlocked.checked_add(net.bond_lost).unwrap();
            bond.locked = bond.locked.checked_sub(gone).unwrap();
            bond.total = bond.total.checked_sub(net.bond_lost).unwrap();
        }
        self.lane.batches.push(batch);
        self.mine(events);
        Ok(())
    }

    fn task_in(&self, range: &CommitRange, row: &Row) -> Result<TaskId, &'static str> {
        let rows = range.rows_before.iter().copied().chain([row.hash()]);
        let hash = commit_hash(rows.chain(range.rows_after.iter().copied()));
        if self.commit_of(range) != Some(hash) {
            return Err("CommitMismatch");
        }
        Ok(TaskId::of_deal(range.deal, range.first + U256::from(range.rows_before.len())))
    }

    fn disclose(
        &mut self,
        range: &CommitRange,
        row: &Row,
        votes: &[RowVote],
    ) -> Result<(), &'static str> {
        let id = self.task_in(range, row)?;
        for RowVote { position, vote } in votes {
            let entry = row.0[usize::try_from(*position).unwrap()];
            assert_eq!(entry.vote, vote.blinded(), "a vote opens its entry");
            self.contribute_to(id, entry.worker, *vote);
        }
        self.mine(vec![Event::TaskContribute {
            task: id,
            worker: row.0[0].worker,
            hash: ResultHash::ZERO,
        }]);
        Ok(())
    }

    /// A vote of a committed task gets on chain.
    pub(crate) fn contribute_to(&mut self, id: TaskId, worker: Address, vote: Vote) {
        let (view, votes) = self.lane.tasks.get_mut(&id).unwrap();
        assert!(!view.contributors.contains(&worker), "a vote is disclosed once");
        view.contributors.push(worker);
        let contribution = ContributionView {
            status: ContributionStatus::Contributed,
            hash: vote.hash,
            seal: vote.seal,
            weight: U256::ONE,
            ..ContributionView::default()
        };
        votes.push(ContributionFacts { worker, view: contribution, score: U256::ZERO });
    }

    fn close(&mut self, range: &CommitRange, row: &Row) -> Result<(), &'static str> {
        let id = self.task_in(range, row)?;
        let trust = self.hub.deal(range.deal).unwrap().trust;
        let (view, votes) = self.lane.tasks.get_mut(&id).unwrap();
        let is_over = range.time.after(2 * T).has_passed(self.time);
        if votes.len() < row.0.len() && !is_over {
            return Err("TooEarly");
        }
        let member = |facts: &ContributionFacts| Member {
            worker: facts.worker,
            weight: weight(facts.score),
            vote: Some(Vote {
                hash: facts.view.hash,
                seal: facts.view.seal,
                nonce: poco_core::lane::Nonce(0),
            }),
        };
        let members: Vec<Member> = votes.iter().map(member).collect();
        if let Some(hash) = leader(&members, trust) {
            view.status = TaskStatus::Revealing;
            view.consensus = hash;
            view.reveal_deadline = Timestamp(self.time.0 + 2 * T);
            view.winner_count = members.len() as u64;
        }
        self.mine(vec![Event::Lane(LaneEvent::Closed { task: id })]);
        Ok(())
    }
}
