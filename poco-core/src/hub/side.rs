//! What can be asked of the hub beside [`crate::Call`]: calls that no party needs for a task.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::call::SignedTerms;
use crate::escrow::EscrowRefusal;
use crate::event::{AnyOrder, Event};
use crate::rules::{IMPORTED_SCORE_MAX, Release, Rules};
use crate::types::Amount;
use alloc::boxed::Box;
use alloy_primitives::{Address, U256};

/// A transaction to the hub beside those of [`crate::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SideCall {
    /// Raises an allowance over free stake.
    IncreaseAllowance {
        /// Who may spend.
        spender: Address,
        /// How much more.
        added: Amount,
    },
    /// Lowers an allowance over free stake.
    DecreaseAllowance {
        /// Who may spend.
        spender: Address,
        /// How much less.
        subtracted: Amount,
    },
    /// Sets an allowance over free stake and tells the spender, a contract.
    ApproveAndCall {
        /// Who may spend.
        spender: Address,
        /// The whole allowance.
        amount: Amount,
    },
    /// What the token calls from its `approveAndCall`, and anybody can: a deposit for `owner`, whose
    /// tokens the hub may take.
    ReceiveApproval {
        /// Whose tokens, and whose stake.
        owner: Address,
        /// How much.
        amount: Amount,
        /// Whether the token named is the hub's.
        is_token: bool,
        /// Orders to match with it, whose requester is the owner.
        terms: Option<Box<SignedTerms>>,
    },
    /// Publishes an order; nothing is checked.
    Broadcast(
        /// The order.
        Box<AnyOrder>,
    ),
    /// Takes over a worker's score from an earlier hub, once.
    ImportScore {
        /// Whose.
        worker: Address,
    },
    /// Cancels all marked orders that the sender has signed.
    RaiseEpoch,
    /// Computes the domain separator anew: nothing, as long as the chain keeps its id.
    UpdateDomainSeparator,
}

impl Execution<'_> {
    pub(super) fn side(&mut self, call: &SideCall) -> Result<Value, Refusal> {
        match call {
            SideCall::IncreaseAllowance { spender, added } => {
                let allowance = self.state.escrow.allowance(self.sender, *spender);
                let raised = allowance.checked_add(*added).ok_or(Refusal::Overflow)?;
                self.allow(*spender, raised)
            }
            SideCall::DecreaseAllowance { spender, subtracted } => {
                let allowance = self.state.escrow.allowance(self.sender, *spender);
                let lowered =
                    allowance.checked_sub(*subtracted).ok_or(EscrowRefusal::AllowanceTooLow)?;
                self.allow(*spender, lowered)
            }
            SideCall::ApproveAndCall { spender, amount } => {
                self.allow(*spender, *amount)?;
                self.tell(*spender)
            }
            SideCall::ReceiveApproval { owner, amount, is_token, terms } => {
                if !is_token {
                    return Err(Refusal::WrongToken);
                }
                self.state.token.take(*owner, *amount)?;
                self.state.escrow.mint(*owner, *amount, &mut self.events)?;
                if let Some(terms) = terms {
                    self.match_for(*owner, terms)?;
                }
                Ok(Value::True)
            }
            SideCall::Broadcast(order) => {
                self.events.push(Event::OrderBroadcast(order.clone()));
                Ok(Value::Nothing)
            }
            SideCall::ImportScore { worker } => self.import_score(*worker),
            SideCall::RaiseEpoch => self.raise_epoch(),
            SideCall::UpdateDomainSeparator => Ok(Value::Nothing),
        }
    }

    fn allow(&mut self, spender: Address, amount: Amount) -> Result<Value, Refusal> {
        self.state.escrow.approve(self.sender, spender, amount, &mut self.events)?;
        Ok(Value::True)
    }

    /// Asks the spender whether it takes the approval; the hub itself knows only its token's.
    fn tell(&self, spender: Address) -> Result<Value, Refusal> {
        if spender == self.state.hub {
            return Err(Refusal::WrongToken);
        }
        match self.state.contracts.spender_answer(spender) {
            Some(true) => Ok(Value::True),
            Some(false) => Err(Refusal::ApprovalRefused),
            None => Err(Refusal::SpenderSilent),
        }
    }

    fn match_for(&mut self, owner: Address, terms: &SignedTerms) -> Result<(), Refusal> {
        if self.state.rules == Rules::Reference(Release::V6_1_0) {
            return Ok(());
        }
        if terms.request.order.requester != owner {
            return Err(Refusal::NotTheRequester);
        }
        self.match_orders(terms).map(|_| ())
    }

    fn import_score(&mut self, worker: Address) -> Result<Value, Refusal> {
        if self.state.imported.find(&worker).is_some() {
            return Err(Refusal::ScoreImported);
        }
        let old = self.state.contracts.old_score(worker);
        if self.state.rules.are_ours() && old > U256::from(IMPORTED_SCORE_MAX) {
            return Err(Refusal::ScoreTooLarge);
        }
        self.state.imported.set(worker, ());
        let score = self.state.scores.get(&worker).max(old);
        self.state.scores.set(worker, score);
        Ok(Value::Nothing)
    }
}
