//! Waiting out a node that fails: ever longer, and without filling the log.

use crate::rpc::RpcError;
use poco_chain_core::pace::Pace;
use std::time::{Duration, Instant};

/// The longest pause before a failed node is asked again.
const WAIT_MILLIS_MAX: u64 = 5_000;
/// How often a failure that goes on is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// A failure that goes on.
#[derive(Debug)]
pub(crate) struct Trouble {
    pace: Pace,
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { pace: Pace::new(WAIT_MILLIS_MAX), since: None, told: None }
    }
}

impl Trouble {
    /// The node failed. Returns how long to wait before it is asked again.
    pub(crate) fn on_failed(&mut self, error: &RpcError) -> u64 {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(%error, seconds = since.elapsed().as_secs(), "waiting for the chain");
        }
        self.pace.next_wait_millis()
    }

    /// The node answered.
    pub(crate) fn on_answered(&mut self) {
        if let Some(since) = self.since.take() {
            tracing::info!(seconds = since.elapsed().as_secs(), "the chain answers again");
            *self = Self::default();
        }
    }
}
