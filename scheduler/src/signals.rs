//! SIGTERM and SIGINT: the first begins a stop that keeps promises, a second one ends at once.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two phases of a stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// Begin nothing new, and end when nothing is under way.
    pub(crate) gently: CancellationToken,
    /// End after what is in the queue.
    pub(crate) at_once: CancellationToken,
}

/// Cancelled by the first and the second signal.
///
/// # Errors
/// Where the system gives no signal handlers.
pub(crate) fn stop() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let Stop { gently, at_once } = stop.clone();
    tokio::spawn(async move {
        for token in [gently, at_once] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            token.cancel();
        }
    });
    Ok(stop)
}
