//! Deals of marked orders: whom their guard knows, when they are reopened, what is not served.

use crate::world::{T, World, digest, failure, task, worker};
use poco_core::task::TaskStatus;
use poco_core::{Address, Conditions, DealConditions};
use poco_scheduler_core::{Action, Cause, DealFacts, Input, Level, Notice, ReportBody, Stage};

const GUARD: Address = Address::repeat_byte(0x77);

fn world(conditions: Conditions) -> World {
    let mut world = World::new();
    world.conditions = DealConditions::new(conditions, GUARD);
    world
}

#[test]
fn a_task_is_given_to_workers_that_the_guard_knows() {
    let mut world = world(Conditions::KNOWN_WORKERS);
    for (group, name) in [(GUARD, 2), (GUARD, 4), (worker(1), 3)] {
        world.hub.contracts_mut().add_member(group, worker(name));
    }
    for name in 1..=4 {
        world.connect(name, 1);
    }
    let id = task(world.order(3, 1), 0);
    assert_eq!(
        world.assigned(id).into_iter().collect::<std::collections::BTreeSet<_>>(),
        [2, 4].into()
    );
    let mut asked = world.asked.clone();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), world.asked.len(), "each is asked about once");
    assert_eq!(asked, (1..=4).map(|name| (GUARD, worker(name))).collect::<Vec<_>>());
}

#[test]
fn strangers_wait_with_their_reason_until_the_guard_knows_them() {
    let mut world = world(Conditions::KNOWN_WORKERS | Conditions::STRICT_REVEALS);
    world.connect(1, 1);
    world.connect(2, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), []);
    let waiting = world.waiting(id);
    let reason = format!("; 2 more would fit, but the deal's guard {GUARD} does not know them");
    assert!(waiting.ends_with(&reason), "{waiting}");
    world.hub.contracts_mut().add_member(GUARD, worker(2));
    world.pass(61);
    assert_eq!(world.assigned(id), [2]);
}

#[test]
fn a_worker_that_the_guard_forgot_gets_no_further_task() {
    let mut world = world(Conditions::KNOWN_WORKERS);
    world.hub.contracts_mut().add_member(GUARD, worker(1));
    world.connect(1, 1);
    let first = task(world.order(2, 1), 0);
    assert_eq!(world.assigned(first), [1]);
    world.contribute(1, first, digest("right")).unwrap();
    world.hub.contracts_mut().remove_member(GUARD, worker(1));
    world.pass(61);
    let second = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(second), []);
}

#[test]
fn a_task_is_not_given_up_while_a_known_worker_is_busy() {
    let mut world = world(Conditions::KNOWN_WORKERS);
    for name in 1..=2 {
        world.hub.contracts_mut().add_member(GUARD, worker(name));
    }
    world.connect(2, 1);
    let other = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(other), [2]);
    world.says(2, other, ReportBody::Reached(Stage::Running));
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.says(1, id, failure(Cause::ExitCode));
    // What the guard said of the busy one is out of date long before it is free.
    world.pass(T);
    assert_eq!(world.core.task_report(id).unwrap().given_up, None);
    world.hub.contracts_mut().remove_member(GUARD, worker(2));
    world.pass(T);
    let report = world.core.task_report(id).unwrap();
    assert!(report.given_up.is_some(), "{}", report.waiting_for);
}

#[test]
fn without_a_guard_nobody_is_asked() {
    let mut world = world(Conditions::KNOWN_ENCLAVES | Conditions::STRICT_REVEALS);
    world.connect(1, 1);
    let id = task(world.order(1, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    assert_eq!(world.asked, []);
}

/// A consensus at 6T whose winner never reveals: there is no time for another run by 7T, but by 9T.
fn withheld(world: &mut World) -> poco_core::TaskId {
    world.connect(1, 1);
    let id = task(world.order(2, 1), 0);
    assert_eq!(world.assigned(id), [1]);
    world.pass(6 * T);
    world.contribute(1, id, digest("right")).unwrap();
    assert_eq!(world.hub.task(id).status, TaskStatus::Revealing);
    world.disconnect(1);
    // Told again meanwhile, as it said nothing.
    world.commands();
    world.connect(2, 1);
    world.pass(2 * T + 1);
    id
}

#[test]
fn a_strict_deal_is_reopened_while_there_is_time_until_9t() {
    let mut strict = world(Conditions::STRICT_REVEALS);
    let id = withheld(&mut strict);
    assert_eq!(strict.kinds_sent(), ["initialize", "reopen"]);
    assert_eq!(strict.assigned(id), [2]);
    let deadline = strict.core.task_report(id).unwrap().contribution_deadline;
    assert_eq!(deadline, crate::world::START.after(9 * T));

    let mut plain = world(Conditions::NONE);
    let id = withheld(&mut plain);
    assert_eq!(plain.kinds_sent(), ["initialize"]);
    assert!(plain.waiting(id).starts_with("no winner revealed, and it is too late"));
}

#[test]
fn a_deal_under_conditions_of_later_times_is_told_and_left_alone() {
    let mut world = World::new();
    let deal = world.order(1, 2);
    world.wanted.clear();
    let (known, unknown) = (Conditions::STRICT_REVEALS, Conditions::from_bits(0x20));
    let conditions = Some(DealConditions::new(known | unknown, GUARD));
    let terms = world.hub.deal(deal).unwrap().clone();
    let placement = Some(poco_scheduler_core::Placement::default());
    let facts = DealFacts { deal: terms, work_clock_time_ref_seconds: T, conditions, placement };
    world.tell(Input::DealRead { deal, epoch: 0, facts: Some(Box::new(facts)) });
    let told: Vec<_> = world
        .wanted
        .iter()
        .filter_map(|action| match action {
            Action::Note(notice @ Notice::DealUnserved { .. }) => Some(notice.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Notice::DealUnserved { deal, conditions: unknown }]);
    assert_eq!(told[0].level(), Level::Error);
    assert!(told[0].to_string().contains("asks for 0x20, which this scheduler does not know"));
    assert!(world.core.task_report(task(deal, 0)).is_none());
    assert!(world.deals.is_empty());
    world.connect(1, 1);
    assert_eq!(world.assigned(task(deal, 0)), []);
}

#[test]
fn after_a_restart_nothing_is_given_away_before_the_conditions_are_known() {
    let mut world = world(Conditions::KNOWN_WORKERS);
    let id = task(world.order(1, 1), 0);
    let records = world.deals.values().chain(world.stored.values()).cloned().collect();
    let mut core = poco_scheduler_core::Core::new(world.settings.clone(), records, 0, world.now);
    core.handle(world.now, Input::Head(world.head()));
    let facts = Box::new(world.facts(id));
    core.handle(world.now, Input::TaskRead { task: id, epoch: 0, facts });
    let capacity =
        poco_scheduler_core::Capacity { slots: 1, ..poco_scheduler_core::Capacity::default() };
    let score = poco_core::U256::ZERO;
    let login = poco_scheduler_core::Login {
        worker: worker(1),
        capacity,
        score,
        bond: None,
        live: Vec::new(),
    };
    core.handle(world.now, Input::Connected(login));
    let mut is_given = false;
    while let Some(action) = core.poll_action() {
        is_given |= matches!(action, Action::Tell { .. });
    }
    assert!(!is_given);
    assert!(core.task_report(id).unwrap().waiting_for.starts_with("workers: "));
}
