//! Signing and closing orders on chain, enclaves, and what the hub's owner may do.

use crate::market::{Market, START, digest, party};
use poco_core::call::Call;
use poco_core::event::AnyOrder;
use poco_core::hub::{OwnerCall, Policy, Refusal, RegistryCall, Value};
use poco_core::matching::Mismatch;
use poco_core::message::{authorization_hash, enclave_hash};
use poco_core::order::{Order, OrderOperation};
use poco_core::{
    Address, Bytes, CategoryId, Event, OrderKind, Release, RequestOrder, Rules, Signed, Tag,
    TaskId, U256,
};

fn manage(order: RequestOrder, operation: OrderOperation, sign: Bytes) -> Call {
    let order = Box::new(AnyOrder::Request(Signed { order, sign: Bytes::new() }));
    Call::ManageOrder { order, operation, sign }
}

#[test]
fn an_order_signed_on_chain_needs_no_other_signature() {
    let mut market = Market::new();
    let mut terms = market.terms(5, 3);
    terms.request.sign = Bytes::new();
    let request = terms.request.order.clone();
    let order = request.hash(market.hub.domain_separator());
    let sign = manage(request, OrderOperation::Sign, Bytes::new());
    // Another's empty signature has the wrong length before it is wrong.
    assert_eq!(market.call(&party("w1"), sign.clone()), Err(Refusal::SignatureFormat));
    let outcome = market.call(&party("requester"), sign).unwrap();
    assert_eq!(outcome.events, [Event::OrderSigned { kind: OrderKind::Request, order }]);
    assert_eq!(market.hub.presigned(order), market.requester.address);
    market.match_terms(terms).unwrap();
}

#[test]
fn anybody_may_bring_the_owners_signature_over_the_operation() {
    let mut market = Market::new();
    let terms = market.terms(5, 3);
    let request = terms.request.order.clone();
    let separator = market.hub.domain_separator();
    let close_hash = request.operation_hash(OrderOperation::Close, separator);
    let sign_hash = request.operation_hash(OrderOperation::Sign, separator);
    let close = |sign| manage(request.clone(), OrderOperation::Close, sign);
    for wrong in [
        party("w1").sign(close_hash),
        market.requester.sign(sign_hash),
        market.requester.sign(request.hash(separator).0),
    ] {
        let refusal = market.call(&party("w1"), close(wrong)).unwrap_err();
        assert_eq!(refusal, Refusal::SenderOrSignature);
        assert_eq!(refusal.reference_text().as_deref(), Some("invalid-sender-or-signature"));
    }
    let right = market.requester.sign(close_hash);
    let outcome = market.call(&party("w1"), close(right)).unwrap();
    let order = request.hash(separator);
    assert_eq!(outcome.events, [Event::OrderClosed { kind: OrderKind::Request, order }]);
    assert_eq!(market.hub.consumed(order), request.volume);
    assert_eq!(market.match_terms(terms), Err(Refusal::Match(Mismatch::NothingLeft)));
}

#[test]
fn every_kind_of_order_is_closed_by_its_owner() {
    let unsigned = |market: &Market| {
        let terms = market.terms(5, 3);
        [
            ("app owner", AnyOrder::App(terms.app)),
            ("dataset owner", AnyOrder::Dataset(terms.dataset)),
            ("pool owner", AnyOrder::Workerpool(terms.workerpool)),
            ("requester", AnyOrder::Request(terms.request)),
        ]
    };
    let mut market = Market::new();
    for (owner, order) in unsigned(&market) {
        let close = Call::ManageOrder {
            order: Box::new(order),
            operation: OrderOperation::Close,
            sign: Bytes::new(),
        };
        assert_eq!(market.call(&party("w1"), close.clone()), Err(Refusal::SignatureFormat));
        market.call(&party(owner), close).unwrap();
        let terms = market.terms(5, 3);
        assert_eq!(market.match_terms(terms), Err(Refusal::Match(Mismatch::NothingLeft)));
    }
}

#[test]
fn an_order_of_an_unknown_entry_has_no_owner() {
    let mut market = Market::new();
    let mut terms = market.terms(5, 3);
    terms.app.order.app = Address::repeat_byte(0x77);
    let order = Box::new(AnyOrder::App(terms.app));
    let close = Call::ManageOrder { order, operation: OrderOperation::Close, sign: Bytes::new() };
    assert_eq!(market.call(&party("app owner"), close), Err(Refusal::ResourceUnknown));
}

/// A deal that asks for an enclave, with its task opened.
fn enclave_task(market: &mut Market) -> TaskId {
    let (mut app, mut pool) = (market.app_order(), market.workerpool_order());
    (app.tag, pool.tag) = (Tag::TEE | Tag::TDX, Tag::TEE | Tag::TDX);
    let request = market.request_order(1, 1);
    let terms = market.sign(app, market.dataset_order(), pool, request);
    let deal = market.match_terms(terms).unwrap();
    market.initialize(deal, 0)
}

#[test]
fn an_enclave_signs_what_it_computed() {
    let mut market = Market::new();
    let task = enclave_task(&mut market);
    let (worker, enclave) = (party("w1"), party("enclave"));
    let mut vote = market.contribution(task, &worker, digest("right"));
    let refusal = market.call(&worker, Call::Contribute(vote.clone()));
    assert_eq!(refusal, Err(Refusal::EnclaveChallengeMissing));

    vote.enclave_challenge = enclave.address;
    let refusal = market.call(&worker, Call::Contribute(vote.clone()));
    assert_eq!(refusal, Err(Refusal::AuthorizationInvalid));
    let authorization = authorization_hash(worker.address, task, enclave.address);
    vote.authorization_sign = market.pool_owner.sign(authorization);
    vote.enclave_sign = worker.sign(enclave_hash(vote.hash, vote.seal));
    let refusal = market.call(&worker, Call::Contribute(vote.clone()));
    assert_eq!(refusal, Err(Refusal::EnclaveSignatureInvalid));
    vote.enclave_sign = enclave.sign(enclave_hash(vote.hash, vote.seal));
    market.call(&worker, Call::Contribute(vote)).unwrap();
    let view = market.hub.contribution(task, worker.address);
    assert_eq!(view.enclave_challenge, enclave.address);
}

#[test]
fn with_a_broker_the_pool_does_not_authorize_enclaves() {
    let mut market = Market::new();
    let task = enclave_task(&mut market);
    let (worker, enclave, broker) = (party("w1"), party("enclave"), party("broker"));
    let set = OwnerCall::SetTeeBroker { broker: broker.address };
    let refusal = market.hub.owner_call(worker.address, &set);
    assert_eq!(refusal, Err(Refusal::NotTheHubOwner));
    market.hub.owner_call(market.owner.address, &set).unwrap();

    let authorization = authorization_hash(worker.address, task, enclave.address);
    let mut vote = market.contribution(task, &worker, digest("right"));
    vote.enclave_challenge = enclave.address;
    vote.enclave_sign = enclave.sign(enclave_hash(vote.hash, vote.seal));
    vote.authorization_sign = market.pool_owner.sign(authorization);
    let refusal = market.call(&worker, Call::Contribute(vote.clone()));
    assert_eq!(refusal, Err(Refusal::AuthorizationInvalid));
    vote.authorization_sign = broker.sign(authorization);
    market.call(&worker, Call::Contribute(vote)).unwrap();
}

#[test]
fn the_owner_of_the_hub_adds_categories() {
    let mut market = Market::new();
    let create = Call::CreateCategory {
        name: "XXL".into(),
        description: "days".into(),
        work_clock_time_ref_seconds: 86_400,
    };
    let refusal = market.call(&party("w1"), create.clone()).unwrap_err();
    assert_eq!(refusal.reference_text().as_deref(), Some("Ownable: caller is not the owner"));
    let outcome = market.call(&party("hub owner"), create).unwrap();
    assert_eq!(outcome.value, Value::Category(CategoryId(5)));
    assert_eq!(market.hub.category_count(), 6);
    assert_eq!(market.hub.category(CategoryId(5)).unwrap().name, "XXL");
    assert_eq!(market.hub.category(CategoryId(6)), None);

    let (mut pool, mut request) = (market.workerpool_order(), market.request_order(1, 1));
    (pool.category, request.category) = (U256::from(5), U256::from(5));
    let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
    let deal = market.match_terms(terms).unwrap();
    let task = market.initialize(deal, 0);
    assert_eq!(market.hub.task(task).final_deadline, START.after(864_000));
}

#[test]
fn a_pool_keeps_at_most_all_of_the_reward() {
    let mut market = Market::by(Rules::Reference(Release::V6_2_0));
    let policy = Policy { worker_stake_ratio: U256::MAX, scheduler_reward_ratio: U256::from(101) };
    let change = RegistryCall::ChangePolicy { workerpool: market.workerpool, policy };
    let owner = market.pool_owner.address;
    assert_eq!(market.hub.registry_call(owner, &change), Err(Refusal::RatioAboveHundred));
    // A stake of 2^256 - 1 percent is a pool's right, and no deal can be made with it.
    let policy = Policy { scheduler_reward_ratio: U256::from(100), ..policy };
    let change = RegistryCall::ChangePolicy { workerpool: market.workerpool, policy };
    market.hub.registry_call(owner, &change).unwrap();
    let terms = market.terms(1, 1);
    assert_eq!(market.match_terms(terms), Err(Refusal::Overflow));
}
