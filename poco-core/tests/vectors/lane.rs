//! The settlement lane: what is hashed and signed there, and what batches pay.
//!
//! Workers of a settlement are numbered in the order of their addresses, which the reader chooses:
//! nothing that is paid depends on them. In `said` a worker voted for the digest of its number,
//! the right one being 1; 0 is no vote, and 9 a vote for the right one that nobody disclosed.

use crate::{address, decimal, word};
use poco_core::eip712::Domain;
use poco_core::lane::{
    Batch, BlindedVote, Books, CommitRange, Committed, Entry, Nonce, OtherVote, Outcome, Row,
    SkipReason, Vote, ballot_hash, commit_hash, settle,
};
use poco_core::{
    Address, Amount, B256, Bytes, Deal, DealConditions, DealId, Resource, ResultDigest, ResultHash,
    ResultSeal, TaskId, Timestamp, U256, payout,
};
use serde_json::{Value, json};

const RLC: u64 = Amount::NANO_PER_RLC;
const START: Timestamp = Timestamp(1_700_000_000);
const CLOCK: u64 = 300;

pub(crate) fn vectors() -> Value {
    json!({
        "ballots": ballots(),
        "blinded": blinded(),
        "rows": rows(),
        "settlements": CASES.iter().map(settlement).collect::<Vec<_>>(),
    })
}

fn blinded() -> Vec<Value> {
    let nonces = [0u128, 1, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, u128::MAX];
    let entry = |nonce: u128| {
        let hash = ResultHash(word(&format!("hash {nonce}")));
        let seal = ResultSeal(word(&format!("seal {nonce}")));
        let vote = Vote { hash, seal, nonce: Nonce(nonce) };
        json!({
            "blinded": vote.blinded().0.to_string(),
            "nonce": nonce.to_string(),
            "resultHash": hash.0.to_string(),
            "resultSeal": seal.0.to_string(),
        })
    };
    nonces.into_iter().map(entry).collect()
}

fn ballots() -> Vec<Value> {
    let hub = address("hub");
    let domain = Domain::of_hub(31337, hub).separator();
    let entry = |(first, count): (u64, usize)| {
        let deal = DealId(word("deal"));
        let mut entries: Vec<BlindedVote> =
            (0..count).map(|place| BlindedVote(word(&format!("entry {place}")))).collect();
        if let Some(entry) = entries.get_mut(1) {
            *entry = BlindedVote::ABSENT;
        }
        json!({
            "ballotHash": ballot_hash(domain, deal, U256::from(first), &entries).to_string(),
            "dealId": deal.to_string(),
            "domainSeparator": domain.to_string(),
            "entries": entries.iter().map(|entry| entry.0.to_string()).collect::<Vec<_>>(),
            "first": decimal(U256::from(first)),
        })
    };
    [(0, 1), (7, 3), (1 << 40, 20)].into_iter().map(entry).collect()
}

/// Commits with the hash that the hub keeps of them.
fn rows() -> Vec<Value> {
    let row = |place: usize, length: usize| {
        let entry = |number: usize| Entry {
            worker: address(&format!("worker {number}")),
            vote: BlindedVote(word(&format!("vote {place} {number}"))),
        };
        Row((0..length).map(entry).collect())
    };
    let entry = |lengths: &[usize]| {
        let rows: Vec<Row> =
            lengths.iter().enumerate().map(|(place, length)| row(place, *length)).collect();
        json!({
            "commitHash": commit_hash(rows.iter().map(Row::hash)).to_string(),
            "rows": rows.iter().map(|row| Bytes::from(row.to_bytes()).to_string()).collect::<Vec<_>>(),
        })
    };
    [&[1][..], &[3, 0, 2], &[5, 5, 5, 5]].into_iter().map(entry).collect()
}

/// A batch of one deal whose votes are all in one commit.
struct Case {
    name: &'static str,
    prices: [u64; 3],
    stake_ratio: u64,
    scheduler_ratio: u64,
    trust: u64,
    kitty: u64,
    scores: &'static [u64],
    said: &'static [&'static [u8]],
}

const CASES: [Case; 7] = [
    Case {
        name: "three fresh workers agree",
        prices: [3 * RLC, 2 * RLC, 20 * RLC],
        stake_ratio: 30,
        scheduler_ratio: 1,
        trust: 8,
        kitty: 0,
        scores: &[0, 0, 0],
        said: &[&[1, 1, 1]],
    },
    Case {
        name: "a liar pays those who were right",
        prices: [0, 0, 20 * RLC],
        stake_ratio: 35,
        scheduler_ratio: 5,
        trust: 4,
        kitty: 0,
        scores: &[100, 12, 300, 30],
        said: &[&[1, 2, 1, 1], &[2, 1, 1, 1], &[1, 1, 1, 1]],
    },
    Case {
        name: "a kitty gives at most a tenth of each price",
        prices: [1, 1, 101],
        stake_ratio: 30,
        scheduler_ratio: 7,
        trust: 3,
        kitty: 25,
        scores: &[0, 40],
        said: &[&[1, 1], &[1, 1], &[1, 1], &[1, 1]],
    },
    Case {
        name: "no stake, no score",
        prices: [5, 0, 0],
        stake_ratio: 30,
        scheduler_ratio: 1,
        trust: 2,
        kitty: RLC,
        scores: &[12, 15, 0],
        said: &[&[1, 1, 0], &[0, 1, 1], &[1, 3, 1]],
    },
    Case {
        name: "the silent lose, the absent do not",
        prices: [RLC, RLC / 3, 7 * RLC + 11],
        stake_ratio: 77,
        scheduler_ratio: 33,
        trust: 5,
        kitty: 1,
        scores: &[9, 60, 0, 99],
        said: &[&[9, 1, 0, 1], &[1, 9, 1, 1], &[0, 9, 0, 1]],
    },
    Case {
        name: "trust that is not reached is skipped, the others are paid",
        prices: [2, 2, 1_000_003],
        stake_ratio: 100,
        scheduler_ratio: 0,
        trust: 9,
        kitty: 0,
        scores: &[0, 0, 0, 0],
        said: &[&[1, 1, 1, 0], &[1, 1, 1, 1], &[1, 2, 3, 4], &[0, 0, 0, 0]],
    },
    Case {
        name: "a lone worker keeps its score",
        prices: [0, 0, 31],
        stake_ratio: 100,
        scheduler_ratio: 100,
        trust: 1,
        kitty: 0,
        scores: &[33],
        said: &[&[1], &[1], &[2]],
    },
];

fn said_digest(number: u8) -> ResultDigest {
    ResultDigest(word(&format!("digest {}", if number == 9 { 1 } else { number })))
}

fn outcome(task: TaskId, workers: &[Address], said: &[u8]) -> (Outcome, B256) {
    let mut outcome = Outcome { digest: said_digest(1), ..Outcome::default() };
    let mut row = Row::default();
    for (place, (worker, said)) in workers.iter().zip(said).enumerate() {
        if *said == 0 {
            continue;
        }
        outcome.present |= 1 << place;
        let vote = Vote::of(*worker, task, said_digest(*said), Nonce(place as u128));
        row.0.push(Entry { worker: *worker, vote: vote.blinded() });
        match said {
            1 => {
                outcome.agreeing |= 1 << place;
                outcome.nonces.push(vote.nonce);
            }
            9 => outcome.others.push(OtherVote::Silent(vote.blinded())),
            _ => outcome.others.push(OtherVote::Disclosed(vote)),
        }
    }
    (outcome, row.hash())
}

fn deal(case: &Case) -> Deal {
    let [app, dataset, workerpool] = case
        .prices
        .map(|price| Resource { price: Amount::from_nano(price), ..Resource::default() });
    Deal {
        worker_stake: payout::worker_stake(workerpool.price, U256::from(case.stake_ratio)).unwrap(),
        scheduler_reward_ratio: U256::from(case.scheduler_ratio),
        trust: U256::from(case.trust),
        bot_size: U256::from(case.said.len()),
        start_time: START,
        app,
        dataset,
        workerpool,
        ..Deal::default()
    }
}

fn settlement(case: &Case) -> Value {
    let mut workers: Vec<Address> =
        (0..case.scores.len()).map(|number| address(&format!("worker {number}"))).collect();
    workers.sort();
    let id = DealId(word(case.name));
    let tasks: Vec<TaskId> =
        (0..case.said.len()).map(|index| TaskId::of_deal(id, U256::from(index))).collect();
    let (outcomes, rows): (Vec<Outcome>, Vec<B256>) =
        tasks.iter().zip(case.said).map(|(task, said)| outcome(*task, &workers, said)).unzip();
    let scores = workers.iter().copied().zip(case.scores.iter().map(|score| U256::from(*score)));
    let books = Books {
        deal: deal(case),
        conditions: DealConditions::NONE,
        clock_seconds: CLOCK,
        commit: Some(commit_hash(rows)),
        kitty: Amount::from_nano(case.kitty),
        scores: scores.collect(),
        tasks: tasks.iter().map(|task| (*task, Committed::default())).collect(),
    };
    let range = CommitRange {
        deal: id,
        first: U256::ZERO,
        time: START,
        rows_before: Vec::new(),
        rows_after: Vec::new(),
    };
    let batch = Batch { range, workers: workers.clone(), outcomes };
    // When the time to disclose is over, so that there may be silent votes.
    let now = START.after(2 * CLOCK);
    let settled = settle(&books, &batch, Address::ZERO, now).unwrap();
    let skipped = |ended: &Result<_, SkipReason>| match ended {
        Ok(_) => json!("255"),
        Err(reason) => json!((*reason as u8).to_string()),
    };
    let of_workers = |value: fn(&poco_core::lane::WorkerNet) -> U256| {
        workers
            .iter()
            .map(|worker| decimal(value(&settled.net.workers[worker])))
            .collect::<Vec<_>>()
    };
    json!({
        "appOwner": decimal(settled.net.app_owner.0),
        "bondLost": of_workers(|net| net.bond_lost.0),
        "bondUnlocked": of_workers(|net| net.bond_unlocked.0),
        "datasetOwner": decimal(settled.net.dataset_owner.0),
        "kitty": decimal(U256::from(case.kitty)),
        "kittyPaid": decimal(settled.net.kitty.0),
        "name": case.name,
        "payer": decimal(settled.net.payer.0),
        "poolOwner": decimal(settled.net.pool_owner.0),
        "poolStake": decimal(settled.net.pool_stake.0),
        "prices": case.prices.map(|price| decimal(U256::from(price))),
        "rewards": of_workers(|net| net.reward.0),
        "said": case.said.iter().map(|said| said.iter().map(|number| json!(number.to_string())).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "schedulerRatio": decimal(U256::from(case.scheduler_ratio)),
        "scores": case.scores.iter().map(|score| decimal(U256::from(*score))).collect::<Vec<_>>(),
        "scoresAfter": of_workers(|net| net.score),
        "skipped": settled.tasks.iter().map(|(_, ended)| skipped(ended)).collect::<Vec<_>>(),
        "stakeRatio": decimal(U256::from(case.stake_ratio)),
        "trust": decimal(U256::from(case.trust)),
    })
}
