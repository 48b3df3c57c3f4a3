//! The settlement lane when somebody stops after a commit, as `contracts/test/LaneStops.t.sol` has it.

use crate::lane_market::{
    STAKE, bad, batch, bond_all, by_owner, close, commit_call, committed, deal, disclose, good,
    range, row, send, settle, task, vote, workers,
};
use crate::market::{Market, RLC, START, T, digest, nano, party};
use poco_core::call::Call;
use poco_core::hub::{LaneRefusal, Refusal};
use poco_core::lane::{CommitRange, LaneCall, LaneEvent, Nonce, OtherVote, RowVote, SkipReason};
use poco_core::mark::Conditions;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Amount, Event, ResultHash, Timestamp};

#[test]
fn a_silent_worker_is_told_of_as_nothing_and_pays_when_its_time_is_over() {
    let mut market = Market::new();
    let said = [good(), good(), good()];
    let id = committed(&mut market, 3, 1, &said);
    let (first, silent) = (task(id, 0), &workers()[2]);
    let mut told = batch(id, 1, &said, digest("good"));
    let outcome = &mut told.outcomes[0];
    (outcome.agreeing, outcome.nonces) = (3, vec![Nonce(7), Nonce(7)]);
    let blinded = vote(silent, first, digest("good")).blinded();
    outcome.others = vec![OtherVote::Silent(blinded)];
    let call = settle(told);
    let early = by_owner(&mut market, &call).unwrap();
    let skipped = LaneEvent::TaskSkipped { task: first, reason: SkipReason::Undisclosed };
    assert_eq!(early.events, [Event::Lane(skipped)]);
    market.now = START.after(2 * T);
    let outcome = by_owner(&mut market, &call).unwrap();
    let of_silent = |event: &Event| matches!(event, Event::TaskContribute { worker, .. } if *worker == silent.address);
    assert!(!outcome.events.iter().any(of_silent));
    let view = market.hub.contribution(first, silent.address);
    assert_eq!(view.status, ContributionStatus::Rejected);
    assert!(view.hash.0.is_zero() && view.seal.0.is_zero());
    assert_eq!(market.frozen(silent), nano(20 * RLC - STAKE));
}

#[test]
fn a_committed_task_takes_no_classic_vote_until_it_is_closed_and_is_committed_once() {
    let mut market = Market::new();
    let said = [good(), bad()];
    let id = committed(&mut market, 8, 1, &said);
    let first = task(id, 0);
    let late = party("w4");
    let refused = market.contribute(first, &late, digest("good"));
    assert_eq!(refused, Err(Refusal::TaskCommitted));
    let early = send(&mut market, &late, &close(id, &said));
    let deadline = START.after(2 * T);
    assert_eq!(early, Err(Refusal::TooEarly { deadline }));
    send(&mut market, &late, &disclose(id, &said, &[0, 1])).unwrap();
    let outcome = send(&mut market, &late, &close(id, &said)).unwrap();
    assert_eq!(outcome.events, [Event::Lane(LaneEvent::Closed { task: first })]);
    assert_eq!(market.hub.task(first).status, TaskStatus::Active);
    // The stake of the votes has left the bond and stays frozen.
    let (worker, pool) = (&workers()[0], market.workerpool);
    let bond = market.hub.bond(worker.address, pool);
    assert_eq!((bond.total, bond.locked), (nano(20 * RLC - STAKE), Amount::ZERO));
    assert_eq!(market.frozen(worker), nano(20 * RLC));
    let again = commit_call(&market, id, 1, &[good()]);
    assert_eq!(by_owner(&mut market, &again), Err(Refusal::TaskCommitted));
    let gone = Err(LaneRefusal::TaskNotCommitted.into());
    assert_eq!(send(&mut market, &late, &close(id, &said)), gone);
    assert_eq!(send(&mut market, &late, &disclose(id, &said, &[])), gone);
    let outcome = by_owner(&mut market, &settle(batch(id, 1, &said, digest("good")))).unwrap();
    let skipped = LaneEvent::TaskSkipped { task: first, reason: SkipReason::NotCommitted };
    assert_eq!(outcome.events, [Event::Lane(skipped)]);

    // With two more, 2^3 of 1 + 8 + 2 do not do at trust 8, and 2^5 do.
    for name in ["w4", "w5"] {
        market.contribute(first, &party(name), digest("good")).unwrap();
        assert_eq!(market.hub.task(first).status, TaskStatus::Active);
    }
    market.fund(party("w6").address, 100 * RLC);
    market.contribute(first, &party("w6"), digest("good")).unwrap();
    assert_eq!(market.hub.task(first).status, TaskStatus::Active);
    market.fund(party("w7").address, 100 * RLC);
    market.contribute(first, &party("w7"), digest("good")).unwrap();
    assert_eq!(market.hub.task(first).status, TaskStatus::Revealing);
}

#[test]
fn votes_are_disclosed_as_they_were_committed_and_once() {
    let mut market = Market::new();
    let said = [good(), bad(), good()];
    let id = committed(&mut market, 2, 1, &said);
    let anybody = party("anybody");
    let LaneCall::Disclose { range, row, votes } = disclose(id, &said, &[0]) else { panic!() };
    let with = |change: fn(&mut RowVote)| {
        let mut vote = votes[0];
        change(&mut vote);
        LaneCall::Disclose { range: range.clone(), row: row.clone(), votes: vec![vote] }
    };
    for call in [
        with(|vote| vote.position = 1),
        with(|vote| vote.position = 3),
        with(|vote| vote.position = u64::MAX),
        with(|vote| vote.vote.nonce = Nonce(8)),
    ] {
        let refused = send(&mut market, &anybody, &call);
        assert_eq!(refused, Err(LaneRefusal::VoteMismatch.into()));
    }
    let mut other = range.clone();
    other.time = Timestamp(START.0 + 1);
    let call = LaneCall::Disclose { range: other, row: row.clone(), votes: votes.clone() };
    assert_eq!(send(&mut market, &anybody, &call), Err(LaneRefusal::CommitMismatch.into()));
    send(&mut market, &anybody, &disclose(id, &said, &[0])).unwrap();
    let twice = send(&mut market, &anybody, &disclose(id, &said, &[2, 0]));
    assert_eq!(twice, Err(LaneRefusal::VoteDisclosed.into()));
    assert_eq!(market.hub.disclosed(task(id, 0)), Some(1));
    // It is settled in a batch all the same, and its stake comes free.
    let outcome = by_owner(&mut market, &settle(batch(id, 1, &said, digest("good")))).unwrap();
    let unlocked = Event::Unlock { owner: workers()[0].address, amount: nano(STAKE) };
    assert!(outcome.events.contains(&unlocked));
    assert_eq!(market.frozen(&workers()[0]), nano(20 * RLC - STAKE));
}

#[test]
fn who_stays_silent_is_rejected_when_the_task_is_closed_and_pays_at_its_end() {
    for (conditions, pays) in [(Conditions::NONE, false), (Conditions::STRICT_REVEALS, true)] {
        let mut market = Market::new();
        bond_all(&mut market, 20);
        let said = [good(), good(), good()];
        let id = deal(&mut market, 3, 1, conditions);
        let call = commit_call(&market, id, 1, &said);
        by_owner(&mut market, &call).unwrap();
        let (first, silent) = (task(id, 0), &workers()[2]);
        send(&mut market, silent, &disclose(id, &said, &[0, 1])).unwrap();
        market.now = START.after(2 * T);
        let outcome = send(&mut market, silent, &close(id, &said)).unwrap();
        let closed = Event::Lane(LaneEvent::Closed { task: first });
        assert!(matches!(outcome.events[0], Event::TaskConsensus { .. }));
        assert_eq!(outcome.events[1..], [closed]);
        let view = market.hub.task(first);
        assert_eq!((view.status, view.winner_count), (TaskStatus::Revealing, 2));
        assert_eq!(view.reveal_deadline, START.after(4 * T));
        let vote = market.hub.contribution(first, silent.address);
        assert_eq!(vote.status, ContributionStatus::Rejected);
        let refused = market.reveal(first, silent, digest("good"));
        let status = ContributionStatus::Rejected;
        assert_eq!(refused, Err(Refusal::WrongContributionStatus(status)));
        let mut finalized = Market { hub: market.hub.clone(), ..Market::new() };
        finalized.now = market.now;
        for worker in workers().iter().take(2) {
            finalized.reveal(first, worker, digest("good")).unwrap();
        }
        finalized.finalize(first).unwrap();
        assert_eq!(finalized.frozen(silent), nano(20 * RLC - STAKE));
        // In a claim only a strict deal takes it.
        market.now = START.after(10 * T);
        market.call(silent, Call::Claim { task: first }).unwrap();
        let lost = if pays { STAKE } else { 0 };
        assert_eq!(market.free(silent), nano(980 * RLC + STAKE - lost));
    }
}

#[test]
fn bonds_behind_claimed_tasks_are_released_once() {
    let mut market = Market::new();
    let said = [good(), good(), good()];
    let id = committed(&mut market, 3, 2, &said);
    let LaneCall::Disclose { range, row: first_row, votes } = disclose(id, &said, &[0]) else {
        panic!()
    };
    let second = row(task(id, 1), &said);
    let first_range = CommitRange { rows_after: vec![second.hash()], ..range.clone() };
    let call = LaneCall::Disclose { range: first_range.clone(), row: first_row.clone(), votes };
    let anybody = party("anybody");
    send(&mut market, &anybody, &call).unwrap();
    let rows = vec![first_row.clone(), second];
    let release = LaneCall::Release { range: range.clone(), rows };
    let early = send(&mut market, &anybody, &release);
    assert_eq!(early, Err(LaneRefusal::TaskNotClaimed.into()));
    market.now = START.after(10 * T);
    market.call(&anybody, Call::Claim { task: task(id, 0) }).unwrap();
    assert_eq!(send(&mut market, &anybody, &release), Err(LaneRefusal::TaskNotClaimed.into()));
    market.call(&anybody, Call::Claim { task: task(id, 1) }).unwrap();
    assert_eq!(market.hub.disclosed(task(id, 1)), Some(0));
    send(&mut market, &anybody, &release).unwrap();
    let pool = market.workerpool;
    for (worker, total) in workers().iter().zip([20 * RLC - STAKE, 20 * RLC, 20 * RLC]) {
        let bond = market.hub.bond(worker.address, pool);
        assert_eq!((bond.total, bond.locked), (nano(total), Amount::ZERO));
        assert_eq!(market.frozen(worker), bond.total);
    }
    assert_eq!(send(&mut market, &anybody, &release), Err(LaneRefusal::TaskNotClaimed.into()));
}

#[test]
fn a_hash_that_was_rejected_once_keeps_its_place_before_later_ones() {
    let mut market = Market::new();
    bond_all(&mut market, 20);
    let id = deal(&mut market, 1, 1, Conditions::NONE);
    let first = market.initialize(id, 0);
    market.contribute(first, &party("w4"), digest("bad")).unwrap();
    market.now = START.after(2 * T);
    market.call(&party("pool owner"), Call::Reopen { task: first }).unwrap();
    let said = [good(), bad()];
    let call = commit_call(&market, id, 1, &said);
    by_owner(&mut market, &call).unwrap();
    let range = CommitRange { time: market.now, ..range(id) };
    let LaneCall::Disclose { row, votes, .. } = disclose(id, &said, &[0, 1]) else { panic!() };
    let anybody = party("anybody");
    let call = LaneCall::Disclose { range: range.clone(), row: row.clone(), votes };
    send(&mut market, &anybody, &call).unwrap();
    send(&mut market, &anybody, &LaneCall::Close { range, row }).unwrap();
    let view = market.hub.task(first);
    assert_eq!(view.consensus, ResultHash::of(first, digest("bad")));
    assert_eq!((view.winner_count, view.contributors.len()), (1, 3));
}

#[test]
fn of_several_hashes_that_would_do_the_first_voted_for_is_the_consensus() {
    let mut market = Market::new();
    let said = [good(), bad(), bad()];
    let id = committed(&mut market, 1, 1, &said);
    let anybody = party("anybody");
    send(&mut market, &anybody, &disclose(id, &said, &[2, 0, 1])).unwrap();
    send(&mut market, &anybody, &close(id, &said)).unwrap();
    let view = market.hub.task(task(id, 0));
    assert_eq!(view.consensus, ResultHash::of(task(id, 0), digest("bad")));
    assert_eq!(view.winner_count, 2);
}
