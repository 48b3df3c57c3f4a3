//! The gRPC services: workers on one side, whoever watches on the other.

mod logs;
mod observer;
mod statement;
mod upload;
mod work;

pub(crate) use logs::authorize;
pub(crate) use observer::{ask, explain, find};
pub(crate) use work::name_of;

use crate::access::Challenges;
use crate::admission::Admission;
use crate::arrival::{Arrivals, QUEUE_LEN};
use crate::files::Files;
use crate::heartbeats::Heartbeats;
use crate::meters::Meters;
use crate::outlook::Outlook;
use crate::pricing::Pricing;
use crate::room::Room;
use crate::sales::OfferShown;
use crate::store::Store;
use crate::transcripts::Transcripts;
use poco_chain::Chain;
use poco_core::Address;
use poco_proto::MESSAGE_BYTES_MAX;
use poco_proto::v1::observer_server::ObserverServer;
use poco_proto::v1::workers_server::WorkersServer;
use poco_scheduler_core::Lookup;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use upload::Uploads;

/// The largest question of a requester: an order with params of 64 KiB fits.
const QUESTION_BYTES_MAX: usize = 128 << 10;

/// Explanations asked of the loop at a time: between two, all that has arrived meanwhile is served.
pub(crate) const EXPLANATIONS_MAX: usize = 1;

/// What the services need.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) chain: Chain,
    pub(crate) workerpool: Address,
    pub(crate) owner: Address,
    /// Where workers and clients reach this pool.
    pub(crate) url: String,
    pub(crate) admission: Admission,
    /// For those who read what is theirs alone.
    pub(crate) challenges: Challenges,
    /// What runs print.
    pub(crate) transcripts: Transcripts,
    pub(crate) pricing: Pricing,
    pub(crate) outlook: watch::Receiver<Outlook>,
    pub(crate) on_offer: watch::Receiver<Vec<OfferShown>>,
    pub(crate) started: Instant,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) upload_bytes_max: u64,
    /// Uploads under way; emptied at each start.
    pub(crate) upload_folder: PathBuf,
    pub(crate) room: Room,
    /// What others gave into keeping, where they may.
    pub(crate) files: Option<Files>,
    pub(crate) store: Store,
    pub(crate) meters: Arc<Meters>,
    pub(crate) arrivals: Arrivals,
    /// Whose turn it is to have something explained: each takes the loop's time.
    pub(crate) explaining: Arc<Semaphore>,
    /// Finds tasks that are not made, for one at a time.
    pub(crate) lookup: Arc<Mutex<Lookup>>,
    pub(crate) stop: CancellationToken,
}

impl Context {
    /// Arrivals that wait for the loop.
    pub(crate) fn queue_len(&self) -> usize {
        QUEUE_LEN.saturating_sub(self.arrivals.capacity())
    }
}

/// The services as routes of one server.
pub(crate) fn routes(context: &Context) -> axum::Router {
    let shared = Arc::new(context.clone());
    let workers = work::Service { context: shared, uploads: Uploads::default() };
    let workers = WorkersServer::new(workers).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let readers = Arc::new(Semaphore::new(logs::READERS_MAX));
    let statements = Semaphore::new(statement::STATEMENTS_MAX);
    let observer = observer::Service { context: context.clone(), readers, statements };
    Routes::new(workers)
        .add_service(ObserverServer::new(observer).max_decoding_message_size(QUESTION_BYTES_MAX))
        .prepare()
        .into_axum_router()
        .reset_fallback()
}
