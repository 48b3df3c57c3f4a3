//! The settlement lane pays what the classic one pays for the same votes, and conserves money.

use crate::market::{Market, Party, RLC, START, T, digest, nano, party};
use poco_core::call::Call;
use poco_core::lane::{
    Batch, Books, CommitRange, Committed, Nonce, OtherVote, Outcome, SettlementRefusal, SkipReason,
    Vote, commit_hash, settle,
};
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Amount, B256, Bytes, Deal, DealConditions, DealId, ResultDigest, TaskId, Timestamp,
    U256,
};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

/// What a worker said in a task: a digest by number, in the end disclosed or not.
#[derive(Clone, Copy, Debug)]
struct Said {
    digest: usize,
    is_silent: bool,
}

fn numbered(number: usize) -> ResultDigest {
    digest(&format!("digest {number}"))
}

fn nonce(worker: Address) -> Nonce {
    Nonce(u128::from_be_bytes(worker.as_slice()[..16].try_into().unwrap()))
}

/// The outcome of a task for digest 0, and the hash of its row.
fn outcome(task: TaskId, workers: &[Address], said: &[Option<Said>]) -> (Outcome, B256) {
    let mut outcome = Outcome { digest: numbered(0), ..Outcome::default() };
    let mut row = poco_core::lane::Row::default();
    for (place, (worker, said)) in workers.iter().zip(said).enumerate() {
        let Some(said) = said else { continue };
        outcome.present |= 1 << place;
        let vote = Vote::of(*worker, task, numbered(said.digest), nonce(*worker));
        row.0.push(poco_core::lane::Entry { worker: *worker, vote: vote.blinded() });
        if said.is_silent {
            outcome.others.push(OtherVote::Silent(vote.blinded()));
        } else if said.digest == 0 {
            outcome.agreeing |= 1 << place;
            outcome.nonces.push(vote.nonce);
        } else {
            outcome.others.push(OtherVote::Disclosed(vote));
        }
    }
    (outcome, row.hash())
}

/// A batch of all tasks of a commit at [`START`], and the books before it.
fn batch(
    id: DealId,
    deal: &Deal,
    workers: &[(Address, u64)],
    said: &[Vec<Option<Said>>],
) -> (Books, Batch) {
    let addresses: Vec<Address> = workers.iter().map(|(worker, _)| *worker).collect();
    let tasks: Vec<TaskId> =
        (0..said.len() as u64).map(|index| TaskId::of_deal(id, U256::from(index))).collect();
    let (outcomes, rows): (Vec<Outcome>, Vec<B256>) =
        tasks.iter().zip(said).map(|(task, said)| outcome(*task, &addresses, said)).unzip();
    let books = Books {
        deal: deal.clone(),
        conditions: DealConditions::NONE,
        clock_seconds: T,
        commit: Some(commit_hash(rows)),
        kitty: Amount::ZERO,
        scores: workers.iter().map(|(worker, score)| (*worker, U256::from(*score))).collect(),
        tasks: tasks.iter().map(|task| (*task, Committed::default())).collect(),
    };
    let range = CommitRange {
        deal: id,
        first: U256::ZERO,
        time: START,
        rows_before: Vec::new(),
        rows_after: Vec::new(),
    };
    (books, Batch { range, workers: addresses, outcomes })
}

const NAMES: [&str; 5] = ["w1", "w2", "w3", "w4", "w5"];

/// A task in the classic lane, with what it did to each worker that got in.
struct Classic {
    market: Market,
    deal: DealId,
    voters: Vec<(Party, Said)>,
}

/// Plays a task: all vote in turn until there is a consensus on digest 0, who is not silent
/// reveals, and the pool finalizes. `None` where that is not how it goes.
fn classic(scores: &[u64; 5], said: &[Said; 5], trust: u64) -> Option<Classic> {
    let scored: Vec<(&str, u64)> = NAMES.into_iter().zip(*scores).collect();
    let mut market = Market::with_scores(&scored);
    let deal = market.match_terms(market.terms(trust, 1)).unwrap();
    let task = market.initialize(deal, 0);
    let mut voters = Vec::new();
    for (name, said) in NAMES.into_iter().zip(said) {
        let worker = party(name);
        if market.contribute(task, &worker, numbered(said.digest)).is_ok() {
            voters.push((worker, *said));
        }
    }
    let view = market.hub.task(task);
    let wanted = poco_core::ResultHash::of(task, numbered(0));
    if view.status != TaskStatus::Revealing || view.consensus != wanted {
        return None;
    }
    let mut has_revealed = false;
    for (worker, said) in &voters {
        if said.digest == 0 && !said.is_silent {
            market.reveal(task, worker, numbered(0)).unwrap();
            has_revealed = true;
        }
    }
    market.now = START.after(2 * T);
    let results = Bytes::from_static(b"/ipfs/result");
    let finalize = Call::Finalize { task, results, results_callback: Bytes::new() };
    let end = market.call(&party("pool owner"), finalize);
    assert_eq!(end.is_ok(), has_revealed, "{end:?}");
    has_revealed.then_some(Classic { market, deal, voters })
}

fn said() -> impl Strategy<Value = Said> {
    (prop_oneof![3 => Just(0usize), 1 => 1usize..3], prop::bool::weighted(0.15))
        .prop_map(|(digest, is_silent)| Said { digest, is_silent })
}

#[test]
fn the_same_votes_are_paid_as_in_the_classic_lane() {
    let (settled, with_losers, with_silent) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let strategy = (prop::array::uniform5(0u64..400), prop::array::uniform5(said()), 1u64..40);
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    runner
        .run(&strategy, |(scores, said, trust)| {
            let Some(Classic { market, deal: id, mut voters }) = classic(&scores, &said, trust)
            else {
                return Ok(());
            };
            voters.sort_by_key(|(worker, _)| worker.address);
            let score_of = |worker: &Party| {
                NAMES
                    .into_iter()
                    .zip(scores)
                    .find(|(name, _)| party(name).address == worker.address)
            };
            let workers: Vec<(Address, u64)> = (voters.iter())
                .map(|(worker, _)| (worker.address, score_of(worker).unwrap().1))
                .collect();
            let row: Vec<Option<Said>> = voters.iter().map(|(_, said)| Some(*said)).collect();
            let deal = market.hub.deal(id).unwrap();
            let (books, batch) = batch(id, deal, &workers, &[row]);
            let now = START.after(2 * T);
            let settlement = settle(&books, &batch, deal.workerpool.owner, now).unwrap();
            // Who is silent has no weight here, and has its full weight there.
            if settlement.tasks[0].1 == Err(SkipReason::NoConsensus) {
                prop_assert!(voters.iter().any(|(_, said)| said.is_silent));
                return Ok(());
            }
            settled.set(settled.get() + 1);
            with_losers
                .set(with_losers.get() + usize::from(voters.iter().any(|(_, s)| s.digest > 0)));
            with_silent
                .set(with_silent.get() + usize::from(voters.iter().any(|(_, s)| s.is_silent)));
            for (worker, _) in &voters {
                let net = settlement.net.workers[&worker.address];
                let lost = net.bond_lost;
                let free = nano(1_000 * RLC).checked_add(net.reward).unwrap();
                prop_assert_eq!(market.free(worker), free.checked_sub(lost).unwrap());
                prop_assert_eq!(market.hub.score(worker.address), net.score);
            }
            let owner = nano(1_000 * RLC).checked_add(settlement.net.pool_owner).unwrap();
            prop_assert_eq!(market.free(&market.pool_owner), owner);
            prop_assert_eq!(market.free(&market.app_owner), settlement.net.app_owner);
            prop_assert_eq!(market.free(&market.dataset_owner), settlement.net.dataset_owner);
            Ok(())
        })
        .unwrap();
    assert!(settled.get() > 100, "{} settled", settled.get());
    assert!(with_losers.get() > 10, "{} with losers", with_losers.get());
    assert!(with_silent.get() > 5, "{} with silent workers", with_silent.get());
}

fn priced(price: u64, stake: u64, ratio: u64, trust: u64) -> Deal {
    let mut deal = Deal {
        start_time: START,
        trust: U256::from(trust),
        bot_size: U256::from(4),
        worker_stake: nano(stake),
        scheduler_reward_ratio: U256::from(ratio),
        ..Deal::default()
    };
    deal.app.price = nano(price / 7);
    deal.workerpool.price = nano(price);
    deal.workerpool.owner = Address::repeat_byte(0xaa);
    deal
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn money_and_stakes_are_conserved(
        price in 0u64..1_000_000_000_000,
        stake in 0u64..1_000_000_000,
        ratio in 0u64..=100,
        trust in 1u64..20,
        kitty in 0u64..100_000_000_000,
        scores in prop::array::uniform4(0u64..500),
        said in prop::collection::vec(prop::array::uniform4(prop::option::of(said())), 1..5),
        disclosed in prop::collection::vec(0u32..16, 4),
    ) {
        let deal = priced(price, stake, ratio, trust);
        let id = DealId(B256::repeat_byte(5));
        let mut workers: Vec<Address> = NAMES[..4].iter().map(|name| party(name).address).collect();
        workers.sort();
        let workers: Vec<(Address, u64)> = workers.into_iter().zip(scores).collect();
        let rows: Vec<Vec<Option<Said>>> = said.iter().map(|row| row.to_vec()).collect();
        let (mut books, batch) = batch(id, &deal, &workers, &rows);
        books.kitty = nano(kitty);
        let present: Vec<u32> =
            batch.outcomes.iter().map(|outcome| outcome.present.count_ones()).collect();
        for ((task, bits), length) in books.tasks.values_mut().zip(&disclosed).zip(&present) {
            task.disclosed = bits & ((1u32 << length) - 1);
            task.contributions = task.disclosed.count_ones();
        }
        let now = START.after(2 * T);
        let settlement = settle(&books, &batch, deal.workerpool.owner, now).unwrap();
        let net = &settlement.net;
        let mut debits = net.payer.0 + net.kitty.0;
        let mut credits = net.app_owner.0 + net.dataset_owner.0 + net.pool_owner.0;
        let mut stakes = U256::ZERO;
        for worker in net.workers.values() {
            debits += worker.bond_lost.0 + worker.stake_lost.0;
            credits += worker.reward.0;
            stakes += worker.bond_lost.0 + worker.bond_unlocked.0;
            stakes += worker.stake_lost.0 + worker.stake_unlocked.0;
        }
        prop_assert_eq!(debits, credits);
        prop_assert!(net.kitty <= books.kitty);
        let ended = settlement.tasks.iter().zip(&present).filter(|((_, ended), _)| ended.is_ok());
        let votes: u32 = ended.map(|(_, votes)| *votes).sum();
        prop_assert_eq!(stakes, deal.worker_stake.0 * U256::from(votes));
    }
}

/// Two workers who agree on both tasks of a deal of trust 3.
fn agreed() -> (Books, Batch) {
    let mut workers: Vec<Address> = NAMES[..2].iter().map(|name| party(name).address).collect();
    workers.sort();
    let workers: Vec<(Address, u64)> = workers.into_iter().map(|worker| (worker, 0)).collect();
    let right = Some(Said { digest: 0, is_silent: false });
    let deal = priced(20 * RLC, 6 * RLC, 1, 3);
    batch(DealId(B256::repeat_byte(5)), &deal, &workers, &[vec![right; 2], vec![right; 2]])
}

#[test]
fn a_batch_is_refused_for_each_of_its_faults() {
    let (books, good) = agreed();
    let owner = books.deal.workerpool.owner;
    let refused = |books: &Books, batch: &Batch, sender: Address, now: Timestamp| {
        settle(books, batch, sender, now).unwrap_err()
    };
    let changed = |change: fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        refused(&books, &batch, owner, START)
    };
    assert!(settle(&books, &good, owner, START).unwrap().net.is_whole);
    assert_eq!(changed(|b| b.workers.swap(0, 1)), SettlementRefusal::WorkersUnsorted);
    assert_eq!(changed(|b| b.outcomes.clear()), SettlementRefusal::Tasks(0));
    assert_eq!(changed(|b| b.workers = vec![Address::ZERO; 33]), SettlementRefusal::RowTooLong(33));
    assert_eq!(changed(|b| b.outcomes[0].nonces.clear()), SettlementRefusal::VotesMissing);
    assert_eq!(changed(|b| b.outcomes[1].agreeing = 1), SettlementRefusal::VotesMissing);
    assert_eq!(changed(|b| b.outcomes[1].present = 1), SettlementRefusal::CommitMismatch);
    assert_eq!(changed(|b| b.outcomes[1].nonces[0] = Nonce(0)), SettlementRefusal::CommitMismatch);
    let stranger = Address::repeat_byte(1);
    assert_eq!(refused(&books, &good, stranger, START), SettlementRefusal::NotYours);
    let mut told = good.clone();
    told.outcomes[0].results = Bytes::from_static(b"mine");
    let later = START.after(2 * T);
    assert_eq!(refused(&books, &told, stranger, later), SettlementRefusal::ResultsUnbound);
    assert!(settle(&books, &good, stranger, later).is_ok());
    assert_eq!(refused(&books, &good, owner, START.after(10 * T)), SettlementRefusal::TooLate);
}

#[test]
fn one_task_that_cannot_be_settled_blocks_no_other() {
    let (books, good) = agreed();
    let owner = books.deal.workerpool.owner;
    let reason = |books: &Books, batch: &Batch| {
        let settlement = settle(books, batch, owner, START).unwrap();
        assert!(settlement.tasks[1].1.is_ok());
        assert!(!settlement.net.is_whole);
        settlement.tasks[0].1.clone().unwrap_err()
    };
    let first = *books
        .tasks
        .keys()
        .find(|task| **task == TaskId::of_deal(good.range.deal, U256::ZERO))
        .unwrap();
    let with = |change: fn(&mut BTreeMap<TaskId, Committed>, TaskId)| {
        let mut books = books.clone();
        change(&mut books.tasks, first);
        reason(&books, &good)
    };
    let removed = |tasks: &mut BTreeMap<TaskId, Committed>, id: TaskId| {
        tasks.remove(&id);
    };
    assert_eq!(with(removed), SkipReason::NotCommitted);
    assert_eq!(
        with(|tasks, id| tasks.get_mut(&id).unwrap().contributions = 1),
        SkipReason::OnChain
    );
    let mut told = good.clone();
    told.outcomes[0].results_callback = Bytes::from_static(b"other");
    assert_eq!(reason(&books, &told), SkipReason::Callback);
    let silent = |batch: &Batch| {
        let mut batch = batch.clone();
        let outcome = &mut batch.outcomes[0];
        let worker = batch.workers[1];
        let vote = Vote::of(worker, first, numbered(0), nonce(worker));
        outcome.agreeing = 1;
        outcome.nonces.pop();
        outcome.others.push(OtherVote::Silent(vote.blinded()));
        batch
    };
    assert_eq!(reason(&books, &silent(&good)), SkipReason::Undisclosed);
    // When its time is over a silent vote weighs nothing: one of two is not enough for trust 3.
    let later = settle(&books, &silent(&good), owner, START.after(2 * T)).unwrap();
    assert_eq!(later.tasks[0].1, Err(SkipReason::NoConsensus));
    // A vote that is on chain cannot be called silent.
    let mut on_chain = books.clone();
    let known = on_chain.tasks.get_mut(&first).unwrap();
    (known.disclosed, known.contributions) = (2, 1);
    let later = settle(&on_chain, &silent(&good), owner, START.after(2 * T)).unwrap();
    assert_eq!(later.tasks[0].1, Err(SkipReason::Undisclosed));
}
