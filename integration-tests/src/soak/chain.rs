//! What the chain says of everything that was bought.

use crate::anvil::EVENTS_KEPT_BLOCKS;
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

/// The deals of the last blocks, with the number of their tasks: also those whose buyer was told nothing.
pub(super) async fn new_deals(chain: &Chain) -> Result<BTreeMap<DealId, u64>> {
    let head = chain.latest().await?.number;
    let from = head.saturating_sub(EVENTS_KEPT_BLOCKS / 2);
    let mut deals = BTreeMap::new();
    for located in chain.events(&Interest::everything(), from, head).await? {
        if let Event::OrdersMatched { deal, volume, .. } = located.event {
            deals.insert(deal, u64::try_from(volume)?);
        }
    }
    Ok(deals)
}

/// Those of `deals` that are there: the others were undone with their blocks.
pub(super) async fn standing_deals(
    chain: &Chain,
    deals: &BTreeMap<DealId, u64>,
) -> Result<BTreeMap<DealId, u64>> {
    let mut standing = BTreeMap::new();
    for (deal, volume) in deals {
        if chain.deal(*deal).await?.is_some() {
            standing.insert(*deal, *volume);
        }
    }
    Ok(standing)
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
