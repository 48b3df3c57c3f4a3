//! What can be read of a hub, by anybody and without a transaction.

use super::Hub;
use super::contracts::Contracts;
use super::registries::Policy;
use crate::call::SignedTerms;
use crate::category::Category;
use crate::deal::Deal;
use crate::escrow::Account;
use crate::mark::DealConditions;
use crate::matching;
use crate::order::OrderKind;
use crate::payout::KITTY;
use crate::rules::Rules;
use crate::task::{ContributionView, TaskStatus, TaskView};
use crate::types::{Amount, CategoryId, DealId, OrderHash, TaskId};
use alloy_primitives::{Address, B256, Bytes, U256};

impl Hub {
    /// The hub's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.state.hub
    }

    /// Whose rules the hub follows.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.state.rules
    }

    /// `callbackgas`.
    #[must_use]
    pub fn callback_gas(&self) -> U256 {
        self.state.callback_gas.get()
    }

    /// The hash of the domain under which orders are signed.
    #[must_use]
    pub fn domain_separator(&self) -> B256 {
        self.state.domain_separator
    }

    /// Who owns the hub.
    #[must_use]
    pub fn owner(&self) -> Address {
        self.state.owner.get()
    }

    /// Who authorizes enclaves in place of pool owners; zero for nobody.
    #[must_use]
    pub fn tee_broker(&self) -> Address {
        self.state.tee_broker.get()
    }

    /// `viewDeal`; `None` where there is no such deal (on chain: zeros).
    #[must_use]
    pub fn deal(&self, id: DealId) -> Option<&Deal> {
        self.state.deals.find(&id)
    }

    /// Every deal, by id.
    pub fn deals(&self) -> impl Iterator<Item = (DealId, &Deal)> {
        self.state.deals.iter().map(|(id, deal)| (*id, deal))
    }

    /// `viewDealBoost`; `None` where there is no such deal of the boost lane (on chain: zeros).
    #[must_use]
    pub fn boosted_deal(&self, id: DealId) -> Option<&Deal> {
        self.state.boosted.find(&id)
    }

    /// Every deal of the boost lane, by id.
    pub fn boosted_deals(&self) -> impl Iterator<Item = (DealId, &Deal)> {
        self.state.boosted.iter().map(|(id, deal)| (*id, deal))
    }

    /// `viewTask`; zeros for a task that nobody opened.
    #[must_use]
    pub fn task(&self, id: TaskId) -> TaskView {
        self.state.tasks.get(&id).view
    }

    /// Every task that was opened, by id.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &TaskView)> {
        self.state.tasks.iter().map(|(id, task)| (*id, &task.view))
    }

    /// `viewContribution`; zeros where there is none.
    #[must_use]
    pub fn contribution(&self, task: TaskId, worker: Address) -> ContributionView {
        self.state.contributions.get(&(task, worker))
    }

    /// `resultFor`: what the callback of a completed task received; `None` while it is not completed.
    #[must_use]
    pub fn result_for(&self, id: TaskId) -> Option<Bytes> {
        let task = self.state.tasks.find(&id)?;
        (task.view.status == TaskStatus::Completed).then(|| task.view.results_callback.clone())
    }

    /// `viewAccount`. The hub's own free stake is what is frozen of all others'.
    #[must_use]
    pub fn account(&self, owner: Address) -> Account {
        self.state.escrow.account(owner)
    }

    /// Every account that was ever touched, by address.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Account)> {
        self.state.escrow.accounts()
    }

    /// How much of the owner's free stake the spender may move.
    #[must_use]
    pub fn allowance(&self, owner: Address, spender: Address) -> Amount {
        self.state.escrow.allowance(owner, spender)
    }

    /// All stake, free and frozen.
    #[must_use]
    pub fn supply(&self) -> Amount {
        self.state.escrow.supply()
    }

    /// What the kitty holds.
    #[must_use]
    pub fn kitty(&self) -> Amount {
        self.state.escrow.account(KITTY).frozen
    }

    /// An account's tokens.
    #[must_use]
    pub fn token_balance(&self, owner: Address) -> Amount {
        self.state.token.balance(owner)
    }

    /// How many of an account's tokens the hub may take.
    #[must_use]
    pub fn token_allowance(&self, owner: Address) -> Amount {
        self.state.token.hub_allowance(owner)
    }

    /// `viewScore`.
    #[must_use]
    pub fn score(&self, worker: Address) -> U256 {
        self.state.scores.get(&worker)
    }

    /// `viewEpoch`; always 0 by the reference's rules.
    #[must_use]
    pub fn epoch(&self, account: Address) -> u16 {
        self.state.epochs.get(&account)
    }

    /// `viewDealConditions`.
    #[must_use]
    pub fn deal_conditions(&self, deal: DealId) -> DealConditions {
        self.state.conditions_of(deal)
    }

    /// `viewConsumed`: how much of an order's volume was used or cancelled.
    #[must_use]
    pub fn consumed(&self, order: OrderHash) -> U256 {
        self.state.consumed.get(&order)
    }

    /// `viewPresigned`: who signed an order on chain; zero for nobody.
    #[must_use]
    pub fn presigned(&self, order: OrderHash) -> Address {
        self.state.presigned.get(&order)
    }

    /// `verifySignature`; a signature of a wrong length is as bad as any other here.
    #[must_use]
    pub fn is_signed(&self, account: Address, hash: B256, sign: &Bytes) -> bool {
        self.state.is_signed(account, hash, sign) == Ok(true)
    }

    /// `viewCategory`; `None` beyond the last.
    #[must_use]
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.state.categories.find(&id.0)
    }

    /// `countCategory`.
    #[must_use]
    pub fn category_count(&self) -> u64 {
        self.state.category_count()
    }

    /// The entries of a registry with their owners, by address.
    pub fn resources(&self, kind: OrderKind) -> impl Iterator<Item = (Address, Address)> {
        let entries = self.state.entries.iter();
        entries
            .filter(move |((of, _), _)| *of == kind)
            .map(|((_, resource), entry)| (*resource, entry.owner))
    }

    /// Who owns a registry's entry; `None` where there is none.
    #[must_use]
    pub fn resource_owner(&self, kind: OrderKind, resource: Address) -> Option<Address> {
        self.state.entries.find(&(kind, resource)).map(|entry| entry.owner)
    }

    /// A pool's terms for deals to come; `None` where there is no such pool.
    #[must_use]
    pub fn policy(&self, workerpool: Address) -> Option<Policy> {
        self.state.entries.find(&(OrderKind::Workerpool, workerpool)).map(|entry| entry.policy)
    }

    /// The facts about other contracts.
    #[must_use]
    pub fn contracts(&self) -> &Contracts {
        &self.state.contracts
    }

    /// What the chain says about a match of these orders, for [`matching::check`].
    #[must_use]
    pub fn match_facts(&self, terms: &SignedTerms) -> matching::Facts {
        self.state.prepare(terms).facts
    }
}
