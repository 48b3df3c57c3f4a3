//! How long the record of a batch is, which our hub keeps as the code of a contract; see
//! `contracts/src/records/BatchRecord.sol`.

use super::call::Outcome;
use crate::payout::Share;
use alloy_primitives::Address;

/// Kind and number of workers, at its head.
const HEAD_BYTES: usize = 3;
/// A worker with the logarithm of its weight.
const WORKER_BYTES: usize = 21;
/// Place, parts, digest and length of the results of a task.
const TASK_BYTES: usize = 36;
/// Who was there and who won, where not every worker of the batch did.
const WINNERS_BYTES: usize = 8;
/// Hash and seal of a vote that lost.
const LOSER_BYTES: usize = 64;
/// The length of callback bytes.
const LENGTH_BYTES: usize = 2;
/// What is counted of a task before it is written: its fixed parts, and a word to write past.
const TASK_BYTES_MOST: usize = 78;

/// The head of the record of a batch of so many workers.
#[must_use]
pub fn head_bytes(workers: usize) -> usize {
    HEAD_BYTES.saturating_add(workers.saturating_mul(WORKER_BYTES))
}

/// What a task takes of it that ended with these shares, in a batch of `workers`.
pub(crate) fn task_bytes(workers: usize, shares: &[(Address, Share)], outcome: &Outcome) -> usize {
    let has_proved = |(_, share): &&(Address, Share)| matches!(share, Share::Proved { .. });
    let winners = shares.iter().filter(has_proved).count();
    let losers = shares.len().saturating_sub(winners);
    let votes = match winners == workers {
        true => 0,
        false => WINNERS_BYTES.saturating_add(losers.saturating_mul(LOSER_BYTES)),
    };
    let callback = match outcome.results_callback.len() {
        0 => 0,
        length => LENGTH_BYTES.saturating_add(length),
    };
    TASK_BYTES.saturating_add(votes).saturating_add(callback).saturating_add(outcome.results.len())
}

/// What a task may take of it, whatever becomes of its votes. A hub settles a task only while the record
/// has room for so much.
#[must_use]
pub fn most_bytes(outcome: &Outcome) -> usize {
    let others = outcome.others.len().saturating_mul(LOSER_BYTES);
    let bytes = outcome.results.len().saturating_add(outcome.results_callback.len());
    TASK_BYTES_MOST.saturating_add(others).saturating_add(bytes)
}
