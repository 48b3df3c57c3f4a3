//! A requester who buys again and again.

use super::chain::{self, Count};
use super::stage::Stage;
use crate::world::{Answer, Party, answer, wallet};
use anyhow::{Context, Result};
use poco_core::{DealId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Tasks of each purchase, its trust and what its app does, in turn.
const PURCHASES: [(&str, &str, &str); 5] = [
    ("1", "1", "environment"),
    ("4", "5", "sleep 1 then environment"),
    ("2", "10", "environment"),
    ("1", "5", "sleep 6 then environment"),
    ("8", "4", "environment"),
];
/// More than so many open tasks are not bought.
const OPEN_MAX: usize = 24;
/// How often the chain is asked what is open.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// What was bought, and how it stands.
#[derive(Debug, Default)]
pub(super) struct Load {
    buying: Option<JoinHandle<Result<Answer>>>,
    asked: Option<Instant>,
    /// After a refusal.
    rests_until: Option<Instant>,
    number: usize,
    /// Every deal that was ever seen or told of, with the number of its tasks.
    deals: BTreeMap<DealId, u64>,
    bought: usize,
    refused: usize,
    open: usize,
    done: BTreeSet<TaskId>,
}

impl Load {
    /// Buys where there is room.
    pub(super) async fn tend(&mut self, stage: &Stage) -> Result<()> {
        self.finish_buying().await?;
        self.ask(stage, false).await;
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        if self.buying.is_none() && !rests && self.open < OPEN_MAX {
            self.buy(stage)?;
        }
        Ok(())
    }

    /// Whether everything that was bought has ended.
    pub(super) async fn is_done(&mut self, stage: &Stage) -> Result<bool> {
        self.finish_buying().await?;
        self.ask(stage, true).await;
        Ok(self.buying.is_none() && !self.done.is_empty() && self.open == 0)
    }

    /// Every deal that was ever seen or told of, with the number of its tasks.
    pub(super) fn deals(&self) -> &BTreeMap<DealId, u64> {
        &self.deals
    }

    /// Purchases of which the command line said that they were made.
    pub(super) fn bought(&self) -> usize {
        self.bought
    }

    /// Purchases of which it said that they were not.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    async fn finish_buying(&mut self) -> Result<()> {
        if let Some(buying) = self.buying.take_if(|buying| buying.is_finished()) {
            let answer = buying.await.context("buying")??;
            if answer.code == 0 {
                let answer = answer.json()?;
                let deal = answer["deal"].as_str().context("a deal")?.parse()?;
                let tasks = answer["tasks"].as_array().context("tasks")?.len();
                self.deals.insert(deal, tasks as u64);
                self.bought += 1;
            } else {
                // Whoever buys while market, scheduler or chain are away is told so, and comes again.
                self.refused += 1;
                self.rests_until = Some(Instant::now() + ASK_EVERY);
            }
        }
        Ok(())
    }

    /// Looks at the chain, at what is done only if `again`: a reorg may have undone it. While the chain
    /// is away, everything counts as it did.
    async fn ask(&mut self, stage: &Stage, again: bool) {
        if self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        let Ok(new) = chain::new_deals(&stage.chain).await else { return };
        self.deals.extend(new);
        let is_open = |deal: &DealId, volume: &mut u64| {
            let tasks = chain::tasks_of(&BTreeMap::from([(*deal, *volume)]));
            again || tasks.iter().any(|task| !self.done.contains(task))
        };
        let mut deals = self.deals.clone();
        deals.retain(is_open);
        let Ok(deals) = chain::standing_deals(&stage.chain, &deals).await else { return };
        let mut tasks = chain::tasks_of(&deals);
        if !again {
            tasks.retain(|task| !self.done.contains(task));
        }
        if let Ok(Count { done, open, .. }) = chain::standing(&stage.chain, &tasks).await {
            if again {
                self.done.clear();
            }
            self.done.extend(done);
            self.open = open.len();
        }
    }

    fn buy(&mut self, stage: &Stage) -> Result<()> {
        let (volume, trust, args) = PURCHASES[self.number % PURCHASES.len()];
        self.number += 1;
        let requester = wallet(Party::Requester)?.address().to_string();
        let mut command = stage.world.command()?;
        command
            .args(["--yes", "--wallet", &requester, "--market-url", stage.pool.market_url.as_str()])
            .args(["run", &stage.pool.app, "--args", args, "--detach"])
            .args(["--volume", volume, "--trust", trust]);
        let run = move || Ok(answer(command.output().context("poco cannot be run")?));
        self.buying = Some(tokio::task::spawn_blocking(run));
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bought, refused, open, done, .. } = self;
        let done = done.len();
        write!(to, "{done} tasks done, {open} open, {bought} purchases, {refused} refused")
    }
}
