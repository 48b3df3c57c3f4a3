//! Colluders: they agree on a wrong result, and hope to be enough.

use poco_core::{Bytes, TaskId};

/// The same lie, whoever of them is asked.
pub(super) fn says(task: TaskId) -> Bytes {
    Bytes::from(format!("a lie about {task}").into_bytes())
}
