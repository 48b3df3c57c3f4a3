//! Marked orders in the model, as `contracts/test/Conditions.t.sol` has them on the hub.

use crate::market::{Market, RLC, START, T, digest, nano, party};
use poco_core::call::Call;
use poco_core::hub::{BoostCall, Refusal, SideCall, Value};
use poco_core::mark::agreement::Disagreement;
use poco_core::mark::{Conditions, ConditionsEvent, DealConditions, OrderMark};
use poco_core::payout::KITTY;
use poco_core::rules::{Release, Rules};
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, B256, Bytes, Event, TaskId, Timestamp, U256, keccak256};

const GUARD: Address = Address::repeat_byte(0x77);
const RESULTS: Bytes = Bytes::from_static(b"/ipfs/result");

fn salt(conditions: Conditions, expiry: Option<Timestamp>, epoch: u16) -> B256 {
    OrderMark::new(conditions, expiry, epoch, GUARD).unwrap().to_salt()
}

fn asks(conditions: Conditions) -> B256 {
    salt(conditions, None, 0)
}

/// A market with a task under `conditions`, opened, of the given trust.
fn open_under(conditions: Conditions, trust: u64) -> (Market, TaskId) {
    let mut market = Market::new();
    let id = open(&mut market, conditions, trust);
    (market, id)
}

fn open(market: &mut Market, conditions: Conditions, trust: u64) -> TaskId {
    let mut pool = market.workerpool_order();
    let mut request = market.request_order(trust, 1);
    if !conditions.is_none() {
        pool.salt = asks(conditions);
        request.salt = asks(conditions);
    }
    let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
    let deal = market.match_terms(terms).unwrap();
    assert_eq!(market.hub.deal_conditions(deal), DealConditions::new(conditions, GUARD));
    market.initialize(deal, 0)
}

fn finalize(task: TaskId, results: &Bytes, results_callback: &Bytes) -> Call {
    Call::Finalize { task, results: results.clone(), results_callback: results_callback.clone() }
}

fn bound() -> poco_core::ResultDigest {
    poco_core::ResultDigest(keccak256(&RESULTS))
}

#[test]
fn a_deal_tells_its_conditions_between_its_notice_and_its_match() {
    let mut market = Market::new();
    let mut terms = market.terms(1, 1);
    terms.workerpool = {
        let mut order = market.workerpool_order();
        order.salt = asks(Conditions::OFFERED);
        market.pool_owner.sign_order(order, market.hub.domain_separator())
    };
    terms.request = {
        let mut order = market.request_order(1, 1);
        order.salt = asks(Conditions::KNOWN_WORKERS);
        market.requester.sign_order(order, market.hub.domain_separator())
    };
    let outcome = market.call(&party("anybody"), Call::MatchOrders(Box::new(terms))).unwrap();
    let Value::Deal(deal) = outcome.value else { panic!("{outcome:?}") };
    let conditions = DealConditions::new(Conditions::KNOWN_WORKERS, GUARD);
    let told = Event::Conditions(ConditionsEvent::DealConditions { deal, conditions });
    let at = outcome.events.iter().position(|event| *event == told).unwrap();
    assert!(matches!(outcome.events[at - 1], Event::SchedulerNotice { .. }));
    assert!(matches!(outcome.events[at + 1], Event::OrdersMatched { .. }));
}

#[test]
fn the_reference_takes_a_mark_for_any_other_salt() {
    for release in [Release::V6_1_0, Release::V6_2_0] {
        let mut market = Market::by(Rules::Reference(release));
        let mut request = market.request_order(1, 1);
        request.salt = salt(Conditions::from_bits(255), Some(Timestamp(1)), 9);
        let terms = market.sign(
            market.app_order(),
            market.dataset_order(),
            market.workerpool_order(),
            request,
        );
        let deal = market.match_terms(terms).unwrap();
        assert_eq!(market.hub.deal_conditions(deal), DealConditions::NONE);
        let raised = market.hub.side_call(market.requester.address, START, &SideCall::RaiseEpoch);
        assert_eq!(raised, Err(Refusal::FunctionUnknown));
    }
}

#[test]
fn other_refusals_come_before_those_of_marks() {
    let mut market = Market::new();
    let mut request = market.request_order(1, 0);
    request.salt = salt(Conditions::NONE, Some(START), 0);
    let of = |market: &Market, request| {
        market.sign(market.app_order(), market.dataset_order(), market.workerpool_order(), request)
    };
    let nothing = of(&market, request.clone());
    let refused = market.match_terms(nothing).unwrap_err();
    assert_eq!(refused, Refusal::Match(poco_core::matching::Mismatch::NothingLeft));
    request.volume = U256::ONE;
    let expired = of(&market, request);
    let signer = market.requester.address;
    let refusal = Disagreement::OrderExpired { signer, expiry: START };
    assert_eq!(market.match_terms(expired), Err(Refusal::Marks(refusal)));
}

#[test]
fn a_raised_epoch_cancels_marked_orders_until_the_bits_are_spent() {
    let mut market = Market::new();
    let owner = market.app_owner.address;
    let outcome = market.hub.side_call(owner, START, &SideCall::RaiseEpoch).unwrap();
    let told = ConditionsEvent::EpochRaised { account: owner, epoch: 1 };
    assert_eq!(outcome.events, [Event::Conditions(told)]);
    assert_eq!((outcome.value, market.hub.epoch(owner)), (Value::Epoch(1), 1));
    let mut app = market.app_order();
    app.salt = asks(Conditions::NONE);
    let request = market.request_order(1, 1);
    let terms = market.sign(app, market.dataset_order(), market.workerpool_order(), request);
    let refusal = Disagreement::OrderOfOtherEpoch { signer: owner, epoch: 0, current: 1 };
    assert_eq!(market.match_terms(terms), Err(Refusal::Marks(refusal)));
    for _ in 1..u16::MAX {
        market.hub.side_call(owner, START, &SideCall::RaiseEpoch).unwrap();
    }
    let spent = market.hub.side_call(owner, START, &SideCall::RaiseEpoch);
    assert_eq!(spent, Err(Refusal::EpochsSpent));
}

#[test]
fn a_sponsor_pays_for_whom_asks_for_one() {
    let mut market = Market::new();
    let mut request = market.request_order(1, 1);
    request.salt = asks(Conditions::SPONSOR_ONLY);
    let (app, dataset) = (market.app_order(), market.dataset_order());
    let terms = market.sign(app, dataset, market.workerpool_order(), request);
    let missing = Disagreement::SponsorMissing { requester: market.requester.address };
    assert_eq!(market.match_terms(terms.clone()), Err(Refusal::Marks(missing)));
    let before = market.free(&market.requester);
    let sponsor = party("sponsor");
    market.call(&sponsor, Call::SponsorMatchOrders(Box::new(terms))).unwrap();
    assert_eq!(market.free(&market.requester), before);
}

#[test]
fn the_boost_lane_refuses_conditions() {
    let market = Market::new();
    let mut hub = market.hub.clone();
    let (mut pool, mut request) = (market.workerpool_order(), market.request_order(1, 1));
    pool.salt = asks(Conditions::STRICT_REVEALS);
    request.salt = asks(Conditions::STRICT_REVEALS);
    let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
    let call = BoostCall::Match { terms: Box::new(terms), is_sponsored: false };
    let conditions = Conditions::STRICT_REVEALS;
    let refusal = Disagreement::ConditionsWithoutLane { conditions };
    let refused = hub.boost_call(party("anybody").address, START, &call);
    assert_eq!(refused, Err(Refusal::Marks(refusal)));
}

#[test]
fn a_stake_that_leaves_256_bits_is_found_before_marks_in_both_lanes() {
    let mut market = Market::new();
    let (mut pool, mut request) = (market.workerpool_order(), market.request_order(1, 1));
    request.salt = salt(Conditions::NONE, Some(START), 0);
    let huge = Amount(U256::ONE << 255);
    (pool.price, request.workerpool_price_max) = (huge, huge);
    let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
    let boost = BoostCall::Match { terms: Box::new(terms.clone()), is_sponsored: false };
    let refused = market.hub.boost_call(party("anybody").address, START, &boost);
    assert_eq!(refused, Err(Refusal::Overflow));
    let classic = Call::MatchOrders(Box::new(terms));
    assert_eq!(market.call(&party("anybody"), classic), Err(Refusal::Overflow));
}

#[test]
fn only_workers_and_enclaves_that_the_guard_knows_vote() {
    let (mut market, id) = open_under(Conditions::GUARDED, 2);
    let worker = party("w1");
    assert_eq!(market.contribute(id, &worker, digest("right")), Err(Refusal::WorkerNotKnown));
    market.hub.contracts_mut().add_member(GUARD, worker.address);
    market.contribute(id, &worker, digest("right")).unwrap();

    let id = open(&mut market, Conditions::KNOWN_ENCLAVES | Conditions::STRICT_REVEALS, 2);
    let enclave = party("enclave");
    let mut vote = market.contribution(id, &worker, digest("right"));
    vote.enclave_challenge = enclave.address;
    let message = poco_core::message::authorization_hash(worker.address, id, enclave.address);
    vote.authorization_sign = market.pool_owner.sign(message);
    vote.enclave_sign = enclave.sign(poco_core::message::enclave_hash(vote.hash, vote.seal));
    let call = Call::Contribute(vote);
    assert_eq!(market.call(&worker, call.clone()), Err(Refusal::EnclaveNotKnown));
    market.hub.contracts_mut().add_enclave(GUARD, enclave.address);
    market.call(&worker, call).unwrap();
}

#[test]
fn bound_results_are_those_that_were_voted_for_and_anyone_tells_them_at_last() {
    let (mut market, id) = open_under(Conditions::BOUND_RESULTS, 2);
    let worker = party("w1");
    market.contribute(id, &worker, bound()).unwrap();
    market.reveal(id, &worker, bound()).unwrap();
    let owner = party("pool owner");
    let none = Bytes::new();
    for (results, callback) in
        [(Bytes::from_static(b"other"), &none), (none.clone(), &none), (RESULTS, &RESULTS)]
    {
        let refused = market.call(&owner, finalize(id, &results, callback));
        assert_eq!(refused, Err(Refusal::ResultsUnlikeDigest));
    }
    let stranger = party("anybody");
    let right = finalize(id, &RESULTS, &none);
    assert_eq!(market.call(&stranger, right.clone()), Err(Refusal::NotThePoolOwner));
    market.now = START.after(2 * T);
    let outcome = market.call(&stranger, right).unwrap();
    let told = ConditionsEvent::ResultsBound { task: id, digest: bound() };
    assert_eq!(outcome.events.first(), Some(&Event::Conditions(told)));
    assert_eq!(market.hub.task(id).status, TaskStatus::Completed);

    let plain = open(&mut market, Conditions::NONE, 2);
    market.contribute(plain, &worker, bound()).unwrap();
    market.reveal(plain, &worker, bound()).unwrap();
    market.now = market.now.after(2 * T);
    let refused = market.call(&stranger, finalize(plain, &RESULTS, &none));
    assert_eq!(refused, Err(Refusal::NotThePoolOwner));
}

#[test]
fn the_fast_lane_binds_results_too() {
    let (mut market, id) = open_under(Conditions::BOUND_RESULTS, 1);
    let worker = party("w1");
    let mut whole = market.whole(id, &worker, bound());
    whole.results = Bytes::from_static(b"other");
    let refused = market.call(&worker, Call::ContributeAndFinalize(whole.clone()));
    assert_eq!(refused, Err(Refusal::ResultsUnlikeDigest));
    whole.results = RESULTS;
    market.call(&worker, Call::ContributeAndFinalize(whole)).unwrap();
}

#[test]
fn who_withholds_a_reveal_pays_though_the_task_is_claimed() {
    for (conditions, pays) in [(Conditions::NONE, false), (Conditions::STRICT_REVEALS, true)] {
        let mut market = Market::with_scores(&[("w1", 9), ("w2", 9)]);
        let id = open(&mut market, conditions, 4);
        let workers = [party("w1"), party("w2")];
        let before = workers.each_ref().map(|worker| market.free(worker));
        for worker in &workers {
            market.contribute(id, worker, digest("right")).unwrap();
        }
        market.reveal(id, &workers[0], digest("right")).unwrap();
        market.now = START.after(10 * T);
        market.call(&party("anybody"), Call::Claim { task: id }).unwrap();
        let stake = nano(7 * RLC);
        assert_eq!(market.free(&workers[0]), before[0]);
        let left = if pays { before[1].checked_sub(stake).unwrap() } else { before[1] };
        assert_eq!(market.free(&workers[1]), left, "{conditions}");
        let score = if pays { 6 } else { 9 };
        assert_eq!(market.hub.score(workers[1].address), U256::from(score));
        let kitty = if pays { 13 * RLC } else { 6 * RLC };
        assert_eq!(market.hub.account(KITTY).frozen, nano(kitty));
    }
}

#[test]
fn a_reopened_task_of_a_strict_deal_has_time_for_new_votes() {
    for (conditions, has_time) in [(Conditions::NONE, false), (Conditions::STRICT_REVEALS, true)] {
        let (mut market, id) = open_under(conditions, 2);
        market.contribute(id, &party("w1"), digest("right")).unwrap();
        market.now = START.after(8 * T);
        market.call(&party("pool owner"), Call::Reopen { task: id }).unwrap();
        let end = if has_time { 9 * T } else { 7 * T };
        assert_eq!(market.hub.task(id).contribution_deadline, START.after(end));
        market.now = START.after(9 * T - 1);
        let vote = market.contribute(id, &party("w2"), digest("right"));
        assert_eq!(vote.is_ok(), has_time, "{conditions}: {vote:?}");
        if !has_time {
            continue;
        }
        // The time for reveals ends with the task.
        assert_eq!(market.hub.task(id).reveal_deadline, START.after(10 * T));
        let before = market.free(&party("w1"));
        market.now = START.after(10 * T);
        market.call(&party("anybody"), Call::Claim { task: id }).unwrap();
        // Both withheld: the one that was rejected, and the one of the end.
        assert_eq!(market.free(&party("w1")), before);
        assert_eq!(market.hub.account(KITTY).frozen, nano(20 * RLC));
    }
}
