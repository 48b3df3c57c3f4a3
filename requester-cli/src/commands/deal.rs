//! `poco deal`: what four orders agreed on, and how its tasks stand.

use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::mark::Kept;
use crate::output::{Show, pairs, table};
use clap::Subcommand;
use poco_chain::Chain;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Address, Deal, DealId, TaskId, Timestamp, U256};
use poco_market_client::open_to;
use serde::Serialize;
use serde_json::Value;

/// Tasks of a deal that are looked at one by one; more than this are counted only.
const TASKS_SHOWN_MAX: u64 = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum DealCommand {
    /// Show a deal and its tasks
    Show {
        /// Its id
        deal: DealId,
    },
    /// List the last deals, newest first
    List {
        /// Whose requests [default: the wallet's]
        #[arg(long, value_parser = address::parse)]
        requester: Option<Address>,
        /// Only deals of this app
        #[arg(long, value_parser = address::parse)]
        app: Option<Address>,
        /// Only deals of this pool
        #[arg(long, value_parser = address::parse)]
        workerpool: Option<Address>,
    },
}

/// Deals as the market lists them.
#[derive(Serialize)]
#[serde(transparent)]
struct DealList(Value);

impl Show for DealList {
    fn show(&self) -> String {
        let deals = self.0.get("deals").and_then(Value::as_array);
        let text = |deal: &Value, path: &str| match deal.pointer(path) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let row = |deal: &Value| {
            ["/dealid", "/app/pointer", "/workerpool/pointer", "/volume", "/blockTimestamp"]
                .map(|path| text(deal, path))
        };
        let rows: Vec<_> = deals.into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            return "no deals".to_owned();
        }
        table(["DEAL", "APP", "POOL", "TASKS", "MATCHED"], rows)
    }
}

#[derive(Serialize)]
struct DealAnswer {
    id: DealId,
    deal: Deal,
    contribution_deadline: Timestamp,
    final_deadline: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<Kept>,
    tasks: Vec<TaskLine>,
}

#[derive(Serialize)]
struct TaskLine {
    task: TaskId,
    index: U256,
    status: TaskStatus,
    contributors: usize,
    results: String,
}

impl Show for DealAnswer {
    fn show(&self) -> String {
        let deal = &self.deal;
        let resource = |one: &poco_core::Resource| {
            if one.pointer.is_zero() {
                "none".to_owned()
            } else {
                format!("{}, {} a task", one.pointer, one.price)
            }
        };
        let conditions = self.conditions.as_ref().map_or("none".to_owned(), Show::show);
        let head = pairs(&[
            ("deal", self.id.to_string()),
            ("app", resource(&deal.app)),
            ("dataset", resource(&deal.dataset)),
            ("pool", resource(&deal.workerpool)),
            ("requester", deal.requester.to_string()),
            ("paid by", deal.sponsor.to_string()),
            ("params", deal.params.clone()),
            ("trust", deal.trust.to_string()),
            ("tag", deal.tag.to_string()),
            ("conditions", conditions),
            ("worker stake", format!("{} a contribution", deal.worker_stake)),
            (
                "deadlines",
                format!(
                    "contributions {}, final {}",
                    self.contribution_deadline.0, self.final_deadline.0
                ),
            ),
        ]);
        let row = |line: &TaskLine| {
            [
                line.index.to_string(),
                line.task.to_string(),
                status_name(line.status).to_owned(),
                line.contributors.to_string(),
                line.results.clone(),
            ]
        };
        let tasks = table(
            ["INDEX", "TASK", "STATUS", "CONTRIBUTIONS", "RESULT"],
            self.tasks.iter().map(row).collect(),
        );
        format!("{head}\n\n{tasks}")
    }
}

pub(crate) async fn run(context: &Context, command: DealCommand) -> Result<(), Failure> {
    let chain = context.chain().await?;
    match command {
        DealCommand::Show { deal } => show(context, &chain, deal).await,
        DealCommand::List { requester, app, workerpool } => {
            // Without any filter, one's own deals are meant.
            let requester = match (requester, app.or(workerpool)) {
                (None, None) => Some(context.wallet_address()?),
                (given, _) => given,
            };
            let filters = [("requester", requester), ("app", app), ("workerpool", workerpool)]
                .into_iter()
                .filter_map(|(name, value)| value.map(|address| open_to(name, address)));
            let filters: Vec<_> = filters.collect();
            context.output.answer(&DealList(context.market(&chain)?.deals(&filters).await?))
        }
    }
}

async fn show(context: &Context, chain: &Chain, id: DealId) -> Result<(), Failure> {
    let (deal, seconds) = find(chain, id).await?;
    let deadlines = deal.deadlines(seconds);
    let mut lines = Vec::new();
    for (index, task) in tasks(id, &deal) {
        let view = chain.task(task).await?;
        lines.push(TaskLine {
            task,
            index,
            status: view.status,
            contributors: view.contributors.len(),
            results: location(&view).unwrap_or_default(),
        });
    }
    context.output.answer(&DealAnswer {
        id,
        deal,
        contribution_deadline: deadlines.contribution,
        final_deadline: deadlines.last,
        conditions: Kept::of(chain.deal_conditions(id).await?),
        tasks: lines,
    })
}

/// A deal and its category's T in seconds.
pub(crate) async fn find(chain: &Chain, id: DealId) -> Result<(Deal, u64), Failure> {
    let deal = chain.deal(id).await?;
    let deal = deal.ok_or_else(|| Failure::NotFound(format!("no deal {id} on this hub")))?;
    let category = chain.category(deal.category).await?;
    Ok((deal, category.map_or(0, |category| category.work_clock_time_ref_seconds)))
}

/// Index and id of each of the deal's tasks, up to the limit that is shown.
pub(crate) fn tasks(id: DealId, deal: &Deal) -> impl Iterator<Item = (U256, TaskId)> + '_ {
    (0..TASKS_SHOWN_MAX).map_while(move |offset| {
        deal.task_at(id, offset).map(|task| (deal.bot_first + U256::from(offset), task))
    })
}

/// The name of a status, as people say it.
pub(crate) fn status_name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Unset => "not opened",
        TaskStatus::Active => "computing",
        TaskStatus::Revealing => "revealing",
        TaskStatus::Completed => "completed",
        TaskStatus::Failed => "failed",
    }
}

/// Where a completed task's result is: the location in its `results` JSON.
pub(crate) fn location(view: &TaskView) -> Option<String> {
    let results: serde_json::Value = serde_json::from_slice(&view.results).ok()?;
    results.get("location")?.as_str().map(str::to_owned)
}
