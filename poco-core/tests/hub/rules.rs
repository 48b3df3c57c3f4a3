//! What our rules change: each difference on both sides.

use crate::market::{Market, RLC, digest, nano, party};
use poco_core::escrow::EscrowRefusal;
use poco_core::hub::{OwnerCall, Refusal, SideCall};
use poco_core::rules::{CONTRIBUTIONS_MAX, IMPORTED_SCORE_MAX, Release};
use poco_core::{Address, B256, Call, ResultSeal, Rules, U256};

const REFERENCE: Rules = Rules::Reference(Release::V6_1_0);

/// The score of a worker after a task of two right contributions at this percentage of stake.
fn score_after_a_task(rules: Rules, worker_stake_ratio: u64) -> U256 {
    let mut market = Market::by(rules);
    market.set_policy(worker_stake_ratio, 5);
    let task = market.open_task(4);
    let workers = [party("w1"), party("w2"), party("w3"), party("w4"), party("w5")];
    let mut revealing = Vec::new();
    for worker in &workers {
        if market.contribute(task, worker, digest("right")).is_ok() {
            revealing.push(worker);
        }
    }
    for worker in &revealing {
        market.reveal(task, worker, digest("right")).unwrap();
    }
    assert!(revealing.len() > 1);
    market.finalize(task).unwrap();
    market.hub.score(workers[0].address)
}

#[test]
fn a_score_rises_only_with_stake_at_risk() {
    assert_eq!(score_after_a_task(Rules::Ours, 0), U256::ZERO);
    assert_eq!(score_after_a_task(Rules::Ours, 30), U256::ONE);
    assert_eq!(score_after_a_task(REFERENCE, 0), U256::ONE);
}

#[test]
fn a_task_takes_so_many_contributions_and_no_more() {
    for (rules, last) in [(Rules::Ours, Err(Refusal::TooManyContributions)), (REFERENCE, Ok(()))] {
        let mut market = Market::by(rules);
        market.set_policy(0, 5);
        let (mut pool, mut request) = (market.workerpool_order(), market.request_order(1, 1));
        (pool.trust, request.trust) = (U256::ONE << 100, U256::ONE << 100);
        let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
        let deal = market.match_terms(terms).unwrap();
        let task = market.initialize(deal, 0);
        for number in 0..CONTRIBUTIONS_MAX {
            let (worker, text) = (party(&format!("one {number}")), format!("result {number}"));
            market.contribute(task, &worker, digest(&text)).unwrap();
        }
        let one_more = market.contribute(task, &party("one more"), digest("one more"));
        assert_eq!(one_more.map(|_| ()), last, "{rules:?}");
    }
}

#[test]
fn a_seal_of_all_ones_is_refused() {
    for (rules, wanted) in [(Rules::Ours, Err(Refusal::SealReserved)), (REFERENCE, Ok(()))] {
        let mut market = Market::by(rules);
        let task = market.open_task(1);
        let worker = party("w1");
        let mut vote = market.contribution(task, &worker, digest("right"));
        vote.seal = ResultSeal(B256::repeat_byte(0xff));
        assert_eq!(market.call(&worker, Call::Contribute(vote)).map(|_| ()), wanted, "{rules:?}");
    }
}

#[test]
fn stake_cannot_be_withdrawn_to_nobody() {
    let withdraw = Call::WithdrawTo { amount: nano(RLC), target: Address::ZERO };
    let requester = party("requester");
    let refused = Market::new().call(&requester, withdraw.clone());
    assert_eq!(refused, Err(Refusal::Escrow(EscrowRefusal::TransferToZero)));
    assert!(Market::by(REFERENCE).call(&requester, withdraw).is_ok());
}

#[test]
fn a_hub_is_given_up_by_renouncing_and_not_by_mistake() {
    for (rules, to_nobody, renounced) in [
        (Rules::Ours, Err(Refusal::NewOwnerIsZero), Ok(())),
        (REFERENCE, Ok(()), Err(Refusal::FunctionUnknown)),
    ] {
        let owner = party("hub owner").address;
        let to = Address::ZERO;
        let transfer = OwnerCall::TransferOwnership { to };
        let answer = Market::by(rules).hub.owner_call(owner, &transfer);
        assert_eq!(answer.map(|_| ()), to_nobody, "{rules:?}");
        let answer = Market::by(rules).hub.owner_call(owner, &OwnerCall::RenounceOwnership);
        assert_eq!(answer.map(|_| ()), renounced, "{rules:?}");
    }
}

#[test]
fn an_imported_score_never_leaves_64_bits() {
    let worker = party("w1").address;
    let import = SideCall::ImportScore { worker };
    for (rules, beyond) in [(Rules::Ours, Err(Refusal::ScoreTooLarge)), (REFERENCE, Ok(()))] {
        let mut market = Market::by(rules);
        let most = U256::from(IMPORTED_SCORE_MAX);
        market.hub.contracts_mut().set_old_score(worker, most + U256::ONE);
        let answer = market.hub.side_call(worker, market.now, &import);
        assert_eq!(answer.map(|_| ()), beyond, "{rules:?}");
        let mut market = Market::by(rules);
        market.hub.contracts_mut().set_old_score(worker, most);
        market.hub.side_call(worker, market.now, &import).unwrap();
        assert_eq!(market.hub.score(worker), most);
    }
}
