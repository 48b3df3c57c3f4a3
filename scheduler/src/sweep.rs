//! Forgets results past their time: first what is stored, then that it was. Killed in between, the
//! next sweep goes on; the other way round the object would stay for ever.

use crate::results::Results;
use crate::store::Store;
use poco_chain::failpoint;
use poco_core::Timestamp;
use tokio::task::block_in_place;

/// Tasks forgotten in one sweep; the next sweep goes on.
const SWEEP_TASKS_MAX: usize = 1000;

/// Forgets the tasks kept until `now` or less, and the objects that no other task holds.
pub(crate) async fn sweep(store: Store, results: Results, now: Timestamp) {
    failpoint::hit("scheduler.sweep.before");
    if let Err(error) = forget(&store, &results, now).await {
        tracing::error!(error = format!("{error:#}"), "old results cannot be forgotten");
    }
    failpoint::hit("scheduler.sweep.after");
}

async fn forget(store: &Store, results: &Results, now: Timestamp) -> anyhow::Result<()> {
    for _ in 0..SWEEP_TASKS_MAX {
        let Some(expired) = block_in_place(|| store.find_expired(now))? else { break };
        for location in &expired.locations {
            failpoint::hit("scheduler.sweep.object.before");
            results.remove(location).await;
            failpoint::hit("scheduler.sweep.object.after");
        }
        failpoint::hit("scheduler.sweep.forget.before");
        // RocksDB waits for the disk.
        block_in_place(|| store.forget(&expired))?;
        failpoint::hit("scheduler.sweep.forget.after");
    }
    Ok(())
}
