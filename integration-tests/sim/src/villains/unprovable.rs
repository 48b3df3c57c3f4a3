//! A requester whose app gives another result on each machine, so that nobody can ever agree.

use poco_core::{Address, Bytes, TaskId};

/// The parameters by which such an app is asked for.
pub(crate) const UNPROVABLE: &str = "unprovable";

/// What the app writes on the machine of a worker.
pub(crate) fn says_on(worker: Address, task: TaskId) -> Bytes {
    Bytes::from(format!("what {worker} finds for {task}").into_bytes())
}
