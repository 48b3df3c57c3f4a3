//! The settlement lane: what is signed, told and disclosed, in which order, and that no silence of
//! others costs a stake.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests look for the one action they are about"
)]

mod support;

use poco_core::lane::{BlindedVote, LaneCall, NonceSecret, RowVote, Vote, nonce_of};
use poco_core::{B256, Timestamp, U256};
use poco_worker_core::{Action, Facts, Input, Intent, Stage, State, View};
use support::lane::{
    OTHERS, assignment, call, commit, committed, committed_later, compute, facts, range, report,
    row, row_votes, vote_of, wanted,
};
use support::{
    DEAL, Rig, SECONDS, START, active, computation, config, consensus, digest, disclosure, refused,
    voted,
};

#[test]
fn a_vote_is_stored_before_it_is_signed_and_is_the_same_in_every_ballot() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 1);
    let entry = vote_of(rig.config.worker, id).blinded();
    let ballot = |entries| Action::Ballot { deal: DEAL, first: 0, entries };
    let actions = rig.step(wanted(0, 3));
    let absent = BlindedVote::ABSENT;
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(id))),
            report(id, Stage::Balloted),
            ballot(vec![absent, entry, absent]),
        ]
    );
    assert_eq!(rig.step(wanted(0, 2)), [ballot(vec![absent, entry])]);
    assert_eq!(rig.step(wanted(5, 2)), []);
    let stored = rig.record(id);
    assert!(stored.sealed.is_some() && stored.state.is_promised());
    let mut restarted = Rig::offline(config(), vec![stored]);
    restarted.drain();
    assert_eq!(
        restarted.step(wanted(1, 1)),
        [Action::Ballot { deal: DEAL, first: 1, entries: vec![entry] }]
    );
}

#[test]
fn a_committed_vote_is_told_only_at_its_depth() {
    let mut rig = Rig::with(poco_worker_core::Config { confirmations: 3, ..config() });
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    let read = Action::ReadVote { task: id, deal: DEAL, index: 0, from_block: 0 };
    assert_eq!(rig.step(Input::Moved(id)), [read]);
    assert_eq!(rig.view(id, committed(id, 7)), []);
    let actions = rig.view(id, committed(id, 8));
    let vote = vote_of(rig.config.worker, id);
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(id))),
            Action::Disclose { task: id, vote, digest: None },
            report(id, Stage::Committed),
        ]
    );
    // After a reconnect both are told again.
    let again = rig.step(Input::Connected { live: Vec::new() });
    assert_eq!(again, actions[1..]);
}

#[test]
fn a_commit_is_found_that_a_reorg_brought_below_the_block_where_the_deal_was_read() {
    let mut rig = Rig::new();
    let facts = Facts { view: active(1_000), ..facts(&rig, 3) };
    let id = rig.run_as(assignment(&rig, 0), facts);
    rig.step(Input::Finished { task: id, outcome: Ok(computation()) });
    rig.step(wanted(0, 1));
    let read = Action::ReadVote { task: id, deal: DEAL, index: 0, from_block: 1_000 - 256 };
    assert_eq!(rig.step(Input::Moved(id)), [read]);
}

#[test]
fn a_commit_that_a_reorg_moved_is_looked_for_again_when_the_hub_does_not_know_it() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    rig.view(id, committed(id, 6));
    assert_eq!(rig.record(id).state.stage(), Stage::Committed);
    rig.wait(SECONDS + 10);
    rig.view(id, active(40));
    refused(&mut rig, id, Intent::Disclose);
    rig.wait(20);
    let actions = rig.view(id, committed_later(id, 41));
    let disclosed = actions.iter().find_map(|action| match action {
        Action::TransactLane { call, .. } => match &**call {
            LaneCall::Disclose { range, .. } => Some(range.time),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(disclosed, Some(Timestamp(START + 7)), "{actions:?}");
}

#[test]
fn a_commit_that_never_was_leaves_the_vote_to_the_next() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    rig.view(id, committed(id, 6));
    let unset = |block| View { block, ..View::default() };
    rig.view(id, unset(7));
    rig.wait(1);
    rig.view(id, unset(8));
    assert_eq!(rig.record(id).state.stage(), Stage::Balloted);
    rig.view(id, committed_later(id, 10));
    assert_eq!(rig.record(id).state.stage(), Stage::Committed);
}

#[test]
fn a_row_is_news_of_the_commit_for_who_has_not_seen_it() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    let read = Action::ReadVote { task: id, deal: DEAL, index: 0, from_block: 0 };
    let votes = vec![None; 3];
    assert_eq!(rig.step(Input::Row { task: id, votes: votes.clone() }), [read]);
    // What the chain says counts, and it does not say so yet.
    assert_eq!(rig.record(id).state.stage(), Stage::Balloted);
    assert_eq!(rig.step(Input::Row { task: id, votes }), [], "one read at a time");
}

#[test]
fn a_vote_that_the_pool_lacks_is_told_again() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let told = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Disclose { task, .. } if *task == id))
    };
    let mut votes = row_votes(id);
    votes[2] = None;
    assert!(!told(&rig.step(Input::Row { task: id, votes: votes.clone() })), "it has this one");
    votes[1] = None;
    assert!(told(&rig.step(Input::Row { task: id, votes })));
}

#[test]
fn who_is_told_to_leave_what_it_owes_says_so_once_in_a_while() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let abandon = || Input::Abandon { task: id, reason: "not yours".into() };
    let answers = |rig: &mut Rig| -> usize {
        rig.step(Input::Acknowledged { task: id, stage: Stage::Committed });
        rig.wait(60);
        (0..10).map(|_| usize::from(!rig.step(abandon()).is_empty())).sum()
    };
    assert_eq!(answers(&mut rig), 1, "a pool that knows of no promise would ask again and again");
    assert_eq!(answers(&mut rig), 1);
    assert_eq!(rig.record(id).state.stage(), Stage::Committed);
}

#[test]
fn the_digest_is_told_when_the_votes_of_the_whole_row_reach_consensus_on_it() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let scores = vec![U256::ZERO; 3];
    let read = Action::ReadScores {
        task: id,
        workers: row(id).0.iter().map(|entry| entry.worker).collect(),
    };
    let tell = |rig: &mut Rig, votes: Vec<Option<Vote>>| {
        assert_eq!(rig.step(Input::Row { task: id, votes }), std::slice::from_ref(&read));
        rig.step(Input::Scores { task: id, scores: scores.clone() })
    };
    // A vote that opens nothing is not looked at.
    let mut forged = row_votes(id);
    forged[0] = Some(vote_of(OTHERS[1], id));
    assert_eq!(rig.step(Input::Row { task: id, votes: forged }), []);
    // One that is missing may be the one against.
    let mut missing = row_votes(id);
    missing[2] = None;
    assert_eq!(tell(&mut rig, missing.clone()), []);
    let actions = tell(&mut rig, row_votes(id));
    let vote = vote_of(rig.config.worker, id);
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(id))),
            Action::Disclose { task: id, vote, digest: Some(digest()) },
            report(id, Stage::Revealed),
        ]
    );
    assert!(matches!(rig.step(Input::Upload(id))[..], [Action::Upload { .. }, ..]));
}

#[test]
fn a_digest_that_is_outvoted_is_not_told() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    let other = poco_core::ResultDigest(B256::repeat_byte(0xee));
    let mut votes = row_votes(id);
    votes[2] = Some(Vote::of(OTHERS[1], id, other, nonce_of(NonceSecret::default(), id, other)));
    let mut view = committed(id, 6);
    view.commit.as_mut().unwrap().row.0[2].vote = votes[2].unwrap().blinded();
    rig.view(id, view);
    rig.step(Input::Row { task: id, votes });
    // 4 * 5 is not above (1 + 4 + 2) * 4.
    assert_eq!(rig.step(Input::Scores { task: id, scores: vec![U256::ZERO; 3] }), []);
}

#[test]
fn a_pool_that_falls_silent_costs_nobody_a_stake() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    rig.wait(SECONDS - 1);
    assert_eq!(call(&rig.view(id, active(7)), Intent::Disclose), None);
    rig.wait(1);
    let actions = rig.view(id, active(8));
    let vote = vote_of(rig.config.worker, id);
    let votes = vec![RowVote { position: 1, vote }];
    let disclose = LaneCall::Disclose { range: range(), row: row(id), votes };
    assert_eq!(call(&actions, Intent::Disclose), Some(&disclose));
    // Refused or not, it is tried until the vote is there.
    for _ in 0..20 {
        refused(&mut rig, id, Intent::Disclose);
        rig.wait(10);
        assert!(call(&rig.view(id, committed(id, 8)), Intent::Disclose).is_some());
    }
    rig.mined(id, Intent::Disclose, 9);
    let worker = rig.config.worker;
    assert_eq!(call(&rig.view(id, voted(worker, id, 9)), Intent::Close), None);
    rig.wait(SECONDS);
    let actions = rig.view(id, voted(worker, id, 10));
    let close = LaneCall::Close { range: range(), row: row(id) };
    assert_eq!(call(&actions, Intent::Close), Some(&close));
    rig.mined(id, Intent::Close, 11);
    let mut view = consensus(worker, id, 11);
    view.task.reveal_deadline = Timestamp(START + 5 * SECONDS);
    assert!(rig.view(id, view).contains(&disclosure(id)));
}

#[test]
fn a_task_closed_by_others_goes_on_as_a_classic_one() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let worker = rig.config.worker;
    rig.view(id, voted(worker, id, 7));
    rig.wait(2 * SECONDS);
    let mut view = voted(worker, id, 8);
    for _ in 0..8 {
        assert!(call(&rig.view(id, view.clone()), Intent::Close).is_some());
        refused(&mut rig, id, Intent::Close);
        rig.wait(10);
        view.block += 1;
    }
    rig.view(id, view);
    assert!(matches!(rig.core.find_state(id), Some(State::Contributed { .. })));
}

#[test]
fn a_task_that_goes_back_to_the_classic_lane_is_voted_for_on_chain() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    let again = rig.assignment(0);
    let actions = rig.step(Input::Assign(Box::new(again)));
    assert!(actions.contains(&support::vote(&rig, 0)), "{actions:?}");
    // Unless the ballot was quicker: then the hub refuses the vote, and the commit is found.
    refused(&mut rig, id, Intent::Contribute);
    let actions = rig.view(id, committed(id, 6));
    assert!(actions.contains(&report(id, Stage::Committed)), "{actions:?}");
    // What is committed does not go back.
    let again = rig.assignment(0);
    let actions = rig.step(Input::Assign(Box::new(again)));
    assert!(matches!(actions[..], [Action::Disclose { .. }, Action::Report { .. }]));
}

#[test]
fn a_vote_on_chain_is_not_given_up_for_a_commit_without_it() {
    let mut rig = Rig::new();
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    rig.step(Input::Assign(Box::new(rig.assignment(0))));
    let mut view = committed(id, 6);
    view.commit.as_mut().unwrap().row.0.remove(1);
    view.contribution = voted(rig.config.worker, id, 6).contribution;
    rig.view(id, view);
    assert!(matches!(rig.core.find_state(id), Some(State::Contributed { .. })));
}
