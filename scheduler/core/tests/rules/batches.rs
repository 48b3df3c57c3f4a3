//! How many tasks go together in one call.

use crate::lane::{compute, disclose, sign, world as lane_world};
use crate::world::{World, digest, task};
use poco_core::task::TaskStatus;

/// How many tasks each call of this kind had.
fn sizes(world: &World, kind: &str) -> Vec<usize> {
    let of_kind = world.sent.iter().filter(|(intent, _)| intent.kind.name() == kind);
    of_kind.map(|(intent, _)| intent.tasks.len()).collect()
}

#[test]
fn a_bag_is_opened_twenty_at_a_time() {
    let mut world = World::new();
    world.connect(1, 60);
    let deal = world.order(1, 45);
    let opened = sizes(&world, "initialize");
    assert_eq!(opened.iter().sum::<usize>(), 45, "{opened:?}");
    assert_eq!(opened.iter().max(), Some(&20), "{opened:?}");
    assert!(opened.len() <= 4, "{opened:?}");
    assert_eq!(world.hub.task(task(deal, 44)).status, TaskStatus::Active);
}

#[test]
fn what_is_over_is_claimed_twenty_at_a_time() {
    let mut world = World::new();
    let deal = world.order(1, 45);
    world.pass(3_001);
    let claimed = sizes(&world, "claim");
    let both = sizes(&world, "initialize-and-claim");
    let all: Vec<usize> = claimed.into_iter().chain(both).collect();
    assert_eq!(all.iter().sum::<usize>(), 45, "{all:?}");
    assert_eq!(all.iter().max(), Some(&20), "{all:?}");
    assert_eq!(world.hub.task(task(deal, 44)).status, TaskStatus::Failed);
}

#[test]
fn fifty_tasks_are_committed_and_settled_together_and_no_more() {
    let mut world = lane_world(2, 40);
    let deal = world.order(1, 70);
    compute(&mut world, deal, 70);
    let owner = |world: &World, index| {
        let report = world.core.task_report(task(deal, index)).unwrap();
        report.replicas[0].worker[0]
    };
    let owners: Vec<u8> = (0..70).map(|index| owner(&world, index)).collect();
    let place = |id| (0..70).find(|index| task(deal, *index as u64) == id).unwrap();
    while sign(&mut world, |name, id| (owners[place(id)] == name).then_some("right")) > 0 {}
    let committed = sizes(&world, "commit");
    assert_eq!(committed.iter().sum::<usize>(), 70, "{committed:?}");
    assert_eq!(committed.iter().max(), Some(&50), "{committed:?}");
    for (index, name) in (0..70).zip(&owners) {
        let id = task(deal, index);
        disclose(&mut world, *name, id, "right", false);
        disclose(&mut world, *name, id, "right", true);
        world.store_result(*name, id, digest("right"));
    }
    world.pass(60);
    let settled = sizes(&world, "settle");
    assert_eq!(settled.iter().sum::<usize>(), 70, "{settled:?}");
    assert!(settled.iter().all(|size| *size <= 50) && settled.len() <= 4, "{settled:?}");
}
