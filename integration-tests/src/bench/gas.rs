//! The gas of a task, call by call, from the receipts of the transactions that made it.

use super::blocks::Sighting;
use super::reference;
use super::statistics::Summary;
use crate::anvil::Anvil;
use anyhow::{Context, Result};
use poco_core::lane::LaneEvent;
use poco_core::{B256, Event};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A call, told apart where its gas differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `matchOrders`.
    Match,
    /// `initializeArray` with one task.
    Initialize,
    /// `contribute` of the only one who votes.
    ContributeAlone,
    /// The first `contribute` of several.
    ContributeFirst,
    /// One in between.
    ContributeFollowing,
    /// The one that reaches consensus.
    ContributeDeciding,
    /// The first `reveal`.
    RevealFirst,
    /// One after it.
    RevealFollowing,
    /// `finalize`.
    Finalize,
    /// `contributeAndFinalize`.
    ContributeAndFinalize,
    /// `commit` of one task.
    Commit,
    /// `settle` of one task.
    Settle,
}

impl Call {
    /// As tables show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Match => "matchOrders",
            Self::Initialize => "initializeArray, 1 task",
            Self::ContributeAlone => "contribute, alone",
            Self::ContributeFirst => "contribute, first",
            Self::ContributeFollowing => "contribute, following",
            Self::ContributeDeciding => "contribute, deciding",
            Self::RevealFirst => "reveal, first",
            Self::RevealFollowing => "reveal, following",
            Self::Finalize => "finalize",
            Self::ContributeAndFinalize => "contributeAndFinalize",
            Self::Commit => "commit, 1 task",
            Self::Settle => "settle, 1 task",
        }
    }
}

/// One call's gas beside the reference's.
#[derive(Clone, Debug, Serialize)]
pub struct GasRow {
    /// The call.
    pub call: String,
    /// Median over all such calls of all runs.
    pub gas: f64,
    /// The reference's.
    pub reference: Option<u64>,
}

/// The gas of one lane.
#[derive(Clone, Debug, Serialize)]
pub struct GasTable {
    /// Which lane.
    pub lane: String,
    /// Its calls, and the whole task last.
    pub rows: Vec<GasRow>,
}

/// Which call each transaction of a task was, in the order of the chain.
#[must_use]
pub fn calls(events: &[Sighting]) -> Vec<(B256, Call)> {
    let is_vote = |event: &Event| matches!(event, Event::TaskContribute { .. });
    let votes = events.iter().filter(|seen| is_vote(&seen.located.event)).count();
    let mut transactions: Vec<(B256, Vec<&Event>)> = Vec::new();
    for Sighting { located, .. } in events {
        match transactions.last_mut() {
            Some((last, several)) if *last == located.transaction => several.push(&located.event),
            Some(_) | None => transactions.push((located.transaction, vec![&located.event])),
        }
    }
    let mut calls: Vec<(B256, Call)> = Vec::new();
    for (transaction, events) in transactions {
        let is_new = |call| calls.iter().all(|(_, known)| *known != call);
        let has = |is_meant: fn(&Event) -> bool| events.iter().any(|event| is_meant(event));
        let is_end = has(|event| matches!(event, Event::TaskFinalize { .. }));
        let call = if has(|event| matches!(event, Event::OrdersMatched { .. })) {
            Call::Match
        } else if has(|event| matches!(event, Event::Lane(LaneEvent::Committed { .. }))) {
            Call::Commit
        } else if is_end && !is_new(Call::Commit) {
            Call::Settle
        } else if has(|event| matches!(event, Event::TaskInitialize { .. })) {
            Call::Initialize
        } else if has(is_vote) {
            let decides = has(|event| matches!(event, Event::TaskConsensus { .. }));
            match (is_end, votes) {
                (true, _) => Call::ContributeAndFinalize,
                (false, 1) => Call::ContributeAlone,
                (false, _) if decides => Call::ContributeDeciding,
                (false, _) if is_new(Call::ContributeFirst) => Call::ContributeFirst,
                (false, _) => Call::ContributeFollowing,
            }
        } else if is_end {
            Call::Finalize
        } else if has(|event| matches!(event, Event::TaskReveal { .. })) {
            if is_new(Call::RevealFirst) { Call::RevealFirst } else { Call::RevealFollowing }
        } else {
            continue;
        };
        calls.push((transaction, call));
    }
    calls
}

/// The gas of every call of a task, from the receipts.
///
/// # Errors
/// Where the chain does not have them.
pub async fn read(anvil: &Anvil, events: &[Sighting]) -> Result<Vec<(Call, u64)>> {
    let mut used = Vec::new();
    for (transaction, call) in calls(events) {
        let receipt = anvil.call("eth_getTransactionReceipt", json!([transaction])).await?;
        let gas = receipt["gasUsed"].as_str().context("a receipt has its gas")?;
        used.push((call, u64::from_str_radix(gas.trim_start_matches("0x"), 16)?));
    }
    Ok(used)
}

impl GasTable {
    /// The table of some tasks of one lane, on each of which `workers` voted.
    #[must_use]
    pub fn of(lane: &str, workers: usize, tasks: &[Vec<(Call, u64)>]) -> Self {
        let mut by_call: BTreeMap<Call, Vec<f64>> = BTreeMap::new();
        for (call, gas) in tasks.iter().flatten() {
            by_call.entry(*call).or_default().push(*gas as f64);
        }
        let is_fast = by_call.contains_key(&Call::ContributeAndFinalize);
        let row = |call: &str, values: Vec<f64>, reference| {
            let gas = Summary::of(values)?.median;
            Some(GasRow { call: call.into(), gas, reference })
        };
        let mut rows: Vec<GasRow> = by_call
            .into_iter()
            .filter_map(|(call, gas)| row(call.name(), gas, reference::gas(call, workers)))
            .collect();
        let sums = tasks.iter().map(|calls| calls.iter().map(|(_, gas)| *gas as f64).sum());
        rows.extend(row("whole task", sums.collect(), reference::whole(is_fast, workers)));
        Self { lane: lane.into(), rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::{BlockRef, LocatedEvent};
    use poco_core::{Address, Bytes, DealId, OrderHash, ResultDigest, ResultHash, TaskId, U256};
    use std::time::Instant;

    const TASK: TaskId = TaskId::ZERO;

    fn seen(transaction: u8, event: Event) -> Sighting {
        let block = BlockRef { number: 0, hash: B256::ZERO, timestamp: Default::default() };
        let transaction = B256::repeat_byte(transaction);
        Sighting {
            located: LocatedEvent { event, block, transaction, log_index: 0 },
            at: Instant::now(),
        }
    }

    fn vote() -> Event {
        Event::TaskContribute { task: TASK, worker: Address::ZERO, hash: ResultHash::ZERO }
    }

    fn consensus() -> Event {
        Event::TaskConsensus { task: TASK, consensus: ResultHash::ZERO }
    }

    fn reveal() -> Event {
        Event::TaskReveal { task: TASK, worker: Address::ZERO, digest: ResultDigest::ZERO }
    }

    fn end() -> Event {
        Event::TaskFinalize { task: TASK, results: Bytes::new() }
    }

    fn beginning() -> Vec<Sighting> {
        let order = OrderHash::ZERO;
        let matched = Event::OrdersMatched {
            deal: DealId::ZERO,
            app: order,
            dataset: order,
            workerpool: order,
            request: order,
            volume: U256::ONE,
        };
        let opened = Event::TaskInitialize { task: TASK, workerpool: Address::ZERO };
        vec![seen(1, matched), seen(2, opened)]
    }

    fn names(events: &[Sighting]) -> Vec<Call> {
        calls(events).into_iter().map(|(_, call)| call).collect()
    }

    #[test]
    fn three_votes_are_a_first_a_following_and_a_deciding_one() {
        let mut events = beginning();
        events.extend([seen(3, vote()), seen(4, vote()), seen(5, vote()), seen(5, consensus())]);
        events.extend([seen(6, reveal()), seen(7, reveal()), seen(8, reveal()), seen(9, end())]);
        assert_eq!(
            names(&events),
            [
                Call::Match,
                Call::Initialize,
                Call::ContributeFirst,
                Call::ContributeFollowing,
                Call::ContributeDeciding,
                Call::RevealFirst,
                Call::RevealFollowing,
                Call::RevealFollowing,
                Call::Finalize,
            ]
        );
    }

    #[test]
    fn one_transaction_may_be_vote_reveal_and_end() {
        let mut events = beginning();
        events.extend([vote(), consensus(), reveal(), end()].map(|event| seen(3, event)));
        assert_eq!(names(&events), [Call::Match, Call::Initialize, Call::ContributeAndFinalize]);
        let mut events = beginning();
        events.extend([seen(3, vote()), seen(3, consensus()), seen(4, reveal()), seen(5, end())]);
        assert_eq!(names(&events)[2..], [Call::ContributeAlone, Call::RevealFirst, Call::Finalize]);
    }

    #[test]
    fn a_committed_task_is_settled() {
        let committed = Event::Lane(LaneEvent::Committed {
            deal: DealId::ZERO,
            first: U256::ZERO,
            lengths: Bytes::new(),
            rows: Bytes::new(),
        });
        let opened = Event::TaskInitialize { task: TASK, workerpool: Address::ZERO };
        let mut events = beginning();
        events.truncate(1);
        events.extend([opened, committed].map(|event| seen(2, event)));
        events.extend([vote(), vote(), consensus(), reveal(), end()].map(|event| seen(3, event)));
        assert_eq!(names(&events), [Call::Match, Call::Commit, Call::Settle]);
    }

    #[test]
    fn a_whole_task_is_the_sum_of_its_calls() {
        let task = |gas| vec![(Call::Match, gas), (Call::Initialize, 10), (Call::Finalize, 20)];
        let table = GasTable::of("classic", 1, &[task(100), task(300), task(200)]);
        let row = |at: usize| (table.rows[at].call.as_str(), table.rows[at].gas);
        assert_eq!(row(0), ("matchOrders", 200.0));
        assert_eq!(row(3), ("whole task", 230.0));
        assert_eq!(table.rows[3].reference, Some(1_902_000));
    }
}
