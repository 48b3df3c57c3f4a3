//! What a batch pays: a task after the other as `finalize` does, and the sum for each account.
//!
//! Weights are those of the scores before the batch; scores move task by task.

use super::call::{Batch, OtherVote, Outcome};
use super::count::{Count, Member, count};
use super::event::SkipReason;
use super::vote::{Entry, Row, Vote, commit_hash};
use super::{TASKS_MAX, WORKERS_MAX, record};
use crate::category::Deadlines;
use crate::credibility::weight;
use crate::deal::Deal;
use crate::mark::{Conditions, DealConditions};
use crate::payout::{self, Overflow, Payout, Share};
use crate::rules::{RECORD_BYTES_MAX, Rules};
use crate::score;
use crate::types::{Amount, TaskId, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};

/// What the hub holds before a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// The deal's terms.
    pub deal: Deal,
    /// What it asks for beyond them. Known workers are asked for at the commit, and strict reveals
    /// change nothing here: who is silent pays in this lane in any case.
    pub conditions: DealConditions,
    /// T of its category, in seconds.
    pub clock_seconds: u64,
    /// The hash of the commit that the batch is about; `None` where there is none.
    pub commit: Option<B256>,
    /// What the kitty holds.
    pub kitty: Amount,
    /// Scores of the batch's workers; 0 for who is not here.
    pub scores: BTreeMap<Address, U256>,
    /// The tasks that are open and committed.
    pub tasks: BTreeMap<TaskId, Committed>,
}

/// An open task in a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Which votes of its row were disclosed on chain, the first in the lowest bit.
    pub disclosed: u32,
    /// Contributions on chain, those disclosed among them.
    pub contributions: u32,
}

/// Why a batch is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementRefusal {
    /// Too many workers.
    #[error("{0} workers are more than a row holds")]
    RowTooLong(usize),
    /// No tasks, or too many.
    #[error("{0} tasks are none or more than a commit holds")]
    Tasks(usize),
    /// The final deadline has passed.
    #[error("the final deadline has passed")]
    TooLate,
    /// Only the pool's owner may, until two clocks after the commit.
    #[error("only the pool's owner may settle yet")]
    NotYours,
    /// Only the pool's owner says where results lie.
    #[error("only the pool's owner says where results lie")]
    ResultsUnbound,
    /// Workers are not ascending.
    #[error("the workers are not ascending")]
    WorkersUnsorted,
    /// An outcome has fewer votes than its bits say.
    #[error("an outcome lacks votes")]
    VotesMissing,
    /// The rows are not those that were committed.
    #[error("the rows are not those of the commit")]
    CommitMismatch,
    /// An amount exceeds 256 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// What a batch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Each task in order: how it ended, or why it was left as it is.
    pub tasks: Vec<(TaskId, Result<Ended, SkipReason>)>,
    /// What it comes to for each account.
    pub net: Net,
}

/// A task that was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// All the money that moves, workers in the order of the row.
    pub payout: Payout,
    /// Whether scores move: only where more than one voted, and stake was at risk.
    pub is_scored: bool,
}

/// The sums of a batch. Only an account's last line is written and told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Seized from whoever pays.
    pub payer: Amount,
    /// Seized from the kitty.
    pub kitty: Amount,
    /// Paid to the app's owner.
    pub app_owner: Amount,
    /// Paid to the dataset's owner.
    pub dataset_owner: Amount,
    /// Unlocked for the pool's owner.
    pub pool_stake: Amount,
    /// Paid to the pool's owner, kitty included.
    pub pool_owner: Amount,
    /// The workers of the batch.
    pub workers: BTreeMap<Address, WorkerNet>,
    /// Every task of the commit was settled: the hub forgets its hash.
    pub is_whole: bool,
}

/// The sums of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerNet {
    /// Paid.
    pub reward: Amount,
    /// Unlocked within the bond.
    pub bond_unlocked: Amount,
    /// Seized out of the bond.
    pub bond_lost: Amount,
    /// Unlocked: stake of votes that were disclosed on chain.
    pub stake_unlocked: Amount,
    /// Seized: stake of votes that were disclosed on chain.
    pub stake_lost: Amount,
    /// The score afterwards.
    pub score: U256,
}

/// What `settle` does with one batch, sent by `sender` in a block of time `now`.
///
/// # Errors
/// [`SettlementRefusal`], and nothing has changed then. A task that cannot be settled is no
/// refusal: it is skipped.
pub fn settle(
    books: &Books,
    batch: &Batch,
    sender: Address,
    now: Timestamp,
) -> Result<Settlement, SettlementRefusal> {
    let is_reveal_over = check(books, batch, sender, now)?;
    let mut ledger = Ledger {
        books,
        batch,
        is_reveal_over,
        kitty: books.kitty,
        record_bytes: record::head_bytes(batch.workers.len()),
        net: Net::new(books, batch),
    };
    let mut rows = Vec::with_capacity(batch.outcomes.len());
    let mut tasks = Vec::with_capacity(batch.outcomes.len());
    let skipped = U256::from(batch.range.rows_before.len());
    let from = batch.range.first.checked_add(skipped).ok_or(Overflow)?;
    for (outcome, offset) in batch.outcomes.iter().zip(0u64..) {
        let index = from.checked_add(U256::from(offset)).ok_or(Overflow)?;
        let task = TaskId::of_deal(batch.range.deal, index);
        let (row, ended) = ledger.settle_task(task, outcome)?;
        rows.push(row.hash());
        tasks.push((task, ended));
    }
    let range = &batch.range;
    let all = range.rows_before.iter().copied().chain(rows).chain(range.rows_after.iter().copied());
    if books.commit != Some(commit_hash(all)) {
        return Err(SettlementRefusal::CommitMismatch);
    }
    ledger.net.is_whole = range.rows_before.is_empty()
        && range.rows_after.is_empty()
        && tasks.iter().all(|(_, ended)| ended.is_ok());
    Ok(Settlement { tasks, net: ledger.net })
}

/// The checks before any row is read; gives whether the time to disclose is over.
fn check(
    books: &Books,
    batch: &Batch,
    sender: Address,
    now: Timestamp,
) -> Result<bool, SettlementRefusal> {
    check_size(batch)?;
    if books.deal.deadlines(books.clock_seconds).last.has_passed(now) {
        return Err(SettlementRefusal::TooLate);
    }
    let is_reveal_over = Deadlines::reveal(batch.range.time, books.clock_seconds).has_passed(now);
    if sender != books.deal.workerpool.owner {
        if !is_reveal_over {
            return Err(SettlementRefusal::NotYours);
        }
        let is_bound = books.conditions.has(Conditions::BOUND_RESULTS);
        if !is_bound && batch.outcomes.iter().any(|outcome| !outcome.results.is_empty()) {
            return Err(SettlementRefusal::ResultsUnbound);
        }
    }
    if !batch.workers.is_sorted_by(|one, next| one < next) {
        return Err(SettlementRefusal::WorkersUnsorted);
    }
    Ok(is_reveal_over)
}

/// Whether a batch has as many workers and tasks as one may have: what the hub looks at first.
pub(crate) fn check_size(batch: &Batch) -> Result<(), SettlementRefusal> {
    let (workers, outcomes) = (batch.workers.len(), batch.outcomes.len());
    if workers > WORKERS_MAX {
        return Err(SettlementRefusal::RowTooLong(workers));
    }
    if outcomes == 0 || outcomes > TASKS_MAX {
        return Err(SettlementRefusal::Tasks(outcomes));
    }
    Ok(())
}

struct Ledger<'a> {
    books: &'a Books,
    batch: &'a Batch,
    is_reveal_over: bool,
    kitty: Amount,
    /// How long the record of the batch is so far.
    record_bytes: usize,
    net: Net,
}

/// The votes of an outcome as they stand in its row.
struct Votes {
    row: Row,
    members: Vec<Member>,
    is_disclosed: bool,
}

impl Ledger<'_> {
    fn settle_task(
        &mut self,
        task: TaskId,
        outcome: &Outcome,
    ) -> Result<(Row, Result<Ended, SkipReason>), SettlementRefusal> {
        let committed = self.books.tasks.get(&task).copied();
        let disclosed = committed.unwrap_or_default().disclosed;
        let votes = self.votes(task, outcome, disclosed)?;
        let Votes { row, members, is_disclosed } = votes;
        let counted = count(task, outcome.digest, &members, self.books.deal.trust);
        let skipped = match committed {
            None => Some(SkipReason::NotCommitted),
            Some(known) if known.contributions > known.disclosed.count_ones() => {
                Some(SkipReason::OnChain)
            }
            Some(_) if !self.is_voted_for(outcome) => Some(SkipReason::Callback),
            Some(_) if !self.has_room(outcome) => Some(SkipReason::RecordFull),
            Some(_) if !is_disclosed => Some(SkipReason::Undisclosed),
            Some(_) if !counted.is_consensus => Some(SkipReason::NoConsensus),
            Some(_) => None,
        };
        let ended = match skipped {
            Some(reason) => Err(reason),
            None => {
                let ended = self.pay(&counted, disclosed)?;
                let all = self.batch.workers.len();
                let bytes = record::task_bytes(all, &ended.payout.workers, outcome);
                self.record_bytes = self.record_bytes.saturating_add(bytes);
                Ok(ended)
            }
        };
        Ok((row, ended))
    }

    /// Reads the votes of an outcome in the order of the batch's workers.
    fn votes(
        &self,
        task: TaskId,
        outcome: &Outcome,
        disclosed: u32,
    ) -> Result<Votes, SettlementRefusal> {
        let mut votes = Votes { row: Row::default(), members: Vec::new(), is_disclosed: true };
        let (mut nonces, mut others) = (outcome.nonces.iter(), outcome.others.iter());
        for (worker, place) in self.batch.workers.iter().copied().zip(0u32..) {
            if !has_bit(outcome.present, place) {
                continue;
            }
            let other = if has_bit(outcome.agreeing, place) {
                let nonce = nonces.next().ok_or(SettlementRefusal::VotesMissing)?;
                OtherVote::Disclosed(Vote::of(worker, task, outcome.digest, *nonce))
            } else {
                *others.next().ok_or(SettlementRefusal::VotesMissing)?
            };
            let is_on_chain = u32::try_from(votes.members.len())
                .is_ok_and(|position| has_bit(disclosed, position));
            let vote = match other {
                OtherVote::Disclosed(vote) => Some(vote),
                OtherVote::Silent(_) => {
                    votes.is_disclosed &= self.is_reveal_over && !is_on_chain;
                    None
                }
            };
            votes.row.0.push(Entry { worker, vote: other.blinded() });
            let score = self.books.scores.get(&worker).copied().unwrap_or_default();
            votes.members.push(Member { worker, weight: weight(score), vote });
        }
        Ok(votes)
    }

    fn has_room(&self, outcome: &Outcome) -> bool {
        self.record_bytes.saturating_add(record::most_bytes(outcome)) <= RECORD_BYTES_MAX
    }

    /// Whether callback bytes, and bound results, are what was voted for; others are bound to
    /// nothing.
    fn is_voted_for(&self, outcome: &Outcome) -> bool {
        let Outcome { digest, results, results_callback: callback, .. } = outcome;
        let has_callback = !self.books.deal.callback.is_zero() || !callback.is_empty();
        if has_callback && keccak256(callback) != digest.0 {
            return false;
        }
        if !self.books.conditions.has(Conditions::BOUND_RESULTS) {
            return true;
        }
        match callback.is_empty() {
            true => keccak256(results) == digest.0,
            false => results.is_empty(),
        }
    }

    fn pay(&mut self, counted: &Count, disclosed: u32) -> Result<Ended, Overflow> {
        let deal = &self.books.deal;
        let payout = payout::finalize(Rules::Ours, deal, self.kitty, &counted.ballots)?;
        self.kitty = self.kitty.checked_sub(payout.kitty).ok_or(Overflow)?;
        let is_scored = payout.workers.len() > 1 && !deal.worker_stake.is_zero();

        let net = &mut self.net;
        add(&mut net.payer, payout.payer)?;
        add(&mut net.kitty, payout.kitty)?;
        add(&mut net.app_owner, payout.app_owner)?;
        add(&mut net.dataset_owner, payout.dataset_owner)?;
        add(&mut net.pool_stake, payout.pool_stake)?;
        add(&mut net.pool_owner, payout.scheduler)?;
        add(&mut net.pool_owner, payout.kitty)?;
        for ((worker, share), place) in payout.workers.iter().zip(0u32..) {
            let worker = net.workers.entry(*worker).or_default();
            worker.take(share, has_bit(disclosed, place), is_scored)?;
        }
        Ok(Ended { payout, is_scored })
    }
}

impl Net {
    fn new(books: &Books, batch: &Batch) -> Self {
        let fresh = |worker: &Address| {
            let score = books.scores.get(worker).copied().unwrap_or_default();
            (*worker, WorkerNet { score, ..WorkerNet::default() })
        };
        Self { workers: batch.workers.iter().map(fresh).collect(), ..Self::default() }
    }
}

impl WorkerNet {
    fn take(&mut self, share: &Share, is_on_chain: bool, is_scored: bool) -> Result<(), Overflow> {
        match share {
            Share::Proved { stake, reward } => {
                add(&mut self.reward, *reward)?;
                let unlocked =
                    if is_on_chain { &mut self.stake_unlocked } else { &mut self.bond_unlocked };
                add(unlocked, *stake)?;
                if is_scored {
                    self.score = score::raised(self.score);
                }
            }
            Share::Faulty { stake } => {
                add(if is_on_chain { &mut self.stake_lost } else { &mut self.bond_lost }, *stake)?;
                self.score = score::lowered(self.score);
            }
        }
        Ok(())
    }
}

fn add(sum: &mut Amount, amount: Amount) -> Result<(), Overflow> {
    *sum = sum.checked_add(amount).ok_or(Overflow)?;
    Ok(())
}

/// Whether a bit is set, the lowest being 0.
fn has_bit(bits: u32, place: u32) -> bool {
    bits.checked_shr(place).is_some_and(|shifted| shifted & 1 == 1)
}
