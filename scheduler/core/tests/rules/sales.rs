//! What the pool has to sell.

use crate::world::{World, digest, task, worker};
use poco_core::order::RequestOrder;
use poco_core::{Address, Amount, B256, Tag, U256};
use poco_scheduler_core::{
    Capacity, CategoryPrice, Funds, Input, Offer, Operation, ReportBody, SalesPolicy, Stage,
    TaskCost,
};

fn policy(factor_percent: usize) -> SalesPolicy {
    let price = |category, idle, full| CategoryPrice {
        category,
        idle: Amount::from_nano(idle),
        full: Amount::from_nano(full),
    };
    SalesPolicy {
        prices: vec![price(0, 1000, 2000), price(3, 10, 10)],
        factor_percent,
        trust_max: 100,
        cost: None,
    }
}

fn funds(world: &mut World, stake_nano: u64) {
    world.tell(Input::Funds(Funds {
        gas_wei: U256::from(1_000_000_000),
        gas_price_wei: U256::ONE,
        stake_free: Amount::from_nano(stake_nano),
        stake_locked: Amount::ZERO,
    }));
}

/// Category, price and volume of each offer.
fn terms(world: &World, factor_percent: usize) -> Vec<(u64, Amount, u64)> {
    let offers = world.core.offers(&policy(factor_percent));
    offers.iter().map(|offer| (offer.category, offer.price, offer.volume)).collect()
}

#[test]
fn free_slots_are_offered_and_what_is_sold_is_not() {
    let mut world = World::new();
    assert!(terms(&world, 100).is_empty(), "nobody works");
    for name in 1..=2 {
        world.connect(name, 5);
    }
    assert!(terms(&world, 100).is_empty(), "nobody knows what the owner has");
    funds(&mut world, 1_000_000);
    let nano = Amount::from_nano;
    assert_eq!(terms(&world, 100), [(0, nano(1000), 10), (3, nano(10), 10)]);
    assert_eq!(terms(&world, 250)[0].2, 25);
    let deal = world.order(1, 4);
    assert_eq!(terms(&world, 100), [(0, nano(1400), 6), (3, nano(10), 6)]);
    world
        .contribute_and_finalize(
            [1, 2].into_iter().find(|name| gave(&world, *name)).unwrap(),
            task(deal, 0),
            digest("right"),
        )
        .unwrap();
    assert_eq!(terms(&world, 100)[0], (0, nano(1300), 7));
    world.order(1, 50);
    assert!(terms(&world, 100).is_empty(), "a bag is sold as a whole");
}

/// Whether the first task of the only deal is this worker's.
fn gave(world: &World, name: u8) -> bool {
    world.stored.values().any(|record| match record {
        poco_scheduler_core::Record::Task(record) => {
            record.offset == 0 && record.replicas.iter().any(|one| one.worker == worker(name))
        }
        _ => false,
    })
}

#[test]
fn no_more_is_offered_than_the_stake_answers_for() {
    let mut world = World::new();
    world.connect(1, 10);
    // 30 % of 1000 is staked on each task; of 10 it is 3.
    funds(&mut world, 1_000);
    let volumes: Vec<u64> = terms(&world, 100).iter().map(|(_, _, volume)| *volume).collect();
    assert_eq!(volumes, [3, 10]);
    funds(&mut world, 2);
    assert!(terms(&world, 100).is_empty());
}

#[test]
fn trust_and_tag_are_what_the_workers_can_do_together() {
    let mut world = World::with(&[(1, 100)], |_| {});
    funds(&mut world, 1_000_000);
    let offer = |world: &World| -> Offer { world.core.offers(&policy(100))[0] };
    world.connect(2, 1);
    let alone = offer(&world);
    assert_eq!(alone.tag, Tag::NONE);
    world.connect(3, 1);
    world.connect(4, 1);
    let three = offer(&world).trust;
    assert!(three > alone.trust, "{three}");
    // What is offered is reached, and one more is not.
    let id = task(world.order(three, 1), 0);
    assert_eq!(world.assigned(id).len(), 3);
    let id = task(world.order(three + 1, 1), 0);
    assert!(world.assigned(id).is_empty());
    world.connect(1, 1);
    assert!(offer(&world).trust > three, "one with a score");
    let capped = SalesPolicy { trust_max: 2, ..policy(1000) };
    assert!(world.core.offers(&capped).iter().all(|offer| offer.trust == 2));
}

#[test]
fn the_trust_on_offer_is_one_that_no_shared_machine_or_owner_makes_up() {
    let (machine, owner) = (Some(B256::repeat_byte(1)), Some(Address::repeat_byte(2)));
    for shared in [
        Capacity { slots: 1, machine, ..Capacity::default() },
        Capacity { slots: 1, owner, ..Capacity::default() },
    ] {
        // The fourth weighs most, and shares what the third has.
        let mut world = World::with(&[(4, 300)], |_| {});
        funds(&mut world, 1_000_000);
        for name in 1..=2 {
            world.connect(name, 1);
        }
        let two = world.core.offers(&policy(100))[0].trust;
        for name in 3..=6 {
            world.connect_as(name, shared.clone(), Vec::new());
        }
        let offered = world.core.offers(&policy(100))[0].trust;
        assert!(offered > two, "one of the four counts");
        // Whichever of them a task's order brings first, it gets its workers.
        for _ in 0..20 {
            let id = task(world.order(offered, 1), 0);
            let given = world.assigned(id);
            assert!(!given.is_empty(), "{offered}: {}", world.waiting(id));
            for name in given {
                world.says(name, id, ReportBody::Reached(Stage::Computed));
            }
        }
    }
}

#[test]
fn what_some_workers_can_do_beyond_the_others_is_offered_by_itself() {
    let mut world = World::new();
    funds(&mut world, 1_000_000);
    world.connect(1, 4);
    world.connect(2, 1);
    for name in 3..=4 {
        let capacity = Capacity { slots: 2, tag: Tag::GPU, ..Capacity::default() };
        world.connect_as(name, capacity, Vec::new());
    }
    let offered = |world: &World| -> Vec<(Tag, u64)> {
        let all = world.core.offers(&policy(100)).into_iter();
        all.filter(|offer| offer.category == 0).map(|offer| (offer.tag, offer.volume)).collect()
    };
    assert_eq!(offered(&world), [(Tag::NONE, 9), (Tag::GPU, 4)]);
    let trusts: Vec<u64> = world.core.offers(&policy(100)).iter().map(|one| one.trust).collect();
    assert!(trusts[0] > trusts[1], "of four, and of two: {trusts:?}");
    // What is sold of the richer is missing in both.
    world.tag = Tag::GPU;
    world.order(1, 3);
    assert_eq!(offered(&world), [(Tag::NONE, 6), (Tag::GPU, 1)]);
    // What is sold of the plain may stand on any slot.
    world.tag = Tag::NONE;
    world.order(1, 6);
    assert_eq!(offered(&world), []);
    let all = Capacity { slots: 9, tag: Tag::GPU, ..Capacity::default() };
    for name in 1..=4 {
        world.connect_as(name, all.clone(), Vec::new());
    }
    assert_eq!(offered(&world), [(Tag::GPU, 27)], "one for all where all can do it");
}

#[test]
fn a_request_suits_an_offer_of_its_category_trust_tag_and_price() {
    let price = Amount::from_nano(10);
    let offer = Offer { category: 2, price, is_by_cost: false, volume: 1, trust: 5, tag: Tag::GPU };
    let request = RequestOrder {
        category: U256::from(2),
        trust: U256::from(5),
        tag: Tag::GPU,
        workerpool_price_max: price,
        ..RequestOrder::default()
    };
    assert!(offer.suits(&request));
    let rich = RequestOrder { workerpool_price_max: Amount::from_nano(11), ..request.clone() };
    let easy = RequestOrder { trust: U256::ZERO, tag: Tag::NONE, ..request.clone() };
    assert!(offer.suits(&rich) && offer.suits(&easy));
    for (why, other) in [
        ("category", RequestOrder { category: U256::from(1), ..request.clone() }),
        ("trust", RequestOrder { trust: U256::from(6), ..request.clone() }),
        ("tag", RequestOrder { tag: Tag::TEE, ..request.clone() }),
        ("price", RequestOrder { workerpool_price_max: Amount::from_nano(9), ..request }),
    ] {
        assert!(!offer.suits(&other), "{why}");
    }
}

#[test]
fn nothing_is_offered_while_less_is_taken_on() {
    let mut world = World::new();
    world.connect(1, 1);
    world.connect(2, 1);
    funds(&mut world, 1_000_000);
    assert_eq!(terms(&world, 100)[0].2, 2);
    world.tell(Input::Operation(Operation::Drain(worker(2))));
    assert_eq!(terms(&world, 100)[0].2, 1);
    world.tell(Input::Operation(Operation::Pause));
    assert!(terms(&world, 100).is_empty());
    world.tell(Input::Operation(Operation::Resume));
    assert_eq!(terms(&world, 100).len(), 2);
    world.tell(Input::Funds(Funds { gas_price_wei: U256::ONE, ..Funds::default() }));
    assert!(terms(&world, 100).is_empty(), "no gas");
    world.tell(Input::Operation(Operation::Stop));
    funds(&mut world, 1_000_000);
    assert!(terms(&world, 100).is_empty());

    let mut world = World::with(&[], |settings| settings.floor_stake = Amount::from_nano(5_000));
    world.connect(1, 1);
    funds(&mut world, 5_000);
    assert_eq!(terms(&world, 100).len(), 2);
    funds(&mut world, 4_999);
    assert!(terms(&world, 100).is_empty(), "below the floor of stake");
}

#[test]
fn no_task_is_offered_below_what_it_costs() {
    let mut world = World::new();
    world.connect(1, 10);
    let nano = Amount::from_nano;
    // 200 000 gas at a coin of 5 000 RLC: 1 RLC for each gwei that gas costs.
    let cost = TaskCost { gas: 200_000, coin_nano: 5_000_000_000_000, percent: 120 };
    let policy = SalesPolicy { cost: Some(cost), ..policy(100) };
    let offers = |world: &mut World, gas_price_wei: u64| -> Vec<(Amount, bool)> {
        world.tell(Input::Funds(Funds {
            gas_wei: U256::from(u64::MAX),
            gas_price_wei: U256::from(gas_price_wei),
            stake_free: nano(1_000_000_000_000),
            stake_locked: Amount::ZERO,
        }));
        let offers = world.core.offers(&policy);
        offers.iter().map(|offer| (offer.price, offer.is_by_cost)).collect()
    };
    assert_eq!(offers(&mut world, 0), [(nano(1000), false), (nano(10), false)]);
    // 833 wei cost 833 nRLC, with a fifth more 1000, just what the load asks for.
    assert_eq!(offers(&mut world, 833), [(nano(1000), false), (nano(1000), true)]);
    assert_eq!(offers(&mut world, 1_000), [(nano(1200), true), (nano(1200), true)]);
    // Two digits, rounded up.
    assert_eq!(offers(&mut world, 1_001)[0].0, nano(1300));
    assert_eq!(offers(&mut world, 1_083)[0].0, nano(1300));
    assert_eq!(cost.least_price(U256::from(8u64)), nano(10));
    // Whoever pays less is told so.
    assert_eq!(cost.least_price(U256::from(1_000_000_000u64)), nano(1_200_000_000));
    // No price of gas is too much for it.
    assert!(cost.least_price(U256::MAX) > Amount::from_nano(u64::MAX));
    assert_eq!(cost.least_price(U256::ZERO), Amount::ZERO);
}
