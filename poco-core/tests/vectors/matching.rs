//! What four orders come to, rule by rule, by the rules of each hub.
//!
//! A case changes orders that fit. Addresses are told by what they are to each other, since the
//! tests of the contracts have their own: which orders something is true of as bits, the app's the
//! lowest, and whom the ten restrictions let in as letters.

use crate::{address, decimal};
use poco_core::matching::{Facts, OrderFacts, Terms, check_by};
use poco_core::{
    Address, Amount, AppOrder, B256, DatasetOrder, Release, RequestOrder, Rules, Tag, U256,
    WorkerpoolOrder,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most that every request pays for app, dataset and pool.
const PRICES_MAX: [u64; 3] = [3, 2, 20];
/// Categories of the hub.
const CATEGORIES: u64 = 2;

/// Places of an order's facts, in each list that has one for every order.
const APP: usize = 0;
const DATASET: usize = 1;
const POOL: usize = 2;
const REQUEST: usize = 3;
const ROLES: [&str; 4] = ["app", "dataset", "pool", "request"];

/// Every hub whose rules differ in something about a match.
const WHOSE: [(&str, Rules); 3] = [
    ("ours", Rules::Ours),
    ("release610", Rules::Reference(Release::V6_1_0)),
    ("release620", Rules::Reference(Release::V6_2_0)),
];

/// Whom a restriction lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    /// Everybody: there is none.
    Anyone,
    /// The counterpart, by its address.
    Them,
    /// Somebody else.
    Others,
    /// A group that knows the counterpart.
    Group,
    /// A group that does not.
    Strangers,
}

impl Only {
    const ALL: [(Self, &'static str, char); 5] = [
        (Self::Anyone, "anyone", '-'),
        (Self::Them, "them", 't'),
        (Self::Others, "others", 'o'),
        (Self::Group, "group", 'g'),
        (Self::Strangers, "strangers", 's'),
    ];

    fn letter(self) -> char {
        Self::ALL.into_iter().find(|(one, ..)| *one == self).unwrap().2
    }
}

/// The ten restrictions, in the order in which they are tried.
const RESTRICTIONS: [(&str, usize, usize); 10] = [
    ("the request for pools", REQUEST, POOL),
    ("the app for datasets", APP, DATASET),
    ("the app for pools", APP, POOL),
    ("the app for requesters", APP, REQUEST),
    ("the dataset for apps", DATASET, APP),
    ("the dataset for pools", DATASET, POOL),
    ("the dataset for requesters", DATASET, REQUEST),
    ("the pool for apps", POOL, APP),
    ("the pool for datasets", POOL, DATASET),
    ("the pool for requesters", POOL, REQUEST),
];

#[derive(Clone)]
struct Case {
    name: String,
    categories: [u64; 2],
    trusts: [u64; 2],
    prices: [u64; 3],
    tags: [u64; 4],
    volumes: [u64; 4],
    has_dataset: bool,
    /// The request names another app, another dataset.
    is_other: [bool; 2],
    is_unknown: [bool; 3],
    is_unsigned: [bool; 4],
    is_spent: [bool; 4],
    restrictions: [Only; 10],
}

fn case(name: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        categories: [0, 0],
        trusts: [100, 5],
        prices: PRICES_MAX,
        tags: [0; 4],
        volumes: [10, 9, 8, 7],
        has_dataset: true,
        is_other: [false; 2],
        is_unknown: [false; 3],
        is_unsigned: [false; 4],
        is_spent: [false; 4],
        restrictions: [Only::Anyone; 10],
    }
}

pub(crate) fn vectors() -> Value {
    let cases: Vec<Case> = terms().into_iter().chain(datasets()).chain(standing()).collect();
    for (name, whose) in WHOSE {
        let seen: BTreeSet<_> = cases.iter().filter_map(|case| check(whose, case).err()).collect();
        assert_eq!(seen.len(), 28, "each refusal by the rules of {name}: {seen:?}");
    }
    json!({
        "cases": cases.iter().map(vector).collect::<Vec<_>>(),
        "categories": decimal(U256::from(CATEGORIES)),
        "pricesMax": PRICES_MAX.map(|price| decimal(U256::from(price))),
    })
}

/// What orders say about each other.
fn terms() -> Vec<Case> {
    let mut cases = vec![
        case("orders that fit"),
        Case { categories: [0, 1], ..case("another category") },
        Case { categories: [1, 1], ..case("the last category") },
        Case { categories: [2, 2], ..case("a category that there is not") },
        Case { trusts: [5, 5], ..case("as much trust as there is") },
        Case { trusts: [5, 6], ..case("more trust than there is") },
        Case { trusts: [0, 0], ..case("no trust at all") },
        Case { tags: [0, 0, 0x100, 0x100], ..case("a feature that is asked for and there") },
        Case { tags: [0, 0, 0x100, 0], ..case("a feature that nobody asks for") },
        Case { tags: [0x1, 0, 0x1, 0x1], ..case("an enclave for all") },
        Case { tags: [0, 0, 0x1, 0x1], ..case("an enclave for an app that is not made for one") },
        Case { tags: [0, 0x1, 0x1, 0], ..case("an enclave for the dataset alone") },
        Case { is_other: [true, false], ..case("a request for another app") },
        Case { is_other: [false, true], ..case("a request for another dataset") },
    ];
    for (place, what) in ["app", "dataset", "pool"].into_iter().enumerate() {
        let mut dear = case(format!("too dear: the {what}"));
        dear.prices[place] += 1;
        let mut cheap = case(format!("cheaper than allowed: the {what}"));
        cheap.prices[place] -= 1;
        cases.extend([dear, cheap]);
    }
    for (place, role) in [(APP, "app"), (DATASET, "dataset"), (REQUEST, "request")] {
        let mut lacking = case(format!("a feature that the {role} asks for and the pool lacks"));
        lacking.tags[place] = 0x200;
        lacking.tags[POOL] = 0x100;
        cases.push(lacking);
    }
    for (place, (name, _, _)) in RESTRICTIONS.into_iter().enumerate() {
        for (only, whom, _) in Only::ALL.into_iter().skip(1) {
            let mut restricted = case(format!("{name}: {whom}"));
            restricted.restrictions[place] = only;
            cases.push(restricted);
        }
    }
    cases
}

/// Where hubs differ: kinds of enclaves that a dataset names, and orders for no dataset, which
/// nobody signs.
fn datasets() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [0x2, 0x4, 0x8] {
        for (place, role) in [(APP, "app"), (DATASET, "dataset"), (REQUEST, "request")] {
            let mut named = case(format!("a kind of enclave that the {role} names: {kind}"));
            named.tags[place] = kind;
            cases.push(named);
        }
    }
    let all = case("a dataset's kinds beside what binds");
    cases.push(Case { tags: [0x1, 0x20f, 0x1, 0], ..all });
    let none = |what: &str| Case { has_dataset: false, ..case(format!("no dataset{what}")) };
    cases.extend([
        none(""),
        Case { prices: [3, 3, 20], ..none(", at a price above the most") },
        Case { tags: [0, 0x200, 0, 0], ..none(", with a feature that the pool lacks") },
        Case { tags: [0, 0x1, 0x1, 0], ..none(", with an enclave") },
        Case { volumes: [10, 0, 8, 7], ..none(", of no volume") },
        Case { is_unsigned: [false, true, false, false], ..none(", unsigned as ever") },
        Case { is_other: [false, true], ..none(", where the request names one") },
    ]);
    for (place, (name, from, to)) in RESTRICTIONS.into_iter().enumerate() {
        if from == DATASET || to == DATASET {
            let mut restricted = none(&format!(", and {name}: others"));
            restricted.restrictions[place] = Only::Others;
            cases.push(restricted);
        }
    }
    cases
}

/// What the chain says, and which rule is told first.
fn standing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, role) in ROLES.into_iter().enumerate() {
        if place != REQUEST {
            let mut unknown = case(format!("in no registry: the {role}"));
            unknown.is_unknown[place] = true;
            cases.push(unknown);
        }
        let mut unsigned = case(format!("signed by a stranger: the {role} order"));
        unsigned.is_unsigned[place] = true;
        let mut spent = case(format!("cancelled: the {role} order"));
        spent.is_spent[place] = true;
        let mut least = case(format!("of the least volume: the {role} order"));
        least.volumes[place] = 1;
        let mut empty = case(format!("of no volume: the {role} order"));
        empty.volumes[place] = 0;
        cases.extend([unsigned, spent, least, empty]);
    }
    let all = Case {
        categories: [0, 1],
        trusts: [5, 6],
        prices: [4, 3, 21],
        is_unsigned: [true; 4],
        is_spent: [true; 4],
        restrictions: [Only::Others; 10],
        ..case("everything at once")
    };
    let later = Case { categories: [0, 0], ..all.clone() };
    let later = Case { name: "trust before prices".into(), ..later };
    let last =
        Case { name: "restrictions before signatures".into(), trusts: [6, 6], ..all.clone() };
    let last = Case { categories: [0, 0], prices: [3, 2, 20], ..last };
    let signed = Case { name: "signatures before volumes".into(), ..last.clone() };
    let signed = Case { restrictions: [Only::Anyone; 10], ..signed };
    cases.extend([all, later, last, signed]);
    cases
}

/// What stands behind a role's name in the orders.
fn subject(case: &Case, role: usize) -> Address {
    if role == DATASET && !case.has_dataset { Address::ZERO } else { address(ROLES[role]) }
}

fn check(whose: Rules, case: &Case) -> Result<U256, u8> {
    let mut memberships = BTreeSet::new();
    let mut restrictions = [Address::ZERO; 10];
    for (place, (name, _, to)) in RESTRICTIONS.into_iter().enumerate() {
        let (them, group) = (subject(case, to), address(name));
        restrictions[place] = match case.restrictions[place] {
            Only::Anyone => Address::ZERO,
            Only::Them => them,
            Only::Others => address("somebody else"),
            Only::Group => {
                memberships.insert((group, them));
                group
            }
            Only::Strangers => {
                memberships.insert((group, address("somebody else")));
                group
            }
        };
    }
    let facts = |place: usize| OrderFacts {
        is_registered: place == REQUEST || !case.is_unknown[place],
        is_signed: !case.is_unsigned[place],
        consumed: U256::from(if case.is_spent[place] { case.volumes[place] } else { 0 }),
    };
    let (app, dataset, workerpool, request) = orders(case, restrictions);
    let terms = Terms { app: &app, dataset: &dataset, workerpool: &workerpool, request: &request };
    let facts = Facts {
        category_count: CATEGORIES,
        memberships,
        app: facts(APP),
        dataset: facts(DATASET),
        workerpool: facts(POOL),
        request: facts(REQUEST),
    };
    check_by(whose, &terms, &facts).map_err(|mismatch| mismatch.code())
}

fn orders(
    case: &Case,
    only: [Address; 10],
) -> (AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder) {
    let (price, volume) = (Amount::from_nano, |place: usize| U256::from(case.volumes[place]));
    let tag = |place: usize| tag(case.tags[place]);
    let named = |place: usize| match case.is_other[place] {
        true => address("another"),
        false => subject(case, place),
    };
    let app = AppOrder {
        app: subject(case, APP),
        price: price(case.prices[0]),
        volume: volume(APP),
        tag: tag(APP),
        dataset_restrict: only[1],
        workerpool_restrict: only[2],
        requester_restrict: only[3],
        ..AppOrder::default()
    };
    let dataset = DatasetOrder {
        dataset: subject(case, DATASET),
        price: price(case.prices[1]),
        volume: volume(DATASET),
        tag: tag(DATASET),
        app_restrict: only[4],
        workerpool_restrict: only[5],
        requester_restrict: only[6],
        ..DatasetOrder::default()
    };
    let workerpool = WorkerpoolOrder {
        workerpool: subject(case, POOL),
        price: price(case.prices[2]),
        volume: volume(POOL),
        tag: tag(POOL),
        category: U256::from(case.categories[0]),
        trust: U256::from(case.trusts[0]),
        app_restrict: only[7],
        dataset_restrict: only[8],
        requester_restrict: only[9],
        ..WorkerpoolOrder::default()
    };
    let request = RequestOrder {
        app: named(APP),
        app_price_max: price(PRICES_MAX[0]),
        dataset: named(DATASET),
        dataset_price_max: price(PRICES_MAX[1]),
        workerpool: only[0],
        workerpool_price_max: price(PRICES_MAX[2]),
        requester: subject(case, REQUEST),
        volume: volume(REQUEST),
        tag: tag(REQUEST),
        category: U256::from(case.categories[1]),
        trust: U256::from(case.trusts[1]),
        ..RequestOrder::default()
    };
    (app, dataset, workerpool, request)
}

fn tag(bits: u64) -> Tag {
    Tag(B256::from(U256::from(bits)))
}

fn vector(case: &Case) -> Value {
    let numbers =
        |list: &[u64]| list.iter().map(|one| decimal(U256::from(*one))).collect::<Vec<_>>();
    let bits = |list: &[bool]| {
        let bit = |(place, is_set): (usize, &bool)| u64::from(*is_set) << place;
        decimal(U256::from(list.iter().enumerate().map(bit).sum::<u64>()))
    };
    let tasks = WHOSE.into_iter().find_map(|(_, whose)| check(whose, case).ok());
    let mut vector = json!({
        "categories": numbers(&case.categories),
        "hasDataset": case.has_dataset,
        "name": case.name,
        "other": bits(&case.is_other),
        "prices": numbers(&case.prices),
        "restrictions": case.restrictions.map(Only::letter).iter().collect::<String>(),
        "spent": bits(&case.is_spent),
        "tags": numbers(&case.tags),
        "tasks": decimal(tasks.unwrap_or_default()),
        "trusts": numbers(&case.trusts),
        "unknown": bits(&case.is_unknown),
        "unsigned": bits(&case.is_unsigned),
        "volumes": numbers(&case.volumes),
    });
    for (name, whose) in WHOSE {
        // The end of the revert string; nothing where there is a deal.
        let code = check(whose, case).err().map(|code| format!("0x{code:02x}"));
        vector[name] = json!(code.unwrap_or_default());
    }
    vector
}
