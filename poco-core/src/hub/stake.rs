//! Deposits, withdrawals and the ERC-20 face of free stake.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::call::Call;
use crate::escrow::EscrowRefusal;
use crate::types::Amount;
use alloy_primitives::Address;

impl Execution<'_> {
    /// The calls of `dispatch` that are about stake alone.
    pub(super) fn stake(&mut self, call: &Call) -> Result<Value, Refusal> {
        let sender = self.sender;
        match call {
            Call::Deposit { amount } => self.deposit(*amount, sender)?,
            Call::DepositFor { amount, target } => self.deposit(*amount, *target)?,
            Call::DepositForArray { deposits } => {
                deposits.iter().try_for_each(|(amount, target)| self.deposit(*amount, *target))?
            }
            Call::Withdraw { amount } => self.withdraw(*amount, sender)?,
            Call::WithdrawTo { amount, target } => self.withdraw(*amount, *target)?,
            Call::Recover => return self.recover(),
            Call::Transfer { to, amount } => {
                self.state.escrow.transfer(sender, *to, *amount, &mut self.events)?;
            }
            Call::TransferFrom { from, to, amount } => self.transfer_from(*from, *to, *amount)?,
            Call::Approve { spender, amount } => {
                self.state.escrow.approve(sender, *spender, *amount, &mut self.events)?;
            }
            Call::ManageOrder { .. }
            | Call::MatchOrders(_)
            | Call::SponsorMatchOrders(_)
            | Call::Initialize { .. }
            | Call::InitializeArray { .. }
            | Call::Contribute(_)
            | Call::Reveal { .. }
            | Call::Reopen { .. }
            | Call::Finalize { .. }
            | Call::ContributeAndFinalize(_)
            | Call::Claim { .. }
            | Call::ClaimArray { .. }
            | Call::InitializeAndClaimArray { .. }
            | Call::CreateCategory { .. } => {
                unreachable!("dispatch sends these elsewhere")
            }
        }
        Ok(Value::True)
    }

    /// Takes the sender's tokens into the stake of `target`.
    pub(super) fn deposit(&mut self, amount: Amount, target: Address) -> Result<(), Refusal> {
        self.state.token.take(self.sender, amount)?;
        self.state.escrow.mint(target, amount, &mut self.events)?;
        Ok(())
    }

    fn withdraw(&mut self, amount: Amount, target: Address) -> Result<(), Refusal> {
        // By the reference's rules it is the token's business.
        if target.is_zero() && self.state.rules.are_ours() {
            return Err(EscrowRefusal::TransferToZero.into());
        }
        self.state.escrow.burn(self.sender, amount, &mut self.events)?;
        self.state.token.transfer(self.state.hub, target, amount)
    }

    /// Credits the hub's owner with the tokens that nobody's stake stands for.
    fn recover(&mut self) -> Result<Value, Refusal> {
        self.check_hub_owner()?;
        let held = self.state.token.balance(self.state.hub);
        let surplus = held.checked_sub(self.state.escrow.supply()).ok_or(Refusal::Overflow)?;
        self.state.escrow.mint(self.state.owner.get(), surplus, &mut self.events)?;
        Ok(Value::Amount(surplus))
    }

    fn transfer_from(&mut self, from: Address, to: Address, amount: Amount) -> Result<(), Refusal> {
        let allowance = self.state.escrow.allowance(from, self.sender);
        // The reference looks at the allowance last, and so words other refusals first.
        if allowance < amount && self.state.rules.are_ours() {
            return Err(EscrowRefusal::AllowanceTooLow.into());
        }
        self.state.escrow.transfer(from, to, amount, &mut self.events)?;
        let rest = allowance.checked_sub(amount).ok_or(EscrowRefusal::AllowanceTooLow)?;
        self.state.escrow.approve(from, self.sender, rest, &mut self.events)?;
        Ok(())
    }
}
