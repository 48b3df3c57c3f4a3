//! What the hub's owner may do: add categories, name the enclave broker, hand the hub over.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::category::Category;
use crate::event::Event;
use crate::types::CategoryId;
use alloy_primitives::Address;

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
}

impl Execution<'_> {
    pub(super) fn configure(&mut self, call: &OwnerCall) -> Result<Value, Refusal> {
        self.check_hub_owner()?;
        match *call {
            OwnerCall::SetTeeBroker { broker } => self.state.tee_broker.set(broker),
            OwnerCall::TransferOwnership { to } => {
                let from = self.state.owner.get();
                self.state.owner.set(to);
                self.events.push(Event::OwnershipTransferred { from, to });
            }
        }
        Ok(Value::Nothing)
    }

    pub(super) fn create_category(&mut self, category: Category) -> Result<Value, Refusal> {
        self.check_hub_owner()?;
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
