//! A pool that is known by the pin of its key, from the market to the worker and to the result.

use anyhow::{Context, Result, ensure};
use poco_integration_tests::pool::{Plan, Pool, scheduler_command};
use poco_integration_tests::process::{Process, free_port, wait_for};
use poco_integration_tests::world::{Party, World};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// How long the market may take to be told, and a worker to say what is wrong.
const TOLD_MAX: Duration = Duration::from_secs(60);

/// What the market says of where the pool is reached.
async fn published(pool: &Pool) -> Result<Url> {
    let url = pool.market_url.join(&format!("31337/workerpools/{}", pool.workerpool))?;
    wait_for("the pool's url in the market", TOLD_MAX, async || {
        let answer: Value = reqwest::get(url.clone()).await?.json().await?;
        let told = answer["apiUrl"].as_str().filter(|told| told.starts_with("https://"));
        Ok(told.map(str::parse).transpose()?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_tls_is_pinned_from_the_market_to_the_result() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { workers: 0, ..Plan::default() }).await?;
    pool.scheduler.stop().await?;
    let url: Url = format!("https://127.0.0.1:{}", free_port()?).parse()?;
    let mut command =
        scheduler_command(&world, (&pool.workerpool, &url), &pool.market_url, "scheduler")?;
    command.env("POCO_SCHEDULER_TLS", "on");
    pool.scheduler = Process::start(command, &world.path(""), "scheduler-tls")?;
    let pinned = published(&pool).await.with_context(|| pool.scheduler.tail(20))?;
    let pin = pinned.fragment().context("a pin")?.to_owned();
    ensure!(pin.starts_with("sha256="), "{pinned}");

    // Who holds another pin goes no further, and says why.
    world.fund(Party::Worker(0), "100RLC")?;
    let mut wrong = pinned.clone();
    wrong.set_fragment(Some(&format!("sha256={}", "ab".repeat(32))));
    pool.url = wrong.clone();
    let mut lost = pool.worker(&world, 0, &[])?;
    wait_for("the worker to say why", TOLD_MAX, async || {
        Ok(lost.output().contains("not the pinned sha256=abab").then_some(()))
    })
    .await
    .with_context(|| lost.tail(20))?;
    lost.stop().await?;
    let words = ["--pool-url", wrong.as_str(), "explain", "pool"];
    let answer = world.poco(Party::Requester, &words)?;
    ensure!(answer.code == 5, "{answer:?}");
    ensure!(format!("{answer:?}").contains("not the pinned sha256=abab"), "{answer:?}");

    pool.url = pinned;
    let worker = pool.worker(&world, 0, &[])?;
    pool.workers.push(worker);
    let output = world.path("output").display().to_string();
    let answer = pool.run(&world, &["--args", "echo pinned", "--output", &output])?;
    ensure!(answer.code == 0, "{answer:?}\n{}", pool.scheduler.tail(40));
    Ok(())
}
