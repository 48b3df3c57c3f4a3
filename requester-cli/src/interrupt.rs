//! Being asked to stop: what waits can clean up behind itself.

use crate::failure::Failure;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// What `work` gives, or `Cancelled` with `told` once Ctrl-C is pressed or SIGTERM comes. The
/// work is dropped then, and with it its temporary files.
pub(crate) async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
    told: &str,
) -> Result<T, Failure> {
    // Listened for before the work begins: what comes in between would end the process at once.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(Failure::Cancelled(told.to_owned())),
        _ = terminate.recv() => Err(Failure::Cancelled(told.to_owned())),
    }
}
