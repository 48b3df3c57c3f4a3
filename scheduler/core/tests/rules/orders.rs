//! Orders of the world, signed and matched.

use crate::world::{APP, OWNER, POOL, REQUESTER, SIGN, START, World, nano};
use poco_core::call::{Call, SignedTerms};
use poco_core::hub::Value;
use poco_core::order::Order;
use poco_core::{
    Address, AppOrder, B256, DealId, OrderMark, RequestOrder, Signed, U256, WorkerpoolOrder,
    keccak256,
};

impl World {
    /// Matches a request of `volume` tasks at `trust`.
    pub(crate) fn order(&mut self, trust: u64, volume: u64) -> DealId {
        self.salt += 1;
        let salt = self.next_salt();
        let app = AppOrder { app: APP, volume: U256::from(volume), salt, ..AppOrder::default() };
        let workerpool = WorkerpoolOrder {
            workerpool: POOL,
            price: nano(1000),
            volume: U256::from(volume),
            trust: U256::MAX,
            tag: self.tag,
            salt,
            ..WorkerpoolOrder::default()
        };
        let request = RequestOrder {
            app: APP,
            workerpool_price_max: nano(1000),
            tag: self.tag,
            requester: self.requester,
            volume: U256::from(volume),
            trust: U256::from(trust),
            salt,
            ..RequestOrder::default()
        };
        let terms = SignedTerms {
            app: self.sign(REQUESTER, app),
            dataset: Signed::default(),
            workerpool: self.sign(OWNER, workerpool),
            request: self.sign(self.requester, request),
        };
        let value = self.call(self.requester, Call::MatchOrders(Box::new(terms))).unwrap();
        let Value::Deal(deal) = value else { panic!("a match made {value:?}") };
        deal
    }

    /// A salt that no other order has, and that says what is to be kept.
    fn next_salt(&self) -> B256 {
        let conditions = self.conditions.conditions();
        if conditions.is_none() {
            return keccak256([self.salt]);
        }
        let expiry = START.after(1_000_000 + u64::from(self.salt));
        let guard = self.conditions.guard().unwrap_or_default();
        OrderMark::new(conditions, Some(expiry), 0, guard).unwrap().to_salt()
    }

    fn sign<O: Order>(&mut self, owner: Address, order: O) -> Signed<O> {
        let hash = order.hash(self.hub.domain_separator()).0;
        self.hub.contracts_mut().accept(owner, hash, SIGN);
        Signed { order, sign: SIGN }
    }
}
