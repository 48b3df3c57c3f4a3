//! The boost lane: matched, then pushed or claimed, without a task in between.

use crate::market::{Market, RLC, T, nano, party};
use poco_core::hub::{BoostCall, BoostRefusal, Outcome, Push, Refusal, Value};
use poco_core::message::authorization_hash;
use poco_core::payout::KITTY;
use poco_core::rules::Release;
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, Bytes, DealId, Event, Rules, TaskId, Timestamp, U256};

const REFERENCE: Rules = Rules::Reference(Release::V6_1_0);

fn boost(market: &mut Market, sender: &str, call: &BoostCall) -> Result<Outcome, Refusal> {
    let before = market.hub.clone();
    let result = market.hub.boost_call(party(sender).address, market.now, call);
    assert!(result.is_ok() || market.hub == before, "a refused call changed something");
    result
}

fn deal(market: &mut Market, trust: u64, is_sponsored: bool) -> Result<DealId, Refusal> {
    let terms = Box::new(market.terms(trust, 2));
    let call = BoostCall::Match { terms, is_sponsored };
    let outcome = boost(market, if is_sponsored { "sponsor" } else { "anybody" }, &call)?;
    let Value::Deal(deal) = outcome.value else { panic!("a match returned {outcome:?}") };
    Ok(deal)
}

fn push(market: &mut Market, deal: DealId, index: u64) -> Result<Outcome, Refusal> {
    let index = U256::from(index);
    let task = TaskId::of_deal(deal, index);
    let message = authorization_hash(party("w1").address, task, Address::ZERO);
    let push = Push {
        deal,
        index,
        results: Bytes::from_static(b"/ipfs/result"),
        results_callback: Bytes::new(),
        authorization_sign: market.pool_owner.sign(message),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
    };
    boost(market, "w1", &BoostCall::Push(push))
}

fn claim(market: &mut Market, deal: DealId, index: u64) -> Result<Outcome, Refusal> {
    boost(market, "anybody", &BoostCall::Claim { deal, index: U256::from(index) })
}

fn price(market: &Market, deal: DealId) -> Amount {
    market.hub.boosted_deal(deal).unwrap().task_price().unwrap()
}

#[test]
fn a_pushed_task_pays_everybody_and_ends_once() {
    let mut market = Market::new();
    let deal = deal(&mut market, 1, false).unwrap();
    let price = price(&market, deal);
    let outcome = push(&mut market, deal, 0).unwrap();
    let pushed = Event::ResultPushedBoost {
        deal,
        index: U256::ZERO,
        results: Bytes::from_static(b"/ipfs/result"),
    };
    assert_eq!(outcome.events.last(), Some(&pushed));
    assert_eq!(market.frozen(&party("requester")), price);
    assert!(market.free(&party("w1")) > nano(1_000 * RLC));
    let task = TaskId::of_deal(deal, U256::ZERO);
    assert_eq!(market.hub.task(task).status, TaskStatus::Completed);
    assert_eq!(push(&mut market, deal, 0), Err(BoostRefusal::TaskEnded.into()));
    assert_eq!(push(&mut market, deal, 2), Err(BoostRefusal::TaskUnknown.into()));
}

#[test]
fn a_claim_refunds_at_the_deadline_of_contributions() {
    let mut market = Market::new();
    let deal = deal(&mut market, 0, false).unwrap();
    assert_eq!(claim(&mut market, deal, 1), Err(BoostRefusal::TooEarly.into()));
    market.now = Timestamp(market.now.0 + 7 * T);
    assert_eq!(push(&mut market, deal, 1), Err(BoostRefusal::TooLate.into()));
    claim(&mut market, deal, 0).unwrap();
    claim(&mut market, deal, 1).unwrap();
    assert_eq!(market.free(&party("requester")), nano(1_000 * RLC));
    assert_eq!(market.frozen(&party("pool owner")), Amount::ZERO);
    assert!(!market.hub.account(KITTY).frozen.is_zero());
    assert_eq!(claim(&mut market, deal, 1), Err(BoostRefusal::TaskEnded.into()));
}

#[test]
fn whoever_locked_the_price_pays_it_by_our_rules() {
    let mut market = Market::new();
    let deal = deal(&mut market, 1, true).unwrap();
    push(&mut market, deal, 0).unwrap();
    assert_eq!(market.frozen(&party("sponsor")), price(&market, deal));
    assert_eq!(market.free(&party("requester")), nano(1_000 * RLC));
}

#[test]
fn by_the_references_rules_the_requester_pays_for_the_sponsor() {
    let mut market = Market::by(REFERENCE);
    let sponsored = deal(&mut market, 1, true).unwrap();
    // The requester has locked nothing.
    assert!(matches!(push(&mut market, sponsored, 0), Err(Refusal::Escrow(_))));
    let mut request = market.request_order(1, 2);
    request.salt = poco_core::B256::repeat_byte(7);
    let terms =
        market.sign(market.app_order(), market.dataset_order(), market.workerpool_order(), request);
    let call = BoostCall::Match { terms: Box::new(terms), is_sponsored: false };
    boost(&mut market, "anybody", &call).unwrap();
    let locked = market.frozen(&party("requester"));
    push(&mut market, sponsored, 0).unwrap();
    let price = price(&market, sponsored);
    assert_eq!(locked.checked_sub(price), Some(market.frozen(&party("requester"))));
}

#[test]
fn the_lane_takes_one_workers_trust_alone() {
    let mut market = Market::new();
    assert_eq!(deal(&mut market, 2, false), Err(BoostRefusal::TrustTooHigh.into()));
    let words = Refusal::from(BoostRefusal::TrustTooHigh).reference_text();
    assert_eq!(words.as_deref(), Some("PocoBoost: Bad trust level"));
}
