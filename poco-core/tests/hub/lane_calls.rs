//! The calls of the settlement lane on the hub's model, as `contracts/test/Lane.t.sol` has them.

use crate::lane_market::{
    GUARD, RESULTS, STAKE, bad, ballots, batch, bond_all, by_owner, commit_call, committed, deal,
    good, range, row, send, settle, task, vote, workers,
};
use crate::market::{Market, RLC, START, T, digest, nano, party};
use poco_core::escrow::EscrowRefusal;
use poco_core::hub::{LaneRefusal, Refusal};
use poco_core::lane::{self, Ballot, LaneCall, LaneEvent, RowVote, SkipReason};
use poco_core::mark::{Conditions, ConditionsEvent};
use poco_core::rules::Release;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{
    Address, Amount, Bytes, DealId, Event, ResultDigest, Rules, Tag, Timestamp, U256, keccak256,
};

#[test]
fn a_bond_serves_until_it_ends_and_comes_back_when_it_answers_for_nothing() {
    let mut market = Market::new();
    let (worker, workerpool) = (&workers()[0], market.workerpool);
    let id = committed(&mut market, 3, 1, &[good(), good(), good()]);
    let bond = market.hub.bond(worker.address, workerpool);
    assert_eq!((bond.total, bond.locked), (nano(20 * RLC), nano(STAKE)));
    assert_eq!(market.frozen(worker), nano(20 * RLC));
    let withdraw = LaneCall::WithdrawBond { workerpool };
    let needed = Err(LaneRefusal::BondStillNeeded.into());
    assert_eq!(send(&mut market, worker, &withdraw), needed);

    let outcome = send(&mut market, worker, &LaneCall::Unbond { workerpool }).unwrap();
    let release = START.after(10 * 36_000);
    let address = worker.address;
    let told = LaneEvent::Unbonding { worker: address, workerpool, release };
    assert_eq!(outcome.events, [Event::Lane(told)]);
    let other = deal(&mut market, 2, 1, Conditions::NONE);
    let call = commit_call(&market, other, 1, &[good()]);
    assert_eq!(by_owner(&mut market, &call), Err(LaneRefusal::BondEnding.into()));

    // The time has come, but a vote is still out.
    let now = market.now;
    market.now = release;
    assert_eq!(send(&mut market, worker, &withdraw), needed);
    market.now = now;
    by_owner(&mut market, &settle(batch(id, 1, &[good(), good(), good()], digest("good"))))
        .unwrap();
    market.now = Timestamp(release.0 - 1);
    assert_eq!(send(&mut market, worker, &withdraw), needed);
    market.now = release;
    let outcome = send(&mut market, worker, &withdraw).unwrap();
    let amount = nano(20 * RLC);
    let told = LaneEvent::BondWithdrawn { worker: address, workerpool, amount };
    assert_eq!(outcome.events.last(), Some(&Event::Lane(told)));
    assert_eq!(market.frozen(worker), Amount::ZERO);
    assert_eq!(market.hub.bond(address, workerpool), lane::Bond::default());
}

#[test]
fn a_bond_is_free_stake_and_one_that_ends_serves_again_when_it_grows() {
    let mut market = Market::new();
    let (worker, workerpool) = (&workers()[0], market.workerpool);
    let bond = |rlc: u64| LaneCall::Bond { workerpool, amount: nano(rlc * RLC) };
    let refused = Err(Refusal::Escrow(EscrowRefusal::FreeTooLow));
    assert_eq!(send(&mut market, worker, &bond(1_001)), refused);
    send(&mut market, worker, &bond(3)).unwrap();
    send(&mut market, worker, &LaneCall::Unbond { workerpool }).unwrap();
    assert!(market.hub.bond(worker.address, workerpool).is_ending());
    send(&mut market, worker, &bond(4)).unwrap();
    let held = market.hub.bond(worker.address, workerpool);
    assert_eq!((held.total, held.is_ending()), (nano(7 * RLC), false));
    let id = deal(&mut market, 2, 2, Conditions::NONE);
    let two = commit_call(&market, id, 2, &[good()]);
    assert_eq!(by_owner(&mut market, &two), Err(LaneRefusal::BondTooLow.into()));
    let one = commit_call(&market, id, 1, &[good()]);
    by_owner(&mut market, &one).unwrap();
}

#[test]
fn a_commit_is_refused_for_each_of_its_faults() {
    let mut market = Market::new();
    bond_all(&mut market, 100);
    let id = deal(&mut market, 2, 3, Conditions::NONE);
    let said = [good(), good(), None];
    let right = ballots(&market, id, 2, &said);
    let commit = |first: u64, count, ballots: &[Ballot]| LaneCall::Commit {
        deal: id,
        first: U256::from(first),
        count,
        ballots: ballots.to_vec(),
    };
    let changed = |change: fn(&mut Vec<Ballot>)| {
        let mut ballots = right.clone();
        change(&mut ballots);
        commit(0, 2, &ballots)
    };
    for (call, refusal) in [
        (commit(0, 0, &right), LaneRefusal::CommitEmpty),
        (commit(0, 2, &[]), LaneRefusal::CommitEmpty),
        (commit(0, 1, &right), LaneRefusal::BallotOutsideCommit),
        (commit(1, 2, &right), LaneRefusal::BallotUnsorted),
        (changed(|ballots| ballots.swap(0, 1)), LaneRefusal::BallotUnsorted),
        (changed(|b| b.insert(0, b[0].clone())), LaneRefusal::BallotUnsorted),
        (changed(|b| b[0].sign = b[1].sign.clone()), LaneRefusal::BallotSignatureInvalid),
        (changed(|b| b[0].sign = Bytes::new()), LaneRefusal::BallotSignatureInvalid),
        (changed(|b| b[0].worker = Address::ZERO), LaneRefusal::BallotSignatureInvalid),
    ] {
        assert_eq!(by_owner(&mut market, &call), Err(refusal.into()), "{call:?}");
    }
    let good_call = commit(0, 2, &right);
    let thief = send(&mut market, &party("thief"), &good_call);
    assert_eq!(thief, Err(Refusal::NotThePoolOwner));
    let outside = commit(2, 2, &right);
    assert_eq!(by_owner(&mut market, &outside), Err(Refusal::IndexOutsideDeal));
    let unknown =
        LaneCall::Commit { deal: DealId::ZERO, first: U256::ZERO, count: 1, ballots: vec![] };
    assert_eq!(by_owner(&mut market, &unknown), Err(Refusal::DealUnknown));
    market.now = START.after(7 * T);
    let deadline = market.now;
    assert_eq!(by_owner(&mut market, &good_call), Err(Refusal::TooLate { deadline }));
    market.now = START;

    // The absent need no signature and no bond, and a row tells who is there.
    let outcome = by_owner(&mut market, &good_call).unwrap();
    let rows: Vec<u8> =
        [0, 1].iter().flat_map(|index| row(task(id, *index), &said).to_bytes()).collect();
    let (first, lengths, rows) = (U256::ZERO, Bytes::from_static(&[2, 2]), rows.into());
    let told = LaneEvent::Committed { deal: id, first, lengths, rows };
    assert_eq!(outcome.events.last(), Some(&Event::Lane(told)));
    assert_eq!(by_owner(&mut market, &good_call), Err(Refusal::TaskCommitted));
}

#[test]
fn deals_with_enclaves_have_the_other_lanes() {
    let mut market = Market::new();
    bond_all(&mut market, 100);
    let (mut app, mut pool) = (market.app_order(), market.workerpool_order());
    (app.tag, pool.tag) = (Tag::TEE, Tag::TEE);
    let terms = market.sign(app, market.dataset_order(), pool, market.request_order(1, 1));
    let id = market.match_terms(terms).unwrap();
    let call = commit_call(&market, id, 1, &[good()]);
    assert_eq!(by_owner(&mut market, &call), Err(LaneRefusal::EnclaveLaneMissing.into()));
}

#[test]
fn only_workers_that_the_guard_knows_are_committed_even_as_absent() {
    let mut market = Market::new();
    bond_all(&mut market, 100);
    let id = deal(&mut market, 2, 1, Conditions::KNOWN_WORKERS);
    let call = commit_call(&market, id, 1, &[good(), None]);
    for worker in workers().iter().take(2) {
        assert_eq!(by_owner(&mut market, &call), Err(Refusal::WorkerNotKnown));
        market.hub.contracts_mut().add_member(GUARD, worker.address);
    }
    by_owner(&mut market, &call).unwrap();
}

#[test]
fn a_worker_has_one_vote_in_a_task_on_chain_or_in_the_row() {
    let mut market = Market::new();
    bond_all(&mut market, 100);
    let id = deal(&mut market, 8, 1, Conditions::NONE);
    let first = market.initialize(id, 0);
    market.contribute(first, &workers()[0], digest("good")).unwrap();
    let both = commit_call(&market, id, 1, &[good(), good()]);
    assert_eq!(by_owner(&mut market, &both), Err(Refusal::AlreadyContributed));
    let other = commit_call(&market, id, 1, &[None, good(), good()]);
    by_owner(&mut market, &other).unwrap();
    // Votes from before the commit count: the task leaves the batch, and is closed.
    let said = [None, good(), good()];
    let outcome = by_owner(&mut market, &settle(batch(id, 1, &said, digest("good")))).unwrap();
    let skipped = LaneEvent::TaskSkipped { task: first, reason: SkipReason::OnChain };
    assert_eq!(outcome.events, [Event::Lane(skipped)]);
    let votes = [1, 2].map(|place: u64| {
        let worker = &workers()[usize::try_from(place).unwrap()];
        RowVote { position: place - 1, vote: vote(worker, first, digest("good")) }
    });
    let row = row(first, &said);
    let call = LaneCall::Disclose { range: range(id), row: row.clone(), votes: votes.to_vec() };
    send(&mut market, &party("anybody"), &call).unwrap();
    let close = LaneCall::Close { range: range(id), row };
    send(&mut market, &party("anybody"), &close).unwrap();
    assert_eq!(market.hub.task(first).status, TaskStatus::Revealing);
    assert_eq!(market.hub.task(first).winner_count, 3);
}

#[test]
fn a_settled_task_pays_and_looks_as_a_classic_one() {
    let mut market = Market::new();
    let said = [good(), bad(), good()];
    let id = committed(&mut market, 2, 2, &said);
    let outcome = by_owner(&mut market, &settle(batch(id, 2, &said, digest("good")))).unwrap();
    let (first, all) = (task(id, 0), workers());
    let view = market.hub.task(first);
    assert_eq!((view.status, view.results), (TaskStatus::Completed, RESULTS));
    assert_eq!((view.winner_count, view.reveal_count, view.digest), (2, 2, digest("good")));
    assert_eq!(view.reveal_deadline, Timestamp(0));
    let addresses: Vec<Address> = all.iter().map(|worker| worker.address).collect();
    assert_eq!(view.contributors, addresses);
    let loser = market.hub.contribution(first, addresses[1]);
    let kept = vote(&all[1], first, digest("bad"));
    assert_eq!((loser.status, loser.hash), (ContributionStatus::Contributed, kept.hash));
    assert_eq!(loser.seal, kept.seal);
    let winner = market.hub.contribution(first, addresses[0]);
    assert_eq!((winner.status, winner.weight), (ContributionStatus::Proved, U256::ONE));

    // Of each task: the three votes, the consensus and two reveals come first, then the money.
    let contributes = |event: &Event| matches!(event, Event::TaskContribute { .. });
    assert!(outcome.events[..3].iter().all(contributes));
    assert!(matches!(outcome.events[3], Event::TaskConsensus { .. }));
    let (lost, pool) = (nano(2 * STAKE), market.workerpool);
    let bond = market.hub.bond(addresses[1], pool);
    assert_eq!((bond.total, bond.locked), (nano(6 * RLC), Amount::ZERO));
    assert_eq!(market.frozen(&all[1]), nano(6 * RLC));
    let bond = market.hub.bond(addresses[0], pool);
    assert_eq!((bond.total, bond.locked), (nano(20 * RLC), Amount::ZERO));
    // Two tasks of 25 RLC and what was lost have found other owners.
    assert_eq!(market.hub.score(addresses[0]), U256::from(2));
    let everybody = market.hub.accounts().map(|(_, account)| account.free.0);
    assert_eq!(everybody.sum::<U256>(), market.hub.supply().0);
    let requester = market.free(&party("requester"));
    assert_eq!(requester, nano(950 * RLC));
    assert_eq!(market.hub.account(addresses[1]).free, nano(980 * RLC));
    assert!(!lost.is_zero());
    // All of it was settled: the hub forgets the rows.
    assert_eq!(market.hub.commit(id, U256::ZERO, START), None);
    let again = by_owner(&mut market, &settle(batch(id, 2, &said, digest("good"))));
    assert_eq!(again, Err(LaneRefusal::CommitMismatch.into()));
}

#[test]
fn who_may_settle_and_with_what() {
    let mut market = Market::new();
    let said = [good(), good(), good()];
    let id = committed(&mut market, 3, 1, &said);
    let stranger = party("anybody");
    let right = batch(id, 1, &said, digest("good"));
    let mut unbound = right.clone();
    unbound.outcomes[0].results = Bytes::new();
    let refused = send(&mut market, &stranger, &settle(unbound.clone()));
    assert_eq!(refused, Err(LaneRefusal::NotYours.into()));
    market.now = START.after(2 * T);
    let refused = send(&mut market, &stranger, &settle(right.clone()));
    assert_eq!(refused, Err(LaneRefusal::ResultsUnbound.into()));
    let mut unknown = right.clone();
    unknown.range.deal = DealId::ZERO;
    assert_eq!(by_owner(&mut market, &settle(unknown)), Err(Refusal::DealUnknown));
    let mut empty = right.clone();
    (empty.range.deal, empty.outcomes) = (DealId::ZERO, vec![]);
    assert_eq!(by_owner(&mut market, &settle(empty)), Err(LaneRefusal::CommitEmpty.into()));
    let nothing = LaneCall::Settle { batches: vec![] };
    assert_eq!(by_owner(&mut market, &nothing), Err(LaneRefusal::CommitEmpty.into()));
    let mut long = right.clone();
    long.outcomes[0].results = vec![1; 24_500].into();
    let skipped = by_owner(&mut market, &settle(long)).unwrap();
    let reason = SkipReason::RecordFull;
    let told = LaneEvent::TaskSkipped { task: task(id, 0), reason };
    assert_eq!(skipped.events, [Event::Lane(told)]);
    market.now = START.after(10 * T);
    let deadline = market.now;
    assert_eq!(by_owner(&mut market, &settle(right)), Err(Refusal::TooLate { deadline }));
    market.now = START.after(10 * T - 1);
    send(&mut market, &stranger, &settle(unbound)).unwrap();
}

#[test]
fn bound_results_are_told_by_anybody_and_are_those_that_were_voted_for() {
    let mut market = Market::new();
    bond_all(&mut market, 20);
    let id = deal(&mut market, 2, 1, Conditions::BOUND_RESULTS);
    let bound = ResultDigest(keccak256(&RESULTS));
    let said = [Some(bound), Some(bound)];
    let call = commit_call(&market, id, 1, &said);
    by_owner(&mut market, &call).unwrap();
    let right = batch(id, 1, &said, bound);
    market.now = START.after(2 * T);
    for (results, callback) in [
        (Bytes::from_static(b"other"), Bytes::new()),
        (Bytes::new(), Bytes::new()),
        (RESULTS, RESULTS),
        (RESULTS, Bytes::from_static(b"other")),
    ] {
        let mut batch = right.clone();
        batch.outcomes[0].results = results;
        batch.outcomes[0].results_callback = callback;
        let outcome = send(&mut market, &party("anybody"), &settle(batch)).unwrap();
        let reason = SkipReason::Callback;
        let skipped = LaneEvent::TaskSkipped { task: task(id, 0), reason };
        assert_eq!(outcome.events, [Event::Lane(skipped)]);
    }
    let outcome = send(&mut market, &party("anybody"), &settle(right)).unwrap();
    let told = ConditionsEvent::ResultsBound { task: task(id, 0), digest: bound };
    let place = outcome.events.iter().position(|event| *event == Event::Conditions(told)).unwrap();
    assert!(matches!(outcome.events[place + 1], Event::TaskFinalize { .. }));
}

#[test]
fn the_reference_has_no_such_lane() {
    let mut market = Market::by(Rules::Reference(Release::V6_1_0));
    let call = LaneCall::Unbond { workerpool: market.workerpool };
    assert_eq!(send(&mut market, &party("w1"), &call), Err(Refusal::FunctionUnknown));
}
