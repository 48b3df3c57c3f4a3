//! Reads what the core asks of the chain, in the core's words.

use poco_chain::{AppEntry, BlockRef, Chain, DatasetEntry, RpcError};
use poco_core::{Address, Bytes, Deal, DealId, TaskId, U256};
use poco_worker_core::{CommitView, Facts, Program, View};

/// The task and the worker's contribution, with a block that was the latest before, and where the task is
/// over the block that ended it, looked for from block `from_block` on.
pub(crate) async fn view(
    chain: &Chain,
    worker: Address,
    task: TaskId,
    from_block: u64,
) -> Result<(BlockRef, View), RpcError> {
    let (head, mut seen) = present(chain, worker, task).await?;
    if seen.task.status.is_over() {
        seen.ended = chain.ended_in(task, from_block).await?;
    }
    Ok((head, seen))
}

async fn present(
    chain: &Chain,
    worker: Address,
    task: TaskId,
) -> Result<(BlockRef, View), RpcError> {
    // First the block, so that what is read after it is at least as new.
    let head = chain.latest().await?;
    let (view, contribution) =
        tokio::try_join!(chain.task(task), chain.contribution(task, worker))?;
    Ok((head, View { block: head.number, task: view, contribution, ..View::default() }))
}

/// The same with the commit that the task is in, looked for from that block on too.
pub(crate) async fn vote(
    chain: &Chain,
    worker: Address,
    (task, deal, index): (TaskId, DealId, u64),
    from_block: u64,
) -> Result<(BlockRef, View), RpcError> {
    let (head, mut seen) = view(chain, worker, task, from_block).await?;
    let index = U256::from(index);
    let found = chain.find_commit(deal, index, from_block).await?;
    seen.commit = found.and_then(|found| {
        let (row, range) = found.task(index)?;
        Some(Box::new(CommitView { block: found.block.number, range, row: row.clone() }))
    });
    Ok((head, seen))
}

/// The scores of some workers, in their order.
pub(crate) async fn scores(chain: &Chain, workers: Vec<Address>) -> Result<Vec<U256>, RpcError> {
    futures::future::try_join_all(workers.into_iter().map(|worker| chain.score(worker))).await
}

/// All that says whether an assignment is worth accepting.
pub(crate) async fn facts(
    chain: &Chain,
    worker: Address,
    task: TaskId,
    deal: DealId,
) -> Result<(BlockRef, Facts), RpcError> {
    let (head, view) = present(chain, worker, task).await?;
    let (deal, conditions, account) =
        tokio::try_join!(chain.deal(deal), chain.deal_conditions(deal), chain.account(worker))?;
    let is_known_to_guard = match conditions.guard_of_workers() {
        Some(guard) => chain.is_group_member(guard, worker).await?,
        None => true,
    };
    let bond = match &deal {
        Some(deal) => chain.bond(worker, deal.workerpool.pointer).await?,
        None => None,
    };
    let mut facts = Facts {
        deal: None,
        app: None,
        dataset: None,
        work_clock_time_ref_seconds: None,
        conditions,
        is_known_to_guard,
        free_stake: account.free,
        bond,
        view,
    };
    if let Some(deal) = deal {
        let category = chain.category(deal.category).await?;
        facts.work_clock_time_ref_seconds =
            category.map(|category| category.work_clock_time_ref_seconds);
        (facts.app, facts.dataset) = programs(chain, &deal).await?;
        facts.deal = Some(deal);
    }
    Ok((head, facts))
}

async fn programs(
    chain: &Chain,
    deal: &Deal,
) -> Result<(Option<Program>, Option<Program>), RpcError> {
    let app = chain.app(deal.app.pointer).await?.map(program_of_app);
    let dataset = match deal.dataset.pointer.is_zero() {
        true => None,
        false => chain.dataset(deal.dataset.pointer).await?.map(program_of_dataset),
    };
    Ok((app, dataset))
}

fn program_of_app(entry: AppEntry) -> Program {
    Program { kind: entry.kind, multiaddr: entry.multiaddr, checksum: entry.checksum }
}

fn program_of_dataset(entry: DatasetEntry) -> Program {
    let multiaddr: Bytes = entry.multiaddr;
    Program { kind: String::new(), multiaddr, checksum: entry.checksum }
}
