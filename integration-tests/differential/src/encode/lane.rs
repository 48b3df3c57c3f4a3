//! Calls of the settlement lane as bytes.

use crate::abi::Hub;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use poco_core::lane::{
    Ballot, Batch, CommitRange, LaneCall, OtherVote, Outcome, Row, RowVote, Vote,
};

/// A call of the settlement lane.
#[must_use]
pub fn lane(call: &LaneCall) -> Bytes {
    match call {
        LaneCall::Bond { workerpool, amount } => {
            Hub::bondCall { pool: *workerpool, amount: amount.0 }.abi_encode()
        }
        LaneCall::Unbond { workerpool } => Hub::unbondCall { pool: *workerpool }.abi_encode(),
        LaneCall::WithdrawBond { workerpool } => {
            Hub::withdrawBondCall { pool: *workerpool }.abi_encode()
        }
        LaneCall::Commit { deal, first, count, ballots } => Hub::commitCall {
            dealId: deal.0,
            first: *first,
            count: U256::from(*count),
            ballots: ballots.iter().map(ballot).collect(),
        }
        .abi_encode(),
        LaneCall::Settle { batches } => {
            Hub::settleCall { batches: batches.iter().map(batch).collect() }.abi_encode()
        }
        LaneCall::Disclose { range, row, votes } => Hub::discloseCall {
            range: commit_range(range),
            row: bytes(row),
            votes: votes.iter().map(row_vote).collect(),
        }
        .abi_encode(),
        LaneCall::Close { range, row } => {
            Hub::closeCall { range: commit_range(range), row: bytes(row) }.abi_encode()
        }
        LaneCall::Release { range, rows } => {
            let rows = rows.iter().map(bytes).collect();
            Hub::releaseCall { range: commit_range(range), rows }.abi_encode()
        }
    }
    .into()
}

fn bytes(row: &Row) -> Bytes {
    row.to_bytes().into()
}

fn ballot(ballot: &Ballot) -> Hub::Ballot {
    Hub::Ballot {
        worker: ballot.worker,
        first: ballot.first,
        entries: ballot.entries.iter().map(|entry| entry.0).collect(),
        sign: ballot.sign.clone(),
    }
}

fn commit_range(range: &CommitRange) -> Hub::CommitRange {
    Hub::CommitRange {
        dealId: range.deal.0,
        first: range.first,
        time: U256::from(range.time.0),
        rowsBefore: range.rows_before.clone(),
        rowsAfter: range.rows_after.clone(),
    }
}

fn batch(batch: &Batch) -> Hub::Batch {
    Hub::Batch {
        range: commit_range(&batch.range),
        workers: batch.workers.clone(),
        outcomes: batch.outcomes.iter().map(outcome).collect(),
    }
}

fn outcome(outcome: &Outcome) -> Hub::Outcome {
    Hub::Outcome {
        present: U256::from(outcome.present),
        agreeing: U256::from(outcome.agreeing),
        digest: outcome.digest.0,
        nonces: outcome.nonces.iter().map(|nonce| nonce.0).collect(),
        others: outcome.others.iter().map(other_vote).collect(),
        results: outcome.results.clone(),
        resultsCallback: outcome.results_callback.clone(),
    }
}

/// A vote that was not disclosed has its entry alone; what else stands there must not be looked at.
fn other_vote(other: &OtherVote) -> Hub::OtherVote {
    match other {
        OtherVote::Disclosed(Vote { hash, seal, nonce }) => Hub::OtherVote {
            resultHash: hash.0,
            resultSeal: seal.0,
            nonce: nonce.0,
            entry: B256::ZERO,
        },
        OtherVote::Silent(blinded) => Hub::OtherVote {
            resultHash: keccak256(blinded.0),
            resultSeal: keccak256(b"dirt"),
            nonce: 1,
            entry: blinded.0,
        },
    }
}

fn row_vote(RowVote { position, vote }: &RowVote) -> Hub::RowVote {
    Hub::RowVote {
        position: U256::from(*position),
        resultHash: vote.hash.0,
        resultSeal: vote.seal.0,
        nonce: vote.nonce.0,
    }
}
