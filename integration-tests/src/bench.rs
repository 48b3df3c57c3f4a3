//! Measures a whole market of optimised binaries on this machine: the time of a task beyond its
//! app's own, the gas of its calls, the memory of the processes.
//!
//! Everything is observed from outside: blocks as anvil tells them, containers as the engine tells
//! them, tasks as the scheduler shows them to anybody. Throughput is not measured here.

pub mod blocks;
pub mod engine;
pub mod gas;
pub mod live;
pub mod machine;
pub mod memory;
pub mod overhead;
pub mod reference;
pub mod report;
pub mod scene;
pub mod statistics;
pub mod timeline;
pub mod watch;

use anyhow::{Context, Result};
use gas::GasTable;
use machine::Machine;
use overhead::{Lane, Measured, OverheadTable, Way};
use report::Report;
use scene::{Cast, Scene};

/// Most tasks of each lane: the market lists no more than 50 open orders of a wallet.
pub const RUNS_MAX: u64 = 40;

const FAST: Lane = Lane { name: "1 worker, fast lane", workers: 1, way: Way::Fast };
const CLASSIC: [Lane; 2] = [
    Lane { name: "1 worker", workers: 1, way: Way::Classic },
    Lane { name: "3 workers", workers: 3, way: Way::Classic },
];
const SETTLEMENT: Lane =
    Lane { name: "3 workers, settlement lane", workers: 3, way: Way::Settlement };
/// Who plays the classic lanes.
const FEW: Cast = Cast { workers: 3, slots: 2, way: Way::Classic };
/// Who plays the settlement lane.
const BONDED: Cast = Cast { way: Way::Settlement, ..FEW };
/// Who has a hundred tasks, and the fast lane.
const MANY: Cast = Cast { workers: 4, slots: live::TASKS / 4, way: Way::Fast };

/// Measures everything, with `runs` tasks of each lane; `say` hears how far it is.
///
/// # Errors
/// Where a part cannot be started or a task does not end as it should.
pub async fn run(runs: usize, say: impl Fn(&str)) -> Result<Report> {
    let machine = Machine::this()?;
    let mut report = Parts::default();
    say("starting a market of 4 workers");
    let scene = Scene::start(MANY).await?;
    let idle = live::look(&scene).await?;
    report.play(&scene, FAST, runs, &say).await?;
    say("filling the pool with tasks that wait");
    live::fill(&scene).await?;
    let memory = live::compare(&scene, idle, live::look(&scene).await?);
    say("starting a market of 3 workers, without the fast lane");
    drop(scene);
    let scene = Scene::start(FEW).await?;
    for lane in CLASSIC {
        report.play(&scene, lane, runs, &say).await?;
    }
    say("starting a market of 3 workers with bonds");
    drop(scene);
    let scene = Scene::start(BONDED).await?;
    report.play(&scene, SETTLEMENT, runs, &say).await?;
    let Parts { overhead, gas } = report;
    Ok(Report { machine, runs, overhead, gas, memory })
}

/// The tables that grow lane by lane.
#[derive(Default)]
struct Parts {
    overhead: Vec<OverheadTable>,
    gas: Vec<GasTable>,
}

impl Parts {
    async fn play(
        &mut self,
        scene: &Scene,
        lane: Lane,
        runs: usize,
        say: impl Fn(&str),
    ) -> Result<()> {
        let told = |number, measured: &Measured| {
            let millis = measured.timeline.overhead().as_millis();
            say(&format!("{}: task {number} of {runs}, overhead {millis} ms", lane.name));
        };
        let tasks = lane.play(scene, runs, told).await?;
        self.overhead.push(OverheadTable::of(lane, &tasks).context("at least one run")?);
        let gas: Vec<_> = tasks.into_iter().map(|task| task.gas).collect();
        self.gas.push(GasTable::of(lane.name, lane.workers, &gas));
        Ok(())
    }
}
