//! The three registries: who owns which entry, and on what terms a pool takes work.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::event::Event;
use crate::order::OrderKind;
use crate::rules::WORKER_STAKE_RATIO_MAX;
use alloy_primitives::{Address, U256};

/// A transaction to a registry or to one of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RegistryCall {
    /// Creates an entry for an owner; anybody may.
    Create {
        /// Which registry.
        kind: OrderKind,
        /// The entry's address, which on chain follows from its content and its first owner.
        resource: Address,
        /// Its first owner.
        owner: Address,
    },
    /// Hands an entry over.
    Transfer {
        /// Which registry.
        kind: OrderKind,
        /// The entry.
        resource: Address,
        /// To whom.
        to: Address,
    },
    /// Changes a pool's terms for deals to come.
    ChangePolicy {
        /// The pool.
        workerpool: Address,
        /// The new terms.
        policy: Policy,
    },
}

/// On what terms a pool takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Percentage of the price that a worker stakes; may be more than 100.
    pub worker_stake_ratio: U256,
    /// Percentage of the reward that the pool's owner keeps; at most 100.
    pub scheduler_reward_ratio: U256,
}

impl Default for Policy {
    /// What a new pool has: 30 % and 1 %.
    fn default() -> Self {
        Self { worker_stake_ratio: U256::from(30), scheduler_reward_ratio: U256::ONE }
    }
}

/// A registry's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) owner: Address,
    /// Has a meaning for pools alone.
    pub(super) policy: Policy,
}

impl Execution<'_> {
    pub(super) fn registry(&mut self, call: &RegistryCall) -> Result<Value, Refusal> {
        match *call {
            RegistryCall::Create { kind, resource, owner } => self.create(kind, resource, owner),
            RegistryCall::Transfer { kind, resource, to } => self.hand_over(kind, resource, to),
            RegistryCall::ChangePolicy { workerpool, policy } => {
                self.change_policy(workerpool, policy)
            }
        }
    }

    fn create(
        &mut self,
        kind: OrderKind,
        resource: Address,
        owner: Address,
    ) -> Result<Value, Refusal> {
        match kind {
            OrderKind::App | OrderKind::Dataset | OrderKind::Workerpool => {}
            OrderKind::Request => return Err(Refusal::NotAResource),
        }
        if owner.is_zero() {
            return Err(Refusal::OwnerIsZero);
        }
        if self.state.entries.find(&(kind, resource)).is_some() {
            return Err(Refusal::ResourceExists);
        }
        self.state.entries.set((kind, resource), Entry { owner, policy: Policy::default() });
        self.events.push(Event::ResourceTransfer {
            kind,
            resource,
            from: Address::ZERO,
            to: owner,
        });
        Ok(Value::Entry(resource))
    }

    fn hand_over(
        &mut self,
        kind: OrderKind,
        resource: Address,
        to: Address,
    ) -> Result<Value, Refusal> {
        let entry = self.owned_entry(kind, resource)?;
        if to.is_zero() {
            return Err(Refusal::OwnerIsZero);
        }
        self.state.entries.set((kind, resource), Entry { owner: to, ..entry });
        self.events.push(Event::ResourceTransfer { kind, resource, from: entry.owner, to });
        Ok(Value::Nothing)
    }

    fn change_policy(&mut self, workerpool: Address, policy: Policy) -> Result<Value, Refusal> {
        let entry = self.owned_entry(OrderKind::Workerpool, workerpool)?;
        if policy.scheduler_reward_ratio > U256::from(100) {
            return Err(Refusal::RatioAboveHundred);
        }
        let is_large = policy.worker_stake_ratio > U256::from(WORKER_STAKE_RATIO_MAX);
        if is_large && self.state.rules.are_ours() {
            return Err(Refusal::RatioTooLarge);
        }
        self.state.entries.set((OrderKind::Workerpool, workerpool), Entry { policy, ..entry });
        self.events.push(Event::PolicyUpdate {
            workerpool,
            worker_stake_ratio: policy.worker_stake_ratio,
            scheduler_reward_ratio: policy.scheduler_reward_ratio,
        });
        Ok(Value::Nothing)
    }

    /// The entry, if it is the sender's.
    fn owned_entry(&self, kind: OrderKind, resource: Address) -> Result<Entry, Refusal> {
        let entry = self.state.entries.find(&(kind, resource)).ok_or(Refusal::ResourceUnknown)?;
        if entry.owner == self.sender { Ok(*entry) } else { Err(Refusal::NotTheResourceOwner) }
    }
}
