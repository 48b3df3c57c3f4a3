//! Runs that end early, results on their way to the pool, and the fast lane.

mod support;

use poco_core::call::WholeContribution;
use poco_core::task::TaskStatus;
use poco_core::{Address, Bytes, Call, Timestamp, U256};
use poco_worker_core::{
    Action, Cause, Computation, Failure, Input, Intent, Lane, Record, Stage, State, Stored,
    UploadOutcome,
};
use support::{Rig, SECONDS, START, active, computation, consensus, digest};
use support::{read, transactions, upload};

#[test]
fn the_result_is_uploaded_when_asked_and_only_after_the_digest_is_disclosed() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    assert_eq!(rig.step(Input::Upload(task)), [read(task)], "nothing yet");
    rig.view(task, consensus(rig.config.worker, task, 3));
    let actions = rig.mined(task, Intent::Reveal, 4);
    assert!(actions.contains(&upload(task)), "{actions:?}");
    let location = "/ipfs/bafyresult".to_owned();
    let outcome = UploadOutcome::Stored { location };
    let actions = rig.step(Input::UploadEnded { task, outcome });
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(task))),
            Action::Report { task, stage: Stage::Uploaded, failure: None, transaction: None },
        ]
    );
}

#[test]
fn an_upload_is_tried_again_and_then_left_to_another() {
    let mut rig = Rig::new();
    let task = rig.reveal(0);
    rig.step(Input::Upload(task));
    let broken = || Input::UploadEnded {
        task,
        outcome: UploadOutcome::Failed { detail: "broken pipe".into() },
    };
    for _ in 0..4 {
        assert_eq!(rig.step(broken()), []);
        assert!(rig.wait(16).contains(&upload(task)));
    }
    let actions = rig.step(broken());
    let failure = Failure::new(Cause::Engine, "the upload failed: broken pipe");
    let failure = Some(Box::new(failure));
    assert_eq!(
        actions,
        [Action::Report { task, stage: Stage::Failed, failure, transaction: None }]
    );
    assert!(
        matches!(rig.core.find_state(task), Some(State::Revealed { .. })),
        "asked again, it comes"
    );
    assert!(rig.step(Input::Upload(task)).contains(&upload(task)));
}

#[test]
fn an_upload_that_a_lost_stream_broke_goes_on_after_reconnect() {
    let mut rig = Rig::new();
    let task = rig.reveal(0);
    rig.step(Input::Upload(task));
    rig.step(Input::Disconnected);
    let outcome = UploadOutcome::Failed { detail: "no session".into() };
    assert_eq!(rig.step(Input::UploadEnded { task, outcome }), []);
    assert!(rig.step(Input::Connected { live: vec![] }).contains(&upload(task)));
}

#[test]
fn the_fast_lane_uploads_first_then_votes_and_finalizes_in_one() {
    let mut rig = Rig::new();
    let (mut assignment, mut facts) = (rig.assignment(0), rig.facts());
    assignment.lane = Lane::Fast;
    facts.free_stake = poco_core::Amount::ZERO;
    let deal = facts.deal.as_mut().unwrap();
    (deal.trust, deal.callback) = (U256::ONE, Address::repeat_byte(0xca));
    let task = rig.run_as(assignment.clone(), facts);
    let callback = Bytes::from_static(&[1, 2]);
    let computation = Computation { callback: callback.clone(), ..computation() };
    let actions = rig.step(Input::Finished { task, outcome: Ok(computation.clone()) });
    let result = Box::new(Stored { computation, callback: callback.clone() });
    assert_eq!(transactions(&actions), 0);
    assert_eq!(actions.last(), Some(&Action::Upload { task, result }));
    let outcome = UploadOutcome::Stored { location: "/ipfs/bafyresult".into() };
    let actions = rig.step(Input::UploadEnded { task, outcome });
    let call = Call::ContributeAndFinalize(WholeContribution {
        task,
        digest: digest(),
        results: Bytes::from_static(br#"{"storage":"ipfs","location":"/ipfs/bafyresult"}"#),
        results_callback: callback,
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: assignment.authorization.clone(),
    });
    let State::Contributing { .. } = rig.core.find_state(task).unwrap() else { panic!() };
    let state = rig.core.find_state(task).unwrap().clone();
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(Record { assignment, state, sealed: None })),
            Action::Transact { task, intent: Intent::ContributeAndFinalize, call: Box::new(call) },
        ]
    );
}

#[test]
fn a_pool_that_stores_something_else_gets_no_vote_in_the_fast_lane() {
    let mut rig = Rig::new();
    let (mut assignment, mut facts) = (rig.assignment(0), rig.facts());
    assignment.lane = Lane::Fast;
    facts.deal.as_mut().unwrap().trust = U256::ONE;
    let task = rig.run_as(assignment, facts);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let outcome = UploadOutcome::Stored { location: "/ipfs/other".into() };
    assert_eq!(transactions(&rig.step(Input::UploadEnded { task, outcome })), 0);
    assert!(matches!(rig.core.find_state(task), Some(State::Computed(_))));
}

#[test]
fn a_callback_without_data_ends_the_replica_before_any_vote() {
    let mut rig = Rig::new();
    let (assignment, mut facts) = (rig.assignment(0), rig.facts());
    facts.deal.as_mut().unwrap().callback = Address::repeat_byte(0xca);
    let task = rig.run_as(assignment, facts);
    let actions = rig.step(Input::Finished { task, outcome: Ok(computation()) });
    assert_eq!(transactions(&actions), 0);
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(failure.cause, Cause::NoResult);
}

#[test]
fn an_abandoned_run_is_stopped_and_a_vote_goes_on() {
    let mut rig = Rig::new();
    let (voting, running) = (rig.contribute(0), rig.run(1));
    let abandon = |task| Input::Abandon { task, reason: "enough replicas".into() };
    assert_eq!(rig.step(abandon(voting)), [], "it has just said where that stands");
    assert!(matches!(rig.core.find_state(voting), Some(State::Contributed { .. })));
    let actions = rig.step(abandon(running));
    let failure = Some(Box::new(Failure::new(Cause::Abandoned, "enough replicas")));
    assert_eq!(
        actions,
        [
            Action::Discard(running),
            Action::Persist(Box::new(rig.record(running))),
            Action::Report { task: running, stage: Stage::Failed, failure, transaction: None },
        ]
    );
    let outcome = Ok(computation());
    assert_eq!(rig.step(Input::Finished { task: running, outcome }), [], "too late");
}

#[test]
fn a_run_whose_task_ended_or_whose_time_passed_is_stopped() {
    let mut rig = Rig::new();
    let (ended, late) = (rig.run(0), rig.run(1));
    let mut failed = active(3);
    (failed.task.status, failed.ended) = (TaskStatus::Failed, Some(3));
    assert_eq!(rig.view(ended, failed)[0], Action::Discard(ended));
    rig.now.chain = Timestamp(START + 7 * SECONDS);
    assert_eq!(rig.view(late, active(3))[0], Action::Discard(late));
}

#[test]
fn a_pull_has_its_own_clock_and_running_none_here() {
    let mut rig = Rig::new();
    let (pulling, running) = (rig.assignment(0), rig.run(1));
    let task = pulling.task;
    let facts = Box::new(rig.facts());
    rig.step(Input::Assign(Box::new(pulling)));
    rig.step(Input::Facts { task, facts });
    rig.wait(600);
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(
        *failure,
        Failure::new(Cause::ImageMissing, "the image did not arrive within 600 s")
    );
    assert!(matches!(rig.core.find_state(running), Some(State::Running { .. })));
}
