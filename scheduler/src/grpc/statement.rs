//! What everybody who voted for a task earned or lost, and why. All of it is on chain: this is for
//! those who would not search for it.

use super::{Context, find};
use poco_chain::{RpcError, TaskEnd};
use poco_core::statement::{Line, Statement};
use poco_core::{Amount, TaskId};
use poco_proto::v1;
use poco_scheduler_core::ReportStatus;
use tonic::Status;

/// Statements that are made at a time; each costs some dozen questions to the node.
pub(super) const STATEMENTS_MAX: usize = 16;

/// The statement of a task of this pool.
///
/// # Errors
/// `not_found` for a task that this pool does not know, `failed_precondition` for one that has not
/// ended, `unavailable` while the chain cannot be read.
pub(super) async fn of_task(context: &Context, task: TaskId) -> Result<v1::Statement, Status> {
    let report = find(context, task).await?;
    let since = match report.status {
        ReportStatus::Completed => report.ended,
        // When it was claimed, the report does not say.
        ReportStatus::Failed => report.final_deadline,
        ReportStatus::Pending | ReportStatus::Active | ReportStatus::Revealing => {
            return Err(Status::failed_precondition("the task has not ended"));
        }
    };
    let chain = &context.chain;
    let from = chain.first_block_at(since).await.map_err(|error| unread(task, &error))?;
    let end = chain.end_of(task, from).await.map_err(|error| unread(task, &error))?;
    let end = end.ok_or_else(|| Status::unavailable("the end of the task is not on chain now"))?;
    match chain.statement(&end).await.map_err(|error| unread(task, &error))? {
        Ok(told) => Ok(shown(&end, &told)),
        Err(why) => {
            tracing::error!(%task, %why, "the end of a task cannot be explained");
            Err(Status::internal(format!("the end of the task cannot be explained: {why}")))
        }
    }
}

fn unread(task: TaskId, error: &RpcError) -> Status {
    tracing::warn!(%task, %error, "a statement cannot be made");
    Status::unavailable("the pool cannot reach the chain at the moment; try again")
}

fn shown(end: &TaskEnd, told: &Statement) -> v1::Statement {
    let amount = |amount: Amount| amount.0.to_be_bytes_trimmed_vec();
    let line = |line: &Line| v1::StatementLine {
        worker: line.worker.to_vec(),
        verdict: line.verdict.name().into(),
        log_weight: line.log_weight,
        stake: amount(line.stake),
        reward: amount(line.reward),
        lost: amount(line.lost),
    };
    v1::Statement {
        task: told.task.0.to_vec(),
        deal: told.deal.0.to_vec(),
        workerpool: told.workerpool.to_vec(),
        is_completed: told.is_completed,
        block: end.block.number,
        time: end.block.timestamp.0,
        price: amount(told.price),
        forfeited: amount(told.forfeited),
        fee: amount(told.fee),
        fee_percent: told.fee_percent.saturating_to(),
        kitty: amount(told.kitty),
        log_weights: told.log_weights,
        workers: told.workers.iter().map(line).collect(),
    }
}
