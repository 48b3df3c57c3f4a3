//! Deals with bound results: what is taken in, and what is recorded, is what was voted for.

use crate::world::{SIGN, T, World, digest, task, worker};
use poco_core::call::WholeContribution;
use poco_core::mark::ConditionsEvent;
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Bytes, Call, Conditions, DealConditions, Event, Recorded, ResultDigest, ResultHash,
    TaskId, keccak256,
};
use poco_scheduler_core::{
    Action, Command, Core, DealFacts, Input, Record, ReportBody, Stage, StoredResult,
    UploadRefusal, UploadTerms,
};

/// What is recorded of a result that lies there.
const RESULTS: &[u8] = br#"{"storage":"ipfs","location":"/ipfs/bafy"}"#;

fn bound_digest() -> ResultDigest {
    ResultDigest(keccak256(RESULTS))
}

fn world() -> World {
    let mut world = World::new();
    world.conditions = DealConditions::new(Conditions::BOUND_RESULTS, Address::ZERO);
    world
}

/// A task of three workers that all voted for the zip at `/ipfs/bafy`; the first two have revealed.
fn revealed(world: &mut World) -> TaskId {
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.assigned(id).len(), 3);
    for name in 1..=3 {
        world.contribute(name, id, bound_digest()).unwrap();
    }
    world.reveal(1, id, bound_digest());
    world.reveal(2, id, bound_digest());
    id
}

fn stores(world: &mut World, name: u8, id: TaskId, location: &str) {
    let result = StoredResult {
        worker: worker(name),
        digest: digest("of the content"),
        location: location.into(),
        callback: Bytes::new(),
        size_bytes: 10,
    };
    world.tell(Input::ResultStored { upload: 7, task: id, result });
}

#[test]
fn a_bound_task_is_finalized_with_the_bytes_that_were_voted_for() {
    let mut world = world();
    let id = revealed(&mut world);
    stores(&mut world, 1, id, "/ipfs/bafy");
    assert!(world.wanted.contains(&Action::AnswerUpload { upload: 7, answer: Ok(()) }));
    world.reveal(3, id, bound_digest());
    assert_eq!(world.kinds_sent(), ["initialize", "finalize"]);
    let view = world.hub.task(id);
    assert_eq!((view.status, view.results.as_ref()), (TaskStatus::Completed, RESULTS));
    assert_eq!(Recorded::BoundLocation.is_as_voted(&view), Some(true));
    let bound = ConditionsEvent::ResultsBound { task: id, digest: bound_digest() };
    assert!(world.events.contains(&Event::Conditions(bound)));
}

#[test]
fn a_zip_that_the_votes_do_not_name_is_refused_and_another_revealer_asked() {
    let mut world = world();
    let id = revealed(&mut world);
    world.commands();
    stores(&mut world, 1, id, "/ipfs/bafk");
    let answer = Err(UploadRefusal::WrongZip);
    assert!(world.wanted.contains(&Action::AnswerUpload { upload: 7, answer }));
    assert_eq!(
        UploadRefusal::WrongZip.to_string(),
        "the results of this deal are bound, and the votes are for another zip than this"
    );
    assert_eq!(world.commands(), [(worker(2), Command::Upload(id))]);
    stores(&mut world, 2, id, "/ipfs/bafy");
    world.reveal(3, id, bound_digest());
    assert_eq!(world.hub.task(id).results.as_ref(), RESULTS);
}

#[test]
fn what_was_stored_is_recorded_after_a_restart_too() {
    let mut world = world();
    let id = revealed(&mut world);
    stores(&mut world, 1, id, "/ipfs/bafy");
    let mut records: Vec<Record> =
        world.deals.values().chain(world.stored.values()).cloned().collect();
    for record in &mut records {
        if let Record::Deal(deal) = record {
            // The store leaves them out.
            deal.facts.as_mut().unwrap().conditions = None;
        }
    }
    let mut core = Core::new(world.settings.clone(), records, 0, world.now);
    core.handle(world.now, Input::Head(world.head()));
    let mut facts = world.facts(id);
    facts.view.reveal_count = facts.view.winner_count;
    let deal = facts.view.deal;
    core.handle(world.now, Input::TaskRead { task: id, epoch: 0, facts: Box::new(facts) });
    // The deal's conditions were not read since: what to record is not known.
    while let Some(action) = core.poll_action() {
        assert!(!matches!(action, Action::Transact { .. }), "{action:?}");
    }
    assert_eq!(core.upload_terms(worker(1), id), Err(UploadRefusal::UnknownTask));
    let conditions = Some(world.conditions);
    let terms = world.hub.deal(deal).unwrap().clone();
    let placement = Some(poco_scheduler_core::Placement::default());
    let facts = DealFacts { deal: terms, work_clock_time_ref_seconds: T, conditions, placement };
    core.handle(world.now, Input::DealRead { deal, epoch: 0, facts: Some(Box::new(facts)) });
    let mut sent = Vec::new();
    while let Some(action) = core.poll_action() {
        if let Action::Transact { call, .. } = action {
            sent.push(call);
        }
    }
    let (results, results_callback) = (Bytes::from_static(RESULTS), Bytes::new());
    assert_eq!(sent, [Call::Finalize { task: id, results, results_callback }]);

    let mut world = self::world();
    let id = revealed(&mut world);
    stores(&mut world, 1, id, "/ipfs/bafy");
    world.restart();
    world.reveal(3, id, bound_digest());
    assert_eq!(world.hub.task(id).results.as_ref(), RESULTS);
}

#[test]
fn in_the_fast_lane_a_zip_is_worth_what_its_worker_will_record() {
    let mut world = world();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.commands();
    world.says(1, id, ReportBody::Reached(Stage::Computed));
    let terms = world.core.upload_terms(worker(1), id).unwrap();
    assert_eq!(terms, UploadTerms { consensus: None, recorded: Recorded::BoundLocation });
    let content = digest("of the content");
    assert_eq!(terms.check(id, content, "/ipfs/bafy", &Bytes::new()), Ok(bound_digest()));
    stores(&mut world, 1, id, "/ipfs/bafy");
    assert!(world.contribute_and_finalize(1, id, bound_digest()).is_err(), "other results");
    world.authorize(worker(1), id);
    let whole = WholeContribution {
        task: id,
        digest: bound_digest(),
        results: Bytes::from_static(RESULTS),
        results_callback: Bytes::new(),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: SIGN,
    };
    world.call(worker(1), Call::ContributeAndFinalize(whole)).unwrap();
    assert_eq!(world.commands(), [(worker(1), Command::Ended(id))]);
}

#[test]
fn with_a_callback_its_bytes_are_what_was_voted_for_wherever_the_zip_lies() {
    let id = task(poco_core::DealId::ZERO, 0);
    let callback = Bytes::from_static(b"value");
    let voted = ResultDigest(keccak256(&callback));
    let consensus = Some(ResultHash::of(id, voted));
    let terms = UploadTerms { consensus, recorded: Recorded::BoundCallback };
    for location in ["/ipfs/bafy", "/ipfs/bafk"] {
        assert_eq!(terms.check(id, voted, location, &callback), Ok(voted));
    }
    let other = Bytes::from_static(b"other");
    assert_eq!(terms.check(id, voted, "/ipfs/bafy", &other), Err(UploadRefusal::WrongCallback));
    let lie = ResultDigest(keccak256(&other));
    assert_eq!(terms.check(id, lie, "/ipfs/bafy", &other), Err(UploadRefusal::WrongDigest));
    assert_eq!(terms.recorded.results("/ipfs/bafy"), Bytes::new());
}
