//! Fetching a result: download, check it against the chain, unpack.

use super::bound::{self, Bound};
use super::deal::location;
use super::place;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::unless_stopped;
use crate::pool::Pool;
use anyhow::Context as _;
use poco_chain::{Chain, Wallet};
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Address, Deal, Recorded, ResultDigest, TaskId};
use poco_result::cid::{Cid, cid_of_file};
use poco_result::unpack::UnpackError;
use poco_result::{Limits, digest, unpack};
use serde::Serialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A result on this machine, known to be what the chain says.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fetched {
    pub(crate) task: TaskId,
    pub(crate) digest: ResultDigest,
    pub(crate) location: String,
    pub(crate) folder: PathBuf,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<Bound>,
}

/// Who asks for the result: needed where it has a beneficiary.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) pool: Pool,
    pub(crate) wallet: Option<Arc<Wallet>>,
}

impl Reader {
    /// A reader for a deal's results; opens the wallet only where the deal names a beneficiary.
    pub(crate) fn of_deal(context: &Context, pool: Pool, deal: &Deal) -> Result<Self, Failure> {
        let wallet = if deal.beneficiary.is_zero() { None } else { Some(context.wallet()?) };
        Ok(Self { pool, wallet })
    }
}

/// Downloads the result of a task that is completed now. See [`completed`].
///
/// # Errors
/// As [`completed`], and where the task has no result.
pub(crate) async fn result(
    chain: &Chain,
    reader: &Reader,
    task: TaskId,
    folder: &Path,
) -> Result<Fetched, Failure> {
    let view = chain.task(task).await?;
    completed(chain, reader, task, view, folder).await
}

/// Downloads the result that a view of its task names, checks CID and digest, and unpacks it as
/// `folder`. Where results are bound, they are held against the digest first.
///
/// The folder appears complete or not at all, also when Ctrl-C is pressed meanwhile.
///
/// # Errors
/// `Mismatch` where the zip is not the one that the chain names; nothing is left behind then.
pub(crate) async fn completed(
    chain: &Chain,
    reader: &Reader,
    task: TaskId,
    view: TaskView,
    folder: &Path,
) -> Result<Fetched, Failure> {
    let told = format!("nothing was unpacked; fetch it with `poco result download {task}`");
    unless_stopped(fetch(chain, reader, task, view, folder), &told).await
}

async fn fetch(
    chain: &Chain,
    reader: &Reader,
    task: TaskId,
    view: TaskView,
    folder: &Path,
) -> Result<Fetched, Failure> {
    ready(task, &view)?;
    let recorded = bound::recorded(chain, view.deal).await?;
    let bound = bound::check(recorded, task, &view)?;
    let named = named(reader, task, &view, recorded).await?;
    let parent = place::refuse_taken(folder)?;
    // Declared before what lies in them, so that they are removed after it.
    let _parents = place::Parents::make(&parent)?;
    let zip = tempfile::NamedTempFile::new_in(&parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    let authorization = match &reader.wallet {
        Some(wallet) => Some(authorize(chain, &reader.pool, wallet, task).await?),
        None => None,
    };
    let place = format!("/ipfs/{}", named.cid);
    reader.pool.download(&place, authorization.as_deref(), &zip).await?;
    let path = zip.path().to_owned();
    let target = folder.to_owned();
    let (digest, location) = (view.digest, named.location.clone());
    let unpacked = tokio::task::spawn_blocking(move || open(&path, &named, digest, &target))
        .await
        .map_err(anyhow::Error::from)??;
    let (files, bytes) = (unpacked.files, unpacked.bytes);
    Ok(Fetched { task, digest, location, folder: folder.to_owned(), files, bytes, bound })
}

/// Fails while there is no result.
fn ready(task: TaskId, view: &TaskView) -> Result<(), Failure> {
    match view.status {
        TaskStatus::Completed => Ok(()),
        TaskStatus::Failed => Err(Failure::TaskFailed(format!(
            "task {task} failed: it has no result, and is refunded"
        ))),
        TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => Err(Failure::NotFound(
            format!("task {task} has no result yet: wait for it with `poco task follow {task}`"),
        )),
    }
}

/// The zip that is to be fetched.
struct Named {
    location: String,
    cid: Cid,
    /// Who says so.
    by: &'static str,
    /// What of it was voted for.
    recorded: Recorded,
}

/// Where the result is. A bound callback is recorded alone: then the pool says where the rest is.
async fn named(
    reader: &Reader,
    task: TaskId,
    view: &TaskView,
    recorded: Recorded,
) -> Result<Named, Failure> {
    let (location, by) = match location(view) {
        Some(location) => (location, "the chain"),
        None if recorded == Recorded::BoundCallback => {
            let report = reader.pool.task(task).await?;
            let location = report.map(|report| report.location);
            let location = location.filter(|location| !location.is_empty()).ok_or_else(|| {
                Failure::NotFound(format!(
                    "task {task} has recorded what its callback got and nothing else, and the pool does not know (any more) where the app's other files are"
                ))
            })?;
            (location, "the pool")
        }
        None => {
            return Err(Failure::NotFound(format!(
                "task {task} is completed, but its results name no location: {}",
                String::from_utf8_lossy(&view.results)
            )));
        }
    };
    // Whoever wrote it into the contract must not choose where the request goes.
    let cid = Cid::from_location(&location).map_err(|error| {
        Failure::Mismatch(format!(
            "{by} names {location:?} as the place of the result, where none can be: {error}; only the pool's owner knows where it is"
        ))
    })?;
    Ok(Named { location, cid, by, recorded })
}

/// Checks the zip against what names it and the digest on chain, then unpacks it.
fn open(
    zip: &Path,
    named: &Named,
    on_chain: ResultDigest,
    folder: &Path,
) -> Result<unpack::Unpacked, Failure> {
    let mismatch = |what: String| {
        Failure::Mismatch(format!(
            "{what}; nothing was unpacked. The pool serves something else than it was paid for: try again, or another server with --pool-url"
        ))
    };
    let cid = cid_of_file(zip).context("cannot read the download")?;
    if cid != named.cid {
        let what = format!("the download is {cid}, {} names {}", named.by, named.cid);
        return Err(mismatch(what));
    }
    let limits = Limits::default();
    let file = || File::open(zip).context("cannot read the download");
    let computed = digest::digest_of_zip(file()?, &limits)
        .map_err(|error| mismatch(format!("the result has no digest: {error}")))?;
    let digest = ResultDigest(computed.digest);
    // What names a bound zip was voted for, and so was all that is in it.
    if !named.recorded.binds_zip() && digest != on_chain {
        return Err(mismatch(format!(
            "the result's digest is {digest}, the chain says {on_chain}"
        )));
    }
    unpack::unpack(file()?, folder, &limits).map_err(|error| match error {
        // Its digest is right: the workers agreed on something that is not safe to unpack.
        UnpackError::Refused(why) => Failure::Mismatch(format!(
            "the result is not safe to unpack: {why}; nothing was unpacked"
        )),
        UnpackError::TargetExists(_) | UnpackError::Io { .. } => Failure::Local(error.into()),
    })
}

/// Signs the pool's challenge, so that it knows the beneficiary asks.
async fn authorize(
    chain: &Chain,
    pool: &Pool,
    wallet: &Wallet,
    task: TaskId,
) -> Result<String, Failure> {
    let address: Address = wallet.address();
    let challenge = pool.challenge(task, address).await?;
    wallet
        .answer_challenge(chain.chain_id(), &challenge)
        .ok_or_else(|| Failure::Unreachable("the pool gives no challenge to sign".to_owned()))
}
