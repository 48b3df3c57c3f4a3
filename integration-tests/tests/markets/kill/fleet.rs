//! A pool whose processes die and come back: one scheduler, some workers, whoever is killed where.

use crate::kill::containers::{Containers, containers_of};
use crate::kill::mortal::Mortal;
use anyhow::{Context, Result, bail, ensure};
use poco_chain::Chain;
use poco_core::payout::KITTY;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Address, Amount, TaskId};
use poco_integration_tests::payments::{Balances, settled};
use poco_integration_tests::pool::{Plan, Pool, SETTLEMENT};
use poco_integration_tests::process::Process;
use poco_integration_tests::world::{Party, WORKERS_MAX, World, wallet};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Workers of a pool: three that a task at trust 5 needs, and a spare one.
pub(crate) const WORKERS: usize = 4;
/// More tasks than any walk takes: who gets one is drawn, and a point that the others did not come by
/// has a task more.
const TASKS_MAX: u64 = 300;
/// What so many tasks cost, beside what the requester of every pool has.
const MONEY: &str = "3000RLC";
/// Longest wait for something that must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for a point that may have been missed; it then has a task of its own.
const REACH_MAX: Duration = Duration::from_secs(15);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Blocks after which a task's end counts as final here.
const PRUNE_DEPTH_BLOCKS: u64 = 12;
/// For how long results are kept here after that.
pub(crate) const RESULT_SECONDS: u64 = 1;
/// A worker that comes back within this time is waited for: longer than any restart.
pub(crate) const PATIENT_SECONDS: u64 = 100;

/// A process of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Scheduler,
    Worker(usize),
}

/// The pool with everything around it.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) chain: Chain,
    pub(crate) containers: Containers,
    /// After how long an absent worker is replaced.
    pub(crate) lost_after_seconds: u64,
    /// Whether scheduler and workers that are raised use the settlement lane.
    pub(crate) is_settling: bool,
    mortals: BTreeMap<Role, Mortal>,
    /// Those who stay dead where they die next.
    held: BTreeSet<Role>,
    reached: BTreeSet<String>,
    tasks: Vec<TaskId>,
}

/// A task under way, with what everybody had before it.
pub(crate) struct Submitted {
    pub(crate) task: TaskId,
    before: Balances,
    kitty: Amount,
}

impl Fleet {
    /// A pool with its offers published and nobody at work yet.
    pub(crate) async fn start() -> Result<Self> {
        let world = World::start().await?;
        let plan = Plan { workers: 0, volume: TASKS_MAX, ..Plan::default() };
        let mut pool = Pool::start(&world, &plan).await?;
        world.fund(Party::Requester, MONEY)?;
        // Its own one takes the place, on the same port and with a folder of its own.
        pool.scheduler.kill()?;
        for number in 0..WORKERS {
            world.fund(Party::Worker(number), "100RLC")?;
        }
        let chain = world.chain().await?;
        let containers = Containers::listen(&world.path(""))?;
        Ok(Self {
            world,
            pool,
            chain,
            containers,
            lost_after_seconds: PATIENT_SECONDS,
            is_settling: false,
            mortals: BTreeMap::new(),
            held: BTreeSet::new(),
            reached: BTreeSet::new(),
            tasks: Vec::new(),
        })
    }

    /// Starts a process, or kills it and starts it again, to die at each of `chain` in turn.
    pub(crate) fn raise(&mut self, role: Role, chain: impl Into<VecDeque<String>>) -> Result<()> {
        self.kill(role)?;
        self.held.remove(&role);
        let chain = chain.into();
        let armed = chain.front().cloned().unwrap_or_default();
        let log_from = std::fs::read(self.log(role)).unwrap_or_default().len();
        let process = self.spawn(role, &armed)?;
        self.mortals.insert(role, Mortal::new(process, chain, log_from));
        Ok(())
    }

    /// Starts a process that dies at the last of `chain` for good.
    pub(crate) fn raise_to_die(&mut self, role: Role, chain: Vec<String>) -> Result<()> {
        self.raise(role, chain)?;
        self.held.insert(role);
        Ok(())
    }

    /// Ends a process as a power cut would; nothing where it is not there.
    pub(crate) fn kill(&mut self, role: Role) -> Result<()> {
        match self.mortals.remove(&role) {
            Some(mut mortal) => mortal.process.kill(),
            None => Ok(()),
        }
    }

    /// Whether a process is there.
    pub(crate) fn is_up(&self, role: Role) -> bool {
        self.mortals.contains_key(&role)
    }

    /// The points at which a process is still to die.
    pub(crate) fn chain_of(&self, role: Role) -> VecDeque<String> {
        self.mortals.get(&role).map(|mortal| mortal.chain.clone()).unwrap_or_default()
    }

    /// Lets processes die and raises them until `is_done`.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        is_done: impl AsyncFn(&Self) -> Result<bool>,
    ) -> Result<()> {
        if self.until_or(PATIENCE, is_done).await? {
            return Ok(());
        }
        bail!("waited {PATIENCE:?} in vain for {what}\n{}", self.story())
    }

    /// Lets processes die and raises them until none of `roles` is to die any more; what they did
    /// not come by is answered.
    pub(crate) async fn until_dead(&mut self, roles: &[Role]) -> Result<Vec<String>> {
        let is_done =
            async |fleet: &Self| Ok(roles.iter().all(|role| fleet.chain_of(*role).is_empty()));
        self.until_or(REACH_MAX, is_done).await?;
        Ok(roles.iter().flat_map(|role| self.chain_of(*role)).collect())
    }

    /// Lets a process die at every point that it is to die at.
    pub(crate) async fn until_dead_everywhere(&mut self, role: Role) -> Result<()> {
        let left = self.until_dead(&[role]).await?;
        ensure!(left.is_empty(), "{left:?} were not reached\n{}", self.story());
        Ok(())
    }

    async fn until_or(
        &mut self,
        limit: Duration,
        is_done: impl AsyncFn(&Self) -> Result<bool>,
    ) -> Result<bool> {
        let start = Instant::now();
        loop {
            self.tend()?;
            if is_done(self).await? {
                return Ok(true);
            }
            if start.elapsed() > limit {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whoever has died is raised again, unless it is to stay dead.
    fn tend(&mut self) -> Result<()> {
        let roles: Vec<Role> = self.mortals.keys().copied().collect();
        for role in roles {
            let Some(mortal) = self.mortals.get_mut(&role) else { continue };
            let death = mortal.find_death().with_context(|| format!("{role:?}"))?;
            let Some(point) = death else { continue };
            self.reached.insert(point);
            let rest = self.chain_of(role);
            let is_held = rest.is_empty() && self.held.remove(&role);
            if is_held {
                self.mortals.remove(&role);
            } else {
                self.raise(role, rest)?;
            }
        }
        Ok(())
    }

    /// Lets the requester buy one run at `trust`.
    pub(crate) async fn submit(&mut self, args: &str, trust: &str) -> Result<Submitted> {
        let before = Balances::read(&self.chain, WORKERS_MAX).await?;
        let kitty = self.chain.account(KITTY).await?.locked;
        let words = ["--args", args, "--trust", trust, "--detach"];
        let answer = self.pool.run(&self.world, &words)?.json()?;
        let task: TaskId = answer["tasks"][0].as_str().context("a task")?.parse()?;
        self.tasks.push(task);
        Ok(Submitted { task, before, kitty })
    }

    /// Waits until a task has a status on chain.
    pub(crate) async fn until_status(&mut self, task: TaskId, status: TaskStatus) -> Result<()> {
        let what = format!("{task} to be {status:?}");
        self.until(&what, async |fleet| Ok(fleet.chain.task(task).await?.status == status)).await
    }

    /// Waits until a task is completed, paid for as the rules say and cleared away. Answers its
    /// contributors.
    pub(crate) async fn until_paid(&mut self, submitted: &Submitted) -> Result<Vec<Role>> {
        self.until_all_paid(std::slice::from_ref(submitted)).await
    }

    /// The same for tasks that run at the same time, of which the first was submitted first.
    pub(crate) async fn until_all_paid(&mut self, submitted: &[Submitted]) -> Result<Vec<Role>> {
        for one in submitted {
            self.until_status(one.task, TaskStatus::Completed).await?;
            self.until_cleared(one.task).await?;
        }
        let mut contributors = Vec::new();
        let mut payouts = Vec::new();
        let mut kitty = submitted.first().map(|first| first.kitty).context("a task")?;
        for one in submitted {
            let settled = settled(&self.chain, one.task, kitty).await?;
            kitty =
                kitty.checked_sub(settled.payout.kitty).context("the kitty pays what it has")?;
            contributors.extend(roles(&settled.view)?);
            payouts.push(settled.payout);
        }
        let before = submitted.first().map(|first| first.before.clone()).context("a task")?;
        let workerpool = self.pool.workerpool.parse()?;
        before.assert_paid_beside_bonds(&self.chain, &payouts, workerpool).await?;
        Ok(contributors)
    }

    /// Waits until the workers that are up have cleared a task away, then makes its end final.
    pub(crate) async fn until_cleared(&mut self, task: TaskId) -> Result<()> {
        let what = format!("{task} to be cleared away");
        self.until(&what, async |fleet| {
            let is_clear =
                |number| !fleet.is_up(Role::Worker(number)) || !fleet.run(number, task).exists();
            Ok((0..WORKERS).all(is_clear))
        })
        .await?;
        self.world.anvil.mine(PRUNE_DEPTH_BLOCKS + 1).await
    }

    /// How a task stands after everybody is done: nothing of it is left on this machine.
    pub(crate) fn assert_nothing_left(&self) -> Result<()> {
        for task in &self.tasks {
            assert_eq!(containers_of(*task)?, [""; 0], "{task}");
        }
        Ok(())
    }

    /// Every one of `points` was reached.
    pub(crate) fn assert_reached(&self, points: &[String]) {
        let missed: Vec<&String> =
            points.iter().filter(|point| !self.reached.contains(*point)).collect();
        assert!(
            missed.is_empty(),
            "{} of {} points were never reached: {missed:?}",
            missed.len(),
            points.len()
        );
    }

    /// What the workers of the pool have, with nothing of it locked.
    pub(crate) async fn free_of_workers(&self) -> Result<Vec<Amount>> {
        let mut free = Vec::new();
        for number in 0..WORKERS {
            let account = self.chain.account(wallet(Party::Worker(number))?.address()).await?;
            assert_eq!(account.locked, Amount::ZERO, "worker {number}");
            free.push(account.free);
        }
        Ok(free)
    }

    /// Waits until the scheduler answers.
    pub(crate) async fn until_healthy(&mut self) -> Result<()> {
        let health = self.pool.url.join("healthz")?;
        self.until("the scheduler to answer", async |_| {
            Ok(reqwest::get(health.clone()).await.is_ok())
        })
        .await
    }

    /// Mines until the scheduler has forgotten every deal that ended.
    pub(crate) async fn until_forgotten(&mut self) -> Result<()> {
        let status = self.pool.url.join("status")?;
        self.until("the ended deals to be forgotten", async |fleet| {
            fleet.world.anvil.mine(1).await?;
            let Ok(answer) = reqwest::get(status.clone()).await else { return Ok(false) };
            let status: Option<Value> = answer.json().await.ok();
            Ok(status.is_some_and(|status| status["deals"] == 0))
        })
        .await
    }

    /// Where a worker keeps what it has of a task.
    pub(crate) fn run(&self, number: usize, task: TaskId) -> PathBuf {
        let name = format!("{}-0", task.to_string().trim_start_matches("0x"));
        self.world.path(&format!("worker-{number}/runs")).join(name)
    }

    fn spawn(&self, role: Role, armed: &str) -> Result<Process> {
        match role {
            Role::Scheduler => self.spawn_scheduler(armed),
            Role::Worker(number) => {
                let environment = [
                    ("POCO_FAILPOINTS", armed),
                    ("POCO_WORKER_SLOTS", "1"),
                    // No blocks come but those of our own tasks.
                    ("POCO_WORKER_FORGET_DEPTH_BLOCKS", "0"),
                ];
                let deposit = [("POCO_WORKER_AUTO_DEPOSIT", "1000000000")];
                // The workers of the pool have their stake; one more has only tokens.
                let deposit = if number < WORKERS { &[][..] } else { &deposit[..] };
                let bond = if self.is_settling { SETTLEMENT[1] } else { &[][..] };
                let all = [&environment[..], deposit, bond].concat();
                self.pool.worker(&self.world, number, &all)
            }
        }
    }

    fn spawn_scheduler(&self, armed: &str) -> Result<Process> {
        let [patience, depth, kept] =
            [self.lost_after_seconds, PRUNE_DEPTH_BLOCKS, RESULT_SECONDS].map(|it| it.to_string());
        let environment = [
            ("POCO_SCHEDULER_LOST_AFTER_SECONDS", patience.as_str()),
            ("POCO_SCHEDULER_START_GRACE_SECONDS", patience.as_str()),
            ("POCO_SCHEDULER_PRUNE_DEPTH_BLOCKS", depth.as_str()),
            ("POCO_SCHEDULER_RESULT_SECONDS", kept.as_str()),
            ("POCO_SCHEDULER_LANE", if self.is_settling { "auto" } else { "classic" }),
            ("POCO_FAILPOINTS", armed),
        ];
        self.pool.raise_scheduler(&self.world, "scheduler-data", &environment)
    }

    fn log(&self, role: Role) -> PathBuf {
        self.world.path(&match role {
            Role::Scheduler => "scheduler.log".to_owned(),
            Role::Worker(number) => format!("worker-{number}.log"),
        })
    }

    /// What a failing test shows.
    fn story(&self) -> String {
        let tell = |(role, mortal): (&Role, &Mortal)| {
            format!("{role:?}, to die at {:?}:\n{}\n", mortal.chain, mortal.process.tail(25))
        };
        self.mortals.iter().map(tell).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Before the world removes their containers.
        self.mortals.clear();
    }
}

/// The workers that contributed to a task.
fn roles(view: &TaskView) -> Result<Vec<Role>> {
    let mut known: BTreeMap<Address, Role> = BTreeMap::new();
    for number in 0..WORKERS_MAX {
        known.insert(wallet(Party::Worker(number))?.address(), Role::Worker(number));
    }
    let find =
        |address| known.get(address).copied().with_context(|| format!("{address} is nobody"));
    view.contributors.iter().map(find).collect()
}
