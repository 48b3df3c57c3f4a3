//! Whether what a task records is what its workers voted for: in deals with bound results the hub
//! sees to it, and here it is computed again.

use crate::failure::Failure;
use poco_chain::Chain;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{DealId, Recorded, TaskId};
use serde::Serialize;

/// What of a completed task is bound to its digest, and nothing else is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bound {
    /// The results, which name the zip.
    Results,
    /// The callback's bytes.
    Callback,
}

impl Bound {
    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Results => "the results, which name the zip: the workers voted for them",
            Self::Callback => "what the callback got: the workers voted for it",
        }
    }
}

/// What the tasks of a deal record.
///
/// # Errors
/// Where no node answered, or none knows the deal.
pub(crate) async fn recorded(chain: &Chain, id: DealId) -> Result<Recorded, Failure> {
    let (deal, kept) = tokio::try_join!(chain.deal(id), chain.deal_conditions(id))?;
    let deal = deal.ok_or_else(|| Failure::NotFound(format!("no deal {id} on this hub")))?;
    Ok(Recorded::of(&deal, kept))
}

/// What of a task is bound; nothing before it is completed.
///
/// # Errors
/// `Mismatch` where what is said to be recorded is not what was voted for.
pub(crate) fn check(
    recorded: Recorded,
    task: TaskId,
    view: &TaskView,
) -> Result<Option<Bound>, Failure> {
    if view.status != TaskStatus::Completed {
        return Ok(None);
    }
    match recorded.is_as_voted(view) {
        None => Ok(None),
        Some(true) if recorded.has_callback() => Ok(Some(Bound::Callback)),
        Some(true) => Ok(Some(Bound::Results)),
        Some(false) => Err(Failure::Mismatch(format!(
            "the results of task {task} are bound, but what the node says was recorded does not hash to the digest {}: no hub does that; ask another node with --rpc-url",
            view.digest
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{ResultDigest, keccak256};

    fn completed(recorded: Recorded) -> TaskView {
        let results = recorded.results("/ipfs/bafy");
        let digest = ResultDigest(keccak256(&results));
        TaskView { status: TaskStatus::Completed, results, digest, ..TaskView::default() }
    }

    #[test]
    fn what_is_bound_is_told_of_completed_tasks_alone() {
        let view = completed(Recorded::BoundLocation);
        let check = |recorded, view: &TaskView| check(recorded, TaskId::ZERO, view).unwrap();
        assert_eq!(check(Recorded::BoundLocation, &view), Some(Bound::Results));
        assert_eq!(check(Recorded::Location, &view), None);
        let open = TaskView { status: TaskStatus::Revealing, ..view };
        assert_eq!(check(Recorded::BoundLocation, &open), None);
        let callback = completed(Recorded::BoundCallback);
        assert_eq!(check(Recorded::BoundCallback, &callback), Some(Bound::Callback));
    }

    #[test]
    fn a_node_that_tells_other_results_than_were_voted_for_is_found_out() {
        let results = Recorded::BoundLocation.results("/ipfs/bafk");
        let view = TaskView { results, ..completed(Recorded::BoundLocation) };
        let failure = check(Recorded::BoundLocation, TaskId::ZERO, &view).unwrap_err();
        assert!(matches!(failure, Failure::Mismatch(_)), "{failure}");
    }
}
