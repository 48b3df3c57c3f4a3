//! What the pool itself holds back: tasks that are not made or not begun, and orders.

use crate::orders::funds;
use crate::world::{World, digest, nano, task, worker};
use poco_core::{Amount, Conditions, DealConditions, DealId, TaskId, U256};
use poco_scheduler_core::{
    Capacity, CategoryPrice, Change, Concern, Hold, Input, Lookup, Operation, OrderTerms,
    Placement, ReportStatus, SalesPolicy,
};

const PLENTY: u64 = 1_000_000;

fn operate(world: &mut World, operation: Operation) {
    world.tell(Input::Operation(operation));
}

fn with_floors() -> World {
    let mut world = World::with(&[], |settings| {
        settings.floor_gas = 500;
        settings.floor_stake = Amount::from_nano(100);
    });
    funds(&mut world, PLENTY, PLENTY);
    world
}

fn is_made(world: &World, deal: DealId, offset: u64) -> bool {
    world.core.task_report(task(deal, offset)).is_some()
}

/// Ends the first task of a deal of trust 1 that somebody computes.
fn end_one(world: &mut World, deal: DealId) {
    let computed = (0..).find_map(|index| {
        let report = world.core.task_report(task(deal, index)).expect("one is computed");
        let is_open = report.status == ReportStatus::Active;
        Some((report.task, report.replicas.first().filter(|_| is_open)?.worker))
    });
    let (id, who) = computed.unwrap();
    world.contribute_and_finalize(who[0], id, digest("right")).unwrap();
}

#[test]
fn a_task_of_a_bag_that_is_not_made_is_known_and_says_what_comes_before_it() {
    let played = || {
        let mut world = World::new();
        world.connect(1, 1);
        let deal = world.order(1, 50);
        assert!(is_made(&world, deal, 9) && !is_made(&world, deal, 10), "room for ten");
        (world, deal)
    };
    let (world, deal) = played();
    let told = world.core.explain_task_at(deal, 30).unwrap();
    assert_eq!(told.subject, format!("task {}", task(deal, 30)));
    assert_eq!(told.held_by, [Hold::Slots { live: 10, before: 20, room: 10 }]);
    assert!(told.facts.contains(&("made before it, of its deal".into(), "20".into())));
    let ways = [vec![Change::EndTasks { count: 21 }], vec![Change::AddSlots { count: 11 }]];
    assert_eq!(told.changes, ways);
    let report = world.core.task_report_at(deal, 30).unwrap();
    assert_eq!((report.task, report.index), (task(deal, 30), U256::from(30)));
    assert_eq!(report.status, ReportStatus::Pending);
    assert_eq!(report.waiting_for, told.waits_for);
    assert!(report.waiting_for.contains("20 more come before it"), "{}", report.waiting_for);
    assert!(world.core.explain_task_at(deal, 50).is_none(), "the deal has no such task");
    assert!(world.core.task_report_at(task_deal_of_nobody(), 0).is_none());

    // As many as it says, and not one fewer.
    let (mut world, deal) = played();
    for ended in 0..21 {
        assert!(!is_made(&world, deal, 30), "after {ended}");
        end_one(&mut world, deal);
    }
    assert!(is_made(&world, deal, 30));
    let of_made = world.core.explain_task_at(deal, 30).unwrap();
    assert_eq!(Some(of_made), world.core.explain_task(task(deal, 30)));
    for (slots, made) in [(10, false), (11, true)] {
        let (mut world, deal) = played();
        world.connect(2, slots);
        assert_eq!(is_made(&world, deal, 30), made, "{slots} slots more");
    }
}

fn task_deal_of_nobody() -> DealId {
    DealId::ZERO
}

#[test]
fn what_is_not_made_is_found_by_its_id() {
    let mut world = World::new();
    world.connect(1, 1);
    let deal = world.order(1, 50);
    let mut lookup = Lookup::default();
    let mut find = |world: &World, id: TaskId| lookup.find(id, world.core.unmade()).unwrap();
    assert_eq!(find(&world, task(deal, 30)), Some((deal, 30)));
    assert_eq!(find(&world, task(deal, 9)), None, "made");
    assert_eq!(find(&world, task(deal, 50)), None);
    end_one(&mut world, deal);
    assert_eq!(find(&world, task(deal, 10)), None, "made since");
    assert_eq!(find(&world, task(deal, 11)), Some((deal, 11)));
}

#[test]
fn other_requesters_tasks_are_counted_as_far_as_their_turns_come_first() {
    let mut world = World::new();
    world.connect(1, 1);
    world.order(1, 50);
    world.requester = worker(9);
    let late = world.order(1, 20);
    assert!(is_made(&world, late, 1) && !is_made(&world, late, 2), "two are open at once");
    let told = world.core.explain_task_at(late, 2).unwrap();
    let fact = |name: &str| told.facts.iter().find(|(one, _)| one == name).unwrap().1.clone();
    assert_eq!(fact("made before it, of its deal"), "0");
    assert_eq!(fact("made before it, of other requesters"), "0", "of these nine wait");
    // One is too many only by what was open before the second came.
    assert_eq!(told.held_by, [Hold::Slots { live: 12, before: 0, room: 10 }]);
}

#[test]
fn a_pause_is_named_by_task_pool_and_worker_with_what_ends_it() {
    let mut world = World::new();
    world.connect(1, 1);
    operate(&mut world, Operation::Pause);
    let deal = world.order(1, 1);
    let paused = Hold::Intake(Concern::Paused);
    let told = world.core.explain_task_at(deal, 0).unwrap();
    assert_eq!(told.held_by, vec![paused.clone()]);
    assert_eq!(told.waits_for, "the pool to take it on: new deals are paused by the operator");
    assert_eq!(told.changes, [[Change::Resume]]);
    let pool = world.core.explain_pool();
    assert_eq!(pool.waits_for, "itself to take on 1 tasks: new deals are paused by the operator");
    assert_eq!((&pool.held_by[..], &pool.parts[..]), (&[paused.clone()][..], &[told][..]));
    assert_eq!(pool.changes, [[Change::Resume]]);
    let told = world.core.explain_worker(worker(1));
    assert_eq!(
        (&told.held_by[..], &told.changes[..]),
        (&[paused][..], &[vec![Change::Resume]][..])
    );
    assert!(told.waits_for.contains("new deals are paused by the operator"), "{}", told.waits_for);
    world.commands();
    operate(&mut world, Operation::Resume);
    assert_eq!(world.assigned(task(deal, 0)), [1]);
}

#[test]
fn a_worker_that_does_not_fit_during_a_pause_is_told_both() {
    let mut world = World::new();
    world.connect(1, 0);
    operate(&mut world, Operation::Pause);
    world.order(1, 1);
    let told = world.core.explain_worker(worker(1));
    assert_eq!(told.changes, [[Change::Resume, Change::OfferSlots { worker: worker(1) }]]);
    assert!(told.waits_for.contains("it fits none"), "{}", told.waits_for);
    assert_eq!(told.held_by, [Hold::Intake(Concern::Paused)]);
}

#[test]
fn too_little_gas_is_told_with_how_much_is_enough() {
    let mut world = with_floors();
    world.connect(1, 1);
    funds(&mut world, 999, PLENTY);
    let deal = world.order(1, 1);
    let told = world.core.explain_task_at(deal, 0).unwrap();
    let low = Concern::GasLow { has_wei: U256::from(999), floor_wei: U256::from(1_000) };
    assert_eq!(told.held_by, [Hold::Intake(low)]);
    let enough = U256::from(1_100);
    assert_eq!(told.changes, [[Change::AddGas { until_wei: enough }]]);
    funds(&mut world, 1_099, PLENTY);
    assert!(!is_made(&world, deal, 0));
    funds(&mut world, 1_100, PLENTY);
    assert_eq!(world.assigned(task(deal, 0)), [1]);
}

#[test]
fn what_was_made_before_gas_ran_low_is_held_and_says_so() {
    let mut world = World::with(&[], |settings| {
        settings.settlement = true;
        settings.floor_gas = 500;
    });
    funds(&mut world, PLENTY, PLENTY);
    let id = task(world.order(5, 1), 0);
    assert!(world.core.explain_pool().held_by.is_empty());
    funds(&mut world, 999, PLENTY);
    let told = world.core.explain_task(id).unwrap();
    assert_eq!(told.held_by[0].name(), "gas-low", "{told:#?}");
    let until = Change::AddGas { until_wei: U256::from(1_100) };
    assert_eq!(told.changes.len(), 1, "and workers: {:#?}", told.changes);
    assert_eq!(told.changes[0][0], until);
    assert!(matches!(told.changes[0][1], Change::Connect { .. }), "{:#?}", told.changes);
    assert_eq!(world.core.explain_pool().parts, [told]);
}

#[test]
fn a_stop_is_told_as_what_the_next_start_ends() {
    let mut world = World::new();
    operate(&mut world, Operation::Stop);
    let deal = world.order(1, 1);
    let told = world.core.explain_task_at(deal, 0).unwrap();
    assert_eq!(told.held_by, [Hold::Intake(Concern::Stopping)]);
    assert!(told.changes.iter().all(|way| way[0] == Change::Restart), "{:?}", told.changes);
    world.restart();
    assert!(is_made(&world, deal, 0));
}

#[test]
fn the_operators_limit_is_told_with_the_limit_that_would_do() {
    let mut world = World::with(&[], |settings| settings.tasks_live_max = 2);
    world.connect(1, 2);
    let deal = world.order(1, 6);
    let told = world.core.explain_task_at(deal, 4).unwrap();
    assert_eq!(told.held_by, [Hold::LiveLimit { live: 2, before: 2, most: 2, room: 12 }]);
    let ways = [vec![Change::EndTasks { count: 3 }], vec![Change::RaiseLiveLimit { to: 5 }]];
    assert_eq!(told.changes, ways);
    for (to, made) in [(4, false), (5, true)] {
        world.settings.tasks_live_max = to;
        world.restart();
        world.connect(1, 2);
        assert_eq!(is_made(&world, deal, 4), made, "{to}");
    }
}

#[test]
fn ended_tasks_that_are_not_settled_hold_up_others_and_it_is_told_how_many() {
    let mut world = World::with(&[], |settings| {
        settings.tasks_live_max = 1;
        settings.prune_depth_blocks = 100;
    });
    world.connect(1, 1);
    let deal = world.order(1, 12);
    for _ in 0..10 {
        end_one(&mut world, deal);
    }
    let held_by = |offset: u64, world: &World| {
        let told = world.core.explain_task_at(deal, offset).unwrap();
        (told.held_by, told.changes)
    };
    let held = |before| Hold::HeldLimit { held: 10, before, most: 10 };
    let forget = |count| Change::ForgetTasks { count };
    assert_eq!(held_by(10, &world), (vec![held(0)], vec![vec![forget(1)]]));
    let live = Hold::LiveLimit { live: 0, before: 1, most: 1, room: 10 };
    let (holds, ways) = held_by(11, &world);
    assert_eq!(holds, [live, held(1)]);
    let raise = Change::RaiseLiveLimit { to: 2 };
    assert!(ways.contains(&vec![raise, forget(2)]), "{ways:?}");
    assert!(!is_made(&world, deal, 10));
    world.block += 100;
    let head = world.head();
    world.tell(Input::Head(head));
    assert!(is_made(&world, deal, 10) && !is_made(&world, deal, 11));
}

#[test]
fn of_a_deal_of_which_a_task_found_nobody_the_others_wait_for_that() {
    let mut world = World::new();
    world.connect(1, 4);
    let deal = world.order(1_000, 50);
    let told = world.core.explain_task_at(deal, 40).unwrap();
    assert_eq!(told.held_by.last(), Some(&Hold::PassedOver { task: task(deal, 0) }));
    let first = world.core.explain_task(task(deal, 0)).unwrap();
    assert!(!first.changes.is_empty());
    assert_eq!((&told.trace, &told.nearest), (&first.trace, &first.nearest));
    assert_eq!(told.changes, first.changes);
}

#[test]
fn a_task_whose_deal_is_not_read_again_waits_for_the_node_and_begins_when_it_answers() {
    let mut world = World::new();
    let id = task(world.order(1, 1), 0);
    world.hides_deals = true;
    world.restart();
    world.connect(1, 1);
    assert_eq!(world.assigned(id), [0; 0]);
    let told = world.core.explain_task(id).unwrap();
    assert_eq!(told.changes, [[Change::ReadDeal]], "{}", told.waits_for);
    world.hides_deals = false;
    // Asked again where blocks went.
    world.tell(Input::Rollback { to: world.block });
    world.pass(10);
    assert_eq!(world.assigned(id), [1], "{}", world.waiting(id));
}

#[test]
fn a_deal_that_is_over_says_that_of_what_is_not_made() {
    let mut world = World::new();
    operate(&mut world, Operation::Pause);
    let deal = world.order(1, 1);
    world.pass(7 * crate::world::T);
    world.tell(Input::Timer);
    let told = world.core.explain_task_at(deal, 0).unwrap();
    assert!(told.waits_for.starts_with("too late to compute; refunded"), "{}", told.waits_for);
    assert!(told.held_by.is_empty() && told.changes.is_empty());
}

fn terms() -> OrderTerms {
    OrderTerms {
        trust: U256::ONE,
        placement: Some(Placement::default()),
        volume: 1,
        ..OrderTerms::default()
    }
}

#[test]
fn an_order_is_refused_for_the_pools_own_reasons() {
    let mut world = with_floors();
    world.connect(1, 4);
    let nano = Amount::from_nano;
    let price = CategoryPrice { category: 2, idle: nano(10), full: nano(20) };
    let policy =
        SalesPolicy { prices: vec![price], factor_percent: 100, trust_max: 100, cost: None };
    let of = |world: &World, terms: OrderTerms| world.core.explain_order(&terms, Some(&policy));
    let usual = || OrderTerms { category: Some(2), pays: Some(nano(10)), ..terms() };
    assert_eq!(of(&world, usual()).waits_for, "nothing: 1 workers would begin a task at once");

    let told = of(&world, OrderTerms { category: Some(1), ..usual() });
    assert_eq!(told.held_by, [Hold::Unsold { category: 1 }]);
    assert_eq!(told.changes, [[Change::Sell { category: 1 }]]);
    let told = of(&world, OrderTerms { pays: Some(nano(9)), ..usual() });
    assert_eq!(told.held_by, [Hold::Price { pays: nano(9), price: nano(10) }]);
    assert_eq!(told.changes, [[Change::RaisePrice { to: nano(10) }]]);
    let told = of(&world, OrderTerms { volume: 6, ..usual() });
    let short = Hold::Volume { asked: 6, left: 4, sold_too_many: None, slots_missing: 2 };
    assert_eq!(told.held_by, [short]);
    let ways = [[Change::LowerVolume { to: 4 }], [Change::AddSlots { count: 2 }]];
    assert_eq!(told.changes, ways);
    let beyond = DealConditions::new(Conditions::from_bits(64), Default::default());
    let told = of(&world, OrderTerms { conditions: beyond, ..usual() });
    assert_eq!(told.held_by, [Hold::Unserved { conditions: Conditions::from_bits(64) }]);
    assert!(told.changes.is_empty());
    funds(&mut world, PLENTY, 101);
    // 30 % of 10 for each, of which 3 * 34 would be too much.
    let told = of(&world, OrderTerms { volume: 34, ..usual() });
    assert_eq!(told.held_by[1], Hold::Stake { needed: nano(102), free: nano(101) });

    operate(&mut world, Operation::Pause);
    let told = of(&world, usual());
    assert_eq!(told.held_by, [Hold::Intake(Concern::Paused)]);
    assert_eq!(told.changes, [[Change::Resume]]);
    assert!(!world.core.weigh_order(&terms()).is_served);
    operate(&mut world, Operation::Resume);
    assert!(world.core.weigh_order(&terms()).is_served);
}

#[test]
fn an_order_whose_guard_is_not_asked_yet_is_asked_about_and_then_served() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect_as(2, Capacity { slots: 1, ..Capacity::default() }, Vec::new());
    let guard = poco_core::Address::repeat_byte(0x77);
    let conditions = DealConditions::new(Conditions::KNOWN_WORKERS, guard);
    let guarded = OrderTerms { conditions, ..terms() };
    let told = world.core.explain_order(&guarded, None);
    assert_eq!(told.trace.unwrap().removed.len(), 1);
    assert!(world.asked.is_empty(), "explaining asks nobody");
    let weighed = world.weigh(&guarded);
    assert!(weighed.is_asking && !weighed.is_served);
    let weighed = world.weigh(&guarded);
    assert!(!weighed.is_asking && !weighed.is_served, "it knows neither");
    world.hub.contracts_mut().add_member(guard, worker(2));
    world.pass(61);
    world.tell(Input::Timer);
    assert!(world.weigh(&guarded).is_asking);
    assert!(world.weigh(&guarded).is_served);
}

#[test]
fn an_order_is_weighed_by_bond_and_lane_as_its_deal_would_be() {
    let mut world = World::with(&[], |settings| settings.settlement = true);
    let stake = world.stake_of_a_vote();
    for name in 1..=3 {
        world.connect(name, 1);
    }
    world.bond(1, 10_000);
    // Enough without bonds: it would go the classic way.
    let three = OrderTerms { trust: U256::from(5), worker_stake: stake, ..terms() };
    assert!(world.core.weigh_order(&three).is_served);
    let told = world.core.explain_order(&three, None);
    assert_eq!(told.waits_for, "nothing: 3 workers would begin a task at once");
    assert_eq!(nano(1000).0.to::<u64>(), 1000);
    let deal = world.order(5, 1);
    assert_eq!(world.assigned(task(deal, 0)).len(), 3);
}
