//! A contract that uses results: the price feed of `contracts/src/examples`, whose price workers agree
//! on by running the `price-feed` app on what sources say.

mod feed;
mod sources;

use self::feed::Feed;
use self::sources::{Sources, UNIT};
use anyhow::{Context, Result};
use poco_core::task::TaskStatus;
use poco_core::{Address, TaskId, keccak256};
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::json;

/// Three fresh workers must agree.
const TRUST: &str = "5";
/// Seconds that quotes are old when they are asked for.
const QUOTE_AGE_SECONDS: u64 = 10;

/// What a request of an update says: the pair and its sources.
fn params_of(urls: &[String]) -> String {
    json!({ "iexec_args": "--pair RLC/USD", "iexec_input_files": urls }).to_string()
}

/// Buys a task of the app with `params`, whose result goes to `callback`, and waits until it has ended.
async fn buy(world: &World, pool: &Pool, params: &str, callback: Address) -> Result<TaskId> {
    let (output, callback) = (world.path("result").display().to_string(), callback.to_string());
    let words =
        ["--params", params, "--trust", TRUST, "--callback", &callback, "--output", &output];
    let answer = pool.run(world, &words)?.json().with_context(|| pool.scheduler.tail(60))?;
    std::fs::remove_dir_all(&output)?;
    let task: TaskId = answer["tasks"][0].as_str().context("a task")?.parse()?;
    let view = world.chain().await?.task(task).await?;
    assert_eq!(view.status, TaskStatus::Completed);
    assert_eq!(view.contributors.len(), 3, "three fresh workers reach trust {TRUST}");
    Ok(task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_comes_from_sources_through_workers_to_a_contract_and_from_nobody_else()
-> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { app: "price-feed", ..Plan::default() }).await?;
    let sources = Sources::serve(&world).await?;
    let params = params_of(&sources.urls(&["a", "b", "c"]));
    let feed = Feed::deploy(&world, &pool, keccak256(&params)).await?;
    assert_eq!(feed.latest().await?, (0, 0));

    // Pushed: the hub calls the feed when the task ends.
    let at = world.anvil.time().await? - QUOTE_AGE_SECONDS;
    sources.say(&[("a", "1.5", at), ("b", "1.25", at + 1), ("c", "900", at + 2)])?;
    let pushed = buy(&world, &pool, &params, feed.address).await?;
    assert_eq!(feed.latest().await?, (UNIT * 3 / 2, at), "the median, and the oldest quote");

    // Pulled: a task whose callback is somebody else serves as well, once. Without any callback the pool
    // leaves the bytes off the chain, and there is nothing to pull.
    sources.say(&[("a", "1.6", at + 3), ("b", "1.7", at + 3), ("c", "1.8", at + 3)])?;
    let silent = buy(&world, &pool, &params, Address::ZERO).await?;
    assert!(feed.refusal(silent).await?.starts_with("ResultNotAgreedOn"));
    let pulled = buy(&world, &pool, &params, wallet(Party::Requester)?.address()).await?;
    assert_eq!(feed.latest().await?, (UNIT * 3 / 2, at));
    feed.pull(pulled).await?;
    assert_eq!(feed.latest().await?, (UNIT * 17 / 10, at + 3));
    for task in [pushed, pulled] {
        assert!(feed.refusal(task).await?.starts_with("NotNewer"), "{task} was taken");
    }

    // With a source of a stranger's the same workers agree on the same app's word, and it is refused.
    sources.say(&[("mine", "0.01", at + 4)])?;
    let theirs = params_of(&sources.urls(&["mine"]));
    let task = buy(&world, &pool, &theirs, feed.address).await?;
    assert_eq!(feed.refusal(task).await?, format!("ParamsNotAccepted({})", keccak256(&theirs)));
    assert_eq!(feed.latest().await?, (UNIT * 17 / 10, at + 3));
    Ok(())
}
