//! Orders of the world, signed and matched.

use crate::world::{APP, OWNER, POOL, REQUESTER, SIGN, START, World, nano};
use poco_core::call::{Call, SignedTerms};
use poco_core::hub::Value;
use poco_core::order::Order;
use poco_core::payout::worker_stake;
use poco_core::{
    Address, Amount, AppOrder, B256, DealId, OrderMark, RequestOrder, Signed, U256,
    WorkerpoolOrder, keccak256,
};
use poco_scheduler_core::{Funds, Input, OrderTerms, Weighed};

/// Tells what the owner has, at a gas price of 2 wei.
pub(crate) fn funds(world: &mut World, gas_wei: u64, stake_free: u64) {
    world.tell(Input::Funds(Funds {
        gas_wei: U256::from(gas_wei),
        gas_price_wei: U256::from(2),
        stake_free: Amount::from_nano(stake_free),
        stake_locked: Amount::ZERO,
    }));
}

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

    /// What a vote for a task of the orders to come stakes.
    pub(crate) fn stake_of_a_vote(&self) -> Amount {
        // The usual policy of a pool.
        worker_stake(nano(1000), U256::from(30)).unwrap()
    }

    /// Asks what would become of an order, and hears the guard's answers.
    pub(crate) fn weigh(&mut self, terms: &OrderTerms) -> Weighed {
        let weighed = self.core.weigh_order(terms);
        self.tell(Input::Timer);
        weighed
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
