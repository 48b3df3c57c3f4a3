//! What one address may take of this process: connections, requests under way, logins, workers, and how
//! fast. So one that floods uses up its own share and nobody else's.
//!
//! Who proved a wallet counts as a worker, with limits of its own (`grpc::work`); everybody else is a
//! guest of the address it comes from. Of IPv6 the network counts, since whoever has one address there
//! has 2^64. What a connection may do is `listening`'s.

mod added;

use crate::meters::Meters;
use crate::pace::{Allowance, Rate};
use added::Added;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Connections at a time, those of workers among them: each worker of `sessions::WORKERS_MAX` has one,
/// and some thousand are left for requesters and for whoever comes next.
pub(crate) const CONNECTIONS_MAX: u32 = 12_000;
/// Connections of one address on which no worker is logged in: a browser opens 6, a program some tens.
const GUESTS_PER_ADDRESS: u32 = 64;
/// Requests of one address under way: `poco` follows one task at a time, a busy front end some hundred.
const REQUESTS_PER_ADDRESS: u32 = 256;
/// Streams of one address whose login is awaited or looked at; each may hold a message of 4 MiB. A site
/// that comes back with a thousand workers gets all of them in within seconds.
const LOGINS_PER_ADDRESS: u32 = 16;
/// The same of all addresses together: bounds the memory.
const LOGINS_MAX: u32 = 256;
/// Workers of one address: the wallets of a stranger cost it nothing, and must not take all places.
const WORKERS_PER_ADDRESS: u32 = 1_000;
/// Requests a second of one address, and how many at once after a pause. Each costs the loop some
/// microseconds.
const REQUESTS_RATE: Rate = Rate { per_second: 100, burst: 400 };
/// Logins a second: each costs a signature's check and two reads of the chain.
const LOGINS_RATE: Rate = Rate { per_second: 20, burst: 100 };
/// Files of one address on their way to be kept; each takes a place of `files::PLACES`.
const ADDS_PER_ADDRESS: u32 = 4;
/// What one address may give into keeping in a day.
const ADDED_BYTES_PER_DAY: u64 = 1 << 30;
/// A request beyond the rate waits for this long at most; who would wait longer is refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses remembered before those that say nothing are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// The `[limits]` section: what one address may take. A limit of 0 refuses everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Connections of an address on which no worker is logged in.
    pub(crate) connections_per_address: u32,
    /// Requests of an address under way.
    pub(crate) requests_per_address: u32,
    /// Requests of an address a second.
    pub(crate) requests_per_second: u32,
    /// Logins of an address a second.
    pub(crate) logins_per_second: u32,
    /// Workers of an address.
    pub(crate) workers_per_address: u32,
    /// Bytes of files that an address may give into keeping (`[files]`) in a day.
    pub(crate) added_bytes_per_day: u64,
    /// Addresses that these limits do not hold for: of a proxy, behind which everybody has its address.
    pub(crate) unlimited: Vec<IpAddr>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections_per_address: GUESTS_PER_ADDRESS,
            requests_per_address: REQUESTS_PER_ADDRESS,
            requests_per_second: REQUESTS_RATE.per_second,
            logins_per_second: LOGINS_RATE.per_second,
            workers_per_address: WORKERS_PER_ADDRESS,
            added_bytes_per_day: ADDED_BYTES_PER_DAY,
            unlimited: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }
}

/// What is not given, by the name under which refusals are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error("this pool has as many connections as it can take; try again")]
    Connections,
    #[error("too many connections from this address")]
    AddressConnections,
    #[error("too many requests of this address are under way; wait for their answers")]
    AddressRequests,
    #[error("too many requests a second from this address; ask less often")]
    RequestRate,
    #[error("too many logins at a time; try again")]
    Logins,
    #[error("too many logins a second from this address; try again later")]
    LoginRate,
    #[error("too many workers at this address; its owner can ask the pool's to allow more")]
    AddressWorkers,
    #[error("too many files of this address are on their way; wait for them")]
    AddressAdds,
    #[error("this address has given as many bytes as it may in a day")]
    AddedBytes,
    #[error("too many addresses have given files today; try again later")]
    Adders,
}

impl Excess {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connections => "limit-connections",
            Self::AddressConnections => "limit-address-connections",
            Self::AddressRequests => "limit-address-requests",
            Self::RequestRate => "limit-request-rate",
            Self::Logins => "limit-logins",
            Self::LoginRate => "limit-login-rate",
            Self::AddressWorkers => "limit-address-workers",
            Self::AddressAdds => "limit-address-adds",
            Self::AddedBytes => "limit-added-bytes",
            Self::Adders => "limit-adders",
        }
    }
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        let whole = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(long) => match long.to_ipv4_mapped() {
                Some(short) => short.into(),
                None => {
                    let network = u128::from(long) & !u128::from(u64::MAX);
                    Ipv6Addr::from(network).into()
                }
            },
        };
        Self(whole)
    }
}

/// What is counted of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Guest,
    Request,
    Login,
    Worker,
    Add,
}

/// What an address has taken.
#[derive(Debug)]
struct Taken {
    guests: u32,
    requests: u32,
    logins: u32,
    workers: u32,
    adds: u32,
    asking: Allowance,
    arriving: Allowance,
}

impl Taken {
    fn of(&mut self, share: Share) -> &mut u32 {
        match share {
            Share::Guest => &mut self.guests,
            Share::Request => &mut self.requests,
            Share::Login => &mut self.logins,
            Share::Worker => &mut self.workers,
            Share::Add => &mut self.adds,
        }
    }

    fn says_something(&self, now: Instant) -> bool {
        let open = [self.guests, self.requests, self.logins, self.workers, self.adds];
        open != [0; 5] || !self.asking.is_full(now) || !self.arriving.is_full(now)
    }
}

#[derive(Debug, Default)]
struct All {
    connections: u32,
    logins: u32,
    addresses: BTreeMap<Origin, Taken>,
    added: Added,
}

/// The limits and what is taken of them. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    config: Arc<LimitsConfig>,
    all: Arc<Mutex<All>>,
    meters: Arc<Meters>,
}

impl Limits {
    pub(crate) fn new(config: LimitsConfig, meters: Arc<Meters>) -> Self {
        Self { config: Arc::new(config), all: Arc::default(), meters }
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Visit, Excess> {
        let origin = Origin::of(address);
        let is_limited = !self.config.unlimited.iter().any(|free| Origin::of(*free) == origin);
        let mut all = self.lock();
        let entered = if all.connections >= CONNECTIONS_MAX {
            Err(Excess::Connections)
        } else {
            all.connections += 1;
            Ok(())
        };
        drop(all);
        self.count(entered)?;
        let visitor = Visitor { limits: self.clone(), origin, is_limited };
        let whole = Connection { limits: self.clone() };
        let seat = Seat { guest: Some(visitor.take(Share::Guest)?), workers: 0 };
        let seat = Arc::new(Mutex::new(seat));
        Ok(Visit { visitor, seat, _whole: Arc::new(whole) })
    }

    fn count<T>(&self, given: Result<T, Excess>) -> Result<T, Excess> {
        given.inspect_err(|excess| self.meters.refused(excess.name()))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Every change of it is complete by itself.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `origin` has taken, for a moment.
    fn with<T>(&self, origin: Origin, change: impl FnOnce(&mut Taken, Instant) -> T) -> T {
        let now = Instant::now();
        let mut all = self.lock();
        if all.addresses.len() >= ADDRESSES_MAX {
            all.addresses.retain(|_, taken| taken.says_something(now));
        }
        let Self { config, .. } = self;
        let taken = all.addresses.entry(origin).or_insert_with(|| {
            let rate = |per_second, usual: Rate| Rate {
                per_second,
                burst: per_second.saturating_mul(usual.burst / usual.per_second),
            };
            Taken {
                guests: 0,
                requests: 0,
                logins: 0,
                workers: 0,
                adds: 0,
                asking: Allowance::new(rate(config.requests_per_second, REQUESTS_RATE), now),
                arriving: Allowance::new(rate(config.logins_per_second, LOGINS_RATE), now),
            }
        });
        change(taken, now)
    }
}

/// A connection in all.
#[derive(Debug)]
struct Connection {
    limits: Limits,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut all = self.limits.lock();
        all.connections = all.connections.saturating_sub(1);
    }
}

/// A connection that was let in. Clones share it; it has left when the last is gone.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    visitor: Visitor,
    seat: Arc<Mutex<Seat>>,
    _whole: Arc<Connection>,
}

/// What a connection counts as.
#[derive(Debug)]
struct Seat {
    /// Its place among the guests of its address; none while workers are logged in on it.
    guest: Option<Held>,
    workers: u32,
}

/// Somebody at an address.
#[derive(Clone, Debug)]
struct Visitor {
    limits: Limits,
    origin: Origin,
    is_limited: bool,
}

/// A part of an address's share, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    visitor: Visitor,
    share: Share,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Visitor { limits, origin, .. } = &self.visitor;
        limits.with(*origin, |taken, _| {
            let count = taken.of(self.share);
            *count = count.saturating_sub(1);
        });
        if self.share == Share::Login {
            let mut all = limits.lock();
            all.logins = all.logins.saturating_sub(1);
        }
    }
}

/// A worker that is logged in; its connection is no guest's meanwhile.
#[derive(Debug)]
pub(crate) struct Working {
    _worker: Held,
    visit: Visit,
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut seat = self.visit.seat();
        seat.workers = seat.workers.saturating_sub(1);
        if seat.workers == 0 {
            // Where its address has too many guests now, it gets no answers before it has a place.
            seat.guest = self.visit.visitor.take(Share::Guest).ok();
        }
    }
}

impl Visitor {
    fn take(&self, share: Share) -> Result<Held, Excess> {
        let config = &self.limits.config;
        let (max, excess) = match share {
            Share::Guest => (config.connections_per_address, Excess::AddressConnections),
            Share::Request => (config.requests_per_address, Excess::AddressRequests),
            Share::Login => (LOGINS_PER_ADDRESS, Excess::Logins),
            Share::Worker => (config.workers_per_address, Excess::AddressWorkers),
            Share::Add => (ADDS_PER_ADDRESS, Excess::AddressAdds),
        };
        let taken = self.limits.with(self.origin, |taken, _| {
            let count = taken.of(share);
            if self.is_limited && *count >= max {
                return Err(excess);
            }
            *count = count.saturating_add(1);
            Ok(())
        });
        self.limits.count(taken)?;
        Ok(Held { visitor: self.clone(), share })
    }

    fn wait(&self, cost: u32, excess: Excess) -> Result<Duration, Excess> {
        if !self.is_limited {
            return Ok(Duration::ZERO);
        }
        let wait = self.limits.with(self.origin, |taken, now| match excess {
            Excess::LoginRate => taken.arriving.try_spend(cost, now, PATIENCE),
            Excess::RequestRate
            | Excess::Connections
            | Excess::AddressConnections
            | Excess::AddressRequests
            | Excess::Logins
            | Excess::AddressWorkers
            | Excess::AddressAdds
            | Excess::AddedBytes
            | Excess::Adders => taken.asking.try_spend(cost, now, PATIENCE),
        });
        self.limits.count(wait.ok_or(excess))
    }
}

impl Visit {
    /// A request that costs `cost`, once it is its turn.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) async fn ask(&self, cost: u32) -> Result<Held, Excess> {
        self.sit()?;
        let held = self.visitor.take(Share::Request)?;
        pause(self.visitor.wait(cost, Excess::RequestRate)?).await;
        Ok(held)
    }

    /// Takes a place among the guests, where it has none.
    fn sit(&self) -> Result<(), Excess> {
        let mut seat = self.seat();
        if seat.workers == 0 && seat.guest.is_none() {
            seat.guest = Some(self.visitor.take(Share::Guest)?);
        }
        Ok(())
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        // Every change of it is complete by itself.
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that awaits its login.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) fn begin_login(&self) -> Result<Held, Excess> {
        let limits = &self.visitor.limits;
        let mut all = limits.lock();
        let is_full = all.logins >= LOGINS_MAX;
        if !is_full {
            all.logins += 1;
        }
        drop(all);
        if is_full {
            return limits.count(Err(Excess::Logins));
        }
        self.visitor.take(Share::Login).inspect_err(|_| {
            let mut all = limits.lock();
            all.logins = all.logins.saturating_sub(1);
        })
    }

    /// A login, once it is its turn.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) async fn log_in(&self) -> Result<(), Excess> {
        pause(self.visitor.wait(1, Excess::LoginRate)?).await;
        Ok(())
    }

    /// Begins to give files into keeping.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) fn begin_adding(&self) -> Result<Held, Excess> {
        self.visitor.take(Share::Add)
    }

    /// Gives bytes into keeping.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) fn add(&self, bytes: u64) -> Result<(), Excess> {
        let Visitor { limits, origin, is_limited } = &self.visitor;
        if !is_limited {
            return Ok(());
        }
        let most = limits.config.added_bytes_per_day;
        let added = limits.lock().added.add(*origin, bytes, most, Instant::now());
        limits.count(added)
    }

    /// A worker is logged in on this connection.
    ///
    /// # Errors
    /// [`Excess`], which is counted.
    pub(crate) fn work(&self) -> Result<Working, Excess> {
        let worker = self.visitor.take(Share::Worker)?;
        let mut seat = self.seat();
        seat.guest = None;
        seat.workers = seat.workers.saturating_add(1);
        drop(seat);
        Ok(Working { _worker: worker, visit: self.clone() })
    }
}

/// The shortest sleep is a millisecond, which nobody shall wait who need not.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests;
