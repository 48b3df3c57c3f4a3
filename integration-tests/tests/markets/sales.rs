//! A pool that sells its capacity by itself.

use anyhow::{Context, Result, ensure};
use poco_core::task::TaskStatus;
use poco_core::{TaskId, U256};
use poco_integration_tests::binaries::binary;
use poco_integration_tests::pool::{Plan, Pool, start_scheduler};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// Several rounds of the seller, on a busy machine.
const SOLD_MAX: Duration = Duration::from_secs(90);
/// The price of a task, in nRLC: half of what the pool's own order asks.
const PRICE_NANO: u64 = 5_000_000_000;
/// What the app asks for a run.
const APP_PRICE_NANO: u64 = 1_000_000_000;
const SALES: &str = "[sales]\nfactor_percent = 300\nexpire_seconds = 600\n\
    [[sales.categories]]\ncategory = 0\nprice_nano = 5000000000\n";

/// The same, with what a match may cost: more than it does here.
const FILLED: &str = "[sales]\nfill_cost_wei_max = 1000000000000000000\n\
    [[sales.categories]]\ncategory = 0\nprice_nano = 5000000000\n";

/// The scheduler's own orders in the market: those at its price.
async fn on_offer(pool: &Pool) -> Result<Vec<Value>> {
    let mut url = pool.market_url.join("workerpoolorders")?;
    url.set_query(Some(&format!("chainId=31337&workerpool={}&category=0", pool.workerpool)));
    let answer: Value = reqwest::get(url).await?.json().await?;
    let orders = answer["orders"].as_array().context("orders")?.clone();
    let is_ours = |order: &Value| order["order"]["workerpoolprice"] == PRICE_NANO;
    Ok(orders.into_iter().filter(is_ours).collect())
}

async fn until_offered(pool: &Pool, count: usize) -> Result<Vec<Value>> {
    let told = format!("{count} orders on offer");
    let found = wait_for(&told, SOLD_MAX, async || {
        let orders = on_offer(pool).await?;
        Ok((orders.len() == count).then_some(orders))
    });
    found.await.with_context(|| pool.scheduler.tail(40))
}

fn operate(world: &World, words: &[&str]) -> Result<()> {
    let mut command = Command::new(binary("poco-scheduler")?);
    command.args(words).args(["--data-dir".as_ref(), world.path("scheduler").as_os_str()]);
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_sells_its_free_slots_by_itself_and_withdraws_them() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { workers: 0, ..Plan::default() }).await?;
    pool.scheduler.stop().await?;
    let config = world.path("sales.toml");
    std::fs::write(&config, SALES)?;
    let config = config.display().to_string();
    let environment = [("POCO_SCHEDULER_CONFIG", config.as_str())];
    (pool.scheduler, pool.url) =
        start_scheduler(&world, &pool.workerpool, &pool.market_url, &environment).await?;
    assert!(on_offer(&pool).await?.is_empty(), "nobody works yet");
    world.fund(Party::Worker(0), "100RLC")?;
    let worker = pool.worker(&world, 0, &[("POCO_WORKER_SLOTS", "1")])?;
    pool.workers.push(worker);

    let orders = until_offered(&pool, 1).await?;
    assert_eq!(orders[0]["remaining"], 3, "three tasks for each slot");
    // A run takes the cheapest: ours. Of two less than half is left.
    for number in 0..2 {
        let output = world.path(&format!("output-{number}")).display().to_string();
        let answer = pool.run(&world, &["--args", "echo sold", "--output", &output])?;
        ensure!(answer.code == 0, "{answer:?}\n{}", pool.scheduler.tail(40));
    }
    wait_for("what is left to be offered anew", SOLD_MAX, async || {
        let orders = on_offer(&pool).await?;
        Ok((orders.len() == 1 && orders[0]["remaining"] == 3).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(40))?;

    // Another price by order takes the place of the configuration's, and gives it back.
    operate(&world, &["price", "0", "6000000000"])?;
    until_offered(&pool, 0).await?;
    operate(&world, &["unprice", "0"])?;
    until_offered(&pool, 1).await?;

    operate(&world, &["pause"])?;
    until_offered(&pool, 0).await?;
    operate(&world, &["resume"])?;
    until_offered(&pool, 1).await?;
    // Killed, it leaves an order behind, which the next start withdraws.
    pool.scheduler.kill()?;
    (pool.scheduler, pool.url) =
        start_scheduler(&world, &pool.workerpool, &pool.market_url, &environment).await?;
    until_offered(&pool, 0).await?;
    pool.scheduler.stop().await?;
    ensure!(pool.scheduler.output().contains("orders withdrawn"), "{}", pool.scheduler.tail(20));
    Ok(())
}

/// Publishes a request for one run at most this dear, on a machine as asked for; its hash.
fn request(world: &World, pool: &Pool, pool_price_max: &str, asked: &Value) -> Result<String> {
    let market = ["--market-url", pool.market_url.as_str()];
    let params = json!({ "iexec_args": "echo filled", "poco_placement": asked }).to_string();
    let terms = ["--app-max-price", "1RLC", "--workerpool-max-price", pool_price_max];
    let words = ["order", "sign", "request", &pool.app, "--publish", "--params", &params];
    let answer = world.poco(Party::Requester, &[&market[..], &words, &terms].concat())?.json()?;
    Ok(answer["orderHash"].as_str().context("a hash")?.to_owned())
}

async fn status(pool: &Pool, order: &str) -> Result<String> {
    let mut url = pool.market_url.join(&format!("requestorders/{order}"))?;
    url.set_query(Some("chainId=31337"));
    let answer: Value = reqwest::get(url).await?.json().await?;
    Ok(answer["status"].as_str().context("a status")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_in_the_market_is_filled_at_the_pools_own_price() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan { workers: 0, ..Plan::default() }).await?;
    let chain = world.chain().await?;
    pool.scheduler.stop().await?;
    let too_cheap = request(&world, &pool, "4.9RLC", &json!({}))?;
    let fitting = request(&world, &pool, "8RLC", &json!({ "regions": ["here"] }))?;
    // It pays more than the other, and is looked at first.
    let elsewhere = request(&world, &pool, "9RLC", &json!({ "regions": ["nowhere"] }))?;
    let config = world.path("sales.toml");
    std::fs::write(&config, FILLED)?;
    let config = config.display().to_string();
    let environment = [("POCO_SCHEDULER_CONFIG", config.as_str())];
    (pool.scheduler, pool.url) =
        start_scheduler(&world, &pool.workerpool, &pool.market_url, &environment).await?;
    let before = chain.account(wallet(Party::Requester)?.address()).await?;
    world.fund(Party::Worker(0), "100RLC")?;
    let machine = world.path("machine.toml");
    let usual = std::fs::read_to_string(world.worker_config())?;
    std::fs::write(&machine, format!("{usual}\n[machine]\nregion = \"here\"\n"))?;
    let machine = machine.display().to_string();
    let environment = [("POCO_WORKER_SLOTS", "1"), ("POCO_WORKER_CONFIG", machine.as_str())];
    let worker = pool.worker(&world, 0, &environment)?;
    pool.workers.push(worker);

    wait_for("the request to be filled", SOLD_MAX, async || {
        Ok((status(&pool, &fitting).await? == "filled").then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(40))?;
    let deals = wait_for("the market to show the deal", SOLD_MAX, async || {
        let mut url = pool.market_url.join("deals")?;
        url.set_query(Some(&format!("chainId=31337&requestorderHash={fitting}")));
        let answer: Value = reqwest::get(url).await?.json().await?;
        let deals = answer["deals"].as_array().context("deals")?.clone();
        Ok((!deals.is_empty()).then_some(deals))
    })
    .await?;
    assert_eq!(deals[0]["workerpool"]["price"], PRICE_NANO, "not the most that was allowed");
    let deal = deals[0]["dealid"].as_str().context("a deal")?.parse()?;
    let task = TaskId::of_deal(deal, U256::ZERO);
    wait_for("the task to be completed", SOLD_MAX, async || {
        Ok((chain.task(task).await?.status == TaskStatus::Completed).then_some(()))
    })
    .await
    .with_context(|| pool.scheduler.tail(40))?;
    let after = chain.account(wallet(Party::Requester)?.address()).await?;
    let paid = before.free.0 - after.free.0;
    assert_eq!(paid, U256::from(PRICE_NANO + APP_PRICE_NANO));
    assert_eq!(status(&pool, &too_cheap).await?, "open");
    assert_eq!(status(&pool, &elsewhere).await?, "open", "nobody is there");
    let log = pool.scheduler.output();
    let told = log.lines().find(|line| line.contains("it would not be served"));
    let told = told.with_context(|| pool.scheduler.tail(40))?;
    assert!(told.contains(&elsewhere) && told.contains("do not reach the trust"), "{told}");
    explained(&world, &pool).await
}

/// What `poco explain` says in a pool with one worker, which is `here`.
async fn explained(world: &World, pool: &Pool) -> Result<()> {
    let explain = |words: &[&str]| {
        let about = ["--pool-url", pool.url.as_str(), "explain"];
        world.poco(Party::Requester, &[&about[..], words].concat())
    };
    let of = |region: &str, price: &str| {
        let params = json!({ "poco_placement": { "regions": [region] } }).to_string();
        let terms = ["order", "--category", "0", "--params", params.as_str(), "--price", price];
        explain(&terms)?.json()
    };
    let told = of("nowhere", "9RLC")?;
    assert_eq!(told["waits_for"], "workers: those that fit do not reach the trust");
    assert_eq!(told["held_by"], json!([]));
    check_refusal(&told)?;
    let told = of("here", "4RLC")?;
    assert_eq!(told["held_by"][0]["name"], "price", "{told:#}");
    assert_eq!(told["changes"], json!([["the request pays 5 RLC for a task"]]));
    let told = of("here", "5RLC")?;
    assert_eq!(told["waits_for"], "nothing: 1 workers would begin a task at once");

    // The same of a deal that somebody has made all the same.
    let params = json!({ "poco_placement": { "regions": ["nowhere"] } }).to_string();
    let answer = pool.run(world, &["--params", &params, "--detach"])?.json()?;
    let task = answer["tasks"][0].as_str().context("a task")?;
    let told = wait_for("the pool to look for workers", SOLD_MAX, async || {
        let answer = explain(&[task])?;
        if answer.code != 0 {
            // It has not seen the deal yet.
            return Ok(None);
        }
        let told = answer.json()?;
        Ok((!told["decision"].is_null()).then_some(told))
    })
    .await
    .with_context(|| pool.scheduler.tail(40))?;
    // The worker has nothing to do, and is told why.
    let why = "tasks that it fits: of 1 waiting deals it fits none";
    wait_for("the worker to say why it has no work", SOLD_MAX, async || {
        Ok(pool.workers[0].output().contains(why).then_some(()))
    })
    .await
    .with_context(|| pool.workers[0].tail(20))?;
    let waits_for = told["waits_for"].as_str().context("a reason")?;
    assert!(waits_for.contains("1 are connected, 0 of the others fit"), "{waits_for}");
    check_refusal(&told)
}

/// The one worker is elsewhere: so many were removed by that, it came nearest, and either it moves or
/// another comes.
fn check_refusal(told: &Value) -> Result<()> {
    let decision = &told["decision"];
    assert_eq!((&decision["looked_at"], &decision["free"]), (&json!(1), &json!(0)));
    let removed = decision["removed"].as_array().context("constraints")?;
    assert_eq!((removed.len(), &removed[0]["constraint"]), (1, &json!("region")));
    assert_eq!(removed[0]["count"], 1);
    let worker = wallet(Party::Worker(0))?.address();
    assert_eq!(decision["nearest"][0]["misses"], json!(["region"]));
    assert_eq!(decision["nearest"][0]["worker"], json!(worker.to_string().to_lowercase()));
    let moves = format!("{worker} is in one of {{nowhere}}");
    assert_eq!(told["changes"], json!([[moves], ["1 more log in, in one of {nowhere}"]]));
    Ok(())
}
