//! Starts the parts, waits for a reason to stop, and stops them.

use crate::config::Config;
use crate::follow::follow;
use crate::http::{self, Gateway};
use crate::live;
use crate::market::Market;
use anyhow::{Context, bail};
use poco_chain::{Chain, ChainSettings};
use poco_core::Address;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long open requests may take once the market is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the market until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting or going on, and what to do.
pub(crate) async fn serve(config: Config, settings: ChainSettings) -> anyhow::Result<()> {
    let chain = Chain::connect(&settings).await?;
    // Bound before anything is written: a port that is taken leaves no trace.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another --listen", config.listen))?;
    let heeds_marks = chain.epoch(Address::ZERO).await?.is_some();
    let market = Market::open(chain, &config.data_dir, config.start_block, heeds_marks)?;
    let market = Arc::new(market);
    let stop = CancellationToken::new();
    let (watchers, io) = live::service(market.chain.chain_id());
    let gateway = Gateway::new(market.clone(), config.requests_per_minute, config.trust_proxy);
    let app = http::router(Arc::new(gateway)).layer(watchers).layer(http::cors());
    let address = listener.local_addr()?;
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server =
        axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut server = tokio::spawn(server.into_future());
    let teller = tokio::spawn(live::tell(market.clone(), io, stop.clone()));
    tracing::info!(%address, chain = market.chain.chain_id(), hub = %market.chain.hub(), "market open");

    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let followed = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = market.broken().cancelled() => bail!("the data folder failed; the log says how"),
        result = follow(&market, config.start_block, &stop) => result,
        result = &mut server => result?.context("the API stopped"),
    };
    stop.cancel();
    if !server.is_finished() && tokio::time::timeout(STOP_TIMEOUT, &mut server).await.is_err() {
        tracing::warn!("open requests were cut off");
        server.abort();
    }
    teller.await.context("live news failed")?;
    tracing::info!("market closed");
    followed
}
