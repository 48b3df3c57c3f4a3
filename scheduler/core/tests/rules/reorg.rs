//! Blocks that never were.

use crate::world::{World, digest, task, worker};
use poco_core::Event;
use poco_core::task::TaskStatus;
use poco_scheduler_core::{Action, Core, Input, Notice, ReportBody, ReportStatus, Stage};

#[test]
fn after_a_rollback_a_task_is_what_the_chain_says_and_promises_stay() {
    let mut world = World::new();
    for name in 1..=2 {
        world.connect(name, 1);
    }
    let id = task(world.order(3, 1), 0);
    for name in 1..=2 {
        world.says(name, id, ReportBody::Reached(Stage::Running));
    }
    let (before, block) = (world.hub.clone(), world.block);
    world.contribute(1, id, digest("right")).unwrap();
    world.contribute(2, id, digest("right")).unwrap();
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Revealing);
    world.commands();
    // The two blocks with the votes are gone.
    (world.hub, world.block) = (before, block);
    world.tell(Input::Rollback { to: block });
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Active);
    assert_eq!(world.assigned(id), [], "both still hold their authorization");
    world.contribute(1, id, digest("right")).unwrap();
    world.contribute(2, id, digest("right")).unwrap();
    world.reveal(1, id, digest("right"));
    world.reveal(2, id, digest("right"));
    world.store_result(1, id, digest("right"));
    assert_eq!(world.hub.task(id).status, TaskStatus::Completed);
}

#[test]
fn an_end_that_never_was_is_taken_back() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    let (before, block) = (world.hub.clone(), world.block);
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Completed);
    (world.hub, world.block) = (before, block);
    world.tell(Input::Rollback { to: block });
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Active);
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Completed);
}

#[test]
fn who_voted_has_computed_also_where_a_rollback_takes_the_vote_back() {
    let mut world = World::new();
    world.connect(1, 1);
    let deal = world.order(1, 2);
    let (first, second) = (task(deal, 0), task(deal, 1));
    assert_eq!(world.assigned(first), [1]);
    let (before, block) = (world.hub.clone(), world.block);
    // Its report is on its way; the chain was quicker, and its slot is given to the next task.
    world.contribute(1, first, digest("right")).unwrap();
    assert_eq!(world.assigned(second), [1]);
    (world.hub, world.block) = (before, block);
    world.tell(Input::Rollback { to: block });
    assert_eq!(world.core.task_report(first).unwrap().status, ReportStatus::Active);
    assert_eq!(world.core.slots_used(worker(1)), 1);
    // A report from before changes nothing about it.
    world.says(1, first, ReportBody::Reached(Stage::Running));
    assert_eq!(world.core.slots_used(worker(1)), 1);
}

#[test]
fn a_deal_that_never_was_is_forgotten() {
    let mut world = World::new();
    let (before, block) = (world.hub.clone(), world.block);
    let deal = world.order(1, 2);
    assert_eq!((world.stored.len(), world.deals.len()), (2, 1));
    (world.hub, world.block) = (before, block);
    world.tell(Input::Rollback { to: block });
    assert!(world.wanted.contains(&Action::Note(Notice::DealGone { deal })));
    assert_eq!((world.stored.len(), world.deals.len()), (0, 0));
}

#[test]
fn a_deal_that_was_told_again_is_not_forgotten_for_an_answer_from_before() {
    let mut world = World::new();
    let block = world.block;
    let deal = world.order(1, 2);
    let notice = world.events.iter().find(|event| matches!(event, Event::SchedulerNotice { .. }));
    let notice = notice.cloned().unwrap();
    // The deal is in another block now, which is told before the answer about the block before.
    world.tell(Input::Rollback { to: block });
    world.report(vec![notice]);
    world.tell(Input::DealRead { deal, epoch: 1, facts: None });
    assert_eq!((world.stored.len(), world.deals.len()), (2, 1));
}

#[test]
fn a_deal_that_never_was_is_forgotten_after_a_restart_too() {
    let mut world = World::new();
    let before = world.hub.clone();
    let deal = world.order(1, 2);
    // The rollback was stored, and the process killed before it heard that the deal is gone.
    world.hub = before;
    world.restart();
    assert!(world.wanted.contains(&Action::Note(Notice::DealGone { deal })));
    assert_eq!((world.stored.len(), world.deals.len()), (0, 0));
}

#[test]
fn an_answer_about_blocks_that_never_were_is_not_believed() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    let (before, block) = (world.hub.clone(), world.block);
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    let late = world.facts(id);
    (world.hub, world.block) = (before, block);
    world.tell(Input::Rollback { to: block });
    world.tell(Input::TaskRead { task: id, epoch: 0, facts: Box::new(late) });
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Active);
}

#[test]
fn an_end_that_went_without_a_rollback_is_not_pruned() {
    let mut world = World::with(&[], |settings| settings.prune_depth_blocks = 5);
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    let before = world.hub.clone();
    world.contribute_and_finalize(1, id, digest("right")).unwrap();
    // It was read in a block that the stream had not confirmed, so nobody tells that it is gone.
    world.hub = before;
    world.block += 10;
    let head = world.head();
    world.tell(Input::Head(head));
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Active);
}

#[test]
fn a_deal_that_was_being_read_when_blocks_went_is_read_again() {
    let mut world = World::new();
    let deal = world.order(1, 1);
    world.block += 1;
    world.restart_unread();
    // The answer to what was asked at the start is about blocks that never were.
    world.tell(Input::Rollback { to: world.block - 1 });
    let head = world.head();
    world.tell(Input::Head(head));
    world.connect(1, 1);
    let id = task(deal, 0);
    assert_eq!(world.assigned(id), [1], "{}", world.waiting(id));
}

#[test]
fn after_a_start_no_task_is_believed_as_it_was_before_the_blocks_that_were_followed() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.contribute(1, id, digest("right")).unwrap();
    let records = world.deals.values().chain(world.stored.values()).cloned().collect();
    // A node that lags could show it without the vote, whose event is not told again.
    let mut core = Core::new(world.settings.clone(), records, world.block, world.now);
    let asked = std::iter::from_fn(|| core.poll_action()).find_map(|action| match action {
        Action::ReadTask { task, at_least, .. } if task == id => Some(at_least),
        _ => None,
    });
    assert_eq!(asked, Some(world.block));
}
