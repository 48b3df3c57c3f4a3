//! What the hub's owner may do: add categories, name the enclave broker, hand the hub over.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::category::Category;
use crate::event::Event;
use crate::rules::WORK_CLOCK_SECONDS_MAX;
use crate::types::CategoryId;
use alloy_primitives::{Address, U256};

/// A transaction that configures the hub; only its owner may send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OwnerCall {
    /// Names who authorizes enclaves in place of pool owners; zero for nobody.
    SetTeeBroker {
        /// Who.
        broker: Address,
    },
    /// Hands the hub over.
    TransferOwnership {
        /// To whom.
        to: Address,
    },
    /// Leaves the hub without an owner for good.
    RenounceOwnership,
    /// Sets the gas that callbacks are granted.
    SetCallbackGas {
        /// How much.
        gas: U256,
    },
    /// Configures the hub once more, which is refused.
    Configure,
    /// Names the registries anew: here always the same.
    ChangeRegistries,
}

impl Execution<'_> {
    pub(super) fn configure(&mut self, call: &OwnerCall) -> Result<Value, Refusal> {
        if *call == OwnerCall::RenounceOwnership && !self.state.rules.let_owner_renounce() {
            return Err(Refusal::FunctionUnknown);
        }
        self.check_hub_owner()?;
        match *call {
            OwnerCall::SetTeeBroker { broker } => self.state.tee_broker.set(broker),
            OwnerCall::TransferOwnership { to } => {
                if to.is_zero() && self.state.rules.are_ours() {
                    return Err(Refusal::NewOwnerIsZero);
                }
                self.set_owner(to);
            }
            OwnerCall::RenounceOwnership => self.set_owner(Address::ZERO),
            OwnerCall::SetCallbackGas { gas } => self.state.callback_gas.set(gas),
            OwnerCall::Configure => return Err(Refusal::Configured),
            OwnerCall::ChangeRegistries => {}
        }
        Ok(Value::Nothing)
    }

    fn set_owner(&mut self, to: Address) {
        let from = self.state.owner.get();
        self.state.owner.set(to);
        self.events.push(Event::OwnershipTransferred { from, to });
    }

    pub(super) fn create_category(&mut self, category: Category) -> Result<Value, Refusal> {
        self.check_hub_owner()?;
        let is_long = category.work_clock_time_ref_seconds > WORK_CLOCK_SECONDS_MAX;
        if is_long && self.state.rules.are_ours() {
            return Err(Refusal::WorkClockTooLong);
        }
        let number = self.state.category_count();
        self.events.push(Event::CreateCategory {
            category: CategoryId(number),
            name: category.name.clone(),
            description: category.description.clone(),
            work_clock_time_ref_seconds: category.work_clock_time_ref_seconds,
        });
        self.state.categories.set(number, category);
        Ok(Value::Category(CategoryId(number)))
    }

    pub(super) fn check_hub_owner(&self) -> Result<(), Refusal> {
        if self.sender == self.state.owner.get() { Ok(()) } else { Err(Refusal::NotTheHubOwner) }
    }
}
