//! The settlement lane after restarts and rollbacks.

use crate::lane::{BOND, committed, compute, disclose, rows, sign, world};
use crate::world::{World, digest, task, worker};
use poco_core::Event;
use poco_scheduler_core::{
    Action, Command, Input, Notice, Record, ReportBody, Stage, TransactionFailure,
    TransactionTrouble,
};

#[test]
fn behind_a_restart_nobody_is_asked_about_what_may_be_over() {
    let mut world = world(3, 1);
    let id = committed(&mut world, ["right"; 3]);
    for name in 1..=3 {
        disclose(&mut world, name, id, "right", name == 2);
    }
    world.commands();
    world.store_result(2, id, digest("right"));
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
    world.restart_unread();
    // It has forgotten what is over.
    world.connect_with(1, 1, vec![]);
    let welcome = Action::Welcome { worker: worker(1), live: vec![] };
    assert!(world.wanted.contains(&welcome), "{:?}", world.wanted);
}

#[test]
fn until_its_deal_is_read_again_a_task_goes_no_other_way() {
    let mut world = world(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    let replicas = world.core.task_report(id).unwrap().replicas;
    world.hides_deals = true;
    world.restart();
    for one in &replicas {
        let live = vec![(id, Some(Stage::Computed))];
        world.connect_with(one.worker[0], 1, live);
        world.bond(one.worker[0], BOND);
        world.says(one.worker[0], id, ReportBody::Reached(Stage::Computed));
    }
    world.pass(20);
    assert_eq!(world.kinds_sent(), [""; 0], "it is not opened for classic votes");
    world.hides_deals = false;
    // Asked again where blocks went.
    world.tell(Input::Rollback { to: world.block });
    world.pass(10);
    sign(&mut world, |_, _| Some("right"));
    assert_eq!(world.kinds_sent(), ["commit"], "{}", world.waiting(id));
}

#[test]
fn a_restart_finds_the_commit_and_hears_the_votes_again() {
    let mut world = world(3, 1);
    let id = committed(&mut world, ["right"; 3]);
    for name in 1..=3 {
        disclose(&mut world, name, id, "right", false);
    }
    world.restart();
    for name in 1..=3 {
        world.connect_with(name, 1, vec![(id, Some(Stage::Committed))]);
        disclose(&mut world, name, id, "right", name == 2);
    }
    assert!(world.commands().contains(&(worker(2), Command::Upload(id))));
    world.store_result(2, id, digest("right"));
    world.restart();
    for name in 1..=3 {
        world.connect_with(name, 1, vec![(id, Some(Stage::Committed))]);
        disclose(&mut world, name, id, "right", false);
    }
    assert_eq!(world.kinds_sent(), ["commit", "settle"]);
    // With its last task the commit is forgotten.
    assert_eq!(world.lane.stored.len(), 1);
    world.block += 100;
    let head = world.head();
    world.tell(Input::Head(head));
    assert_eq!(world.lane.stored.len(), 0);
}

#[test]
fn who_is_in_the_row_of_a_commit_is_held_to_it_though_the_store_knows_of_no_promise() {
    for connects_first in [true, false] {
        let mut world = world(3, 1);
        let id = committed(&mut world, ["right"; 3]);
        // Its store is made anew from the chain: the deal and its task, and no assignments.
        let Some(Record::Task(record)) = world.stored.get_mut(&id) else { panic!("a task") };
        record.replicas.clear();
        world.lane.stored.clear();
        let events = std::mem::take(&mut world.events);
        world.restart();
        let connect = |world: &mut World| {
            for name in 1..=3 {
                world.connect_with(name, 1, vec![(id, Some(Stage::Committed))]);
            }
        };
        if connects_first {
            connect(&mut world);
        }
        world.report(events);
        if !connects_first {
            connect(&mut world);
        }
        assert_eq!(rows(&mut world, id).len(), 3, "each is told that its vote is not known");
        for name in 1..=3 {
            disclose(&mut world, name, id, "right", name == 2);
        }
        assert!(world.commands().contains(&(worker(2), Command::Upload(id))));
        world.store_result(2, id, digest("right"));
        assert_eq!(world.kinds_sent(), ["commit", "settle"], "{}", world.waiting(id));
    }
}

#[test]
fn a_commit_that_is_rolled_back_was_none() {
    let mut world = world(3, 1);
    let id = committed(&mut world, ["right"; 3]);
    world.lane.tasks.clear();
    let to = world.block - 1;
    world.tell(Input::Rollback { to });
    assert_eq!(world.lane.stored.len(), 0);
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3, "the ballots are asked for again");
    assert_eq!(world.kinds_sent(), ["commit", "commit"]);
    assert!(world.waiting(id).starts_with("disclosures: 0 of 3"));
}

#[test]
fn a_commit_whose_block_was_gone_before_it_was_followed_is_made_again() {
    let mut world = world(3, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    world.lane.loses_commits = true;
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    assert_eq!(world.kinds_sent(), ["commit"]);
    assert_eq!(world.waiting(id), "commit to be mined", "its events have yet to come");
    world.lane.loses_commits = false;
    // The block in its place holds nothing of it.
    world.report(Vec::new());
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3, "the ballots are asked for again");
    assert_eq!(world.kinds_sent(), ["commit", "commit"]);
    assert!(world.waiting(id).starts_with("disclosures: 0 of 3"));
}

#[test]
fn a_deal_that_went_with_its_commit_under_way_and_came_back_is_committed() {
    let mut world = world(3, 1);
    let (without, block) = (world.hub.clone(), world.block);
    let deal = world.order(5, 1);
    let with = world.hub.clone();
    compute(&mut world, deal, 1);
    world.lane.holds_commits = true;
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3);
    assert_eq!(world.kinds_sent(), ["commit"]);
    let (intent, _) = world.sent[0].clone();
    // The match is gone with its block, and then the hub refuses the commit of a deal it does not know.
    (world.hub, world.block) = (without, block);
    world.tell(Input::Rollback { to: block });
    assert!(world.wanted.contains(&Action::Note(Notice::DealGone { deal })));
    let (trouble, reason) = (TransactionTrouble::Refused, "there is no such deal".into());
    world.tell(Input::Outcome { intent, result: Err(TransactionFailure { trouble, reason }) });
    world.lane.holds_commits = false;
    // Another block holds the match.
    let notice = world.events.iter().rfind(|event| matches!(event, Event::SchedulerNotice { .. }));
    let notice = notice.cloned().unwrap();
    world.hub = with;
    world.block += 1;
    world.report(vec![notice]);
    compute(&mut world, deal, 1);
    let id = task(deal, 0);
    assert_eq!(sign(&mut world, |_, _| Some("right")), 3, "{}", world.waiting(id));
    assert_eq!(world.kinds_sent(), ["commit", "commit"]);
    assert!(world.waiting(id).starts_with("disclosures: 0 of 3"), "{}", world.waiting(id));
}
