//! What is said of an order that the pool does not sell, and that doing what would change it changes it.

use crate::orders::funds;
use crate::scenes::{end_task, free_slot, live};
use crate::world::{World, nano};
use poco_core::{Amount, TaskId, U256};
use poco_scheduler_core::{
    CategoryPrice, Change, Explanation, Hold, Input, Operation, OrderTerms, Placement, ReportBody,
    SalesPolicy, Stage,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Stake for whatever is sold here.
const PLENTY: u64 = 1_000_000;
/// Gas for all of it.
const GAS: u64 = 1 << 60;
/// The name of a worker that comes later.
const NEW: u8 = 100;

/// A pool that sells, and somebody who asks.
#[derive(Clone, Debug)]
struct Shop {
    /// Of each worker.
    slots: Vec<u32>,
    /// Tasks of a deal that was made.
    sold: u64,
    factor_percent: usize,
    /// For an idle pool, and what a full one asks on top.
    prices: (u64, u64),
    is_stake_low: bool,
    is_paused: bool,
    /// The pool sells the second.
    category: u64,
    pays: u64,
    volume: u64,
}

fn shop() -> impl Strategy<Value = Shop> {
    let pool = (
        prop::collection::vec(1..4u32, 1..4),
        0..12u64,
        prop::sample::select(vec![50usize, 100, 150]),
        (1..30u64, 0..30u64),
    );
    let order = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), 1..3u64, 0..70u64, 1..12u64);
    (pool, order).prop_map(|((slots, sold, factor_percent, prices), order)| {
        let (is_stake_low, is_paused, category, pays, volume) = order;
        Shop {
            slots,
            sold,
            factor_percent,
            prices,
            is_stake_low,
            is_paused,
            category,
            pays,
            volume,
        }
    })
}

impl Shop {
    fn play(&self) -> (World, SalesPolicy, OrderTerms) {
        let mut world = World::new();
        funds(&mut world, GAS, PLENTY);
        for (name, slots) in (1..).zip(&self.slots) {
            world.connect(name, *slots);
        }
        if self.sold > 0 {
            world.order(1, self.sold);
            run_all(&mut world);
        }
        if self.is_paused {
            world.tell(Input::Operation(Operation::Pause));
        }
        funds(&mut world, GAS, if self.is_stake_low { 5 } else { PLENTY });
        let (idle, more) = self.prices;
        let price = CategoryPrice { category: 2, idle: nano(idle), full: nano(idle + more) };
        let policy = SalesPolicy {
            prices: vec![price],
            factor_percent: self.factor_percent,
            trust_max: 100,
            cost: None,
        };
        let terms = OrderTerms {
            category: Some(self.category),
            pays: Some(nano(self.pays)),
            trust: U256::ONE,
            placement: Some(Placement::default()),
            volume: self.volume,
            ..OrderTerms::default()
        };
        (world, policy, terms)
    }
}

/// Whoever has a task runs it.
fn run_all(world: &mut World) {
    let ids: Vec<TaskId> = world.stored.keys().copied().collect();
    for id in ids {
        for who in live(world, id) {
            world.says(who[0], id, ReportBody::Reached(Stage::Running));
        }
    }
}

fn make(
    (world, policy, terms): &mut (World, SalesPolicy, OrderTerms),
    change: &Change,
) -> &'static str {
    let nano_of = |amount: &Amount| amount.0.to::<u64>();
    match change {
        Change::Sell { category } => {
            let price = CategoryPrice { category: *category, ..policy.prices[0] };
            policy.prices.push(price);
            "sell"
        }
        Change::RaisePrice { to } => {
            terms.pays = Some(*to);
            "price"
        }
        Change::LowerVolume { to } => {
            terms.volume = *to;
            "volume"
        }
        Change::EndTasks { count } => {
            for _ in 0..*count {
                assert!(end_task(world), "there is no such task to end");
                run_all(world);
            }
            "end"
        }
        Change::AddSlots { count } => {
            world.connect(NEW, u32::try_from(*count).unwrap());
            run_all(world);
            "more-slots"
        }
        Change::AddStake { until } => {
            funds(world, GAS, nano_of(until));
            "stake"
        }
        Change::Resume => {
            world.tell(Input::Operation(Operation::Resume));
            "resume"
        }
        Change::FreeSlot { worker } => {
            free_slot(world, *worker);
            "free"
        }
        Change::Connect { .. } => {
            world.connect(NEW + 1, 1);
            "connect"
        }
        other => panic!("no shop is about that: {other}"),
    }
}

fn names(told: &Explanation) -> BTreeSet<&'static str> {
    told.held_by.iter().map(Hold::name).collect()
}

#[test]
fn doing_what_would_sell_an_order_sells_it() {
    let changes = RefCell::new(BTreeSet::new());
    let holds = RefCell::new(BTreeSet::new());
    let config = Config { cases: 800, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let test = |shop: Shop| {
        let (world, policy, terms) = shop.play();
        let told = world.core.explain_order(&terms, Some(&policy));
        let held_by = names(&told);
        holds.borrow_mut().extend(held_by.iter().copied());
        prop_assert!(held_by.is_empty() || !told.changes.is_empty(), "{told:#?}");
        for way in &told.changes {
            let mut played = shop.play();
            for change in way {
                changes.borrow_mut().insert(make(&mut played, change));
            }
            let (world, policy, terms) = &played;
            let after = world.core.explain_order(terms, Some(policy));
            let left = names(&after);
            prop_assert!(left.is_disjoint(&held_by), "{way:?}\n{told:#?}\n{after:#?}");
            // What is not sold has no price yet.
            prop_assert!(left.is_empty() || held_by.contains("unsold"), "{told:#?}\n{after:#?}");
        }
        Ok(())
    };
    runner.run(&shop(), test).unwrap();
    let all: Vec<&str> = holds.into_inner().into_iter().collect();
    assert_eq!(all, ["paused", "price", "stake", "unsold", "volume"]);
    let all: Vec<&str> = changes.into_inner().into_iter().collect();
    let wanted = ["end", "free", "more-slots", "price", "resume", "sell", "stake", "volume"];
    assert_eq!(all, wanted);
}
