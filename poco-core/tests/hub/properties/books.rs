//! The money seen twice: as an indexer adds it up from events, and as deals and tasks explain it.

use crate::market::HUB;
use poco_core::escrow::Account;
use poco_core::hub::Hub;
use poco_core::payout::{KITTY, pool_stake};
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, Event, U256};
use std::collections::BTreeMap;

/// Balances from Transfer alone, frozen stake from Lock, Unlock and Seize.
#[derive(Clone, Default)]
pub(crate) struct Books {
    free: BTreeMap<Address, U256>,
    frozen: BTreeMap<Address, U256>,
}

impl Books {
    /// Adds the events of one call, whose seizures must equal its rewards.
    pub(crate) fn record(&mut self, events: &[Event]) {
        let (mut seized, mut rewarded) = (U256::ZERO, U256::ZERO);
        for event in events {
            match event {
                Event::Transfer { from, to, amount } => {
                    if !from.is_zero() {
                        subtract(&mut self.free, *from, *amount);
                    }
                    if !to.is_zero() {
                        add(&mut self.free, *to, *amount);
                    }
                }
                Event::Lock { owner, amount } => add(&mut self.frozen, *owner, *amount),
                Event::Unlock { owner, amount } => subtract(&mut self.frozen, *owner, *amount),
                Event::Seize { owner, amount, .. } => {
                    subtract(&mut self.frozen, *owner, *amount);
                    seized += amount.0;
                }
                Event::Reward { amount, .. } => rewarded += amount.0,
                Event::Approval { .. }
                | Event::SchedulerNotice { .. }
                | Event::OrdersMatched { .. }
                | Event::DealSponsored { .. }
                | Event::SchedulerNoticeBoost { .. }
                | Event::DealSponsoredBoost { .. }
                | Event::ResultPushedBoost { .. }
                | Event::OrderSigned { .. }
                | Event::OrderClosed { .. }
                | Event::OrderBroadcast(_)
                | Event::TaskInitialize { .. }
                | Event::TaskContribute { .. }
                | Event::TaskConsensus { .. }
                | Event::TaskReveal { .. }
                | Event::TaskReopen { .. }
                | Event::TaskFinalize { .. }
                | Event::TaskClaimed { .. }
                | Event::AccurateContribution { .. }
                | Event::FaultyContribution { .. }
                | Event::CreateCategory { .. }
                | Event::ResourceTransfer { .. }
                | Event::PolicyUpdate { .. }
                | Event::OwnershipTransferred { .. }
                | Event::Conditions(_)
                | Event::Lane(_) => {}
            }
        }
        assert_eq!(seized, rewarded, "debits and credits of {events:?}");
    }

    /// Whether the hub's accounts are what its events say and what its deals and tasks explain.
    pub(crate) fn check(&self, hub: &Hub) {
        let mut supply = U256::ZERO;
        let mut frozen = U256::ZERO;
        for (owner, account) in hub.accounts() {
            let told = |book: &BTreeMap<Address, U256>| {
                Amount(book.get(&owner).copied().unwrap_or_default())
            };
            let from_events = Account { free: told(&self.free), frozen: told(&self.frozen) };
            assert_eq!(account, from_events, "{owner} as an indexer sees it");
            supply = supply.checked_add(account.free.0).expect("within the supply");
            frozen = frozen.checked_add(account.frozen.0).expect("within the supply");
        }
        assert_eq!(supply, hub.supply().0, "the accounts are the supply");
        assert!(supply <= hub.token_balance(HUB).0, "the supply is backed by tokens");
        assert_eq!(hub.account(HUB).free.0, frozen, "the hub holds what is frozen");
        self.check_frozen(hub);
    }

    fn check_frozen(&self, hub: &Hub) {
        let mut explained = explained_frozen(hub);
        // What the kitty holds is explained by what went in and out, which the events said.
        let kitty = self.frozen.get(&KITTY).copied().unwrap_or_default();
        *explained.entry(KITTY).or_default() += kitty;
        for (owner, account) in hub.accounts() {
            let expected = explained.get(&owner).copied().unwrap_or_default();
            assert_eq!(account.frozen.0, expected, "frozen stake of {owner}");
        }
    }
}

/// What deals that are not over and contributions that are not settled bind of whom.
fn explained_frozen(hub: &Hub) -> BTreeMap<Address, U256> {
    let mut frozen: BTreeMap<Address, U256> = BTreeMap::new();
    let mut over = BTreeMap::new();
    for (_, task) in hub.tasks() {
        match task.status {
            TaskStatus::Completed | TaskStatus::Failed => {
                *over.entry(task.deal).or_insert(U256::ZERO) += U256::ONE;
            }
            TaskStatus::Active | TaskStatus::Revealing => {
                let deal = hub.deal(task.deal).expect("a task has a deal");
                for worker in &task.contributors {
                    *frozen.entry(*worker).or_default() += deal.worker_stake.0;
                }
            }
            TaskStatus::Unset => unreachable!("the hub lists opened tasks"),
        }
    }
    for (id, deal) in hub.deals() {
        let left = deal.bot_size - over.get(&id).copied().unwrap_or_default();
        let price = deal.task_price().expect("was locked").0;
        let stake = pool_stake(deal.workerpool.price).expect("was locked").0;
        *frozen.entry(deal.sponsor).or_default() += price * left;
        *frozen.entry(deal.workerpool.owner).or_default() += stake * left;
    }
    frozen
}

fn add(book: &mut BTreeMap<Address, U256>, owner: Address, amount: Amount) {
    let sum = book.entry(owner).or_default();
    *sum = sum.checked_add(amount.0).expect("nobody has more than the supply");
}

fn subtract(book: &mut BTreeMap<Address, U256>, owner: Address, amount: Amount) {
    let sum = book.entry(owner).or_default();
    *sum = sum.checked_sub(amount.0).expect("nobody spends what it does not have");
}
