//! What runs print: live to their requester, whatever becomes of the workers, and to iExec's client.

use anyhow::{Context, Result, ensure};
use poco_core::Address;
use poco_integration_tests::clients::iexec;
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::process::{Process, wait_for};
use poco_integration_tests::world::{Party, World, wallet};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for something that must be told, on a busy machine.
const TOLD_MAX: Duration = Duration::from_secs(120);
/// A lost worker is replaced within seconds.
const LOST_SOON: [(&str, &str); 1] = [("POCO_SCHEDULER_LOST_AFTER_SECONDS", "2")];
/// Exit code of what is refused.
const REFUSED: i32 = 3;

/// Buys a run without waiting for it; its task.
fn buy(world: &World, pool: &Pool, args: &str) -> Result<String> {
    let answer = pool.run(world, &["--args", args, "--detach"])?.json()?;
    let task = answer["tasks"][0].as_str().context("a task")?;
    Ok(task.to_owned())
}

/// Follows a task's logs as the requester.
fn follow(world: &World, pool: &Pool, task: &str) -> Result<Process> {
    let mut command = world.command()?;
    let requester = wallet(Party::Requester)?.address().to_string();
    command
        .args(["--yes", "--wallet", &requester, "--market-url", pool.market_url.as_str()])
        .args(["--pool-url", pool.url.as_str(), "task", "logs", task, "--follow"]);
    Process::start(command, &world.path(""), "logs")
}

/// What was told so far, a value a line.
fn told(follower: &Process) -> Vec<Value> {
    let output = follower.output();
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn until_told(
    follower: &Process,
    what: &str,
    is_it: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let found = wait_for(what, TOLD_MAX, async || Ok(told(follower).into_iter().find(&is_it)));
    found.await.with_context(|| follower.tail(40))
}

/// Waits until the pool knows a task that was just bought, and follows it.
async fn follow_soon(world: &World, pool: &Pool, task: &str) -> Result<Process> {
    let url = pool.url.join(&format!("tasks/{task}"))?;
    wait_for("the pool to know the task", TOLD_MAX, async || {
        let answer = reqwest::get(url.clone()).await?;
        Ok(answer.status().is_success().then_some(()))
    })
    .await?;
    follow(world, pool, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_sees_its_run_live_and_that_its_worker_is_lost() -> Result<()> {
    let world = World::start().await?;
    let plan = Plan { workers: 2, scheduler_environment: &LOST_SOON, ..Plan::default() };
    let mut pool = Pool::start(&world, &plan).await?;
    let task = buy(&world, &pool, "echo hello then sleep 25 then echo goodbye")?;
    let mut follower = follow_soon(&world, &pool, &task).await?;

    let is_hello = |value: &Value| value["text"] == "hello\n" && value["stream"] == "stdout";
    let hello = until_told(&follower, "the app's first words", is_hello).await?;
    assert!(!told(&follower).iter().any(|value| value["event"] == "over"), "it runs");
    let first = hello["worker"].as_str().context("a worker")?.to_owned();
    let address: Address = first.parse()?;
    let number = (0..2).find(|number| {
        wallet(Party::Worker(*number)).is_ok_and(|wallet| wallet.address() == address)
    });
    let number = number.context("one of the two")?;
    pool.workers[number].kill()?;
    for event in ["away", "lost"] {
        let is_it = |value: &Value| value["event"] == event && value["worker"] == first.as_str();
        until_told(&follower, event, is_it).await?;
    }
    let is_other = |value: &Value| is_hello(value) && value["worker"] != first.as_str();
    let other = until_told(&follower, "another worker", is_other).await?;
    let status = follower.wait(TOLD_MAX).await?;
    ensure!(status.success(), "{}", follower.tail(40));

    let all = told(&follower);
    let of_other: Vec<&Value> =
        all.iter().filter(|value| value["worker"] == other["worker"]).collect();
    let place = |is_it: &dyn Fn(&Value) -> bool| of_other.iter().position(|value| is_it(value));
    let goodbye =
        place(&|value| value["text"].as_str().is_some_and(|text| text.ends_with("goodbye\n")));
    let ended = place(&|value| value["event"] == "ended");
    assert!(goodbye.is_some() && goodbye < ended, "{all:#?}");
    let last = all.last().context("the end")?;
    assert_eq!((&last["event"], &last["text"]), (&json!("over"), &json!("the task is completed")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_told_with_its_last_lines_to_the_requester_alone() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: 1, ..Plan::default() }).await?;
    let answer = pool.run(&world, &["--args", "echo before the end then exit 7"])?;
    let task = answer.stderr.split_whitespace().find(|word| word.len() == 66);
    let task = task.with_context(|| format!("which task: {}", answer.stderr))?;
    let words = ["--market-url", pool.market_url.as_str(), "task", "logs", task];
    let shown = world.poco(Party::Requester, &words)?;
    ensure!(shown.code == 0, "{shown:?}");
    let lines: Vec<Value> =
        shown.stdout.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    assert_eq!(lines[0]["text"], "before the end\n", "{lines:#?}");
    let failure = lines.iter().find(|line| line["event"] == "failed").context("a failure")?;
    assert_eq!(failure["failure"]["exit_code"], 7, "{failure:#}");
    assert_eq!(failure["failure"]["stdout_tail"], "before the end\n", "{failure:#}");
    assert_eq!(lines.last().context("an end")?["event"], "over");

    for party in [Party::Worker(0), Party::Provider, Party::Scheduler] {
        let refused = world.poco(party, &words)?;
        assert_eq!(refused.code, REFUSED, "{refused:?}");
        assert!(refused.stderr.contains("only the requester"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("before the end"), "{refused:?}");
    }
    let public = ["--market-url", pool.market_url.as_str(), "task", "show", task];
    let public = world.poco(Party::Provider, &public)?;
    assert!(!format!("{public:?}").contains("before the end"), "{public:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_iexec_shows_our_tasks_and_their_logs() -> Result<()> {
    let world = World::start().await?;
    let pool = Pool::start(&world, &Plan { workers: 1, ..Plan::default() }).await?;
    let output = world.path("result").display().to_string();
    let args = ["--args", "echo seen by another client", "--output", &output];
    let run = pool.run(&world, &args)?.json()?;
    let task = run["tasks"][0].as_str().context("a task")?;
    let worker = wallet(Party::Worker(0))?.address().to_string();

    let words = ["task", "debug", task, "--logs"];
    let answer = iexec(&world, &pool, Party::Requester, &words)?;
    let shown = answer.json()?;
    assert_eq!(shown["onchainData"]["statusName"], "COMPLETED", "{shown:#}");
    let off_chain = &shown["offchainData"];
    assert_eq!(off_chain["task"]["status"], "COMPLETED", "{shown:#}");
    let replica = &off_chain["replicates"][0];
    assert_eq!(replica["worker"], worker.as_str(), "{shown:#}");
    assert!(replica["statusHistory"][0]["date"].as_str().is_some_and(|date| date.ends_with('Z')));
    let expected =
        json!([{ "worker": worker, "stdout": "seen by another client\n", "stderr": "" }]);
    assert_eq!(shown["appLogs"], expected, "{shown:#}");

    // Another wallet sees where the task stands, and no logs.
    let answer = iexec(&world, &pool, Party::Provider, &words)?;
    let shown = answer.json()?;
    assert_eq!(shown["offchainData"]["task"]["status"], "COMPLETED", "{shown:#}");
    assert_eq!(shown.get("appLogs"), None, "{shown:#}");
    Ok(())
}
