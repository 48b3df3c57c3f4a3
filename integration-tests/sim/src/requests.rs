//! Requesters, and the world's accounts before anything happens: orders are signed, stakes lie in
//! the hub, bonds stand.

use crate::chain::{HubCall, START};
use crate::process::Host;
use crate::sandbox::FAILING;
use crate::scenario::{AppKind, OrderPlan, Scenario};
use crate::villains::UNPROVABLE;
use crate::world::{Event, World};
use poco_core::call::SignedTerms;
use poco_core::hub::{Config, Hub, RegistryCall, TokenCall};
use poco_core::lane::LaneCall;
use poco_core::order::Order;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, Call, Conditions, OrderKind, OrderMark, RequestOrder,
    Rules, Signed, U256, WorkerpoolOrder, keccak256,
};

pub(crate) const POOL: Address = Address::repeat_byte(0xb1);
pub(crate) const HUB: Address = Address::repeat_byte(0xee);
const APP: Address = Address::repeat_byte(0xa1);
const REQUESTER: Address = Address::repeat_byte(0x0d);
const CALLBACK: Address = Address::repeat_byte(0xca);
/// The signature that the wallets of app provider and requester accept for what they signed.
const SIGN: Bytes = Bytes::from_static(b"signed");

/// What everybody has to begin with.
const WEALTH: Amount = Amount::from_nano(1_000_000_000);
const PRICE: Amount = Amount::from_nano(10_000);
const BOND: Amount = Amount::from_nano(500_000);

/// Signed orders that fit each other.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) terms: Box<SignedTerms>,
    pub(crate) hash: poco_core::OrderHash,
    pub(crate) volume: U256,
}

/// The hub with everybody's stake, and the orders of the plan.
pub(crate) fn arrange(
    scenario: &Scenario,
    owner: Address,
    workers: &[Address],
    sybils: &[Address],
) -> (Hub, Vec<Request>) {
    let standard = Config::standard(Rules::Ours, 31337, HUB, owner);
    let scores = workers.iter().zip(&scenario.workers);
    let scores = scores.map(|(worker, plan)| (*worker, U256::from(plan.score)));
    let mut hub = Hub::new(Config { scores: scores.collect(), ..standard });
    for (kind, resource, of) in
        [(OrderKind::App, APP, REQUESTER), (OrderKind::Workerpool, POOL, owner)]
    {
        let call = RegistryCall::Create { kind, resource, owner: of };
        hub.registry_call(of, &call).expect("a new entry is registered");
    }
    for account in [owner, REQUESTER].iter().chain(workers).chain(sybils) {
        hub.mint_tokens(*account, WEALTH).expect("tokens fit");
        let deposit = TokenCall::ApproveHubAndCall { amount: WEALTH };
        hub.token_call(*account, &deposit).expect("a deposit of what is there");
    }
    for (worker, plan) in workers.iter().zip(&scenario.workers) {
        if plan.has_bond {
            let bond = LaneCall::Bond { workerpool: POOL, amount: BOND };
            hub.lane_call(*worker, START, &bond).expect("a bond of what is there");
        }
    }
    let plans = scenario.orders.iter().zip(1u64..);
    let requests = plans.map(|(plan, number)| sign_all(&mut hub, owner, plan, number)).collect();
    (hub, requests)
}

fn sign_all(hub: &mut Hub, owner: Address, plan: &OrderPlan, number: u64) -> Request {
    let salt = salt_of(plan, number);
    let volume = U256::from(plan.volume);
    let app = AppOrder { app: APP, volume, salt, ..AppOrder::default() };
    let workerpool = WorkerpoolOrder {
        workerpool: POOL,
        price: PRICE,
        volume,
        trust: U256::MAX,
        salt,
        ..WorkerpoolOrder::default()
    };
    let request = RequestOrder {
        app: APP,
        workerpool_price_max: PRICE,
        requester: REQUESTER,
        volume,
        trust: U256::from(plan.trust),
        callback: if plan.has_callback { CALLBACK } else { Address::ZERO },
        params: match plan.app {
            AppKind::Provable => String::new(),
            AppKind::Unprovable => UNPROVABLE.into(),
            AppKind::Failing => FAILING.into(),
        },
        salt,
        ..RequestOrder::default()
    };
    let hash = request.hash(hub.domain_separator());
    let terms = SignedTerms {
        app: sign(hub, REQUESTER, app),
        dataset: Signed::default(),
        workerpool: sign(hub, owner, workerpool),
        request: sign(hub, REQUESTER, request),
    };
    Request { terms: Box::new(terms), hash, volume }
}

/// A salt that no other order has, and that says what is to be kept.
fn salt_of(plan: &OrderPlan, number: u64) -> B256 {
    if !plan.is_strict {
        return keccak256(number.to_be_bytes());
    }
    let expiry = START.after(1_000_000 + number);
    let mark = OrderMark::new(Conditions::STRICT_REVEALS, Some(expiry), 0, Address::ZERO);
    mark.expect("a mark without a guard").to_salt()
}

fn sign<O: Order>(hub: &mut Hub, signer: Address, order: O) -> Signed<O> {
    let hash = order.hash(hub.domain_separator()).0;
    hub.contracts_mut().accept(signer, hash, SIGN);
    Signed { order, sign: SIGN }
}

impl World {
    /// A requester matches its orders, again and again until they are used up: the chain may forget.
    pub(crate) fn request(&mut self, place: usize) {
        let Request { terms, hash, volume } = self.requests[place].clone();
        if self.chain.hub().consumed(hash) < volume {
            let sender = crate::process::Wallet::named("requester").address;
            let next = self.chain.used(sender);
            if !self.chain.waiting.contains_key(&(sender, next)) {
                self.send_raw(sender, HubCall::Classic(Box::new(Call::MatchOrders(terms))));
            }
        }
        self.after(5_000, Event::Request { place });
    }

    /// Sends a transaction without any care, as people and villains do.
    pub(crate) fn send_raw(&mut self, sender: Address, call: HubCall) {
        let data = self.chain.encode(call);
        // The lowest that is free: a reorg may have lost those before others that wait.
        let mut nonce = self.chain.used(sender);
        while self.chain.waiting.contains_key(&(sender, nonce)) {
            nonce += 1;
        }
        self.last_raw += 1;
        let hash = keccak256(format!("{sender} {nonce} {}", self.last_raw));
        let fees = poco_chain_core::Fees { fee_wei_max: u128::MAX / 100, tip_wei_max: 1 };
        self.chain.take(crate::chain::Waiting { hash, sender, nonce, fees, data });
        self.mine_soon();
    }

    /// Whom the world knows as its pool's owner.
    pub(crate) fn owner(&self) -> Address {
        self.process(Host::SCHEDULER).wallet.address
    }

    pub(crate) fn requester() -> Address {
        REQUESTER
    }
}
