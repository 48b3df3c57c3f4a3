//! The stream to the scheduler: opened again and again, with ever longer pauses while it fails.
//!
//! Carries messages and decides nothing: commands go to the loop, the loop's reports go out. What
//! was not acknowledged when a stream breaks is told again by the core after the next login.

mod messages;
mod session;
mod upload;

pub(crate) use messages::{ballot_message, disclosure_message, report_message};
pub(crate) use session::challenge;
pub(crate) use upload::upload;

use crate::arrival::{Arrival, Outbox};
use poco_chain::Wallet;
use poco_core::{Address, TaskId};
use poco_proto::pool_url::PoolUrl;
use poco_proto::{MESSAGE_BYTES_MAX, v1};
use poco_worker_core::{Input, Stage};
use rand::Rng as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// For a connection to be made.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// After so long without a packet the system probes the scheduler's machine, so often, before it is
/// gone: within half a minute, also while nothing is said, and at no cost to either process.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_PAUSE: Duration = Duration::from_secs(5);
const PROBES_UNANSWERED: u32 = 3;

/// The pause after the first failure; it doubles up to the longest one.
const PAUSE_MILLIS: u64 = 250;
/// Longest pause: a scheduler that restarts has its workers back within seconds.
const PAUSE_MILLIS_MAX: u64 = 15_000;

/// What the link must know.
pub(crate) struct Link {
    pub(crate) url: PoolUrl,
    pub(crate) identity: Identity,
    pub(crate) capacity: v1::Capacity,
    /// The core's tasks, as of the last batch.
    pub(crate) live: watch::Receiver<Vec<(TaskId, Stage)>>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// Who takes what runs print, while a stream is open.
    pub(crate) audience: watch::Sender<Option<Audience>>,
}

/// A scheduler that wants to hear what runs print.
#[derive(Clone, Debug)]
pub(crate) struct Audience {
    /// Where to tell it; closed with the stream.
    pub(crate) outbox: mpsc::Sender<v1::Printed>,
    /// How much of one run.
    pub(crate) bytes_max: u64,
}

/// Who logs in, and where to.
pub(crate) struct Identity {
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) workerpool: Address,
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
}

/// An open stream, as the loop uses it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Takes messages.
    pub(crate) outbox: Outbox,
    /// Names the stream in uploads.
    pub(crate) session: Vec<u8>,
    /// For other calls to the same scheduler.
    pub(crate) channel: Channel,
    /// Ends the stream.
    pub(crate) end: CancellationToken,
}

impl Link {
    /// Keeps the stream open until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                ended = session::session(&self) => ended,
            };
            // A session that was open starts the pauses anew.
            failures = if ended.was_open { 1 } else { failures + 1 };
            if ended.was_open && self.arrivals.send(Input::Disconnected.into()).await.is_err() {
                break;
            }
            let pause = pause(failures);
            tracing::warn!(
                error = %ended.error,
                again_in_millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "no stream to the scheduler"
            );
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// A connection to the scheduler at `url`, made when first used.
pub(crate) fn channel(url: &PoolUrl) -> Result<Channel, tonic::transport::Error> {
    let endpoint = url
        .endpoint()?
        .connect_timeout(CONNECT_TIME)
        .tcp_keepalive(Some(PROBE_AFTER))
        .tcp_keepalive_interval(Some(PROBE_PAUSE))
        .tcp_keepalive_retries(Some(PROBES_UNANSWERED))
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

/// The pool's service over a channel, with the protocol's limits.
pub(crate) fn client(channel: Channel) -> v1::workers_client::WorkersClient<Channel> {
    v1::workers_client::WorkersClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// Doubles with every failure, and is spread over half of it, so that the workers of a scheduler
/// that restarts do not come all at once.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = (PAUSE_MILLIS << doublings).min(PAUSE_MILLIS_MAX);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

#[cfg(test)]
mod tests;
