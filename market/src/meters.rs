//! What the market measures, as Prometheus reads it.

use crate::book::Book;
use crate::record::kind_name;
use anyhow::Context;
use poco_core::OrderKind;
use prometheus::{
    Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The four kinds, in the order in which they are listed everywhere.
pub(crate) const KINDS: [OrderKind; 4] =
    [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool, OrderKind::Request];

/// Gauges and counters of this process.
pub(crate) struct Meters {
    registry: Registry,
    open_orders: IntGaugeVec,
    deals: IntGauge,
    last_block: IntGauge,
    requests: IntCounterVec,
    rollbacks: IntCounter,
}

impl Meters {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let open_orders = IntGaugeVec::new(
            Opts::new("poco_market_open_orders", "Open orders by kind."),
            &["kind"],
        )?;
        let deals = IntGauge::new("poco_market_deals", "Deals recorded.")?;
        let last_block =
            IntGauge::new("poco_market_last_block", "The last block that is in the book.")?;
        let requests = IntCounterVec::new(
            Opts::new("poco_market_requests_total", "Requests answered, by status."),
            &["status"],
        )?;
        let rollbacks =
            IntCounter::new("poco_market_rollbacks_total", "Reorganisations of the chain undone.")?;
        registry.register(Box::new(open_orders.clone()))?;
        registry.register(Box::new(deals.clone()))?;
        registry.register(Box::new(last_block.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(rollbacks.clone()))?;
        Ok(Self { registry, open_orders, deals, last_block, requests, rollbacks })
    }

    /// Shows the state after a change.
    pub(crate) fn show(&self, book: &Book, position: u64, deals: u64) {
        for kind in KINDS {
            let count = i64::try_from(book.open_count(kind)).unwrap_or(i64::MAX);
            self.open_orders.with_label_values(&[kind_name(kind)]).set(count);
        }
        self.deals.set(i64::try_from(deals).unwrap_or(i64::MAX));
        self.last_block.set(i64::try_from(position).unwrap_or(i64::MAX));
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        self.requests.with_label_values(&[status.to_string().as_str()]).inc();
    }

    /// Counts a reorganisation.
    pub(crate) fn rolled_back(&self) {
        self.rollbacks.inc();
    }

    /// Everything in Prometheus' text format.
    pub(crate) fn text(&self) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .context("the metrics cannot be written")?;
        Ok(text)
    }
}
