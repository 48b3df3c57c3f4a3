//! How tasks end where our rules have more to say than the reference's: a task that is full, a reveal that is
//! withheld in a deal with strict reveals, and bound results that the pool leaves unfinished.
//!
//! A scenario is one deal of one task and what is done to it, step by step, by the rules of either hub. Workers
//! are numbered; a step of several is done by one after the other. Whoever votes for a value votes for its hash.

use crate::{address, decimal};
use poco_core::call::{Call, Contribution, SignedTerms};
use poco_core::hub::{Config, Hub, Policy, Refusal, RegistryCall, TokenCall, Value as Returned};
use poco_core::message::authorization_hash;
use poco_core::order::Order;
use poco_core::payout::KITTY;
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Amount, AppOrder, Bytes, CONTRIBUTIONS_MAX, Conditions, DatasetOrder, OrderKind,
    OrderMark, Release, RequestOrder, ResultDigest, ResultHash, ResultSeal, Rules, Signed, TaskId,
    Timestamp, U256, WorkerpoolOrder, keccak256,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

const RLC: u64 = Amount::NANO_PER_RLC;
const START: Timestamp = Timestamp(1_700_000_000);
const T: u64 = 300;
/// Of the requester, the pool's owner and each worker, before the deal.
const FUNDS: u64 = 1_000_000 * RLC;
/// Of every worker, before the deal: one of no more weight than none, that can fall and rise.
const SCORE: u64 = 9;
/// Of app, dataset and pool.
const PRICES: [u64; 3] = [3 * RLC, 2 * RLC, 20 * RLC];
const STAKE_RATIO: u64 = 35;
const SCHEDULER_RATIO: u64 = 5;
/// One more than a task takes by our rules.
const WORKERS: usize = CONTRIBUTIONS_MAX + 1;
/// What the reference's releases do alike, or there would be a third column.
const RELEASES: [Rules; 2] = [Rules::Reference(Release::V6_1_0), Rules::Reference(Release::V6_2_0)];

pub(crate) fn vectors() -> Value {
    let scenarios = [of_full_tasks(), of_strict_reveals(), of_bound_results()].concat();
    let names: BTreeSet<_> =
        scenarios.iter().flat_map(|it| play(Rules::Ours, it).refusals).collect();
    let all = ["", "NotThePoolOwner", "ResultsUnlikeDigest", "TooLate", "TooManyContributors"];
    assert!(all.iter().all(|name| names.contains(name)), "{names:?}");
    json!({
        "funds": decimal(U256::from(FUNDS)),
        "prices": PRICES.map(|price| decimal(U256::from(price))),
        "scenarios": scenarios.iter().map(vector).collect::<Vec<_>>(),
        "schedulerRatio": decimal(U256::from(SCHEDULER_RATIO)),
        "score": decimal(U256::from(SCORE)),
        "stakeRatio": decimal(U256::from(STAKE_RATIO)),
        "workers": decimal(U256::from(WORKERS)),
    })
}

#[derive(Clone)]
struct Scenario {
    name: &'static str,
    conditions: Conditions,
    trust: u64,
    /// Whether something is refused by one of both rules alone, or somebody has less in the end.
    is_ours_alone: bool,
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    /// After the match.
    seconds: u64,
    by: By,
    act: Act,
    value: &'static str,
}

#[derive(Clone)]
enum By {
    Workers(RangeInclusive<usize>),
    PoolOwner,
    Anyone,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Contribute,
    Reveal,
    Reopen,
    Finalize,
    Claim,
}

fn contribute(seconds: u64, workers: RangeInclusive<usize>, value: &'static str) -> Step {
    Step { seconds, by: By::Workers(workers), act: Act::Contribute, value }
}

fn reveal(seconds: u64, workers: RangeInclusive<usize>) -> Step {
    Step { seconds, by: By::Workers(workers), act: Act::Reveal, value: "right" }
}

fn reopen(seconds: u64) -> Step {
    Step { seconds, by: By::PoolOwner, act: Act::Reopen, value: "" }
}

fn finalize(seconds: u64, by: By, value: &'static str) -> Step {
    Step { seconds, by, act: Act::Finalize, value }
}

fn claim() -> Step {
    Step { seconds: 10 * T, by: By::Anyone, act: Act::Claim, value: "" }
}

/// Trust 2^24 takes the votes of 24 workers without a score, and 2^25 takes one more.
fn of_full_tasks() -> Vec<Scenario> {
    let scenario = |name, trust, is_ours_alone, steps| {
        let conditions = Conditions::NONE;
        Scenario { name, conditions, trust, is_ours_alone, steps }
    };
    vec![
        scenario(
            "as many agree as a task takes",
            1 << 24,
            false,
            vec![
                contribute(0, 0..=23, "right"),
                contribute(0, 24..=24, "right"),
                reveal(0, 0..=23),
                finalize(0, By::PoolOwner, "right"),
            ],
        ),
        scenario(
            "one more would have to agree than a task takes",
            1 << 25,
            true,
            vec![
                contribute(0, 0..=23, "right"),
                contribute(0, 24..=24, "right"),
                reveal(0, 0..=24),
                finalize(0, By::PoolOwner, "right"),
                claim(),
            ],
        ),
        scenario(
            "who was rejected takes a place for good",
            1 << 24,
            true,
            vec![
                contribute(0, 0..=23, "right"),
                reopen(2 * T),
                contribute(2 * T, 24..=24, "right"),
                claim(),
            ],
        ),
    ]
}

fn of_strict_reveals() -> Vec<Scenario> {
    let scenario = |name, trust, steps| {
        let conditions = Conditions::STRICT_REVEALS;
        Scenario { name, conditions, trust, is_ours_alone: true, steps }
    };
    let withheld = vec![contribute(0, 0..=1, "right"), reveal(0, 0..=0), claim()];
    vec![
        scenario("a reveal is withheld, and the task claimed", 4, withheld.clone()),
        Scenario {
            conditions: Conditions::NONE,
            is_ours_alone: false,
            ..scenario("a reveal is withheld where none is owed", 4, withheld)
        },
        scenario(
            "a dissenter withholds nothing",
            4,
            vec![
                contribute(0, 0..=0, "wrong"),
                contribute(0, 1..=4, "right"),
                reveal(0, 1..=3),
                claim(),
            ],
        ),
        scenario(
            "others have a clock to vote anew, and one to reveal",
            2,
            vec![
                contribute(0, 0..=0, "right"),
                reopen(8 * T),
                contribute(9 * T - 1, 1..=1, "right"),
                reveal(10 * T - 1, 1..=1),
                finalize(10 * T - 1, By::PoolOwner, "right"),
                claim(),
            ],
        ),
        scenario(
            "nobody votes anew, and who made it so pays",
            2,
            vec![
                contribute(0, 0..=0, "right"),
                reopen(8 * T),
                contribute(9 * T, 1..=1, "right"),
                claim(),
            ],
        ),
        scenario(
            "reveals end at 8T, or there would be no time for others",
            2,
            vec![
                contribute(7 * T - 1, 0..=0, "right"),
                reveal(8 * T, 0..=0),
                reopen(8 * T),
                contribute(8 * T, 1..=1, "right"),
                finalize(9 * T, By::PoolOwner, "right"),
                claim(),
            ],
        ),
    ]
}

fn of_bound_results() -> Vec<Scenario> {
    let scenario = |name, steps| {
        let conditions = Conditions::BOUND_RESULTS;
        Scenario { name, conditions, trust: 4, is_ours_alone: true, steps }
    };
    let left = vec![
        contribute(0, 0..=1, "right"),
        reveal(0, 0..=1),
        finalize(2 * T - 1, By::Anyone, "right"),
        finalize(2 * T, By::Anyone, "wrong"),
        finalize(2 * T, By::Anyone, "right"),
        claim(),
    ];
    vec![
        scenario("a pool leaves bound results that all have revealed", left.clone()),
        Scenario {
            conditions: Conditions::NONE,
            is_ours_alone: false,
            ..scenario("a pool leaves results that are bound to nothing", left)
        },
        scenario(
            "a pool leaves bound results that one has revealed",
            vec![
                contribute(T, 0..=1, "right"),
                reveal(T, 0..=0),
                finalize(3 * T - 1, By::PoolOwner, "right"),
                finalize(3 * T, By::Anyone, "right"),
                claim(),
            ],
        ),
        scenario(
            "bound results that nobody revealed, or that are too late",
            vec![
                contribute(0, 0..=1, "right"),
                finalize(2 * T, By::Anyone, "right"),
                reopen(3 * T),
                contribute(3 * T, 2..=3, "right"),
                reveal(3 * T, 2..=3),
                finalize(10 * T, By::Anyone, "right"),
                claim(),
            ],
        ),
    ]
}

/// What a scenario comes to: a refusal's name for each step, nothing where it was taken, and what
/// everybody has then.
#[derive(PartialEq, Eq, Debug)]
struct Ending {
    refusals: Vec<&'static str>,
    status: TaskStatus,
    /// Of requester, pool owner, app owner and dataset owner.
    free: [Amount; 4],
    kitty: Amount,
    /// Stake and score of each.
    workers: Vec<(Amount, U256)>,
}

const REQUESTER: &str = "requester";
const POOL_OWNER: &str = "pool owner";
const ROLES: [&str; 4] = [REQUESTER, POOL_OWNER, "app owner", "dataset owner"];

fn worker(number: usize) -> Address {
    address(&format!("worker {number}"))
}

fn play(rules: Rules, scenario: &Scenario) -> Ending {
    let mut hub = open_hub(rules);
    let task = open_task(&mut hub, scenario);
    let refusals = scenario.steps.iter().map(|step| take(&mut hub, task, step)).collect();
    let free = |account: Address| {
        let account = hub.account(account);
        assert!(account.frozen.is_zero(), "nothing stays frozen: {}", scenario.name);
        account.free
    };
    let of_worker = |number| (free(worker(number)), hub.score(worker(number)));
    Ending {
        refusals,
        status: hub.task(task).status,
        free: ROLES.map(|role| free(address(role))),
        kitty: hub.account(KITTY).frozen,
        workers: (0..WORKERS).map(of_worker).collect(),
    }
}

fn open_hub(rules: Rules) -> Hub {
    let scores = (0..WORKERS).map(|number| (worker(number), U256::from(SCORE))).collect();
    let standard = Config::standard(rules, 31337, address("hub"), address("hub owner"));
    let mut hub = Hub::new(Config { scores, ..standard });
    for (kind, name) in
        [(OrderKind::App, "app"), (OrderKind::Dataset, "dataset"), (OrderKind::Workerpool, "pool")]
    {
        let owner = address(&format!("{name} owner"));
        let create = RegistryCall::Create { kind, resource: address(name), owner };
        hub.registry_call(owner, &create).unwrap();
    }
    let policy = Policy {
        worker_stake_ratio: U256::from(STAKE_RATIO),
        scheduler_reward_ratio: U256::from(SCHEDULER_RATIO),
    };
    let change = RegistryCall::ChangePolicy { workerpool: address("pool"), policy };
    hub.registry_call(address(POOL_OWNER), &change).unwrap();
    let funded = (0..WORKERS).map(worker).chain([address(REQUESTER), address(POOL_OWNER)]);
    for account in funded {
        let amount = Amount::from_nano(FUNDS);
        hub.mint_tokens(account, amount).unwrap();
        hub.token_call(account, &TokenCall::ApproveHubAndCall { amount }).unwrap();
    }
    hub
}

/// Whoever signs is a contract that accepts what is asked for here.
fn signed<O: Order>(hub: &mut Hub, signer: &str, order: O) -> Signed<O> {
    let hash = order.hash(hub.domain_separator());
    hub.contracts_mut().accept(address(signer), hash.0, Bytes::new());
    Signed { order, sign: Bytes::new() }
}

fn open_task(hub: &mut Hub, scenario: &Scenario) -> TaskId {
    let [app_price, dataset_price, pool_price] = PRICES.map(Amount::from_nano);
    let (volume, trust) = (U256::ONE, U256::from(scenario.trust));
    let mark = OrderMark::new(scenario.conditions, None, 0, address("anything")).unwrap();
    let (app, dataset) = (address("app"), address("dataset"));
    let app_order = AppOrder { app, price: app_price, volume, ..AppOrder::default() };
    let dataset_order =
        DatasetOrder { dataset, price: dataset_price, volume, ..DatasetOrder::default() };
    let pool_order = WorkerpoolOrder {
        workerpool: address("pool"),
        price: pool_price,
        volume,
        trust,
        salt: mark.to_salt(),
        ..WorkerpoolOrder::default()
    };
    let request = RequestOrder {
        app,
        app_price_max: app_price,
        dataset,
        dataset_price_max: dataset_price,
        workerpool_price_max: pool_price,
        requester: address(REQUESTER),
        volume,
        trust,
        salt: mark.to_salt(),
        ..RequestOrder::default()
    };
    let terms = SignedTerms {
        app: signed(hub, "app owner", app_order),
        dataset: signed(hub, "dataset owner", dataset_order),
        workerpool: signed(hub, POOL_OWNER, pool_order),
        request: signed(hub, REQUESTER, request),
    };
    let anyone = address("anyone");
    let outcome = hub.call(anyone, START, &Call::MatchOrders(Box::new(terms))).unwrap();
    let Returned::Deal(deal) = outcome.value else { panic!("a match returned {outcome:?}") };
    hub.call(anyone, START, &Call::Initialize { deal, index: U256::ZERO }).unwrap();
    TaskId::of_deal(deal, U256::ZERO)
}

/// The refusal of a step, which is the same for all who do it.
fn take(hub: &mut Hub, task: TaskId, step: &Step) -> &'static str {
    let senders: Vec<Address> = match &step.by {
        By::Workers(numbers) => numbers.clone().map(worker).collect(),
        By::PoolOwner => vec![address(POOL_OWNER)],
        By::Anyone => vec![address("anyone")],
    };
    let now = START.after(step.seconds);
    let answers: BTreeSet<_> = senders
        .into_iter()
        .map(|sender| {
            let call = call_of(hub, task, sender, step);
            hub.call(sender, now, &call).err().map_or("", |refusal| name(&refusal))
        })
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap()
}

fn call_of(hub: &mut Hub, task: TaskId, sender: Address, step: &Step) -> Call {
    let digest = ResultDigest(keccak256(step.value));
    match step.act {
        Act::Contribute => {
            let authorization = authorization_hash(sender, task, Address::ZERO);
            hub.contracts_mut().accept(address(POOL_OWNER), authorization, Bytes::new());
            Call::Contribute(Contribution {
                task,
                hash: ResultHash::of(task, digest),
                seal: ResultSeal::of(sender, task, digest),
                enclave_challenge: Address::ZERO,
                enclave_sign: Bytes::new(),
                authorization_sign: Bytes::new(),
            })
        }
        Act::Reveal => Call::Reveal { task, digest },
        Act::Reopen => Call::Reopen { task },
        Act::Finalize => {
            let results = Bytes::from_static(step.value.as_bytes());
            Call::Finalize { task, results, results_callback: Bytes::new() }
        }
        Act::Claim => Call::Claim { task },
    }
}

/// As the contracts name it.
fn name(refusal: &Refusal) -> &'static str {
    let plain = [
        (Refusal::NotThePoolOwner, "NotThePoolOwner"),
        (Refusal::ResultsUnlikeDigest, "ResultsUnlikeDigest"),
        (Refusal::RevealsExist, "RevealsExist"),
        (Refusal::RevealsPending, "RevealsPending"),
        (Refusal::TooManyContributions, "TooManyContributors"),
    ];
    if let Some((_, name)) = plain.iter().find(|(one, _)| one == refusal) {
        return name;
    }
    if matches!(refusal, Refusal::WrongTaskStatus(_)) {
        return "WrongTaskStatus";
    }
    if matches!(refusal, Refusal::TooEarly { .. }) {
        return "TooEarly";
    }
    assert!(matches!(refusal, Refusal::TooLate { .. }), "no scenario is for {refusal:?}");
    "TooLate"
}

fn vector(scenario: &Scenario) -> Value {
    let ours = play(Rules::Ours, scenario);
    let [reference, later] = RELEASES.map(|rules| play(rules, scenario));
    assert_eq!(reference, later, "{}", scenario.name);
    assert_eq!(ours != reference, scenario.is_ours_alone, "{}", scenario.name);
    json!({
        "conditions": decimal(U256::from(scenario.conditions.bits())),
        "name": scenario.name,
        "ours": ending(&ours),
        "reference": ending(&reference),
        "steps": scenario.steps.iter().map(step).collect::<Vec<_>>(),
        "trust": decimal(U256::from(scenario.trust)),
    })
}

fn step(step: &Step) -> Value {
    let (by, first, last) = match &step.by {
        By::Workers(numbers) => ("workers", *numbers.start(), *numbers.end()),
        By::PoolOwner => ("poolOwner", 0, 0),
        By::Anyone => ("anyone", 0, 0),
    };
    json!({
        "act": format!("{:?}", step.act).to_lowercase(),
        "by": by,
        "first": decimal(U256::from(first)),
        "last": decimal(U256::from(last)),
        "seconds": decimal(U256::from(step.seconds)),
        "value": step.value,
    })
}

/// Workers who have the same are told together, in the order of their numbers.
fn ending(ending: &Ending) -> Value {
    let equal = ending.workers.chunk_by(|one, next| one == next).map(|run| {
        let (free, score) = run[0];
        json!({
            "count": decimal(U256::from(run.len())),
            "free": decimal(free.0),
            "score": decimal(score),
        })
    });
    let [requester, pool_owner, app_owner, dataset_owner] = ending.free.map(|free| decimal(free.0));
    json!({
        "appOwner": app_owner,
        "datasetOwner": dataset_owner,
        "kitty": decimal(ending.kitty.0),
        "poolOwner": pool_owner,
        "refusals": ending.refusals,
        "requester": requester,
        "status": decimal(U256::from(ending.status as u8)),
        "workers": equal.collect::<Vec<_>>(),
    })
}
