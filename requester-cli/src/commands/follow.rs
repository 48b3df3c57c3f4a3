//! Following a task until it has ended, by the chain, with what the pool adds.

use super::deal::status_name;
use super::task::stage_name;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::unless_stopped;
use crate::output::Progress;
use crate::pool::Pool;
use futures::StreamExt;
use poco_chain::Chain;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{DealId, TaskId};
use poco_proto::v1::TaskReport;
use std::time::Duration;

/// How often the chain is asked while the pool says nothing new.
const POLL: Duration = Duration::from_millis(500);

/// Looks in a row that the chain does not answer: half a minute, in which a node is restarted or
/// has sorted out a reorg. The task goes on meanwhile.
const UNREAD_MAX: u32 = 60;

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// With a result, which this view names. It stays true of the result when the chain is
    /// rewritten and the task is finalized once more.
    Completed(Box<TaskView>),
    /// Without one: claimed, or given up by the pool, with what it says.
    Failed(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed(_) => f.write_str("completed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

impl Ended {
    pub(crate) fn into_result(self, task: TaskId, deal: DealId) -> Result<(), Failure> {
        match self {
            Self::Completed(_) => Ok(()),
            Self::Failed(why) => {
                Err(Failure::TaskFailed(format!("task {task} of deal {deal} failed: {why}")))
            }
        }
    }
}

/// Follows one task. Ctrl-C ends the following, not the task.
pub(crate) async fn task(
    context: &Context,
    chain: &Chain,
    pool: Option<Pool>,
    task: TaskId,
) -> Result<Ended, Failure> {
    let mut progress = context.output.progress();
    let told = format!("no longer following; the task goes on: `poco task show {task}`");
    let ended = unless_stopped(until_ended(chain, pool, task, &mut progress, ""), &told).await;
    progress.done();
    ended
}

/// Waits for the end of a task, telling `progress` each change. `prefix` names the task among several.
pub(crate) async fn until_ended(
    chain: &Chain,
    pool: Option<Pool>,
    task: TaskId,
    progress: &mut Progress,
    prefix: &str,
) -> Result<Ended, Failure> {
    let mut reports = None;
    let mut words = String::new();
    let mut unread = 0;
    loop {
        if let (None, Some(pool)) = (&reports, &pool) {
            // A pool that has not seen the deal yet is asked again; one that does not answer hides
            // details, not the outcome.
            reports = pool.watch(task).await.ok();
        }
        let view = match chain.task(task).await {
            Ok(view) => view,
            Err(_) if unread < UNREAD_MAX => {
                unread += 1;
                progress.set(&format!("{prefix}waiting for the chain"));
                tokio::time::sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        unread = 0;
        match view.status {
            TaskStatus::Completed => return Ok(Ended::Completed(Box::new(view))),
            TaskStatus::Failed => {
                let why = if words.is_empty() { "claimed after its deadline" } else { &words };
                return Ok(Ended::Failed(why.to_owned()));
            }
            TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {}
        }
        let status = status_name(view.status);
        if words.is_empty() {
            progress.set(&format!("{prefix}{status}"));
        } else {
            progress.set(&format!("{prefix}{status}: {words}"));
        }
        match &mut reports {
            Some(stream) => tokio::select! {
                report = stream.next() => match report {
                    Some(report) => {
                        if let Some(why) = given_up(&report) {
                            return Ok(Ended::Failed(why));
                        }
                        words = describe(&report);
                    }
                    None => reports = None,
                },
                () = tokio::time::sleep(POLL) => {}
            },
            None => tokio::time::sleep(POLL).await,
        }
    }
}

/// What the pool says when it has given a task up; the money comes back by claim.
fn given_up(report: &TaskReport) -> Option<String> {
    (!report.given_up.is_empty()).then(|| report.given_up.clone())
}

fn describe(report: &TaskReport) -> String {
    let replicas = report.replicas.iter().map(|replica| {
        let worker = hex::encode(replica.worker.get(..3).unwrap_or_default());
        format!("{worker} {}", stage_name(replica.stage()))
    });
    let replicas = replicas.collect::<Vec<_>>().join(", ");
    if replicas.is_empty() { report.waiting_for.clone() } else { replicas }
}
