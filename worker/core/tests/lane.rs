//! The settlement lane: what is signed, told and disclosed, in which order, and that no silence of
//! others costs a stake.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests look for the one action they are about"
)]

mod support;

use poco_core::lane::{
    BlindedVote, Bond, CommitRange, Entry, LaneCall, NonceSecret, Row, RowVote, Vote, nonce_of,
};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Address, Amount, B256, TaskId, Timestamp, U256};
use poco_worker_core::{
    Action, Assignment, Cause, CommitView, Config, Facts, Input, Intent, Lane, Stage, State, View,
};
use std::slice;
use support::{
    DEAL, Rig, SECONDS, STAKE, START, active, computation, config, consensus, digest, disclosure,
    over, refused, task, voted,
};

const OTHERS: [Address; 2] = [Address::repeat_byte(0x09), Address::repeat_byte(0x99)];

fn assignment(rig: &Rig, index: u64) -> Assignment {
    Assignment { lane: Lane::Settlement, ..rig.assignment(index) }
}

fn facts(rig: &Rig, stakes: u64) -> Facts {
    let total = STAKE.checked_mul(U256::from(stakes)).unwrap();
    Facts { bond: Some(Bond { total, ..Bond::default() }), ..rig.facts() }
}

fn vote_of(worker: Address, id: TaskId) -> Vote {
    let secret = match worker == config().worker {
        true => config().nonce_secret,
        false => NonceSecret(B256::repeat_byte(0x77)),
    };
    Vote::of(worker, id, digest(), nonce_of(secret, id, digest()))
}

/// The row of a task: this worker between two others.
fn row(id: TaskId) -> Row {
    let workers = [OTHERS[0], config().worker, OTHERS[1]];
    Row(workers.map(|worker| Entry { worker, vote: vote_of(worker, id).blinded() }).into())
}

fn row_votes(id: TaskId) -> Vec<Option<Vote>> {
    row(id).0.iter().map(|entry| Some(vote_of(entry.worker, id))).collect()
}

fn range() -> CommitRange {
    CommitRange {
        deal: DEAL,
        first: U256::ZERO,
        time: Timestamp(START),
        rows_before: Vec::new(),
        rows_after: Vec::new(),
    }
}

fn committed(id: TaskId, block: u64) -> View {
    let commit = CommitView { block: 5, range: range(), row: row(id) };
    View { commit: Some(Box::new(commit)), ..active(block) }
}

fn compute(rig: &mut Rig, index: u64) -> TaskId {
    let facts = facts(rig, 3);
    let id = rig.run_as(assignment(rig, index), facts);
    rig.step(Input::Finished { task: id, outcome: Ok(computation()) });
    id
}

fn wanted(first: u64, count: u64) -> Input {
    Input::BallotWanted { deal: DEAL, first, count }
}

/// A task whose vote is committed and told to the pool.
fn commit(rig: &mut Rig) -> TaskId {
    let id = compute(rig, 0);
    rig.step(wanted(0, 1));
    rig.view(id, committed(id, 6));
    assert!(matches!(rig.core.find_state(id), Some(State::Committed { .. })));
    id
}

fn report(task: TaskId, stage: Stage) -> Action {
    Action::Report { task, stage, failure: None, transaction: None }
}

fn call(actions: &[Action], wanted: Intent) -> Option<&LaneCall> {
    actions.iter().find_map(|action| match action {
        Action::TransactLane { intent, call, .. } if *intent == wanted => Some(call.as_ref()),
        _ => None,
    })
}

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

/// The same commit in a block of another time, as after a reorg.
fn committed_later(id: TaskId, block: u64) -> View {
    let range = CommitRange { time: Timestamp(START + 7), ..range() };
    let commit = CommitView { block: 9, range, row: row(id) };
    View { commit: Some(Box::new(commit)), ..active(block) }
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
fn a_commit_that_is_gone_from_an_open_task_leaves_the_vote_to_the_next() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    // The pool asks for what it would not need, had it committed it.
    let read = Action::ReadVote { task: id, deal: DEAL, index: 0, from_block: 0 };
    assert_eq!(rig.step(wanted(0, 1)), slice::from_ref(&read));
    // A lagging node, which may know the task and not its commit, says nothing.
    for block in [7, 7, 7, 8] {
        assert_eq!(rig.view(id, active(block)), [], "{block}");
        assert_eq!(rig.record(id).state.stage(), Stage::Committed);
        assert_eq!(rig.wait(1), slice::from_ref(&read), "soon again");
    }
    rig.view(id, active(9));
    assert_eq!(rig.record(id).state.stage(), Stage::Balloted);
    // It is asked for again, and the same vote is signed.
    let ballot = vec![vote_of(rig.config.worker, id).blinded()];
    assert_eq!(rig.step(wanted(0, 1)), [Action::Ballot { deal: DEAL, first: 0, entries: ballot }]);
    rig.view(id, committed_later(id, 12));
    assert_eq!(rig.record(id).state.stage(), Stage::Committed);
}

#[test]
fn a_commit_that_another_replaced_without_the_vote_ends_the_replica() {
    let mut rig = Rig::with(Config { confirmations: 2, ..config() });
    let id = compute(&mut rig, 0);
    rig.step(wanted(0, 1));
    rig.view(id, committed(id, 7));
    assert_eq!(rig.record(id).state.stage(), Stage::Committed);
    rig.wait(SECONDS + 10);
    rig.view(id, active(40));
    refused(&mut rig, id, Intent::Disclose);
    let others: Vec<Entry> =
        (row(id).0.into_iter()).filter(|entry| entry.worker != rig.config.worker).collect();
    let commit = CommitView { block: 40, range: range(), row: Row(others) };
    let replaced = View { commit: Some(Box::new(commit)), ..active(41) };
    rig.view(id, replaced.clone());
    assert_eq!(rig.record(id).state.stage(), Stage::Balloted, "that may be undone as well");
    rig.view(id, View { block: 42, ..replaced });
    assert_eq!(rig.record(id).state.stage(), Stage::Failed);
    // Should the first come back, the vote goes on.
    rig.view(id, View { block: 44, ..committed(id, 44) });
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

#[test]
fn a_vote_that_no_commit_holds_is_given_up_when_none_can() {
    let mut rig = Rig::new();
    let (left_out, never) = (compute(&mut rig, 0), compute(&mut rig, 1));
    rig.step(wanted(0, 2));
    let mut view = committed(left_out, 6);
    view.commit.as_mut().unwrap().row.0.remove(1);
    rig.view(left_out, view);
    assert_eq!(rig.core.find_state(left_out).unwrap().stage(), Stage::Failed);
    rig.wait(7 * SECONDS);
    rig.view(never, active(7));
    assert_eq!(rig.core.find_state(never).unwrap().stage(), Stage::Balloted);
    rig.wait(120);
    rig.view(never, active(8));
    assert_eq!(rig.core.find_state(never).unwrap().stage(), Stage::Failed);
    // Both are kept until their tasks are over.
    assert!(rig.record(never).state.is_promised());
}

#[test]
fn the_bond_behind_a_claimed_task_is_freed_before_it_is_forgotten() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let mut view = active(9);
    (view.task.status, view.ended) = (TaskStatus::Failed, Some(9));
    let actions = rig.view(id, view.clone());
    let release = LaneCall::Release { range: range(), rows: vec![row(id)] };
    assert_eq!(call(&actions, Intent::Release), Some(&release));
    rig.mined(id, Intent::Release, 10);
    view.block = 10;
    assert_eq!(rig.view(id, view), [Action::Discard(id), Action::Forget(id)]);
    // One that was away all the time finds its commit then.
    let id = compute(&mut rig, 1);
    rig.step(wanted(1, 1));
    let mut view = committed(id, 12);
    (view.task.status, view.ended) = (TaskStatus::Failed, Some(12));
    assert!(call(&rig.view(id, view), Intent::Release).is_some());
    // A settled task locks nothing.
    let id = commit(&mut rig);
    let view = over(rig.config.worker, id, 12);
    assert_eq!(rig.view(id, view), [Action::Discard(id), Action::Forget(id)]);
}

#[test]
fn a_refused_release_is_tried_again_and_as_the_commit_is_now() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let mut view = committed(id, 9);
    (view.task.status, view.ended) = (TaskStatus::Failed, Some(9));
    assert!(call(&rig.view(id, view.clone()), Intent::Release).is_some());
    // A node that lags does not know of the claim.
    refused(&mut rig, id, Intent::Release);
    assert!(call(&rig.view(id, view.clone()), Intent::Release).is_some(), "it is tried again");
    // A reorg moved the commit while no node answered.
    refused(&mut rig, id, Intent::Release);
    let moved = CommitRange { time: Timestamp(START + 24), ..range() };
    view.commit.as_mut().unwrap().range = moved.clone();
    let actions = rig.view(id, view.clone());
    let release = LaneCall::Release { range: moved, rows: vec![row(id)] };
    assert_eq!(call(&actions, Intent::Release), Some(&release));
    // Where somebody else has freed it, that is refused to the end.
    for _ in 0..20 {
        refused(&mut rig, id, Intent::Release);
        if rig.view(id, view.clone()) == [Action::Discard(id), Action::Forget(id)] {
            return;
        }
    }
    panic!("it is never given up");
}

#[test]
fn no_work_is_taken_that_the_bond_does_not_answer_for() {
    let mut rig = Rig::new();
    let mut refuse = |bond: Option<Bond>, index: u64| {
        let id = task(index);
        let facts = Facts { bond, ..rig.facts() };
        rig.step(Input::Assign(Box::new(assignment(&rig, index))));
        let mut said = Vec::new();
        for _ in 0..10 {
            said = rig.step(Input::Facts { task: id, facts: Box::new(facts.clone()) });
            rig.wait(2);
        }
        let failure = said.into_iter().find_map(|action| match action {
            Action::Report { failure, .. } => failure,
            _ => None,
        });
        let failure = failure.expect("the task has failed");
        assert_eq!(failure.cause, Cause::Chain);
        failure.detail
    };
    let bond = |total: Amount| Some(Bond { total, ..Bond::default() });
    assert!(refuse(None, 0).contains("no settlement lane"));
    assert!(refuse(bond(Amount::from_nano(1)), 1).contains("bond more"));
    let ending = Bond { release: Timestamp(1), ..bond(STAKE).unwrap() };
    assert!(refuse(Some(ending), 2).contains("bond more"));
    let mut rig = Rig::new();
    let one = facts(&rig, 1);
    rig.run_as(assignment(&rig, 0), one.clone());
    rig.step(Input::Assign(Box::new(assignment(&rig, 1))));
    assert_eq!(rig.step(Input::Facts { task: task(1), facts: Box::new(one) }), []);
    assert!(matches!(rig.core.find_state(task(1)), Some(State::Accepted)));
}

#[test]
fn a_silent_vote_is_rejected_and_the_replica_ends() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let mut view = consensus(rig.config.worker, id, 9);
    view.contribution.status = ContributionStatus::Rejected;
    view.contribution.hash = poco_core::ResultHash::default();
    rig.view(id, view);
    assert_eq!(rig.core.find_state(id).unwrap().stage(), Stage::Failed);
}
