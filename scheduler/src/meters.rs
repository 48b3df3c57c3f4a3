//! Numbers for Prometheus.

use poco_scheduler_core::{ReportStatus, Stats};
use prometheus::{Encoder as _, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Statuses of tasks with their names as labels.
const STATUSES: [(ReportStatus, &str); 5] = [
    (ReportStatus::Pending, "pending"),
    (ReportStatus::Active, "active"),
    (ReportStatus::Revealing, "revealing"),
    (ReportStatus::Completed, "completed"),
    (ReportStatus::Failed, "failed"),
];

#[derive(Debug)]
pub(crate) struct Meters {
    registry: Registry,
    deals: IntGauge,
    tasks: IntGaugeVec,
    tasks_live: IntGauge,
    tasks_waiting: IntGauge,
    tasks_hopeless: IntGauge,
    workers: IntGauge,
    slots: IntGauge,
    slots_used: IntGauge,
    transactions_in_flight: IntGauge,
    block: IntGauge,
    queue: IntGauge,
    pub(crate) transactions: IntCounterVec,
    pub(crate) commands: IntCounterVec,
    pub(crate) uploads_bytes: IntCounter,
}

impl Meters {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let tasks = IntGaugeVec::new(
            Opts::new("poco_scheduler_tasks", "Tasks in memory by status."),
            &["status"],
        )?;
        registry.register(Box::new(tasks.clone()))?;
        let uploads_bytes =
            IntCounter::new("poco_scheduler_uploads_bytes_total", "Bytes of results stored.")?;
        registry.register(Box::new(uploads_bytes.clone()))?;
        Ok(Self {
            deals: gauge("poco_scheduler_deals", "Deals that are not over.")?,
            tasks,
            tasks_live: gauge("poco_scheduler_tasks_live", "Tasks that count for the limit.")?,
            tasks_waiting: gauge(
                "poco_scheduler_tasks_waiting_for_workers",
                "Tasks that more workers would help.",
            )?,
            tasks_hopeless: gauge(
                "poco_scheduler_tasks_hopeless",
                "Tasks given up and held until their claim.",
            )?,
            workers: gauge("poco_scheduler_workers", "Connected workers.")?,
            slots: gauge("poco_scheduler_slots", "Slots of connected workers.")?,
            slots_used: gauge("poco_scheduler_slots_used", "Slots that are taken.")?,
            transactions_in_flight: gauge(
                "poco_scheduler_transactions_in_flight",
                "Tasks whose transaction is on its way.",
            )?,
            block: gauge("poco_scheduler_block", "The last block taken in.")?,
            queue: gauge("poco_scheduler_queue_length", "Arrivals that wait for the loop.")?,
            transactions: counters(
                "poco_scheduler_transactions_total",
                "Transactions that came to an end, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            commands: counters(
                "poco_scheduler_commands_total",
                "Commands sent to workers.",
                &["kind"],
            )?,
            uploads_bytes,
            registry,
        })
    }

    /// All numbers as text.
    pub(crate) fn text(&self, stats: &Stats, queue: usize) -> anyhow::Result<String> {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.deals.set(count(stats.deals));
        for (status, name) in STATUSES {
            let tasks = stats.tasks.get(&status).copied().unwrap_or_default();
            self.tasks.with_label_values(&[name]).set(count(tasks));
        }
        self.tasks_live.set(count(stats.tasks_live));
        self.tasks_waiting.set(count(stats.tasks_wanting));
        self.tasks_hopeless.set(count(stats.tasks_hopeless));
        self.workers.set(count(stats.workers));
        self.slots.set(count(stats.slots));
        self.slots_used.set(count(stats.slots_used));
        self.transactions_in_flight.set(count(stats.transactions_in_flight));
        self.block.set(i64::try_from(stats.head.number).unwrap_or(i64::MAX));
        self.queue.set(count(queue));
        let mut text = Vec::new();
        prometheus::TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }
}
