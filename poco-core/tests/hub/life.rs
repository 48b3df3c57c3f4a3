//! The life of a task, step by step, with every event.

use crate::market::{HUB, Market, RLC, START, T, digest, nano, party};
use poco_core::call::Call;
use poco_core::hub::{Refusal, Value};
use poco_core::payout::KITTY;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{
    Address, Amount, B256, Bytes, Event, ResultDigest, ResultHash, TaskId, Timestamp, U256,
};

fn transfer(from: Address, to: Address, amount: u64) -> Event {
    Event::Transfer { from, to, amount: nano(amount) }
}

fn lock(owner: Address, amount: u64) -> Event {
    Event::Lock { owner, amount: nano(amount) }
}

fn unlock(owner: Address, amount: u64) -> Event {
    Event::Unlock { owner, amount: nano(amount) }
}

fn seize(owner: Address, amount: u64, reference: B256) -> Event {
    Event::Seize { owner, amount: nano(amount), reference }
}

fn reward(owner: Address, amount: u64, reference: B256) -> Event {
    Event::Reward { owner, amount: nano(amount), reference }
}

#[test]
fn a_match_locks_prices_and_stake_and_reports_in_order() {
    let mut market = Market::new();
    let terms = market.terms(5, 3);
    let facts = market.hub.match_facts(&terms);
    assert_eq!(facts.category_count, 5);
    let call = Call::MatchOrders(Box::new(terms));
    let outcome = market.call(&party("anybody"), call).unwrap();
    let Value::Deal(id) = outcome.value else { panic!("{:?}", outcome.value) };
    let requester = market.requester.address;
    let pool_owner = market.pool_owner.address;
    assert_eq!(
        outcome.events[..5],
        [
            transfer(requester, HUB, 75 * RLC),
            lock(requester, 75 * RLC),
            transfer(pool_owner, HUB, 18 * RLC),
            lock(pool_owner, 18 * RLC),
            Event::SchedulerNotice { workerpool: market.workerpool, deal: id },
        ]
    );
    assert!(
        matches!(outcome.events[5], Event::OrdersMatched { volume, .. } if volume == U256::from(3))
    );
    assert_eq!(outcome.events.len(), 6);
    let deal = market.hub.deal(id).unwrap();
    assert_eq!(deal.worker_stake, nano(7 * RLC));
    assert_eq!(deal.scheduler_reward_ratio, U256::from(5));
    assert_eq!(deal.start_time, START);
    assert_eq!(deal.sponsor, requester);
}

#[test]
fn the_example_of_the_protocol_is_paid_to_the_digit() {
    let mut market = Market::with_scores(&[("w1", 12), ("w2", 100), ("w3", 300)]);
    let task = market.open_task(100);
    let (w1, w2, w3) = (party("w1"), party("w2"), party("w3"));
    market.contribute(task, &w1, digest("wrong")).unwrap();
    market.contribute(task, &w2, digest("right")).unwrap();
    assert_eq!(market.hub.task(task).status, TaskStatus::Active);
    let outcome = market.contribute(task, &w3, digest("right")).unwrap();
    let consensus = ResultHash::of(task, digest("right"));
    assert_eq!(
        outcome.events,
        [
            transfer(w3.address, HUB, 7 * RLC),
            lock(w3.address, 7 * RLC),
            Event::TaskContribute { task, worker: w3.address, hash: consensus },
            Event::TaskConsensus { task, consensus },
        ]
    );
    assert_eq!(market.hub.contribution(task, w2.address).weight, U256::from(5));
    for worker in [&w2, &w3] {
        let outcome = market.reveal(task, worker, digest("right")).unwrap();
        let digest = digest("right");
        let revealed = Event::TaskReveal { task, worker: worker.address, digest };
        assert_eq!(outcome.events, [revealed]);
    }
    let outcome = market.finalize(task).unwrap();
    let (app_owner, dataset_owner) = (market.app_owner.address, market.dataset_owner.address);
    let (requester, pool_owner) = (market.requester.address, market.pool_owner.address);
    assert_eq!(
        outcome.events,
        [
            seize(requester, 25 * RLC, task.0),
            transfer(HUB, app_owner, 3 * RLC),
            reward(app_owner, 3 * RLC, task.0),
            transfer(HUB, dataset_owner, 2 * RLC),
            reward(dataset_owner, 2 * RLC, task.0),
            transfer(HUB, pool_owner, 6 * RLC),
            unlock(pool_owner, 6 * RLC),
            seize(w1.address, 7 * RLC, task.0),
            Event::FaultyContribution { worker: w1.address, task },
            transfer(HUB, w2.address, 7 * RLC),
            unlock(w2.address, 7 * RLC),
            transfer(HUB, w2.address, 11_659_090_909),
            reward(w2.address, 11_659_090_909, task.0),
            Event::AccurateContribution { worker: w2.address, task },
            transfer(HUB, w3.address, 7 * RLC),
            unlock(w3.address, 7 * RLC),
            transfer(HUB, w3.address, 13_990_909_090),
            reward(w3.address, 13_990_909_090, task.0),
            Event::AccurateContribution { worker: w3.address, task },
            transfer(HUB, pool_owner, 1_350_000_001),
            reward(pool_owner, 1_350_000_001, task.0),
            Event::TaskFinalize { task, results: Bytes::from_static(b"/ipfs/result") },
        ]
    );
    let scores = [&w1, &w2, &w3].map(|worker| market.hub.score(worker.address));
    assert_eq!(scores, [8, 101, 301].map(U256::from));
    assert_eq!(market.hub.task(task).status, TaskStatus::Completed);
    assert_eq!(market.hub.account(HUB).free, Amount::ZERO);
}

#[test]
fn three_fresh_workers_agree_at_trust_five() {
    let mut market = Market::new();
    let task = market.open_task(5);
    for name in ["w1", "w2"] {
        market.contribute(task, &party(name), digest("right")).unwrap();
        assert_eq!(market.hub.task(task).status, TaskStatus::Active);
    }
    market.contribute(task, &party("w3"), digest("right")).unwrap();
    let view = market.hub.task(task);
    assert_eq!(view.status, TaskStatus::Revealing);
    assert_eq!(view.winner_count, 3);
    assert_eq!(view.reveal_deadline, START.after(2 * T));
    assert_eq!(view.contribution_deadline, START.after(7 * T));
    assert_eq!(view.final_deadline, START.after(10 * T));
}

#[test]
fn a_copied_contribution_cannot_be_revealed() {
    let mut market = Market::new();
    let task = market.open_task(5);
    let (honest, copier) = (party("w1"), party("w2"));
    let original = market.contribution(task, &honest, digest("right"));
    market.call(&honest, Call::Contribute(original.clone())).unwrap();
    let mut copy = market.contribution(task, &copier, digest("unknown to the copier"));
    copy.hash = original.hash;
    copy.seal = original.seal;
    market.call(&copier, Call::Contribute(copy)).unwrap();
    market.contribute(task, &party("w3"), digest("right")).unwrap();
    let refusal = market.reveal(task, &copier, digest("right"));
    assert_eq!(refusal, Err(Refusal::SealMismatch));
    let refusal = market.reveal(task, &honest, digest("wrong"));
    assert_eq!(refusal, Err(Refusal::DigestMismatch));
    market.reveal(task, &honest, digest("right")).unwrap();
}

#[test]
fn a_worker_contributes_once_even_after_a_reopening() {
    let mut market = Market::new();
    let task = market.open_task(1);
    let worker = party("w1");
    market.contribute(task, &worker, digest("right")).unwrap();
    assert_eq!(
        market.contribute(task, &party("w2"), digest("right")),
        Err(Refusal::WrongTaskStatus(TaskStatus::Revealing))
    );
    market.now = START.after(2 * T);
    let outcome = market.call(&party("pool owner"), Call::Reopen { task }).unwrap();
    assert_eq!(outcome.events, [Event::TaskReopen { task }]);
    let rejected = market.hub.contribution(task, worker.address).status;
    assert_eq!(rejected, ContributionStatus::Rejected);
    let again = market.contribute(task, &worker, digest("right"));
    assert_eq!(again, Err(Refusal::AlreadyContributed));
    assert_eq!(market.frozen(&worker), nano(7 * RLC));
}

#[test]
fn a_rejected_contribution_never_wins_again_and_its_stake_is_shared_out() {
    let mut market = Market::new();
    let task = market.open_task(3);
    let (w1, w2, w3, w4) = (party("w1"), party("w2"), party("w3"), party("w4"));
    for worker in [&w1, &w2] {
        market.contribute(task, worker, digest("right")).unwrap();
    }
    market.now = START.after(2 * T);
    market.call(&party("pool owner"), Call::Reopen { task }).unwrap();
    for worker in [&w3, &w4] {
        market.contribute(task, worker, digest("right")).unwrap();
    }
    let view = market.hub.task(task);
    assert_eq!((view.status, view.winner_count), (TaskStatus::Revealing, 2));
    let refusal = market.reveal(task, &w1, digest("right"));
    let rejected = ContributionStatus::Rejected;
    assert_eq!(refusal, Err(Refusal::WrongContributionStatus(rejected)));
    for worker in [&w3, &w4] {
        market.reveal(task, worker, digest("right")).unwrap();
    }
    market.finalize(task).unwrap();
    // (20 + 2 * 7) RLC, 95 % of it for two equal workers.
    let reward = 16_150_000_000;
    assert_eq!(market.free(&w3), nano(1_000 * RLC + reward));
    assert_eq!(market.free(&w4), nano(1_000 * RLC + reward));
    assert_eq!(market.free(&w1), nano(993 * RLC));
}

#[test]
fn a_silent_winner_is_slashed_after_the_reveal_deadline() {
    let mut market = Market::new();
    let task = market.open_task(3);
    let (w1, w2) = (party("w1"), party("w2"));
    market.contribute(task, &w1, digest("right")).unwrap();
    market.contribute(task, &w2, digest("right")).unwrap();
    market.reveal(task, &w1, digest("right")).unwrap();
    assert_eq!(market.finalize(task), Err(Refusal::RevealsPending));
    market.now = Timestamp(START.after(2 * T).0 - 1);
    assert_eq!(market.finalize(task), Err(Refusal::RevealsPending));
    market.now = START.after(2 * T);
    let deadline = market.now;
    let late = market.reveal(task, &w2, digest("right"));
    assert_eq!(late, Err(Refusal::TooLate { deadline }));
    let reopened = market.call(&party("pool owner"), Call::Reopen { task });
    assert_eq!(reopened, Err(Refusal::RevealsExist));
    market.finalize(task).unwrap();
    assert_eq!(market.free(&w2), nano(993 * RLC));
    assert_eq!(market.hub.score(w2.address), U256::ZERO);
    assert_eq!(market.hub.score(w1.address), U256::ONE);
}

#[test]
fn nobody_contributes_from_the_deadline_on() {
    let mut market = Market::new();
    let deal = market.match_terms(market.terms(1, 2)).unwrap();
    let tasks = [0, 1].map(|index| market.initialize(deal, index));
    let deadline = START.after(7 * T);
    market.now = deadline;
    let late = Err(Refusal::TooLate { deadline });
    assert_eq!(market.contribute(tasks[0], &party("w1"), digest("right")), late);
    let whole = market.whole(tasks[1], &party("w1"), digest("right"));
    let alone = Call::ContributeAndFinalize(whole);
    assert_eq!(market.call(&party("w1"), alone.clone()), late);
    market.now = Timestamp(deadline.0 - 1);
    market.contribute(tasks[0], &party("w1"), digest("right")).unwrap();
    market.call(&party("w1"), alone).unwrap();
}

#[test]
fn a_consensus_that_nobody_revealed_is_never_paid() {
    let mut market = Market::new();
    let task = market.open_task(1);
    market.contribute(task, &party("w1"), digest("right")).unwrap();
    for now in [START, START.after(2 * T), Timestamp(START.after(10 * T).0 - 1)] {
        market.now = now;
        assert_eq!(market.finalize(task), Err(Refusal::RevealsPending));
    }
}

#[test]
fn only_the_pool_owner_of_the_deal_reopens_and_finalizes() {
    let mut market = Market::new();
    let task = market.open_task(1);
    market.contribute(task, &party("w1"), digest("right")).unwrap();
    market.reveal(task, &party("w1"), digest("right")).unwrap();
    let (results, results_callback) = (Bytes::new(), Bytes::new());
    let finalize = Call::Finalize { task, results, results_callback };
    for stranger in ["w1", "requester", "hub owner"] {
        let refusal = market.call(&party(stranger), finalize.clone());
        assert_eq!(refusal, Err(Refusal::NotThePoolOwner), "{stranger}");
        let refusal = market.call(&party(stranger), Call::Reopen { task });
        assert_eq!(refusal, Err(Refusal::NotThePoolOwner), "{stranger}");
    }
    market.now = START.after(10 * T);
    let deadline = market.now;
    let refusal = market.call(&party("pool owner"), finalize);
    assert_eq!(refusal, Err(Refusal::TooLate { deadline }));
}

#[test]
fn a_claim_refunds_all_but_the_pool() {
    let mut market = Market::new();
    let task = market.open_task(100);
    let (w1, w2) = (party("w1"), party("w2"));
    market.contribute(task, &w1, digest("right")).unwrap();
    market.contribute(task, &w2, digest("wrong")).unwrap();
    let anybody = party("anybody");
    market.now = Timestamp(START.after(10 * T).0 - 1);
    let deadline = START.after(10 * T);
    let early = market.call(&anybody, Call::Claim { task });
    assert_eq!(early, Err(Refusal::TooEarly { deadline }));
    market.now = deadline;
    let outcome = market.call(&anybody, Call::Claim { task }).unwrap();
    let (requester, pool_owner) = (market.requester.address, market.pool_owner.address);
    assert_eq!(
        outcome.events,
        [
            transfer(HUB, requester, 25 * RLC),
            unlock(requester, 25 * RLC),
            seize(pool_owner, 6 * RLC, task.0),
            reward(KITTY, 6 * RLC, task.0),
            lock(KITTY, 6 * RLC),
            transfer(HUB, w1.address, 7 * RLC),
            unlock(w1.address, 7 * RLC),
            transfer(HUB, w2.address, 7 * RLC),
            unlock(w2.address, 7 * RLC),
            Event::TaskClaimed { task },
        ]
    );
    assert_eq!(market.hub.kitty(), nano(6 * RLC));
    assert_eq!(market.free(&market.requester), nano(1_000 * RLC));
    let again = market.call(&anybody, Call::Claim { task });
    assert_eq!(again, Err(Refusal::WrongTaskStatus(TaskStatus::Failed)));
}

#[test]
fn the_next_success_takes_its_part_of_the_kitty() {
    let mut market = Market::new();
    let failed = market.open_task(1);
    market.now = START.after(10 * T);
    market.call(&party("anybody"), Call::Claim { task: failed }).unwrap();
    assert_eq!(market.hub.kitty(), nano(6 * RLC));
    let task = {
        let request =
            poco_core::RequestOrder { salt: B256::repeat_byte(1), ..market.request_order(1, 1) };
        let terms = market.sign(
            market.app_order(),
            market.dataset_order(),
            market.workerpool_order(),
            request,
        );
        let deal = market.match_terms(terms).unwrap();
        market.initialize(deal, 0)
    };
    market.contribute(task, &party("w1"), digest("right")).unwrap();
    market.reveal(task, &party("w1"), digest("right")).unwrap();
    let outcome = market.finalize(task).unwrap();
    let pool_owner = market.pool_owner.address;
    // A tenth is less than 1 RLC, so it is 1 RLC.
    let part = [
        seize(KITTY, RLC, task.0),
        transfer(HUB, pool_owner, RLC),
        reward(pool_owner, RLC, task.0),
    ];
    assert!(outcome.events.windows(3).any(|events| events == part), "{:?}", outcome.events);
    assert_eq!(market.hub.kitty(), nano(5 * RLC));
    // Alone in its task, the worker earns no score.
    assert_eq!(market.hub.score(party("w1").address), U256::ZERO);
}

#[test]
fn one_worker_finishes_a_task_of_trust_one_in_one_call() {
    let mut market = Market::new();
    let task = market.open_task(0);
    let worker = party("w1");
    let whole = market.whole(task, &worker, digest("right"));
    let outcome = market.call(&worker, Call::ContributeAndFinalize(whole)).unwrap();
    let (app_owner, dataset_owner) = (market.app_owner.address, market.dataset_owner.address);
    let (requester, pool_owner) = (market.requester.address, market.pool_owner.address);
    let hash = ResultHash::of(task, digest("right"));
    assert_eq!(
        outcome.events,
        [
            seize(requester, 25 * RLC, task.0),
            transfer(HUB, app_owner, 3 * RLC),
            reward(app_owner, 3 * RLC, task.0),
            transfer(HUB, dataset_owner, 2 * RLC),
            reward(dataset_owner, 2 * RLC, task.0),
            transfer(HUB, pool_owner, 6 * RLC),
            unlock(pool_owner, 6 * RLC),
            transfer(HUB, worker.address, 19 * RLC),
            reward(worker.address, 19 * RLC, task.0),
            transfer(HUB, pool_owner, RLC),
            reward(pool_owner, RLC, task.0),
            Event::TaskContribute { task, worker: worker.address, hash },
            Event::TaskConsensus { task, consensus: hash },
            Event::TaskReveal { task, worker: worker.address, digest: digest("right") },
            Event::TaskFinalize { task, results: Bytes::from_static(b"/ipfs/result") },
        ]
    );
    let view = market.hub.task(task);
    assert_eq!((view.status, view.reveal_count, view.winner_count), (TaskStatus::Completed, 1, 1));
    assert_eq!(market.hub.score(worker.address), U256::ZERO);
}

#[test]
fn more_trust_or_an_earlier_vote_forbids_the_short_way() {
    let mut market = Market::new();
    let task = market.open_task(2);
    let whole = market.whole(task, &party("w1"), digest("right"));
    let refusal = market.call(&party("w1"), Call::ContributeAndFinalize(whole));
    assert_eq!(refusal, Err(Refusal::TrustAboveOne));
    market.contribute(task, &party("w2"), digest("right")).unwrap();
    market.now = START.after(2 * T);
    market.call(&party("pool owner"), Call::Reopen { task }).unwrap();
    let whole = market.whole(task, &party("w1"), digest("right"));
    let refusal = market.call(&party("w1"), Call::ContributeAndFinalize(whole));
    assert_eq!(refusal, Err(Refusal::TaskHasContributions));
}

#[test]
fn arrays_do_all_or_nothing() {
    let mut market = Market::new();
    let deal = market.match_terms(market.terms(1, 3)).unwrap();
    let tasks = |indexes: &[u64]| indexes.iter().map(|index| (deal, U256::from(*index))).collect();
    let anybody = party("anybody");
    let all = Call::InitializeArray { tasks: tasks(&[0, 1, 3]) };
    assert_eq!(market.call(&anybody, all), Err(Refusal::IndexOutsideDeal));
    let id = TaskId::of_deal(deal, U256::ZERO);
    assert_eq!(market.hub.task(id).status, TaskStatus::Unset);
    let outcome = market.call(&anybody, Call::InitializeArray { tasks: tasks(&[0, 1]) }).unwrap();
    assert_eq!((outcome.events.len(), outcome.value), (2, Value::True));
    let twice = Call::InitializeArray { tasks: tasks(&[1]) };
    assert_eq!(market.call(&anybody, twice), Err(Refusal::WrongTaskStatus(TaskStatus::Active)));
    market.now = START.after(10 * T);
    let ids = [0, 1].map(|index| TaskId::of_deal(deal, U256::from(index))).to_vec();
    let mut with_stranger = ids.clone();
    with_stranger.push(TaskId::ZERO);
    let refusal = market.call(&anybody, Call::ClaimArray { tasks: with_stranger });
    assert_eq!(refusal, Err(Refusal::WrongTaskStatus(TaskStatus::Unset)));
    market.call(&anybody, Call::ClaimArray { tasks: ids }).unwrap();
    market.call(&anybody, Call::InitializeAndClaimArray { tasks: tasks(&[2]) }).unwrap();
    assert_eq!(market.free(&market.requester), nano(1_000 * RLC));
    assert_eq!(market.hub.kitty(), nano(18 * RLC));
}

#[test]
fn a_callback_gets_what_the_digest_stands_for() {
    let mut market = Market::new();
    let callback = Address::repeat_byte(0xcb);
    let request = poco_core::RequestOrder { callback, ..market.request_order(1, 2) };
    let terms =
        market.sign(market.app_order(), market.dataset_order(), market.workerpool_order(), request);
    let deal = market.match_terms(terms).unwrap();
    let data = Bytes::from_static(b"the price is 42");
    let right = ResultDigest(poco_core::keccak256(&data));

    let task = market.initialize(deal, 0);
    market.contribute(task, &party("w1"), right).unwrap();
    market.reveal(task, &party("w1"), right).unwrap();
    assert_eq!(market.finalize(task), Err(Refusal::CallbackMismatch));
    let results_callback = data.clone();
    let finalize = Call::Finalize { task, results: Bytes::new(), results_callback };
    let outcome = market.call(&party("pool owner"), finalize).unwrap();
    let [callback_made] = outcome.callbacks.as_slice() else { panic!("{outcome:?}") };
    assert_eq!((callback_made.contract, callback_made.task), (callback, task));
    assert_eq!(market.hub.result_for(task), Some(data.clone()));

    let task = market.initialize(deal, 1);
    let mut whole = market.whole(task, &party("w1"), right);
    let refusal = market.call(&party("w1"), Call::ContributeAndFinalize(whole.clone()));
    assert_eq!(refusal, Err(Refusal::CallbackMismatch));
    whole.results_callback = data.clone();
    let outcome = market.call(&party("w1"), Call::ContributeAndFinalize(whole)).unwrap();
    assert_eq!(outcome.callbacks.len(), 1);
    assert_eq!(outcome.callbacks[0].data, data);
}

#[test]
fn without_a_pools_leave_nobody_contributes() {
    let mut market = Market::new();
    let task = market.open_task(1);
    let worker = party("w1");
    let mut forged = market.contribution(task, &worker, digest("right"));
    forged.authorization_sign = worker.sign(B256::ZERO);
    let refusal = market.call(&worker, Call::Contribute(forged.clone()));
    assert_eq!(refusal, Err(Refusal::AuthorizationInvalid));
    // What the pool signed for another worker does not help either.
    forged.authorization_sign =
        market.contribution(task, &party("w2"), digest("right")).authorization_sign;
    let refusal = market.call(&worker, Call::Contribute(forged.clone()));
    assert_eq!(refusal, Err(Refusal::AuthorizationInvalid));
    forged.authorization_sign = Bytes::from_static(b"short");
    let refusal = market.call(&worker, Call::Contribute(forged)).unwrap_err();
    assert_eq!(refusal.reference_text().as_deref(), Some("invalid-signature-format"));
}
