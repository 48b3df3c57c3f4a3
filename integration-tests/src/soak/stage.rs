//! The market under test: every process on a port and, where it keeps much, a disk of its own, and
//! raised again when it ends, as systemd would.

use super::disk::Disk;
use super::engine::Engine;
use super::faults::Fault;
use crate::pool::{Plan, Pool, SETTLEMENT};
use crate::process::Process;
use crate::world::{Party, WORKERS_MAX, World};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use poco_chain::Chain;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Workers of the pool.
pub(super) const WORKERS: usize = 5;
const _: () = assert!(WORKERS <= WORKERS_MAX);
/// Whose disks may be full.
pub(super) const DISKS: [Role; WORKERS] =
    [Role::Scheduler, Role::Worker(0), Role::Worker(1), Role::Worker(2), Role::Worker(3)];
/// Room for what they keep, and not much more.
const DISK_BYTES: u64 = 192 << 20;
/// What the scheduler is told: its disk is smaller than the room that it keeps free by itself.
const SCHEDULER: &[(&str, &str)] =
    &[SETTLEMENT[0][0], ("POCO_SCHEDULER_FLOOR_ROOM_BYTES", "16000000")];
/// Pause before a process that ended by itself is started again.
const RAISE_AFTER: Duration = Duration::from_secs(1);
/// More tasks than are ever bought; the pool's first stake answers for so many.
const TASKS_MAX: u64 = 3_000;
/// What everything that is bought may cost.
const MONEY: &str = "100000RLC";
/// What a worker's stakes may come to.
const STAKE: &str = "1000RLC";

/// A process of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Scheduler,
    Worker(usize),
    Market,
}

/// Everything, at work.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) pool: Pool,
    pub(super) chain: Chain,
    engine: Engine,
    disks: BTreeMap<Role, Disk>,
    /// Who is not to be raised now.
    killed: BTreeSet<Role>,
    ended: BTreeMap<Role, Instant>,
    raised: u64,
    pub(super) world: World,
}

impl Stage {
    /// Starts everything and waits until every worker has its bond.
    pub(super) async fn start() -> Result<Self> {
        let world = World::start_written().await?;
        let engine = Engine::start(world.path("engine")).await?;
        let mut disks = BTreeMap::new();
        for role in DISKS {
            disks.insert(role, Disk::mount(&world.path(&folder(role)), DISK_BYTES)?);
        }
        let plan = Plan {
            workers: 0,
            price: "1RLC",
            app_price: "0.1RLC",
            volume: TASKS_MAX,
            scheduler_environment: SCHEDULER,
            ..Plan::default()
        };
        let pool = Pool::start(&world, &plan).await?;
        world.fund(Party::Requester, MONEY)?;
        world.fund(Party::Scheduler, MONEY)?;
        let chain = world.chain().await?;
        let mut stage = Self {
            pool,
            chain,
            engine,
            disks,
            killed: BTreeSet::new(),
            ended: BTreeMap::new(),
            raised: 0,
            world,
        };
        for number in 0..WORKERS {
            stage.world.fund(Party::Worker(number), STAKE)?;
            let worker = stage.spawn(Role::Worker(number))?;
            stage.pool.workers.push(worker);
        }
        stage.pool.until_bonded(&stage.chain, WORKERS).await?;
        // Kept from here on; what is lost later are the soak's blocks.
        stage.world.anvil.mine_every(1).await?;
        stage.world.anvil.until_written().await?;
        Ok(stage)
    }

    /// Raises whoever has ended and was not killed.
    pub(super) fn tend(&mut self) -> Result<()> {
        for role in roles() {
            if self.killed.contains(&role) || self.process(role).ended()?.is_none() {
                continue;
            }
            let since = *self.ended.entry(role).or_insert_with(Instant::now);
            if since.elapsed() >= RAISE_AFTER {
                self.raised += 1;
                self.raise(role)?;
            }
        }
        Ok(())
    }

    /// Does to the market what is no matter of the chain.
    pub(super) fn harm(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Killed(role) => {
                self.killed.insert(role);
                self.process(role).kill()
            }
            // One that has ended stands still already.
            Fault::Frozen(role) if self.process(role).ended()?.is_some() => Ok(()),
            Fault::Frozen(role) => self.process(role).signal(Signal::SIGSTOP),
            Fault::Full(role) => self.disk(role)?.fill(),
            Fault::Engine => self.engine.kill(),
            Fault::Chain => Ok(()),
        }
    }

    /// Undoes it.
    pub(super) async fn heal(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Killed(role) => {
                self.killed.remove(&role);
                self.raise(role)
            }
            Fault::Frozen(role) if self.process(role).ended()?.is_some() => Ok(()),
            Fault::Frozen(role) => self.process(role).signal(Signal::SIGCONT),
            Fault::Full(role) => self.disk(role)?.free(),
            Fault::Engine => self.engine.raise().await,
            Fault::Chain => self.world.anvil.raise().await,
        }
    }

    /// Kills the chain; how many blocks it will have lost.
    pub(super) async fn kill_chain(&mut self) -> Result<u64> {
        self.world.anvil.kill_written().await
    }

    /// How often somebody was raised who had ended by itself.
    pub(super) fn raised(&self) -> u64 {
        self.raised
    }

    /// Everything that a process has said.
    pub(super) fn output(&self, role: Role) -> String {
        match role {
            Role::Scheduler => self.pool.scheduler.output(),
            Role::Market => self.pool.market.output(),
            Role::Worker(number) => self.pool.workers[number].output(),
        }
    }

    fn raise(&mut self, role: Role) -> Result<()> {
        self.ended.remove(&role);
        let process = self.spawn(role)?;
        *self.process(role) = process;
        Ok(())
    }

    fn spawn(&self, role: Role) -> Result<Process> {
        match role {
            Role::Scheduler => self.pool.raise_scheduler(&self.world, &folder(role), SCHEDULER),
            Role::Market => self.world.raise_market(&self.pool.market_url),
            Role::Worker(number) => {
                let engine = self.engine.url();
                let own = [("POCO_ENGINE_URL", &*engine), ("POCO_WORKER_SLOTS", "2")];
                self.pool.worker(&self.world, number, &[&own[..], SETTLEMENT[1]].concat())
            }
        }
    }

    fn process(&mut self, role: Role) -> &mut Process {
        match role {
            Role::Scheduler => &mut self.pool.scheduler,
            Role::Market => &mut self.pool.market,
            Role::Worker(number) => &mut self.pool.workers[number],
        }
    }

    fn disk(&self, role: Role) -> Result<&Disk> {
        self.disks.get(&role).context("only those with a disk of their own have it filled")
    }
}

/// Everybody.
pub(super) fn roles() -> impl Iterator<Item = Role> {
    [Role::Scheduler, Role::Market].into_iter().chain((0..WORKERS).map(Role::Worker))
}

/// Where a process keeps its data.
fn folder(role: Role) -> String {
    match role {
        Role::Scheduler => "scheduler".to_owned(),
        Role::Market => "market".to_owned(),
        Role::Worker(number) => format!("worker-{number}"),
    }
}
