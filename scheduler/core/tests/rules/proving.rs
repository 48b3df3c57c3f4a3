//! What is explained is what decides: doing what would change a refusal changes it. Played in scenes
//! of all kinds, for tasks, workers, orders and the pool.

use crate::scenes::{Scene, live, make, scene};
use crate::world::{World, task, worker};
use poco_scheduler_core::{Change, Explanation, Hold};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// A change by one word.
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
        Change::Resume => "resume",
        Change::Restart => "restart",
        Change::AddGas { .. } => "gas",
        Change::AddStake { .. } => "stake",
        Change::AddRoom { .. } => "room",
        Change::EndTasks { .. } => "end",
        Change::ForgetTasks { .. } => "forget",
        Change::RaiseLiveLimit { .. } => "limit",
        Change::AddSlots { .. } => "more-slots",
        Change::Sell { .. } => "sell",
        Change::RaisePrice { .. } => "price",
        Change::LowerVolume { .. } => "volume",
    }
}

/// What was done and met while scenes were played.
#[derive(Default)]
struct Met {
    changes: RefCell<BTreeSet<&'static str>>,
    constraints: RefCell<BTreeSet<&'static str>>,
    holds: RefCell<BTreeSet<&'static str>>,
    refused: RefCell<usize>,
}

impl Met {
    fn meet(&self, told: &Explanation) {
        *self.refused.borrow_mut() += 1;
        let removed = told.trace.iter().flat_map(|trace| trace.removed.keys());
        self.constraints.borrow_mut().extend(removed.map(|one| one.name()));
        self.holds.borrow_mut().extend(told.held_by.iter().map(Hold::name));
    }

    /// Does all of a way.
    fn go(&self, world: &mut World, scene: &Scene, way: &[Change]) {
        for change in way {
            self.changes.borrow_mut().insert(name_of(change));
            make(world, scene, way, change);
        }
        if way.iter().any(|change| matches!(change, Change::JoinGroup { .. })) {
            // Until the answers before are forgotten, and others asked for.
            world.pass(95);
        }
    }

    fn changes(self) -> Vec<&'static str> {
        self.changes.into_inner().into_iter().collect()
    }
}

/// Ways that a scene can go.
fn goable(told: &Explanation) -> impl Iterator<Item = &Vec<Change>> {
    // The operator's limit is set at the start; `held.rs` starts again with another.
    let is_set = |change: &Change| matches!(change, Change::RaiseLiveLimit { .. });
    told.changes.iter().filter(move |way| !way.iter().any(is_set))
}

fn play(cases: u32, test: impl Fn(Scene) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    runner.run(&scene(), test).unwrap();
}

/// What would change something for a task or a worker, all of which must have been told.
const CHANGES: [&str; 13] = [
    "bond",
    "connect",
    "end",
    "free",
    "gas",
    "join",
    "placement",
    "resume",
    "room",
    "slots",
    "tag",
    "undrain",
    "wait",
];

#[test]
fn doing_what_would_change_a_refusal_of_a_task_makes_the_decision_succeed() {
    let met = Met::default();
    play(600, |scene| {
        let (world, deal) = scene.play();
        let told = world.core.explain_task_at(deal, 0).unwrap();
        let Some(trace) = &told.trace else { return Ok(()) };
        met.meet(&told);
        prop_assert_eq!(trace.looked_at, scene.hands.len(), "a refusal is about everybody");
        if scene.placement.is_none() {
            prop_assert!(told.held_by.is_empty() || trace.fitting() == 0);
            let nothing_helps = told.changes.is_empty();
            prop_assert!(nothing_helps, "nobody knows where it may run: {:#?}", told);
            return Ok(());
        }
        prop_assert!(!told.changes.is_empty(), "nothing would help: {:#?}", told);
        for way in goable(&told) {
            let (mut world, deal) = scene.play();
            let id = task(deal, 0);
            let before = live(&world, id);
            world.commands();
            met.go(&mut world, &scene, way);
            // Told again is who had it before.
            let given: Vec<u8> = world.assigned(id);
            let is_new = |name: &u8| !before.contains(&worker(*name));
            let after = world.core.explain_task_at(deal, 0).unwrap();
            // What the pool held back may find that those who take it are busy.
            let is_in_line = !told.held_by.is_empty()
                && after.held_by.is_empty()
                && after.changes.iter().all(|way| matches!(way[..], [Change::FreeSlot { .. }]));
            prop_assert!(
                given.iter().any(is_new) || is_in_line,
                "{way:?} left {before:?} {given:?}\n{told:#?}\n{after:#?}"
            );
        }
        Ok(())
    });
    assert!(met.refused.take() > 250, "few were refused");
    check_met(met);
}

/// Every constraint, hold and change that a scene can have was put to the test.
fn check_met(met: Met) {
    let constraints: Vec<&str> = met.constraints.take().into_iter().collect();
    let all = [
        "bond",
        "busy",
        "cpus",
        "disk",
        "drained",
        "energy",
        "gpus",
        "guard_denies",
        "machine",
        "memory",
        "own_failure",
        "owner",
        "placement",
        "region",
        "replica",
        "resting",
        "slots",
        "tag",
    ];
    let unmet: Vec<&&str> = all.iter().filter(|one| !constraints.contains(one)).collect();
    assert_eq!(unmet, [&""; 0], "{constraints:?}");
    let holds: Vec<&str> = met.holds.take().into_iter().collect();
    assert_eq!(holds, ["gas-low", "live-limit", "paused", "room-low"]);
    assert_eq!(met.changes(), CHANGES);
}

#[test]
fn doing_what_would_change_it_for_a_worker_leaves_nothing_in_its_way() {
    let met = Met::default();
    play(300, |scene| {
        let (world, deal) = scene.play();
        for (name, _) in scene.named() {
            let told = world.core.explain_worker(worker(name));
            if told.trace.as_ref().is_none_or(|trace| trace.looked_at == 0) {
                continue;
            }
            met.meet(&told);
            for way in goable(&told) {
                let (mut world, _) = scene.play();
                world.commands();
                met.go(&mut world, &scene, way);
                let after = world.core.explain_worker(worker(name));
                // Others may have been quicker.
                let is_given = !world.assigned(task(deal, 0)).is_empty();
                let fits = after.trace.as_ref().is_some_and(|trace| trace.fitting() > 0);
                let is_in_line = fits && after.held_by.is_empty();
                prop_assert!(is_given || is_in_line, "{way:?} of {name}\n{told:#?}\n{after:#?}");
            }
        }
        Ok(())
    });
    assert!(met.refused.take() > 300);
    assert_eq!(met.changes(), CHANGES);
}

#[test]
fn what_is_said_of_an_order_is_what_comes_of_it_and_what_would_change_it_does() {
    let met = Met::default();
    let (served, refused) = (RefCell::new(0), RefCell::new(0));
    play(400, |scene| {
        let mut world = scene.set();
        let terms = scene.terms(&mut world);
        // Once it was asked, the guard's answers are known to both.
        world.weigh(&terms);
        let told = world.core.explain_order(&terms, None);
        let weighed = world.weigh(&terms);
        prop_assert_eq!(&weighed.waits_for, &told.waits_for);
        met.meet(&told);
        for way in goable(&told) {
            let mut world = scene.set();
            met.go(&mut world, &scene, way);
            world.weigh(&terms);
            let after = world.core.explain_order(&terms, None);
            let is_served = world.weigh(&terms).is_served;
            prop_assert!(is_served, "{way:?}\n{told:#?}\n{after:#?}");
        }
        let deal = world.order(scene.trust, 1);
        let given = world.assigned(task(deal, 0));
        let after = world.core.explain_task_at(deal, 0).unwrap();
        let begins = told.waits_for.starts_with("nothing");
        // A stake that is low is in the way of a match, and not of a deal that was made.
        let is_held = told.held_by.iter().any(|hold| hold.name() != "stake-low");
        prop_assert_eq!(is_held, !after.held_by.is_empty(), "{:#?}\n{:#?}", told, after);
        if told.held_by.is_empty() && !scene.has_pairs() {
            prop_assert_eq!(begins, !given.is_empty(), "{:#?}\n{:#?}", told, after);
        }
        if let Some(trace) = after.trace.as_ref().filter(|_| given.is_empty() && !scene.has_pairs())
        {
            *refused.borrow_mut() += 1;
            prop_assert_eq!(&told.trace.as_ref().unwrap().removed, &trace.removed);
        }
        *served.borrow_mut() += usize::from(begins);
        Ok(())
    });
    let (served, refused) = (served.into_inner(), refused.into_inner());
    assert!(served > 20 && refused > 50, "{served} {refused}");
    let holds: Vec<&str> = met.holds.take().into_iter().collect();
    assert_eq!(holds, ["gas-low", "live-limit", "paused", "room-low", "stake-low"]);
}

#[test]
fn doing_what_the_pool_says_of_itself_opens_it() {
    let met = Met::default();
    play(200, |scene| {
        let (world, deal) = scene.play();
        let told = world.core.explain_pool();
        let of_task = world.core.explain_task_at(deal, 0).unwrap();
        if !of_task.held_by.is_empty() || of_task.trace.is_some() {
            prop_assert!(told.parts.contains(&of_task), "{told:#?}\n{of_task:#?}");
        }
        met.meet(&told);
        for hold in &of_task.held_by {
            prop_assert!(told.waits_for.contains(&hold.to_string()), "{told:#?}");
        }
        for way in goable(&told) {
            let (mut world, _) = scene.play();
            met.go(&mut world, &scene, way);
            let after = world.core.explain_pool();
            prop_assert!(after.held_by.is_empty(), "{way:?}\n{told:#?}\n{after:#?}");
        }
        Ok(())
    });
    let holds: Vec<&str> = met.holds.take().into_iter().collect();
    assert_eq!(holds, ["gas-low", "live-limit", "paused", "room-low", "stake-low"]);
}
