//! What the chain says of everything that was bought.

use anyhow::{Context, Result};
use poco_chain::{Chain, Interest};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{DealId, Event, TaskId, U256};
use std::collections::BTreeMap;

/// How many tasks stand where, and how often a worker was punished.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    /// Completed.
    pub(super) done: Vec<TaskId>,
    /// Claimed and refunded.
    pub(super) failed: Vec<TaskId>,
    /// Neither.
    pub(super) open: Vec<TaskId>,
    /// Votes that lost their stake.
    pub(super) slashed: usize,
    /// Votes that were paid.
    pub(super) proved: usize,
}

/// Every deal of the chain as it stands, with the number of its tasks; also those of `bought` that are
/// there although anvil, whose state is written apart from its logs, lost the event.
pub(super) async fn deals(
    chain: &Chain,
    bought: &BTreeMap<DealId, u64>,
) -> Result<BTreeMap<DealId, u64>> {
    let head = chain.latest().await?.number;
    let events = chain.events(&Interest::everything(), 0, head).await?;
    let mut deals = BTreeMap::new();
    for located in events {
        if let Event::OrdersMatched { deal, volume, .. } = located.event {
            deals.insert(deal, u64::try_from(volume)?);
        }
    }
    for (deal, volume) in bought {
        if !deals.contains_key(deal) && chain.deal(*deal).await?.is_some() {
            deals.insert(*deal, *volume);
        }
    }
    Ok(deals)
}

/// The tasks of some deals, each of which buys from index 0 on.
pub(super) fn tasks_of(deals: &BTreeMap<DealId, u64>) -> Vec<TaskId> {
    let tasks = |(deal, volume): (&DealId, &u64)| {
        let deal = *deal;
        (0..*volume).map(move |index| TaskId::of_deal(deal, U256::from(index))).collect::<Vec<_>>()
    };
    deals.iter().flat_map(tasks).collect()
}

/// Looks at every task.
pub(super) async fn standing(chain: &Chain, tasks: &[TaskId]) -> Result<Count> {
    let mut count = Count::default();
    for (task, view) in tasks.iter().zip(chain.tasks(tasks).await?) {
        match view.status {
            TaskStatus::Completed => count.done.push(*task),
            TaskStatus::Failed => count.failed.push(*task),
            TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {
                count.open.push(*task)
            }
        }
    }
    Ok(count)
}

/// Looks at every task and each of its votes.
pub(super) async fn count(chain: &Chain, tasks: &[TaskId]) -> Result<Count> {
    let mut count = standing(chain, tasks).await?;
    for task in tasks {
        let view = chain.task(*task).await?;
        for worker in &view.contributors {
            let vote = chain.contribution(*task, *worker).await.context("a vote")?;
            count.proved += usize::from(vote.status == ContributionStatus::Proved);
            count.slashed += usize::from(vote.status == ContributionStatus::Rejected);
        }
    }
    Ok(count)
}
