//! Signing and closing orders on chain.

use super::refusal::Refusal;
use super::{Execution, Value};
use crate::event::{AnyOrder, Event};
use crate::order::{Order, OrderKind, OrderOperation};
use alloy_primitives::{Address, Bytes};

impl Execution<'_> {
    pub(super) fn manage_order(
        &mut self,
        order: &AnyOrder,
        operation: OrderOperation,
        sign: &Bytes,
    ) -> Result<Value, Refusal> {
        match order {
            AnyOrder::App(signed) => {
                let owner = self.resource_owner(OrderKind::App, signed.order.app)?;
                self.manage(&signed.order, owner, operation, sign)
            }
            AnyOrder::Dataset(signed) => {
                let owner = self.resource_owner(OrderKind::Dataset, signed.order.dataset)?;
                self.manage(&signed.order, owner, operation, sign)
            }
            AnyOrder::Workerpool(signed) => {
                let owner = self.resource_owner(OrderKind::Workerpool, signed.order.workerpool)?;
                self.manage(&signed.order, owner, operation, sign)
            }
            AnyOrder::Request(signed) => {
                self.manage(&signed.order, signed.order.requester, operation, sign)
            }
        }
    }

    fn manage<O: Order>(
        &mut self,
        order: &O,
        owner: Address,
        operation: OrderOperation,
        sign: &Bytes,
    ) -> Result<Value, Refusal> {
        let separator = self.state.domain_separator;
        if owner != self.sender {
            let hash = order.operation_hash(operation, separator);
            if !self.state.is_signed(owner, hash, sign)? {
                return Err(Refusal::SenderOrSignature);
            }
        }
        let hash = order.hash(separator);
        match operation {
            OrderOperation::Sign => {
                self.state.presigned.set(hash, owner);
                self.events.push(Event::OrderSigned { kind: O::KIND, order: hash });
            }
            OrderOperation::Close => {
                self.state.consumed.set(hash, order.volume());
                self.events.push(Event::OrderClosed { kind: O::KIND, order: hash });
            }
        }
        Ok(Value::Nothing)
    }

    fn resource_owner(&self, kind: OrderKind, resource: Address) -> Result<Address, Refusal> {
        if let Some(entry) = self.state.entries.find(&(kind, resource)) {
            return Ok(entry.owner);
        }
        // Registration is not asked for: any contract with an owner will do.
        self.state.owner_of(resource).ok_or(Refusal::ResourceUnknown)
    }
}
