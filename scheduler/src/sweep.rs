//! Forgets results past their time: first what is stored, then that it was. Killed in between, the
//! next sweep goes on; the other way round the object would stay for ever.

use crate::objects::Objects;
use crate::store::Store;
use poco_chain::failpoint;
use poco_core::Timestamp;
use tokio::task::block_in_place;

/// Tasks forgotten together: the disk is waited for once.
const TOGETHER_MAX: usize = 256;

/// Forgets the tasks kept until `now` or less, and the objects that no other task holds.
pub(crate) async fn sweep(store: Store, results: Objects, now: Timestamp) {
    failpoint::hit("scheduler.sweep.before");
    if let Err(error) = forget(&store, &results, now).await {
        tracing::error!(error = format!("{error:#}"), "old results cannot be forgotten");
    }
    failpoint::hit("scheduler.sweep.after");
}

async fn forget(store: &Store, results: &Objects, now: Timestamp) -> anyhow::Result<()> {
    let mut begin = Some(Box::default());
    while let Some(from) = begin {
        let held = results.held();
        let is_held = |location: &str| held.contains(location);
        // RocksDB waits for the disk.
        let expired = block_in_place(|| store.find_expired(now, &from, TOGETHER_MAX, is_held))?;
        for location in &expired.locations {
            failpoint::hit("scheduler.sweep.object.before");
            results.remove(location).await;
            failpoint::hit("scheduler.sweep.object.after");
        }
        failpoint::hit("scheduler.sweep.forget.before");
        block_in_place(|| store.forget(&expired))?;
        failpoint::hit("scheduler.sweep.forget.after");
        begin = expired.rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Kind;
    use crate::store::{Batch, Change, Identity};
    use poco_core::{Address, B256, DealId, TaskId, U256};
    use poco_result::Cid;
    use poco_scheduler_core::{Lane, ReportStatus, StoredResult, TaskReport};
    use std::path::Path;

    const IDENTITY: Identity =
        Identity { chain_id: 1, hub: Address::ZERO, workerpool: Address::ZERO };

    const REPORT_BYTES: usize = 4_096;

    fn report(task: TaskId, waiting_for: String) -> Box<TaskReport> {
        Box::new(TaskReport {
            task,
            deal: DealId::default(),
            index: U256::ZERO,
            status: ReportStatus::Completed,
            waiting_for,
            given_up: None,
            lane: Lane::Classic,
            replicas: Vec::new(),
            contribution_deadline: Timestamp::default(),
            reveal_deadline: Timestamp::default(),
            final_deadline: Timestamp::default(),
            location: String::new(),
            digest: None,
            ended: Timestamp::default(),
        })
    }

    /// Ends tasks with these numbers, which are kept until `keep_until`.
    fn retire(store: &Store, numbers: std::ops::Range<u64>, keep_until: Timestamp) {
        let change = |number: u64| {
            let task = TaskId(B256::left_padding_from(&number.to_be_bytes()));
            // Of what repeats itself, a store would keep less.
            let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let text: String = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                char::from(b'a' + (state % 26) as u8)
            })
            .take(REPORT_BYTES)
            .collect();
            Change::Retire { task, report: report(task, text), keep_until }
        };
        let changes = numbers.map(change).collect();
        store.commit(&Batch { changes, cursor: None }).unwrap();
    }

    fn place(folder: &Path) -> (Store, Objects) {
        let store = Store::open(&folder.join("store"), IDENTITY).unwrap();
        (store, Objects::open(Kind::Results, None, &folder.join("results")).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_sweep_forgets_all_whose_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (store, results) = place(folder.path());
        retire(&store, 0..1_500, Timestamp(10));
        retire(&store, 1_500..1_600, Timestamp(11));
        sweep(store.clone(), results, Timestamp(10)).await;
        let left = store.find_expired(Timestamp(11), &[], 2_000, |_| false).unwrap();
        assert_eq!(left.tasks.len(), 100);
        let first = TaskId(B256::ZERO);
        assert!(store.retired(first).unwrap().is_none(), "its report is gone with it");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_result_that_is_just_stored_again_outlives_the_task_that_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, results) = place(folder.path());
        let file = folder.path().join("zip");
        std::fs::write(&file, b"result").unwrap();
        let cid: Cid = poco_result::cid::cid_of_file(&file).unwrap();
        let task = TaskId(B256::ZERO);
        let (location, digest) = (cid.location(), Default::default());
        let (worker, callback) = (Address::ZERO, Default::default());
        let result = StoredResult { worker, digest, location, callback, size_bytes: 6 };
        let changes = vec![Change::Result { task, result, beneficiary: Address::ZERO }];
        store.commit(&Batch { changes, cursor: None }).unwrap();
        retire(&store, 0..1, Timestamp(10));
        // Another task brings the same, and is not recorded yet.
        let hold = results.put(&cid, &file).await.unwrap();
        sweep(store.clone(), results.clone(), Timestamp(10)).await;
        assert!(results.get(&cid, Default::default()).await.unwrap().is_some());
        assert!(store.retired(task).unwrap().is_some(), "it goes with a later sweep");
        drop(hold);
        sweep(store.clone(), results.clone(), Timestamp(10)).await;
        assert!(results.get(&cid, Default::default()).await.unwrap().is_none());
        assert!(store.retired(task).unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_store_takes_stays_the_same_while_tasks_come_and_go() {
        const TASKS: u64 = 1_000;
        let folder = tempfile::tempdir().unwrap();
        let (store, results) = place(folder.path());
        let mut sizes = Vec::new();
        for round in 0..16u64 {
            let first = round * TASKS;
            retire(&store, first..first + TASKS, Timestamp(round));
            sweep(store.clone(), results.clone(), Timestamp(round)).await;
            sizes.push(store.size_bytes());
        }
        let written = 16 * TASKS * REPORT_BYTES as u64;
        let largest = sizes.iter().copied().max().unwrap();
        assert!(largest < written / 2, "of {written} bytes {sizes:?} were kept");
    }
}
