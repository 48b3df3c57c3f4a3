//! What requesters and operators see. Read only.

use super::{Context, logs, statement};
use crate::arrival::{Arrival, Subject, Which};
use crate::watchers::Watched;
use crate::{explaining, translate};
use futures::StreamExt as _;
use poco_core::{DealId, TaskId};
use poco_proto::v1::observer_server::Observer;
use poco_proto::v1::{
    ExplainRequest, Explanation as Explained, GetPoolRequest, GetTaskRequest, LogsPart,
    LogsRequest, PoolReport, Statement, TaskReport,
};
use poco_proto::words;
use poco_scheduler_core::{Explanation, ReportStatus, TaskReport as Shown};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Reports on their way to one watcher; one that reads slowly skips some.
const WATCH_LEN: usize = 4;

#[derive(Debug)]
pub(super) struct Service {
    pub(super) context: Context,
    /// Of what runs print.
    pub(super) readers: Arc<Semaphore>,
    /// Statements under way.
    pub(super) statements: Semaphore,
}

#[tonic::async_trait]
impl Observer for Service {
    async fn get_pool(&self, _: Request<GetPoolRequest>) -> Result<Response<PoolReport>, Status> {
        let stats = ask(&self.context, |reply| Arrival::StatsAsked { reply }).await?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Response::new(PoolReport {
            chain_id: self.context.chain.chain_id(),
            hub: self.context.chain.hub().to_vec(),
            workerpool: self.context.workerpool.to_vec(),
            owner: self.context.owner.to_vec(),
            software_version: env!("CARGO_PKG_VERSION").into(),
            block: stats.head.number,
            workers: count(stats.workers),
            slots: count(stats.slots),
            slots_free: count(stats.slots.saturating_sub(stats.slots_used)),
            tasks_live: stats.tasks_live as u64,
        }))
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<TaskReport>, Status> {
        let task = task_of(request)?;
        let report = find(&self.context, task).await?;
        Ok(Response::new(translate::task_shown(&report)))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<Explained>, Status> {
        let subject =
            explaining::subject(request.into_inner()).map_err(Status::invalid_argument)?;
        let explained = explain(&self.context, subject).await?;
        Ok(Response::new(explaining::shown(&explained)))
    }

    async fn get_statement(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<Statement>, Status> {
        let busy = "too many statements are made now; try again";
        let _permit =
            self.statements.try_acquire().map_err(|_| Status::resource_exhausted(busy))?;
        let task = task_of(request)?;
        statement::of_task(&self.context, task).await.map(Response::new)
    }

    type WatchTaskStream = Pin<Box<dyn Stream<Item = Result<TaskReport, Status>> + Send>>;

    async fn watch_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let task = task_of(request)?;
        let watch = match watch(&self.context, task).await? {
            Watched::Changes(watch) => watch,
            Watched::Once(report) => {
                let report = translate::task_shown(&report);
                return Ok(Response::new(futures::stream::iter([Ok(report)]).boxed()));
            }
        };
        let (sender, reports) = mpsc::channel(WATCH_LEN);
        tokio::spawn(show(watch, sender, self.context.stop.clone()));
        Ok(Response::new(ReceiverStream::new(reports).boxed()))
    }

    type ReadLogsStream = ReceiverStream<Result<LogsPart, Status>>;

    async fn read_logs(
        &self,
        request: Request<LogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let permit = self.readers.clone().try_acquire_owned();
        let busy = "too many read logs now; try again";
        let permit = permit.map_err(|_| Status::resource_exhausted(busy))?;
        let parts = logs::read(&self.context, request.into_inner(), permit).await?;
        Ok(Response::new(ReceiverStream::new(parts)))
    }
}

/// Follows a task. One question: between two, a task that was not known yet could become so, and
/// whoever wanted to follow it would be shown one report and sent away.
///
/// # Errors
/// `not_found`, or `unavailable` while the process stops.
pub(super) async fn watch(context: &Context, task: TaskId) -> Result<Watched, Status> {
    let watch = |task: Which| ask(context, move |reply| Arrival::WatchAsked { task, reply });
    if let Some(watched) = watch(Which::Id(task)).await? {
        return Ok(watched);
    }
    if let Some(report) = retired(context, task).await? {
        // Ended and retired: there is one report, and nothing will change.
        return Ok(Watched::Once(Box::new(report)));
    }
    let (deal, offset) = unmade(context, task).await?;
    watch(Which::At(deal, offset)).await?.ok_or_else(unknown)
}

/// Shows every change until the task has ended, the watcher goes or the process stops.
async fn show(
    mut watch: watch::Receiver<Shown>,
    sender: mpsc::Sender<Result<TaskReport, Status>>,
    stop: tokio_util::sync::CancellationToken,
) {
    loop {
        let report = watch.borrow_and_update().clone();
        if sender.send(Ok(translate::task_shown(&report))).await.is_err() || has_ended(&report) {
            return;
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
            () = stop.cancelled() => return,
        }
    }
}

pub(super) fn has_ended(report: &Shown) -> bool {
    match report.status {
        ReportStatus::Completed | ReportStatus::Failed => true,
        ReportStatus::Pending | ReportStatus::Active | ReportStatus::Revealing => false,
    }
}

fn task_of(request: Request<GetTaskRequest>) -> Result<TaskId, Status> {
    words::task(&request.into_inner().task)
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

/// A task's report: from the core, made there or not, or once it was forgotten from the store.
///
/// # Errors
/// `not_found`, or `unavailable` while the process stops.
pub(crate) async fn find(context: &Context, task: TaskId) -> Result<Shown, Status> {
    let report = |task: Which| ask(context, move |reply| Arrival::TaskAsked { task, reply });
    if let Some(report) = report(Which::Id(task)).await? {
        return Ok(report);
    }
    if let Some(report) = retired(context, task).await? {
        return Ok(report);
    }
    let (deal, offset) = unmade(context, task).await?;
    report(Which::At(deal, offset)).await?.ok_or_else(unknown)
}

/// Why something is where it is.
///
/// # Errors
/// `not_found` for a task that is not known or has been forgotten, or `unavailable` while the
/// process stops.
pub(crate) async fn explain(context: &Context, subject: Subject) -> Result<Explanation, Status> {
    let _turn = context.explaining.acquire().await.expect("nobody closes it");
    let explained = |subject: Subject| {
        let subject = Box::new(subject);
        ask(context, move |reply| Arrival::ExplainAsked { subject, reply })
    };
    if let Some(told) = explained(subject.clone()).await? {
        return Ok(told);
    }
    if let Subject::Task(Which::Id(task)) = subject
        && retired(context, task).await?.is_none()
    {
        let (deal, offset) = unmade(context, task).await?;
        let told = explained(Subject::Task(Which::At(deal, offset))).await?;
        return told.ok_or_else(unknown);
    }
    Err(Status::not_found("the task ended long ago and is settled"))
}

/// The place of a task that is not made: its deal and how far it is from the deal's first.
///
/// One looks at a time, beside the loop: what it costs, [`Lookup`](poco_scheduler_core::Lookup) says.
///
/// # Errors
/// `not_found`, or `unavailable` while the process stops.
async fn unmade(context: &Context, task: TaskId) -> Result<(DealId, u64), Status> {
    let mut lookup = context.lookup.clone().lock_owned().await;
    let unmade = ask(context, |reply| Arrival::UnmadeAsked { reply }).await?;
    let found = tokio::task::spawn_blocking(move || lookup.find(task, unmade)).await;
    match found {
        Ok(Ok(found)) => found.ok_or_else(unknown),
        Ok(Err(too_many)) => Err(Status::not_found(too_many.to_string())),
        Err(error) => Err(Status::internal(format!("the task cannot be looked for: {error}"))),
    }
}

fn unknown() -> Status {
    Status::not_found("this pool does not know the task")
}

/// The last report of a task that was forgotten in the core; `None` where there is none.
async fn retired(context: &Context, task: TaskId) -> Result<Option<Shown>, Status> {
    let store = context.store.clone();
    let retired = tokio::task::spawn_blocking(move || store.retired(task)).await;
    match retired {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(error) => Err(unreadable(&error.into())),
    }
}

/// Asks the loop.
pub(crate) async fn ask<T>(
    context: &Context,
    question: impl FnOnce(oneshot::Sender<T>) -> Arrival,
) -> Result<T, Status> {
    let stopping = || Status::unavailable("the scheduler is stopping; try again");
    let (reply, answer) = oneshot::channel();
    context.arrivals.send(question(reply)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

fn unreadable(error: &anyhow::Error) -> Status {
    tracing::error!(error = format!("{error:#}"), "the store cannot be read");
    Status::internal("the pool's store cannot be read")
}
