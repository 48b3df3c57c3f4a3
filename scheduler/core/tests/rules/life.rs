//! A task from its deal to its result.

use crate::world::{OWNER, World, assign, digest, task, worker};
use poco_core::task::TaskStatus;
use poco_core::{Call, U256};
use poco_scheduler_core::{
    Action, Command, Lane, Notice, ReportBody, ReportStatus, Stage, UploadRefusal,
};

#[test]
fn a_deal_is_opened_and_its_task_given_to_as_many_as_reach_the_trust() {
    let mut world = World::new();
    for name in 1..=4 {
        world.connect(name, 1);
    }
    world.wanted.clear();
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    let assigned: Vec<u8> = {
        let wanted = world.wanted.clone();
        let seen = Notice::DealSeen { deal, tasks: U256::from(1), trust: U256::from(5) };
        assert_eq!(wanted[0], Action::Note(seen));
        assert_eq!(wanted.len(), 1 + 3 * 2, "three notes and three commands: {wanted:?}");
        world.assigned(id)
    };
    assert_eq!(assigned.len(), 3);
    assert_eq!(world.kinds_sent(), ["initialize"]);
    assert_eq!(world.waiting(id), "contributions: 3 under way, 0 on chain");
}

#[test]
fn a_task_is_revealed_stored_and_finalized() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    world.commands();
    for name in 1..=3 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    let reveals: Vec<_> = (1..=3).map(|name| (worker(name), Command::Reveal(id))).collect();
    assert_eq!(world.commands(), reveals);
    world.reveal(2, id, digest("right"));
    assert_eq!(world.commands(), [(worker(2), Command::Upload(id))]);
    world.store_result(2, id, digest("right"));
    assert!(world.wanted.contains(&Action::AnswerUpload { upload: 7, answer: Ok(()) }));
    assert_eq!(world.kinds_sent(), ["initialize"], "two winners may still reveal");
    world.reveal(1, id, digest("right"));
    world.commands();
    world.reveal(3, id, digest("right"));
    assert_eq!(world.kinds_sent(), ["initialize", "finalize"]);
    let view = world.hub.task(id);
    assert_eq!(view.status, TaskStatus::Completed);
    assert_eq!(view.results.as_ref(), br#"{"storage":"ipfs","location":"/ipfs/bafy"}"#);
    let ended: Vec<_> = (1..=3).map(|name| (worker(name), Command::Ended(id))).collect();
    assert_eq!(world.commands(), ended);
}

#[test]
fn a_result_that_is_not_the_consensus_is_refused_and_another_revealer_asked() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    for name in 1..=3 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    world.reveal(1, id, digest("right"));
    world.reveal(2, id, digest("right"));
    world.commands();
    world.store_result(1, id, digest("other"));
    let refused = Action::AnswerUpload { upload: 7, answer: Err(UploadRefusal::WrongDigest) };
    assert!(world.wanted.contains(&refused), "{:?}", world.wanted);
    assert_eq!(world.commands(), [(worker(2), Command::Upload(id))]);
    assert_eq!(world.core.upload_terms(worker(9), id), Err(UploadRefusal::NotExpected));
}

#[test]
fn a_revealer_that_does_not_upload_is_replaced() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    for name in 1..=3 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    world.reveal(1, id, digest("right"));
    world.reveal(3, id, digest("right"));
    world.commands();
    world.pass(31);
    let uploads: Vec<_> = world
        .commands()
        .into_iter()
        .filter(|(_, command)| matches!(command, Command::Upload(_)))
        .collect();
    assert_eq!(uploads, [(worker(3), Command::Upload(id))]);
    world.disconnect(3);
    let asked = world.commands();
    assert!(!asked.iter().any(|(_, command)| matches!(command, Command::Upload(_))), "{asked:?}");
    world.pass(16);
    assert!(world.commands().contains(&(worker(1), Command::Upload(id))));
}

#[test]
fn trust_one_takes_the_fast_lane_with_exactly_one_worker() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    world.wanted.clear();
    let deal = world.order(1, 1);
    let id = task(deal, 0);
    let commands = world.commands();
    assert_eq!(commands.len(), 1);
    let name = commands[0].0.first().copied().unwrap();
    assert_eq!(commands, [assign(name, deal, 0, Lane::Fast)]);
    world.says(name, id, ReportBody::Reached(Stage::Computed));
    let terms = world.core.upload_terms(worker(name), id).unwrap();
    assert_eq!(terms.consensus, None);
    world.store_result(name, id, digest("right"));
    world.contribute_and_finalize(name, id, digest("right")).unwrap();
    assert_eq!(world.commands(), [(worker(name), Command::Ended(id))]);
    assert_eq!(world.core.task_report(id).unwrap().status, ReportStatus::Completed);
}

#[test]
fn the_fast_lane_can_be_switched_off() {
    let mut world = World::with(&[], |settings| settings.fast_lane = false);
    world.connect(1, 1);
    let deal = world.order(1, 1);
    assert_eq!(world.commands(), [assign(1, deal, 0, Lane::Classic)]);
}

#[test]
fn a_heavy_worker_saves_two_fresh_ones() {
    // Score 300 weighs 99: alone enough for trust 50.
    let mut world = World::with(&[(4, 300)], |_| {});
    for name in 1..=4 {
        world.connect(name, 1);
    }
    let id = task(world.order(50, 1), 0);
    assert_eq!(world.assigned(id), [4]);
}

#[test]
fn nobody_starts_what_cannot_reach_the_trust() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.assigned(id), []);
    assert!(world.waiting(id).starts_with("workers: 0 compute it, 2 are connected"));
    world.connect(3, 1);
    assert_eq!(world.assigned(id).len(), 3);
}

#[test]
fn a_bag_runs_over_all_slots_and_never_over_more() {
    let mut world = World::with(&[], |settings| settings.fast_lane = false);
    for name in 1..=3 {
        world.connect(name, 2);
    }
    let deal = world.order(1, 20);
    for round in 0..20 {
        let busy: Vec<_> = world
            .commands()
            .into_iter()
            .filter_map(|(worker, command)| match command {
                Command::Assign { task, .. } => Some((worker, task)),
                _ => None,
            })
            .collect();
        if busy.is_empty() {
            break;
        }
        assert!(busy.len() <= 6, "round {round}");
        for (who, id) in busy {
            let name = who.first().copied().unwrap();
            world.contribute(name, id, digest("right")).unwrap();
            world.reveal(name, id, digest("right"));
            world.store_result(name, id, digest("right"));
        }
    }
    for index in 0..20 {
        assert_eq!(world.hub.task(task(deal, index)).status, TaskStatus::Completed);
    }
    let opens = world.kinds_sent().into_iter().filter(|kind| *kind == "initialize").count();
    assert!(opens < 10, "tasks are opened in batches, not {opens} times");
}

#[test]
fn a_task_that_somebody_else_opened_goes_on() {
    let mut world = World::new();
    let deal = world.order(1, 3);
    // The scheduler opened all three; a fourth party cannot. Another deal, seen late:
    world.connect(1, 3);
    world.commands();
    let other = world.order(1, 1);
    assert_eq!(world.hub.task(task(other, 0)).status, TaskStatus::Active);
    let again = Call::Initialize { deal, index: U256::ZERO };
    assert!(world.call(OWNER, again).is_err());
    assert_eq!(world.sent.iter().filter(|(_, result)| result.is_err()).count(), 0);
}
