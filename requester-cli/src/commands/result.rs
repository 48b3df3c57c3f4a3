//! `poco result`: results of completed tasks.

use super::deal::find;
use super::fetch::{self, Fetched, Reader};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use crate::pool::Pool;
use clap::Subcommand;
use poco_core::TaskId;
use poco_core::task::TaskStatus;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ResultCommand {
    /// Download a task's result, check its digest against the chain, and unpack it
    Download {
        /// The task
        task: TaskId,
        /// Folder to make [default: result-<task>]
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

impl Show for Fetched {
    fn show(&self) -> String {
        let unpacked =
            format!("{}: {} files, {} bytes", self.folder.display(), self.files, self.bytes);
        let mut rows = vec![
            ("task", self.task.to_string()),
            ("digest", format!("{} (as on chain)", self.digest)),
        ];
        rows.extend(self.bound.map(|bound| ("bound", bound.words().to_owned())));
        rows.extend([("from", self.location.clone()), ("unpacked", unpacked)]);
        pairs(&rows)
    }
}

pub(crate) async fn run(context: &Context, command: ResultCommand) -> Result<(), Failure> {
    let ResultCommand::Download { task, output } = command;
    let chain = context.chain().await?;
    let view = chain.task(task).await?;
    if view.status == TaskStatus::Unset {
        return Err(Failure::NotFound(format!("no opened task {task} on this hub")));
    }
    let (deal, _) = find(&chain, view.deal).await?;
    let market = context.market(&chain)?;
    let pool = Pool::find(context, &market, deal.workerpool.pointer).await?;
    let pool = pool.ok_or_else(|| {
        Failure::NotFound("the market does not know the pool's API: pass --pool-url".to_owned())
    })?;
    let reader = Reader::of_deal(context, pool, &deal)?;
    let folder = output.unwrap_or_else(|| default_folder(task));
    let fetched = fetch::result(&chain, &reader, task, &folder).await?;
    context.output.answer(&fetched)
}

/// The folder that a result goes to unless another is named: short enough to type.
pub(crate) fn default_folder(task: TaskId) -> PathBuf {
    PathBuf::from(format!("result-{}", hex::encode(task.0.get(..6).unwrap_or_default())))
}
