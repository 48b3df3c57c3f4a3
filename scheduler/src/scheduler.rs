//! Puts the parts together and runs them until the process is told to stop.

use crate::access::Challenges;
use crate::admission::Admission;
use crate::arrival::{Arrivals, QUEUE_LEN};
use crate::config::{Checked, LaneChoice};
use crate::effects::{Effects, Tools};
use crate::event_loop::EventLoop;
use crate::filling::Filler;
use crate::follow::{Books, follow};
use crate::grpc;
use crate::heartbeats::Heartbeats;
use crate::meters::Meters;
use crate::outlook::{Outlook, funds, look_out};
use crate::place::Place;
use crate::pricing::Pricing;
use crate::profile::Profile;
use crate::rival::Watchman;
use crate::sales::{OfferShown, Seller};
use crate::signals::Stop;
use crate::store::Store;
use crate::transcripts::Transcripts;
use anyhow::{Context as _, ensure};
use poco_chain::{BlockRef, Chain, Cursor, EventStream, Interest, Purse, Sender, Wallet};
use poco_core::{Address, U256};
use poco_market_client::Market;
use poco_scheduler_core::{Core, Head, Input, Moment, Record, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long open requests may take to end when the process stops.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Runs the pool.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub(crate) async fn run(checked: Checked, wallet: Wallet, stop: Stop) -> anyhow::Result<()> {
    let wallet = Arc::new(wallet);
    let owner = wallet.address();
    let chain = Chain::connect(&checked.chain).await?;
    let purse = check_pool(&chain, &checked, owner).await?;
    let place = Place::take(&checked, &chain, owner).await?;
    let (records, cursor) = place.store.load()?;
    let cursor = cursor.unwrap_or_else(|| Cursor::start_at(checked.config.start_block));
    let (arrivals, queue) = mpsc::channel(QUEUE_LEN);
    let settings = checked.config.sender.clone();
    let sender =
        Sender::start(chain.clone(), wallet.clone(), place.store.clone(), settings).await?;
    let meters = Arc::new(Meters::new()?);
    let head = chain.latest().await?;

    let origin = Instant::now();
    let mut settings = checked.settings(owner);
    settings.settlement = settles(&chain, &checked).await?;
    let left = place.room.left()?;
    let followed = cursor.next_block().saturating_sub(1);
    let stored = (records, followed);
    let core = start_core(settings, stored, &place.admission, (&purse, left), head);
    let url = place.doors.url(checked.config.public_url.as_ref())?;
    tracing::info!(
        block = head.number, from_block = cursor.next_block(),
        address = %place.doors.listener.local_addr()?, url = url, "serving workers and clients"
    );
    let interest = Interest::pool_of(checked.workerpool, owner);
    let events = EventStream::new(chain.clone(), interest, cursor);
    let books = Books { owner, meters: meters.clone() };
    let following = tokio::spawn(follow(events, arrivals.clone(), books));
    let (outlook, outlook_seen) = watch::channel(Outlook::new(purse));
    let watchman = Watchman::new(chain.clone(), owner, place.store.own.clone(), &purse);
    let looking = tokio::spawn(look_out(watchman, outlook, arrivals.clone()));
    let measuring = tokio::spawn(place.room.clone().watch(arrivals.clone()));
    let keeping = place.files.clone().map(|files| tokio::spawn(files.watch()));
    publish(&checked, &url, &chain, wallet.clone(), &stop.gently)?;
    let (shown, on_offer) = watch::channel(Vec::new());
    let goods = (&place.store, &place.pricing);
    let (paying, telling) = ((&sender, &meters), (&arrivals, shown));
    let seller = seller(&checked, (&chain, &wallet), goods, paying, telling)?;
    let selling = seller.map(|seller| tokio::spawn(seller.run(stop.gently.clone())));
    let outlook = outlook_seen;
    let started = origin;
    let shared = Shared { chain, owner, url, outlook, on_offer, meters, arrivals, started };
    let effects = Effects::new(shared.tools(&checked, &place, (wallet, sender)));
    let over = CancellationToken::new();
    let context = shared.context(&checked, &place, over.clone());
    let Place { lock, doors, store, admission, pricing, .. } = place;
    let config = checked.config.clone();
    let serving = tokio::spawn(async move { doors.open(&config, context).await });
    let patience = Duration::from_secs(checked.config.stop_seconds);
    let event_loop =
        EventLoop { core, store, effects, admission, pricing, patience, origin, fatal: None };
    let ended = event_loop.run(queue, &stop).await;
    stop.gently.cancel();
    over.cancel();
    following.abort();
    looking.abort();
    measuring.abort();
    if let Some(keeping) = keeping {
        keeping.abort();
    }
    // A client that does not let go cannot hold the process up.
    let _ = tokio::time::timeout(STOP_TIME, serving).await;
    if let Some(selling) = selling {
        // It limits itself, and began to withdraw with the stop.
        let _ = selling.await;
    }
    drop(lock);
    ended
}

/// What the services share with the loop.
struct Shared {
    chain: Chain,
    owner: Address,
    url: String,
    outlook: watch::Receiver<Outlook>,
    on_offer: watch::Receiver<Vec<OfferShown>>,
    meters: Arc<Meters>,
    arrivals: Arrivals,
    started: Instant,
}

impl Shared {
    fn tools(&self, checked: &Checked, place: &Place, by: (Arc<Wallet>, Sender)) -> Tools {
        let (wallet, sender) = by;
        Tools {
            chain: self.chain.clone(),
            workerpool: checked.workerpool,
            wallet,
            sender,
            store: place.store.clone(),
            results: place.room.results.clone(),
            meters: self.meters.clone(),
            arrivals: self.arrivals.clone(),
            heartbeats: Heartbeats::new(checked.config.heartbeat_seconds),
        }
    }

    fn context(self, checked: &Checked, place: &Place, stop: CancellationToken) -> grpc::Context {
        grpc::Context {
            challenges: Challenges::new(self.chain.chain_id()),
            transcripts: Transcripts::default(),
            chain: self.chain,
            workerpool: checked.workerpool,
            owner: self.owner,
            url: self.url,
            admission: place.admission.clone(),
            pricing: place.pricing.clone(),
            outlook: self.outlook,
            on_offer: self.on_offer,
            started: self.started,
            heartbeats: Heartbeats::new(checked.config.heartbeat_seconds),
            upload_bytes_max: checked.config.upload_bytes_max,
            upload_folder: place.uploads.clone(),
            room: place.room.clone(),
            files: place.files.clone(),
            store: place.store.clone(),
            meters: self.meters,
            arrivals: self.arrivals,
            explaining: Arc::new(Semaphore::new(grpc::EXPLANATIONS_MAX)),
            lookup: Arc::default(),
            stop,
        }
    }
}

/// A core that knows what was stored, ordered and seen before it decides anything.
fn start_core(
    settings: Settings,
    (records, followed): (Vec<Record>, u64),
    admission: &Admission,
    (purse, room_bytes): (&Purse, u64),
    head: BlockRef,
) -> Core {
    let mut core = Core::new(settings, records, followed, Moment(0));
    for operation in admission.standing().operations() {
        tracing::info!(?operation, "ordered before the start");
        core.handle(Moment(0), Input::Operation(operation));
    }
    core.handle(Moment(0), Input::Funds(funds(purse)));
    core.handle(Moment(0), Input::Room(room_bytes));
    core.handle(Moment(0), Input::Head(Head { number: head.number, timestamp: head.timestamp }));
    core
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
async fn check_pool(chain: &Chain, checked: &Checked, owner: Address) -> anyhow::Result<Purse> {
    let pool = checked.workerpool;
    let entry = chain.workerpool(pool).await?.with_context(|| {
        format!("there is no pool at {pool} on hub {}: check --workerpool and --hub", chain.hub())
    })?;
    ensure!(
        entry.owner == owner,
        "pool {pool} belongs to {}, but the keystore is that of {owner}: choose the owner's --keystore",
        entry.owner
    );
    checked.config.profile.check_policy(entry.scheduler_reward_ratio)?;
    let purse = chain.purse(owner).await?;
    tracing::info!(
        %pool, %owner, description = entry.description, chain = chain.chain_id(),
        hub = %chain.hub(), stake = %purse.account.free, frozen = %purse.account.locked, "pool found"
    );
    Ok(purse)
}

/// Who sells what the pool can do, where there is a market.
fn seller(
    checked: &Checked,
    (chain, wallet): (&Chain, &Arc<Wallet>),
    (store, pricing): (&Store, &Pricing),
    (sender, meters): (&Sender, &Arc<Meters>),
    (arrivals, shown): (&Arrivals, watch::Sender<Vec<OfferShown>>),
) -> anyhow::Result<Option<Seller>> {
    let config = &checked.config;
    let Some(url) = config.market_url.clone() else { return Ok(None) };
    let filler =
        |cost_wei_max| Filler::new(sender.clone(), meters.clone(), U256::from(cost_wei_max));
    Ok(Some(Seller {
        chain: chain.clone(),
        market: Market::new(url, chain.chain_id())?,
        wallet: wallet.clone(),
        workerpool: checked.workerpool,
        pricing: pricing.clone(),
        expire_seconds: config.sales.expire_seconds,
        conditions: config.profile.offered(),
        store: store.clone(),
        arrivals: arrivals.clone(),
        filler: config.sales.fill_cost_wei_max.map(filler),
        shown,
    }))
}

fn publish(
    checked: &Checked,
    url: &str,
    chain: &Chain,
    wallet: Arc<Wallet>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(market_url) = checked.config.market_url.clone() else { return Ok(()) };
    let (chain_id, workerpool, api_url) = (chain.chain_id(), checked.workerpool, url.to_owned());
    let terms = checked.config.profile.terms();
    let terms = terms.as_ref().map(serde_json::to_string).transpose()?;
    let profile = Profile { market_url, api_url, chain_id, workerpool, wallet, terms };
    tokio::spawn(profile.publish(stop.clone()));
    Ok(())
}
