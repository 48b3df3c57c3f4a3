//! What is done to the market, drawn from a seed.

use super::stage::{DISKS, Role, Stage, WORKERS};
use anyhow::Result;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Pause between two faults.
const PAUSE_MILLIS: RangeInclusive<u64> = 500..=8_000;
/// How long a fault lasts.
const AWAY_MILLIS: RangeInclusive<u64> = 0..=6_000;

/// A thing done to the market, until it is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A process is killed; undone, it is started again.
    Killed(Role),
    /// A process stands still, and then goes on.
    Frozen(Role),
    /// A process has no room left on its disk.
    Full(Role),
    /// The chain is killed and loses its last blocks.
    Chain,
    /// The container engine is killed.
    Engine,
}

/// What was done, and what is to be undone.
#[derive(Debug)]
pub(super) struct Faults {
    rng: SmallRng,
    /// Of each kind one, to begin with.
    first: Vec<Fault>,
    next: Instant,
    going_on: BTreeMap<Fault, Instant>,
    counts: BTreeMap<&'static str, u64>,
    blocks_lost: u64,
}

impl Faults {
    /// Faults of a seed, from now on.
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut first = KINDS.to_vec();
        first.shuffle(&mut rng);
        Self {
            rng,
            first,
            next: Instant::now(),
            going_on: BTreeMap::new(),
            counts: BTreeMap::new(),
            blocks_lost: 0,
        }
    }

    /// Does and undoes what is due.
    pub(super) async fn act(&mut self, stage: &mut Stage) -> Result<()> {
        let now = Instant::now();
        self.undo(stage, |until| until <= now).await?;
        if now < self.next {
            return Ok(());
        }
        self.next = now + self.millis(PAUSE_MILLIS);
        let fault = self.first.last().copied().unwrap_or_else(|| self.draw());
        let until = now + self.millis(AWAY_MILLIS);
        // Nobody dies twice at a time.
        if self.going_on.keys().any(|other| other.hits() == fault.hits()) {
            return Ok(());
        }
        self.first.pop();
        *self.counts.entry(fault.name()).or_default() += 1;
        if fault == Fault::Chain {
            self.blocks_lost += stage.kill_chain().await?;
        } else {
            stage.harm(fault)?;
        }
        self.going_on.insert(fault, until);
        Ok(())
    }

    /// Undoes everything that is not undone yet.
    pub(super) async fn end(&mut self, stage: &mut Stage) -> Result<()> {
        self.undo(stage, |_| true).await
    }

    async fn undo(&mut self, stage: &mut Stage, is_due: impl Fn(Instant) -> bool) -> Result<()> {
        let due = |(fault, until): (&Fault, &Instant)| is_due(*until).then_some(*fault);
        let due: Vec<Fault> = self.going_on.iter().filter_map(due).collect();
        for fault in due {
            self.going_on.remove(&fault);
            stage.heal(fault).await?;
        }
        Ok(())
    }

    fn draw(&mut self) -> Fault {
        let worker = Role::Worker(self.rng.random_range(0..WORKERS));
        match self.rng.random_range(0..100) {
            0..20 => Fault::Killed(Role::Scheduler),
            20..50 => Fault::Killed(worker),
            50..55 => Fault::Killed(Role::Market),
            55..60 => Fault::Frozen(Role::Scheduler),
            60..68 => Fault::Frozen(worker),
            68..80 => Fault::Full(DISKS[self.rng.random_range(0..DISKS.len())]),
            80..92 => Fault::Chain,
            _ => Fault::Engine,
        }
    }

    fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    /// Kinds of faults that never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let names = NAMES.into_iter();
        names.filter(|name| !self.counts.contains_key(name)).collect()
    }
}

/// One fault of each kind.
const KINDS: [Fault; 8] = [
    Fault::Killed(Role::Scheduler),
    Fault::Killed(Role::Worker(0)),
    Fault::Killed(Role::Market),
    Fault::Frozen(Role::Scheduler),
    Fault::Frozen(Role::Worker(0)),
    Fault::Full(Role::Scheduler),
    Fault::Chain,
    Fault::Engine,
];

/// Every kind of fault, as it is told.
const NAMES: [&str; 8] = [
    "scheduler killed",
    "worker killed",
    "market killed",
    "scheduler frozen",
    "worker frozen",
    "disk full",
    "chain killed",
    "engine killed",
];

impl Fault {
    /// Whom it happens to: a process, or else chain or engine.
    fn hits(self) -> Result<Role, Self> {
        match self {
            Self::Killed(role) | Self::Frozen(role) | Self::Full(role) => Ok(role),
            Self::Chain | Self::Engine => Err(self),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Killed(Role::Scheduler) => NAMES[0],
            Self::Killed(Role::Worker(_)) => NAMES[1],
            Self::Killed(Role::Market) => NAMES[2],
            Self::Frozen(Role::Worker(_)) => NAMES[4],
            Self::Frozen(Role::Scheduler | Role::Market) => NAMES[3],
            Self::Full(_) => NAMES[5],
            Self::Chain => NAMES[6],
            Self::Engine => NAMES[7],
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> =
            self.counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(to, "{}, blocks lost {}", counts.join(", "), self.blocks_lost)
    }
}
