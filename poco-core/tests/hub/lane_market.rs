//! The steps of the settlement lane as short calls. Workers are sorted by address, as ballots are.

use crate::market::{Market, Party, RLC, START, digest, nano, party};
use poco_core::hub::{Outcome, Refusal};
use poco_core::lane::{
    self, Ballot, Batch, BlindedVote, CommitRange, Entry, LaneCall, Nonce, OtherVote, Row, RowVote,
    Vote, ballot_hash,
};
use poco_core::mark::{Conditions, OrderMark};
use poco_core::{Address, Bytes, DealId, ResultDigest, TaskId, U256};

pub(crate) const GUARD: Address = Address::repeat_byte(0x77);
pub(crate) const RESULTS: Bytes = Bytes::from_static(b"/ipfs/result");
/// Of a worker, in the deals of the usual orders.
pub(crate) const STAKE: u64 = 7 * RLC;

/// Three workers by address, as ballots come.
pub(crate) fn workers() -> Vec<Party> {
    let mut workers = vec![party("w1"), party("w2"), party("w3")];
    workers.sort_by_key(|worker| worker.address);
    workers
}

pub(crate) fn send(
    market: &mut Market,
    sender: &Party,
    call: &LaneCall,
) -> Result<Outcome, Refusal> {
    let before = market.hub.clone();
    let result = market.hub.lane_call(sender.address, market.now, call);
    assert!(result.is_ok() || market.hub == before, "a refused call changed something");
    result
}

pub(crate) fn by_owner(market: &mut Market, call: &LaneCall) -> Result<Outcome, Refusal> {
    send(market, &party("pool owner"), call)
}

/// A deal of some tasks under conditions.
pub(crate) fn deal(market: &mut Market, trust: u64, volume: u64, conditions: Conditions) -> DealId {
    let (mut pool, mut request) = (market.workerpool_order(), market.request_order(trust, volume));
    if !conditions.is_none() {
        let salt = OrderMark::new(conditions, None, 0, GUARD).unwrap().to_salt();
        (pool.salt, request.salt) = (salt, salt);
    }
    let terms = market.sign(market.app_order(), market.dataset_order(), pool, request);
    market.match_terms(terms).unwrap()
}

pub(crate) fn vote(worker: &Party, task: TaskId, digest: ResultDigest) -> Vote {
    Vote::of(worker.address, task, digest, Nonce(7))
}

pub(crate) fn task(deal: DealId, index: u64) -> TaskId {
    TaskId::of_deal(deal, U256::from(index))
}

/// What each worker says in every task: nothing, or a digest.
pub(crate) type Said = [Option<ResultDigest>];

pub(crate) fn row(id: TaskId, said: &Said) -> Row {
    let workers = workers();
    let entry = |(worker, said): (&Party, &Option<ResultDigest>)| {
        let vote = vote(worker, id, (*said)?).blinded();
        Some(Entry { worker: worker.address, vote })
    };
    Row(workers.iter().zip(said).filter_map(entry).collect())
}

pub(crate) fn ballots(market: &Market, deal: DealId, count: u64, said: &Said) -> Vec<Ballot> {
    let separator = market.hub.domain_separator();
    let ballot = |(worker, said): (&Party, &Option<ResultDigest>)| {
        let entry = |index| {
            said.map_or(BlindedVote::ABSENT, |it| vote(worker, task(deal, index), it).blinded())
        };
        let entries: Vec<BlindedVote> = (0..count).map(entry).collect();
        let sign = worker.sign(ballot_hash(separator, deal, U256::ZERO, &entries));
        Ballot { worker: worker.address, first: U256::ZERO, entries, sign }
    };
    workers().iter().zip(said).map(ballot).collect()
}

pub(crate) fn commit_call(market: &Market, deal: DealId, count: u64, said: &Said) -> LaneCall {
    let ballots = ballots(market, deal, count, said);
    LaneCall::Commit { deal, first: U256::ZERO, count, ballots }
}

pub(crate) fn bond_all(market: &mut Market, rlc: u64) {
    for worker in workers() {
        let (workerpool, amount) = (market.workerpool, nano(rlc * RLC));
        send(market, &worker, &LaneCall::Bond { workerpool, amount }).unwrap();
    }
}

pub(crate) fn committed(market: &mut Market, trust: u64, count: u64, said: &Said) -> DealId {
    bond_all(market, 20);
    let id = deal(market, trust, count, Conditions::NONE);
    let call = commit_call(market, id, count, said);
    by_owner(market, &call).unwrap();
    id
}

pub(crate) fn range(deal: DealId) -> CommitRange {
    let (rows_before, rows_after) = (Vec::new(), Vec::new());
    CommitRange { deal, first: U256::ZERO, time: START, rows_before, rows_after }
}

pub(crate) fn batch(deal: DealId, count: u64, said: &Said, right: ResultDigest) -> Batch {
    let outcome = |index| {
        let mut outcome = lane::Outcome { digest: right, results: RESULTS, ..Default::default() };
        for (place, (worker, said)) in workers().iter().zip(said).enumerate() {
            let Some(said) = said else { continue };
            outcome.present |= 1 << place;
            let vote = vote(worker, task(deal, index), *said);
            if *said == right {
                outcome.agreeing |= 1 << place;
                outcome.nonces.push(vote.nonce);
            } else {
                outcome.others.push(OtherVote::Disclosed(vote));
            }
        }
        outcome
    };
    let workers = workers().iter().take(said.len()).map(|worker| worker.address).collect();
    Batch { range: range(deal), workers, outcomes: (0..count).map(outcome).collect() }
}

pub(crate) fn settle(batch: Batch) -> LaneCall {
    LaneCall::Settle { batches: vec![batch] }
}

pub(crate) fn good() -> Option<ResultDigest> {
    Some(digest("good"))
}

pub(crate) fn bad() -> Option<ResultDigest> {
    Some(digest("bad"))
}

pub(crate) fn disclose(deal: DealId, said: &Said, positions: &[u64]) -> LaneCall {
    let (id, all) = (task(deal, 0), workers());
    let row_vote = |position: &u64| {
        let place = usize::try_from(*position).unwrap();
        RowVote { position: *position, vote: vote(&all[place], id, said[place].unwrap()) }
    };
    let votes = positions.iter().map(row_vote).collect();
    LaneCall::Disclose { range: range(deal), row: row(id, said), votes }
}

pub(crate) fn close(deal: DealId, said: &Said) -> LaneCall {
    LaneCall::Close { range: range(deal), row: row(task(deal, 0), said) }
}
