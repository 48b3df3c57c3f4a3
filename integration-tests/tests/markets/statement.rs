//! What workers earned by their own statements, and whether a pool kept what it promised.

use anyhow::{Context, Result};
use poco_core::payout::Share;
use poco_core::{Amount, TaskId};
use poco_integration_tests::binaries::binary;
use poco_integration_tests::payments::{Settled, settled};
use poco_integration_tests::pool::{Plan, Pool, start_scheduler};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::world::{Answer, Party, World, answer, wallet};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longest wait for the scheduler to publish its profile.
const PUBLISHED_MAX: Duration = Duration::from_secs(60);
/// Exit code of something that is not what it should be.
const MISMATCH: i32 = 7;
const PROMISES: &str = "[profile]\nworkers_percent_min = 99\nconditions = [\"bound-results\"]\n\
    [[profile.prices]]\ncategory = 0\nprice_nano_min = 10000000000\n";

/// Runs `poco-worker statement` for a worker, without its password.
fn statement(world: &World, number: usize, words: &[&str]) -> Result<Answer> {
    let mut command = Command::new(binary("poco-worker")?);
    command
        .arg("statement")
        .args(words)
        .args([Path::new("--addresses"), &world.addresses_file()])
        .args([Path::new("--keystore"), &world.keystore(Party::Worker(number))?]);
    Ok(answer(command.output()?))
}

fn run(world: &World, pool: &Pool, name: &str) -> Result<TaskId> {
    let output = world.path(name).display().to_string();
    let args = ["--args", "echo hello", "--trust", "5", "--output", &output];
    let answer = pool.run(world, &args)?.json().with_context(|| pool.scheduler.tail(40))?;
    Ok(answer["tasks"][0].as_str().context("a task")?.parse()?)
}

/// A worker's statement says what it was paid for its one task, in every form.
fn check_statement(world: &World, number: usize, task: TaskId, paid: &Settled) -> Result<()> {
    let worker = wallet(Party::Worker(number))?.address();
    let entries = statement(world, number, &["--json"])?.json()?;
    let [entry] = entries.as_array().context("entries")?.as_slice() else {
        panic!("one task: {entries:#}")
    };
    let share = paid.payout.workers.iter().find(|(who, _)| *who == worker);
    let Some((_, Share::Proved { stake, reward })) = share else { panic!("{share:?}") };
    assert_eq!(entry["task"], json!(task));
    assert_eq!((&entry["reward"], &entry["stake"]), (&json!(reward), &json!(stake)));
    assert_eq!((&entry["verdict"], &entry["shares"]), (&json!("proved"), &json!(3)));
    assert_eq!(entry["fee"], json!(paid.payout.scheduler));
    let gas: u128 = entry["gas_fees_wei"].as_str().context("gas")?.parse()?;
    assert!(gas > 0, "it voted and revealed by itself");
    let csv = statement(world, number, &["--csv"])?.stdout;
    let row = format!(",proved,10000000000,0,{},1,0,1,3,", paid.payout.scheduler.0);
    assert!(csv.lines().nth(1).is_some_and(|line| line.contains(&row)), "{csv}");
    let text = statement(world, number, &[])?.stdout;
    assert!(text.contains(&format!("1 tasks: earned {reward}, lost 0 RLC")), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_see_what_they_earned_and_a_pool_is_held_to_its_promise() -> Result<()> {
    let world = World::start().await?;
    let mut pool = Pool::start(&world, &Plan::default()).await?;
    let audit = |pool: &Pool| {
        let market = ["--market-url", pool.market_url.as_str()];
        let words = ["workerpool", "audit", pool.workerpool.as_str()];
        world.poco(Party::Requester, &[&market[..], &words].concat())
    };
    wait_for("a profile without promises", PUBLISHED_MAX, async || {
        let told = audit(&pool)?.stderr;
        Ok(told.contains("promises nothing").then_some(()))
    })
    .await?;
    pool.scheduler.stop().await?;
    let config = world.path("profile.toml");
    std::fs::write(&config, PROMISES)?;
    let config = config.display().to_string();
    let environment = [("POCO_SCHEDULER_CONFIG", config.as_str())];
    let (scheduler, url) =
        start_scheduler(&world, &pool.workerpool, &pool.market_url, &environment).await?;
    (pool.scheduler, pool.url) = (scheduler, url);
    wait_for("the profile", PUBLISHED_MAX, async || Ok((audit(&pool)?.code == 0).then_some(())))
        .await
        .with_context(|| pool.scheduler.tail(40))?;
    // The workers know the scheduler by its address.
    for (number, worker) in pool.workers.iter_mut().enumerate() {
        worker.kill().with_context(|| format!("worker {number}"))?;
    }
    pool.workers.clear();
    for number in 0..3 {
        let worker = pool.worker(&world, number, &[])?;
        pool.workers.push(worker);
    }

    let task = run(&world, &pool, "first")?;
    let chain = world.chain().await?;
    let paid = settled(&chain, task, Amount::ZERO).await?;
    for number in 0..3 {
        check_statement(&world, number, task, &paid)?;
    }
    // What a worker may forget the task by.
    let end = chain.end_of(task, 0).await?.context("the task ended")?.block.number;
    assert_eq!(chain.ended_in(task, end).await?, Some(end));
    assert_eq!(chain.ended_in(task, end + 1).await?, None);

    let kept = audit(&pool)?.json()?;
    assert_eq!((&kept["kept"], &kept["completed"]), (&json!(true), &json!(1)), "{kept:#}");
    assert_eq!(kept["terms"]["conditions"], json!(["bound-results"]));
    let workers: Amount = paid.view.contributors.iter().fold(Amount::ZERO, |sum, worker| {
        let share = paid.payout.workers.iter().find(|(who, _)| who == worker);
        match share {
            Some((_, Share::Proved { reward, .. })) => sum.checked_add(*reward).unwrap_or(sum),
            Some((_, Share::Faulty { .. })) | None => sum,
        }
    });
    assert_eq!(kept["paid"], json!(workers));

    // An order below the promised price: a run takes the cheapest.
    let market = ["--market-url", pool.market_url.as_str(), "order", "sign"];
    let order = ["workerpool", &pool.workerpool, "--price", "9RLC", "--volume", "1"];
    let terms = ["--trust", "100", "--publish"];
    world.poco(Party::Scheduler, &[&market[..], &order, &terms].concat())?.json()?;
    let cheap = run(&world, &pool, "second")?;
    let broken = audit(&pool)?;
    assert_eq!(broken.code, MISMATCH, "{broken:?}");
    let answer: Value = serde_json::from_str(&broken.stdout)?;
    assert_eq!(answer["breaches"][0]["task"], json!(cheap), "{answer:#}");
    assert!(broken.stdout.contains("10 RLC were promised"), "{broken:?}");
    Ok(())
}
