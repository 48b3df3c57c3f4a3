//! What other contracts answer when the hub asks them: facts, held as the world has them.

use super::refusal::Refusal;
use super::state::State;
use crate::matching;
use crate::order::OrderKind;
use crate::signature::recover;
use alloc::collections::{BTreeMap, BTreeSet};
use alloy_primitives::{Address, B256, Bytes, U256};

/// The contracts beyond the hub, its registries and its token, as far as the hub asks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    wallets: BTreeSet<Address>,
    accepted: BTreeSet<(Address, B256, Bytes)>,
    memberships: BTreeSet<(Address, Address)>,
    enclaves: BTreeSet<(Address, Address)>,
    owners: BTreeMap<Address, Address>,
    spenders: BTreeMap<Address, bool>,
    old_scores: BTreeMap<Address, U256>,
}

impl Contracts {
    /// Makes `account` a contract: from now on it signs as ERC-1271 says and not with a key.
    pub fn add_wallet(&mut self, account: Address) {
        self.wallets.insert(account);
    }

    /// Makes `wallet` a contract that accepts `sign` for `hash` (ERC-1271 `isValidSignature`).
    pub fn accept(&mut self, wallet: Address, hash: B256, sign: Bytes) {
        self.wallets.insert(wallet);
        self.accepted.insert((wallet, hash, sign));
    }

    /// Makes `group` a contract that has `member` (ERC-734 `keyHasPurpose(member, 4)`).
    pub fn add_member(&mut self, group: Address, member: Address) {
        self.wallets.insert(group);
        self.memberships.insert((group, member));
    }

    /// Takes `member` out of `group`.
    pub fn remove_member(&mut self, group: Address, member: Address) {
        self.memberships.remove(&(group, member));
    }

    /// Makes `group` a contract that vouches for an enclave's key (`keyHasPurpose(key, 5)`).
    pub fn add_enclave(&mut self, group: Address, key: Address) {
        self.wallets.insert(group);
        self.enclaves.insert((group, key));
    }

    /// Makes `account` a key's account again: it has no code any more.
    pub fn remove_wallet(&mut self, account: Address) {
        self.wallets.remove(&account);
    }

    /// Makes `contract` answer `owner()`, as entries do.
    pub fn set_owner(&mut self, contract: Address, owner: Address) {
        self.wallets.insert(contract);
        self.owners.insert(contract, owner);
    }

    /// Makes `contract` answer whether it takes approvals (`receiveApproval`).
    pub fn set_spender(&mut self, contract: Address, takes: bool) {
        self.wallets.insert(contract);
        self.spenders.insert(contract, takes);
    }

    /// Makes an earlier hub answer `score` for a worker.
    pub fn set_old_score(&mut self, worker: Address, score: U256) {
        self.old_scores.insert(worker, score);
    }

    pub(super) fn owner(&self, contract: Address) -> Option<Address> {
        self.owners.get(&contract).copied()
    }

    pub(super) fn spender_answer(&self, contract: Address) -> Option<bool> {
        self.spenders.get(&contract).copied()
    }

    pub(super) fn old_score(&self, worker: Address) -> U256 {
        self.old_scores.get(&worker).copied().unwrap_or_default()
    }

    /// Whether `group` vouches for an enclave's key.
    #[must_use]
    pub fn is_enclave_of(&self, group: Address, key: Address) -> bool {
        self.enclaves.contains(&(group, key))
    }

    /// Whether `group` has `member`.
    #[must_use]
    pub fn is_member(&self, group: Address, member: Address) -> bool {
        self.memberships.contains(&(group, member))
    }
}

impl State {
    /// Whether there is code at an address: such an account signs as ERC-1271 says.
    fn is_contract(&self, account: Address) -> bool {
        let kinds = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool];
        account == self.hub
            || self.contracts.wallets.contains(&account)
            || kinds.into_iter().any(|kind| self.entries.find(&(kind, account)).is_some())
    }

    /// What a contract answers to `owner()`; `None` for one that does not.
    pub(super) fn owner_of(&self, contract: Address) -> Option<Address> {
        if contract == self.hub {
            return Some(self.owner.get());
        }
        let kinds = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool];
        kinds
            .into_iter()
            .find_map(|kind| self.entries.find(&(kind, contract)).map(|entry| entry.owner))
            .or_else(|| self.contracts.owner(contract))
    }

    /// Whether `account` signed `hash`: with its key, or as its contract says.
    ///
    /// By the reference's rules an account with code signs as its code says and never with its key,
    /// and what nobody can have signed is the zero address's.
    ///
    /// # Errors
    /// [`Refusal::SignatureFormat`] where a wallet's signature has a wrong length.
    pub(super) fn is_signed(
        &self,
        account: Address,
        hash: B256,
        sign: &Bytes,
    ) -> Result<bool, Refusal> {
        let is_contract = self.is_contract(account);
        if !is_contract || self.rules.trust_keys_of_contracts() {
            let signer = recover(hash, sign);
            if signer == Some(account) {
                return Ok(true);
            }
            let is_nobodys = signer.is_none() && account.is_zero();
            if is_nobodys && matches!(sign.len(), 64 | 65) && self.rules.let_nobody_sign() {
                return Ok(true);
            }
        }
        if is_contract {
            return Ok(self.contracts.accepted.contains(&(account, hash, sign.clone())));
        }
        match sign.len() {
            64 | 65 => Ok(false),
            _ => Err(Refusal::SignatureFormat),
        }
    }

    /// The memberships among `pairs` of a restriction and a counterpart.
    pub(super) fn memberships(
        &self,
        pairs: impl IntoIterator<Item = (Address, Address)>,
    ) -> BTreeSet<(Address, Address)> {
        pairs
            .into_iter()
            .filter(|(group, member)| self.contracts.is_member(*group, *member))
            .collect()
    }
}

/// The pairs of a restriction and a counterpart that a match is about.
pub(super) fn restrictions(terms: &matching::Terms<'_>) -> [(Address, Address); 10] {
    let matching::Terms { app, dataset, workerpool, request } = *terms;
    [
        (request.workerpool, workerpool.workerpool),
        (app.dataset_restrict, dataset.dataset),
        (app.workerpool_restrict, workerpool.workerpool),
        (app.requester_restrict, request.requester),
        (dataset.app_restrict, app.app),
        (dataset.workerpool_restrict, workerpool.workerpool),
        (dataset.requester_restrict, request.requester),
        (workerpool.app_restrict, app.app),
        (workerpool.dataset_restrict, dataset.dataset),
        (workerpool.requester_restrict, request.requester),
    ]
}
