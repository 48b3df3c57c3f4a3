//! Numbers for Prometheus. What each means stands in its help text and in README.md.

use crate::status::{Health, Snapshot, State, age_seconds};
use poco_core::{Amount, U256};
use poco_scheduler_core::{Concern, ReportStatus, WAITS};
use prometheus::{
    Counter, Encoder as _, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Statuses of tasks with their names as labels.
pub(crate) const STATUSES: [(ReportStatus, &str); 5] = [
    (ReportStatus::Pending, "pending"),
    (ReportStatus::Active, "active"),
    (ReportStatus::Revealing, "revealing"),
    (ReportStatus::Completed, "completed"),
    (ReportStatus::Failed, "failed"),
];

/// From what is quick on a development chain to the longest category.
const TASK_SECONDS: [f64; 14] = [
    0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 36_000.0,
    86_400.0,
];
const WEI_PER_GWEI: f64 = 1e9;
const NANO_PER_RLC: f64 = 1e9;

/// What came of transactions and tasks since the process started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spent {
    pub(crate) gas: u64,
    pub(crate) fees_gwei: f64,
    pub(crate) earned_rlc: f64,
    pub(crate) seized_rlc: f64,
    /// By kind and outcome.
    pub(crate) transactions: BTreeMap<String, BTreeMap<String, u64>>,
}

#[derive(Debug)]
pub(crate) struct Meters {
    registry: Registry,
    deals: IntGauge,
    tasks: IntGaugeVec,
    tasks_live: IntGauge,
    tasks_unmade: IntGauge,
    tasks_waiting: IntGauge,
    tasks_hopeless: IntGauge,
    waits: IntGaugeVec,
    workers: IntGauge,
    workers_drained: IntGauge,
    slots: IntGauge,
    slots_used: IntGauge,
    transactions_in_flight: IntGauge,
    block: IntGauge,
    lag_blocks: IntGauge,
    block_age_seconds: IntGauge,
    chain_up: IntGauge,
    concerns: IntGaugeVec,
    gas_wei: Gauge,
    stake: prometheus::GaugeVec,
    store_bytes: IntGauge,
    output_bytes: IntGauge,
    results_bytes: IntGauge,
    files_bytes: IntGauge,
    room_bytes: IntGauge,
    queue: IntGauge,
    task_seconds: HistogramVec,
    transactions: IntCounterVec,
    gas: IntCounter,
    fees_gwei: Counter,
    earned_rlc: Counter,
    seized_rlc: Counter,
    refused: IntCounterVec,
    pub(crate) commands: IntCounterVec,
    pub(crate) uploads_bytes: IntCounter,
}

/// Makes numbers and registers them.
struct Maker {
    registry: Registry,
}

impl Maker {
    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(format!("poco_scheduler_{name}"), help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        let opts = Opts::new(format!("poco_scheduler_{name}"), help);
        let gauges = IntGaugeVec::new(opts, &[label])?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        let opts = Opts::new(format!("poco_scheduler_{name}"), help);
        let counters = IntCounterVec::new(opts, labels)?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let counter = IntCounter::new(format!("poco_scheduler_{name}"), help)?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn fraction(&self, name: &str, help: &str) -> prometheus::Result<Counter> {
        let counter = Counter::new(format!("poco_scheduler_{name}"), help)?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::new(format!("poco_scheduler_{name}"), help);
        let opts = opts.buckets(TASK_SECONDS.to_vec());
        let histograms = HistogramVec::new(opts, &[label])?;
        self.registry.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }
}

impl Meters {
    #[allow(clippy::too_many_lines, reason = "one entry a number, and nothing else")]
    pub(crate) fn new() -> anyhow::Result<Self> {
        let make = Maker { registry: Registry::new() };
        let gas_wei = Gauge::new("poco_scheduler_gas_wei", "Coin of the pool's owner for gas.")?;
        make.registry.register(Box::new(gas_wei.clone()))?;
        let opts = Opts::new("poco_scheduler_stake_rlc", "Stake of the pool's owner.");
        let stake = prometheus::GaugeVec::new(opts, &["state"])?;
        make.registry.register(Box::new(stake.clone()))?;
        Ok(Self {
            deals: make.gauge("deals", "Deals that are not over.")?,
            tasks: make.gauges("tasks", "Tasks in memory by status.", "status")?,
            tasks_live: make.gauge("tasks_live", "Tasks that count for the limit.")?,
            tasks_unmade: make.gauge("tasks_unmade", "Tasks of known deals, not made yet.")?,
            tasks_waiting: make
                .gauge("tasks_waiting_for_workers", "Tasks that more workers would help.")?,
            tasks_hopeless: make
                .gauge("tasks_hopeless", "Tasks given up and held until their claim.")?,
            waits: make.gauges(
                "tasks_waits",
                "Tasks that have not ended by what they wait for.",
                "reason",
            )?,
            workers: make.gauge("workers", "Connected workers.")?,
            workers_drained: make.gauge("workers_drained", "Workers that get nothing new.")?,
            slots: make.gauge("slots", "Slots of connected workers.")?,
            slots_used: make.gauge("slots_used", "Slots that are taken.")?,
            transactions_in_flight: make
                .gauge("transactions_in_flight", "Tasks whose transaction is on its way.")?,
            block: make.gauge("block", "The last block taken in.")?,
            lag_blocks: make
                .gauge("chain_lag_blocks", "Blocks that the node has and that are not taken in.")?,
            block_age_seconds: make
                .gauge("block_age_seconds", "Age of the last block by the wall clock.")?,
            chain_up: make.gauge("chain_up", "Whether the chain can be read.")?,
            concerns: make.gauges(
                "concerns",
                "Why less than everything is taken on, or soon will be.",
                "concern",
            )?,
            gas_wei,
            stake,
            store_bytes: make.gauge("store_bytes", "Size of the store on disk.")?,
            output_bytes: make
                .gauge("output_bytes", "Memory for what runs printed, at most 64 MiB.")?,
            results_bytes: make.gauge("results_bytes", "What stored results take.")?,
            files_bytes: make.gauge("files_bytes", "What files of others take that are kept.")?,
            room_bytes: make.gauge("room_bytes", "What can still be stored of results.")?,
            queue: make.gauge("queue_length", "Arrivals that wait for the loop.")?,
            task_seconds: make.histograms(
                "task_seconds",
                "How long tasks were in a status that they have left.",
                "status",
            )?,
            transactions: make.counters(
                "transactions_total",
                "Transactions that came to an end, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            gas: make.counter("gas_total", "Gas that mined transactions used.")?,
            fees_gwei: make.fraction("fees_gwei_total", "What was paid for that gas.")?,
            earned_rlc: make
                .fraction("earned_rlc_total", "What the hub rewarded the pool's owner with.")?,
            seized_rlc: make
                .fraction("seized_rlc_total", "What the hub seized from the pool's owner.")?,
            refused: make.counters(
                "refused_total",
                "Messages of workers and clients that were refused, by reason.",
                &["reason"],
            )?,
            commands: make.counters("commands_total", "Commands sent to workers.", &["kind"])?,
            uploads_bytes: make.counter("uploads_bytes_total", "Bytes of results stored.")?,
            registry: make.registry,
        })
    }

    /// Counts a transaction that came to an end.
    pub(crate) fn ended(&self, kind: &str, outcome: &str) {
        self.transactions.with_label_values(&[kind, outcome]).inc();
    }

    /// Counts what a mined transaction cost.
    pub(crate) fn paid(&self, gas: u64, fee_wei: U256) {
        self.gas.inc_by(gas);
        self.fees_gwei.inc_by(f64::from(fee_wei) / WEI_PER_GWEI);
    }

    pub(crate) fn earned(&self, amount: Amount) {
        self.earned_rlc.inc_by(f64::from(amount.0) / NANO_PER_RLC);
    }

    pub(crate) fn seized(&self, amount: Amount) {
        self.seized_rlc.inc_by(f64::from(amount.0) / NANO_PER_RLC);
    }

    /// Counts something that was refused.
    pub(crate) fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// How often that was counted.
    #[cfg(test)]
    pub(crate) fn refusals(&self, reason: &str) -> u64 {
        self.refused.with_label_values(&[reason]).get()
    }

    /// Takes in how long a task was in a status.
    pub(crate) fn measured(&self, status: ReportStatus, millis: u64) {
        if let Some((_, name)) = STATUSES.iter().find(|(known, _)| *known == status) {
            // 2^52 ms are 140 000 years.
            self.task_seconds.with_label_values(&[name]).observe(millis as f64 / 1000.0);
        }
    }

    pub(crate) fn spent(&self) -> Spent {
        let mut transactions: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for family in prometheus::core::Collector::collect(&self.transactions) {
            for metric in family.get_metric() {
                let label = |name: &str| {
                    let found = metric.get_label().iter().find(|label| label.name() == name);
                    found.map(|label| label.value().to_owned()).unwrap_or_default()
                };
                // A counter that only ever grew by one.
                let count = metric.get_counter().get_value() as u64;
                transactions.entry(label("kind")).or_default().insert(label("outcome"), count);
            }
        }
        Spent {
            gas: self.gas.get(),
            fees_gwei: self.fees_gwei.get(),
            earned_rlc: self.earned_rlc.get(),
            seized_rlc: self.seized_rlc.get(),
            transactions,
        }
    }

    /// All numbers as text.
    pub(crate) fn text(&self, seen: &Seen<'_>) -> anyhow::Result<String> {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let large = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let Snapshot { stats, workers, concerns, funds, .. } = seen.snapshot;
        self.deals.set(count(stats.deals));
        for (status, name) in STATUSES {
            let tasks = stats.tasks.get(&status).copied().unwrap_or_default();
            self.tasks.with_label_values(&[name]).set(count(tasks));
        }
        self.tasks_live.set(count(stats.tasks_live));
        self.tasks_unmade.set(large(stats.tasks_unmade));
        self.tasks_waiting.set(count(stats.tasks_wanting));
        self.tasks_hopeless.set(count(stats.tasks_hopeless));
        for reason in WAITS {
            let tasks = stats.waits.get(reason).copied().unwrap_or_default();
            self.waits.with_label_values(&[reason]).set(count(tasks));
        }
        self.workers.set(count(stats.workers));
        self.workers_drained.set(count(workers.iter().filter(|one| one.is_drained).count()));
        self.slots.set(count(stats.slots));
        self.slots_used.set(count(stats.slots_used));
        self.transactions_in_flight.set(count(stats.transactions_in_flight));
        self.block.set(large(stats.head.number));
        self.lag_blocks.set(large(seen.latest.saturating_sub(stats.head.number)));
        self.block_age_seconds.set(large(age_seconds(stats)));
        self.chain_up.set(i64::from(seen.health.state != State::Down));
        for name in Concern::NAMES {
            let holds = concerns.iter().any(|concern| concern.name() == name);
            self.concerns.with_label_values(&[name]).set(i64::from(holds));
        }
        if let Some(funds) = funds {
            self.gas_wei.set(f64::from(funds.gas_wei));
            for (state, amount) in [("free", funds.stake_free), ("locked", funds.stake_locked)] {
                let rlc = f64::from(amount.0) / NANO_PER_RLC;
                self.stake.with_label_values(&[state]).set(rlc);
            }
        }
        self.store_bytes.set(large(seen.store_bytes));
        self.output_bytes.set(count(seen.output_bytes));
        self.results_bytes.set(large(seen.results_bytes));
        self.files_bytes.set(large(seen.files_bytes));
        self.room_bytes.set(large(seen.room_bytes));
        self.queue.set(count(seen.queue));
        let mut text = Vec::new();
        prometheus::TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }
}

/// What the numbers of one moment are made from.
pub(crate) struct Seen<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) health: &'a Health,
    /// The node's latest block when it was last asked.
    pub(crate) latest: u64,
    pub(crate) store_bytes: u64,
    /// Memory for what runs printed.
    pub(crate) output_bytes: usize,
    pub(crate) results_bytes: u64,
    pub(crate) files_bytes: u64,
    pub(crate) room_bytes: u64,
    pub(crate) queue: usize,
}
