//! Calls of the settlement lane as calldata.

use crate::abi::{Lane, LaneBallot, LaneBatch, LaneOtherVote, LaneOutcome, LaneRange, LaneRowVote};
use alloy_sol_types::SolCall;
use poco_core::lane::{Ballot, Batch, CommitRange, LaneCall, OtherVote, Outcome, Row, RowVote};
use poco_core::{B256, Bytes, DealId, U256};

/// The calldata of a call.
pub(crate) fn encode(call: &LaneCall) -> Bytes {
    match call {
        LaneCall::Bond { workerpool, amount } => {
            Lane::bondCall { pool: *workerpool, amount: amount.0 }.abi_encode().into()
        }
        LaneCall::Unbond { workerpool } => {
            Lane::unbondCall { pool: *workerpool }.abi_encode().into()
        }
        LaneCall::WithdrawBond { workerpool } => {
            Lane::withdrawBondCall { pool: *workerpool }.abi_encode().into()
        }
        LaneCall::Commit { deal, first, count, ballots } => commit(*deal, *first, *count, ballots),
        LaneCall::Settle { batches } => {
            Lane::settleCall { batches: batches.iter().map(batch).collect() }.abi_encode().into()
        }
        LaneCall::Disclose { range: of, row, votes } => {
            let votes = votes.iter().map(row_vote).collect();
            Lane::discloseCall { range: range(of), row: bytes(row), votes }.abi_encode().into()
        }
        LaneCall::Close { range: of, row } => {
            Lane::closeCall { range: range(of), row: bytes(row) }.abi_encode().into()
        }
        LaneCall::Release { range: of, rows } => {
            let rows = rows.iter().map(bytes).collect();
            Lane::releaseCall { range: range(of), rows }.abi_encode().into()
        }
    }
}

fn commit(deal: DealId, first: U256, count: u64, ballots: &[Ballot]) -> Bytes {
    let ballot = |ballot: &Ballot| LaneBallot {
        worker: ballot.worker,
        first: ballot.first,
        entries: ballot.entries.iter().map(|entry| entry.0).collect(),
        sign: ballot.sign.clone(),
    };
    let ballots = ballots.iter().map(ballot).collect();
    Lane::commitCall { dealId: deal.0, first, count: U256::from(count), ballots }
        .abi_encode()
        .into()
}

fn range(range: &CommitRange) -> LaneRange {
    LaneRange {
        dealId: range.deal.0,
        first: range.first,
        time: U256::from(range.time.0),
        rowsBefore: range.rows_before.clone(),
        rowsAfter: range.rows_after.clone(),
    }
}

fn batch(batch: &Batch) -> LaneBatch {
    LaneBatch {
        range: range(&batch.range),
        workers: batch.workers.clone(),
        outcomes: batch.outcomes.iter().map(outcome).collect(),
    }
}

fn outcome(outcome: &Outcome) -> LaneOutcome {
    LaneOutcome {
        present: U256::from(outcome.present),
        agreeing: U256::from(outcome.agreeing),
        digest: outcome.digest.0,
        nonces: outcome.nonces.iter().map(|nonce| nonce.0).collect(),
        others: outcome.others.iter().map(other_vote).collect(),
        results: outcome.results.clone(),
        resultsCallback: outcome.results_callback.clone(),
    }
}

fn other_vote(vote: &OtherVote) -> LaneOtherVote {
    match vote {
        OtherVote::Disclosed(vote) => LaneOtherVote {
            resultHash: vote.hash.0,
            resultSeal: vote.seal.0,
            nonce: vote.nonce.0,
            entry: B256::ZERO,
        },
        OtherVote::Silent(blinded) => LaneOtherVote {
            resultHash: B256::ZERO,
            resultSeal: B256::ZERO,
            nonce: 0,
            entry: blinded.0,
        },
    }
}

fn row_vote(vote: &RowVote) -> LaneRowVote {
    LaneRowVote {
        position: U256::from(vote.position),
        resultHash: vote.vote.hash.0,
        resultSeal: vote.vote.seal.0,
        nonce: vote.vote.nonce.0,
    }
}

fn bytes(row: &Row) -> Bytes {
    row.to_bytes().into()
}
