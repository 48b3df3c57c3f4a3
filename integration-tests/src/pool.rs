//! A pool on top of a world: market, scheduler, workers, an app and the offers for it.

use crate::binaries::binary;
use crate::images::Registry;
use crate::process::{Process, free_port, wait_for};
use crate::world::{Answer, Party, World, wallet};
use anyhow::{Context, Result, bail};
use poco_chain::Chain;
use poco_core::{Address, TaskId};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a process may take until it answers.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a worker may take to bond its stake, on a busy machine.
const BOND_MAX: Duration = Duration::from_secs(180);

/// A running pool.
#[derive(Debug)]
pub struct Pool {
    /// The market.
    pub market: Process,
    /// The market's API.
    pub market_url: Url,
    /// The scheduler.
    pub scheduler: Process,
    /// The scheduler's API.
    pub url: Url,
    /// The pool's entry.
    pub workerpool: String,
    /// The app's entry.
    pub app: String,
    /// The workers, by number.
    pub workers: Vec<Process>,
    _registry: Arc<Registry>,
}

/// What a pool is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many workers.
    pub workers: usize,
    /// Which example app is on offer.
    pub app: &'static str,
    /// The pool's price of a task.
    pub price: &'static str,
    /// The app's price of a run.
    pub app_price: &'static str,
    /// How many tasks each of the orders is for.
    pub volume: u64,
    /// The conditions that the pool offers.
    pub offer: Option<&'static str>,
    /// What is added to the scheduler's environment.
    pub scheduler_environment: &'static [(&'static str, &'static str)],
    /// What is added to each worker's environment.
    pub worker_environment: &'static [(&'static str, &'static str)],
}

/// For a scheduler and workers that use the settlement lane; without it a pool here is a classic
/// one, which most tests are about.
pub const SETTLEMENT: [&[(&str, &str)]; 2] =
    [&[("POCO_SCHEDULER_LANE", "auto")], &[("POCO_WORKER_BOND", "auto")]];

impl Default for Plan {
    fn default() -> Self {
        Self {
            workers: 3,
            app: "misbehave",
            price: "10RLC",
            app_price: "1RLC",
            volume: 100,
            offer: None,
            scheduler_environment: &[],
            worker_environment: &[],
        }
    }
}

impl Pool {
    /// Deploys pool and app, funds everybody, starts all processes and publishes the offers.
    ///
    /// # Errors
    /// Where a step fails; the message holds what the process said.
    pub async fn start(world: &World, plan: &Plan) -> Result<Self> {
        let (market, market_url) = world.market().await?;
        for party in [Party::Scheduler, Party::Requester] {
            world.fund(party, "1000RLC")?;
        }
        for number in 0..plan.workers {
            world.fund(Party::Worker(number), "100RLC")?;
        }
        let words = ["workerpool", "deploy", "--description", "a pool"];
        let workerpool = address_of(&world.poco(Party::Scheduler, &words)?)?;
        let registry = Registry::shared()?;
        let app = deploy_app(world, &registry, plan.app)?;
        let (scheduler, url) =
            start_scheduler(world, &workerpool, &market_url, plan.scheduler_environment).await?;
        let mut pool = Self {
            market,
            market_url,
            scheduler,
            url,
            workerpool,
            app,
            workers: Vec::new(),
            _registry: registry,
        };
        for number in 0..plan.workers {
            let worker = pool.worker(world, number, plan.worker_environment)?;
            pool.workers.push(worker);
        }
        pool.publish(world, plan)?;
        Ok(pool)
    }

    /// Starts a worker; `environment` is added to its own, for instance a failpoint.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn worker(
        &self,
        world: &World,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        let mut command = Command::new(binary("poco-worker")?);
        command
            .args(["--scheduler-url", self.url.as_str(), "--workerpool", &self.workerpool])
            .args([Path::new("--addresses"), &world.addresses_file()])
            .args([Path::new("--keystore"), &world.keystore(Party::Worker(number))?])
            .args([Path::new("--password-file"), &world.path("password")])
            .args([Path::new("--data-dir"), &world.path(&format!("worker-{number}"))])
            .env("POCO_WORKER_CONFIG", world.worker_config())
            .env("POCO_ALLOW_PRIVATE_INPUTS", "true")
            .env("POCO_WORKER_BOND", "0")
            .envs(environment.iter().copied());
        Process::start(command, &world.path(""), &format!("worker-{number}"))
    }

    /// Starts the pool's scheduler again where it was, with its data in a folder of the world.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn raise_scheduler(
        &self,
        world: &World,
        data_folder: &str,
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        let pool = (self.workerpool.as_str(), &self.url);
        let mut command = scheduler_command(world, pool, &self.market_url, data_folder)?;
        command.envs(environment.iter().copied());
        Process::start(command, &world.path(""), "scheduler")
    }

    /// Waits until the first `workers` have bonds for the pool.
    ///
    /// # Errors
    /// Where one has none in time; the message holds what it said.
    pub async fn until_bonded(&self, chain: &Chain, workers: usize) -> Result<()> {
        let workerpool: Address = self.workerpool.parse()?;
        for number in 0..workers {
            let worker = wallet(Party::Worker(number))?.address();
            wait_for("a bond", BOND_MAX, async || {
                let bond = chain.bond(worker, workerpool).await?.context("the lane")?;
                Ok((!bond.free().is_zero()).then_some(()))
            })
            .await
            .with_context(|| self.workers[number].tail(40))?;
        }
        Ok(())
    }

    /// Runs `poco --json run` for the requester until the task has ended.
    ///
    /// # Errors
    /// Where the command cannot be run at all.
    pub fn run(&self, world: &World, words: &[&str]) -> Result<Answer> {
        let market = self.market_url.as_str();
        let common = ["--market-url", market, "run", &self.app];
        world.poco(Party::Requester, &[&common[..], words].concat())
    }

    fn publish(&self, world: &World, plan: &Plan) -> Result<()> {
        let market = ["--market-url", self.market_url.as_str(), "order", "sign"];
        let volume = plan.volume.to_string();
        let volume = ["--volume", &volume, "--publish"];
        let app = ["app", &self.app, "--price", plan.app_price];
        world.poco(Party::Provider, &[&market[..], &app, &volume].concat())?.json()?;
        let pool = ["workerpool", &self.workerpool, "--price", plan.price];
        let terms = ["--trust", "100"];
        let offer = plan.offer.map_or(Vec::new(), |offer| vec!["--offer", offer]);
        world
            .poco(Party::Scheduler, &[&market[..], &pool, &volume, &terms, &offer].concat())?
            .json()?;
        Ok(())
    }
}

/// How many containers of a task have ended on a worker.
#[must_use]
pub fn runs_of(worker: &Process, task: TaskId) -> usize {
    let task = task.to_string();
    let is_end = |line: &&str| line.contains("the container ended") && line.contains(&task);
    worker.output().lines().filter(is_end).count()
}

/// Starts a pool's scheduler and waits until it answers.
///
/// # Errors
/// Where it ends or does not answer.
pub async fn start_scheduler(
    world: &World,
    workerpool: &str,
    market_url: &Url,
    environment: &[(&str, &str)],
) -> Result<(Process, Url)> {
    let url: Url = format!("http://127.0.0.1:{}", free_port()?).parse()?;
    let mut command = scheduler_command(world, (workerpool, &url), market_url, "scheduler")?;
    command.envs(environment.iter().copied());
    let mut process = Process::start(command, &world.path(""), "scheduler")?;
    let health = url.join("healthz")?;
    wait_for("the scheduler to answer", START_MAX, async || {
        if let Some(status) = process.ended()? {
            bail!("the scheduler ended with {status}: {}", process.tail(20));
        }
        Ok(reqwest::get(health.clone()).await.ok().filter(|answer| answer.status().is_success()))
    })
    .await?;
    Ok((process, url))
}

/// A scheduler of the pool at `url`, in the classic lane if nothing else is said.
///
/// # Errors
/// Where the program or the key is missing.
pub fn scheduler_command(
    world: &World,
    (workerpool, url): (&str, &Url),
    market_url: &Url,
    data_folder: &str,
) -> Result<Command> {
    let port = url.port().context("the pool has a port")?;
    let mut command = Command::new(binary("poco-scheduler")?);
    command
        .args(["--listen", &format!("127.0.0.1:{port}"), "--workerpool", workerpool])
        .args(["--public-url", url.as_str(), "--market-url", market_url.as_str()])
        .args([Path::new("--addresses"), &world.addresses_file()])
        .args([Path::new("--keystore"), &world.keystore(Party::Scheduler)?])
        .args([Path::new("--password-file"), &world.path("password")])
        .args([Path::new("--data-dir"), &world.path(data_folder)])
        .env("POCO_SCHEDULER_LANE", "classic")
        // Other worlds have a chain of the same id and the same wallets.
        .env("POCO_SCHEDULER_LOCK_DIR", world.path("locks"));
    Ok(command)
}

fn deploy_app(world: &World, registry: &Registry, name: &str) -> Result<String> {
    let image = registry.image(name)?;
    let words = ["app", "deploy", "--name", name, "--image", &image.image];
    let checksum = ["--checksum", &image.checksum];
    address_of(&world.poco(Party::Provider, &[&words[..], &checksum].concat())?)
}

/// The address in the answer of a command that deploys something.
///
/// # Errors
/// Where the command failed.
pub fn address_of(answer: &Answer) -> Result<String> {
    let json: Value = answer.json()?;
    Ok(json["address"].as_str().context("no address")?.to_owned())
}
