//! `poco claim`: the refund after a task's final deadline.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Show;
use clap::Args;
use poco_chain::{Chain, Transaction};
use poco_core::task::TaskStatus;
use poco_core::{B256, Call, Deal, DealId, TaskId, U256};
use serde::Serialize;

/// Tasks claimed in one transaction: well below any block's gas.
const CLAIMS_MAX: usize = 50;

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// A task, or a deal of which every late task is claimed
    id: B256,
}

#[derive(Serialize)]
struct ClaimAnswer {
    claimed: Vec<TaskId>,
    transactions: Vec<B256>,
}

impl Show for ClaimAnswer {
    fn show(&self) -> String {
        let tasks = self.claimed.iter().map(|task| format!("claimed {task}"));
        tasks.collect::<Vec<_>>().join("\n")
    }
}

/// What has to be sent for a late task.
enum Late {
    Opened(TaskId),
    NeverOpened(TaskId, U256),
}

pub(crate) async fn run(context: &Context, args: ClaimArgs) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let (deal_id, late) = match chain.deal(DealId(args.id)).await? {
        Some(deal) => (DealId(args.id), late_tasks(&chain, DealId(args.id), &deal).await?),
        None => {
            let view = chain.task(TaskId(args.id)).await?;
            if view.status == TaskStatus::Unset {
                return Err(Failure::NotFound(format!("no deal and no opened task {}", args.id)));
            }
            refuse_if_early(&chain, view.final_deadline, view.status).await?;
            (view.deal, vec![Late::Opened(TaskId(args.id))])
        }
    };
    if late.is_empty() {
        return Err(Failure::Refused("no task of this deal can be claimed".to_owned()));
    }
    let wallet = context.wallet()?;
    let mut answer = ClaimAnswer { claimed: Vec::new(), transactions: Vec::new() };
    for part in late.chunks(CLAIMS_MAX) {
        for call in calls(deal_id, part) {
            let intent = format!("claim {:x}", poco_core::keccak256(format!("{call:?}")));
            let transaction = Transaction::hub(&chain, &call);
            let receipt = context.send(&chain, &wallet, &intent, transaction).await?;
            answer.transactions.push(receipt.transaction);
        }
        answer.claimed.extend(part.iter().map(|late| match late {
            Late::Opened(task) | Late::NeverOpened(task, _) => *task,
        }));
    }
    context.output.answer(&answer)
}

fn calls(deal: DealId, late: &[Late]) -> Vec<Call> {
    let mut opened = Vec::new();
    let mut never = Vec::new();
    for one in late {
        match one {
            Late::Opened(task) => opened.push(*task),
            Late::NeverOpened(_, index) => never.push((deal, *index)),
        }
    }
    let mut calls = Vec::new();
    if !opened.is_empty() {
        calls.push(Call::ClaimArray { tasks: opened });
    }
    if !never.is_empty() {
        calls.push(Call::InitializeAndClaimArray { tasks: never });
    }
    calls
}

async fn late_tasks(chain: &Chain, id: DealId, deal: &Deal) -> Result<Vec<Late>, Failure> {
    let category = chain.category(deal.category).await?;
    let seconds = category.map_or(0, |category| category.work_clock_time_ref_seconds);
    refuse_if_early(chain, deal.deadlines(seconds).last, TaskStatus::Active).await?;
    let mut late = Vec::new();
    for (index, task) in super::deal::tasks(id, deal) {
        match chain.task(task).await?.status {
            TaskStatus::Unset => late.push(Late::NeverOpened(task, index)),
            TaskStatus::Active | TaskStatus::Revealing => late.push(Late::Opened(task)),
            TaskStatus::Completed | TaskStatus::Failed => {}
        }
    }
    Ok(late)
}

async fn refuse_if_early(
    chain: &Chain,
    deadline: poco_core::Timestamp,
    status: TaskStatus,
) -> Result<(), Failure> {
    match status {
        TaskStatus::Completed => Err(Failure::Refused("the task is completed and paid".to_owned())),
        TaskStatus::Failed => Err(Failure::Refused("the task was claimed before".to_owned())),
        TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {
            let now = chain.latest().await?.timestamp;
            if deadline.has_passed(now) {
                return Ok(());
            }
            Err(Failure::Refused(format!(
                "the final deadline is {} seconds away: the task may still be completed",
                deadline.seconds_from(now)
            )))
        }
    }
}
