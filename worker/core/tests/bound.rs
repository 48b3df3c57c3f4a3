//! Deals with bound results: the vote is for what will be recorded.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use poco_core::call::{Contribution, WholeContribution};
use poco_core::lane::{BlindedVote, Bond, Vote, nonce_of};
use poco_core::{
    Address, Bytes, Call, Conditions, DealConditions, Recorded, ResultDigest, ResultHash,
    ResultSeal, TaskId, U256, keccak256,
};
use poco_worker_core::{
    Action, Assignment, Computation, Config, Core, Facts, Input, Intent, Lane, State, Stored,
    UploadOutcome,
};
use support::{Rig, STAKE, computation, consensus, digest, transactions};

/// What is recorded of the zip that these runs give.
const RESULTS: &[u8] = br#"{"storage":"ipfs","location":"/ipfs/bafyresult"}"#;

fn bound_digest() -> ResultDigest {
    ResultDigest(keccak256(RESULTS))
}

fn bound(rig: &Rig, lane: Lane) -> (Assignment, Facts) {
    let conditions = DealConditions::new(Conditions::BOUND_RESULTS, Address::ZERO);
    let (mut assignment, mut facts) = (rig.assignment(0), rig.facts());
    assignment.lane = lane;
    facts.conditions = conditions;
    facts.bond = Some(Bond { total: STAKE, ..Bond::default() });
    if lane == Lane::Fast {
        facts.deal.as_mut().unwrap().trust = U256::ONE;
    }
    (assignment, facts)
}

fn finished(task: TaskId) -> Input {
    Input::Finished { task, outcome: Ok(computation()) }
}

/// What is voted for where the content is the same and the zip has this CID.
fn vote_for(cid: &str) -> ResultHash {
    let mut rig = Rig::new();
    let (assignment, facts) = bound(&rig, Lane::Classic);
    let task = rig.run_as(assignment, facts);
    let computation = Computation { cid: cid.into(), ..computation() };
    let actions = rig.step(Input::Finished { task, outcome: Ok(computation) });
    let Some(Action::Transact { call, .. }) = actions.last() else { panic!("{actions:?}") };
    let Call::Contribute(Contribution { hash, .. }) = **call else { panic!("{call:?}") };
    hash
}

#[test]
fn the_vote_is_for_the_bytes_that_will_be_recorded() {
    let mut rig = Rig::new();
    let (assignment, facts) = bound(&rig, Lane::Classic);
    let authorization_sign = assignment.authorization.clone();
    let task = rig.run_as(assignment, facts);
    let Some(State::Running { work, .. }) = rig.core.find_state(task) else { panic!("it runs") };
    assert_eq!(work.terms.recorded, Recorded::BoundLocation);
    let actions = rig.step(finished(task));
    let call = Call::Contribute(Contribution {
        task,
        hash: ResultHash::of(task, bound_digest()),
        seal: ResultSeal::of(rig.config.worker, task, bound_digest()),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign,
    });
    let vote = Action::Transact { task, intent: Intent::Contribute, call: Box::new(call) };
    assert_eq!(actions.last(), Some(&vote));
    assert_eq!(vote_for("bafyresult"), ResultHash::of(task, bound_digest()));
    assert_ne!(vote_for("bafyother"), ResultHash::of(task, bound_digest()));

    // The consensus of those who vote for the content alone is not ours.
    rig.mined(task, Intent::Contribute, 2);
    let mut others = consensus(rig.config.worker, task, 3);
    others.contribution.hash = ResultHash::of(task, bound_digest());
    assert_eq!(others.task.consensus, ResultHash::of(task, digest()));
    assert_eq!(transactions(&rig.view(task, others.clone())), 0);
    others.task.consensus = ResultHash::of(task, bound_digest());
    let reveal = Call::Reveal { task, digest: bound_digest() };
    let reveal = Action::Transact { task, intent: Intent::Reveal, call: Box::new(reveal) };
    assert!(rig.view(task, others).contains(&reveal));
}

#[test]
fn a_worker_that_is_started_again_votes_for_the_same() {
    let mut rig = Rig::new();
    let (assignment, facts) = bound(&rig, Lane::Classic);
    let task = rig.run_as(assignment, facts);
    // Before the run has ended it is adopted, and its outcome comes once more.
    let again = |rig: &mut Rig, task| {
        let records = vec![rig.record(task)];
        rig.core = Core::new(rig.config.clone(), records, rig.now);
    };
    again(&mut rig, task);
    rig.step(finished(task));
    let promised = rig.record(task);
    assert_eq!(promised.state.promise().unwrap().computation.digest, bound_digest());
    // After it the journal has the vote, which is not hashed a second time.
    again(&mut rig, task);
    rig.step(finished(task));
    assert_eq!(rig.record(task), promised);
}

#[test]
fn in_the_fast_lane_exactly_these_bytes_are_recorded() {
    let mut rig = Rig::new();
    let (assignment, facts) = bound(&rig, Lane::Fast);
    let authorization_sign = assignment.authorization.clone();
    let task = rig.run_as(assignment, facts);
    let actions = rig.step(finished(task));
    let sent = Computation { digest: bound_digest(), ..computation() };
    let result = Box::new(Stored { computation: sent, callback: Bytes::new() });
    assert_eq!(actions.last(), Some(&Action::Upload { task, result }));
    let location = "/ipfs/bafyresult".to_owned();
    let outcome = UploadOutcome::Stored { location };
    let actions = rig.step(Input::UploadEnded { task, outcome });
    let call = Call::ContributeAndFinalize(WholeContribution {
        task,
        digest: bound_digest(),
        results: Bytes::from_static(RESULTS),
        results_callback: Bytes::new(),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign,
    });
    let intent = Intent::ContributeAndFinalize;
    assert_eq!(actions.last(), Some(&Action::Transact { task, intent, call: Box::new(call) }));
}

#[test]
fn with_a_callback_its_bytes_are_recorded_and_no_results() {
    let mut rig = Rig::new();
    let (assignment, mut facts) = bound(&rig, Lane::Fast);
    facts.deal.as_mut().unwrap().callback = Address::repeat_byte(0xca);
    let task = rig.run_as(assignment, facts);
    let callback = Bytes::from_static(b"value");
    let digest = ResultDigest(keccak256(&callback));
    let computation = Computation { digest, callback: callback.clone(), ..computation() };
    rig.step(Input::Finished { task, outcome: Ok(computation) });
    let outcome = UploadOutcome::Stored { location: "/ipfs/bafyresult".into() };
    let actions = rig.step(Input::UploadEnded { task, outcome });
    let Some(Action::Transact { call, .. }) = actions.last() else { panic!("{actions:?}") };
    let Call::ContributeAndFinalize(whole) = &**call else { panic!("{call:?}") };
    assert_eq!(whole.digest, digest);
    assert_eq!((&whole.results, &whole.results_callback), (&Bytes::new(), &callback));
}

#[test]
fn a_ballot_of_the_settlement_lane_has_the_same_vote() {
    let mut rig = Rig::new();
    let (assignment, facts) = bound(&rig, Lane::Settlement);
    let deal = assignment.deal;
    let task = rig.run_as(assignment, facts);
    rig.step(finished(task));
    let actions = rig.step(Input::BallotWanted { deal, first: 0, count: 1 });
    let Config { worker, nonce_secret, .. } = rig.config;
    let nonce = nonce_of(nonce_secret, task, bound_digest());
    let entries: Vec<BlindedVote> = vec![Vote::of(worker, task, bound_digest(), nonce).blinded()];
    assert_eq!(actions.last(), Some(&Action::Ballot { deal, first: 0, entries }));
}
