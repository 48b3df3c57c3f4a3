//! What tasks pay by the rules of `poco-core`, against what the accounts of a world really have.

use crate::world::{Party, wallet};
use anyhow::{Context, Result};
use poco_chain::{Account, Chain};
use poco_core::payout::{Ballot, Payout, Share, contribute_and_finalize, finalize};
use poco_core::task::{ContributionStatus, TaskView};
use poco_core::{Address, Amount, Rules, TaskId};
use std::collections::BTreeMap;

/// Stakes before some tasks.
#[derive(Clone, Debug)]
pub struct Balances {
    accounts: BTreeMap<Address, Account>,
}

/// A completed task: what the chain shows, and what the rules pay for its contributions.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The task.
    pub view: TaskView,
    /// Its payments.
    pub payout: Payout,
}

impl Balances {
    /// The stakes of requester, app provider, pool owner and the first `workers` workers.
    ///
    /// # Errors
    /// Where the chain does not answer.
    pub async fn read(chain: &Chain, workers: usize) -> Result<Self> {
        let parties = [Party::Requester, Party::Provider, Party::Scheduler];
        let mut accounts = BTreeMap::new();
        for party in parties.into_iter().chain((0..workers).map(Party::Worker)) {
            let address = wallet(party)?.address();
            accounts.insert(address, chain.account(address).await?);
        }
        Ok(Self { accounts })
    }

    /// Everybody has what `payouts` gave and took, to the nRLC, and nothing is locked any more.
    ///
    /// # Errors
    /// Where the chain does not answer.
    ///
    /// # Panics
    /// Where somebody has another amount.
    pub async fn assert_paid(&self, chain: &Chain, payouts: &[Payout]) -> Result<()> {
        let (accounts, differences) = self.totals(chain, payouts).await?;
        assert_eq!(differences, [""; 0]);
        for (address, after) in accounts {
            assert_eq!(after.locked, Amount::ZERO, "{address} has nothing locked");
        }
        Ok(())
    }

    /// The same where workers have bonds for `workerpool`: nothing else is locked, and nothing of
    /// them by votes.
    ///
    /// # Errors
    /// Where the chain does not answer.
    ///
    /// # Panics
    /// Where somebody has another amount.
    pub async fn assert_paid_beside_bonds(
        &self,
        chain: &Chain,
        payouts: &[Payout],
        workerpool: Address,
    ) -> Result<()> {
        assert_eq!(self.differences(chain, payouts, workerpool).await?, [""; 0]);
        Ok(())
    }

    /// Who has another amount, free or locked, than `payouts` and the bonds for `workerpool` say.
    ///
    /// # Errors
    /// Where the chain does not answer.
    pub async fn differences(
        &self,
        chain: &Chain,
        payouts: &[Payout],
        workerpool: Address,
    ) -> Result<Vec<String>> {
        let (accounts, mut differences) = self.totals(chain, payouts).await?;
        for (address, after) in accounts {
            let bond = chain.bond(address, workerpool).await?.unwrap_or_default();
            if after.locked != bond.total {
                differences.push(format!(
                    "{address} has {} locked, and a bond of {}",
                    after.locked, bond.total
                ));
            }
            if bond.locked != Amount::ZERO {
                differences.push(format!("votes lock {} of the bond of {address}", bond.locked));
            }
        }
        Ok(differences)
    }

    async fn totals(
        &self,
        chain: &Chain,
        payouts: &[Payout],
    ) -> Result<(BTreeMap<Address, Account>, Vec<String>)> {
        let mut expected = BTreeMap::new();
        for (address, account) in &self.accounts {
            expected.insert(*address, total(account)?);
        }
        let requester = wallet(Party::Requester)?.address();
        let provider = wallet(Party::Provider)?.address();
        let scheduler = wallet(Party::Scheduler)?.address();
        for payout in payouts {
            *expected.entry(requester).or_default() -= signed(payout.payer)?;
            *expected.entry(provider).or_default() += signed(payout.app_owner)?;
            *expected.entry(scheduler).or_default() += signed(payout.scheduler)?;
            *expected.entry(scheduler).or_default() += signed(payout.kitty)?;
            for (worker, share) in &payout.workers {
                *expected.entry(*worker).or_default() += match share {
                    Share::Proved { reward, .. } => signed(*reward)?,
                    Share::Faulty { stake } => -signed(*stake)?,
                };
            }
        }
        let mut accounts = BTreeMap::new();
        let mut differences = Vec::new();
        for (address, expected) in expected {
            let after = chain.account(address).await?;
            let has = total(&after)?;
            if has != expected {
                differences.push(format!("{address} has {has} nRLC instead of {expected}"));
            }
            accounts.insert(address, after);
        }
        Ok((accounts, differences))
    }
}

fn total(account: &Account) -> Result<i128> {
    Ok(signed(account.free)? + signed(account.locked)?)
}

/// Reads a completed task of a hub of ours whose `finalize` found `kitty` in the kitty. With an
/// empty kitty the reference pays the same.
///
/// # Errors
/// Where the chain does not answer or does not know the task.
pub async fn settled(chain: &Chain, task: TaskId, kitty: Amount) -> Result<Settled> {
    let view = chain.task(task).await?;
    let deal = chain.deal(view.deal).await?.context("the deal")?;
    let mut ballots = Vec::new();
    for worker in &view.contributors {
        let contribution = chain.contribution(task, *worker).await?;
        let is_proved = contribution.status == ContributionStatus::Proved;
        let log_weight = u64::try_from(contribution.weight)?;
        ballots.push(Ballot { worker: *worker, is_proved, log_weight });
    }
    // A vote weighs at least 2, whose logarithm is 1; contributing and finalizing in one leaves 0.
    let payout = match ballots[..] {
        [Ballot { worker, log_weight: 0, .. }] => {
            contribute_and_finalize(Rules::Ours, &deal, kitty, worker)?
        }
        _ => finalize(Rules::Ours, &deal, kitty, &ballots)?,
    };
    Ok(Settled { view, payout })
}

fn signed(amount: Amount) -> Result<i128> {
    Ok(i128::try_from(u128::try_from(amount.0)?)?)
}
