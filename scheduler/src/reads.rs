//! Reads what the core asks of the chain, until the node answers.

use crate::arrival::{Arrival, Arrivals};
use crate::placement;
use poco_chain::{Chain, RpcError, failpoint};
use poco_core::{Address, CategoryId, Deal, DealConditions, DealId, TaskId};
use poco_scheduler_core::{ContributionFacts, DealFacts, Input, TaskFacts};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Reads under way at a time; more wait.
const READS_MAX: usize = 32;
/// Batches of tasks that are read at a time.
const BATCHES_MAX: usize = 4;
/// Tasks of one batch: with their block they stay below the hundred calls that nodes take.
const BATCH_TASKS: usize = 96;
/// First pause after a failed read; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Reads for the loop. Clones share the limits.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    chain: Chain,
    arrivals: Arrivals,
    permits: Arc<Semaphore>,
    /// The epoch of the latest question: nobody waits for the answers to older ones.
    epoch: Arc<AtomicU64>,
    tasks: Arc<Mutex<TaskQuestions>>,
    /// Of categories: nobody can change them. With the epoch, after which they may be others.
    seconds: Arc<Mutex<(u64, BTreeMap<CategoryId, u64>)>>,
}

/// Tasks that are to be read. The core asks about each at most once at a time.
#[derive(Debug, Default)]
struct TaskQuestions {
    waiting: VecDeque<TaskQuestion>,
    readers: usize,
}

#[derive(Clone, Copy, Debug)]
struct TaskQuestion {
    task: TaskId,
    epoch: u64,
    at_least: u64,
}

impl Reads {
    pub(crate) fn new(chain: Chain, arrivals: Arrivals) -> Self {
        Self {
            chain,
            arrivals,
            permits: Arc::new(Semaphore::new(READS_MAX)),
            epoch: Arc::default(),
            tasks: Arc::default(),
            seconds: Arc::default(),
        }
    }

    pub(crate) fn deal(&self, deal: DealId, epoch: u64, at_least: u64) {
        let reads = self.clone();
        reads.epoch.fetch_max(epoch, Ordering::SeqCst);
        tokio::spawn(async move {
            failpoint::hit("scheduler.read.deal.before");
            let read = |it| Self::deal_now(it, deal, epoch, at_least);
            let Some(facts) = reads.until_answered(epoch, read).await else { return };
            failpoint::hit("scheduler.read.deal.after");
            let input = Input::DealRead { deal, epoch, facts: facts.map(Box::new) };
            // The loop has ended: nobody needs the answer.
            let _ = reads.arrivals.send(Arrival::Core(input)).await;
        });
    }

    /// Reads a task, together with others that wait.
    pub(crate) fn task(&self, task: TaskId, epoch: u64, at_least: u64) {
        self.epoch.fetch_max(epoch, Ordering::SeqCst);
        let mut questions = self.questions();
        questions.waiting.push_back(TaskQuestion { task, epoch, at_least });
        if questions.readers < BATCHES_MAX {
            questions.readers += 1;
            let reads = self.clone();
            tokio::spawn(async move { while reads.read_batch().await {} });
        }
    }

    fn questions(&self) -> MutexGuard<'_, TaskQuestions> {
        self.tasks.lock().expect("no code panics while it holds this lock")
    }

    /// Reads some of the tasks that wait; `false` where none does, and the reader is through.
    async fn read_batch(&self) -> bool {
        let batch: Vec<TaskQuestion> = {
            let confirmed = self.chain.highest_seen().saturating_sub(self.chain.confirmations());
            let mut questions = self.questions();
            // One batch is read at one block: of those that need a newer one than is confirmed, each
            // block has its own.
            let block = |one: &TaskQuestion| one.at_least.max(confirmed);
            let first = questions.waiting.front().map(block);
            let alike = questions.waiting.iter().take(BATCH_TASKS);
            let count = alike.take_while(|one| Some(block(one)) == first).count();
            if count == 0 || self.arrivals.is_closed() {
                questions.readers = questions.readers.saturating_sub(1);
                return false;
            }
            questions.waiting.drain(..count).collect()
        };
        failpoint::hit("scheduler.read.task.before");
        let epoch = batch.iter().map(|one| one.epoch).max().unwrap_or_default();
        let Some(all) = self.until_answered(epoch, |it| it.tasks_now(&batch)).await else {
            return true;
        };
        failpoint::hit("scheduler.read.task.after");
        for (question, facts) in batch.iter().zip(all) {
            let (task, epoch) = (question.task, question.epoch);
            let input = Input::TaskRead { task, epoch, facts: Box::new(facts) };
            // As above.
            let _ = self.arrivals.send(Arrival::Core(input)).await;
        }
        true
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
        // Mostly a block that was seen just now, so that no question is asked for its number.
        let head = match self.chain.highest_seen() {
            seen if seen >= at_least && seen > 0 => seen,
            _ => self.chain.latest().await?.number,
        };
        let confirmed = head.saturating_sub(self.chain.confirmations()).max(at_least);
        Ok((confirmed <= head).then_some(confirmed))
    }

    async fn deal_now(
        &self,
        deal: DealId,
        epoch: u64,
        at_least: u64,
    ) -> Result<Option<Option<DealFacts>>, RpcError> {
        let Some(block) = self.block(at_least).await? else { return Ok(None) };
        let chain = self.chain.at(block);
        let Some((deal, conditions)) = chain.deal_terms(deal).await? else {
            return Ok(Some(None));
        };
        let known = {
            let mut seconds = self.seconds.lock().expect("no code panics while it holds this lock");
            if seconds.0 < epoch {
                *seconds = (epoch, BTreeMap::new());
            }
            seconds.1.get(&deal.category).copied()
        };
        let seconds = match known {
            Some(seconds) => seconds,
            None => {
                let seconds = seconds_of(&chain, deal.category).await?;
                let mut all = self.seconds.lock().expect("no code panics while it holds this lock");
                if all.0 == epoch {
                    all.1.insert(deal.category, seconds);
                }
                seconds
            }
        };
        Ok(Some(Some(facts_of(deal, seconds, conditions))))
    }

    async fn tasks_now(&self, batch: &[TaskQuestion]) -> Result<Option<Vec<TaskFacts>>, RpcError> {
        let at_least = batch.iter().map(|one| one.at_least).max().unwrap_or_default();
        let Some(block) = self.block(at_least).await? else { return Ok(None) };
        let chain = self.chain.at(block);
        let tasks: Vec<TaskId> = batch.iter().map(|one| one.task).collect();
        let views = chain.tasks(&tasks).await?;
        let votes = tasks
            .iter()
            .zip(&views)
            .flat_map(|(task, view)| view.contributors.iter().map(|worker| (*task, *worker)));
        let votes: Vec<(TaskId, Address)> = votes.collect();
        let mut told = chain.contributions(&votes).await?.into_iter();
        let mut all = Vec::with_capacity(views.len());
        for view in views {
            let of_task = view.contributors.iter().zip(told.by_ref());
            let contributions = of_task
                .map(|(worker, (view, score))| ContributionFacts { worker: *worker, view, score })
                .collect();
            all.push(TaskFacts { block, view, contributions });
        }
        Ok(Some(all))
    }
}

/// What must be known about a deal; `None` where the chain has no such deal.
///
/// # Errors
/// [`RpcError`] where no node answered, or one that lags.
pub(crate) async fn deal_facts(chain: &Chain, id: DealId) -> Result<Option<DealFacts>, RpcError> {
    let Some((deal, conditions)) = chain.deal_terms(id).await? else { return Ok(None) };
    let seconds = seconds_of(chain, deal.category).await?;
    Ok(Some(facts_of(deal, seconds, conditions)))
}

fn facts_of(deal: Deal, work_clock_time_ref_seconds: u64, conditions: DealConditions) -> DealFacts {
    let placement = placement::parse(&deal.params);
    DealFacts { deal, work_clock_time_ref_seconds, conditions: Some(conditions), placement }
}

async fn seconds_of(chain: &Chain, category: CategoryId) -> Result<u64, RpcError> {
    // The match made sure that the category exists.
    let category = chain.category(category).await?.ok_or_else(|| RpcError::Unexpected {
        method: "viewCategory",
        detail: "the deal's category is not there".into(),
    })?;
    Ok(category.work_clock_time_ref_seconds)
}
