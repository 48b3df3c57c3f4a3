//! In which order workers are tried, and requesters served.

use crate::world::{World, digest, failure, hash_of, task, worker};
use poco_core::task::TaskStatus;
use poco_core::{Address, B256, DealId, TaskId};
use poco_scheduler_core::{
    Capacity, Cause, Command, DealRecord, Draw, MemberRecord, Record, ReplicaRecord, ReportBody,
    Stage,
};
use std::collections::BTreeMap;

fn deal_record(world: &World, deal: DealId) -> DealRecord {
    match &world.deals[&deal] {
        Record::Deal(record) => *record.clone(),
        other => panic!("{other:?}"),
    }
}

fn replicas(world: &World, task: TaskId) -> Vec<ReplicaRecord> {
    match &world.stored[&task] {
        Record::Task(record) => record.replicas.clone(),
        other => panic!("{other:?}"),
    }
}

fn member(world: &World, place: u32) -> MemberRecord {
    match &world.members[&place] {
        Record::Member(record) => *record,
        other => panic!("{other:?}"),
    }
}

/// How many of the tasks each worker was given.
fn given(world: &mut World) -> BTreeMap<u8, usize> {
    let mut given = BTreeMap::new();
    for (who, command) in world.commands() {
        if matches!(command, Command::Assign { .. }) {
            *given.entry(who[0]).or_default() += 1;
        }
    }
    given
}

#[test]
fn chances_are_spread_evenly() {
    let mut world = World::with(&[], |settings| settings.fast_lane = false);
    for name in 1..=4 {
        world.connect(name, 200);
    }
    world.order(1, 200);
    let given = given(&mut world);
    assert_eq!(given.values().sum::<usize>(), 200);
    // Within five standard deviations of 50.
    assert!(given.values().all(|count| (20..=80).contains(count)), "{given:?}");
}

#[test]
fn what_is_stored_is_enough_to_compute_the_order_again() {
    let mut world = World::new();
    for name in 1..=7 {
        world.connect(name, 9);
    }
    world.call(worker(1), poco_core::Call::Claim { task: TaskId::ZERO }).unwrap_err();
    world.report(Vec::new());
    world.block += 1;
    world.report(Vec::new());
    let deal = world.order(5, 9);
    let record = deal_record(&world, deal);
    assert_eq!((record.block_hash, record.places), (hash_of(record.block), 7));
    for index in 0..9 {
        let id = task(deal, index);
        let draw = Draw::new(record.block_hash, id, record.places);
        let replicas = replicas(&world, id);
        assert_eq!(replicas.len(), 3);
        for replica in &replicas {
            let place = draw.place(replica.rank.unwrap()).unwrap();
            assert_eq!(member(&world, place).worker, replica.worker);
        }
        // Everybody was free and weighs the same: the first three of the order have it.
        let mut ranks: Vec<u32> = replicas.iter().filter_map(|replica| replica.rank).collect();
        ranks.sort_unstable();
        assert_eq!(ranks, [0, 1, 2]);
    }
}

#[test]
fn who_comes_after_the_match_is_tried_last() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 2);
    let deal = world.order(1, 4);
    assert_eq!(deal_record(&world, deal).places, 2);
    assert_eq!(given(&mut world).values().sum::<usize>(), 3);
    world.connect(3, 5);
    assert_eq!(world.assigned(task(deal, 3)), [3]);
    assert_eq!(replicas(&world, task(deal, 3))[0].rank, None);
    // The first that is free again comes before it, however many slots it has.
    let id = task(deal, 0);
    let holder = replicas(&world, id)[0].worker;
    world.says(holder[0], id, failure(Cause::Declined));
    world.says(3, task(deal, 3), failure(Cause::Declined));
    let again: Vec<u8> = world.assigned(task(deal, 3));
    assert_eq!(again, [holder[0]]);
}

#[test]
fn a_worker_that_comes_back_keeps_its_place_and_so_it_does_over_a_restart() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let deal = world.order(3, 1);
    let before = world.members.clone();
    world.disconnect(2);
    world.block += 5;
    world.report(Vec::new());
    world.connect(2, 1);
    assert_eq!(world.members, before);
    world.restart();
    for name in [3, 2, 1] {
        world.connect(name, 1);
    }
    assert_eq!(world.members, before);
    assert_eq!(deal_record(&world, deal).places, 3);
}

#[test]
fn newcomers_build_a_score_beside_heavier_workers() {
    let scores: Vec<(u8, u64)> = (1..=3).map(|name| (name, 300)).collect();
    let mut world = World::with(&scores, |_| {});
    for name in 1..=8 {
        world.connect(name, 200);
    }
    let deal = world.order(5, 200);
    let replicas = (0..200).map(|index| replicas(&world, task(deal, index)));
    let has_newcomer = |all: &Vec<ReplicaRecord>| all.iter().any(|one| one.worker > worker(3));
    let (with, without): (Vec<_>, Vec<_>) = replicas.partition(has_newcomer);
    assert!((4..=30).contains(&with.len()), "{} of 200, one in 16 is 12", with.len());
    assert!(with.iter().all(|all| all.len() == 2), "beside one that suffices");
    assert!(without.iter().all(|all| all.len() == 1));
    let given = given(&mut world);
    assert!((4..=8).filter(|name| given.contains_key(name)).count() >= 3, "{given:?}");
}

#[test]
fn of_neighbours_in_the_order_the_one_that_has_the_image_comes_first() {
    let mut world = World::with(&[], |settings| settings.fast_lane = false);
    world.connect(1, 100);
    world.connect(2, 100);
    let first = task(world.order(1, 1), 0);
    let name = world.assigned(first)[0];
    world.says(name, first, ReportBody::Reached(Stage::Running));
    world.order(1, 30);
    assert_eq!(given(&mut world), [(name, 30)].into());
}

#[test]
fn no_task_runs_twice_on_one_machine_or_for_one_owner() {
    let (machine, owner) = (Some(B256::repeat_byte(1)), Some(Address::repeat_byte(2)));
    for shared in [
        Capacity { slots: 2, machine, ..Capacity::default() },
        Capacity { slots: 2, owner, ..Capacity::default() },
    ] {
        let mut world = World::new();
        for name in 1..=3 {
            world.connect_as(name, shared.clone(), Vec::new());
        }
        let id = task(world.order(3, 1), 0);
        assert_eq!(world.assigned(id), [], "three wallets are one");
        world.connect(4, 1);
        let mut names = world.assigned(id);
        names.sort_unstable();
        assert_eq!((names.len(), names[1]), (2, 4));
        world.says(4, id, failure(Cause::Engine));
        assert_eq!(world.assigned(id), [], "another of the same would not count");
    }
}

#[test]
fn a_light_worker_does_not_keep_a_heavier_one_of_its_machine_from_a_task_that_needs_it() {
    let mut world = World::with(&[(2, 300)], |_| {});
    let machine = Some(B256::repeat_byte(1));
    for name in 1..=2 {
        let capacity = Capacity { slots: 40, machine, ..Capacity::default() };
        world.connect_as(name, capacity, Vec::new());
    }
    world.connect(3, 40);
    // The light one of the machine and the third do not reach it, whichever comes first.
    let mut firsts = BTreeMap::new();
    for _ in 0..20 {
        let id = task(world.order(100, 1), 0);
        let mut given = world.assigned(id);
        *firsts.entry(given[0]).or_insert(0) += 1;
        given.sort_unstable();
        assert_eq!(given, [2, 3]);
    }
    assert!(firsts.len() == 2, "in the order of the task: {firsts:?}");
    // Where either will do, the order alone decides.
    let mut alone = BTreeMap::new();
    for _ in 0..30 {
        let id = task(world.order(1, 1), 0);
        *alone.entry(world.assigned(id)[0]).or_insert(0) += 1;
    }
    assert!((1..=3).all(|name| alone.contains_key(&name)), "{alone:?}");
}

#[test]
fn a_requester_with_many_deals_does_not_push_another_aside() {
    let mut world = World::with(&[], |settings| settings.fast_lane = false);
    world.connect(1, 4);
    for _ in 0..3 {
        world.order(1, 20);
    }
    assert_eq!(given(&mut world), [(1, 4)].into());
    world.requester = worker(9);
    let late = world.order(1, 20);
    // From now on every second slot is the other's, until both have the same.
    for turn in 0..4 {
        let id = *world.stored.keys().find(|id| is_live(&world, **id, late)).unwrap();
        world.says(1, id, ReportBody::Reached(Stage::Computed));
        let mine = (0..20).filter(|index| is_given(&world, task(late, *index))).count();
        assert_eq!(mine, (turn + 1).min(2), "after {} slots", turn + 1);
        given(&mut world);
    }
}

/// Whether a task of another deal takes a slot.
fn is_live(world: &World, id: TaskId, other: DealId) -> bool {
    let report = world.core.task_report(id).unwrap();
    report.deal != other
        && report.replicas.iter().any(|one| one.stage.is_some_and(Stage::takes_slot))
}

fn is_given(world: &World, id: TaskId) -> bool {
    world.stored.contains_key(&id) && !replicas(world, id).is_empty()
}

#[test]
fn what_nobody_can_bring_to_its_end_keeps_no_room_from_others() {
    let mut world = World::with(&[], |settings| settings.tasks_live_max = 2);
    world.connect(1, 2);
    let beyond = world.order(1_000, 5);
    assert!(world.assigned(task(beyond, 0)).is_empty());
    // Two were open before it was known; no more are made where nobody was found for these.
    assert_eq!(world.hub.task(task(beyond, 2)).status, TaskStatus::Unset);
    let deal = world.order(1, 3);
    for index in 0..3 {
        assert_eq!(world.hub.task(task(deal, index)).status, TaskStatus::Active, "{index}");
        world.contribute_and_finalize(1, task(deal, index), digest("right")).unwrap();
    }
    assert_eq!(world.hub.task(task(beyond, 2)).status, TaskStatus::Unset);
    for name in 2..=9 {
        world.connect(name, 1);
    }
    let deal = world.order(1, 1);
    assert_eq!(world.assigned(task(deal, 0)).len(), 1);
}

#[test]
fn votes_that_no_further_worker_can_settle_keep_no_room_from_others() {
    let mut world = World::with(&[], |settings| settings.tasks_live_max = 1);
    world.connect(1, 1);
    world.connect(2, 1);
    let disputed = world.order(4, 1);
    let both = world.assigned(task(disputed, 0));
    assert_eq!(both.len(), 2);
    world.contribute(1, task(disputed, 0), digest("right")).unwrap();
    world.contribute(2, task(disputed, 0), digest("wrong")).unwrap();
    let deal = world.order(1, 1);
    assert_eq!(world.assigned(task(deal, 0)).len(), 1, "{}", world.waiting(task(disputed, 0)));
    // Others come, and what waited goes on.
    for name in 3..=9 {
        world.connect(name, 1);
    }
    assert!(!world.assigned(task(disputed, 0)).is_empty());
}
