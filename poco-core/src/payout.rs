//! Who is paid what when a task ends, and what a deal locks before it begins.
//!
//! The formulas are those of the protocol's "Payments at finalize" and "Failures". All divisions
//! floor; what rounding leaves goes to the pool's owner, so that a task's debits equal its
//! credits. Moving the money is the business of [`crate::escrow`].

use crate::deal::Deal;
use crate::rules::{KITTY_PRICE_PERCENT, Rules};
use crate::types::Amount;
use alloc::vec::Vec;
use alloy_primitives::{Address, U256, address, aliases::U512};

/// Percentage of the pool's price that the pool's owner stakes on each task.
pub const POOL_STAKE_PERCENT: u64 = 30;
/// Percentage of the kitty that goes to the pool's owner with each success.
pub const KITTY_PERCENT: u64 = 10;
/// The least that the kitty gives, while it has that much: 1 RLC.
pub const KITTY_SHARE_MIN: Amount = Amount::from_nano(Amount::NANO_PER_RLC);
/// The account that collects the stakes of pools that failed; all it has is frozen.
pub const KITTY: Address = address!("99c2268479b93fDe36232351229815DF80837e23");
/// The whole, in percentages.
const HUNDRED: U256 = U256::from_limbs([100, 0, 0, 0]);

/// A number of the payout exceeds 256 bits; the hub refuses the call then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount exceeds 256 bits")]
pub struct Overflow;

/// What a pool's owner stakes on one task: `floor(price * 30 / 100)`.
///
/// # Errors
/// [`Overflow`] where `price * 30` exceeds 256 bits.
pub fn pool_stake(workerpool_price: Amount) -> Result<Amount, Overflow> {
    workerpool_price.percentage_floor(U256::from(POOL_STAKE_PERCENT)).ok_or(Overflow)
}

/// What a worker stakes on one contribution: `floor(price * ratio / 100)`, at the pool's ratio.
///
/// # Errors
/// [`Overflow`] where `price * ratio` exceeds 256 bits.
pub fn worker_stake(workerpool_price: Amount, stake_ratio: U256) -> Result<Amount, Overflow> {
    workerpool_price.percentage_floor(stake_ratio).ok_or(Overflow)
}

/// What a match locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealLocks {
    /// From whoever pays: all three prices, for every task.
    pub payer: Amount,
    /// From the pool's owner: its stake of one task (rounded first) for every task, so that each
    /// task gives back exactly what it took.
    pub workerpool_owner: Amount,
}

/// What a match of `deal` locks for all its tasks.
///
/// # Errors
/// [`Overflow`] where one of the sums exceeds 256 bits.
pub fn deal_locks(deal: &Deal) -> Result<DealLocks, Overflow> {
    let price = deal.task_price().ok_or(Overflow)?;
    let stake = pool_stake(deal.workerpool.price)?;
    Ok(DealLocks {
        payer: price.checked_mul(deal.bot_size).ok_or(Overflow)?,
        workerpool_owner: stake.checked_mul(deal.bot_size).ok_or(Overflow)?,
    })
}

/// What a success at a pool's `price` takes out of a kitty that holds `kitty`:
/// `min(max(floor(kitty * 10 / 100), 1 RLC), kitty)`, by our rules at most `floor(price * 10 / 100)`:
/// else a slashed pool gets its stake back by free deals with itself.
///
/// # Errors
/// [`Overflow`] where `kitty * 10` or `price * 10` exceeds 256 bits.
pub fn kitty_share(rules: Rules, kitty: Amount, price: Amount) -> Result<Amount, Overflow> {
    let share = kitty.percentage_floor(U256::from(KITTY_PERCENT)).ok_or(Overflow)?;
    let share = share.max(KITTY_SHARE_MIN).min(kitty);
    match rules {
        Rules::Reference(_) => Ok(share),
        Rules::Ours => {
            let most = price.percentage_floor(U256::from(KITTY_PRICE_PERCENT)).ok_or(Overflow)?;
            Ok(share.min(most))
        }
    }
}

/// One contributor of a task, as finalize sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Who.
    pub worker: Address,
    /// It voted with the consensus and revealed. Everybody else is at fault.
    pub is_proved: bool,
    /// The logarithm of its weight when it contributed ([`crate::credibility::log_weight`]).
    pub log_weight: u64,
}

/// What a contributor gets, or loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It was right.
    Proved {
        /// Its stake, unlocked.
        stake: Amount,
        /// Its part of the workers' reward.
        reward: Amount,
    },
    /// It voted otherwise or did not reveal.
    Faulty {
        /// Its stake, seized.
        stake: Amount,
    },
}

/// All the money that moves when a task succeeds, in the order in which it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Seized from whoever pays: the three prices.
    pub payer: Amount,
    /// To the app's owner.
    pub app_owner: Amount,
    /// To the dataset's owner; nothing without a dataset.
    pub dataset_owner: Amount,
    /// The pool owner's stake, unlocked.
    pub pool_stake: Amount,
    /// From the kitty to the pool's owner.
    pub kitty: Amount,
    /// Each contributor, in the order of contribution.
    pub workers: Vec<(Address, Share)>,
    /// To the pool's owner: what the workers do not get of the pool's price and the seized stakes.
    pub scheduler: Amount,
}

impl Payout {
    /// What is taken: from the payer, the kitty and the contributors at fault. `None` beyond 256 bits.
    #[must_use]
    pub fn debits(&self) -> Option<Amount> {
        self.workers.iter().try_fold(self.payer.checked_add(self.kitty)?, |sum, (_, share)| {
            match share {
                Share::Faulty { stake } => sum.checked_add(*stake),
                Share::Proved { .. } => Some(sum),
            }
        })
    }

    /// What is paid, without the stakes that go back to their owners. `None` beyond 256 bits.
    #[must_use]
    pub fn credits(&self) -> Option<Amount> {
        let owners = self.app_owner.checked_add(self.dataset_owner)?;
        let pool = self.kitty.checked_add(self.scheduler)?;
        self.workers.iter().try_fold(owners.checked_add(pool)?, |sum, (_, share)| match share {
            Share::Proved { reward, .. } => sum.checked_add(*reward),
            Share::Faulty { .. } => Some(sum),
        })
    }
}

/// The payments of `finalize`, with `kitty` in the kitty before.
///
/// `ballots` are in the order of contribution and hold at least one that is proved; without any,
/// the pool's owner would get all of the reward.
///
/// # Errors
/// [`Overflow`] where an amount exceeds 256 bits.
pub fn finalize(
    rules: Rules,
    deal: &Deal,
    kitty: Amount,
    ballots: &[Ballot],
) -> Result<Payout, Overflow> {
    let faulty = ballots.iter().filter(|ballot| !ballot.is_proved).count();
    let forfeited = deal.worker_stake.checked_mul(U256::from(faulty)).ok_or(Overflow)?;
    let total = deal.workerpool.price.checked_add(forfeited).ok_or(Overflow)?;
    let workers_reward = workers_reward(total, deal.scheduler_reward_ratio)?;
    let log_weights = proved(ballots)
        .try_fold(0u64, |sum, ballot| sum.checked_add(ballot.log_weight).ok_or(Overflow))?;

    let mut scheduler = total;
    let mut workers = Vec::with_capacity(ballots.len());
    for ballot in ballots {
        let stake = deal.worker_stake;
        let share = if ballot.is_proved {
            let reward = part(workers_reward, ballot.log_weight, log_weights);
            scheduler = scheduler.checked_sub(reward).ok_or(Overflow)?;
            Share::Proved { stake, reward }
        } else {
            Share::Faulty { stake }
        };
        workers.push((ballot.worker, share));
    }
    payout(deal, kitty_share(rules, kitty, deal.workerpool.price)?, workers, scheduler)
}

/// The payments of `contributeAndFinalize`: `worker` did all of it, without a stake.
///
/// # Errors
/// [`Overflow`] where an amount exceeds 256 bits.
pub fn contribute_and_finalize(
    rules: Rules,
    deal: &Deal,
    kitty: Amount,
    worker: Address,
) -> Result<Payout, Overflow> {
    let reward = workers_reward(deal.workerpool.price, deal.scheduler_reward_ratio)?;
    let scheduler = deal.workerpool.price.checked_sub(reward).ok_or(Overflow)?;
    let kitty = kitty_share(rules, kitty, deal.workerpool.price)?;
    let alone = Vec::from([(worker, Share::Proved { stake: Amount::ZERO, reward })]);
    payout(deal, kitty, alone, scheduler)
}

/// All the money that moves when a task is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Unlocked for whoever paid: the three prices.
    pub payer: Amount,
    /// Seized from the pool's owner and frozen in the kitty, never given to the requester: else
    /// apps that nobody can prove would drain pools.
    pub pool_stake: Amount,
    /// Unlocked for each contributor, whatever it voted.
    pub worker_stake: Amount,
}

/// The refunds of `claim`.
///
/// # Errors
/// [`Overflow`] where an amount exceeds 256 bits.
pub fn claim(deal: &Deal) -> Result<Refund, Overflow> {
    Ok(Refund {
        payer: deal.task_price().ok_or(Overflow)?,
        pool_stake: pool_stake(deal.workerpool.price)?,
        worker_stake: deal.worker_stake,
    })
}

/// What every success pays, whoever did the work.
fn payout(
    deal: &Deal,
    kitty: Amount,
    workers: Vec<(Address, Share)>,
    scheduler: Amount,
) -> Result<Payout, Overflow> {
    Ok(Payout {
        payer: deal.task_price().ok_or(Overflow)?,
        app_owner: deal.app.price,
        dataset_owner: deal.dataset.price,
        pool_stake: pool_stake(deal.workerpool.price)?,
        kitty,
        workers,
        scheduler,
    })
}

fn proved(ballots: &[Ballot]) -> impl Iterator<Item = &Ballot> {
    ballots.iter().filter(|ballot| ballot.is_proved)
}

/// `floor(total * (100 - ratio) / 100)`. Pools cannot ask for more than 100 percent.
pub(crate) fn workers_reward(total: Amount, scheduler_ratio: U256) -> Result<Amount, Overflow> {
    let workers_ratio = HUNDRED.checked_sub(scheduler_ratio).ok_or(Overflow)?;
    total.percentage_floor(workers_ratio).ok_or(Overflow)
}

/// `floor(reward * log_weight / log_weights)`, with a product of up to 512 bits as the reference has it.
fn part(reward: Amount, log_weight: u64, log_weights: u64) -> Amount {
    let product = U512::from(reward.0).saturating_mul(U512::from(log_weight));
    let share = product.checked_div(U512::from(log_weights)).unwrap_or_default();
    // log_weight <= log_weights, so the share is at most the reward and fits.
    Amount(share.saturating_to())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deal::Resource;
    use crate::rules::Release;

    const REFERENCE: Rules = Rules::Reference(Release::V6_2_0);

    fn rlc(nano: u64) -> Amount {
        Amount::from_nano(nano)
    }

    fn deal(price: u64, worker_stake: u64, ratio: u64) -> Deal {
        Deal {
            workerpool: Resource { price: rlc(price), ..Resource::default() },
            worker_stake: rlc(worker_stake),
            scheduler_reward_ratio: U256::from(ratio),
            ..Deal::default()
        }
    }

    fn ballot(id: u8, is_proved: bool, log_weight: u64) -> Ballot {
        Ballot { worker: Address::repeat_byte(id), is_proved, log_weight }
    }

    #[test]
    fn the_example_of_the_protocol_holds_to_the_digit() {
        let deal = deal(20_000_000_000, 7_000_000_000, 5);
        let ballots = [ballot(1, false, 1), ballot(2, true, 5), ballot(3, true, 6)];
        let payout = finalize(Rules::Ours, &deal, Amount::ZERO, &ballots).unwrap();
        let stake = rlc(7_000_000_000);
        assert_eq!(
            payout.workers.iter().map(|(_, share)| *share).collect::<Vec<_>>(),
            [
                Share::Faulty { stake },
                Share::Proved { stake, reward: rlc(11_659_090_909) },
                Share::Proved { stake, reward: rlc(13_990_909_090) },
            ]
        );
        assert_eq!(payout.scheduler, rlc(1_350_000_001));
        assert_eq!(payout.debits(), Some(rlc(27_000_000_000)));
        assert_eq!(payout.credits(), payout.debits());
    }

    #[test]
    fn the_kitty_gives_a_tenth_but_at_least_one_rlc_and_at_most_all() {
        for (kitty, share) in [
            (0, 0),
            (1, 1),
            (999_999_999, 999_999_999),
            (1_000_000_000, 1_000_000_000),
            (9_999_999_999, 1_000_000_000),
            (10_000_000_010, 1_000_000_001),
            (500_000_000_000, 50_000_000_000),
        ] {
            assert_eq!(
                kitty_share(REFERENCE, rlc(kitty), Amount::ZERO),
                Ok(rlc(share)),
                "kitty {kitty}"
            );
        }
    }

    #[test]
    fn by_our_rules_the_kitty_gives_at_most_a_tenth_of_the_pools_price() {
        for (kitty, price, share) in [
            (500_000_000_000, 600_000_000_000, 50_000_000_000),
            (500_000_000_000, 10_000_000_000, 1_000_000_000),
            (5, 1_000, 5),
            (5, 49, 4),
            (5, 9, 0),
            (500_000_000_000, 0, 0),
        ] {
            assert_eq!(kitty_share(Rules::Ours, rlc(kitty), rlc(price)), Ok(rlc(share)));
        }
        let most = Amount(U256::MAX);
        assert_eq!(kitty_share(Rules::Ours, Amount::ZERO, most), Err(Overflow));
    }

    #[test]
    fn a_pools_stake_is_rounded_for_one_task_and_then_multiplied() {
        let mut deal = deal(33, 9, 1);
        deal.bot_size = U256::from(10);
        // floor(33 * 30 / 100) = 9, ten times; not floor(330 * 30 / 100) = 99.
        assert_eq!(deal_locks(&deal).unwrap().workerpool_owner, rlc(90));
        assert_eq!(deal_locks(&deal).unwrap().payer, rlc(330));
    }

    #[test]
    fn a_lone_worker_gets_all_but_the_schedulers_part() {
        let deal = deal(101, 30, 1);
        let payout = contribute_and_finalize(REFERENCE, &deal, Amount::ZERO, Address::ZERO);
        let payout = payout.unwrap();
        assert_eq!(payout.scheduler, rlc(2));
        assert_eq!(payout.credits(), Some(rlc(101)));
    }

    #[test]
    fn prices_too_large_for_256_bits_are_refused_not_wrapped() {
        let mut deal = deal(1, 1, 1);
        deal.workerpool.price = Amount(U256::MAX);
        assert_eq!(finalize(REFERENCE, &deal, Amount::ZERO, &[]), Err(Overflow));
        assert_eq!(claim(&deal), Err(Overflow));
        assert_eq!(kitty_share(REFERENCE, Amount(U256::MAX), Amount::ZERO), Err(Overflow));
    }
}
