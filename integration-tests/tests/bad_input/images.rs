//! An app whose checksum is not its image's: workers refuse it, and the requester is told.

use anyhow::{Context, Result, ensure};
use poco_integration_tests::images::Registry;
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::world::{Party, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_other_than_the_app_s_checksum_is_not_run() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: 1, ..Plan::default() }).await?;
    let image = Registry::shared()?.image("misbehave")?.image;
    let wrong = "22".repeat(32);
    let words = ["app", "deploy", "--name", "wrong", "--image", &image, "--checksum", &wrong];
    let deployed = world.poco(Party::Provider, &words)?.json()?;
    let app = deployed["address"].as_str().context("an address")?;
    let market = ["--market-url", pool.market_url.as_str()];
    let words = ["order", "sign", "app", app, "--price", "1RLC", "--publish"];
    world.poco(Party::Provider, &[&market[..], &words].concat())?.json()?;
    let output = world.path("result");
    let folder = output.display().to_string();
    let words = ["run", app, "--output", &folder];
    let answer = world.poco(Party::Requester, &[&market[..], &words].concat())?;
    ensure!(answer.code == 8, "{answer:?}\n{}", pool.workers[0].tail(30));
    assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
    let refusal = format!("{image}@sha256:{wrong}");
    assert!(answer.stderr.contains(&refusal), "{}", answer.stderr);
    assert!(!output.exists());

    let ids: Vec<&str> = answer.stderr.split_whitespace().filter(|word| word.len() == 66).collect();
    let [task, ..] = ids.as_slice() else { anyhow::bail!("no task in {}", answer.stderr) };
    let shown = world.poco(Party::Requester, &[&market[..], &["task", "show", task]].concat())?;
    let shown = shown.json()?;
    let failure = &shown["pool"]["replicas"][0]["failure"];
    assert_eq!(failure["cause"], "the image is not the one the app names", "{shown:#}");
    assert!(failure["detail"].as_str().is_some_and(|text| text.contains(&refusal)), "{shown:#}");
    assert_eq!(shown["contributions"], serde_json::json!([]), "nobody voted");
    Ok(())
}
