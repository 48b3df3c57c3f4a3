//! A task of the settlement lane and its commit.

use super::{DEAL, Rig, STAKE, START, active, computation, config, digest};
use poco_core::lane::{Bond, CommitRange, Entry, LaneCall, NonceSecret, Row, Vote, nonce_of};
use poco_core::{Address, B256, TaskId, Timestamp, U256};
use poco_worker_core::{
    Action, Assignment, CommitView, Facts, Input, Intent, Lane, Stage, State, View,
};

pub(crate) const OTHERS: [Address; 2] = [Address::repeat_byte(0x09), Address::repeat_byte(0x99)];

pub(crate) fn assignment(rig: &Rig, index: u64) -> Assignment {
    Assignment { lane: Lane::Settlement, ..rig.assignment(index) }
}

pub(crate) fn facts(rig: &Rig, stakes: u64) -> Facts {
    let total = STAKE.checked_mul(U256::from(stakes)).unwrap();
    Facts { bond: Some(Bond { total, ..Bond::default() }), ..rig.facts() }
}

pub(crate) fn vote_of(worker: Address, id: TaskId) -> Vote {
    let secret = match worker == config().worker {
        true => config().nonce_secret,
        false => NonceSecret(B256::repeat_byte(0x77)),
    };
    Vote::of(worker, id, digest(), nonce_of(secret, id, digest()))
}

/// The row of a task: this worker between two others.
pub(crate) fn row(id: TaskId) -> Row {
    let workers = [OTHERS[0], config().worker, OTHERS[1]];
    Row(workers.map(|worker| Entry { worker, vote: vote_of(worker, id).blinded() }).into())
}

pub(crate) fn row_votes(id: TaskId) -> Vec<Option<Vote>> {
    row(id).0.iter().map(|entry| Some(vote_of(entry.worker, id))).collect()
}

pub(crate) fn range() -> CommitRange {
    CommitRange {
        deal: DEAL,
        first: U256::ZERO,
        time: Timestamp(START),
        rows_before: Vec::new(),
        rows_after: Vec::new(),
    }
}

pub(crate) fn committed(id: TaskId, block: u64) -> View {
    let commit = CommitView { block: 5, range: range(), row: row(id) };
    View { commit: Some(Box::new(commit)), ..active(block) }
}

pub(crate) fn compute(rig: &mut Rig, index: u64) -> TaskId {
    let facts = facts(rig, 3);
    let id = rig.run_as(assignment(rig, index), facts);
    rig.step(Input::Finished { task: id, outcome: Ok(computation()) });
    id
}

pub(crate) fn wanted(first: u64, count: u64) -> Input {
    Input::BallotWanted { deal: DEAL, first, count }
}

/// A task whose vote is committed and told to the pool.
pub(crate) fn commit(rig: &mut Rig) -> TaskId {
    let id = compute(rig, 0);
    rig.step(wanted(0, 1));
    rig.view(id, committed(id, 6));
    assert!(matches!(rig.core.find_state(id), Some(State::Committed { .. })));
    id
}

pub(crate) fn report(task: TaskId, stage: Stage) -> Action {
    Action::Report { task, stage, failure: None, transaction: None }
}

pub(crate) fn call(actions: &[Action], wanted: Intent) -> Option<&LaneCall> {
    actions.iter().find_map(|action| match action {
        Action::TransactLane { intent, call, .. } if *intent == wanted => Some(call.as_ref()),
        _ => None,
    })
}

/// The same commit in a block of another time, as after a reorg.
pub(crate) fn committed_later(id: TaskId, block: u64) -> View {
    let range = CommitRange { time: Timestamp(START + 7), ..range() };
    let commit = CommitView { block: 9, range, row: row(id) };
    View { commit: Some(Box::new(commit)), ..active(block) }
}
