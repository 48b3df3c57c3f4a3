//! The scheduler at one moment, as it is shown: over HTTP, on the status page and by `status`.

use crate::arrival::Arrival;
use crate::grpc::{Context, ask};
use crate::meters::{STATUSES, Spent};
use crate::sales::OfferShown;
use crate::translate::checksummed;
use poco_scheduler_core::{Concern, Funds, MemberRecord, Stats, WorkerReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the loop knows at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) stats: Stats,
    pub(crate) workers: Vec<WorkerReport>,
    pub(crate) concerns: Vec<Concern>,
    pub(crate) funds: Option<Funds>,
}

/// Everything that is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) health: Health,
    pub(crate) pool: PoolShown,
    pub(crate) chain: ChainShown,
    pub(crate) funds: FundsShown,
    pub(crate) deals: usize,
    /// By status.
    pub(crate) tasks: BTreeMap<String, u64>,
    /// Of known deals, and not made yet.
    pub(crate) tasks_unmade: u64,
    pub(crate) tasks_live: usize,
    pub(crate) tasks_given_up: usize,
    /// Tasks that have not ended by what they wait for.
    pub(crate) waits: BTreeMap<String, u64>,
    pub(crate) slots: usize,
    pub(crate) slots_used: usize,
    pub(crate) workers: Vec<WorkerShown>,
    /// Orders in the market that the scheduler keeps itself.
    pub(crate) offers: Vec<OfferShown>,
    pub(crate) transactions_in_flight: usize,
    /// Since the process started.
    pub(crate) spent: Spent,
    pub(crate) store_bytes: u64,
    pub(crate) results_bytes: u64,
    /// What can still be stored of results.
    pub(crate) room_bytes: u64,
    pub(crate) queue: usize,
}

/// Whether the scheduler works, and what keeps it from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) state: State,
    /// One line each.
    pub(crate) reasons: Vec<String>,
}

/// How well the scheduler works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Everything is taken on.
    Ok,
    /// It works, but less is taken on or soon will be.
    Degraded,
    /// It cannot read the chain.
    Down,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolShown {
    pub(crate) chain_id: u64,
    pub(crate) hub: String,
    pub(crate) workerpool: String,
    pub(crate) owner: String,
    /// For workers and clients, with the pin of its key where they need one.
    pub(crate) url: String,
    pub(crate) version: String,
    pub(crate) up_seconds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainShown {
    /// The last block taken in.
    pub(crate) block: u64,
    /// The node's latest block when it was last asked.
    pub(crate) latest: u64,
    pub(crate) lag_blocks: u64,
    /// How old the last block is by the wall clock.
    pub(crate) age_seconds: u64,
}

/// Amounts in decimals, as JSON's numbers are too small.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundsShown {
    pub(crate) gas_wei: String,
    pub(crate) gas_price_wei: String,
    pub(crate) stake_free: String,
    pub(crate) stake_locked: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerShown {
    pub(crate) worker: String,
    pub(crate) connected: bool,
    pub(crate) drained: bool,
    pub(crate) slots: u32,
    pub(crate) slots_used: usize,
    pub(crate) tasks: usize,
    pub(crate) weight: String,
    pub(crate) bond: String,
}

/// Whether the scheduler works, from what the loop and the last look at the chain say.
pub(crate) fn health(context: &Context, concerns: &[Concern]) -> Health {
    let out_of_reach = context.outlook.borrow().out_of_reach();
    let state = match (&out_of_reach, concerns.is_empty()) {
        (Some(_), _) => State::Down,
        (None, false) => State::Degraded,
        (None, true) => State::Ok,
    };
    let concerns = concerns.iter().map(ToString::to_string);
    Health { state, reasons: out_of_reach.into_iter().chain(concerns).collect() }
}

/// What the loop knows now.
///
/// # Errors
/// `unavailable` while the process stops.
pub(crate) async fn snapshot(context: &Context) -> Result<Snapshot, tonic::Status> {
    ask(context, |reply| Arrival::SnapshotAsked { reply }).await
}

/// Who has which place in the orders that are drawn.
///
/// # Errors
/// `unavailable` while the process stops.
pub(crate) async fn members(context: &Context) -> Result<Vec<MemberRecord>, tonic::Status> {
    ask(context, |reply| Arrival::MembersAsked { reply }).await
}

/// Everything, as of now.
///
/// # Errors
/// `unavailable` while the process stops.
pub(crate) async fn status(context: &Context) -> Result<Status, tonic::Status> {
    let Snapshot { stats, workers, concerns, funds, .. } = snapshot(context).await?;
    let health = health(context, &concerns);
    let latest = context.outlook.borrow().purse.block.number.max(stats.head.number);
    let funds = funds.unwrap_or_default();
    let tasks = STATUSES.iter().map(|(status, name)| {
        ((*name).to_owned(), stats.tasks.get(status).map_or(0, |count| *count as u64))
    });
    Ok(Status {
        health,
        pool: PoolShown {
            chain_id: context.chain.chain_id(),
            hub: checksummed(context.chain.hub()),
            workerpool: checksummed(context.workerpool),
            owner: checksummed(context.owner),
            url: context.url.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            up_seconds: context.started.elapsed().as_secs(),
        },
        chain: ChainShown {
            block: stats.head.number,
            latest,
            lag_blocks: latest.saturating_sub(stats.head.number),
            age_seconds: age_seconds(&stats),
        },
        funds: FundsShown {
            gas_wei: funds.gas_wei.to_string(),
            gas_price_wei: funds.gas_price_wei.to_string(),
            stake_free: funds.stake_free.to_string(),
            stake_locked: funds.stake_locked.to_string(),
        },
        deals: stats.deals,
        tasks: tasks.collect(),
        tasks_unmade: stats.tasks_unmade,
        tasks_live: stats.tasks_live,
        tasks_given_up: stats.tasks_hopeless,
        waits: stats
            .waits
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count as u64))
            .collect(),
        slots: stats.slots,
        slots_used: stats.slots_used,
        workers: workers.iter().map(worker_shown).collect(),
        offers: context.on_offer.borrow().clone(),
        transactions_in_flight: stats.transactions_in_flight,
        spent: context.meters.spent(),
        store_bytes: context.store.size_bytes(),
        results_bytes: context.room.results.bytes(),
        room_bytes: context.room.left().unwrap_or_default(),
        queue: context.queue_len(),
    })
}

/// How old the last block is; the wall clock may be behind the chain's.
pub(crate) fn age_seconds(stats: &Stats) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    now.saturating_sub(stats.head.timestamp.0)
}

fn worker_shown(report: &WorkerReport) -> WorkerShown {
    WorkerShown {
        worker: checksummed(report.worker),
        connected: report.is_connected,
        drained: report.is_drained,
        slots: report.slots,
        slots_used: report.slots_used,
        tasks: report.tasks,
        weight: report.weight.to_string(),
        bond: report.bond.to_string(),
    }
}
