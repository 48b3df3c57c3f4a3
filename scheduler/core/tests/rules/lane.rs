//! The settlement lane: from ballots to the settlement, and every way out of it.

use crate::world::{World, assign, digest, task, worker};
use poco_core::lane::{Ballot, BlindedVote, LaneEvent, Nonce, Vote};
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Bytes, Conditions, DealConditions, DealId, Event, Recorded, ResultDigest, TaskId,
    U256, keccak256,
};
use poco_scheduler_core::{
    Action, Command, Input, Lane, ReportBody, ReportStatus, Stage, UploadRefusal,
};

/// More than any test of these votes.
pub(crate) const BOND: u64 = 1_000_000;

pub(crate) fn world(workers: u8, slots: u32) -> World {
    let mut world = World::with(&[], |settings| settings.settlement = true);
    for name in 1..=workers {
        world.connect(name, slots);
        world.bond(name, BOND);
    }
    world.wanted.clear();
    world
}

fn vote(name: u8, id: TaskId, text: &str) -> Vote {
    Vote::of(worker(name), id, digest(text), Nonce(u128::from(name)))
}

/// Everybody who was given the task computes it.
pub(crate) fn compute(world: &mut World, deal: DealId, tasks: u64) {
    let given: Vec<(Address, TaskId)> = (world.commands().into_iter())
        .filter_map(|(worker, command)| match command {
            Command::Assign { task, lane: Lane::Settlement, .. } => Some((worker, task)),
            _ => None,
        })
        .collect();
    let known: Vec<TaskId> = (0..tasks).map(|index| task(deal, index)).collect();
    for (worker, id) in given {
        assert!(known.contains(&id));
        world.says(worker[0], id, ReportBody::Reached(Stage::Computed));
    }
}

/// Answers a demand for a ballot; `says` is what each worker says in a task, nothing for no vote.
pub(crate) fn sign(world: &mut World, says: impl Fn(u8, TaskId) -> Option<&'static str>) -> usize {
    let asked: Vec<(u8, DealId, U256, u64)> = (world.commands().into_iter())
        .filter_map(|(worker, command)| match command {
            Command::Ballot { deal, first, count } => Some((worker[0], deal, first, count)),
            _ => None,
        })
        .collect();
    for (name, deal, first, count) in &asked {
        let entry = |place: u64| {
            let id = TaskId::of_deal(*deal, first + U256::from(place));
            says(*name, id).map_or(BlindedVote::ABSENT, |text| vote(*name, id, text).blinded())
        };
        let entries: Vec<BlindedVote> = (0..*count).map(entry).collect();
        if entries.iter().all(|entry| *entry == BlindedVote::ABSENT) {
            continue;
        }
        let sign = Bytes::from_static(b"signed");
        let ballot = Ballot { worker: worker(*name), first: *first, entries, sign };
        world.tell(Input::Ballot { deal: *deal, ballot });
    }
    asked.len()
}

pub(crate) fn disclose(world: &mut World, name: u8, id: TaskId, text: &str, with_digest: bool) {
    let (worker, vote) = (worker(name), vote(name, id, text));
    let digest = with_digest.then(|| digest(text));
    world.tell(Input::Disclosed { worker, task: id, vote, digest });
}

/// Who was told the row of a task since the last look, and whether all of it.
pub(crate) fn rows(world: &mut World, id: TaskId) -> Vec<(u8, bool)> {
    (world.commands().into_iter())
        .filter_map(|(worker, command)| match command {
            Command::Row { task, votes } if task == id => {
                Some((worker[0], votes.iter().all(Option::is_some)))
            }
            _ => None,
        })
        .collect()
}

/// A task of three workers, committed: what each of them says.
pub(crate) fn committed(world: &mut World, says: [&'static str; 3]) -> TaskId {
    let deal = world.order(5, 1);
    compute(world, deal, 1);
    assert_eq!(sign(world, |name, _| Some(says[usize::from(name) - 1])), 3);
    assert_eq!(world.kinds_sent(), ["commit"]);
    task(deal, 0)
}

#[test]
fn a_replicated_task_is_committed_disclosed_and_settled() {
    let mut world = world(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    let given = world.wanted.clone().into_iter().filter_map(|action| match action {
        Action::Tell { worker, command } => Some((worker, command)),
        _ => None,
    });
    let given: Vec<_> = given.collect();
    assert_eq!(given.len(), 3);
    assert_eq!(given[0], assign(given[0].0[0], deal, 0, Lane::Settlement));
    assert_eq!(world.kinds_sent(), [""; 0], "nothing is opened before its commit");
    compute(&mut world, deal, 1);
    assert_eq!(world.waiting(id), "the ballots of 3 workers, for a commit with other tasks");
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    assert_eq!(world.kinds_sent(), ["commit"]);

    let names: Vec<u8> = given.iter().map(|(worker, _)| worker[0]).collect();
    let news = rows(&mut world, id);
    assert_eq!(news.len(), 3, "all hear of the commit: {news:?}");
    assert!(news.iter().all(|(_, is_complete)| !is_complete));
    disclose(&mut world, names[0], id, "right", false);
    disclose(&mut world, names[1], id, "right", false);
    assert!(world.waiting(id).starts_with("disclosures: 2 of 3 votes are known"));
    assert_eq!(rows(&mut world, id), []);
    disclose(&mut world, names[2], id, "right", false);
    let mut told = rows(&mut world, id);
    told.sort_unstable();
    let mut all: Vec<(u8, bool)> = names.iter().map(|name| (*name, true)).collect();
    all.sort_unstable();
    assert_eq!(told, all);
    let refused = world.core.upload_terms(worker(names[1]), id);
    assert_eq!(refused, Err(UploadRefusal::NotExpected));
    disclose(&mut world, names[1], id, "right", true);
    assert_eq!(world.commands(), [(worker(names[1]), Command::Upload(id))]);
    world.store_result(names[1], id, digest("right"));
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
    let report = world.core.task_report(id).unwrap();
    assert_eq!((report.status, report.lane), (ReportStatus::Completed, Lane::Settlement));
    let outcome = &world.lane.batches[0].outcomes[0];
    assert_eq!((outcome.present, outcome.agreeing, outcome.nonces.len()), (7, 7, 3));
    assert_eq!(outcome.results.as_ref(), br#"{"storage":"ipfs","location":"/ipfs/bafy"}"#);
}

#[test]
fn bound_results_are_settled_with_the_bytes_that_were_voted_for() {
    let results = br#"{"storage":"ipfs","location":"/ipfs/bafy"}"#;
    let bound = ResultDigest(keccak256(results));
    let mut world = world(3, 1);
    world.conditions = DealConditions::new(Conditions::BOUND_RESULTS, Address::ZERO);
    let says = std::str::from_utf8(results).unwrap();
    let id = committed(&mut world, [says; 3]);
    for name in 1..=3 {
        disclose(&mut world, name, id, says, name == 2);
    }
    let terms = world.core.upload_terms(worker(2), id).unwrap();
    assert_eq!(terms.recorded, Recorded::BoundLocation);
    world.store_result(2, id, digest("of the content"));
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
    let outcome = &world.lane.batches[0].outcomes[0];
    assert_eq!((outcome.digest, outcome.results.as_ref()), (bound, &results[..]));

    // Under any other condition the task is a classic one.
    let kept = Conditions::BOUND_RESULTS | Conditions::STRICT_REVEALS;
    world.conditions = DealConditions::new(kept, Address::ZERO);
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.core.task_report(id).unwrap().lane, Lane::Classic);
}

#[test]
fn a_bag_is_committed_and_settled_together() {
    let mut world = world(2, 8);
    let deal = world.order(1, 6);
    compute(&mut world, deal, 6);
    // Trust 1: each task has one worker; the other is absent in its row.
    let of = |world: &World, id: TaskId| {
        let report = world.core.task_report(id).unwrap();
        assert_eq!(report.replicas.len(), 1);
        report.replicas[0].worker
    };
    let owners: Vec<(TaskId, Address)> =
        (0..6).map(|index| (task(deal, index), of(&world, task(deal, index)))).collect();
    let owns = |name: u8, id: TaskId| owners.contains(&(id, worker(name)));
    assert_eq!(sign(&mut world, |name, id| owns(name, id).then_some("right")), 2);
    assert_eq!(world.kinds_sent(), ["commit"]);
    for (id, owner) in &owners {
        disclose(&mut world, owner[0], *id, "right", false);
        disclose(&mut world, owner[0], *id, "right", true);
    }
    for (id, owner) in &owners[1..] {
        world.store_result(owner[0], *id, digest("right"));
    }
    assert_eq!(world.kinds_sent(), ["commit"], "the first may follow");
    let (id, owner) = owners[0];
    world.store_result(owner[0], id, digest("right"));
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
    assert_eq!(world.lane.batches[0].outcomes.len(), 6);
}

#[test]
fn tasks_that_are_ready_wait_only_so_long_for_others() {
    let mut world = world(2, 8);
    let deal = world.order(1, 3);
    let given: Vec<(Address, Command)> = world.commands();
    for (worker, command) in given {
        if let Command::Assign { task: id, .. } = command
            && id != task(deal, 2)
        {
            world.says(worker[0], id, ReportBody::Reached(Stage::Computed));
        }
    }
    assert_eq!(sign(&mut world, |_, _| Some("right")), 0);
    world.pass(6);
    let asked = world.commands().into_iter().find_map(|(_, command)| match command {
        Command::Ballot { first, count, .. } => Some((first, count)),
        _ => None,
    });
    assert_eq!(asked, Some((U256::ZERO, 2)));
}

#[test]
fn without_enough_bonds_a_task_is_a_classic_one() {
    let mut world = World::with(&[], |settings| settings.settlement = true);
    for name in 1..=3 {
        world.connect(name, 1);
    }
    world.bond(1, BOND);
    world.bond(2, BOND);
    world.wanted.clear();
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    let lanes: Vec<Lane> = (world.commands().into_iter())
        .filter_map(|(_, command)| match command {
            Command::Assign { lane, .. } => Some(lane),
            _ => None,
        })
        .collect();
    assert_eq!(lanes, [Lane::Classic; 3]);
    assert_eq!(world.kinds_sent(), ["initialize"]);
    assert_eq!(world.core.task_report(id).unwrap().lane, Lane::Classic);
    // A plain hub, or a single task at trust 1: as ever.
    let single = world.order(1, 1);
    world.says(1, id, crate::world::failure(poco_scheduler_core::Cause::Engine));
    let report = world.core.task_report(task(single, 0)).unwrap();
    assert_ne!(report.lane, Lane::Settlement);
}

#[test]
fn votes_that_do_not_agree_are_closed_and_more_workers_asked() {
    let mut world = world(5, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    let names: Vec<u8> =
        world.core.task_report(id).unwrap().replicas.iter().map(|one| one.worker[0]).collect();
    let liar = names[2];
    let says = move |name: u8| if name == liar { "wrong" } else { "right" };
    assert_eq!(sign(&mut world, |name, _| Some(says(name))), 3);
    for name in &names {
        disclose(&mut world, *name, id, says(*name), false);
    }
    assert_eq!(world.kinds_sent(), ["commit", "disclose", "close"]);
    assert_eq!(world.core.task_report(id).unwrap().lane, Lane::Classic);
    let commands = world.commands();
    for name in (1..=5).filter(|name| !names.contains(name)) {
        assert!(commands.contains(&assign(name, deal, 0, Lane::Classic)), "{commands:?}");
    }
}

#[test]
fn without_one_that_is_needed_the_task_is_closed_when_its_time_is_over() {
    let mut world = World::with(&[(1, 60), (2, 60)], |settings| settings.settlement = true);
    for name in 1..=3 {
        world.connect(name, 1);
        world.bond(name, BOND);
    }
    world.wanted.clear();
    let id = silent_third(&mut world, 700);
    // 361 * 700 is not above 362 * 699: without the silent one the task is closed.
    world.pass(601);
    assert_eq!(world.kinds_sent(), ["commit", "disclose", "close"]);
    assert_eq!(world.core.task_report(id).unwrap().lane, Lane::Classic);
}

/// A task of three workers of which the third says nothing after the commit.
fn silent_third(world: &mut World, trust: u64) -> TaskId {
    let deal = world.order(trust, 1);
    let id = task(deal, 0);
    compute(world, deal, 1);
    assert_eq!(sign(world, |_, _| Some("right")), 3);
    for name in 1..=2 {
        disclose(world, name, id, "right", true);
    }
    world.pass(590);
    let is_complete = rows(world, id).into_iter().any(|(_, is_complete)| is_complete);
    assert!(!is_complete, "a vote that is missing may be the one against");
    assert!(world.waiting(id).starts_with("disclosures: 2 of 3"));
    id
}

#[test]
fn one_of_two_is_not_enough() {
    let mut world = world(3, 1);
    let deal = world.order(3, 1);
    let id = task(deal, 0);
    assert_eq!(world.core.task_report(id).unwrap().replicas.len(), 2);
    compute(&mut world, deal, 1);
    let names: Vec<u8> =
        world.core.task_report(id).unwrap().replicas.iter().map(|one| one.worker[0]).collect();
    assert_eq!(sign(&mut world, |_, _| Some("right")), 2);
    disclose(&mut world, names[0], id, "right", true);
    world.pass(601);
    // 2 * 3 is not above (1 + 2) * 2: one of two is not enough.
    assert_eq!(world.kinds_sent(), ["commit", "disclose", "close"]);
}

#[test]
fn all_that_is_known_is_disclosed_before_a_task_is_closed() {
    let mut world = world(4, 1);
    let deal = world.order(9, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    let report = world.core.task_report(id).unwrap();
    let names: Vec<u8> = report.replicas.iter().map(|one| one.worker[0]).collect();
    assert_eq!(names.len(), 4);
    let says = |name: u8| if name == names[3] { "wrong" } else { "right" };
    assert_eq!(sign(&mut world, |name, _| Some(says(name))), 4);
    for name in &names[..2] {
        disclose(&mut world, *name, id, "right", true);
    }
    disclose(&mut world, names[3], id, "wrong", false);
    world.pass(601);
    // 4 * 9 is not above (1 + 4 + 2) * 8.
    assert_eq!(world.kinds_sent(), ["commit", "disclose", "close"]);
    assert_eq!(world.lane.tasks[&id].1.len(), 3);
}

#[test]
fn a_vote_that_opens_nothing_is_not_known() {
    let mut world =
        World::with(&[(1, 60), (2, 60), (3, 60)], |settings| settings.settlement = true);
    for name in 1..=3 {
        world.connect(name, 1);
        world.bond(name, BOND);
    }
    world.wanted.clear();
    let deal = world.order(400, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    for name in 1..=3 {
        disclose(&mut world, name, id, "right", false);
    }
    // What does not open the committed vote is not known.
    let forged = vote(3, id, "wrong");
    world.tell(Input::Disclosed { worker: worker(3), task: id, vote: forged, digest: None });
    assert!(world.waiting(id).starts_with("disclosures: 2 of 3"));
    disclose(&mut world, 3, id, "right", true);
    world.commands();
    world.store_result(3, id, digest("right"));
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
}

#[test]
fn a_digest_that_nobody_gives_away_closes_the_task() {
    let mut world = world(3, 1);
    let id = committed(&mut world, ["right"; 3]);
    assert_eq!(rows(&mut world, id).len(), 3, "of the commit");
    for name in 1..=3 {
        disclose(&mut world, name, id, "right", false);
    }
    assert_eq!(rows(&mut world, id).len(), 3);
    world.pass(21);
    assert_eq!(rows(&mut world, id).len(), 3, "it is told again");
    world.pass(580);
    assert_eq!(world.kinds_sent(), ["commit", "disclose", "close"]);
    assert_eq!(world.lane.tasks[&id].0.status, TaskStatus::Revealing);
    assert!(world.commands().contains(&(worker(1), Command::Reveal(id))));
}

#[test]
fn who_signs_no_ballot_is_replaced() {
    let mut world = world(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    let names: Vec<u8> =
        world.core.task_report(id).unwrap().replicas.iter().map(|one| one.worker[0]).collect();
    let fourth = (1..=4).find(|name| !names.contains(name)).unwrap();
    let silent = names[1];
    assert_eq!(sign(&mut world, |name, _| (name != silent).then_some("right")), 3);
    world.pass(21);
    let asked: Vec<Address> = world.commands().into_iter().map(|(worker, _)| worker).collect();
    assert_eq!(asked, [worker(silent)], "it alone is asked again");
    world.pass(45);
    let commands = world.commands();
    assert!(commands.contains(&assign(fourth, deal, 0, Lane::Settlement)), "{commands:?}");
    assert_eq!(world.kinds_sent(), [""; 0]);
}

#[test]
fn who_takes_its_bond_back_stops_one_commit_and_is_replaced() {
    let mut world = world(5, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    let names = |world: &World| -> Vec<u8> {
        let replicas = world.core.task_report(id).unwrap().replicas;
        let live = replicas.iter().filter(|one| one.failure.is_none());
        live.map(|one| one.worker[0]).collect()
    };
    let (first, thief) = (names(&world), names(&world)[1]);
    world.lane.end_bond(thief, true);
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    assert_eq!(world.kinds_sent(), [""; 0], "the hub refused it");
    // As if nothing had been.
    world.lane.end_bond(thief, false);
    world.bond(thief, 0);
    compute(&mut world, deal, 1);
    let second = names(&world);
    assert!(!second.contains(&thief) && second.len() == 3, "{first:?} {second:?}");
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    assert_eq!(world.kinds_sent(), ["commit"], "at once, in the same lane");
    // It has no part in the lane for a while, though it has a bond.
    let given = |world: &mut World, deal: DealId| -> Vec<(u8, Lane)> {
        let given = world.commands().into_iter().filter_map(|(worker, command)| match command {
            Command::Assign { task, lane, .. } if task == self::task(deal, 0) => {
                Some((worker[0], lane))
            }
            _ => None,
        });
        given.collect()
    };
    world.commands();
    for name in 6..=7 {
        world.connect(name, 1);
        world.bond(name, BOND);
    }
    let deal = world.order(5, 1);
    let others = given(&mut world, deal);
    assert_eq!(others.len(), 3, "{others:?}");
    let is_right = |(name, lane): &(u8, Lane)| *name != thief && *lane == Lane::Settlement;
    assert!(others.iter().all(is_right), "{thief} {others:?}");
    // Nobody computes it, and in the end the others have all been tried.
    world.pass(1_300);
    let later = given(&mut world, deal);
    assert!(later.contains(&(thief, Lane::Settlement)), "{thief} {later:?}");
}

#[test]
fn a_task_closed_by_others_is_a_classic_one() {
    let mut world = world(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    let names: Vec<u8> =
        world.core.task_report(id).unwrap().replicas.iter().map(|one| one.worker[0]).collect();
    world.contribute_to(id, worker(names[0]), vote(names[0], id, "right"));
    world.block += 1;
    world.report(vec![Event::Lane(LaneEvent::Closed { task: id })]);
    let report = world.core.task_report(id).unwrap();
    assert_eq!((report.status, report.lane), (ReportStatus::Active, Lane::Classic));
}
