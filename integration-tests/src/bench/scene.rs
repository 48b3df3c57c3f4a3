//! A whole market with everything that watches it, and what is left of it when it is dropped:
//! nothing.

use super::blocks::Blocks;
use super::engine::Engine;
use super::overhead::Way;
use super::watch::Watch;
use crate::pool::{Plan, Pool, SETTLEMENT, address_of};
use crate::process::{Process, free_port, wait_for};
use crate::world::{Party, World};
use anyhow::{Context, Result, ensure};
use poco_chain::Chain;
use poco_core::{DealId, TaskId};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long workers may take to log in.
const LOGIN_MAX: Duration = Duration::from_secs(60);
/// How long the file server may take to answer.
const FILES_MAX: Duration = Duration::from_secs(20);
/// The trust on offer: more than three workers reach who have done all tasks of a bench.
const TRUST_MAX: &str = "10000";
/// Length of the requests' parameters: that of the request in which the reference's gas was measured.
const PARAMS_BYTES: usize = 124;

/// What a scene is made of.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// How many workers.
    pub workers: usize,
    /// How many tasks each runs at a time.
    pub slots: usize,
    /// The lane that tasks take.
    pub way: Way,
}

/// A market at work. Its fields are dropped in their order: first whoever starts containers, then
/// the world with the containers, the chain and the folder.
#[derive(Debug)]
pub struct Scene {
    /// Market, scheduler, workers.
    pub pool: Pool,
    /// What the scheduler says.
    pub watch: Watch,
    /// What the chain says.
    pub blocks: Blocks,
    /// What the container engine says.
    pub engine: Engine,
    /// Reads of the chain.
    pub chain: Chain,
    dataset: String,
    _files: Process,
    /// Chain, contracts, wallets, folder.
    pub world: World,
}

/// A bought run.
#[derive(Clone, Debug)]
pub struct Bought {
    /// The deal.
    pub deal: DealId,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
}

impl Scene {
    /// Starts everything and waits until all workers are there.
    ///
    /// # Errors
    /// Where a part cannot be started; the message holds what it said.
    pub async fn start(cast: Cast) -> Result<Self> {
        let world = World::start().await?;
        // Dearer than the orders for single tasks, which are then chosen as long as there are some.
        let plan = Plan { workers: 0, price: "2RLC", app_price: "0.2RLC", ..Plan::default() };
        let scheduler_environment: &[_] = match cast.way {
            Way::Fast => &[],
            Way::Classic => &[("POCO_SCHEDULER_FAST_LANE", "false")],
            Way::Settlement => SETTLEMENT[0],
        };
        let mut pool = Pool::start(&world, &Plan { scheduler_environment, ..plan }).await?;
        let chain = world.chain().await?;
        let engine = Engine::listen(world.label()).await?;
        let (blocks, deals) = Blocks::listen(&world.anvil, chain.clone()).await?;
        let watch = Watch::follow(&pool.url, deals).await?;
        let slots = cast.slots.to_string();
        for number in 0..cast.workers {
            world.fund(Party::Worker(number), "100RLC")?;
            let bond = if cast.way == Way::Settlement { "auto" } else { "0" };
            let environment = [
                ("POCO_WORKER_SLOTS", &*slots),
                ("POCO_WORKER_FORGET_DEPTH_BLOCKS", "0"),
                ("POCO_WORKER_BOND", bond),
            ];
            let worker = pool.worker(&world, number, &environment)?;
            pool.workers.push(worker);
        }
        let (files, dataset) = offer_dataset(&world).await?;
        let scene = Self { pool, watch, blocks, engine, chain, dataset, _files: files, world };
        wait_for("all workers to log in", LOGIN_MAX, async || {
            let connected = scene.watch.pool().await?.workers as usize;
            Ok((connected == cast.workers).then_some(()))
        })
        .await?;
        if cast.way == Way::Settlement {
            scene.pool.until_bonded(&scene.chain, cast.workers).await?;
        }
        Ok(scene)
    }

    /// Publishes orders for `count` single tasks: each match then meets orders never used before.
    ///
    /// # Errors
    /// Where the market refuses.
    pub fn publish(&self, count: usize) -> Result<()> {
        let market = ["--market-url", self.pool.market_url.as_str(), "order", "sign"];
        let single = ["--volume", "1", "--publish"];
        let app = ["app", &self.pool.app, "--price", "0.1RLC"];
        let dataset = ["dataset", &self.dataset, "--price", "0.01RLC"];
        let pool = ["workerpool", &self.pool.workerpool, "--price", "1RLC", "--trust", TRUST_MAX];
        for _ in 0..count {
            for (party, words) in [
                (Party::Provider, &app[..]),
                (Party::Provider, &dataset[..]),
                (Party::Scheduler, &pool[..]),
            ] {
                self.world.poco(party, &[&market[..], words, &single[..]].concat())?.json()?;
            }
        }
        Ok(())
    }

    /// Buys one run of `steps` on the dataset, with orders that were never used.
    ///
    /// # Errors
    /// Where no offer fits, or the request is not of the size it should be.
    pub async fn buy_one(&self, steps: &str, trust: u64) -> Result<Bought> {
        let (params, trust) = (params(steps)?, trust.to_string());
        let words = ["--dataset", &self.dataset, "--params", &params, "--trust", &trust];
        let bought = self.buy(&words)?;
        let deal = self.chain.deal(bought.deal).await?.context("the deal that was just made")?;
        ensure!(
            deal.params.len() == PARAMS_BYTES,
            "the params have {} bytes, not {PARAMS_BYTES}: {}",
            deal.params.len(),
            deal.params
        );
        Ok(bought)
    }

    /// Buys what these words of `poco run` say.
    ///
    /// # Errors
    /// Where no offer fits.
    pub fn buy(&self, words: &[&str]) -> Result<Bought> {
        let answer = self.pool.run(&self.world, &[words, &["--detach"]].concat())?.json()?;
        let deal = answer["deal"].as_str().context("no deal")?.parse()?;
        let tasks = answer["tasks"].as_array().context("no tasks")?;
        let id = |task: &serde_json::Value| Ok(task.as_str().context("no task id")?.parse()?);
        let tasks = tasks.iter().map(id).collect::<Result<Vec<TaskId>>>()?;
        Ok(Bought { deal, tasks })
    }
}

/// The request's parameters, filled up to the size of the reference's scenario.
fn params(steps: &str) -> Result<String> {
    let shell = |filling: &str| format!(r#"{{"iexec_args":"{steps} then echo {filling}"}}"#);
    let missing = PARAMS_BYTES.checked_sub(shell("").len()).context("too many steps")?;
    Ok(shell(&"x".repeat(missing)))
}

/// Serves a small file and puts it into the registry.
async fn offer_dataset(world: &World) -> Result<(Process, String)> {
    let (folder, content) = (world.path("files"), b"a small dataset\n");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("data.txt"), content)?;
    let port = free_port()?;
    let mut command = Command::new("node");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/file-server.mjs");
    command.arg(script).arg(port.to_string()).arg(&folder);
    let files = Process::start(command, &world.path(""), "files")?;
    let checksum: String =
        Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let (url, checksum) = (format!("http://127.0.0.1:{port}/data.txt"), format!("0x{checksum}"));
    wait_for("the file server to answer", FILES_MAX, async || {
        Ok(reqwest::get(&url).await.ok().filter(|answer| answer.status().is_success()))
    })
    .await?;
    let words = ["dataset", "deploy", "--name", "data", "--url", &url, "--checksum", &checksum];
    let dataset = address_of(&world.poco(Party::Provider, &words)?)?;
    Ok((files, dataset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_have_the_size_of_the_references_scenario() {
        for steps in ["sleep 0.5", "sleep 1"] {
            assert_eq!(params(steps).unwrap().len(), PARAMS_BYTES);
        }
        assert!(params(&"sleep 1 then ".repeat(10)).is_err());
    }
}
