//! The token behind the escrow, as far as the hub depends on it: balances, and what the hub may take.
//!
//! Its events and allowances to others than the hub are left out.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::table::Table;
use crate::types::Amount;
use alloy_primitives::Address;

/// A transaction to the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TokenCall {
    /// Moves the sender's tokens.
    Transfer {
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// Lets the hub take the sender's tokens.
    ApproveHub {
        /// How much in all.
        amount: Amount,
    },
    /// `approveAndCall(hub, amount, 0x)`: lets the hub take the tokens, which deposits them at once.
    ApproveHubAndCall {
        /// How much.
        amount: Amount,
    },
}

/// Who has how many tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    hub: Address,
    balances: Table<Address, Amount>,
    hub_allowances: Table<Address, Amount>,
}

impl Token {
    pub(super) fn new(hub: Address) -> Self {
        Self { hub, balances: Table::default(), hub_allowances: Table::default() }
    }

    pub(super) fn balance(&self, owner: Address) -> Amount {
        self.balances.get(&owner)
    }

    /// What the hub may still take of the owner's tokens.
    pub(super) fn hub_allowance(&self, owner: Address) -> Amount {
        self.hub_allowances.get(&owner)
    }

    pub(super) fn mint(&mut self, to: Address, amount: Amount) -> Result<(), Refusal> {
        let balance = self.balance(to).checked_add(amount).ok_or(Refusal::Overflow)?;
        self.balances.set(to, balance);
        Ok(())
    }

    pub(super) fn transfer(
        &mut self,
        from: Address,
        to: Address,
        amount: Amount,
    ) -> Result<(), Refusal> {
        let balance = self.balance(from).checked_sub(amount).ok_or(Refusal::TokenBalanceTooLow)?;
        self.balances.set(from, balance);
        self.mint(to, amount)
    }

    /// `transferFrom` by the hub to itself.
    pub(super) fn take(&mut self, from: Address, amount: Amount) -> Result<(), Refusal> {
        let allowance = self.hub_allowance(from);
        let rest = allowance.checked_sub(amount).ok_or(Refusal::TokenAllowanceTooLow)?;
        self.hub_allowances.set(from, rest);
        self.transfer(from, self.hub, amount)
    }

    pub(super) fn commit(&mut self) {
        let Self { hub: _, balances, hub_allowances } = self;
        balances.commit();
        hub_allowances.commit();
    }

    pub(super) fn roll_back(&mut self) {
        let Self { hub: _, balances, hub_allowances } = self;
        balances.roll_back();
        hub_allowances.roll_back();
    }
}

impl Execution<'_> {
    pub(super) fn token(&mut self, call: &TokenCall) -> Result<Value, Refusal> {
        match *call {
            TokenCall::Transfer { to, amount } => {
                self.state.token.transfer(self.sender, to, amount)?;
            }
            TokenCall::ApproveHub { amount } => {
                self.state.token.hub_allowances.set(self.sender, amount);
            }
            TokenCall::ApproveHubAndCall { amount } => {
                self.state.token.hub_allowances.set(self.sender, amount);
                self.deposit(amount, self.sender)?;
            }
        }
        Ok(Value::True)
    }
}
