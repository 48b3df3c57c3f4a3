//! What is explained is what decides: doing what would change a refusal changes it.

use crate::world::{World, failure, task, worker};
use poco_core::{Address, Amount, Conditions, DealConditions, Tag, TaskId, U256};
use poco_scheduler_core::{
    Capacity, Cause, Change, Constraint, OrderTerms, Placement, ReplicaReport, ReportBody, Stage,
};
use poco_scheduler_core::{Input, Operation};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;

const GUARD: Address = Address::repeat_byte(0x77);
/// Names of workers that log in because more are wanted.
const NEW: u8 = 40;

#[derive(Clone, Debug)]
struct Hand {
    slots: u32,
    has_gpu: bool,
    score: u64,
    is_member: bool,
    has_bond: bool,
    is_busy: bool,
    is_drained: bool,
    declines: bool,
    machine: Option<u8>,
    is_placed: bool,
}

#[derive(Clone, Debug)]
struct Scene {
    hands: Vec<Hand>,
    trust: u64,
    needs_gpu: bool,
    is_placed: bool,
    is_guarded: bool,
    has_settlement: bool,
}

fn placement() -> Placement {
    Placement {
        regions: ["eu".parse().unwrap()].into(),
        carbon_g_per_kwh_max: Some(50),
        memory_bytes_min: 1 << 30,
        ..Placement::default()
    }
}

fn hand() -> impl Strategy<Value = Hand> {
    let score = prop_oneof![4 => Just(0u64), 1 => Just(30), 1 => Just(300)];
    let chances = (any::<bool>(), prop::bool::weighted(0.7), any::<bool>());
    let drained = prop::bool::weighted(0.2);
    let ways =
        (any::<bool>(), drained, prop::bool::weighted(0.3), prop::option::weighted(0.3, 1u8..3));
    let all = (0u32..3, score, chances, ways, any::<bool>());
    all.prop_map(|(slots, score, chances, ways, is_placed)| {
        let (has_gpu, is_member, has_bond) = chances;
        let (is_busy, is_drained, declines, machine) = ways;
        Hand {
            slots,
            has_gpu,
            score,
            is_member,
            has_bond,
            is_busy,
            is_drained,
            declines,
            machine,
            is_placed,
        }
    })
}

fn scene() -> impl Strategy<Value = Scene> {
    let hands = prop::collection::vec(hand(), 0..8);
    let trust = prop_oneof![Just(1u64), Just(2), Just(5), Just(10), Just(100), Just(1000)];
    let asked = (any::<bool>(), prop::bool::weighted(0.3), any::<bool>(), any::<bool>());
    (hands, trust, asked).prop_map(|(hands, trust, asked)| {
        let (needs_gpu, is_placed, is_guarded, has_settlement) = asked;
        Scene { hands, trust, needs_gpu, is_placed, is_guarded, has_settlement }
    })
}

impl Hand {
    fn capacity(&self) -> Capacity {
        let tag = if self.has_gpu { Tag::GPU } else { Tag::NONE };
        let machine = self.machine.map(poco_core::B256::repeat_byte);
        let capacity = Capacity { slots: self.slots, tag, machine, ..Capacity::default() };
        if self.is_placed { as_asked(&placement(), capacity) } else { capacity }
    }
}

impl Scene {
    /// The world in which the task waits, or does not.
    fn play(&self) -> (World, TaskId) {
        let named = || (1u8..).zip(&self.hands);
        let scores: Vec<(u8, u64)> = named().map(|(name, hand)| (name, hand.score)).collect();
        let mut world = World::with(&scores, |settings| settings.settlement = self.has_settlement);
        let mut busy = 0;
        for (name, hand) in named() {
            if hand.is_member {
                world.hub.contracts_mut().add_member(GUARD, worker(name));
            }
            if hand.has_bond {
                world.bond(name, 10_000);
            }
            busy += if hand.is_busy { hand.slots } else { 0 };
            world.connect_as(name, hand.capacity(), Vec::new());
        }
        for _ in 0..busy {
            let filler = task(world.order(1, 1), 0);
            let name = world.assigned(filler)[0];
            world.says(name, filler, ReportBody::Reached(Stage::Running));
        }
        if self.is_guarded {
            world.conditions = DealConditions::new(Conditions::KNOWN_WORKERS, GUARD);
        }
        world.tag = if self.needs_gpu { Tag::GPU } else { Tag::NONE };
        if self.is_placed {
            world.placement = placement();
        }
        for (name, _) in named().filter(|(_, hand)| hand.is_drained) {
            world.tell(Input::Operation(Operation::Drain(worker(name))));
        }
        let id = task(world.order(self.trust, 1), 0);
        for (name, _) in named().filter(|(_, hand)| hand.declines) {
            if live(&world, id).contains(&worker(name)) {
                world.says(name, id, failure(Cause::Declined));
            }
        }
        for worker in live(&world, id) {
            world.says(worker[0], id, ReportBody::Reached(Stage::Running));
        }
        (world, id)
    }
}

fn live(world: &World, id: TaskId) -> BTreeSet<Address> {
    let report = world.core.task_report(id).unwrap();
    let is_live = |one: &&ReplicaReport| one.stage.is_some() && one.failure.is_none();
    report.replicas.iter().filter(is_live).map(|one| one.worker).collect()
}

/// Does one thing that an explanation says. `slots` are what the workers offer.
fn make(world: &mut World, scene: &Scene, way: &[Change], change: &Change) {
    let hand = |worker: &Address| &scene.hands[usize::from(worker[0]) - 1];
    let nano = |amount: &Amount| amount.0.to::<u64>();
    match change {
        Change::ReadDeal => panic!("every deal is read at once here"),
        Change::Undrain { worker } => {
            world.tell(Input::Operation(Operation::Undrain(*worker)));
        }
        Change::OfferSlots { worker }
        | Change::OfferTag { worker, .. }
        | Change::OfferPlacement { worker, .. } => {
            // All that the worker is told to offer, whichever of it comes first.
            let mut capacity = hand(worker).capacity();
            for change in way {
                match change {
                    Change::OfferSlots { worker: who } if who == worker => capacity.slots = 1,
                    Change::OfferTag { worker: who, tag } if who == worker => capacity.tag = *tag,
                    _ => {}
                }
            }
            for change in way {
                if let Change::OfferPlacement { worker: who, placement } = change
                    && who == worker
                {
                    capacity = as_asked(placement, capacity);
                }
            }
            world.connect_as(worker[0], capacity, Vec::new());
        }
        Change::Wait { seconds, .. } => world.pass(*seconds),
        Change::JoinGroup { worker, guard } => {
            world.hub.contracts_mut().add_member(*guard, *worker);
        }
        Change::AddBond { worker, missing } => world.bond(worker[0], nano(missing)),
        Change::FreeSlot { worker } => {
            let held = world.stored.keys().copied().find(|id| {
                let report = world.core.task_report(*id).unwrap();
                let is_held = |one: &ReplicaReport| {
                    one.worker == *worker && one.stage.is_some_and(Stage::takes_slot)
                };
                report.replicas.iter().any(is_held)
            });
            world.says(worker[0], held.unwrap(), ReportBody::Reached(Stage::Computed));
        }
        Change::Connect { count, tag, placement, bond, guard } => {
            for name in (NEW..).take(*count) {
                if let Some(guard) = guard {
                    world.hub.contracts_mut().add_member(*guard, worker(name));
                }
                if *bond != Amount::ZERO {
                    world.bond(name, nano(bond));
                }
                let capacity = Capacity { slots: 1, tag: *tag, ..Capacity::default() };
                world.connect_as(name, as_asked(placement, capacity), Vec::new());
            }
        }
    }
}

fn connect(count: usize, tag: Tag, bond: Amount) -> Change {
    Change::Connect { count, tag, placement: Placement::default(), bond, guard: None }
}

/// A machine that has what is asked for.
fn as_asked(placement: &Placement, capacity: Capacity) -> Capacity {
    let region = placement.regions.first().copied().or(capacity.region);
    let memory = placement.memory_bytes_min * u64::from(capacity.slots);
    Capacity {
        region,
        memory_bytes: memory.max(capacity.memory_bytes),
        carbon_g_per_kwh: placement.carbon_g_per_kwh_max.or(capacity.carbon_g_per_kwh),
        ..capacity
    }
}

fn name_of(change: &Change) -> &'static str {
    match change {
        Change::ReadDeal => "read",
        Change::Undrain { .. } => "undrain",
        Change::OfferSlots { .. } => "slots",
        Change::OfferTag { .. } => "tag",
        Change::OfferPlacement { .. } => "placement",
        Change::Wait { .. } => "wait",
        Change::JoinGroup { .. } => "join",
        Change::AddBond { .. } => "bond",
        Change::FreeSlot { .. } => "free",
        Change::Connect { .. } => "connect",
    }
}

#[test]
fn doing_what_would_change_a_refusal_makes_the_decision_succeed() {
    let reached = RefCell::new(BTreeSet::new());
    let refused = RefCell::new(0);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tested = runner.run(&scene(), |scene| {
        let (world, id) = scene.play();
        let told = world.core.explain_task(id).unwrap();
        let Some(trace) = &told.trace else { return Ok(()) };
        *refused.borrow_mut() += 1;
        prop_assert_eq!(trace.looked_at, scene.hands.len(), "a refusal is about everybody");
        prop_assert!(!told.changes.is_empty(), "nothing would help: {:#?}", told);
        for way in &told.changes {
            let (mut world, id) = scene.play();
            let before = live(&world, id);
            world.commands();
            for change in way {
                reached.borrow_mut().insert(name_of(change));
                make(&mut world, &scene, way, change);
            }
            if way.iter().any(|change| matches!(change, Change::JoinGroup { .. })) {
                // Until the answers before are forgotten, and others asked for.
                world.pass(95);
            }
            // Told again is who had it before.
            let given: Vec<u8> = world.assigned(id);
            let is_new = |name: &u8| !before.contains(&worker(*name));
            prop_assert!(
                given.iter().any(is_new),
                "{way:?} left {before:?} {given:?}: {}\n{told:#?}",
                world.waiting(id)
            );
        }
        Ok(())
    });
    tested.unwrap();
    assert!(refused.into_inner() > 150, "few were refused");
    let all = ["bond", "connect", "free", "join", "placement", "slots", "tag", "undrain", "wait"];
    assert_eq!(reached.into_inner().into_iter().collect::<Vec<_>>(), all);
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
    let terms =
        |trust: u64, tag| OrderTerms { trust: U256::from(trust), tag, ..OrderTerms::default() };
    let told = world.core.explain_order(terms(3, Tag::NONE));
    assert_eq!(told.waits_for, "nothing: 2 workers would begin a task at once");
    assert!(told.changes.is_empty());
    let told = world.core.explain_order(terms(3, Tag::GPU));
    assert_eq!(told.trace.unwrap().removed_by(Constraint::Tag), 2);
    assert_eq!(told.changes.len(), 2);
    let told = world.core.explain_order(terms(5, Tag::NONE));
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
    world.placement = placement();
    world.connect(1, 1);
    let here = Capacity { slots: 1, ..Capacity::default() };
    world.connect_as(2, as_asked(&placement(), here), Vec::new());
    let id = task(world.order(3, 1), 0);
    assert_eq!(world.assigned(id), [], "one is not enough");
    let told = world.core.explain_task(id).unwrap();
    assert_eq!(told.trace.unwrap().removed_by(Constraint::Region), 1);
    let far = [Constraint::Region, Constraint::Energy, Constraint::Memory];
    assert_eq!(told.nearest[0].misses, far);
    let offer = Change::OfferPlacement { worker: worker(1), placement: placement() };
    assert_eq!(told.changes[0], [offer]);
}
