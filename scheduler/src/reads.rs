//! Reads what the core asks of the chain, until the node answers.

use crate::arrival::{Arrival, Arrivals};
use crate::placement;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use poco_chain::{Chain, RpcError, failpoint};
use poco_core::{Address, DealId, TaskId};
use poco_scheduler_core::{ContributionFacts, DealFacts, Input, TaskFacts};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Reads under way at a time; more wait.
const READS_MAX: usize = 32;
/// Contributions of one task read at a time.
const CONTRIBUTIONS_AT_ONCE: usize = 8;
/// First pause after a failed read; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Reads for the loop. Clones share the limit.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    chain: Chain,
    arrivals: Arrivals,
    permits: Arc<Semaphore>,
    /// The epoch of the latest question: nobody waits for the answers to older ones.
    epoch: Arc<AtomicU64>,
}

impl Reads {
    pub(crate) fn new(chain: Chain, arrivals: Arrivals) -> Self {
        let permits = Arc::new(Semaphore::new(READS_MAX));
        Self { chain, arrivals, permits, epoch: Arc::default() }
    }

    pub(crate) fn deal(&self, deal: DealId, epoch: u64, at_least: u64) {
        let reads = self.clone();
        reads.epoch.fetch_max(epoch, Ordering::SeqCst);
        tokio::spawn(async move {
            failpoint::hit("scheduler.read.deal.before");
            let Some(facts) = reads.until_answered(epoch, |it| it.deal_now(deal, at_least)).await
            else {
                return;
            };
            failpoint::hit("scheduler.read.deal.after");
            let input = Input::DealRead { deal, epoch, facts: facts.map(Box::new) };
            // The loop has ended: nobody needs the answer.
            let _ = reads.arrivals.send(Arrival::Core(input)).await;
        });
    }

    pub(crate) fn task(&self, task: TaskId, epoch: u64, at_least: u64) {
        let reads = self.clone();
        reads.epoch.fetch_max(epoch, Ordering::SeqCst);
        tokio::spawn(async move {
            failpoint::hit("scheduler.read.task.before");
            let Some(facts) = reads.until_answered(epoch, |it| it.task_now(task, at_least)).await
            else {
                return;
            };
            failpoint::hit("scheduler.read.task.after");
            let input = Input::TaskRead { task, epoch, facts: Box::new(facts) };
            // As above.
            let _ = reads.arrivals.send(Arrival::Core(input)).await;
        });
    }

    pub(crate) fn score(&self, worker: Address) {
        let reads = self.clone();
        tokio::spawn(async move {
            // A score that cannot be read now is read at the next login or end of a task.
            if let Ok(score) = reads.chain.score(worker).await {
                let input = Input::ScoreRead { worker, score };
                // As above.
                let _ = reads.arrivals.send(Arrival::Core(input)).await;
            }
        });
    }

    pub(crate) fn guard(&self, guard: Address, worker: Address) {
        let reads = self.clone();
        tokio::spawn(async move {
            let asked = {
                let Ok(_permit) = reads.permits.acquire().await else { return };
                reads.chain.is_group_member(guard, worker).await
            };
            match asked {
                Ok(is_known) => {
                    let input = Input::GuardRead { guard, worker, is_known };
                    // As above.
                    let _ = reads.arrivals.send(Arrival::Core(input)).await;
                }
                // The core asks again while it matters.
                Err(error) => tracing::warn!(%error, %guard, "a guard cannot be asked"),
            }
        });
    }

    pub(crate) fn bond(&self, worker: Address, workerpool: Address) {
        let reads = self.clone();
        tokio::spawn(async move {
            // As with scores; a commit that the bond does not cover is refused and tried again.
            if let Ok(bond) = reads.chain.bond(worker, workerpool).await {
                let input = Input::BondRead { worker, bond };
                // As above.
                let _ = reads.arrivals.send(Arrival::Core(input)).await;
            }
        });
    }

    /// Tries until there is an answer; `None` once the question is out of date.
    async fn until_answered<'a, T, F>(
        &'a self,
        epoch: u64,
        read: impl Fn(&'a Self) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<Option<T>, RpcError>>,
    {
        let mut pause = PAUSE_MIN;
        loop {
            if self.epoch.load(Ordering::SeqCst) > epoch || self.arrivals.is_closed() {
                return None;
            }
            let answer = {
                let _permit = self.permits.acquire().await.ok()?;
                read(self).await
            };
            match answer {
                Ok(Some(answer)) => return Some(answer),
                Ok(None) => pause = PAUSE_MIN,
                Err(error) => tracing::warn!(%error, "the chain cannot be read; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The block to read at: confirmed, so that only a told rollback can undo it, but not before
    /// `at_least`. `None` while the node does not have it.
    async fn block(&self, at_least: u64) -> Result<Option<u64>, RpcError> {
        let head = self.chain.latest().await?.number;
        let confirmed = head.saturating_sub(self.chain.confirmations()).max(at_least);
        Ok((confirmed <= head).then_some(confirmed))
    }

    async fn deal_now(
        &self,
        deal: DealId,
        at_least: u64,
    ) -> Result<Option<Option<DealFacts>>, RpcError> {
        let Some(block) = self.block(at_least).await? else { return Ok(None) };
        let chain = self.chain.at(block);
        deal_facts(&chain, deal).await.map(Some)
    }

    async fn task_now(&self, task: TaskId, at_least: u64) -> Result<Option<TaskFacts>, RpcError> {
        let Some(block) = self.block(at_least).await? else { return Ok(None) };
        let chain = &self.chain.at(block);
        let view = chain.task(task).await?;
        let read = |worker: Address| async move {
            let (view, score) =
                tokio::try_join!(chain.contribution(task, worker), chain.score(worker))?;
            Ok::<_, RpcError>(ContributionFacts { worker, view, score })
        };
        let contributions = stream::iter(view.contributors.clone())
            .map(read)
            .buffered(CONTRIBUTIONS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Some(TaskFacts { block, view, contributions }))
    }
}

/// What must be known about a deal; `None` where the chain has no such deal.
///
/// # Errors
/// [`RpcError`] where no node answered, or one that lags.
pub(crate) async fn deal_facts(chain: &Chain, id: DealId) -> Result<Option<DealFacts>, RpcError> {
    let Some(deal) = chain.deal(id).await? else { return Ok(None) };
    // The match made sure that the category exists.
    let category = chain.category(deal.category).await?.ok_or_else(|| RpcError::Unexpected {
        method: "viewCategory",
        detail: "the deal's category is not there".into(),
    })?;
    let work_clock_time_ref_seconds = category.work_clock_time_ref_seconds;
    let conditions = Some(chain.deal_conditions(id).await?);
    let placement = placement::parse(&deal.params);
    Ok(Some(DealFacts { deal, work_clock_time_ref_seconds, conditions, placement }))
}
