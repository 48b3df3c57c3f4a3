//! How much new work is taken on: pauses, drains, floors and stops, which break no promise.

use crate::orders::funds;
use crate::world::{World, digest, task};
use poco_core::task::TaskStatus;
use poco_core::{Amount, U256};
use poco_scheduler_core::{
    Action, Concern, Funds, Input, Intake, Notice, Operation, ReportStatus, Settings, Unfinished,
};

fn operate(world: &mut World, operation: Operation) {
    world.tell(Input::Operation(operation));
}

fn with_floors() -> World {
    World::with(&[], |settings: &mut Settings| {
        settings.floor_gas = 500;
        settings.floor_stake = Amount::from_nano(100);
        settings.floor_room_bytes = 1_000;
    })
}

/// The concerns that were noted since the last look: began or not, by name.
fn noted(world: &mut World) -> Vec<(bool, &'static str)> {
    let noted = |action| match action {
        Action::Note(Notice::ConcernBegan { concern }) => Some((true, concern.name())),
        Action::Note(Notice::ConcernEnded { concern }) => Some((false, concern.name())),
        _ => None,
    };
    std::mem::take(&mut world.wanted).into_iter().filter_map(noted).collect()
}

#[test]
fn a_pause_makes_new_deals_wait_and_serves_the_others() {
    let mut world = World::new();
    world.connect(1, 1);
    let known = world.order(1, 12);
    assert_eq!(world.assigned(task(known, 0)), [1]);
    operate(&mut world, Operation::Pause);
    let new = world.order(1, 1);
    assert!(world.core.task_report(task(new, 0)).is_none(), "no task of it is made");
    assert_eq!(world.core.stats().tasks_unmade, 12 - 10 + 1, "ten are made for one slot");
    for index in 0..12 {
        let id = task(known, index);
        world.contribute_and_finalize(1, id, digest("right")).unwrap();
        assert_eq!(world.hub.task(id).status, TaskStatus::Completed, "the deal goes on");
    }
    assert_eq!(world.core.concerns(), [Concern::Paused]);
    assert_eq!(world.core.stats().tasks_unmade, 1);
    world.commands();
    operate(&mut world, Operation::Resume);
    assert_eq!(world.assigned(task(new, 0)), [1]);
    assert_eq!((world.core.intake(), world.core.concerns().len()), (Intake::Everything, 0));
}

#[test]
fn a_deal_that_expires_during_a_pause_is_refunded_all_the_same() {
    let mut world = World::new();
    operate(&mut world, Operation::Pause);
    let id = task(world.order(1, 1), 0);
    world.pass(20 * crate::world::T);
    assert_eq!(world.hub.task(id).status, TaskStatus::Failed);
    assert_eq!(world.kinds_sent(), ["initialize-and-claim"]);
}

#[test]
fn a_drained_worker_keeps_its_promises_and_gets_nothing_new() {
    let mut world = World::new();
    world.connect(1, 2);
    let first = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(first), [1]);
    operate(&mut world, Operation::Drain(crate::world::worker(1)));
    let second = task(world.order(1, 1), 0);
    assert!(world.assigned(second).is_empty());
    world.contribute_and_finalize(1, first, digest("right")).unwrap();
    assert_eq!(world.hub.task(first).status, TaskStatus::Completed);
    // Coming back changes nothing; another worker is free to take it.
    world.disconnect(1);
    world.connect(1, 2);
    assert!(world.assigned(second).is_empty());
    let shown = world.core.workers();
    assert!(shown.len() == 1 && shown[0].is_drained && shown[0].is_connected, "{shown:?}");
    operate(&mut world, Operation::Undrain(crate::world::worker(1)));
    assert_eq!(world.assigned(second), [1]);
}

#[test]
fn below_the_floor_of_gas_no_task_is_opened_and_what_is_open_is_ended() {
    let mut world = with_floors();
    world.connect(1, 1);
    let open = task(world.order(1, 1), 0);
    funds(&mut world, 1_000, 100);
    assert_eq!(world.assigned(open), [1]);
    funds(&mut world, 999, 100);
    assert_eq!(noted(&mut world), [(true, "gas-low")]);
    let low = Concern::GasLow { has_wei: U256::from(999), floor_wei: U256::from(1_000) };
    assert_eq!(world.core.concerns(), [low]);
    let new = world.order(1, 1);
    assert!(world.core.task_report(task(new, 0)).is_none());
    world.contribute_and_finalize(1, open, digest("right")).unwrap();
    assert_eq!(world.hub.task(open).status, TaskStatus::Completed);
    // Said once, and over only when it is clearly more.
    funds(&mut world, 998, 100);
    funds(&mut world, 1_050, 100);
    assert!(noted(&mut world).is_empty());
    assert_eq!(world.core.intake(), Intake::BegunTasks);
    funds(&mut world, 1_100, 100);
    assert_eq!(world.assigned(task(new, 0)), [1]);
    assert_eq!(world.kinds_sent(), ["initialize", "initialize"]);
}

#[test]
fn below_the_floor_of_room_no_task_is_opened_and_results_are_taken() {
    let mut world = with_floors();
    world.connect(1, 1);
    let open = task(world.order(1, 1), 0);
    world.tell(Input::Room(1_000));
    assert_eq!(world.assigned(open), [1]);
    world.tell(Input::Room(999));
    assert_eq!(noted(&mut world), [(true, "room-low")]);
    let low = Concern::RoomLow { free_bytes: 999, floor_bytes: 1_000 };
    assert_eq!(world.core.concerns(), [low]);
    let new = world.order(1, 1);
    assert!(world.core.task_report(task(new, 0)).is_none());
    world.contribute_and_finalize(1, open, digest("right")).unwrap();
    assert_eq!(world.hub.task(open).status, TaskStatus::Completed);
    // Of funds nothing is forgotten, nor by them of the room.
    funds(&mut world, 999, 100);
    assert_eq!(noted(&mut world), [(true, "gas-low")]);
    world.tell(Input::Room(1_099));
    assert!(noted(&mut world).is_empty());
    world.tell(Input::Room(1_100));
    assert_eq!(noted(&mut world), [(false, "room-low")]);
    funds(&mut world, 1_100, 100);
    assert_eq!(world.assigned(task(new, 0)), [1]);
}

#[test]
fn below_the_floor_of_stake_it_is_said_and_deals_made_are_served() {
    let mut world = with_floors();
    world.connect(1, 1);
    funds(&mut world, 1_000, 99);
    assert_eq!(noted(&mut world), [(true, "stake-low")]);
    // Its stake is locked since the match: without an end it would be lost.
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    funds(&mut world, 1_000, 110);
    assert_eq!(noted(&mut world), [(false, "stake-low")]);
}

#[test]
fn a_chain_without_gas_prices_has_no_floor_of_gas() {
    let mut world = with_floors();
    world.tell(Input::Funds(Funds { stake_free: Amount::from_nano(100), ..Funds::default() }));
    assert!(world.core.concerns().is_empty());
}

#[test]
fn a_stop_ends_what_is_under_way_and_begins_nothing() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.assigned(id).len(), 3);
    let waits = task(world.order(5, 1), 0);
    assert_eq!(world.core.task_report(waits).unwrap().status, ReportStatus::Active);
    operate(&mut world, Operation::Stop);
    assert_eq!(world.core.unfinished(), Unfinished { runs: 3, ..Unfinished::default() });
    let late = world.order(1, 1);
    assert!(world.core.task_report(task(late, 0)).is_none());
    for name in 1..=3 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    assert_eq!(world.core.unfinished(), Unfinished { endings: 1, ..Unfinished::default() });
    for name in 1..=3 {
        world.reveal(name, id, digest("right"));
    }
    world.store_result(1, id, digest("right"));
    assert_eq!(world.hub.task(id).status, TaskStatus::Completed);
    assert!(world.assigned(waits).is_empty(), "three are free, and nobody begins it");
    assert!(world.waiting(waits).contains("stopping"), "{}", world.waiting(waits));
    assert!(world.core.unfinished().is_nothing());
    let cut = task(world.order(1, 1), 0);
    assert!(world.core.task_report(cut).is_none());
    // The next process goes on with what was left.
    world.restart();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    assert!(!world.assigned(waits).is_empty());
    assert!(world.core.task_report(task(late, 0)).is_some());
}

#[test]
fn a_stop_does_not_wait_for_who_has_gone() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    operate(&mut world, Operation::Stop);
    assert_eq!(world.core.unfinished().runs, 1);
    world.disconnect(1);
    assert!(world.core.unfinished().is_nothing(), "{}", world.waiting(id));
}

#[test]
fn a_stop_with_nothing_under_way_waits_for_nothing() {
    let mut world = World::new();
    world.connect(1, 1);
    operate(&mut world, Operation::Stop);
    world.order(1, 5);
    assert!(world.core.unfinished().is_nothing());
    assert!(world.kinds_sent().is_empty());
}
