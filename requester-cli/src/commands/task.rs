//! `poco task`: one task on chain, and what its pool says about it.

use super::bound::{self, Bound};
use super::deal::{find, location, status_name};
use super::logs::{self, LogsArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs, table};
use crate::pool::Pool;
use clap::Subcommand;
use poco_chain::Chain;
use poco_core::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use poco_core::{Address, DealId, TaskId};
use poco_proto::v1::{Failure as ReplicaFailure, Lane, Stage, TaskReport};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Show a task: contributions, deadlines, result, and why it waits or failed
    Show {
        /// Its id
        task: TaskId,
    },
    /// Wait until a task has ended; the exit code tells how
    Follow {
        /// Its id
        task: TaskId,
    },
    /// Show what the runs of a task print, to its requester alone: live with --follow
    Logs(LogsArgs),
}

#[derive(Serialize)]
pub(crate) struct TaskAnswer {
    task: TaskId,
    deal: DealId,
    view: TaskView,
    contributions: Vec<ContributionLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<PoolLine>,
}

#[derive(Serialize)]
struct ContributionLine {
    worker: Address,
    #[serde(flatten)]
    view: ContributionView,
}

/// What the pool adds to what the chain shows.
#[derive(Serialize)]
struct PoolLine {
    waiting_for: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<String>,
    lane: &'static str,
    replicas: Vec<ReplicaLine>,
}

#[derive(Serialize)]
struct ReplicaLine {
    worker: String,
    stage: &'static str,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureLine>,
}

#[derive(Serialize)]
struct FailureLine {
    cause: &'static str,
    detail: String,
    exit_code: i32,
}

impl Show for TaskAnswer {
    fn show(&self) -> String {
        let view = &self.view;
        let mut rows = vec![
            ("task", self.task.to_string()),
            ("deal", format!("{} (index {})", self.deal, view.index)),
            ("status", status_name(view.status).to_owned()),
        ];
        if let Some(pool) = &self.pool {
            rows.push(("lane", pool.lane.to_owned()));
            if let Some(reason) = &pool.given_up {
                rows.push(("given up", reason.clone()));
            }
            rows.push(("waiting for", pool.waiting_for.clone()));
        }
        if view.status != TaskStatus::Unset {
            rows.push(("contribution deadline", view.contribution_deadline.0.to_string()));
            rows.push(("final deadline", view.final_deadline.0.to_string()));
        }
        if view.status == TaskStatus::Completed {
            rows.push(("digest", view.digest.to_string()));
        }
        if let Some(bound) = self.bound {
            rows.push(("bound", bound.words().to_owned()));
        }
        if let Some(location) = &self.location {
            rows.push(("result", location.clone()));
        }
        let mut text = pairs(&rows);
        if !self.contributions.is_empty() {
            text.push_str("\n\n");
            text.push_str(&contribution_table(&self.contributions));
        }
        for replica in self.pool.iter().flat_map(|pool| &pool.replicas) {
            text.push_str("\n\n");
            text.push_str(&show_replica(replica));
        }
        text
    }
}

fn contribution_table(lines: &[ContributionLine]) -> String {
    let row = |line: &ContributionLine| {
        let status = match line.view.status {
            ContributionStatus::Unset => "none",
            ContributionStatus::Contributed => "contributed",
            ContributionStatus::Proved => "revealed",
            ContributionStatus::Rejected => "rejected",
        };
        [
            line.worker.to_string(),
            status.to_owned(),
            line.view.weight.to_string(),
            line.view.hash.to_string(),
        ]
    };
    table(["WORKER", "STATUS", "WEIGHT", "VOTE"], lines.iter().map(row).collect())
}

fn show_replica(replica: &ReplicaLine) -> String {
    let connected = if replica.connected { "" } else { " (not connected)" };
    let mut text = format!("worker {}: {}{connected}", replica.worker, replica.stage);
    if let Some(failure) = &replica.failure {
        text.push_str(&format!("\n  {}: {}", failure.cause, failure.detail));
    }
    text
}

pub(crate) async fn run(context: &Context, command: TaskCommand) -> Result<(), Failure> {
    match command {
        TaskCommand::Logs(args) => logs::run(context, args).await,
        TaskCommand::Show { task } => {
            let chain = context.chain().await?;
            let answer = read(context, &chain, task).await?;
            context.output.answer(&answer)
        }
        TaskCommand::Follow { task } => {
            let chain = context.chain().await?;
            let (deal, pool) = find_pool(context, &chain, task).await?;
            let ended = super::follow::task(context, &chain, pool, task).await?;
            let answer = read(context, &chain, task).await?;
            context.output.answer(&answer)?;
            ended.into_result(task, deal)
        }
    }
}

pub(super) async fn find_pool(
    context: &Context,
    chain: &Chain,
    task: TaskId,
) -> Result<(DealId, Option<Pool>), Failure> {
    let view = chain.task(task).await?;
    if view.status == TaskStatus::Unset {
        return match &context.global.pool_url {
            Some(url) => Ok((DealId::ZERO, Some(Pool::at(url.clone())?))),
            None => Err(Failure::NotFound(format!(
                "no opened task {task} on this hub; pass --pool-url to ask its pool"
            ))),
        };
    }
    let (deal, _) = find(chain, view.deal).await?;
    let market = context.market(chain)?;
    let pool = match Pool::find(context, &market, deal.workerpool.pointer).await {
        Ok(pool) => pool,
        // Without a market the chain's part is still shown.
        Err(failure) => {
            context.output.note(&format!("{failure}; what follows is from the chain alone"));
            None
        }
    };
    Ok((view.deal, pool))
}

async fn read(context: &Context, chain: &Chain, task: TaskId) -> Result<TaskAnswer, Failure> {
    let view = chain.task(task).await?;
    let (deal, pool) = find_pool(context, chain, task).await?;
    let report = match &pool {
        Some(pool) => match pool.task(task).await {
            Ok(report) => report,
            Err(failure) => {
                context.output.note(&format!("{failure}; what follows is from the chain alone"));
                None
            }
        },
        None => None,
    };
    if view.status == TaskStatus::Unset && report.is_none() {
        return Err(Failure::NotFound(format!("neither the chain nor the pool knows {task}")));
    }
    let mut contributions = Vec::new();
    for worker in &view.contributors {
        let contribution = chain.contribution(task, *worker).await?;
        contributions.push(ContributionLine { worker: *worker, view: contribution });
    }
    let location = location(&view);
    let bound = match view.status {
        TaskStatus::Completed => bound::check(bound::recorded(chain, deal).await?, task, &view)?,
        TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing | TaskStatus::Failed => None,
    };
    let pool = report.map(pool_line);
    Ok(TaskAnswer { task, deal, view, contributions, location, bound, pool })
}

fn pool_line(report: TaskReport) -> PoolLine {
    let lane = match report.lane() {
        Lane::Unspecified => "not chosen yet",
        Lane::Classic => "classic",
        Lane::Fast => "fast",
        Lane::Settlement => "settlement",
    };
    let replicas = report.replicas.iter().map(|replica| ReplicaLine {
        worker: format!("0x{}", hex::encode(&replica.worker)),
        stage: stage_name(replica.stage()),
        connected: replica.connected,
        failure: replica.failure.as_ref().map(failure_line),
    });
    let given_up = Some(report.given_up).filter(|reason| !reason.is_empty());
    PoolLine { lane, replicas: replicas.collect(), waiting_for: report.waiting_for, given_up }
}

fn failure_line(failure: &ReplicaFailure) -> FailureLine {
    FailureLine {
        cause: cause_name(failure.cause()),
        detail: failure.detail.clone(),
        exit_code: failure.exit_code,
    }
}

/// A stage as people say it.
pub(crate) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Unspecified => "assigned",
        Stage::Accepted => "accepted",
        Stage::Pulling => "pulling the image",
        Stage::Fetching => "fetching inputs",
        Stage::Running => "running",
        Stage::Computed => "computed",
        Stage::Balloted => "signed its ballot",
        Stage::Committed => "disclosed its vote",
        Stage::Contributed => "contributed",
        Stage::Revealed => "revealed",
        Stage::Uploaded => "uploaded",
        Stage::Failed => "failed",
    }
}

pub(super) fn cause_name(cause: poco_proto::v1::failure::Cause) -> &'static str {
    use poco_proto::v1::failure::Cause;
    match cause {
        Cause::Unspecified => "failed",
        Cause::Declined => "the worker declined",
        Cause::Chain => "the chain does not agree",
        Cause::ImageMissing => "the image cannot be pulled",
        Cause::ImageDigest => "the image is not the one the app names",
        Cause::Input => "an input cannot be fetched",
        Cause::Dataset => "the dataset cannot be fetched or is another",
        Cause::ExitCode => "the app failed",
        Cause::TimeLimit => "the app exceeded its time",
        Cause::OutOfMemory => "the app exceeded its memory",
        Cause::OutOfDisk => "the app exceeded its disk",
        Cause::NoResult => "the app left no result",
        Cause::Engine => "the worker's machine failed",
        Cause::Refused => "the contract refused",
        Cause::Abandoned => "stopped",
    }
}
