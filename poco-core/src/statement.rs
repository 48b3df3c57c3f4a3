//! What everybody at work on a task earned or lost when it ended, and why.
//!
//! Two accounts of the same money: what the rules say of the task as the chain shows it, and what its
//! events moved. A statement is made only where both agree, to the unit; so it explains every amount
//! and invents none.

use crate::deal::Deal;
use crate::event::Event;
use crate::payout::{self, Ballot, KITTY, Overflow, Payout, Share};
use crate::rules::{Release, Rules};
use crate::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use crate::types::{Amount, DealId, TaskId};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// Rules differ in what the kitty gives, which is read from the events.
const ANY_RULES: Rules = Rules::Reference(Release::V6_2_0);

/// What the end of one task moved, per account: from events that name the task, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    accounts: BTreeMap<Address, Move>,
}

/// What was moved of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// Free stake that came.
    pub rewarded: Amount,
    /// Frozen stake that went.
    pub seized: Amount,
}

impl Moves {
    /// Adds an event, if it moves money for `reference`; whether it does.
    pub fn add(&mut self, reference: B256, event: &Event) -> bool {
        let (owner, rewarded, seized, of) =
            if let Event::Reward { owner, amount, reference } = event {
                (*owner, *amount, Amount::ZERO, *reference)
            } else if let Event::Seize { owner, amount, reference } = event {
                (*owner, Amount::ZERO, *amount, *reference)
            } else {
                return false;
            };
        if of != reference {
            return false;
        }
        self.note(owner, rewarded, seized);
        true
    }

    /// What was moved of an account.
    #[must_use]
    pub fn of(&self, owner: Address) -> Move {
        self.accounts.get(&owner).copied().unwrap_or_default()
    }

    fn note(&mut self, owner: Address, rewarded: Amount, seized: Amount) {
        let moved = self.accounts.entry(owner).or_default();
        // All stake there is fits 256 bits.
        moved.rewarded = Amount(moved.rewarded.0.saturating_add(rewarded.0));
        moved.seized = Amount(moved.seized.0.saturating_add(seized.0));
    }

    /// The first account of which `other` tells something else.
    fn differs(&self, other: &Self) -> Option<Address> {
        let owners = self.accounts.keys().chain(other.accounts.keys());
        owners.copied().find(|owner| self.of(*owner) != other.of(*owner))
    }
}

/// Why a worker got what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Verdict {
    /// It voted with the consensus and revealed.
    Proved,
    /// It voted otherwise.
    Outvoted,
    /// It voted with a consensus and did not reveal.
    NotRevealed,
    /// The task failed: its stake came back, and nothing more.
    Refunded,
    /// The task failed, and it had withheld a reveal under strict reveals.
    Withheld,
}

impl Verdict {
    /// One word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Outvoted => "outvoted",
            Self::NotRevealed => "not-revealed",
            Self::Refunded => "refunded",
            Self::Withheld => "withheld",
        }
    }
}

/// A worker's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Line {
    /// Who.
    pub worker: Address,
    /// Why.
    pub verdict: Verdict,
    /// The logarithm of its weight, by which the workers' reward is shared out; 1 where it did all
    /// alone.
    pub log_weight: u64,
    /// What it had staked.
    pub stake: Amount,
    /// What it earned, besides its stake.
    pub reward: Amount,
    /// What it lost of its stake.
    pub lost: Amount,
}

/// What the end of a task gave and took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Statement {
    /// The task.
    pub task: TaskId,
    /// Its deal.
    pub deal: DealId,
    /// The pool.
    pub workerpool: Address,
    /// Whether it was completed; else it was claimed.
    pub is_completed: bool,
    /// The pool's price of it.
    pub price: Amount,
    /// The stakes of those at fault, which are shared out with the price.
    pub forfeited: Amount,
    /// The percentage of both that the pool's owner keeps, rounding apart.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub fee_percent: U256,
    /// What the pool's owner kept of both: the fee, and what rounding left.
    pub fee: Amount,
    /// What the kitty gave to the pool's owner besides.
    pub kitty: Amount,
    /// The sum of the logarithms of those who share.
    pub log_weights: u64,
    /// Everybody who voted, in order.
    pub workers: Vec<Line>,
}

/// Why there is no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The task goes on, or does not exist.
    #[error("the task has not ended")]
    NotEnded,
    /// An amount exceeds 256 bits, which no hub pays.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// The events move something else than the rules say.
    #[error("{0}")]
    OtherAmount(Box<OtherAmount>),
}

/// What the events move otherwise than the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{owner}: by the rules it is rewarded {} and loses {}, by the events {} and {}",
    expected.rewarded, expected.seized, found.rewarded, found.seized
)]
pub struct OtherAmount {
    /// Whose account.
    pub owner: Address,
    /// By the rules.
    pub expected: Move,
    /// By the events.
    pub found: Move,
}

/// The statement of a task that has ended, from its views and what its end moved.
///
/// `votes` are those of the view's contributors, in order.
///
/// # Errors
/// [`Disagreement`].
pub fn statement(
    deal: &Deal,
    (task, view): (TaskId, &TaskView),
    votes: &[(Address, ContributionView)],
    moves: &Moves,
) -> Result<Statement, Disagreement> {
    let (statement, expected) = match view.status {
        TaskStatus::Completed => completed(deal, (task, view), votes, moves)?,
        TaskStatus::Failed => claimed(deal, (task, view), votes, moves)?,
        TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {
            return Err(Disagreement::NotEnded);
        }
    };
    match expected.differs(moves) {
        None => Ok(statement),
        Some(owner) => {
            let (expected, found) = (expected.of(owner), moves.of(owner));
            Err(Disagreement::OtherAmount(Box::new(OtherAmount { owner, expected, found })))
        }
    }
}

fn completed(
    deal: &Deal,
    (task, view): (TaskId, &TaskView),
    votes: &[(Address, ContributionView)],
    moves: &Moves,
) -> Result<(Statement, Moves), Disagreement> {
    let is_proved = |vote: &ContributionView| vote.status == ContributionStatus::Proved;
    let ballot = |(worker, vote): &(Address, ContributionView)| Ballot {
        worker: *worker,
        is_proved: is_proved(vote),
        log_weight: vote.weight.saturating_to(),
    };
    let mut payout = match votes {
        // Only `contributeAndFinalize` leaves a vote without a weight.
        [(worker, vote)] if vote.weight.is_zero() => {
            payout::contribute_and_finalize(ANY_RULES, deal, Amount::ZERO, *worker)?
        }
        votes => {
            let ballots: Vec<Ballot> = votes.iter().map(ballot).collect();
            payout::finalize(ANY_RULES, deal, Amount::ZERO, &ballots)?
        }
    };
    // What the kitty held before, the events tell by what it gave.
    payout.kitty = moves.of(KITTY).seized;
    let line = |((worker, vote), (_, share)): (&(Address, ContributionView), &(Address, Share))| {
        let log_weight = vote.weight.saturating_to::<u64>().max(1);
        let (verdict, stake, reward, lost) = match *share {
            Share::Proved { stake, reward } => (Verdict::Proved, stake, reward, Amount::ZERO),
            Share::Faulty { stake } => (fault(view, vote), stake, Amount::ZERO, stake),
        };
        Line { worker: *worker, verdict, log_weight, stake, reward, lost }
    };
    let workers: Vec<Line> = votes.iter().zip(&payout.workers).map(line).collect();
    let proved = workers.iter().filter(|line| line.verdict == Verdict::Proved);
    let log_weights = proved.fold(0_u64, |sum, line| sum.saturating_add(line.log_weight));
    let statement = Statement {
        is_completed: true,
        forfeited: sum(workers.iter().map(|line| line.lost))?,
        fee: payout.scheduler,
        kitty: payout.kitty,
        log_weights,
        workers,
        ..blank(deal, task, view)
    };
    Ok((statement, paid(deal, &payout)))
}

/// Why a vote was no good for a task that was completed.
fn fault(view: &TaskView, vote: &ContributionView) -> Verdict {
    let was_rejected = vote.status == ContributionStatus::Rejected;
    match was_rejected || vote.hash == view.consensus {
        true => Verdict::NotRevealed,
        false => Verdict::Outvoted,
    }
}

/// What the rules move at the end of a completed task.
fn paid(deal: &Deal, payout: &Payout) -> Moves {
    let mut moves = Moves::default();
    let none = Amount::ZERO;
    moves.note(deal.sponsor, none, payout.payer);
    moves.note(deal.app.owner, payout.app_owner, none);
    moves.note(deal.dataset.owner, payout.dataset_owner, none);
    moves.note(KITTY, none, payout.kitty);
    moves.note(deal.workerpool.owner, payout.kitty, none);
    moves.note(deal.workerpool.owner, payout.scheduler, none);
    for (worker, share) in &payout.workers {
        match share {
            Share::Proved { reward, .. } => moves.note(*worker, *reward, none),
            Share::Faulty { stake } => moves.note(*worker, none, *stake),
        }
    }
    moves
}

fn claimed(
    deal: &Deal,
    (task, view): (TaskId, &TaskView),
    votes: &[(Address, ContributionView)],
    moves: &Moves,
) -> Result<(Statement, Moves), Disagreement> {
    let refund = payout::claim(deal)?;
    let (owner, none) = (deal.workerpool.owner, Amount::ZERO);
    let mut expected = Moves::default();
    expected.note(owner, none, refund.pool_stake);
    expected.note(KITTY, refund.pool_stake, none);
    let mut workers = Vec::with_capacity(votes.len());
    for (worker, vote) in votes {
        // Who was to reveal the conditions of the deal decide; that it was seized, the events tell.
        let kept = expected.of(*worker).seized.0.checked_add(refund.worker_stake.0);
        let has_withheld = !refund.worker_stake.is_zero()
            && kept.is_some_and(|kept| kept <= moves.of(*worker).seized.0);
        let lost = if has_withheld { refund.worker_stake } else { none };
        expected.note(*worker, none, lost);
        expected.note(KITTY, lost, none);
        workers.push(Line {
            worker: *worker,
            verdict: if has_withheld { Verdict::Withheld } else { Verdict::Refunded },
            log_weight: vote.weight.saturating_to(),
            stake: refund.worker_stake,
            reward: none,
            lost,
        });
    }
    Ok((Statement { workers, ..blank(deal, task, view) }, expected))
}

fn blank(deal: &Deal, task: TaskId, view: &TaskView) -> Statement {
    Statement {
        task,
        deal: view.deal,
        workerpool: deal.workerpool.pointer,
        is_completed: false,
        price: deal.workerpool.price,
        forfeited: Amount::ZERO,
        fee_percent: deal.scheduler_reward_ratio,
        fee: Amount::ZERO,
        kitty: Amount::ZERO,
        log_weights: 0,
        workers: Vec::new(),
    }
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Result<Amount, Overflow> {
    amounts
        .into_iter()
        .try_fold(Amount::ZERO, |sum, amount| sum.checked_add(amount))
        .ok_or(Overflow)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::deal::Resource;
    use crate::types::ResultHash;

    const OWNER: Address = Address::repeat_byte(9);
    const PAYER: Address = Address::repeat_byte(8);
    const TASK: TaskId = TaskId(B256::repeat_byte(5));

    fn rlc(nano: u64) -> Amount {
        Amount::from_nano(nano)
    }

    fn worker(id: u8) -> Address {
        Address::repeat_byte(id)
    }

    fn deal() -> Deal {
        Deal {
            workerpool: Resource {
                price: rlc(20_000_000_000),
                owner: OWNER,
                ..Resource::default()
            },
            sponsor: PAYER,
            worker_stake: rlc(7_000_000_000),
            scheduler_reward_ratio: U256::from(5),
            ..Deal::default()
        }
    }

    fn vote(
        id: u8,
        status: ContributionStatus,
        hash: u8,
        weight: u64,
    ) -> (Address, ContributionView) {
        let hash = ResultHash(B256::repeat_byte(hash));
        let weight = U256::from(weight);
        (worker(id), ContributionView { status, hash, weight, ..ContributionView::default() })
    }

    fn moves(list: &[(Address, u64, u64)]) -> Moves {
        let mut moves = Moves::default();
        for (owner, amount, is_seized) in list {
            let (owner, amount, reference) = (*owner, rlc(*amount), TASK.0);
            let event = match is_seized {
                0 => Event::Reward { owner, amount, reference },
                _ => Event::Seize { owner, amount, reference },
            };
            assert!(moves.add(TASK.0, &event));
            assert!(!moves.add(B256::ZERO, &event), "of another task");
        }
        moves
    }

    type Votes = Vec<(Address, ContributionView)>;

    /// The example of the protocol's payments.
    fn example() -> (TaskView, Votes, Vec<(Address, u64, u64)>) {
        let view = TaskView {
            status: TaskStatus::Completed,
            consensus: ResultHash(B256::repeat_byte(1)),
            ..TaskView::default()
        };
        let votes = Vec::from([
            vote(1, ContributionStatus::Contributed, 2, 1),
            vote(2, ContributionStatus::Proved, 1, 5),
            vote(3, ContributionStatus::Proved, 1, 6),
        ]);
        let moved = Vec::from([
            (PAYER, 20_000_000_000, 1),
            (worker(1), 7_000_000_000, 1),
            (worker(2), 11_659_090_909, 0),
            (worker(3), 13_990_909_090, 0),
            (OWNER, 1_350_000_001, 0),
        ]);
        (view, votes, moved)
    }

    #[test]
    fn the_example_of_the_protocol_is_explained_to_the_digit() {
        let (view, votes, moved) = example();
        let told = statement(&deal(), (TASK, &view), &votes, &moves(&moved)).unwrap();
        assert_eq!((told.forfeited, told.fee), (rlc(7_000_000_000), rlc(1_350_000_001)));
        assert_eq!((told.log_weights, told.kitty), (11, Amount::ZERO));
        let [first, second, third] = told.workers.as_slice() else { panic!("three") };
        assert_eq!((first.verdict, first.lost), (Verdict::Outvoted, rlc(7_000_000_000)));
        assert_eq!((second.verdict, second.reward), (Verdict::Proved, rlc(11_659_090_909)));
        assert_eq!((third.log_weight, third.reward), (6, rlc(13_990_909_090)));
    }

    #[test]
    fn money_that_the_rules_do_not_explain_is_named() {
        let (view, votes, moved) = example();
        for at in 0..moved.len() {
            let mut other = moved.clone();
            other[at].1 += 1;
            let told = statement(&deal(), (TASK, &view), &votes, &moves(&other));
            let Err(Disagreement::OtherAmount(told)) = told else { panic!("{told:?}") };
            assert_eq!(told.owner, moved[at].0);
            other.remove(at);
            assert!(statement(&deal(), (TASK, &view), &votes, &moves(&other)).is_err());
        }
        let open = TaskView::default();
        let told = statement(&deal(), (TASK, &open), &[], &Moves::default());
        assert_eq!(told, Err(Disagreement::NotEnded));
    }

    #[test]
    fn a_claim_gives_stakes_back_but_not_to_who_withheld_a_reveal() {
        let view = TaskView { status: TaskStatus::Failed, ..TaskView::default() };
        let votes = [
            vote(1, ContributionStatus::Contributed, 2, 1),
            vote(2, ContributionStatus::Contributed, 1, 1),
        ];
        let moved = [
            (OWNER, 6_000_000_000, 1),
            (KITTY, 6_000_000_000, 0),
            (worker(2), 7_000_000_000, 1),
            (KITTY, 7_000_000_000, 0),
        ];
        let told = statement(&deal(), (TASK, &view), &votes, &moves(&moved)).unwrap();
        let verdicts: Vec<Verdict> = told.workers.iter().map(|line| line.verdict).collect();
        assert_eq!(verdicts, [Verdict::Refunded, Verdict::Withheld]);
        assert_eq!(told.workers.last().map(|line| line.lost), Some(rlc(7_000_000_000)));
        assert!(!told.is_completed);
    }
}
