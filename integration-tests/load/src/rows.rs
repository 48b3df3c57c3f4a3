//! The rows of the table, and which scene each is measured in.

use crate::report::{Point, Report, Row};
use crate::say;
use crate::scene::Scene;
use crate::scheduler::{Line, Usage};
use crate::{latency, peer};
use anyhow::Result;
use poco_chain::Wallet;
use poco_core::keccak256;
use std::path::Path;
use std::time::{Duration, Instant};

/// The points of the curve, tasks and workers: tasks alone grow, then workers alone. Further points come with
/// what is measured at 100 000 tasks and at 10 000 workers.
const CURVE: [(usize, usize); 6] =
    [(1_000, 100), (10_000, 100), (100_000, 100), (10_000, 10), (10_000, 1_000), (10_000, 3_000)];
/// Tasks per second under which the time to the command is taken.
const LOAD_PER_SECOND: u64 = 500;
const LOAD_SECONDS: u64 = 10;
/// Until what came with the logins is over, and how long idle workers are watched then.
const SETTLE: Duration = Duration::from_secs(40);
const WATCH: Duration = Duration::from_secs(60);
/// Signatures of which the time of one is taken: enough for the clock of processor time.
const SIGNATURES: u32 = 20_000;

/// Measures everything, or only the parts that are named.
pub(crate) async fn all(program: &Path, only: &[String], report: &mut Report) -> Result<()> {
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    report.signature = signature()?;
    report.fsync = latency::fsyncs(100)?.percentile(50);
    if is_wanted("bag") {
        bag(program, report).await?;
    }
    if is_wanted("kills") {
        kills(program, report).await?;
    }
    if is_wanted("latency") {
        latencies(program, report).await?;
    }
    if is_wanted("curve") {
        for size in CURVE {
            point(program, size, report).await?;
        }
    }
    if is_wanted("live") {
        live(program, report).await?;
    }
    if is_wanted("peer") {
        peer::measure(report)?;
    }
    if is_wanted("idle") {
        idle(program, report).await?;
    }
    Ok(())
}

/// One point of the curve.
pub(crate) async fn point(
    program: &Path,
    (tasks, workers): (usize, usize),
    report: &mut Report,
) -> Result<()> {
    say(&format!("{tasks} tasks at {workers} workers"));
    let mut scene = Scene::start(program.into(), workers, slots(tasks, workers)).await?;
    report.curve.push(Point(scene.fill(tasks).await?));
    Ok(())
}

/// Slots for half more than the tasks: chance gives no worker exactly its share.
fn slots(tasks: usize, workers: usize) -> u32 {
    u32::try_from(tasks * 3 / 2 / workers + 1).unwrap_or(u32::MAX)
}

/// A bag of ten thousand tasks, and a restart with them.
async fn bag(program: &Path, report: &mut Report) -> Result<()> {
    const TASKS: usize = 10_000;
    const WORKERS: usize = 1_000;
    say("a bag of 10 000 tasks at 1 000 workers");
    let mut scene = Scene::start(program.into(), WORKERS, slots(TASKS + 2, WORKERS)).await?;
    let filled = scene.fill(TASKS).await?;
    report.rows.push(Row::seconds(
        "bag of 10 000 tasks: from match to all assigned",
        10.0,
        filled.since_match,
    ));
    say("a restart with them");
    let restart = restart(&mut scene, WORKERS).await?;
    let name = "kill -9 with 10 000 live tasks: 1 000 workers back, next task assigned";
    report.rows.push(Row::seconds(name, 5.0, restart.assigns).with(restart.note()));
    Ok(())
}

/// A bag of ten thousand tasks, and kills while they are being given out.
async fn kills(program: &Path, report: &mut Report) -> Result<()> {
    const TASKS: usize = 10_000;
    const WORKERS: usize = 1_000;
    const KILLS: usize = 12;
    say("kills amid a bag of 10 000 tasks at 1 000 workers");
    let mut scene = Scene::start(program.into(), WORKERS, slots(TASKS, WORKERS)).await?;
    scene.match_bags(TASKS as u64)?;
    let (mut slowest, mut at) = (Duration::ZERO, Vec::new());
    for _ in 0..KILLS {
        // Wherever it is then: amid logins, reads, a batch of the store, or sending.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        at.push(scene.fleet.seen.assigned_len());
        slowest = slowest.max(scene.scheduler.kill_and_restart().await?);
    }
    scene.fleet.until_assigned(TASKS).await?;
    scene.fleet.until_connected(WORKERS).await?;
    scene.scheduler.until_live(TASKS).await?;
    let (doubled, abandoned) = scene.fleet.seen.mistakes();
    let note = format!(
        "killed at {at:?} tasks assigned, served again within {slowest:.2?} each time; in the end all {TASKS} \
         tasks are live in the scheduler and at their workers"
    );
    let name = "kill -9, 12 times amid a fill of 10 000 tasks: tasks given to two workers";
    report.rows.push(Row::at_most(name, 0.0, doubled as f64, "").with(note));
    let name = "the same: tasks that a worker was told to leave";
    report.rows.push(Row::at_most(name, 0.0, abandoned as f64, ""));
    Ok(())
}

/// Kills the scheduler; how long until it serves, everybody is back, and the next deal is assigned.
async fn restart(scene: &mut Scene, workers: usize) -> Result<Restart> {
    let started = Instant::now();
    let serves = scene.scheduler.kill_and_restart().await?;
    let cpu = scene.scheduler.usage()?.cpu;
    scene.fleet.until_connected(workers).await?;
    let back = started.elapsed();
    scene.node.chain().match_deals(1, 2, 1)?;
    scene.tasks += 2;
    scene.fleet.until_assigned(scene.tasks).await?;
    Ok(Restart { serves, cpu, back, assigns: started.elapsed() })
}

/// How long after a kill something was there again.
struct Restart {
    /// An answer.
    serves: Duration,
    /// What the process had used by then.
    cpu: Duration,
    /// The last worker.
    back: Duration,
    /// The assignment of a task of a new deal.
    assigns: Duration,
}

impl Restart {
    fn note(&self) -> String {
        let Self { serves, cpu, back, assigns } = self;
        format!(
            "serves after {serves:.2?} ({cpu:.2?} of processor time), all workers after {back:.2?}, \
             next task assigned after {assigns:.2?}"
        )
    }
}

async fn latencies(program: &Path, report: &mut Report) -> Result<()> {
    const WORKERS: usize = 500;
    say("deals one by one, then 500 tasks a second");
    let mut scene = Scene::start(program.into(), WORKERS, 64).await?;
    let alone = latency::alone(&mut scene, 60).await?;
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let name = "deal event to command at an idle worker, p50";
    let told = format!("2 ms and one fsync of {:.1} ms", millis(report.fsync));
    let target = 2.0 + millis(report.fsync);
    report.rows.push(
        Row::at_most(name, target, millis(alone.percentile(50)), "ms")
            .with(format!("{told}; p99 {:.1} ms", millis(alone.percentile(99)))),
    );
    let loaded = latency::loaded(&mut scene, LOAD_PER_SECOND, LOAD_SECONDS).await?;
    let name = "the same at 500 tasks/s, p99";
    report.rows.push(
        Row::at_most(name, 20.0, millis(loaded.percentile(99)), "ms")
            .with(format!("p50 {:.1} ms", millis(loaded.percentile(50)))),
    );
    Ok(())
}

/// A hundred thousand live tasks: throughput, processor time, memory, restart.
async fn live(program: &Path, report: &mut Report) -> Result<()> {
    const TASKS: usize = 100_000;
    const WORKERS: usize = 1_000;
    say("100 000 tasks at 1 000 workers");
    let mut scene = Scene::start(program.into(), WORKERS, slots(TASKS, WORKERS)).await?;
    let filled = scene.fill(TASKS).await?;
    let signature = report.signature;
    report.rows.push(
        Row::at_least(
            "assigned through gRPC, records synced",
            3000.0,
            filled.per_second(),
            "tasks/s",
        )
        .with("moonshot 5 000".into()),
    );
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let rest = filled.cpu_each().saturating_sub(signature);
    report.task_cpu = Some(rest);
    report.rows.push(
        Row::at_most("processor time of a task, without its signature", 100.0, micros(rest), "µs")
            .with(format!("moonshot 40; the signature takes {:.0} µs", micros(signature))),
    );
    report.rows.push(Row::at_most(
        "memory of a live task",
        1000.0,
        filled.bytes_each as f64,
        "bytes",
    ));
    report.curve.push(Point(filled));
    say("a restart with them");
    let restart = restart(&mut scene, WORKERS).await?;
    let name = "restart with 100 000 live tasks, until it serves";
    report.rows.push(Row::seconds(name, 3.0, restart.serves).with(restart.note()));
    Ok(())
}

/// Ten thousand workers that have nothing to do; then a task for each.
async fn idle(program: &Path, report: &mut Report) -> Result<()> {
    const TASKS: usize = 10_000;
    const WORKERS: usize = 10_000;
    say("10 000 workers");
    let mut scene = Scene::start(program.into(), WORKERS, slots(TASKS, WORKERS)).await?;
    let kilobytes = scene.worker_bytes(WORKERS) / 1000.0;
    tokio::time::sleep(SETTLE).await;
    let before = scene.scheduler.usage()?;
    tokio::time::sleep(WATCH).await;
    let busy = scene.scheduler.usage()?.cpu.saturating_sub(before.cpu);
    report.rows.push(Row::at_most("memory of an idle worker, without TLS", 20.0, kilobytes, "kB"));
    let share = busy.as_secs_f64() / WATCH.as_secs_f64() * 100.0;
    report.rows.push(Row::at_most("10 000 idle workers, share of a core", 2.0, share, "%"));
    say("10 000 tasks for them");
    report.curve.push(Point(scene.fill(TASKS).await?));
    drop(scene);
    say("10 000 workers over TLS");
    let scene = Scene::start_over(Line::Tls, program.into(), WORKERS, 1).await?;
    let kilobytes = scene.worker_bytes(WORKERS) / 1000.0;
    report.rows.push(Row::told("the same with TLS", kilobytes, "kB"));
    Ok(())
}

/// What idle workers take, and nothing else of them.
pub(crate) async fn idle_memory(program: &Path, workers: usize, report: &mut Report) -> Result<()> {
    for (line, name) in [(Line::Plain, "an idle worker, without TLS"), (Line::Tls, "with TLS")] {
        let scene = Scene::start_over(line, program.into(), workers, 1).await?;
        let kilobytes = scene.worker_bytes(workers) / 1000.0;
        report.rows.push(Row::told(name, kilobytes, "kB"));
    }
    Ok(())
}

/// The processor time of one signature, by the code that the scheduler signs with.
fn signature() -> Result<Duration> {
    let wallet = Wallet::random();
    let before = Usage::of("self")?.cpu;
    for number in 0..SIGNATURES {
        drop(wallet.sign_hash(keccak256(number.to_be_bytes())));
    }
    Ok((Usage::of("self")?.cpu - before) / SIGNATURES)
}
