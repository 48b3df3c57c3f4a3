//! `repair --from-chain`: a new store in place of a damaged one, from everything that the chain knows.
//!
//! Found in events are the pool's deals, which of their tasks were opened and when they ended; what
//! they are now, the views say. What only the old store knew is lost: promises that have not become
//! votes (those tasks are given out anew), reports of tasks long ended, the operator's orders. The old
//! store is moved aside and never deleted, and only once the new one is complete.

use crate::cli::{Flags, RepairArguments};
use crate::config::{Checked, Config};
use crate::logs;
use crate::place::identity;
use crate::reads::deal_facts;
use crate::rival::KeyLock;
use crate::store::{Batch, Change, Store};
use anyhow::{Context as _, ensure};
use poco_chain::{BlockRef, Blocks, Chain, Cursor, EventStream, Interest, StreamItem};
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Address, DealId, Event, TaskId, Timestamp};
use poco_scheduler_core::{FoundDeal, FoundTask, Record, StoredResult};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Blocks between two lines in the log.
const TOLD_EVERY_BLOCKS: u64 = 100_000;
/// Scans before a chain that is rewritten each time is given up.
const SCANS_MAX: usize = 5;

/// Where a new store is made.
const REPAIRING: &str = "store.repairing";

/// Refuses to start between the moves of a repair that was interrupted, lest an empty store begins.
///
/// # Errors
/// One line that says what to do.
pub(crate) fn check_finished(data_dir: &Path) -> anyhow::Result<()> {
    ensure!(
        data_dir.join("store").exists() || !data_dir.join(REPAIRING).exists(),
        "a repair of {} was interrupted: run `poco-scheduler repair --from-chain` again",
        data_dir.display()
    );
    Ok(())
}

/// Makes the new store; what there is to say about it.
///
/// # Errors
/// One line that says what to do. The old store is where it was then.
pub(crate) async fn run(flags: &Flags, asked: &RepairArguments) -> anyhow::Result<String> {
    let checked = Config::load(flags)?.check()?;
    logs::start(&checked.config)?;
    let chain = Chain::connect(&checked.chain).await?;
    let pool = checked.workerpool;
    let entry = chain.workerpool(pool).await?;
    let owner = entry.with_context(|| format!("there is no pool at {pool}"))?.owner;
    let config = &checked.config;
    let _lock = KeyLock::take(&config.lock_dir(), chain.chain_id(), owner, &config.data_dir)?;
    let from = asked.from_block.unwrap_or(config.start_block);
    let head = chain.latest().await?.number;
    ensure!(from <= head, "block {from} is not there yet: the chain's latest is {head}");
    let seen = scan(&chain, pool, from).await?;
    let work = config.data_dir.join(REPAIRING);
    if work.exists() {
        std::fs::remove_dir_all(&work).context("cannot remove what an earlier repair left")?;
    }
    let rebuilt = rebuild(&chain, &checked, owner, (seen, &work)).await?;
    let old = replace(&config.data_dir, &work)?;
    let Rebuilt { deals, tasks, results } = rebuilt;
    let aside = old.map_or_else(
        || "there was no store before".to_owned(),
        |old| format!("the old store is at {old}; delete it when it is of no more use"),
    );
    Ok(format!(
        "rebuilt from the chain since block {from}: {deals} deals with {tasks} tasks, of which {results} \
         have results\n{aside}\nlost are promises that are no votes yet, reports of tasks long ended, \
         and orders of the operator: pause, drain, deny and allow again\n"
    ))
}

/// What the events say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The pool's deals with their blocks.
    /// The block of each.
    deals: BTreeMap<DealId, BlockRef>,
    opened: BTreeSet<TaskId>,
    /// Where tasks ended.
    ended: BTreeMap<TaskId, BlockRef>,
    head: u64,
    time: Timestamp,
}

impl Seen {
    fn take(&mut self, blocks: Blocks) {
        (self.head, self.time) = (blocks.to.number, blocks.to.timestamp);
        for located in blocks.events {
            let block = located.block;
            if let Event::SchedulerNotice { deal, .. } = located.event {
                self.deals.insert(deal, block);
            }
            if let Event::TaskInitialize { task, .. } = located.event {
                self.opened.insert(task);
            }
            if let Event::TaskFinalize { task, .. } | Event::TaskClaimed { task, .. } =
                located.event
                && self.opened.contains(&task)
            {
                self.ended.insert(task, block);
            }
        }
    }
}

/// Reads every event of the pool up to the latest block that is deep enough.
async fn scan(chain: &Chain, pool: Address, from: u64) -> anyhow::Result<Seen> {
    for _ in 0..SCANS_MAX {
        let head = chain.latest().await?.number.saturating_sub(chain.confirmations());
        let mut events =
            EventStream::new(chain.clone(), Interest::pool(pool), Cursor::start_at(from));
        let mut seen = Seen { head: from, ..Seen::default() };
        let mut told = from;
        loop {
            match events.next().await {
                StreamItem::Blocks(blocks) => seen.take(blocks),
                StreamItem::Rollback { .. } => break,
            }
            if seen.head >= head {
                return Ok(seen);
            }
            if seen.head.saturating_sub(told) >= TOLD_EVERY_BLOCKS {
                told = seen.head;
                tracing::info!(block = told, of = head, deals = seen.deals.len(), "reading events");
            }
        }
        tracing::warn!("the chain was rewritten; reading its events again");
    }
    anyhow::bail!("the chain is rewritten again and again: try later")
}

/// What was stored anew.
#[derive(Debug, Default)]
struct Rebuilt {
    deals: usize,
    tasks: usize,
    results: usize,
}

async fn rebuild(
    chain: &Chain,
    checked: &Checked,
    owner: Address,
    (seen, work): (Seen, &Path),
) -> anyhow::Result<Rebuilt> {
    let store = Store::open(work, identity(checked, chain))?;
    let chain = chain.at(seen.head);
    let mut found = Vec::new();
    for (id, block) in &seen.deals {
        let Some(facts) = deal_facts(&chain, *id).await? else { continue };
        let terms = &facts.deal.workerpool;
        if terms.pointer != checked.workerpool || terms.owner != owner {
            continue;
        }
        let size: u64 = facts.deal.bot_size.saturating_to();
        let mut tasks = BTreeMap::new();
        for offset in 0..size {
            let task = facts.deal.task_at(*id, offset).filter(|task| seen.opened.contains(task));
            if let Some(task) = task {
                let result = result_of(&chain.task(task).await?);
                let ended = seen.ended.get(&task).map(|block| block.number);
                tasks.insert(offset, FoundTask { ended, result });
            }
        }
        let (block, block_hash) = (block.number, block.hash);
        found.push(FoundDeal { id: *id, block, block_hash, facts, tasks });
    }
    let deep = FoundDeal::deep(seen.head, checked.config.prune_depth_blocks);
    let from = FoundDeal::first_block(&found, deep);
    let kept_since = Timestamp(seen.time.0.saturating_sub(checked.config.result_seconds));
    let mut rebuilt = Rebuilt::default();
    for deal in found {
        let beneficiary = deal.facts.deal.beneficiary;
        let is_kept =
            |task| seen.ended.get(&task).is_some_and(|block| block.timestamp >= kept_since);
        let changes = changes(deal.records((from, deep), is_kept), beneficiary);
        rebuilt.deals += usize::from(!changes.is_empty());
        for change in &changes {
            rebuilt.tasks += usize::from(matches!(change, Change::Put(Record::Task(_))));
            rebuilt.results += usize::from(matches!(change, Change::Result { .. }));
        }
        store.commit(&Batch { changes, cursor: None })?;
    }
    store.commit(&Batch { changes: Vec::new(), cursor: Some(Cursor::start_at(from)) })?;
    Ok(rebuilt)
}

/// What is stored of a deal: its records, and the results that they name.
fn changes(records: Vec<Record>, beneficiary: Address) -> Vec<Change> {
    let mut changes = Vec::new();
    for record in records {
        let result = match &record {
            Record::Task(task) => task.result.clone().map(|result| (task.id, result)),
            Record::Deal(_) | Record::Commit(_) | Record::Member(_) => None,
        };
        changes.push(Change::Put(record));
        if let Some((task, result)) = result {
            changes.push(Change::Result { task, result, beneficiary });
        }
    }
    changes
}

/// The `results` of a completed task, as they are recorded.
#[derive(Deserialize)]
struct Recorded {
    location: String,
}

/// What is stored for a completed task, as far as the chain says where it lies.
fn result_of(view: &TaskView) -> Option<StoredResult> {
    let is_completed = view.status == TaskStatus::Completed;
    let Recorded { location } =
        serde_json::from_slice(&view.results).ok().filter(|_| is_completed)?;
    Some(StoredResult {
        // Who brought it, nobody asks of a task that has ended.
        worker: view.contributors.first().copied().unwrap_or_default(),
        digest: view.digest,
        location,
        callback: view.results_callback.clone(),
        size_bytes: 0,
    })
}

/// Moves the old store aside and the new one to its place; where the old one is now.
fn replace(data_dir: &Path, work: &Path) -> anyhow::Result<Option<String>> {
    let store = data_dir.join("store");
    let mut aside = None;
    if store.exists() {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let old = data_dir.join(format!("store.damaged-{seconds}"));
        ensure!(!old.exists(), "{} is in the way: wait a second and try again", old.display());
        std::fs::rename(&store, &old).context("cannot move the old store aside")?;
        aside = Some(old.display().to_string());
    }
    std::fs::rename(work, &store).context("cannot move the new store to its place")?;
    // The moves themselves must last.
    std::fs::File::open(data_dir).and_then(|folder| folder.sync_all())?;
    Ok(aside)
}
