//! What became of everything that was bought.

use super::chain::{self, Count};
use super::faults::Faults;
use super::load::Load;
use super::stage::{self, Role, Stage, WORKERS};
use crate::payments::{Balances, settled};
use crate::world::Party;
use anyhow::{Context, Result};
use poco_core::payout::KITTY;
use poco_core::{Amount, TaskId};
use std::fmt;
use std::path::PathBuf;

/// How many results are fetched and checked against the chain.
const FETCHED_MAX: usize = 50;
/// How much is told of each unfinished task.
const TOLD_MAX: usize = 10;

/// How it ended.
#[derive(Debug)]
pub struct Verdict {
    faults: String,
    purchases: usize,
    refused: usize,
    undone: usize,
    done: usize,
    lost: Vec<String>,
    slashed: usize,
    proved: usize,
    fetched: usize,
    raised: u64,
    problems: Vec<String>,
    /// Where the logs of all processes were kept, of a market that failed.
    logs: Option<PathBuf>,
}

impl Verdict {
    /// Whether nothing was lost, nobody slashed, everything paid once, and every kind of fault played.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.done > 0 && self.lost.is_empty() && self.slashed == 0 && self.problems.is_empty()
    }
}

/// What everybody had before.
#[derive(Debug)]
pub(super) struct Before {
    balances: Balances,
    kitty: Amount,
}

impl Before {
    /// Looks, before anything is bought.
    pub(super) async fn read(stage: &Stage) -> Result<Self> {
        let balances = Balances::read(&stage.chain, WORKERS).await?;
        let kitty = stage.chain.account(KITTY).await?.locked;
        Ok(Self { balances, kitty })
    }

    /// Looks, after everything has ended that will end.
    pub(super) async fn judge(self, stage: &Stage, load: &Load, faults: Faults) -> Result<Verdict> {
        let deals = chain::standing_deals(&stage.chain, load.deals()).await?;
        let tasks = chain::tasks_of(&deals);
        let Count { done, failed, open, slashed, proved } =
            chain::count(&stage.chain, &tasks).await?;
        let mut problems = Vec::new();
        let missing = faults.missing();
        if !missing.is_empty() {
            problems.push(format!("never happened: {}", missing.join(", ")));
        }
        problems.extend(stage::roles().filter_map(|role| panic_of(stage, role)));
        let mut lost: Vec<String> = failed.iter().map(|task| format!("{task}: claimed")).collect();
        lost.extend(open.iter().map(|task| explain(stage, *task)));
        // Unfinished tasks hold stakes, and the payments cannot be as the rules say.
        if lost.is_empty() && slashed == 0 {
            problems.extend(self.misspent(stage, &done).await?);
        }
        let fetched = fetch(stage, &done, &mut problems)?;
        let is_good = lost.is_empty() && slashed == 0 && problems.is_empty();
        let logs = if is_good { None } else { Some(keep_logs(stage)?) };
        Ok(Verdict {
            faults: faults.to_string(),
            purchases: load.bought(),
            refused: load.refused(),
            undone: load.deals().len() - deals.len(),
            done: done.len(),
            lost,
            slashed,
            proved,
            fetched,
            raised: stage.raised(),
            problems,
            logs,
        })
    }

    /// Who has another amount than the rules say, after tasks all of which were completed.
    async fn misspent(&self, stage: &Stage, done: &[TaskId]) -> Result<Vec<String>> {
        let mut payouts = Vec::new();
        for task in done {
            payouts.push(settled(&stage.chain, *task, self.kitty).await?.payout);
        }
        let workerpool = stage.pool.workerpool.parse()?;
        self.balances.differences(&stage.chain, &payouts, workerpool).await
    }
}

/// Fetches the last results; each is checked against its digest on chain.
fn fetch(stage: &Stage, done: &[TaskId], problems: &mut Vec<String>) -> Result<usize> {
    let market = stage.pool.market_url.as_str();
    let mut fetched = 0;
    for task in done.iter().rev().take(FETCHED_MAX) {
        let task = task.to_string();
        let output = stage.world.path(&format!("result-{task}")).to_string_lossy().into_owned();
        let words = ["--market-url", market, "result", "download", &task, "--output", &output];
        let answer = stage.world.poco(Party::Requester, &words)?;
        if answer.code == 0 {
            fetched += 1;
        } else {
            problems.push(format!("no result of {task}: {}", answer.stderr.trim()));
        }
    }
    Ok(fetched)
}

/// Why a task is open.
fn explain(stage: &Stage, task: TaskId) -> String {
    let text = task.to_string();
    let market = stage.pool.market_url.as_str();
    let words = ["--market-url", market, "explain", &text];
    let told = stage.world.poco(Party::Requester, &words).context("poco explain");
    match told {
        Ok(answer) => format!("{task}: {}{}", answer.stdout.trim(), answer.stderr.trim()),
        Err(error) => format!("{task}: {error:#}"),
    }
}

/// Copies what every process said to where it outlives the market.
fn keep_logs(stage: &Stage) -> Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("poco-soak-").tempdir()?.keep();
    for role in stage::roles() {
        std::fs::write(folder.join(format!("{role:?}.log")), stage.output(role))?;
    }
    Ok(folder)
}

/// A process that has panicked.
fn panic_of(stage: &Stage, role: Role) -> Option<String> {
    let output = stage.output(role);
    let line = output.lines().find(|line| line.contains("panicked at"))?;
    Some(format!("{role:?}: {line}"))
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "faults       {}", self.faults)?;
        writeln!(to, "             {} times somebody ended by itself and was raised", self.raised)?;
        writeln!(
            to,
            "purchases    {} made, {} deals undone with their blocks, {} refused",
            self.purchases, self.undone, self.refused
        )?;
        writeln!(to, "tasks done   {}", self.done)?;
        writeln!(to, "lost         {}", self.lost.len())?;
        writeln!(to, "slashed      {}", self.slashed)?;
        writeln!(to, "votes paid   {}", self.proved)?;
        writeln!(to, "results      {} fetched and as on chain", self.fetched)?;
        for lost in self.lost.iter().take(TOLD_MAX) {
            writeln!(to, "lost: {lost}")?;
        }
        for problem in &self.problems {
            writeln!(to, "problem: {problem}")?;
        }
        if let Some(logs) = &self.logs {
            writeln!(to, "logs         {}", logs.display())?;
        }
        Ok(())
    }
}
