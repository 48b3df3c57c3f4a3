//! What holds for every salt, and for every four of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use poco_core::mark::agreement::{
    Disagreement, Marked, Parties, agree, agree_on_guard, agree_to_boost, offers, sayable,
};
use poco_core::mark::{Conditions, EXPIRY_MAX, OrderMark, PREFIX};
use poco_core::{Address, B256, OrderKind, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const NOW: Timestamp = Timestamp(1_700_000_000);
const GUARD: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x22);
const PAYER: Address = Address::repeat_byte(0x99);

fn signer(kind: OrderKind) -> Address {
    match kind {
        OrderKind::App => Address::repeat_byte(1),
        OrderKind::Dataset => Address::repeat_byte(2),
        OrderKind::Workerpool => Address::repeat_byte(3),
        OrderKind::Request => Address::repeat_byte(4),
    }
}

/// A salt, mostly a mark, and mostly one that an order of this kind can have now.
fn marked(kind: OrderKind) -> impl Strategy<Value = Marked> {
    let good = (0..=31_u8).prop_map(move |bits| Conditions::from_bits(bits).within(sayable(kind)));
    let conditions = prop_oneof![9 => good, 1 => any::<u8>().prop_map(Conditions::from_bits)];
    let expiry = prop_oneof![
        4 => Just(None),
        4 => (NOW.0 + 1..NOW.0 + 1_000).prop_map(|at| Some(Timestamp(at))),
        1 => (NOW.0 - 1_000..=NOW.0).prop_map(|at| Some(Timestamp(at))),
    ];
    let tail = prop_oneof![9 => Just(GUARD), 1 => Just(OTHER)];
    let epochs = prop_oneof![9 => Just((3, 3)), 1 => (0..5_u16, 0..5_u16)];
    let mark =
        (conditions, expiry, tail, epochs).prop_map(move |(conditions, expiry, tail, epochs)| {
            let (epoch, current) = epochs;
            let salt = OrderMark::new(conditions, expiry, epoch, tail).unwrap().to_salt();
            Marked { salt, signer: signer(kind), epoch: current }
        });
    let plain = (any::<[u8; 32]>(), 0..5_u16).prop_map(move |(mut salt, epoch)| {
        salt[0] = !PREFIX[0];
        Marked { salt: B256::from(salt), signer: signer(kind), epoch }
    });
    prop_oneof![4 => mark, 1 => plain]
}

fn parties() -> impl Strategy<Value = Parties> {
    let payer = prop_oneof![Just(signer(OrderKind::Request)), Just(PAYER)];
    (
        marked(OrderKind::App),
        proptest::option::of(marked(OrderKind::Dataset)),
        marked(OrderKind::Workerpool),
        marked(OrderKind::Request),
        payer,
    )
        .prop_map(|(app, dataset, workerpool, request, payer)| Parties {
            app,
            dataset,
            workerpool,
            request,
            payer,
        })
}

/// Orders of which each could be matched, under whatever guards and conditions; a sponsor pays.
fn good_alone() -> impl Strategy<Value = Parties> {
    (agreeing(), 0..=31_u8, any::<bool>(), any::<bool>()).prop_map(
        |(mut parties, bits, pool, app)| {
            let offered = Conditions::from_bits(bits).within(Conditions::OFFERED);
            if pool {
                let mark = OrderMark::new(offered, None, 3, GUARD).unwrap();
                parties.workerpool.salt = mark.to_salt();
            }
            if app {
                let mark = OrderMark::new(offered, None, 3, OTHER).unwrap();
                parties.app.salt = mark.to_salt();
            }
            parties
        },
    )
}

/// Orders that agree: all are good, a sponsor pays, and the pool offers everything under the one guard.
fn agreeing() -> impl Strategy<Value = Parties> {
    let good = |kind: OrderKind| {
        let bits = 0..=31_u8;
        let expiry = proptest::option::of(NOW.0 + 1..NOW.0 + 1_000);
        (bits, expiry, any::<bool>()).prop_map(move |(bits, expiry, is_marked)| {
            let conditions = match kind {
                OrderKind::Workerpool => Conditions::OFFERED,
                OrderKind::App | OrderKind::Dataset | OrderKind::Request => {
                    Conditions::from_bits(bits).within(sayable(kind))
                }
            };
            let mark = OrderMark::new(conditions, expiry.map(Timestamp), 3, GUARD).unwrap();
            let is_marked = is_marked || kind == OrderKind::Workerpool;
            let salt = if is_marked { mark.to_salt() } else { B256::repeat_byte(0xab) };
            Marked { salt, signer: signer(kind), epoch: 3 }
        })
    };
    (good(OrderKind::App), good(OrderKind::Workerpool), good(OrderKind::Request)).prop_map(
        |(app, workerpool, request)| Parties {
            app,
            dataset: None,
            workerpool,
            request,
            payer: PAYER,
        },
    )
}

fn conditions(of: &Marked) -> Conditions {
    OrderMark::of_salt(of.salt).map_or(Conditions::NONE, OrderMark::conditions)
}

/// Of 2 000 matches each refusal and the agreement must come up, or the properties below would hold
/// for want of cases.
#[test]
fn the_cases_reach_every_refusal() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        let parties = parties().new_tree(&mut runner).unwrap().current();
        let told = match agree_to_boost(&parties, NOW) {
            Ok(()) => "agreed".to_owned(),
            Err(error) => format!("{error:?}").split(' ').next().unwrap().to_owned(),
        };
        *seen.entry(told).or_insert(0_u32) += 1;
        if agree(&parties, NOW).is_ok_and(|agreed| agreed.guard().is_some()) {
            *seen.entry("guarded".to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

proptest! {
    #[test]
    fn a_salt_is_a_mark_if_it_begins_as_one_and_comes_back_as_it_was(
        mut salt in any::<[u8; 32]>(),
        is_marked in any::<bool>(),
    ) {
        if is_marked {
            salt[..4].copy_from_slice(&PREFIX);
        }
        let begins_so = salt.starts_with(&PREFIX);
        let mark = OrderMark::of_salt(B256::from(salt));
        prop_assert_eq!(mark.map(OrderMark::to_salt), begins_so.then_some(B256::from(salt)));
    }

    #[test]
    fn what_goes_into_a_mark_comes_out(
        bits in any::<u8>(),
        expiry in proptest::option::of(1..=EXPIRY_MAX.0),
        epoch in any::<u16>(),
        tail in any::<[u8; 20]>(),
    ) {
        let (conditions, expiry) = (Conditions::from_bits(bits), expiry.map(Timestamp));
        let mark = OrderMark::new(conditions, expiry, epoch, Address::from(tail)).unwrap();
        let read = OrderMark::of_salt(mark.to_salt()).unwrap();
        prop_assert_eq!(read, mark);
        prop_assert_eq!(read.conditions(), conditions);
        prop_assert_eq!((read.expiry(), read.epoch()), (expiry, epoch));
        prop_assert_eq!(read.tail(), Address::from(tail));
    }

    #[test]
    fn a_deal_keeps_what_app_and_request_ask_for_and_nothing_else(parties in parties()) {
        if let Ok(agreed) = agree(&parties, NOW) {
            let asked = conditions(&parties.app) | conditions(&parties.request);
            prop_assert_eq!(agreed.conditions(), asked.without(Conditions::SPONSOR_ONLY));
            prop_assert!(conditions(&parties.workerpool).contains(agreed.conditions()));
            if asked.meets(Conditions::SPONSOR_ONLY) {
                prop_assert_ne!(parties.payer, parties.request.signer);
            }
            for order in [parties.app, parties.workerpool, parties.request] {
                let Some(mark) = OrderMark::of_salt(order.salt) else { continue };
                prop_assert_eq!(mark.epoch(), order.epoch);
                prop_assert!(!mark.has_expired(NOW));
                // Whoever asked for a guard got its own.
                let asked_guard = if order == parties.workerpool { None } else { mark.guard() };
                prop_assert!(asked_guard.is_none() || asked_guard == agreed.guard());
            }
        }
    }

    #[test]
    fn who_agrees_has_agreed_all_along_and_never_does_in_another_epoch(
        parties in agreeing(),
        seconds in 1..1_000_u64,
    ) {
        let agreed = agree(&parties, NOW);
        prop_assert!(agreed.is_ok());
        prop_assert_eq!(agree(&parties, Timestamp(NOW.0 - seconds)), agreed);
        let mut cancelled = parties;
        cancelled.request.epoch += 1;
        let is_marked = OrderMark::of_salt(parties.request.salt).is_some();
        prop_assert_eq!(agree(&cancelled, NOW).is_err(), is_marked);
    }

    #[test]
    fn what_a_pool_offers_besides_changes_nothing(parties in agreeing(), more in 0..31_u8) {
        let agreed = agree(&parties, NOW).unwrap();
        let more = Conditions::from_bits(more).within(Conditions::OFFERED) | agreed.conditions();
        let narrower = OrderMark::new(more, None, 3, GUARD).unwrap();
        let mut sparing = parties;
        sparing.workerpool.salt = narrower.to_salt();
        prop_assert_eq!(agree(&sparing, NOW), Ok(agreed));
    }

    #[test]
    fn a_dataset_that_is_not_there_says_nothing(parties in parties()) {
        let without = Parties { dataset: None, ..parties };
        let with = agree(&parties, NOW);
        let dataset = parties.dataset.map(|order| order.check_alone(OrderKind::Dataset, NOW));
        match dataset {
            Some(Err(refused)) => prop_assert_eq!(with, Err(refused)),
            None | Some(Ok(())) => prop_assert_eq!(with, agree(&without, NOW)),
        }
    }

    #[test]
    fn a_search_finds_the_pools_that_the_hub_takes(parties in good_alone()) {
        let [pool, app, request] = [parties.workerpool, parties.app, parties.request]
            .map(|order| OrderMark::of_salt(order.salt));
        prop_assert_eq!(offers(pool, app, request), agree(&parties, NOW));
    }
}

#[test]
fn an_app_and_a_request_that_name_two_guards_find_no_pool() {
    let mark = |conditions, guard| OrderMark::new(conditions, None, 0, guard).ok();
    let workers = mark(Conditions::KNOWN_WORKERS, GUARD);
    let enclaves = mark(Conditions::KNOWN_ENCLAVES, OTHER);
    let strict = mark(Conditions::STRICT_REVEALS, OTHER);
    for (app, request) in [(None, None), (None, workers), (enclaves, None), (workers, strict)] {
        assert_eq!(agree_on_guard(app, request), Ok(()));
    }
    let differ = Disagreement::GuardsDiffer { asked: GUARD, offered: OTHER };
    assert_eq!(agree_on_guard(enclaves, workers), Err(differ));
}

#[test]
fn the_boost_lane_refuses_what_it_cannot_keep() {
    let plain = |kind| Marked { salt: B256::ZERO, signer: signer(kind), epoch: 0 };
    let strict = OrderMark::new(Conditions::STRICT_REVEALS, None, 0, OTHER).unwrap().to_salt();
    let mut parties = Parties {
        app: plain(OrderKind::App),
        dataset: None,
        workerpool: plain(OrderKind::Workerpool),
        request: plain(OrderKind::Request),
        payer: PAYER,
    };
    assert_eq!(agree_to_boost(&parties, NOW), Ok(()));
    parties.workerpool.salt = strict;
    assert_eq!(agree_to_boost(&parties, NOW), Ok(()));
    parties.request.salt = strict;
    let conditions = Conditions::STRICT_REVEALS;
    let refused = Disagreement::ConditionsWithoutLane { conditions };
    assert_eq!(agree_to_boost(&parties, NOW), Err(refused));
}
