//! What salts say, and what the four salts of a match come to.

use crate::{address, decimal, word};
use poco_core::mark::agreement::{Disagreement, Marked, Parties, agree};
use poco_core::mark::{Conditions, DealConditions, EXPIRY_MAX, OrderMark};
use poco_core::{Address, B256, Timestamp, U256};
use serde_json::{Value, json};
use std::fmt::LowerHex;

/// When the tests of the contracts begin.
const START: u64 = 1_700_000_000;

pub(crate) fn vectors() -> Value {
    json!({ "agreements": agreements(), "marks": marks(), "start": decimal(U256::from(START)) })
}

fn marks() -> Vec<Value> {
    let mut almost = salt(Conditions::NONE, 0, 0, "almost");
    almost.0[3] ^= 1;
    let all = Conditions::OFFERED | Conditions::SPONSOR_ONLY;
    let last = OrderMark::new(
        Conditions::from_bits(255),
        Some(EXPIRY_MAX),
        u16::MAX,
        Address::repeat_byte(0xff),
    );
    let salts = [
        B256::ZERO,
        word("a salt like any other"),
        almost,
        B256::repeat_byte(0xff),
        salt(Conditions::NONE, 0, 0, "noise"),
        salt(Conditions::STRICT_REVEALS, START + 1, 7, "noise"),
        salt(all, 1, 1, "guard"),
        last.unwrap().to_salt(),
    ];
    salts.into_iter().map(mark).collect()
}

/// In lower case, as the vectors of messages have them.
fn text(bytes: impl LowerHex) -> String {
    format!("{bytes:#x}")
}

fn mark(salt: B256) -> Value {
    let mark = OrderMark::of_salt(salt);
    let expiry = mark.and_then(OrderMark::expiry).unwrap_or_default();
    json!({
        "conditions": decimal(U256::from(mark.map_or(0, |mark| mark.conditions().bits()))),
        "epoch": decimal(U256::from(mark.map_or(0, OrderMark::epoch))),
        "expiry": decimal(U256::from(expiry.0)),
        "isMarked": mark.is_some(),
        "salt": text(salt),
        "tail": text(mark.map_or(Address::ZERO, OrderMark::tail)),
    })
}

/// Four salts, the epochs of their signers in the same order, and who pays.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    salts: [B256; 4],
    epochs: [u16; 4],
    has_dataset: bool,
    is_sponsored: bool,
    seconds: u64,
}

const APP: usize = 0;
const DATASET: usize = 1;
const POOL: usize = 2;
const REQUEST: usize = 3;
const ROLES: [&str; 4] = ["app", "dataset", "pool", "request"];

fn case(name: &'static str) -> Case {
    let salts = ROLES.map(|role| word(&format!("salt of the {role} order")));
    Case { name, salts, epochs: [0; 4], has_dataset: true, is_sponsored: false, seconds: 0 }
}

impl Case {
    fn with(mut self, order: usize, salt: B256) -> Self {
        self.salts[order] = salt;
        self
    }

    fn epoch(mut self, order: usize, epoch: u16) -> Self {
        self.epochs[order] = epoch;
        self
    }
}

fn salt(conditions: Conditions, expiry: u64, epoch: u16, tail: &str) -> B256 {
    let expiry = (expiry != 0).then_some(Timestamp(expiry));
    OrderMark::new(conditions, expiry, epoch, address(tail)).unwrap().to_salt()
}

fn asks(conditions: Conditions) -> B256 {
    salt(conditions, 0, 0, "guard")
}

fn of_one_order() -> Vec<Case> {
    let mut cases = Vec::new();
    for order in [APP, DATASET, POOL, REQUEST] {
        let name = |what| Box::leak(format!("{what}, {}", ROLES[order]).into_boxed_str()) as &str;
        let soon = salt(Conditions::NONE, START + 100, 0, "noise");
        let last = case(name("its last second")).with(order, soon);
        cases.push(Case { seconds: 99, ..last });
        let over = case(name("expired")).with(order, soon);
        cases.push(Case { seconds: 100, ..over });
        let old = salt(Conditions::NONE, 0, 1, "noise");
        cases.push(case(name("an epoch ago")).with(order, old).epoch(order, 2));
        cases.push(case(name("an epoch ahead")).with(order, old));
        cases.push(case(name("its own epoch")).with(order, old).epoch(order, 1));
        cases.push(case(name("no mark in a later epoch")).epoch(order, 2));
        let unknown = salt(Conditions::from_bits(0x20), 0, 0, "noise");
        cases.push(case(name("an unknown condition")).with(order, unknown));
        let sponsor = asks(Conditions::SPONSOR_ONLY);
        let sponsored = case(name("sponsor only")).with(order, sponsor);
        cases.push(Case { is_sponsored: true, ..sponsored });
        cases
            .push(case(name("strict reveals alone")).with(order, asks(Conditions::STRICT_REVEALS)));
    }
    cases
}

fn of_several_orders() -> Vec<Case> {
    let bound = Conditions::BOUND_RESULTS;
    let strict = Conditions::STRICT_REVEALS;
    let workers = Conditions::KNOWN_WORKERS;
    let enclaves = Conditions::KNOWN_ENCLAVES;
    let all = asks(Conditions::OFFERED);
    let other = salt(Conditions::OFFERED, 0, 0, "another guard");
    let late = salt(strict | workers, START + 1, 3, "guard");
    let no_dataset = case("a mark of a dataset that is not there")
        .with(DATASET, salt(Conditions::from_bits(0xff), 1, 9, "noise"));
    vec![
        case("no marks at all"),
        Case { has_dataset: false, ..no_dataset },
        case("the pool offers what nobody asks for").with(POOL, all),
        case("app and request ask for one each")
            .with(APP, asks(bound))
            .with(REQUEST, asks(strict))
            .with(POOL, asks(bound | strict)),
        case("one of two is offered").with(REQUEST, asks(bound | strict)).with(POOL, asks(strict)),
        case("all that there is").with(APP, all).with(REQUEST, all).with(POOL, all),
        case("the app names another guard").with(APP, other).with(POOL, all),
        case("the request names another guard").with(REQUEST, other).with(POOL, all),
        case("app and request name two guards").with(APP, all).with(REQUEST, other).with(POOL, all),
        case("enclaves and workers under one guard")
            .with(APP, asks(enclaves))
            .with(REQUEST, asks(workers))
            .with(POOL, asks(enclaves | workers)),
        case("a tail without a guarded condition differs")
            .with(REQUEST, salt(bound, 0, 0, "noise"))
            .with(POOL, asks(bound | workers)),
        case("the requester pays what a sponsor should")
            .with(REQUEST, asks(Conditions::SPONSOR_ONLY | bound)),
        Case {
            is_sponsored: true,
            ..case("a sponsor pays, and the pool does not offer the rest")
                .with(REQUEST, asks(Conditions::SPONSOR_ONLY | bound))
        },
        case("the dataset's fault is told before the app's")
            .with(DATASET, salt(bound, 0, 0, "noise"))
            .with(APP, salt(Conditions::NONE, 1, 0, "noise")),
        case("the app's fault is told before the pool's")
            .with(APP, salt(Conditions::NONE, 1, 0, "noise"))
            .with(POOL, salt(Conditions::NONE, 0, 5, "noise")),
        case("the pool's fault is told before the request's")
            .with(POOL, salt(Conditions::NONE, 0, 5, "noise"))
            .with(REQUEST, salt(Conditions::from_bits(0x40), 0, 0, "noise")),
        case("what an order says is told before its time")
            .with(APP, salt(Conditions::SPONSOR_ONLY, 1, 9, "noise")),
        case("its time is told before its epoch").with(APP, salt(Conditions::NONE, 1, 9, "noise")),
        case("everything at once")
            .with(REQUEST, late)
            .epoch(REQUEST, 3)
            .with(POOL, all)
            .with(APP, asks(bound)),
    ]
}

fn agreements() -> Vec<Value> {
    let cases: Vec<_> = of_one_order().into_iter().chain(of_several_orders()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for case in &cases {
        seen.insert(agree(&parties(case), now(case)).err().map(|error| name(&error)));
    }
    assert_eq!(seen.len(), 7, "each refusal of a match, and none: {seen:?}");
    cases.iter().map(agreement).collect()
}

fn now(case: &Case) -> Timestamp {
    Timestamp(START + case.seconds)
}

fn parties(case: &Case) -> Parties {
    let marked = |order: usize| Marked {
        salt: case.salts[order],
        signer: address(ROLES[order]),
        epoch: case.epochs[order],
    };
    Parties {
        app: marked(APP),
        dataset: case.has_dataset.then(|| marked(DATASET)),
        workerpool: marked(POOL),
        request: marked(REQUEST),
        payer: address(if case.is_sponsored { "sponsor" } else { "request" }),
    }
}

fn agreement(case: &Case) -> Value {
    let agreed = agree(&parties(case), now(case));
    let (error, arguments) = match &agreed {
        Ok(_) => ("", Arguments::default()),
        Err(disagreement) => (name(disagreement), arguments(disagreement)),
    };
    let agreed = agreed.unwrap_or(DealConditions::NONE);
    json!({
        "conditions": decimal(U256::from(agreed.conditions().bits())),
        "epochs": case.epochs.map(|epoch| decimal(U256::from(epoch))),
        "error": error,
        "first": decimal(arguments.first),
        "guard": text(agreed.guard().unwrap_or_default()),
        "hasDataset": case.has_dataset,
        "isSponsored": case.is_sponsored,
        "name": case.name,
        "now": decimal(U256::from(now(case).0)),
        "salts": case.salts.map(text),
        "second": decimal(arguments.second),
        "signer": arguments.signer,
    })
}

/// An error's arguments: a signer by its role, and up to two numbers.
#[derive(Default)]
struct Arguments {
    signer: &'static str,
    first: U256,
    second: U256,
}

fn name(disagreement: &Disagreement) -> &'static str {
    match disagreement {
        Disagreement::ConditionsUnknown { .. } => "ConditionsUnknown",
        Disagreement::OrderExpired { .. } => "OrderExpired",
        Disagreement::OrderOfOtherEpoch { .. } => "OrderOfOtherEpoch",
        Disagreement::SponsorMissing { .. } => "SponsorMissing",
        Disagreement::ConditionsNotOffered { .. } => "ConditionsNotOffered",
        Disagreement::GuardsDiffer { .. } => "GuardsDiffer",
        Disagreement::ConditionsWithoutLane { .. } => "ConditionsWithoutLane",
    }
}

fn arguments(disagreement: &Disagreement) -> Arguments {
    let role = |signer: &Address| ROLES.into_iter().find(|role| address(role) == *signer).unwrap();
    let bits = |conditions: &Conditions| U256::from(conditions.bits());
    let number = |address: &Address| U256::from_be_slice(address.as_slice());
    let of = |signer, first, second| Arguments { signer, first, second };
    match disagreement {
        Disagreement::ConditionsUnknown { signer, conditions } => {
            of(role(signer), bits(conditions), U256::ZERO)
        }
        Disagreement::OrderExpired { signer, expiry } => {
            of(role(signer), U256::from(expiry.0), U256::ZERO)
        }
        Disagreement::OrderOfOtherEpoch { signer, epoch, current } => {
            of(role(signer), U256::from(*epoch), U256::from(*current))
        }
        Disagreement::SponsorMissing { requester } => of(role(requester), U256::ZERO, U256::ZERO),
        Disagreement::ConditionsNotOffered { asked, offered } => of("", bits(asked), bits(offered)),
        Disagreement::GuardsDiffer { asked, offered } => of("", number(asked), number(offered)),
        Disagreement::ConditionsWithoutLane { conditions } => of("", bits(conditions), U256::ZERO),
    }
}
