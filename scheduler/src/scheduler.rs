//! Puts the parts together and runs them until the process is told to stop.

use crate::arrival::{Arrivals, QUEUE_LEN};
use crate::config::{Checked, LaneChoice};
use crate::effects::{Effects, Tools};
use crate::event_loop::EventLoop;
use crate::follow::follow;
use crate::meters::Meters;
use crate::profile::Profile;
use crate::results::Results;
use crate::store::{Identity, Store};
use crate::{grpc, http};
use anyhow::{Context as _, ensure};
use axum::serve::{Listener, ListenerExt as _};
use poco_chain::{Chain, Cursor, EventStream, Interest, Sender, Wallet};
use poco_core::U256;
use poco_scheduler_core::{Core, Head, Input, Moment};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Below this the owner cannot pay for many transactions on an ordinary chain: 0.01 ether.
const GAS_WEI_LOW: u64 = 10_000_000_000_000_000;
/// How long open requests may take to end when the process stops.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Runs the pool.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub(crate) async fn run(
    checked: Checked,
    wallet: Wallet,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let wallet = Arc::new(wallet);
    let chain = Chain::connect(&checked.chain).await?;
    check_pool(&chain, &checked, &wallet).await?;
    let identity =
        Identity { chain_id: chain.chain_id(), hub: chain.hub(), workerpool: checked.workerpool };
    // Bound before anything is written: a port that is taken leaves no trace.
    let listen = checked.config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: choose another --listen"))?;
    let data_dir = &checked.config.data_dir;
    let folder = data_dir.join("results");
    let results = Results::open(checked.config.results_url.as_ref(), &folder)?;
    results.check().await?;
    let store = Store::open(&data_dir.join("store"), identity)?;
    let (records, cursor) = store.load()?;
    let cursor = cursor.unwrap_or_else(|| Cursor::start_at(checked.config.start_block));
    let (arrivals, queue) = mpsc::channel(QUEUE_LEN);
    let settings = checked.config.sender.clone();
    let sender = Sender::start(chain.clone(), wallet.clone(), store.clone(), settings).await?;
    let meters = Arc::new(Meters::new()?);
    let head = chain.latest().await?;

    let origin = Instant::now();
    let mut settings = checked.settings(wallet.address());
    settings.settlement = settles(&chain, &checked).await?;
    let mut core = Core::new(settings, records, Moment(0));
    core.handle(Moment(0), Input::Head(Head { number: head.number, timestamp: head.timestamp }));
    tracing::info!(
        block = head.number, from_block = cursor.next_block(), address = %listener.local_addr()?,
        "serving workers and clients"
    );
    let events = EventStream::new(chain.clone(), Interest::pool(checked.workerpool), cursor);
    let following = tokio::spawn(follow(events, arrivals.clone()));
    let tools = Tools {
        chain: chain.clone(),
        workerpool: checked.workerpool,
        wallet: wallet.clone(),
        sender,
        store: store.clone(),
        results: results.clone(),
        meters: meters.clone(),
        arrivals: arrivals.clone(),
        heartbeat_seconds: checked.config.heartbeat_seconds,
    };
    let shared = Shared { chain, store: store.clone(), results, meters, arrivals };
    publish(&checked, &listener, &shared.chain, wallet.clone(), &stop)?;
    let context = shared.context(&checked, &wallet, stop.clone())?;
    let serving = tokio::spawn(serve(listener, context));
    let effects = Effects::new(tools);
    let silence = Duration::from_secs(checked.config.heartbeat_seconds.into());
    let ended = EventLoop { core, store, effects, origin, silence }.run(queue, &stop).await;
    stop.cancel();
    following.abort();
    // A client that does not let go cannot hold the process up.
    let _ = tokio::time::timeout(STOP_TIME, serving).await;
    ended
}

/// What the services share with the loop.
struct Shared {
    chain: Chain,
    store: Store,
    results: Results,
    meters: Arc<Meters>,
    arrivals: Arrivals,
}

impl Shared {
    fn context(
        self,
        checked: &Checked,
        wallet: &Wallet,
        stop: CancellationToken,
    ) -> anyhow::Result<grpc::Context> {
        let upload_folder = checked.config.data_dir.join("uploads");
        empty(&upload_folder)?;
        Ok(grpc::Context {
            chain: self.chain,
            workerpool: checked.workerpool,
            owner: wallet.address(),
            allowed_workers: Arc::new(checked.config.allowed_workers.clone()),
            heartbeat_seconds: checked.config.heartbeat_seconds,
            upload_bytes_max: checked.config.upload_bytes_max,
            upload_folder,
            results: self.results,
            store: self.store,
            meters: self.meters,
            arrivals: self.arrivals,
            stop,
        })
    }
}

/// Whether tasks may take the settlement lane: the operator's choice, and the hub's.
async fn settles(chain: &Chain, checked: &Checked) -> anyhow::Result<bool> {
    let has_lane = chain.has_lane().await.context("cannot read the chain")?;
    let is_on = has_lane && checked.config.lane == LaneChoice::Auto;
    let reason = match (has_lane, is_on) {
        (false, _) => "the hub does not have it",
        (true, false) => "switched off by `lane`",
        (true, true) => "for replicated tasks and bags, as far as workers have bonds",
    };
    tracing::info!(is_on, reason, "settlement lane");
    Ok(is_on)
}

/// Whether the pool is there and the wallet its owner's.
async fn check_pool(chain: &Chain, checked: &Checked, wallet: &Wallet) -> anyhow::Result<()> {
    let (pool, owner) = (checked.workerpool, wallet.address());
    let entry = chain.workerpool(pool).await?.with_context(|| {
        format!("there is no pool at {pool} on hub {}: check --workerpool and --hub", chain.hub())
    })?;
    ensure!(
        entry.owner == owner,
        "pool {pool} belongs to {}, but the keystore is that of {owner}: choose the owner's --keystore",
        entry.owner
    );
    let (gas, account) = tokio::try_join!(chain.gas_balance(owner), chain.account(owner))?;
    tracing::info!(
        %pool, %owner, description = entry.description, chain = chain.chain_id(),
        hub = %chain.hub(), stake = %account.free, frozen = %account.locked, "pool found"
    );
    if gas < U256::from(GAS_WEI_LOW) {
        tracing::warn!(%owner, wei = %gas, "the owner has little left for gas; send it some");
    }
    Ok(())
}

fn publish(
    checked: &Checked,
    listener: &TcpListener,
    chain: &Chain,
    wallet: Arc<Wallet>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(market_url) = checked.config.market_url.clone() else { return Ok(()) };
    let api_url = match &checked.config.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let (chain_id, workerpool) = (chain.chain_id(), checked.workerpool);
    let profile = Profile { market_url, api_url, chain_id, workerpool, wallet };
    tokio::spawn(profile.publish(stop.clone()));
    Ok(())
}

/// What uploads left behind when the process was killed is of no use.
fn empty(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot prepare {}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(cannot)?;
    }
    std::fs::create_dir_all(folder).with_context(cannot)
}

/// gRPC and HTTP, versions 1 and 2, on one port.
async fn serve(listener: TcpListener, context: grpc::Context) {
    let stop = context.stop.clone();
    let routes = grpc::routes(&context).merge(http::routes(&context));
    let server = axum::serve(prompt(listener), routes);
    if let Err(error) = server.with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the server failed");
    }
}

/// Sends what is written at once. A command to a worker often follows an acknowledgement; the system
/// would hold it back until the worker's side has confirmed that, up to 40 ms later.
fn prompt(listener: TcpListener) -> impl Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection sends late");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_send_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut listener = prompt(listener);
        let (_ours, (theirs, _)) =
            tokio::join!(async { TcpStream::connect(address).await.unwrap() }, listener.accept());
        assert!(theirs.nodelay().unwrap());
    }
}
