//! The settlement lane: commits that are gone or moved, votes that are in none, and bonds.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests look for the one action they are about"
)]

mod support;

use poco_core::lane::{Bond, CommitRange, Entry, LaneCall, Row};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Amount, Timestamp};
use poco_worker_core::{
    Action, Cause, CommitView, Config, Facts, Input, Intent, Stage, State, View,
};
use std::slice;
use support::lane::{
    assignment, call, commit, committed, committed_later, compute, facts, range, row, vote_of,
    wanted,
};
use support::{DEAL, Rig, SECONDS, STAKE, START, active, config, consensus, over, refused, task};

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

#[test]
fn behind_a_restart_the_commit_is_looked_for_before_a_vote_is_disclosed_by_it() {
    let mut rig = Rig::new();
    let id = commit(&mut rig);
    let record = rig.record(id);
    // A reorg moved it meanwhile.
    let mut moved = committed(id, 40);
    moved.commit.as_mut().unwrap().range.time = Timestamp(START + 24);
    let mut restarted = Rig::offline(config(), vec![record]);
    let search = |action: &Action| matches!(action, Action::ReadVote { task, .. } if *task == id);
    assert!(restarted.drain().iter().any(search), "it is not taken for what it was");
    restarted.wait(SECONDS + 30);
    let disclosed = call(&restarted.view(id, moved.clone()), Intent::Disclose).cloned();
    let Some(LaneCall::Disclose { range, .. }) = disclosed else { panic!("it is disclosed") };
    assert_eq!(range, moved.commit.unwrap().range);
}
