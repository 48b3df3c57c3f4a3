//! What is said of tasks, workers, orders and the pool, sentence by sentence.

use crate::scenes::{as_asked, placement};
use crate::world::{World, task, worker};
use poco_core::{Amount, Tag, U256};
use poco_scheduler_core::{Capacity, Change, Constraint, OrderTerms, Placement};
use std::collections::BTreeSet;

fn connect(count: usize, tag: Tag, bond: Amount) -> Change {
    Change::Connect { count, tag, placement: Placement::default(), bond, guard: None }
}

#[test]
fn a_task_tells_how_many_each_constraint_removed_and_who_came_nearest() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 0);
    world.connect_as(3, Capacity { slots: 1, tag: Tag::GPU, ..Capacity::default() }, Vec::new());
    world.tag = Tag::GPU;
    let id = task(world.order(3, 1), 0);
    let told = world.core.explain_task(id).unwrap();
    let trace = told.trace.unwrap();
    assert_eq!((trace.looked_at, trace.fitting(), trace.free()), (3, 1, 1));
    let removed = [(Constraint::Slots, 1), (Constraint::Tag, 1)];
    assert_eq!(trace.removed.into_iter().collect::<Vec<_>>(), removed);
    assert_eq!(told.nearest[0].worker, worker(1));
    assert_eq!(told.nearest[0].misses, [Constraint::Tag]);
    let offer = Change::OfferTag { worker: worker(1), tag: Tag::GPU };
    let connect = connect(1, Tag::GPU, Amount::ZERO);
    assert_eq!(told.changes, [vec![offer], vec![connect]]);
    assert!(told.waits_for.starts_with("workers: 0 compute it, 3 are connected, 1 of the"));
}

#[test]
fn a_worker_tells_what_it_waits_for() {
    let mut world = World::new();
    assert_eq!(world.core.explain_worker(worker(1)).waits_for, "it to log in");
    world.connect(1, 1);
    let told = world.core.explain_worker(worker(1));
    assert_eq!(told.waits_for, "tasks: none waits for workers");
    world.tag = Tag::GPU;
    world.order(1, 1);
    let told = world.core.explain_worker(worker(1));
    assert_eq!(told.waits_for, "tasks that it fits: of 1 waiting deals it fits none");
    assert_eq!(told.changes, [[Change::OfferTag { worker: worker(1), tag: Tag::GPU }]]);
    world.tag = Tag::NONE;
    world.order(3, 1);
    let told = world.core.explain_worker(worker(1));
    assert!(told.waits_for.starts_with("other workers: 1 waiting deals"), "{}", told.waits_for);
}

#[test]
fn an_order_tells_who_would_take_it_and_nothing_happens() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    let terms = |trust: u64, tag| OrderTerms {
        trust: U256::from(trust),
        tag,
        placement: Some(Placement::default()),
        ..OrderTerms::default()
    };
    let told = world.core.explain_order(&terms(3, Tag::NONE), None);
    assert_eq!(told.waits_for, "nothing: 2 workers would begin a task at once");
    assert!(told.changes.is_empty());
    let told = world.core.explain_order(&terms(3, Tag::GPU), None);
    assert_eq!(told.trace.unwrap().removed_by(Constraint::Tag), 2);
    assert_eq!(told.changes.len(), 2);
    let told = world.core.explain_order(&terms(5, Tag::NONE), None);
    assert_eq!(told.waits_for, "workers: those that fit do not reach the trust");
    assert!(
        world
            .wanted
            .iter()
            .all(|action| !matches!(action, poco_scheduler_core::Action::Tell { .. }))
    );
}

#[test]
fn the_pool_tells_what_its_deals_wait_for() {
    let mut world = World::new();
    assert_eq!(world.core.explain_pool().waits_for, "nothing: no task waits for workers");
    world.connect(1, 1);
    let first = world.order(1, 3);
    let second = world.order(5, 1);
    let told = world.core.explain_pool();
    assert_eq!(told.waits_for, "a free slot: 3 tasks wait for workers");
    let deals: BTreeSet<String> = told.parts.iter().map(|part| part.subject.clone()).collect();
    assert_eq!(deals.len(), 2, "one of each deal: {deals:?}");
    assert!(deals.contains(&format!("task {}", task(second, 0))));
    let busy = told.parts.iter().find(|part| part.subject != format!("task {}", task(second, 0)));
    let free = Change::FreeSlot { worker: worker(1) };
    assert_eq!(busy.unwrap().changes, [vec![free]]);
    assert_eq!(world.core.task_report(task(first, 0)).unwrap().deal, first);
}

#[test]
fn a_missing_bond_is_told_with_what_is_missing() {
    let mut world = World::with(&[], |settings| settings.settlement = true);
    world.connect(1, 1);
    world.bond(2, 10_000);
    world.connect(2, 1);
    let id = task(world.order(5, 1), 0);
    let told = world.core.explain_task(id).unwrap();
    assert_eq!(told.trace.unwrap().removed_by(Constraint::Bond), 1, "{:?}", told.nearest);
    let stake = world.hub.deal(world.core.task_report(id).unwrap().deal).unwrap().worker_stake;
    let connect = connect(2, Tag::NONE, stake);
    assert_eq!(told.changes, [vec![connect]]);
}

#[test]
fn a_task_runs_where_its_request_asks_and_nowhere_else() {
    let mut world = World::new();
    world.placement = Some(placement());
    world.connect(1, 1);
    let here = Capacity { slots: 1, ..Capacity::default() };
    world.connect_as(2, as_asked(&placement(), here), Vec::new());
    let id = task(world.order(3, 1), 0);
    assert_eq!(world.assigned(id), [], "one is not enough");
    let told = world.core.explain_task(id).unwrap();
    assert_eq!(told.trace.unwrap().removed_by(Constraint::Region), 1);
    let far = [
        Constraint::Region,
        Constraint::Energy,
        Constraint::Cpus,
        Constraint::Memory,
        Constraint::Disk,
        Constraint::Gpus,
    ];
    assert_eq!(told.nearest[0].misses, far);
    let offer = Change::OfferPlacement { worker: worker(1), placement: placement() };
    assert_eq!(told.changes[0], [offer]);
}
