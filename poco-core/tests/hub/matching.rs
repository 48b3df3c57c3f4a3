//! One order after the other is bent, and the hub says which rule it breaks.

use crate::market::{Market, RLC, nano, party};
use poco_core::call::{Call, SignedTerms};
use poco_core::escrow::EscrowRefusal;
use poco_core::hub::{Refusal, RegistryCall};
use poco_core::matching::{self, Mismatch, Terms};
use poco_core::order::Order;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, DatasetOrder, DealId, OrderKind, Release, RequestOrder,
    Rules, Tag, U256, WorkerpoolOrder,
};

type Orders = (AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder);
type Bend = fn(&mut Orders);
type Forge = fn(&mut SignedTerms, Bytes);

const STRANGER: Address = Address::repeat_byte(0x77);

fn orders(market: &Market) -> Orders {
    (
        market.app_order(),
        market.dataset_order(),
        market.workerpool_order(),
        market.request_order(5, 3),
    )
}

fn matched(market: &mut Market, orders: Orders) -> Result<DealId, Refusal> {
    let (app, dataset, workerpool, request) = orders;
    let terms = market.sign(app, dataset, workerpool, request);
    market.match_terms(terms)
}

fn a_bit() -> Tag {
    Tag(B256::with_last_byte(0x40))
}

/// Each rule that the four orders alone decide, with the least that breaks it.
const BENT: [(Mismatch, Bend); 24] = [
    (Mismatch::CategoryDiffers, |o| o.3.category = U256::ONE),
    (Mismatch::CategoryUnknown, |o| {
        o.2.category = U256::from(5);
        o.3.category = U256::from(5);
    }),
    (Mismatch::TrustTooHigh, |o| o.3.trust = U256::from(1_001)),
    (Mismatch::AppPriceTooHigh, |o| o.0.price = nano(3 * RLC + 1)),
    (Mismatch::DatasetPriceTooHigh, |o| o.1.price = nano(2 * RLC + 1)),
    (Mismatch::WorkerpoolPriceTooHigh, |o| o.2.price = nano(20 * RLC + 1)),
    (Mismatch::WorkerpoolLacksTag, |o| o.3.tag = a_bit()),
    (Mismatch::WorkerpoolLacksTag, |o| o.0.tag = a_bit()),
    (Mismatch::WorkerpoolLacksTag, |o| o.1.tag = a_bit()),
    (Mismatch::AppLacksEnclave, |o| {
        o.2.tag = Tag::TEE;
        o.3.tag = Tag::TEE;
    }),
    (Mismatch::AppDiffers, |o| o.3.app = STRANGER),
    (Mismatch::DatasetDiffers, |o| o.3.dataset = STRANGER),
    (Mismatch::DatasetDiffers, |o| o.3.dataset = Address::ZERO),
    (Mismatch::RequestRestrictsWorkerpool, |o| o.3.workerpool = STRANGER),
    (Mismatch::AppRestrictsDataset, |o| o.0.dataset_restrict = STRANGER),
    (Mismatch::AppRestrictsWorkerpool, |o| o.0.workerpool_restrict = STRANGER),
    (Mismatch::AppRestrictsRequester, |o| o.0.requester_restrict = STRANGER),
    (Mismatch::DatasetRestrictsApp, |o| o.1.app_restrict = STRANGER),
    (Mismatch::DatasetRestrictsWorkerpool, |o| o.1.workerpool_restrict = STRANGER),
    (Mismatch::DatasetRestrictsRequester, |o| o.1.requester_restrict = STRANGER),
    (Mismatch::WorkerpoolRestrictsApp, |o| o.2.app_restrict = STRANGER),
    (Mismatch::WorkerpoolRestrictsDataset, |o| o.2.dataset_restrict = STRANGER),
    (Mismatch::WorkerpoolRestrictsRequester, |o| o.2.requester_restrict = STRANGER),
    (Mismatch::NothingLeft, |o| o.1.volume = U256::ZERO),
];

#[test]
fn each_rule_of_the_match_has_its_own_refusal() {
    for (mismatch, bend) in BENT {
        let mut market = Market::new();
        let mut orders = orders(&market);
        bend(&mut orders);
        let refusal = matched(&mut market, orders.clone()).unwrap_err();
        assert_eq!(refusal, Refusal::Match(mismatch));
        let text = format!("iExecV5-matchOrders-0x{:02x}", mismatch.code());
        assert_eq!(refusal.reference_text().as_deref(), Some(text.as_str()));
        // Whoever explains asks for all broken rules and finds this one alone.
        let (app, dataset, workerpool, request) = orders;
        let terms = market.sign(app, dataset, workerpool, request);
        let SignedTerms { app, dataset, workerpool, request } = &terms;
        let (app, dataset) = (&app.order, &dataset.order);
        let plain = Terms { app, dataset, workerpool: &workerpool.order, request: &request.order };
        let mut broken = matching::mismatches(&plain, &market.hub.match_facts(&terms));
        // Where a request points elsewhere, what it points to is not registered either; and a
        // pool that lacks a tag may lack the enclave too. The rule itself comes first.
        broken.truncate(1);
        assert_eq!(broken, [mismatch]);
    }
}

#[test]
fn a_restriction_to_a_group_admits_its_members() {
    for (mismatch, bend) in BENT.into_iter().filter(|(mismatch, _)| {
        // The ten restrictions.
        (0x12..=0x1b).contains(&mismatch.code())
    }) {
        let mut market = Market::new();
        let mut orders = orders(&market);
        bend(&mut orders);
        let counterparts =
            [market.app, market.dataset, market.workerpool, market.requester.address];
        assert_eq!(matched(&mut market, orders.clone()), Err(Refusal::Match(mismatch)));
        for counterpart in counterparts {
            market.hub.contracts_mut().add_member(STRANGER, counterpart);
        }
        assert!(matched(&mut market, orders).is_ok(), "{mismatch}");
    }
}

#[test]
fn entries_must_be_registered() {
    let unknown = [
        (OrderKind::App, Mismatch::AppUnknown),
        (OrderKind::Dataset, Mismatch::DatasetUnknown),
        (OrderKind::Workerpool, Mismatch::WorkerpoolUnknown),
    ];
    for (kind, mismatch) in unknown {
        let mut market = Market::new();
        let (mut app, mut dataset, mut workerpool, mut request) = orders(&market);
        match kind {
            OrderKind::App => (app.app, request.app) = (STRANGER, STRANGER),
            OrderKind::Dataset => (dataset.dataset, request.dataset) = (STRANGER, STRANGER),
            OrderKind::Workerpool => workerpool.workerpool = STRANGER,
            OrderKind::Request => unreachable!("requests have no registry"),
        }
        let refusal = matched(&mut market, (app, dataset, workerpool, request));
        assert_eq!(refusal, Err(Refusal::Match(mismatch)));
    }
}

#[test]
fn each_order_needs_the_signature_of_its_owner() {
    let mut market = Market::new();
    let good = market.terms(5, 3);
    let forged = party("forger").sign(B256::repeat_byte(9));
    let forge: [(Mismatch, Forge); 4] = [
        (Mismatch::AppUnsigned, |terms, sign| terms.app.sign = sign),
        (Mismatch::DatasetUnsigned, |terms, sign| terms.dataset.sign = sign),
        (Mismatch::WorkerpoolUnsigned, |terms, sign| terms.workerpool.sign = sign),
        (Mismatch::RequestUnsigned, |terms, sign| terms.request.sign = sign),
    ];
    for (mismatch, set) in forge {
        let mut terms = good.clone();
        set(&mut terms, forged.clone());
        assert_eq!(market.match_terms(terms.clone()), Err(Refusal::Match(mismatch)));
        set(&mut terms, Bytes::new());
        assert_eq!(market.match_terms(terms), Err(Refusal::SignatureFormat));
    }
    market.match_terms(good).unwrap();
}

#[test]
fn the_zero_address_signs_nothing() {
    let mut market = Market::new();
    let mut terms = market.terms(5, 3);
    terms.request.order.requester = Address::ZERO;
    let unsigned = Err(Refusal::Match(Mismatch::RequestUnsigned));
    let call = Call::SponsorMatchOrders(Box::new(terms.clone()));
    assert_eq!(market.call(&party("sponsor"), call).map(|_| ()), unsigned);
    // Nor does a signature from which nobody can be recovered stand for it.
    terms.request.sign = Bytes::from_static(&[0; 65]);
    let call = Call::SponsorMatchOrders(Box::new(terms));
    assert_eq!(market.call(&party("sponsor"), call).map(|_| ()), unsigned);
}

#[test]
fn the_current_owner_signs_not_the_first() {
    let mut market = Market::new();
    let terms = market.terms(5, 3);
    let transfer = RegistryCall::Transfer {
        kind: OrderKind::App,
        resource: market.app,
        to: party("buyer").address,
    };
    let refusal = market.hub.registry_call(party("buyer").address, &transfer);
    assert_eq!(refusal, Err(Refusal::NotTheResourceOwner));
    market.hub.registry_call(market.app_owner.address, &transfer).unwrap();
    let refusal = market.match_terms(terms.clone());
    assert_eq!(refusal, Err(Refusal::Match(Mismatch::AppUnsigned)));
    let app = party("buyer").sign_order(terms.app.order.clone(), market.hub.domain_separator());
    let deal = market.match_terms(SignedTerms { app, ..terms }).unwrap();
    assert_eq!(market.hub.deal(deal).unwrap().app.owner, party("buyer").address);
}

#[test]
fn a_contract_signs_as_it_says_itself() {
    let mut market = Market::new();
    let wallet = Address::repeat_byte(0xcc);
    market.fund(wallet, 100 * RLC);
    let (app, dataset, workerpool, mut request) = orders(&market);
    request.requester = wallet;
    let hash = request.hash(market.hub.domain_separator()).0;
    let mut terms = market.sign(app, dataset, workerpool, request);
    terms.request.sign = Bytes::from_static(b"what the wallet understands");
    assert_eq!(market.match_terms(terms.clone()), Err(Refusal::SignatureFormat));
    market.hub.contracts_mut().add_wallet(wallet);
    let refusal = market.match_terms(terms.clone());
    assert_eq!(refusal, Err(Refusal::Match(Mismatch::RequestUnsigned)));
    market.hub.contracts_mut().accept(wallet, hash, terms.request.sign.clone());
    market.match_terms(terms).unwrap();
}

#[test]
fn the_short_form_of_a_signature_is_as_good() {
    let mut market = Market::new();
    let mut terms = market.terms(5, 3);
    let mut compact = terms.request.sign.to_vec();
    let v = compact.pop().unwrap();
    if v == 28 {
        compact[32] |= 0x80;
    }
    terms.request.sign = compact.into();
    market.match_terms(terms).unwrap();
}

#[test]
fn a_null_dataset_order_has_no_effect() {
    let mut market = Market::new();
    let (app, _, workerpool, request) = orders(&market);
    let request = RequestOrder { dataset: Address::ZERO, ..request };
    let null = DatasetOrder {
        price: Amount(U256::MAX),
        tag: Tag(B256::repeat_byte(0xff)),
        app_restrict: STRANGER,
        workerpool_restrict: STRANGER,
        requester_restrict: STRANGER,
        ..DatasetOrder::default()
    };
    let id = matched(&mut market, (app, null, workerpool, request)).unwrap();
    let deal = market.hub.deal(id).unwrap();
    assert_eq!(deal.dataset, poco_core::Resource::default());
    assert_eq!(deal.tag, Tag::NONE);
    assert_eq!(market.frozen(&market.requester), nano(69 * RLC));
}

#[test]
fn a_datasets_kind_of_enclave_does_not_bind_the_pool() {
    let mut market = Market::new();
    let (mut app, mut dataset, mut workerpool, request) = orders(&market);
    app.tag = Tag::TEE | Tag::TDX;
    workerpool.tag = Tag::TEE | Tag::TDX;
    dataset.tag = Tag::TEE | Tag::SCONE;
    let id = matched(&mut market, (app, dataset, workerpool, request)).unwrap();
    assert_eq!(market.hub.deal(id).unwrap().tag, Tag::TEE | Tag::TDX);
}

#[test]
fn orders_are_filled_in_parts() {
    let mut market = Market::new();
    let request = market.request_order(5, 10);
    let separator = market.hub.domain_separator();
    let request_hash = request.hash(separator);
    let small = |volume, salt| WorkerpoolOrder {
        volume: U256::from(volume),
        salt: B256::with_last_byte(salt),
        ..market.workerpool_order()
    };
    let pools = [small(4, 1), small(3, 2), small(100, 3)];
    let mut sizes = Vec::new();
    for (pool, first) in pools.into_iter().zip([0u64, 4, 7]) {
        let terms = market.sign(market.app_order(), market.dataset_order(), pool, request.clone());
        let id = market.match_terms(terms.clone()).unwrap();
        assert_eq!(id, DealId::of_match(request_hash, U256::from(first)));
        let deal = market.hub.deal(id).unwrap();
        assert_eq!(deal.bot_first, U256::from(first));
        sizes.push(deal.bot_size.to::<u64>());
        if first == 0 {
            let refusal = market.match_terms(terms);
            assert_eq!(refusal, Err(Refusal::Match(Mismatch::NothingLeft)));
        }
    }
    assert_eq!(sizes, [4, 3, 3]);
    assert_eq!(market.hub.consumed(request_hash), U256::from(10));
    assert_eq!(market.hub.consumed(market.app_order().hash(separator)), U256::from(10));
}

#[test]
fn a_sponsor_pays_for_another() {
    let mut market = Market::new();
    let terms = market.terms(5, 3);
    let call = Call::SponsorMatchOrders(Box::new(terms));
    let outcome = market.call(&party("sponsor"), call).unwrap();
    let sponsored = outcome.events.last().unwrap();
    let sponsor = market.sponsor.address;
    assert!(
        matches!(sponsored, poco_core::Event::DealSponsored { sponsor: by, .. } if *by == sponsor)
    );
    assert_eq!(market.frozen(&market.sponsor), nano(75 * RLC));
    assert_eq!(market.frozen(&market.requester), Amount::ZERO);
}

#[test]
fn whoever_locks_needs_free_stake() {
    let mut market = Market::new();
    // The pool's owner has 1000 RLC and would stake 6 RLC a task; the requester 1000 for 25 each.
    let terms = market.terms(5, 41);
    let refusal = market.match_terms(terms).unwrap_err();
    assert_eq!(refusal, Refusal::Escrow(EscrowRefusal::FreeTooLow));
    let text = "IexecEscrow: Transfer amount exceeds balance";
    assert_eq!(refusal.reference_text().as_deref(), Some(text));
    let all = market.free(&market.pool_owner);
    market.call(&party("pool owner"), Call::Withdraw { amount: all }).unwrap();
    let terms = market.terms(5, 1);
    assert_eq!(market.match_terms(terms), Err(Refusal::Escrow(EscrowRefusal::FreeTooLow)));
}

#[test]
fn a_deal_keeps_the_pools_terms_of_its_match() {
    let mut market = Market::new();
    let task = market.open_task(1);
    market.set_policy(500, 100);
    let transfer = RegistryCall::Transfer {
        kind: OrderKind::Workerpool,
        resource: market.workerpool,
        to: STRANGER,
    };
    market.hub.registry_call(market.pool_owner.address, &transfer).unwrap();
    let digest = crate::market::digest("right");
    market.contribute(task, &party("w1"), digest).unwrap();
    assert_eq!(market.frozen(&party("w1")), nano(7 * RLC));
    market.reveal(task, &party("w1"), digest).unwrap();
    market.finalize(task).unwrap();
    assert_eq!(market.free(&party("w1")), nano(1_019 * RLC));
    assert_eq!(market.hub.account(STRANGER).free, Amount::ZERO);
}

#[test]
fn the_payer_pays_before_the_pools_stake_is_computed() {
    for rules in [Rules::Ours, Rules::Reference(Release::V6_1_0)] {
        let mut market = Market::by(rules);
        // No worker stakes anything, so that only the pool's 30 percent leave 256 bits.
        market.set_policy(0, 5);
        let price = Amount(U256::MAX >> 2);
        let mut pool = market.workerpool_order();
        pool.price = price;
        let mut request = market.request_order(1, 1);
        request.workerpool_price_max = price;
        let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
        let refusal = market.match_terms(terms).unwrap_err();
        assert_eq!(refusal, Refusal::Escrow(EscrowRefusal::FreeTooLow));
    }
}
