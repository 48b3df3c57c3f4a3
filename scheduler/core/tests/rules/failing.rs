//! Workers that are lost, fail, refuse, dally or lie.

use crate::world::{World, digest, failure, task, worker};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_scheduler_core::{Action, Cause, Command, Notice, ReportBody, Stage};

#[test]
fn a_lost_replica_is_replaced_after_the_grace_and_not_after_the_category_time() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.connect(2, 1);
    world.says(1, id, ReportBody::Reached(Stage::Running));
    world.disconnect(1);
    world.pass(4);
    assert_eq!(world.assigned(id), []);
    world.pass(2);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn the_slot_of_a_worker_that_crashed_is_free_when_it_is_back() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.says(1, id, ReportBody::Reached(Stage::Running));
    world.disconnect(1);
    world.connect(2, 1);
    world.pass(6);
    assert_eq!(world.assigned(id), [2]);
    // Nothing is left of what it did.
    world.connect_with(1, 1, vec![]);
    assert_eq!(world.core.slots_used(worker(1)), 0);
    let next = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(next), [1]);
}

#[test]
fn a_worker_that_comes_back_within_the_grace_goes_on() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    let id = task(world.order(1, 1), 0);
    let name = world.assigned(id)[0];
    world.disconnect(name);
    world.pass(4);
    world.connect_with(name, 1, vec![(id, Some(Stage::Running))]);
    let welcome = Action::Welcome { worker: worker(name), live: vec![(id, Stage::Running)] };
    assert!(world.wanted.contains(&welcome), "{:?}", world.wanted);
    assert_eq!(world.assigned(id), []);
}

#[test]
fn a_worker_that_comes_back_is_told_to_run_what_it_lacks_and_not_asked_about_it() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.commands();
    world.disconnect(1);
    // The command never came. Asked about the task, the worker would deny that it has it.
    world.connect(1, 1);
    assert!(world.wanted.contains(&Action::Welcome { worker: worker(1), live: vec![] }));
    assert_eq!(world.assigned(id), [1]);
}

#[test]
fn a_worker_that_comes_back_with_all_its_slots_taken_gets_nothing_on_top() {
    let mut world = World::new();
    world.connect(1, 1);
    let first = task(world.order(1, 1), 0);
    world.says(1, first, ReportBody::Reached(Stage::Running));
    world.disconnect(1);
    world.pass(6);
    world.connect(1, 1);
    // It lost the first, so it was told again; what it was told meanwhile never came.
    world.says(1, first, failure(Cause::Engine));
    let second = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(second), [1]);
    world.connect_with(1, 1, vec![(first, Some(Stage::Running))]);
    assert_eq!(world.core.slots_used(worker(1)), 1);
    world.connect(2, 1);
    assert_eq!(world.assigned(second), [2], "another takes what it has no room for");
}

#[test]
fn a_worker_that_comes_back_too_late_is_told_to_stop() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.connect(2, 1);
    world.disconnect(1);
    world.pass(6);
    assert_eq!(world.assigned(id), [1, 2]);
    world.connect_with(1, 1, vec![(id, Some(Stage::Running))]);
    let commands = world.commands();
    assert!(
        matches!(commands.as_slice(), [(who, Command::Abandon { .. })] if *who == worker(1)),
        "{commands:?}"
    );
}

#[test]
fn a_command_that_never_arrived_is_told_again_after_a_reconnect() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.disconnect(1);
    world.connect(1, 1);
    assert_eq!(world.assigned(id), [1]);
}

#[test]
fn a_task_that_a_worker_was_never_promised_is_not_taken_over_from_it() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.commands();
    world.connect_with(2, 1, vec![(id, Some(Stage::Computed))]);
    let commands = world.commands();
    assert!(
        matches!(commands.as_slice(), [(who, Command::Abandon { .. })] if *who == worker(2)),
        "{commands:?}"
    );
    assert_eq!(world.core.task_report(id).unwrap().replicas.len(), 1);
}

#[test]
fn a_worker_with_a_task_that_is_unknown_here_is_told_to_check_its_end() {
    let mut world = World::new();
    let unknown = task(Default::default(), 9);
    world.connect_with(1, 1, vec![(unknown, Some(Stage::Contributed))]);
    assert_eq!(world.commands(), [(worker(1), Command::Ended(unknown))]);
}

#[test]
fn a_worker_that_does_not_accept_is_passed_over() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.connect(2, 1);
    assert_eq!(world.assigned(id), [1]);
    world.pass(59);
    assert_eq!(world.assigned(id), [1, 1], "told again while it says nothing");
    world.pass(2);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn a_run_that_takes_longer_than_its_category_is_replaced() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.connect(2, 1);
    world.says(1, id, ReportBody::Reached(Stage::Pulling));
    world.pass(600);
    assert_eq!(world.assigned(id), [1], "pulling an image is no compute time");
    world.says(1, id, ReportBody::Reached(Stage::Running));
    world.pass(421);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn a_refused_task_goes_to_another_and_may_come_back_later() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.connect(2, 1);
    for (name, next) in [(1, vec![2]), (2, vec![])] {
        world.says(name, id, failure(Cause::Declined));
        assert_eq!(world.assigned(id), next);
    }
    world.pass(59);
    assert_eq!(world.assigned(id), []);
    world.pass(2);
    assert_eq!(world.assigned(id), [1]);
}

#[test]
fn an_app_that_fails_everywhere_is_given_up_with_its_reason_and_later_tasks_run() {
    let mut world = World::new();
    for name in 1..=4 {
        world.connect(name, 1);
    }
    let broken = task(world.order(1, 1), 0);
    let mut tried = Vec::new();
    while let [name] = world.assigned(broken)[..] {
        tried.push(name);
        world.says(name, broken, failure(Cause::ExitCode));
    }
    assert_eq!(tried.len(), 3, "tried on three different workers: {tried:?}");
    assert!(
        world.waiting(broken).starts_with("failed on 3 workers (trust 1): the app failed"),
        "{}",
        world.waiting(broken)
    );
    let later = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(later).len(), 1);
    world.pass(3000);
    assert_eq!(world.hub.task(broken).status, TaskStatus::Failed, "claimed by timer");
}

#[test]
fn an_app_that_fails_on_every_worker_there_is_given_up_soon() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    world.pass(60);
    let broken = task(world.order(1, 1), 0);
    for name in [1, 2] {
        let asked = world.assigned(broken);
        assert_eq!(asked.len(), 1, "worker {name}");
        world.says(asked[0], broken, failure(Cause::ExitCode));
    }
    world.pass(4);
    assert!(!world.waiting(broken).starts_with("failed"), "another may come back");
    world.pass(2);
    assert!(
        world.waiting(broken).starts_with("failed on 2 workers (trust 1): the app failed"),
        "{}",
        world.waiting(broken)
    );
    world.connect(3, 1);
    assert_eq!(world.assigned(broken), [], "what is given up stays given up");
}

#[test]
fn a_task_that_failed_once_waits_for_workers_that_may_still_take_it() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    world.pass(60);
    let busy = task(world.order(1, 1), 0);
    let [holder] = world.assigned(busy)[..] else { panic!("one worker for trust 1") };
    world.says(holder, busy, ReportBody::Reached(Stage::Running));
    let broken = task(world.order(1, 1), 0);
    let [first] = world.assigned(broken)[..] else { panic!("one worker for trust 1") };
    world.says(first, broken, failure(Cause::ExitCode));
    let [second] = world.assigned(broken)[..] else { panic!("the third worker") };
    world.says(second, broken, failure(Cause::Declined));
    world.pass(10);
    assert!(!world.waiting(broken).starts_with("failed"), "one is busy, one rests");
    world.pass(51);
    assert_eq!(world.assigned(broken), [second], "it rested");
    world.says(second, broken, failure(Cause::ExitCode));
    world.says(holder, busy, failure(Cause::ExitCode));
    assert_eq!(world.assigned(broken), [holder]);
}

#[test]
fn a_failure_beside_a_result_does_not_end_the_task() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    world.pass(60);
    let id = task(world.order(3, 1), 0);
    assert_eq!(world.assigned(id).len(), 2);
    world.contribute(1, id, digest("right")).unwrap();
    world.says(2, id, failure(Cause::ExitCode));
    world.pass(60);
    assert!(world.waiting(id).starts_with("workers:"), "{}", world.waiting(id));
    world.connect(3, 1);
    assert_eq!(world.assigned(id), [3]);
}

#[test]
fn after_a_restart_the_other_workers_have_time_to_come_back() {
    let mut world = World::new();
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    world.restart();
    world.connect_with(1, 1, vec![(id, Some(Stage::Running))]);
    world.says(1, id, failure(Cause::ExitCode));
    world.pass(29);
    world.connect(2, 1);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn a_dissenter_leads_to_as_many_more_as_needed() {
    let mut world = World::new();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.assigned(id).len(), 3);
    world.connect(4, 1);
    world.connect(5, 1);
    world.contribute(1, id, digest("wrong")).unwrap();
    assert_eq!(world.assigned(id), [], "who agrees with whom, nobody knows yet");
    // Groups of 2 and 2 and one under way: with one more 8 * 5 > 11 * 4 fails, with two more
    // 16 * 5 > 19 * 4 holds.
    world.contribute(2, id, digest("right")).unwrap();
    assert_eq!(world.assigned(id).len(), 2);
    for name in 3..=5 {
        world.contribute(name, id, digest("right")).unwrap();
    }
    assert_eq!(world.hub.task(id).status, TaskStatus::Revealing);
    let reveals: Vec<_> = (2..=5).map(|name| (worker(name), Command::Reveal(id))).collect();
    assert_eq!(world.commands(), reveals, "the dissenter has nothing to reveal");
    assert!(!world.wanted.iter().any(is_difference));
}

#[test]
fn a_winner_that_comes_back_is_asked_to_reveal_again() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    let id = task(world.order(3, 1), 0);
    world.contribute(1, id, digest("right")).unwrap();
    world.contribute(2, id, digest("right")).unwrap();
    world.disconnect(1);
    world.commands();
    world.connect_with(1, 1, vec![(id, Some(Stage::Contributed))]);
    assert!(world.commands().contains(&(worker(1), Command::Reveal(id))));
    world.pass(21);
    let again = world.commands();
    assert!(again.contains(&(worker(2), Command::Reveal(id))), "not told once only: {again:?}");
}

#[test]
fn who_is_late_to_a_consensus_is_told_to_stop() {
    let mut world = World::with(&[(1, 300)], |_| {});
    world.connect(2, 1);
    world.connect(3, 1);
    world.connect(4, 1);
    let id = task(world.order(5, 1), 0);
    assert_eq!(world.assigned(id).len(), 3);
    world.disconnect(2);
    world.disconnect(3);
    world.connect(1, 1);
    world.pass(6);
    assert_eq!(world.assigned(id), [1], "with the fourth it reaches the trust");
    world.contribute(1, id, digest("right")).unwrap();
    let commands = world.commands();
    assert!(
        matches!(
            commands.as_slice(),
            [(who, Command::Abandon { .. }), (winner, Command::Reveal(_))]
                if *who == worker(4) && *winner == worker(1)
        ),
        "{commands:?}"
    );
}

#[test]
fn a_rejected_worker_never_gets_the_task_again() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    let id = task(world.order(3, 1), 0);
    world.contribute(1, id, digest("right")).unwrap();
    world.contribute(2, id, digest("right")).unwrap();
    world.commands();
    world.pass(601);
    assert_eq!(world.kinds_sent(), ["initialize", "reopen"]);
    let status = world.hub.contribution(id, worker(1)).status;
    assert_eq!(status, ContributionStatus::Rejected);
    world.pass(70);
    assert_eq!(world.assigned(id), []);
    world.connect(3, 1);
    world.connect(4, 1);
    assert_eq!(world.assigned(id).len(), 2);
    world.contribute(3, id, digest("right")).unwrap();
    world.contribute(4, id, digest("right")).unwrap();
    world.reveal(3, id, digest("right"));
    world.store_result(3, id, digest("right"));
    world.pass(601);
    assert_eq!(world.hub.task(id).status, TaskStatus::Completed, "one reveal is enough in the end");
}

fn is_difference(action: &Action) -> bool {
    matches!(action, Action::Note(Notice::ConsensusDiffers { .. }))
}
