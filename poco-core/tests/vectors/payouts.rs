//! What deals lock and what tasks pay.
//!
//! The first payout is the example of the protocol; a unit test of `poco_core::payout` holds it to
//! the digit.

use crate::{address, decimal};
use poco_core::payout::{self, Ballot, Payout, Share};
use poco_core::{Amount, Deal, Release, Resource, Rules, U256, score};
use serde_json::{Value, json};

pub(crate) fn vectors() -> Value {
    json!({
        "alone": alone(REFERENCE, &CASES),
        "kitties": kitties(),
        "ours": ours(),
        "payouts": CASES.iter().map(|case| payout_of(REFERENCE, case)).collect::<Vec<_>>(),
        "scores": scores(),
        "stakes": stakes(),
    })
}

/// Prices, ratio and kitty of a task, and its contributors as (proved, log weight).
struct Case {
    name: &'static str,
    app: u64,
    dataset: u64,
    workerpool: u64,
    worker_stake: u64,
    ratio: u64,
    kitty: u64,
    ballots: &'static [(bool, u64)],
}

const RLC: u64 = Amount::NANO_PER_RLC;

/// Whose rules the entries are made by, where they do not name others.
const REFERENCE: Rules = Rules::Reference(Release::V6_2_0);

const CASES: [Case; 9] = [
    Case {
        name: "the example of the protocol",
        app: 0,
        dataset: 0,
        workerpool: 20 * RLC,
        worker_stake: 7 * RLC,
        ratio: 5,
        kitty: 0,
        ballots: &[(false, 1), (true, 5), (true, 6)],
    },
    Case {
        name: "one worker and a kitty below its least share",
        app: 3,
        dataset: 2,
        workerpool: 100,
        worker_stake: 30,
        ratio: 1,
        kitty: RLC - 1,
        ballots: &[(true, 1)],
    },
    Case {
        name: "three equal workers and dust",
        app: 10,
        dataset: 0,
        workerpool: 100,
        worker_stake: 30,
        ratio: 1,
        kitty: 5 * RLC,
        ballots: &[(true, 1), (true, 1), (true, 1)],
    },
    Case {
        name: "a free pool pays nothing",
        app: 5,
        dataset: 5,
        workerpool: 0,
        worker_stake: 0,
        ratio: 1,
        kitty: 0,
        ballots: &[(true, 1), (false, 9)],
    },
    Case {
        name: "a pool that keeps all",
        app: 0,
        dataset: 0,
        workerpool: RLC,
        worker_stake: RLC / 3,
        ratio: 100,
        kitty: 0,
        ballots: &[(true, 2), (true, 3), (false, 1)],
    },
    Case {
        name: "a pool that keeps nothing but dust",
        app: 0,
        dataset: 0,
        workerpool: RLC + 1,
        worker_stake: RLC / 3,
        ratio: 0,
        kitty: 0,
        ballots: &[(true, 2), (true, 3), (true, 7)],
    },
    Case {
        name: "a rich kitty and many at fault",
        app: 11,
        dataset: 13,
        workerpool: 17 * RLC + 7,
        worker_stake: 5 * RLC + 1,
        ratio: 33,
        kitty: 12_345 * RLC + 678,
        ballots: &[(false, 8), (true, 4), (false, 2), (false, 1), (true, 1), (false, 6)],
    },
    Case {
        name: "a price of one",
        app: 1,
        dataset: 1,
        workerpool: 1,
        worker_stake: 0,
        ratio: 1,
        kitty: 1,
        ballots: &[(true, 1), (true, 1)],
    },
    Case {
        name: "all the RLC there are",
        app: 0,
        dataset: 0,
        workerpool: 86_999_784 * RLC,
        worker_stake: 26_099_935 * RLC,
        ratio: 7,
        kitty: 1,
        ballots: &[(true, 13), (true, 17), (false, 20)],
    },
];

/// Where our rules differ: what the kitty gives, and who earns a score.
const CASES_OF_OURS: [Case; 7] = [
    Case {
        name: "a kitty that gives a tenth of the price and no more",
        app: 0,
        dataset: 0,
        workerpool: 20 * RLC,
        worker_stake: 7 * RLC,
        ratio: 5,
        kitty: 777 * RLC + 7,
        ballots: &[(true, 5), (true, 6)],
    },
    Case {
        name: "a kitty that gives its tenth, below that of the price",
        app: 0,
        dataset: 0,
        workerpool: 1_000 * RLC,
        worker_stake: 300 * RLC,
        ratio: 5,
        kitty: 777 * RLC + 7,
        ballots: &[(false, 1), (true, 6), (true, 5)],
    },
    Case {
        name: "a kitty that gives all it has",
        app: 3,
        dataset: 0,
        workerpool: RLC,
        worker_stake: RLC / 3,
        ratio: 1,
        kitty: 19,
        ballots: &[(true, 1), (true, 1)],
    },
    Case {
        name: "a price too small for the kitty",
        app: 0,
        dataset: 0,
        workerpool: 9,
        worker_stake: 2,
        ratio: 1,
        kitty: 5 * RLC,
        ballots: &[(true, 1), (true, 1)],
    },
    Case {
        name: "the least price that the kitty knows",
        app: 0,
        dataset: 0,
        workerpool: 10,
        worker_stake: 3,
        ratio: 1,
        kitty: 5 * RLC,
        ballots: &[(true, 1)],
    },
    Case {
        name: "a free deal gets nothing from the kitty and no score",
        app: 5,
        dataset: 5,
        workerpool: 0,
        worker_stake: 0,
        ratio: 1,
        kitty: 5 * RLC,
        ballots: &[(true, 1), (true, 9), (true, 1)],
    },
    Case {
        name: "a price without a stake earns no score",
        app: 0,
        dataset: 0,
        workerpool: 20 * RLC,
        worker_stake: 0,
        ratio: 1,
        kitty: 0,
        ballots: &[(true, 1), (true, 9), (false, 1)],
    },
];

/// By our rules: every entry names them, and says who earns a score.
fn ours() -> Value {
    let payouts = CASES.iter().chain(&CASES_OF_OURS).map(|case| {
        let mut entry = payout_of(Rules::Ours, case);
        let stake = Amount::from_nano(case.worker_stake);
        entry["raisesScore"] = json!(Rules::Ours.raise_score(case.ballots.len(), stake));
        entry["rules"] = json!("ours");
        entry
    });
    let mut alone = [alone(Rules::Ours, &CASES), alone(Rules::Ours, &CASES_OF_OURS)].concat();
    for entry in &mut alone {
        entry["rules"] = json!("ours");
    }
    json!({ "alone": alone, "payouts": payouts.collect::<Vec<_>>() })
}

fn deal(case: &Case) -> Deal {
    let resource = |price| Resource { price: Amount::from_nano(price), ..Resource::default() };
    Deal {
        app: resource(case.app),
        dataset: resource(case.dataset),
        workerpool: resource(case.workerpool),
        worker_stake: Amount::from_nano(case.worker_stake),
        scheduler_reward_ratio: U256::from(case.ratio),
        ..Deal::default()
    }
}

fn payout_of(rules: Rules, case: &Case) -> Value {
    let ballots: Vec<_> = case
        .ballots
        .iter()
        .enumerate()
        .map(|(position, (is_proved, log_weight))| Ballot {
            worker: address(&format!("worker {position}")),
            is_proved: *is_proved,
            log_weight: *log_weight,
        })
        .collect();
    let payout =
        payout::finalize(rules, &deal(case), Amount::from_nano(case.kitty), &ballots).unwrap();
    assert_eq!(payout.debits(), payout.credits(), "{}", case.name);
    let rewards = payout.workers.iter().map(|(_, share)| match share {
        Share::Proved { reward, .. } => decimal(reward.0),
        Share::Faulty { .. } => decimal(U256::ZERO),
    });
    json!({
        "appPrice": decimal(U256::from(case.app)),
        "datasetPrice": decimal(U256::from(case.dataset)),
        "isProved": ballots.iter().map(|ballot| ballot.is_proved).collect::<Vec<_>>(),
        "kitty": decimal(U256::from(case.kitty)),
        "kittyShare": decimal(payout.kitty.0),
        "logWeights":
            ballots.iter().map(|ballot| decimal(U256::from(ballot.log_weight))).collect::<Vec<_>>(),
        "name": case.name,
        "payer": decimal(payout.payer.0),
        "poolStake": decimal(payout.pool_stake.0),
        "rewards": rewards.collect::<Vec<_>>(),
        "scheduler": decimal(payout.scheduler.0),
        "schedulerRatio": decimal(U256::from(case.ratio)),
        "workerStake": decimal(U256::from(case.worker_stake)),
        "workerpoolPrice": decimal(U256::from(case.workerpool)),
    })
}

/// What `contributeAndFinalize` pays for the same prices.
fn alone(rules: Rules, cases: &[Case]) -> Vec<Value> {
    let entry = |case: &Case| {
        let kitty = Amount::from_nano(case.kitty);
        let worker = address("worker 0");
        let Payout { workers, scheduler, payer, kitty: kitty_share, .. } =
            payout::contribute_and_finalize(rules, &deal(case), kitty, worker).unwrap();
        let [(_, Share::Proved { reward, .. })] = workers.as_slice() else {
            unreachable!("the one worker has proved its result");
        };
        json!({
            "appPrice": decimal(U256::from(case.app)),
            "datasetPrice": decimal(U256::from(case.dataset)),
            "kitty": decimal(U256::from(case.kitty)),
            "kittyShare": decimal(kitty_share.0),
            "payer": decimal(payer.0),
            "reward": decimal(reward.0),
            "scheduler": decimal(scheduler.0),
            "schedulerRatio": decimal(U256::from(case.ratio)),
            "workerpoolPrice": decimal(U256::from(case.workerpool)),
        })
    };
    cases.iter().map(entry).collect()
}

fn kitties() -> Vec<Value> {
    let kitties =
        [0, 1, RLC - 1, RLC, RLC + 1, 10 * RLC - 1, 10 * RLC, 10 * RLC + 19, 777 * RLC + 7];
    let entry = |kitty: u64| {
        let share = payout::kitty_share(REFERENCE, Amount::from_nano(kitty), Amount::ZERO).unwrap();
        json!({ "kitty": decimal(U256::from(kitty)), "share": decimal(share.0) })
    };
    kitties.into_iter().map(entry).collect()
}

fn stakes() -> Vec<Value> {
    let cases = [
        (0u64, 30u64, 1u64),
        (1, 30, 1),
        (3, 30, 5),
        (33, 30, 10),
        (101, 7, 3),
        (20 * RLC, 35, 7),
        (9, 250, 2),
    ];
    let entry = |(price, ratio, volume): (u64, u64, u64)| {
        let pool_price = Amount::from_nano(price);
        let worker_stake = payout::worker_stake(pool_price, U256::from(ratio)).unwrap();
        let deal = Deal {
            workerpool: Resource { price: pool_price, ..Resource::default() },
            bot_size: U256::from(volume),
            ..Deal::default()
        };
        let locks = payout::deal_locks(&deal).unwrap();
        json!({
            "dealStake": decimal(locks.workerpool_owner.0),
            "taskStake": decimal(payout::pool_stake(pool_price).unwrap().0),
            "volume": decimal(U256::from(volume)),
            "workerStake": decimal(worker_stake.0),
            "workerStakeRatio": decimal(U256::from(ratio)),
            "workerpoolPrice": decimal(U256::from(price)),
        })
    };
    cases.into_iter().map(entry).collect()
}

fn scores() -> Vec<Value> {
    let scores = [0u64, 1, 2, 3, 4, 5, 11, 12, 13, 100, 299, 300, 1_000_001];
    let entry = |score: u64| {
        let score = U256::from(score);
        json!({
            "lowered": decimal(score::lowered(score)),
            "raised": decimal(score::raised(score)),
            "score": decimal(score),
        })
    };
    scores.into_iter().map(entry).collect()
}
