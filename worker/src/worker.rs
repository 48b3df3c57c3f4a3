//! Brings the worker up, keeps it running, takes it down.

use crate::arrival::QUEUE_LEN;
use crate::clock::Clock;
use crate::config::Checked;
use crate::effects::Effects;
use crate::event_loop::{EventLoop, Status};
use crate::follow::follow;
use crate::journal::{Journal, Owner};
use crate::link::{Identity, Link};
use crate::runs::{Runs, Tools};
use crate::stake;
use crate::telling::Teller;
use crate::{http, idle};
use anyhow::{Context as _, ensure};
use poco_chain::{Chain, Sender, Wallet};
use poco_core::lane::{NonceSecret, nonce_secret_hash};
use poco_core::{Address, Amount, keccak256};
use poco_proto::v1;
use poco_sandbox::input::{FetchSettings, Fetcher};
use poco_sandbox::{Engine, Sandbox, Settings};
use poco_worker_core::Core;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A live task is read from the chain at least this often; events bring it sooner.
const POLL_MILLIS: u64 = 10_000;

/// The core's own limit on a pull or fetch lies this far behind the sandbox's, which says more.
const LATER_SECONDS: u64 = 30;

/// How long the link may take to end when the worker stops.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Serves the pool until `stop`.
///
/// # Errors
/// One line that says what the operator can do.
pub(crate) async fn run(
    checked: Checked,
    wallet: Wallet,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let wallet = Arc::new(wallet);
    let worker = wallet.address();
    let chain = connect(&checked).await?;
    let head = chain.latest().await.context("cannot read the chain")?;
    check_pool(&chain, checked.workerpool).await?;
    // All that can be missing is looked for before anything is written or sent.
    let health = listen(&checked).await?;
    let engine = Engine::connect(checked.config.sandbox.engine_url.as_deref()).await?;
    let owner = Owner { worker, chain_id: chain.chain_id(), hub: chain.hub() };
    let data_dir = std::path::absolute(&checked.config.data_dir)?;
    let journal = Journal::open(&data_dir.join("journal"), &owner)?;
    let runs_dir = data_dir.join("runs");
    let sandbox = sandbox(&checked, engine, worker, &runs_dir)?;
    let settings = checked.config.sender.clone();
    let sender = Sender::start(chain.clone(), wallet.clone(), journal.ledger(), settings).await?;
    stake::prepare(&chain, &sender, worker, checked.auto_deposit).await;
    stake::bond(&chain, &sender, (worker, checked.workerpool), checked.bond).await;

    let (arrivals, queue) = mpsc::channel(QUEUE_LEN);
    let (audience, audience_seen) = watch::channel(None);
    let tools = Tools {
        sandbox,
        fetcher: fetcher(&checked)?,
        config: checked.config.sandbox.clone(),
        arrivals: arrivals.clone(),
        teller: Teller::new(checked.config.tell_printed, audience_seen),
    };
    let clock = Clock::new(head.timestamp);
    let records = journal.records()?;
    let runs = Runs::new(tools);
    runs.sweep(&runs_dir, records.iter().map(|record| record.assignment.task)).await;
    tracing::info!(%worker, pool = %checked.workerpool, tasks = records.len(), "starting");
    let secret = nonce_secret(&chain, &wallet);
    let core = Core::new(core_config(&checked, worker, secret), records, clock.now());
    let (live, live_seen) = watch::channel(core.live());
    let (status, status_seen) = watch::channel(Status::default());

    let (url, held) = (checked.scheduler_url.clone(), live_seen.clone());
    tokio::spawn(idle::tell(url, worker, held, stop.clone()));
    let link = Link {
        url: checked.scheduler_url.clone(),
        identity: identity(&checked, &chain, wallet.clone()),
        capacity: capacity(&checked),
        live: live_seen,
        arrivals: arrivals.clone(),
        audience,
    };
    let link = tokio::spawn(link.run(stop.clone()));
    let following = tokio::spawn(follow(chain.clone(), head.number, arrivals.clone()));
    if let Some(listener) = health {
        tokio::spawn(http::serve(listener, status_seen, stop.clone()));
    }
    let effects = Effects { chain, sender, worker, wallet, runs, arrivals, connection: None };
    let main = EventLoop { core, clock, journal, effects, arrivals: queue, status, live }
        .run(stop.clone());
    let ended = Box::pin(main).await;
    stop.cancel();
    following.abort();
    if tokio::time::timeout(STOP_TIME, link).await.is_err() {
        tracing::debug!("the stream to the scheduler did not end in time");
    }
    tracing::info!("stopped; containers go on, and the next start goes on with them");
    ended
}

/// A connection that sees events at once: the core itself counts confirmations before it
/// discloses or deletes anything.
pub(crate) async fn connect(checked: &Checked) -> anyhow::Result<Chain> {
    let settings = poco_chain::ChainSettings { confirmations: 0, ..checked.chain.clone() };
    Ok(Chain::connect(&settings).await?)
}

/// A worker of a pool that is not there would wait for ever.
async fn check_pool(chain: &Chain, workerpool: Address) -> anyhow::Result<()> {
    let entry = chain.workerpool(workerpool).await.context("cannot read the chain")?;
    let hub = chain.hub();
    ensure!(
        entry.is_some(),
        "there is no pool at {workerpool} on hub {hub}: check --workerpool and --hub"
    );
    Ok(())
}

async fn listen(checked: &Checked) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = checked.config.http_listen else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    let cannot = || format!("cannot listen on {address}: choose another --http-listen");
    bound.map(Some).with_context(cannot)
}

fn sandbox(
    checked: &Checked,
    engine: Engine,
    worker: Address,
    root: &Path,
) -> anyhow::Result<Sandbox> {
    let config = &checked.config.sandbox;
    std::fs::create_dir_all(root)
        .with_context(|| format!("cannot make the folder {}", root.display()))?;
    let (root, labels) = (root.to_owned(), config.labels.clone());
    Ok(Sandbox::new(engine, Settings { worker, root, disk: config.disk_mode(), labels }))
}

fn fetcher(checked: &Checked) -> anyhow::Result<Fetcher> {
    let config = &checked.config.sandbox;
    let settings = FetchSettings {
        allow_private: config.allow_private_inputs,
        gateways: config.ipfs_gateways.clone(),
        bytes_max: config.input_bytes,
        time_max: Duration::from_secs(config.fetch_seconds),
    };
    Fetcher::new(settings).context("cannot set up fetching of inputs")
}

/// What nonces of blinded votes follow from: a signature that is never shown. The wallet signs
/// alike every time, so not even a lost disk loses a nonce.
fn nonce_secret(chain: &Chain, wallet: &Wallet) -> NonceSecret {
    let hash = nonce_secret_hash(chain.chain_id(), chain.hub(), wallet.address());
    NonceSecret(keccak256(wallet.sign_hash(hash)))
}

fn core_config(
    checked: &Checked,
    worker: Address,
    nonce_secret: NonceSecret,
) -> poco_worker_core::Config {
    let config = &checked.config;
    let later = |seconds: u64| seconds.saturating_add(LATER_SECONDS).saturating_mul(1000);
    poco_worker_core::Config {
        worker,
        workerpool: checked.workerpool,
        slots: config.slots,
        tag: checked.tag,
        stake_max: checked.config.stake.max_stake.map(Amount::from_nano),
        confirmations: checked.chain.confirmations,
        forget_depth_blocks: config.forget_depth_blocks,
        poll_millis: POLL_MILLIS,
        nonce_secret,
        pull_millis_max: later(config.sandbox.pull_seconds),
        fetch_millis_max: later(config.sandbox.fetch_seconds),
    }
}

pub(crate) fn identity(checked: &Checked, chain: &Chain, wallet: Arc<Wallet>) -> Identity {
    let (chain_id, hub) = (chain.chain_id(), chain.hub());
    Identity { wallet, workerpool: checked.workerpool, chain_id, hub }
}

fn capacity(checked: &Checked) -> v1::Capacity {
    let (config, slots) = (&checked.config.sandbox, checked.config.slots);
    let cpus = u64::from(slots).saturating_mul(config.cpu_milli).div_ceil(1000);
    let machine = &checked.config.machine;
    v1::Capacity {
        slots,
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_bytes: config.memory_bytes.saturating_mul(slots.into()),
        disk_bytes: config.out_bytes.saturating_mul(slots.into()),
        tag: checked.tag.0.to_vec(),
        machine: machine.name.as_ref().map(|name| keccak256(name).to_vec()).unwrap_or_default(),
        owner: machine.owner.map(|owner| owner.to_vec()).unwrap_or_default(),
        gpus: machine.gpus,
        region: machine.region.clone().unwrap_or_default(),
        carbon_g_per_kwh: machine.carbon_g_per_kwh,
    }
}
