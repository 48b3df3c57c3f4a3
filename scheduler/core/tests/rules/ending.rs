//! Deadlines, claims, restarts and what is forgotten when.

use crate::world::{OWNER, World, digest, task, worker};
use poco_core::task::TaskStatus;
use poco_core::{Call, U256};
use poco_scheduler_core::{Action, Command, Input, ReportBody, Stage, Stats};

#[test]
fn without_workers_tasks_are_claimed_by_timer() {
    let mut world = World::new();
    let deal = world.order(1, 2);
    world.pass(2999);
    assert_eq!(world.kinds_sent(), ["initialize"]);
    world.pass(2);
    assert_eq!(world.kinds_sent(), ["initialize", "claim"]);
    assert_eq!(world.hub.task(task(deal, 1)).status, TaskStatus::Failed);
}

#[test]
fn tasks_that_were_never_made_are_opened_and_claimed_in_batches() {
    let mut world = World::with(&[], |settings| settings.tasks_live_max = 2);
    let deal = world.order(1, 50);
    assert_eq!(world.hub.task(task(deal, 2)).status, TaskStatus::Unset);
    world.pass(3001);
    for index in 0..50 {
        assert_eq!(world.hub.task(task(deal, index)).status, TaskStatus::Failed, "{index}");
    }
    assert!(world.sent.len() <= 6, "{:?}", world.kinds_sent());
}

#[test]
fn one_task_that_somebody_else_claimed_does_not_hold_up_its_batch() {
    let mut world = World::new();
    let deal = world.order(1, 5);
    world.time = world.time.after(3000);
    // The scheduler has not heard of the time yet.
    world.hub.call(OWNER, world.time, &Call::Claim { task: task(deal, 2) }).unwrap();
    world.pass(0);
    let head = poco_scheduler_core::Head { number: world.block + 1, timestamp: world.time };
    world.block += 1;
    world.tell(Input::Head(head));
    world.pass(5);
    for index in 0..5 {
        assert_eq!(world.hub.task(task(deal, index)).status, TaskStatus::Failed, "{index}");
    }
    let refused = world.sent.iter().filter(|(_, result)| result.is_err()).count();
    assert_eq!(refused, 1);
}

#[test]
fn a_task_that_somebody_opened_before_it_was_made_is_not_opened_again() {
    for is_killed in [false, true] {
        let mut world = World::with(&[], |settings| settings.tasks_live_max = 1);
        world.connect(1, 1);
        let deal = world.order(1, 2);
        world.call(worker(9), Call::Initialize { deal, index: U256::ONE }).unwrap();
        assert!(world.core.task_report(task(deal, 1)).is_none(), "there is no room for it yet");
        if is_killed {
            world.restart();
            world.connect_with(1, 1, vec![(task(deal, 0), Some(Stage::Running))]);
        }
        world.contribute_and_finalize(1, task(deal, 0), digest("right")).unwrap();
        assert_eq!(world.assigned(task(deal, 1)), [1]);
        let refused = world.sent.iter().filter(|(_, result)| result.is_err()).count();
        assert_eq!((world.kinds_sent().len(), refused), (1, 0), "{:?}", world.kinds_sent());
    }
}

#[test]
fn what_is_too_late_is_not_started() {
    let mut world = World::new();
    let id = task(world.order(1, 1), 0);
    world.pass(7 * 300 - 70);
    world.connect(1, 1);
    assert_eq!(world.assigned(id), []);
    assert!(world.waiting(id).starts_with("too late to compute"), "{}", world.waiting(id));
}

#[test]
fn a_killed_scheduler_goes_on_with_the_same_promises() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    world.contribute(1, id, digest("right")).unwrap();
    world.restart();
    world.connect_with(1, 1, vec![(id, Some(Stage::Contributed))]);
    world.connect_with(2, 1, vec![(id, Some(Stage::Running))]);
    world.connect(4, 1);
    assert_eq!(world.assigned(id), [], "the third has its time to come back");
    world.connect_with(3, 1, vec![]);
    assert_eq!(world.assigned(id), [3]);
    for name in 2..=3 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    world.reveal(1, id, digest("right"));
    world.store_result(1, id, digest("right"));
    world.restart();
    for name in 1..=3 {
        world.connect_with(name, 1, vec![(id, Some(Stage::Contributed))]);
    }
    world.reveal(2, id, digest("right"));
    world.reveal(3, id, digest("right"));
    assert_eq!(world.hub.task(id).status, TaskStatus::Completed);
    assert_eq!(world.kinds_sent(), ["initialize", "finalize"]);
}

#[test]
fn who_does_not_return_after_a_restart_is_replaced() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.restart();
    world.connect(2, 1);
    world.pass(29);
    assert_eq!(world.assigned(id), []);
    world.pass(2);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn a_deal_whose_facts_were_never_read_is_not_lost() {
    let mut world = World::new();
    let deal = world.order(1, 1);
    let id = task(deal, 0);
    world.connect(1, 1);
    assert_eq!(world.assigned(id), [1]);
    // Stored as it was before the node answered.
    let poco_scheduler_core::Record::Deal(record) = world.deals.get_mut(&deal).unwrap() else {
        panic!("not a deal")
    };
    (record.facts, record.next) = (None, 0);
    world.stored.clear();
    world.restart();
    world.connect(1, 1);
    assert_eq!(world.assigned(id), [1]);
}

#[test]
fn ended_tasks_and_deals_are_forgotten_deep_enough() {
    let mut world = World::with(&[], |settings| settings.prune_depth_blocks = 3);
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.says(1, id, ReportBody::Reached(Stage::Computed));
    world.store_result(1, id, digest("right"));
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    assert_eq!((world.stored.len(), world.deals.len()), (1, 1));
    world.wanted.clear();
    world.block += 3;
    let head = world.head();
    world.tell(Input::Head(head));
    assert_eq!((world.stored.len(), world.deals.len()), (0, 0));
    let retired = world.wanted.iter().find_map(|action| match action {
        Action::Retire { task, report, .. } if *task == id => Some(report.location.clone()),
        _ => None,
    });
    assert_eq!(retired.as_deref(), Some("/ipfs/bafy"));
    let Stats { deals, tasks_live, slots_used, .. } = world.core.stats();
    assert_eq!((deals, tasks_live, slots_used), (0, 0, 0));
    assert!(world.core.task_report(id).is_none());
}

#[test]
fn ended_tasks_are_ended_for_workers_that_come_late() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.disconnect(1);
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    world.commands();
    world.connect_with(1, 1, vec![(id, Some(Stage::Contributed))]);
    assert_eq!(world.commands(), [(worker(1), Command::Ended(id))]);
}

#[test]
fn the_live_limit_holds_and_later_tasks_follow() {
    let mut world = World::with(&[], |settings| settings.tasks_live_max = 3);
    let deal = world.order(1, 4);
    assert_eq!(world.core.stats().tasks_live, 3);
    assert_eq!(world.hub.task(task(deal, 3)).status, TaskStatus::Unset);
    world.connect(1, 1);
    world.contribute_and_finalize(1, task(deal, 0), digest("right")).unwrap();
    assert_eq!(world.hub.task(task(deal, 3)).status, TaskStatus::Active);
}
